"""Reads ONNX models as GEMMs and operators. Needs onnx (extra `onnx`); weights are not read.

Shapes come from ONNX's shape inference and from the values that the model computes before the run
(`airchitect_jax.workloads.onnx.inference`), after symbolic dimensions are bound. Files are
untrusted: they are parsed, never run, and all errors are one-line `ValueError`s.
"""

from __future__ import annotations

import pathlib
import warnings
from collections.abc import Mapping
from typing import Any

from airchitect_jax._support import MissingExtraError, file_path, one_line, read_bytes
from airchitect_jax.workloads.binding import UnboundDimsError, with_sizes
from airchitect_jax.workloads.network import Network
from airchitect_jax.workloads.onnx.binding import bind, input_names
from airchitect_jax.workloads.onnx.checks import all_graphs, check_model
from airchitect_jax.workloads.onnx.graph import Graph
from airchitect_jax.workloads.onnx.inference import Tensors


def read_onnx(path: str | pathlib.Path, dims: Mapping[str, int] | None = None) -> Network:
    """Reads a model; the network is named after the file.

    Matrix work is that of Conv, ConvInteger, ConvTranspose, DeformConv, QLinearConv, MatMul,
    MatMulInteger, QLinearMatMul, Gemm, Einsum of two operands, Attention, RNN, GRU and LSTM, and of
    some of ONNX Runtime's (`airchitect_jax.workloads.onnx.contrib`); `If` counts the branch that it
    takes, or its most expensive one if this is not known, `Scan` and `Loop` their length (a Loop of
    unknown length once, with a warning). All other work is in the network's operators
    (`airchitect_jax.workloads.onnx.operators`); what depends only on constants and shapes is
    computed before the run. A warning names operators of other domains, whose work is unknown.

    Args:
      path: the `.onnx` file. External tensors are read only if they are small enough to be shapes,
        and only from its folder.
      dims: sizes of symbolic dimensions by name, or by input and axis ("x[0]"); values of inputs
        that are one whole number by the input's name.

    Returns:
      The network; its `skipped` counts the operators that are not modelled, or whose shapes are not
      known.

    Raises:
      ValueError: the file cannot be read, is not an ONNX model, refers to files outside its folder,
        has no matrix work, or a required shape is unknown; names file and node, and all
        dimensions that need a size.

    Example:
      >>> import onnx
      >>> text = "net (float[8, 64] x, float[64, 32] w) => (float[8, 32] y) { y = MatMul(x, w) }"
      >>> model = onnx.parser.parse_model('<ir_version: 8, opset_import: ["": 17]>' + text)
      >>> onnx.save(model, "net.onnx")
      >>> layer = aj.read_onnx("net.onnx").layers[0]
      >>> layer.m, layer.n, layer.k
      (8, 32, 64)
    """
    path = file_path("path", path)
    return parse_onnx(
        read_bytes(path),
        name=path.stem,
        source=str(path),
        dims=dims or {},
        folder=path.absolute().parent,
    )


def parse_onnx(
    data: bytes, *, name: str, source: str, dims: Mapping[str, int], folder: pathlib.Path
) -> Network:
    """Parses the bytes of a model; `source` stands for the file in errors."""
    try:
        import onnx
    except ImportError as error:  # pragma: no cover - depends on the installation
        raise MissingExtraError("ONNX files need onnx", "onnx") from error
    try:
        try:
            model = onnx.load_model_from_string(data)
        except Exception as error:
            raise ValueError(f"not an ONNX model: {error}") from None
        check_model(model, folder)
        found = with_sizes(input_names(model.graph), dims, lambda sizes: _walked(model, sizes))
        if not found.layers:
            kinds = sorted({node.op_type for node in model.graph.node})
            raise ValueError(f"no matrix work found, only {one_line(', '.join(kinds), 200)}")
        network = found.found.network(name)
    except ValueError as error:
        line = f"{source}: {one_line(str(error), 800)}"
        if isinstance(error, UnboundDimsError):
            raise UnboundDimsError(line, error.proposed) from None
        raise ValueError(line) from None
    foreign = [f"{name} ({count})" for name, count in network.skipped.items() if "." in name]
    if foreign:
        warnings.warn(
            f"{source}: unknown operators, whose matrix work, if any, is not counted: "
            + one_line(", ".join(foreign), 200),
            stacklevel=3,
        )
    return network


def _walked(model: Any, sizes: Mapping[str, int]) -> Graph:
    import onnx
    import onnx.inliner

    bound = type(model)()
    bound.CopyFrom(model)
    bind(bound.graph, sizes)
    try:
        if bound.functions:
            bound = onnx.inliner.inline_local_functions(bound)
        bound = onnx.shape_inference.infer_shapes(bound, data_prop=True)
    except Exception as error:
        raise ValueError(f"its shapes cannot be inferred: {error}") from None
    opsets = {entry.domain: entry.version for entry in bound.opset_import}
    limit = 10_000 + 100 * sum(len(graph.node) for graph in all_graphs(bound.graph))
    return Graph(bound.graph, Tensors(opsets, limit=limit).within(bound.graph))
