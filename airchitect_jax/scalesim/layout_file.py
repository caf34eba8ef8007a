"""Reads the layouts of the scalesim 3.0.0 package (`.csv`)."""

from __future__ import annotations

import pathlib

from airchitect_jax.scalesim.cells import doubt, parse_whole, read_rows
from airchitect_jax.scalesim.layer import LayerLayout

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
