"""Operators of ONNX Runtime: hand-worked products, and its own shapes if it is installed."""

import warnings

import numpy as np
import onnx_models as models
import pytest
from onnx import TensorProto, helper

from airchitect_jax.workloads.onnx.contrib import SHAPES

DOMAIN = "com.microsoft"


def values(**shapes):
    return [models.value(name, *shape) for name, shape in shapes.items()]


# Kind: inputs, attributes, GEMMs, shape of the first result and operations of its operator.
CASES = {
    "Attention": (
        {"x": (2, 6, 16), "w": (16, 24), "b": (24,)},
        {"num_heads": 4},
        [(12, 24, 16, 1), (6, 6, 2, 8), (6, 2, 6, 8)],
        (2, 6, 8),
        6 * 2 * 4 * 6 * 6,
    ),
    "BiasGelu": ({"x": (3, 8), "b": (8,)}, {}, [], (3, 8), 6 * 24),
    "DynamicQuantizeMatMul": (None, {}, [(3, 5, 8, 1)], (3, 5), None),
    "FastGelu": ({"x": (3, 8)}, {}, [], (3, 8), 9 * 24),
    "FusedConv": (
        {"x": (2, 4, 9, 8), "w": (6, 4, 3, 2)},
        {"activation": "Relu", "pads": [1, 0, 1, 0], "strides": [2, 1]},
        [(2 * 5 * 7, 6, 24, 1)],
        (2, 6, 5, 7),
        None,
    ),
    "FusedMatMul": (
        {"a": (2, 3, 8, 4), "b": (3, 8, 5)},
        {"transA": 1},
        [(4, 5, 8, 6)],
        (2, 3, 4, 5),
        None,
    ),
    "Gelu": ({"x": (3, 8)}, {}, [], (3, 8), 5 * 24),
    "GroupQueryAttention": (
        {"q": (1, 3, 32), "k": (1, 3, 16), "v": (1, 3, 16), "pk": (1, 2, 7, 8), "pv": (1, 2, 7, 8)},
        {"num_heads": 4, "kv_num_heads": 2},
        [(6, 10, 8, 2), (6, 8, 10, 2)],
        (1, 3, 32),
        6 * 2 * 6 * 10,
    ),
    "MatMulNBits": (None, {"K": 32, "N": 5, "bits": 4, "block_size": 32}, [(6, 5, 32, 1)],
                    (2, 3, 5), None),
    "MultiHeadAttention": (
        {"q": (2, 3, 16), "k": (2, 7, 16), "v": (2, 7, 24)},
        {"num_heads": 4},
        [(3, 7, 4, 8), (3, 6, 7, 8)],
        (2, 3, 24),
        6 * 8 * 3 * 7,
    ),
    "QuickGelu": ({"x": (3, 8)}, {}, [], (3, 8), 5 * 24),
    "SkipLayerNormalization": (
        {"x": (2, 3, 8), "s": (2, 3, 8), "g": (8,), "b": (8,)}, {}, [], (2, 3, 8), 8 * 48,
    ),
    "SkipSimplifiedLayerNormalization": (
        {"x": (2, 3, 8), "s": (2, 3, 8), "g": (8,)}, {}, [], (2, 3, 8), 5 * 48,
    ),
}  # fmt: skip
UINT8 = TensorProto.UINT8
QUANTIZED = {
    "DynamicQuantizeMatMul": [
        *values(a=(3, 8)), models.value("b", 8, 5, kind=UINT8), *values(scale=(1,)),
    ],
    "MatMulNBits": [
        *values(a=(2, 3, 32)), models.value("b", 5, 1, 16, kind=UINT8), *values(scale=(5, 1)),
    ],
}  # fmt: skip


def case(kind):
    shapes, attributes, *_ = CASES[kind]
    inputs = QUANTIZED.get(kind) or values(**shapes)
    names = [value.name for value in inputs]
    if kind == "MultiHeadAttention":
        names += ["", "", ""]
    node = helper.make_node(kind, names, ["out"], name="node", domain=DOMAIN, **attributes)
    return node, inputs


@pytest.mark.parametrize("kind", CASES)
def test_products_shapes_and_operations(kind):
    _, _, products, shape, operations = CASES[kind]
    node, inputs = case(kind)
    # A product along the last axis, which needs the shape of the result.
    after = helper.make_node("MatMul", ["out", "after"], ["y"])
    proto = models.model(
        [node, after], inputs, [models.weights("after", shape[-1], 3)], domains=[DOMAIN]
    )
    network = models.parse(proto)
    *layers, last = [(layer.m, layer.n, layer.k, layer.count) for layer in network.layers]
    assert layers == products
    assert last == (int(np.prod(shape[:-1])), 3, shape[-1], 1)
    assert [operator.operations for operator in network.operators] == (
        [] if operations is None else [operations]
    )
    assert not network.skipped


@pytest.mark.parametrize("kind", CASES)
def test_shapes_are_those_of_onnx_runtime(kind):
    onnxruntime = pytest.importorskip("onnxruntime")
    _, _, _, shape, _ = CASES[kind]
    node, inputs = case(kind)
    if kind == "GroupQueryAttention":
        node.input.extend(["lengths", "total"])
        node.output.extend(["keys", "values"])
        inputs += [
            models.value(name, *side, kind=6) for name, side in (("lengths", (1,)), ("total", ()))
        ]
    proto = models.model([node], inputs, domains=[DOMAIN])
    proto.ir_version = 10
    del proto.graph.output[:]
    proto.graph.output.append(models.value("out"))
    proto.graph.output[0].type.tensor_type.ClearField("shape")
    session = onnxruntime.InferenceSession(proto.SerializeToString())
    feed = {
        value.name: np.zeros(
            [dim.dim_value for dim in value.type.tensor_type.shape.dim],
            helper.tensor_dtype_to_np_dtype(value.type.tensor_type.elem_type),
        )
        for value in inputs
    }
    if kind == "GroupQueryAttention":
        feed |= {"lengths": np.full(1, 9, np.int32), "total": np.array(10, np.int32)}
    assert session.run(["out"], feed)[0].shape == shape


def test_an_lstm_with_quantized_weights():
    lstm = helper.make_node(
        "DynamicQuantizeLSTM", ["x", "w", "r"], ["h"], domain=DOMAIN, hidden_size=16
    )
    squeeze = helper.make_node("Squeeze", ["h"], ["s"])
    after = helper.make_node("MatMul", ["s", "v"], ["y"])
    stored = [models.weights("w", 1, 8, 64), models.weights("r", 1, 16, 64)]
    proto = models.model(
        [lstm, squeeze, after],
        [models.value("x", 10, 3, 8)],
        [*stored, models.weights("v", 16, 5)],
        domains=[DOMAIN],
    )
    assert models.gemms(proto) == [(30, 64, 8, 1), (3, 64, 16, 10), (30, 5, 16, 1)]
    (gates,) = models.parse(proto).operators
    assert (gates.operations, gates.count) == (26 * 3 * 16, 10)


def test_every_elementwise_operator_has_a_shape():
    assert {name.removeprefix(f"{DOMAIN}.") for name in SHAPES} >= CASES.keys()


@pytest.mark.parametrize(
    ("kind", "shapes", "attributes", "message"),
    [
        ("FusedMatMul", {"a": (3, 8), "b": (7, 5)}, {}, r"\[3, 8\] and \[7, 5\] cannot"),
        ("FusedMatMul", {"a": (3, 8), "b": (8, 5)}, {"transBatchA": 1}, "are not modelled"),
        ("MultiHeadAttention", {"q": (2, 3, 16)}, {"num_heads": 4}, "are packed"),
        ("Attention", {"x": (2, 6, 16), "w": (16, 24)}, {"num_heads": 5}, "do not fit"),
        ("GroupQueryAttention", {"q": (2, 3, 32)}, {"num_heads": 3, "kv_num_heads": 2}, "do not"),
    ],
)
def test_bad_operators_are_refused(kind, shapes, attributes, message):
    node = helper.make_node(kind, list(shapes), ["y"], domain=DOMAIN, **attributes)
    proto = models.model([node], values(**shapes), domains=[DOMAIN])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(ValueError, match=message):
            models.parse(proto)
