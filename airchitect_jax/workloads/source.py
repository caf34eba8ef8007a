"""Opens a network by packaged name, or reads the file of any format that there is a reader for."""

from __future__ import annotations

import pathlib
from collections.abc import Callable, Mapping

from airchitect_jax._support import shown
from airchitect_jax.workloads.network import Network
from airchitect_jax.workloads.onnx import read_onnx
from airchitect_jax.workloads.scalesim_csv import read_topology
from airchitect_jax.workloads.stablehlo import read_stablehlo
from airchitect_jax.workloads.torch_export import read_torch
from airchitect_jax.workloads.zoo import load_network, network_names

_READERS: Mapping[str, Callable[[str | pathlib.Path], Network]] = {
    ".csv": read_topology,
    ".mlir": read_stablehlo,
    ".mlirbc": read_stablehlo,
    ".stablehlo": read_stablehlo,
}
_READERS_WITH_DIMS: Mapping[
    str, Callable[[str | pathlib.Path, Mapping[str, int] | None], Network]
] = {
    ".onnx": read_onnx,
    ".pt2": read_torch,
}


def open_network(source: str | pathlib.Path, dims: Mapping[str, int] | None = None) -> Network:
    """The network of a packaged name, or of a file.

    Args:
      source: the name, or the path of a SCALE-Sim topology (`.csv`), an ONNX model (`.onnx`), a
        StableHLO program (`.mlir`, `.mlirbc`, `.stablehlo`) or an exported PyTorch program
        (`.pt2`).
      dims: sizes of symbolic dimensions, for ONNX models and PyTorch programs.

    Raises:
      ValueError: the source is none of these, or its reader refuses it.
      TypeError: an argument is of another type.

    Example:
      >>> layer = aj.open_network("bert_base").layers[0]
      >>> layer.name, layer.m, layer.n, layer.k
      ('qkv', 128, 2304, 768)
    """
    if not isinstance(source, (str, pathlib.Path)):
        raise TypeError(f"workload: {shown(source)} is not allowed; expected a name or a path")
    if dims is not None and not isinstance(dims, Mapping):
        raise TypeError(f"dims: {shown(dims)} is not allowed; expected a mapping of names to sizes")
    suffix = pathlib.Path(source).suffix.lower()
    if suffix in _READERS_WITH_DIMS:
        return _READERS_WITH_DIMS[suffix](source, dims)
    if dims:
        raise ValueError(f"{source}: dimensions can be bound in .onnx and .pt2 files only")
    if suffix in _READERS:
        return _READERS[suffix](source)
    if str(source) in network_names():
        return load_network(str(source))
    raise ValueError(
        f"workload: {shown(str(source))} is neither a file"
        f" ({', '.join(sorted((*_READERS, *_READERS_WITH_DIMS)))}) nor a packaged network;"
        f" packaged are {', '.join(network_names())}"
    )
