"""Reads the topologies of the scalesim 3.0.0 package (`.csv`)."""

from __future__ import annotations

import itertools
import pathlib
from collections.abc import Callable
from typing import TypeAlias

from airchitect_jax.scalesim.cells import doubt, parse_whole, read_rows, whole
from airchitect_jax.scalesim.layer import ScalesimLayer

INPUT_TYPES = ("conv", "gemm")
_CONV = (
    "ifmap_rows",
    "ifmap_cols",
    "filter_rows",
    "filter_cols",
    "channels",
    "num_filters",
    "row_stride",
    "col_stride",
    "sparsity_n",
    "sparsity_m",
)
_RowReader: TypeAlias = Callable[[str, list[str]], list[ScalesimLayer]]
_GEMM = ("m", "n", "k", "sparsity_n", "sparsity_m")


def read_layers(
    path: str | pathlib.Path, *, input_type: str = "conv", strict: bool = False
) -> tuple[ScalesimLayer, ...]:
    """Reads a topology as the package does.

    The first line is the header. What follows the last comma of a row does not count. A row of
    convolutions is `name, ifmap height, ifmap width, filter height, filter width, channels,
    filters, stride,` and one of GEMMs `name, m, n, k,`, each with an optional `n:m` of sparsity. A
    convolution with "DP" in its name is depthwise: one layer per channel, each with all filters.

    Args:
      path: the file.
      input_type: "conv" or "gemm".
      strict: refuse what the package reads otherwise than it is written, such as a row without
        its last comma; otherwise warn and follow the package.

    Raises:
      ValueError: the package crashes with this file, or a size is not positive; names file, row,
        value and what is allowed.
    """
    if input_type not in INPUT_TYPES:
        raise ValueError(f"input_type: {input_type!r} is not allowed; expected conv or gemm")
    path = pathlib.Path(path)
    read_row = _gemm_layers if input_type == "gemm" else _conv_layers
    header, rows = read_rows(path)
    if _is_layer(header, read_row):
        doubt(f"{path}: row 1: the package takes this layer for the header", strict=strict)
    layers: list[ScalesimLayer] = []
    for number, row in rows:
        doubts: list[str] = []
        try:
            layers += read_row(row, doubts)
        except ValueError as error:
            raise ValueError(f"{path}: row {number}: {error}") from None
        for message in doubts:
            doubt(f"{path}: row {number}: {message}", strict=strict)
    if not layers:
        doubt(f"{path}: no layers below the header", strict=strict)
    return tuple(layers)


def _is_layer(row: str, read_row: _RowReader) -> bool:
    doubts: list[str] = []
    try:
        return bool(read_row(row, doubts)) and not doubts
    except ValueError:
        return False


def _gemm_layers(row: str, doubts: list[str]) -> list[ScalesimLayer]:
    cells = _cells(row, doubts)
    if len(cells) < 4:
        raise ValueError(f"{len(cells)} cells that end with a comma; expected name, m, n, k")
    ratio = _ratio(cells[4]) if len(cells) > 4 else ["1", "1"]
    m, n, k, sparsity_n, sparsity_m = (
        parse_whole(field, cell) for field, cell in zip(_GEMM, cells[1:4] + ratio, strict=True)
    )
    for field, size in (("m", m), ("n", n), ("k", k)):
        whole(field, size)
    if len(cells) > 5:
        doubts.append(f"the package ignores the cells after {cells[4].strip()!r}")
    layer = ScalesimLayer(
        name=cells[0].strip(),
        ifmap_rows=m,
        ifmap_cols=k,
        filter_rows=1,
        filter_cols=k,
        channels=1,
        num_filters=n,
        row_stride=1,
        col_stride=1,
        sparsity_n=sparsity_n,
        sparsity_m=sparsity_m,
    )
    return [layer]


def _conv_layers(row: str, doubts: list[str]) -> list[ScalesimLayer]:
    cells = _cells(row, doubts)
    if len(cells) < 8:
        raise ValueError(
            f"{len(cells)} cells that end with a comma; expected name, ifmap height, ifmap width,"
            " filter height, filter width, channels, filters, stride"
        )
    # There is one stride. The last cell after it is the sparsity, but the package looks for it
    # right behind the strides, where cells between the two come to stand.
    ratio = _ratio(cells[-1]) if len(cells) > 8 else ["1", "1"]
    numbers = [*cells[1:8], cells[7], *cells[8:-1], *ratio]
    if len(cells) > 9:
        doubts.append(
            f"the package takes the cells {numbers[8].strip()!r} and {numbers[9].strip()!r} for"
            " the sparsity"
        )
    names = itertools.chain(_CONV, itertools.repeat("cell"))
    sizes = {field: parse_whole(field, cell) for field, cell in zip(names, numbers, strict=False)}
    sizes.pop("cell", None)
    name = cells[0].strip()
    if "DP" not in name:
        return [ScalesimLayer(name=name, **sizes)]
    channels = whole("channels", sizes.pop("channels"))
    return [
        ScalesimLayer(name=f"{name}Channel_{channel}", channels=1, **sizes)
        for channel in range(channels)
    ]


def _cells(row: str, doubts: list[str]) -> list[str]:
    *cells, last = row.split(",")
    if last.strip():
        doubts.append(f"the package ignores what follows the last comma, {last.strip()!r}")
    return cells


def _ratio(cell: str) -> list[str]:
    parts = cell.strip().split(":")
    if len(parts) < 2:
        raise ValueError(f"sparsity: {cell.strip()!r} is not allowed; expected n:m")
    return parts[:2]
