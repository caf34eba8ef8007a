"""Binds the symbolic dimensions of ONNX models."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airchitect_jax.workloads.binding import Names
from airchitect_jax.workloads.onnx.checks import all_graphs
from airchitect_jax.workloads.onnx.inference import STANDARD

_WHOLE = (6, 7)  # the element types int32 and int64


def input_names(graph: Any) -> Names:
    """What can be bound; dimensions of `graph` that have no name get one."""
    names = Names()
    for value in _inputs(graph):
        kind = value.type.tensor_type
        for axis, dim in enumerate(kind.shape.dim):
            if not dim.HasField("dim_value") or dim.dim_value == -1:
                # Some exporters write "?" for each unknown dimension.
                rank = len(kind.shape.dim)
                dim.dim_param = names.add(value.name, axis, rank, dim.dim_param.strip("?"))
        sides = [dim.dim_value for dim in kind.shape.dim]
        if kind.elem_type in _WHOLE and kind.HasField("shape") and sides in ([], [1]):
            names.numbers.add(value.name)
    return names


def _inputs(graph: Any) -> list[Any]:
    stored = {tensor.name for tensor in graph.initializer}
    return [value for value in graph.input if value.name not in stored]


def bind(graph: Any, sizes: Mapping[str, int]) -> None:
    """Gives dimensions of `graph` their sizes, and whole-number inputs their values."""
    for value in _inputs(graph):
        kind = value.type.tensor_type
        _give(value, sizes)
        if value.name in sizes and kind.elem_type in _WHOLE:
            tensor = graph.initializer.add(name=value.name, data_type=kind.elem_type)
            tensor.dims.extend(dim.dim_value for dim in kind.shape.dim)
            numbers = tensor.int64_data if kind.elem_type == tensor.INT64 else tensor.int32_data
            numbers.append(sizes[value.name])
    for inner in all_graphs(graph):
        # Stored shapes could contradict the sizes; those of unknown operators are all there is.
        kept = {name for node in inner.node if node.domain not in STANDARD for name in node.output}
        for index in reversed(range(len(inner.value_info))):
            if inner.value_info[index].name not in kept:
                del inner.value_info[index]
        for value in (*inner.value_info, *inner.output):
            if value.name in kept:
                _give(value, sizes)
            elif value.type.HasField("tensor_type"):
                value.type.tensor_type.ClearField("shape")


def _give(value: Any, sizes: Mapping[str, int]) -> None:
    for dim in value.type.tensor_type.shape.dim:
        if dim.dim_param in sizes:
            dim.dim_value = sizes[dim.dim_param]
