"""Reads ONNX models as GEMMs and operators. Needs onnx (extra `onnx`); weights are not read.

Shapes come from ONNX's shape inference, after symbolic dimensions are bound. Files are untrusted:
they are parsed, never run, and all errors are one-line `ValueError`s.
"""

from __future__ import annotations

import math
import pathlib
import re
import warnings
from collections.abc import Iterator, Mapping
from typing import Any

from airchitect_jax._support import check_regular, file_path, one_line, shown
from airchitect_jax.workloads.network import Network, with_distinct_names
from airchitect_jax.workloads.onnx.graph import STANDARD, Graph, inner_graphs
from airchitect_jax.workloads.onnx.nodes import Shapes

_SMALL = 64  # elements of a tensor that may hold a shape
_MAX_NODES = 1_000_000  # once functions are inlined
_EQUATION = re.compile(r"(?:[A-Za-z, ]|\.{3})*(?:->(?:[A-Za-z ]|\.{3})*)?")


def read_onnx(path: str | pathlib.Path, dims: Mapping[str, int] | None = None) -> Network:
    """Reads a model; the network is named after the file.

    Matrix work is that of Conv, ConvInteger, ConvTranspose, DeformConv, QLinearConv, MatMul,
    MatMulInteger, QLinearMatMul, Gemm, Einsum of two operands, Attention, RNN, GRU and LSTM; `If`
    counts its most expensive branch, `Scan` and `Loop` their length (a Loop of unknown length once,
    with a warning). All other work is in the network's operators
    (`airchitect_jax.workloads.onnx.operators`); what depends only on constants and shapes is
    computed before the run. A warning names operators of other domains, whose work is unknown.

    Args:
      path: the `.onnx` file. External tensors are read only if they are small enough to be shapes,
        and only from its folder.
      dims: sizes of symbolic dimensions by name; the unnamed ones of input x are "x.0", "x.1"...

    Returns:
      The network; its `skipped` counts the operators that are not modelled, or whose shapes are not
      known.

    Raises:
      ValueError: the file cannot be read, is not an ONNX model, refers to files outside its folder,
        has no matrix work, or a required shape is unknown; names file and node.
    """
    path = file_path("path", path)
    check_regular(path)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ValueError(f"{path}: cannot be read: {error.strerror}") from None
    return parse_onnx(
        data, name=path.stem, source=str(path), dims=dims or {}, folder=path.absolute().parent
    )


def parse_onnx(
    data: bytes, *, name: str, source: str, dims: Mapping[str, int], folder: pathlib.Path
) -> Network:
    """Parses the bytes of a model; `source` stands for the file in errors."""
    try:
        import onnx
        import onnx.inliner
    except ImportError as error:  # pragma: no cover - depends on the installation
        raise ImportError("ONNX files need onnx: pip install 'airchitect-jax[onnx]'") from error
    try:
        try:
            model = onnx.load_model_from_string(data)
        except Exception as error:
            raise ValueError(f"not an ONNX model: {error}") from None
        if not _is_text(model):
            raise ValueError("not an ONNX model: a name in it is not UTF-8 text")
        if not model.graph.node:
            raise ValueError("not an ONNX model, or one without operators")
        _check_functions(model)
        opset = max((o.version for o in model.opset_import if o.domain in STANDARD), default=1)
        for whole in (model.graph, *model.functions):
            for graph in _graphs(whole):
                _check_nodes(graph, opset, onnx.defs)
                _rename(graph)
                for tensor in _tensors(graph):
                    _lighten(tensor, folder)
        known = _bind(model.graph, dims)
        try:
            if model.functions:
                model = onnx.inliner.inline_local_functions(model)
            model = onnx.shape_inference.infer_shapes(model, data_prop=True)
        except Exception as error:
            raise ValueError(f"its shapes cannot be inferred: {error}") from None
        found = Graph(model.graph, Shapes(symbols=known))
        if not found.layers:
            kinds = sorted({node.op_type for node in model.graph.node})
            raise ValueError(f"no matrix work found, only {one_line(', '.join(kinds), 200)}")
        network = Network(
            name=name,
            layers=with_distinct_names(found.layers),
            operators=with_distinct_names(found.operators),
            skipped=dict(sorted(found.skipped.items())),
        )
    except ValueError as error:
        raise ValueError(f"{source}: {one_line(str(error), 500)}") from None
    foreign = [f"{name} ({count})" for name, count in network.skipped.items() if "." in name]
    if foreign:
        warnings.warn(
            f"{source}: unknown operators, whose matrix work, if any, is not counted: "
            + one_line(", ".join(foreign), 200),
            stacklevel=3,
        )
    return network


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


def _graphs(graph: Any) -> Iterator[Any]:
    """A graph, or a function's body, and all graphs within it."""
    yield graph
    for node in graph.node:
        for inner in inner_graphs(node):
            yield from _graphs(inner)


def _tensors(graph: Any) -> Iterator[Any]:
    """All stored tensors of a graph or of a function's body."""
    yield from getattr(graph, "initializer", ())
    for node in graph.node:
        yield from (attribute.t for attribute in node.attribute if attribute.HasField("t"))


def _lighten(tensor: Any, folder: pathlib.Path) -> None:
    """Reduces a tensor to what shape inference may use: its dimensions and small values."""
    if any(side < 0 for side in tensor.dims):
        raise ValueError(f"tensor {shown(tensor.name)} has a negative dimension")
    small = math.prod(tensor.dims) <= _SMALL
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


def _bind(graph: Any, dims: Mapping[str, int]) -> tuple[str, ...]:
    """Binds symbolic dimensions to their sizes; returns the names of the others.

    Raises:
      ValueError: a name is not one of the model's, or a size is not a whole number above zero.
    """
    stored = {tensor.name for tensor in graph.initializer}
    inputs = [value for value in graph.input if value.name not in stored]
    names: dict[str, None] = {}
    for value in inputs:
        for axis, dim in enumerate(value.type.tensor_type.shape.dim):
            if not dim.HasField("dim_value"):
                dim.dim_param = dim.dim_param or f"{value.name}.{axis}"
                names[dim.dim_param] = None
    for name, size in dims.items():
        if name not in names:
            there = f"there are {one_line(', '.join(names), 200)}" if names else "there are none"
            raise ValueError(f"dimension {shown(name)} is not one of the model's; {there}")
        if not isinstance(size, int) or not 1 <= size < 2**31:
            raise ValueError(
                f"dimension {one_line(name, 80)}: {shown(size)} is not allowed;"
                " expected 1..2147483647"
            )
    # Stored inferred shapes could contradict the bound dimensions.
    for inner in _graphs(graph):
        del inner.value_info[:]
    for value in (*inputs, *graph.output):
        for dim in value.type.tensor_type.shape.dim:
            if dim.dim_param in dims:
                dim.dim_value = dims[dim.dim_param]
    return tuple(name for name in names if name not in dims)
