"""Layers of the scalesim 3.0.0 package, layouts of their operands, and readers of both (`.csv`)."""

from __future__ import annotations

import dataclasses
import itertools
import pathlib
from collections.abc import Callable
from typing import TypeAlias

from airchitect_jax._support import settle, whole_number
from airchitect_jax.scalesim.cells import doubt, parse_whole, read_rows

_SIZES = (
    "ifmap_rows",
    "ifmap_cols",
    "filter_rows",
    "filter_cols",
    "channels",
    "num_filters",
    "row_stride",
    "col_stride",
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class ScalesimLayer:
    """One layer, as the scalesim 3.0.0 package sees it: a convolution.

    A GEMM is a convolution of an ifmap of m x k with n filters of 1 x k.

    Attributes:
      name: of the layer.
      ifmap_rows, ifmap_cols: of the input, padding included.
      filter_rows, filter_cols: of a filter.
      channels: of input and filter.
      num_filters: number of filters.
      row_stride, col_stride: of the window.
      sparsity_n, sparsity_m: at most n of m weights in a row are not zero.

    Raises:
      ValueError: a size is not in 1..2**31 - 1, or the filter is larger than the ifmap.
    """

    name: str
    ifmap_rows: int
    ifmap_cols: int
    filter_rows: int
    filter_cols: int
    channels: int
    num_filters: int
    row_stride: int
    col_stride: int
    sparsity_n: int = 1
    sparsity_m: int = 1

    def __post_init__(self) -> None:
        """Refuses sizes with which the package crashes or counts backwards."""
        settle(self, **{field: whole_number(field, getattr(self, field)) for field in _SIZES})
        for side in ("rows", "cols"):
            ifmap, filters = getattr(self, f"ifmap_{side}"), getattr(self, f"filter_{side}")
            if filters > ifmap:
                raise ValueError(
                    f"filter_{side}: {filters} is not allowed; expected at most ifmap_{side},"
                    f" {ifmap}"
                )

    @property
    def ofmap_rows(self) -> int:
        """Rows of the output."""
        return -(-(self.ifmap_rows - self.filter_rows + self.row_stride) // self.row_stride)

    @property
    def ofmap_cols(self) -> int:
        """Columns of the output."""
        return -(-(self.ifmap_cols - self.filter_cols + self.col_stride) // self.col_stride)

    @property
    def ofmap_pixels(self) -> int:
        """Pixels of an output channel: m of the GEMM."""
        return self.ofmap_rows * self.ofmap_cols

    @property
    def window_size(self) -> int:
        """Words of a filter: k of the GEMM."""
        return self.filter_rows * self.filter_cols * self.channels

    @property
    def num_macs(self) -> int:
        """Multiply-accumulate operations of the dense layer."""
        return self.ofmap_pixels * self.num_filters * self.window_size


@dataclasses.dataclass(frozen=True, kw_only=True)
class LayerLayout:
    """The layout of a layer's operands in the lines of the SRAM.

    Dimensions are (height, width, channel) of the ifmap and (filter, channel, height, width) of
    the filter.

    Attributes:
      ifmap_intraline_factor: words of a line along each dimension.
      ifmap_intraline_order: order of the dimensions within a line.
      ifmap_interline_order: order of the dimensions from line to line.
      filter_intraline_factor, filter_intraline_order, filter_interline_order: likewise.
    """

    ifmap_intraline_factor: tuple[int, int, int]
    ifmap_intraline_order: tuple[int, int, int]
    ifmap_interline_order: tuple[int, int, int]
    filter_intraline_factor: tuple[int, int, int, int]
    filter_intraline_order: tuple[int, int, int, int]
    filter_interline_order: tuple[int, int, int, int]


INPUT_TYPES = ("conv", "gemm")
_CONV = (*_SIZES, "sparsity_n", "sparsity_m")
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
        whole_number(field, size)
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
    channels = whole_number("channels", sizes.pop("channels"))
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


_IFMAP_CELLS, _FILTER_CELLS = 13, 21  # cells up to the last that counts, the name included
_NONE = (0, 0, 0, 0)


def read_layout(
    path: str | pathlib.Path, *, ifmap: bool = True, filters: bool = True, strict: bool = False
) -> LayerLayout | None:
    """Reads a layout as the package does: the first row counts, for every layer.

    A row is a name and twenty whole numbers: the words in a line along ifmap height, ifmap width,
    filter height, filter width, channels and filters; the order of (height, width, channel) of the
    ifmap in a line and from line to line; and of (filter, channel, height, width) of the filter.

    Args:
      path: the file.
      ifmap: whether the ifmap has a custom layout.
      filters: likewise; if not, rows may end after the ifmap's numbers.
      strict: refuse rows that differ from the first, which the package ignores; otherwise warn.

    Returns:
      The layout, or None if no operand has one. Other rows are checked as the package does.

    Raises:
      ValueError: the package crashes with this file; names file, row, value and what is allowed.
    """
    path = pathlib.Path(path)
    _, numbered = read_rows(path)
    rows = [_numbers(f"{path}: row {number}", row) for number, row in numbered]
    if not (ifmap or filters):
        return None
    needed = _FILTER_CELLS if filters else _IFMAP_CELLS
    if not rows or len(rows[0]) < needed - 1:
        found = f"{len(rows[0])} numbers" if rows else "no row"
        raise ValueError(
            f"{path}: {found} below the header; expected {needed - 1} numbers after the name"
        )
    if any(row != rows[0] for row in rows):
        doubt(f"{path}: the package uses the first row for every layer", strict=strict)
    cells = [0, *rows[0]]  # numbered as in the file, from the name on
    return LayerLayout(
        ifmap_intraline_factor=(cells[1], cells[2], cells[5]),
        ifmap_intraline_order=(cells[7], cells[8], cells[9]),
        ifmap_interline_order=(cells[10], cells[11], cells[12]),
        filter_intraline_factor=(cells[6], cells[5], cells[3], cells[4]),
        filter_intraline_order=_four(cells, 13) if filters else _NONE,
        filter_interline_order=_four(cells, 17) if filters else _NONE,
    )


def _numbers(where: str, row: str) -> list[int]:
    """The numbers of a row: what follows the last comma does not count.

    A depthwise row, which stands for several, needs its number of channels.
    """
    if "," not in row:
        raise ValueError(f"{where}: {row!r} is not allowed; expected cells that end with a comma")
    name, *cells, _ = row.split(",")
    numbers = [parse_whole(f"{where}: cell {i}", cell) for i, cell in enumerate(cells, start=2)]
    if "DP" in name:
        if len(numbers) < 5:
            raise ValueError(f"{where}: {len(numbers)} numbers; expected at least 5")
        numbers[4] = 1
    return numbers


def _four(cells: list[int], start: int) -> tuple[int, int, int, int]:
    a, b, c, d = cells[start : start + 4]
    return a, b, c, d
