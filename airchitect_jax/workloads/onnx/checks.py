"""Checks and reductions of ONNX models before their shapes are inferred: files are untrusted."""

from __future__ import annotations

import math
import pathlib
import re
from collections.abc import Iterator, Mapping
from typing import Any

from airchitect_jax._support import check_regular, one_line, shown
from airchitect_jax.workloads.onnx.inference import SMALL, STANDARD, inner_graphs

_MAX_NODES = 1_000_000  # once functions are inlined
_EQUATION = re.compile(r"(?:[A-Za-z, ]|\.{3})*(?:->(?:[A-Za-z ]|\.{3})*)?")


def check_model(model: Any, folder: pathlib.Path) -> None:
    """Refuses what shape inference may crash on, and drops weights.

    Args:
      model: an `onnx.ModelProto`, which is changed.
      folder: the only one from which external tensors are read.

    Raises:
      ValueError: says what is wrong.
    """
    import onnx

    if not _is_text(model):
        raise ValueError("not an ONNX model: a name in it is not UTF-8 text")
    if not model.graph.node:
        raise ValueError("not an ONNX model, or one without operators")
    _check_functions(model)
    opset = max((o.version for o in model.opset_import if o.domain in STANDARD), default=1)
    for whole in (model.graph, *model.functions):
        for graph in all_graphs(whole):
            _check_nodes(graph, opset, onnx.defs)
            _rename(graph)
            for tensor in _tensors(graph):
                _lighten(tensor, folder)


def _is_text(message: Any) -> bool:
    """Whether all strings in a message are valid: the parser returns broken ones as bytes."""
    for field, value in message.ListFields():
        single = isinstance(value, (str, bytes)) or hasattr(value, "ListFields")
        values = [value] if single else value
        if field.type == field.TYPE_STRING and not all(isinstance(text, str) for text in values):
            return False
        if field.type == field.TYPE_MESSAGE and not all(map(_is_text, values)):
            return False
    return True


def _check_functions(model: Any) -> None:
    """Refuses functions that are recursive or too large when inlined."""
    bodies = {(f.domain, f.name): f.node for f in model.functions}
    sizes: dict[tuple[str, str], int | None] = {}

    def size(nodes: Any) -> int:
        total = 0
        for node in nodes:
            key = (node.domain, node.op_type)
            if key in bodies:
                if key not in sizes:
                    sizes[key] = None  # marks it as being counted
                    sizes[key] = size(bodies[key])
                called = sizes[key]
                if called is None:
                    raise ValueError(f"function {one_line(node.op_type, 80)} calls itself")
                total += called
            total += 1 + sum(size(graph.node) for graph in inner_graphs(node))
            if total > _MAX_NODES:
                raise ValueError(f"its functions make more than {_MAX_NODES} operators")
        return total

    try:
        size(model.graph.node)
    except RecursionError:
        raise ValueError("its functions call each other too deeply") from None


def _check_nodes(graph: Any, opset: int, defs: Any) -> None:
    """Refuses standard operators on which shape inference may crash or not finish."""
    for node in graph.node:
        for attribute in node.attribute:
            text = attribute.s.decode("utf-8", "replace")
            if attribute.name == "equation" and not _EQUATION.fullmatch(text):
                raise ValueError(
                    f"{node.op_type} {shown(node.name)}: equation {shown(text)} is malformed"
                )
        if node.domain in STANDARD and node.op_type == "Scan" and opset < 9:
            raise ValueError(
                f"Scan {shown(node.name)}: has another meaning in opset {opset}; expected a model"
                " of opset 9 or later"
            )
        if node.domain in STANDARD and defs.has(node.op_type):
            try:
                least = defs.get_schema(node.op_type, opset, "").min_input
            except Exception:  # noqa: S112 - newer than the model's opset: inference reports it
                continue
            if len(node.input) < least:
                raise ValueError(
                    f"{node.op_type} {shown(node.name)}: {len(node.input)} inputs; expected {least}"
                )


def _rename(graph: Any) -> None:
    """Replaces what shape inference does not know by an operator of the same shape and work."""
    for node in graph.node:
        if node.domain in STANDARD and node.op_type == "GroupNormalization":
            node.op_type = "InstanceNormalization"


def all_graphs(graph: Any) -> Iterator[Any]:
    """A graph, or a function's body, and all graphs within it."""
    yield graph
    for node in graph.node:
        for inner in inner_graphs(node):
            yield from all_graphs(inner)


def _tensors(graph: Any) -> Iterator[Any]:
    """All stored tensors of a graph or of a function's body."""
    yield from getattr(graph, "initializer", ())
    for node in graph.node:
        yield from (attribute.t for attribute in node.attribute if attribute.HasField("t"))


def _lighten(tensor: Any, folder: pathlib.Path) -> None:
    """Reduces a tensor to what shape inference may use: its dimensions and small values."""
    if any(side < 0 for side in tensor.dims):
        raise ValueError(f"tensor {shown(tensor.name)} has a negative dimension")
    small = math.prod(tensor.dims) <= SMALL
    if tensor.external_data:
        where = {entry.key: entry.value for entry in tensor.external_data}
        location = where.get("location", "")
        try:
            file = (folder / location).resolve()
            inside = file.is_relative_to(folder.resolve())
        except (OSError, ValueError):  # for example a null character in the name
            inside = False
        if not location or not inside:
            raise ValueError(
                f"tensor {shown(tensor.name)} is stored in {shown(location)}, outside of the"
                " model's folder"
            )
        if small and tensor.data_type == tensor.INT64:
            tensor.raw_data = _read(file, where, 8 * math.prod(tensor.dims), tensor.name)
            del tensor.external_data[:]
            tensor.data_location = tensor.DEFAULT
    elif not small:
        for field in ("raw_data", "float_data", "int32_data", "int64_data", "double_data"):
            tensor.ClearField(field)


def _read(file: pathlib.Path, where: Mapping[str, str], num_bytes: int, name: str) -> bytes:
    try:
        check_regular(file)
    except ValueError as error:
        raise ValueError(f"tensor {shown(name)}: {error}") from None
    try:
        with file.open("rb") as stream:
            stream.seek(int(where.get("offset", "0")))
            data = stream.read(num_bytes)
    except (OSError, ValueError, OverflowError):
        data = b""
    if len(data) != num_bytes:
        raise ValueError(f"tensor {shown(name)} cannot be read from {shown(file.name)}")
    return data
