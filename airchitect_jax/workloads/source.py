"""Opens a network by packaged name, SCALE-Sim topology or ONNX model."""

from __future__ import annotations

import pathlib
from collections.abc import Mapping

from airchitect_jax._support import shown
from airchitect_jax.workloads.network import Network
from airchitect_jax.workloads.onnx import read_onnx
from airchitect_jax.workloads.scalesim_csv import read_topology
from airchitect_jax.workloads.zoo import load_network, network_names


def open_network(source: str | pathlib.Path, dims: Mapping[str, int] | None = None) -> Network:
    """The network of a packaged name, or of a `.csv` or `.onnx` file.

    Args:
      source: the name or the path.
      dims: sizes of symbolic dimensions, for ONNX models.

    Raises:
      ValueError: the source is none of these, or its reader refuses it.
      TypeError: an argument is of another type.
    """
    if not isinstance(source, (str, pathlib.Path)):
        raise TypeError(f"workload: {shown(source)} is not allowed; expected a name or a path")
    if dims is not None and not isinstance(dims, Mapping):
        raise TypeError(f"dims: {shown(dims)} is not allowed; expected a mapping of names to sizes")
    suffix = pathlib.Path(source).suffix.lower()
    if suffix == ".onnx":
        return read_onnx(source, dims)
    if dims:
        raise ValueError(f"{source}: dimensions can be bound in .onnx files only")
    if suffix == ".csv":
        return read_topology(source)
    if str(source) in network_names():
        return load_network(str(source))
    raise ValueError(
        f"workload: {shown(str(source))} is neither a .csv nor an .onnx file nor a packaged"
        f" network; packaged are {', '.join(network_names())}"
    )
