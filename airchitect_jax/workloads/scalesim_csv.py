"""Reads SCALE-Sim topology files of both kinds, and writes GEMM files.

GEMM files have the columns `Layer, M, N, K`; convolution files have `Layer name, IFMAP Height,
IFMAP Width, Filter Height, Filter Width, Channels, Num Filter, Strides`. The header determines the
kind, with these names or variants such as `Stride height, Stride width`. An additional column
`Count`, our extension, is the number of runs of a layer. Other columns after these are ignored,
with a warning if they contain a sparsity. Blank rows, byte order marks, padding and trailing commas
are ignored. Semantics follow the scalesim 3.0.0 package: output sides are
ceil((ifmap - filter + stride) / stride), where the ifmap includes padding, and a layer with DP in
its name is depthwise: it runs once per channel, with one channel.
"""

from __future__ import annotations

import codecs
import csv
import io
import pathlib
import re
import warnings
from collections.abc import Sequence

from airchitect_jax._support import (
    MAX_DIM,
    file_path,
    inert,
    instance,
    one_line,
    read_bytes,
    shown,
    write_text,
)
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
# The letters of these names and of their variants.
_CONV_NAMES = (
    r"(ifmap|input)h(eight)?",
    r"(ifmap|input)w(idth)?",
    r"(filter|kernel)h(eight)?",
    r"(filter|kernel)w(idth)?",
    r"(num|input)?channels?",
    r"(num)?filters?",
    r"strides?(h(eight)?)?",
)
_STRIDE_WIDTH = r"stridew(idth)?"
_RATIO = re.compile(r"([0-9]+)\s*:\s*([0-9]+)")
_UNSAFE = re.compile(r"[,\"\x00-\x1f\x85\u2028\u2029]")
_WHOLE_NUMBER = re.compile(r"[0-9]{1,10}")


def read_topology(path: str | pathlib.Path) -> Network:
    """Reads a topology; the network is named after the file.

    Raises:
      ValueError: the file cannot be read, is empty, or has a bad cell; names file, row and column.

    Example:
      >>> with open("mine.csv", "w") as file:
      ...     print("Layer, M, N, K,", file=file)
      ...     print("first, 64, 128, 256,", file=file)
      >>> aj.read_topology("mine.csv").layers[0].k
      256
    """
    path = file_path("path", path)
    return parse_topology(read_bytes(path), name=path.stem, source=str(path))


def write_topology(path: str | pathlib.Path, network: Network, *, counts: bool = True) -> None:
    """Writes a GEMM topology.

    Characters of a name that such a file does not allow (commas, quotes, line breaks) become
    underscores, and names that a spreadsheet would interpret as formulas are made inert.

    Args:
      path: the file.
      network: its layers become one row each.
      counts: whether to write the column `Count`, which `read_topology` reads and the scalesim
        package would read as a sparsity. Without it the package can read the file, and every
        layer occurs once.

    Example:
      >>> network = aj.load_network("dlrm")
      >>> aj.write_topology("dlrm.csv", network)
      >>> aj.read_topology("dlrm.csv").layers == network.layers
      True
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
        raise ValueError(f"{source}: the file is empty; expected a header and one row per layer")
    (header_line, header), *body = rows
    where = f"{source}: row {header_line}"
    columns = _columns(header, where)
    if not body:
        raise ValueError(f"{source}: no layers after the header")
    count_at = _place(header, "count", where)
    width_at = None if columns is _GEMM_COLUMNS else _place(header, _STRIDE_WIDTH, where)
    layers = []
    for line, cells in body:
        where = f"{source}: row {line}"
        values = [
            _whole_number(cells, at, column, where) for at, column in enumerate(columns, start=1)
        ]
        layer_name = cells[0] or f"row {line}"
        count = 1 if count_at is None else _whole_number(cells, count_at, "Count", where)
        if columns is _GEMM_COLUMNS:
            m, n, k = values
            layers.append(Layer(name=layer_name, m=m, n=n, k=k, count=count))
        else:
            if width_at is None:
                values.append(values[-1])  # one stride for both directions
            else:
                values.append(_whole_number(cells, width_at, "Stride width", where))
            layers.append(_conv_layer(layer_name, values, count, where))
    _warn_of_sparsity(header, body, 1 + len(columns), source)
    return Network(name=name, layers=tuple(layers))


def overlapping_windows(network: Network) -> str:
    """A message on convolutions that scalesim counts differently; empty if there are none."""
    found = [layer.name for layer in network.layers if layer.overlapping]
    if not found:
        return ""
    return (
        f"{one_line(network.name, 80)}: layer {shown(found[0])}"
        + (f" and {len(found) - 1} more" if found[1:] else "")
        + ": windows overlap; the scalesim package shares their words between windows, and its"
        " counts are not those of the GEMM that the replay takes the layer for"
    )


def _columns(header: list[str], where: str) -> tuple[str, ...]:
    """The columns of the kind of file that a header indicates."""
    named = [cell for cell in header if cell]
    if any(_WHOLE_NUMBER.fullmatch(cell) for cell in named):
        raise ValueError(f"{where}: expected a header, found numbers; the first row is not a layer")
    if tuple(cell.upper() for cell in header[1:4]) == _GEMM_COLUMNS:
        return _GEMM_COLUMNS
    found = header[1 : 1 + len(_CONV_NAMES)]
    if len(found) == len(_CONV_NAMES) and all(map(re.fullmatch, _CONV_NAMES, map(_letters, found))):
        return _CONV_COLUMNS
    raise ValueError(
        f"{where}: unknown columns {one_line(', '.join(named), 200)}; expected Layer,"
        f" {', '.join(_GEMM_COLUMNS)} or Layer name, {', '.join(_CONV_COLUMNS)}"
    )


def _letters(cell: str) -> str:
    return re.sub(r"[^a-z]", "", cell.lower())


def _place(header: list[str], name: str, where: str) -> int | None:
    """The index of an optional column."""
    columns = [at for at, cell in enumerate(header) if re.fullmatch(name, _letters(cell))]
    if len(columns) > 1:
        raise ValueError(f"{where}: two columns {shown(header[columns[0]])}; expected one")
    return next(iter(columns), None)


def _warn_of_sparsity(
    header: list[str], body: Sequence[tuple[int, list[str]]], first: int, source: str
) -> None:
    """Warns once that the package would skip multiplications that are counted here."""
    for line, cells in body:
        for at, cell in enumerate(cells[first:], start=first):
            ratio = _RATIO.fullmatch(cell)
            named = at < len(header) and "sparsity" in header[at].lower() and cell not in ("", "1")
            if int(ratio[1]) != int(ratio[2]) if ratio else named:
                warnings.warn(
                    f"{source}: row {line}: sparsity {shown(cell)} is not modelled; layers are"
                    " taken as dense",
                    stacklevel=4,
                )
                return


def _whole_number(cells: list[str], at: int, column: str, where: str) -> int:
    cell = cells[at] if at < len(cells) else ""
    if not cell:
        raise ValueError(f"{where}, column {column}: no value")
    if not _WHOLE_NUMBER.fullmatch(cell) or not 1 <= int(cell) <= MAX_DIM:
        raise ValueError(
            f"{where}, column {column}: {shown(cell)} is not allowed; expected a whole number in"
            f" 1..{MAX_DIM}"
        )
    return int(cell)


def _conv_layer(name: str, values: list[int], count: int, where: str) -> Layer:
    ifmap_h, ifmap_w, filter_h, filter_w, channels, num_filters, stride_h, stride_w = values
    if filter_h > ifmap_h or filter_w > ifmap_w:
        raise ValueError(
            f"{where}: filter {filter_h}x{filter_w} is larger than ifmap {ifmap_h}x{ifmap_w}"
        )
    if "DP" in name:
        count, channels = count * channels, 1
    # The package rounds up, where a convolution would drop an incomplete last step.
    ofmap_h = -(-(ifmap_h - filter_h + stride_h) // stride_h)
    ofmap_w = -(-(ifmap_w - filter_w + stride_w) // stride_w)
    m, k = ofmap_h * ofmap_w, filter_h * filter_w * channels
    if max(m, k) > MAX_DIM:
        raise ValueError(
            f"{where}: the layer is a GEMM of {m} x {num_filters} x {k}, over {MAX_DIM}"
        )
    overlapping = (filter_h > stride_h and ofmap_h > 1) or (filter_w > stride_w and ofmap_w > 1)
    return Layer(name=name, m=m, n=num_filters, k=k, count=count, overlapping=overlapping)
