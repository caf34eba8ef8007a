"""Reads SCALE-Sim topology files, both kinds, as they are found in the wild, and writes GEMM files.

GEMM files have the columns `Layer, M, N, K`; convolution files have `Layer name, IFMAP Height,
IFMAP Width, Filter Height, Filter Width, Channels, Num Filter, Strides`. A column named `Count`,
ours, says how often a layer runs. Other columns after these are ignored, as are blank rows, byte
order marks, padding and trailing commas. Semantics follow the scalesim 3.0.0 package: output
sides are ceil((ifmap - filter + stride) / stride), padding being part of the ifmap, and a layer
with DP in its name is depthwise: it runs once a channel, with one channel.
"""

from __future__ import annotations

import codecs
import csv
import io
import pathlib
import re

from airchitect_jax.checks import MAX_DIM, file_path, instance
from airchitect_jax.files import inert, write_text
from airchitect_jax.workloads.network import Layer, Network

_GEMM_COLUMNS = ("M", "N", "K")
_CONV_COLUMNS = (
    "IFMAP Height",
    "IFMAP Width",
    "Filter Height",
    "Filter Width",
    "Channels",
    "Num Filter",
    "Strides",
)
_UNSAFE = re.compile(r"[,\"\x00-\x1f\x85\u2028\u2029]")
_WHOLE_NUMBER = re.compile(r"[0-9]{1,10}")


def read_topology(path: str | pathlib.Path) -> Network:
    """Reads a topology; the network is named after the file.

    Raises:
      ValueError: the file cannot be read, is empty, or has a bad cell; names file, row and column.
    """
    path = file_path("path", path)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ValueError(f"{path}: cannot be read: {error.strerror}") from None
    return parse_topology(data, name=path.stem, source=str(path))


def write_topology(path: str | pathlib.Path, network: Network, *, counts: bool = True) -> None:
    """Writes a GEMM topology.

    What a name must not hold in such a file (commas, quotes, line breaks) becomes an underscore,
    and a name that a spreadsheet would run is made inert.

    Args:
      path: the file.
      network: its layers, a row each.
      counts: whether to write the column `Count`, which `read_topology` knows and the scalesim
        package takes for a sparsity. Without it the file is the package's, every layer once.
    """
    path = file_path("path", path)
    instance("network", network, Network)
    lines = ["Layer,M,N,K," + ("Count," if counts else "")]
    for layer in network.layers:
        name = inert(_UNSAFE.sub("_", layer.name).strip() or "layer")
        count = f"{layer.count}," if counts else ""
        lines.append(f"{name},{layer.m},{layer.n},{layer.k},{count}")
    write_text(path, "\n".join(lines) + "\n")


def parse_topology(data: bytes, *, name: str, source: str) -> Network:
    """Parses the bytes of a topology file; `source` stands for the file in errors."""
    encoding = "utf-16" if data[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE) else "utf-8-sig"
    try:
        reader = csv.reader(io.StringIO(data.decode(encoding), newline=""))
        rows = [(reader.line_num, [cell.strip() for cell in row]) for row in reader]
    except (UnicodeDecodeError, csv.Error) as error:
        raise ValueError(f"{source}: not a CSV text file: {error}") from None
    rows = [(line, cells) for line, cells in rows if any(cells)]
    if not rows:
        raise ValueError(f"{source}: the file is empty; expected a header and one row a layer")
    (header_line, header), *body = rows
    columns = _columns(header, f"{source}: row {header_line}")
    if not body:
        raise ValueError(f"{source}: no layers after the header")
    count_at = next((at for at, cell in enumerate(header) if cell.lower() == "count"), None)
    layers = []
    for line, cells in body:
        where = f"{source}: row {line}"
        values = [
            _whole_number(cells, at, column, where) for at, column in enumerate(columns, start=1)
        ]
        layer_name = cells[0] or f"row {line}"
        make = _gemm_layer if columns is _GEMM_COLUMNS else _conv_layer
        count = 1 if count_at is None else _whole_number(cells, count_at, "Count", where)
        layers.append(make(layer_name, values, count, where))
    return Network(name=name, layers=tuple(layers))


def _columns(header: list[str], where: str) -> tuple[str, ...]:
    """Which kind of file a header announces."""
    named = [cell for cell in header if cell]
    if any(_WHOLE_NUMBER.fullmatch(cell) for cell in named):
        raise ValueError(f"{where}: expected a header, found numbers; the first row is not a layer")
    if tuple(cell.upper() for cell in header[1:4]) == _GEMM_COLUMNS:
        return _GEMM_COLUMNS
    if len(named) > len(_CONV_COLUMNS):
        return _CONV_COLUMNS
    raise ValueError(
        f"{where}: unknown columns {', '.join(named)}; expected Layer, {', '.join(_GEMM_COLUMNS)}"
        f" or Layer name, {', '.join(_CONV_COLUMNS)}"
    )


def _whole_number(cells: list[str], at: int, column: str, where: str) -> int:
    cell = cells[at] if at < len(cells) else ""
    if not cell:
        raise ValueError(f"{where}, column {column}: no value")
    if not _WHOLE_NUMBER.fullmatch(cell) or not 1 <= int(cell) <= MAX_DIM:
        raise ValueError(
            f"{where}, column {column}: {cell!r} is not allowed; expected a whole number in"
            f" 1..{MAX_DIM}"
        )
    return int(cell)


def _gemm_layer(name: str, values: list[int], count: int, where: str) -> Layer:
    del where  # any three whole numbers make a GEMM
    m, n, k = values
    return Layer(name=name, m=m, n=n, k=k, count=count)


def _conv_layer(name: str, values: list[int], count: int, where: str) -> Layer:
    ifmap_h, ifmap_w, filter_h, filter_w, channels, num_filters, stride = values
    if filter_h > ifmap_h or filter_w > ifmap_w:
        raise ValueError(
            f"{where}: filter {filter_h}x{filter_w} is larger than ifmap {ifmap_h}x{ifmap_w}"
        )
    if "DP" in name:
        count, channels = count * channels, 1
    # The package rounds up, where a convolution would drop an incomplete last step.
    ofmap_h = -(-(ifmap_h - filter_h + stride) // stride)
    ofmap_w = -(-(ifmap_w - filter_w + stride) // stride)
    m, k = ofmap_h * ofmap_w, filter_h * filter_w * channels
    if max(m, k) > MAX_DIM:
        raise ValueError(
            f"{where}: the layer is a GEMM of {m} x {num_filters} x {k}, over {MAX_DIM}"
        )
    return Layer(name=name, m=m, n=num_filters, k=k, count=count)
