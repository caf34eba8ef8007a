"""Builds small ONNX models for tests, and reads them."""

import pathlib

import numpy as np
from onnx import TensorProto, helper

from airchitect_jax.workloads import parse_onnx

FLOAT, INT64 = TensorProto.FLOAT, TensorProto.INT64


def value(name, *shape, kind=FLOAT):
    return helper.make_tensor_value_info(name, kind, shape)


def weights(name, *shape):
    return helper.make_tensor(name, FLOAT, shape, np.zeros(shape, np.float32).tobytes(), raw=True)


def whole_numbers(name, *numbers):
    return helper.make_tensor(name, INT64, [len(numbers)], numbers)


def model(nodes, inputs, stored=(), *, functions=(), domains=()):
    outputs = [helper.make_empty_tensor_value_info(nodes[-1].output[0])]
    graph = helper.make_graph(nodes, "test", inputs, outputs, list(stored))
    opsets = [helper.make_opsetid("", 23), *(helper.make_opsetid(name, 1) for name in domains)]
    return helper.make_model(graph, opset_imports=opsets, functions=functions)


def parse(proto, **dims):
    data = proto if isinstance(proto, bytes) else proto.SerializeToString()
    return parse_onnx(data, name="test", source="t.onnx", dims=dims, folder=pathlib.Path("/none"))


def gemms(proto, **dims):
    return [(layer.m, layer.n, layer.k, layer.count) for layer in parse(proto, **dims).layers]
