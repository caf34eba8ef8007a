"""The tilings of a dimension: plain loops, compiled.

A row describes a tiling, or has in each column the least of several. No cost of a mapping falls
when a column rises. Rows stand in a binary tree, as in a heap: node 1 is the least of all, nodes
2 i and 2 i + 1 are parts of node i, and the leaves, from node `len(tree) // 2` on, are the tilings.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from airchitect_jax._support import compiled

# The loop; the tile of a core; the first and the last block.
TRIPS, SEVERAL, TILE, FIRST, LAST = range(5)
# Sums over blocks: the largest part of a core, its folds on rows and on columns.
CORE, ROW_FOLDS, COL_FOLDS = range(5, 8)
# Cores with work: in the first block, summed over all, over all but the first; all their folds.
FIRST_PARTS, PARTS, LATER_PARTS, ALL_ROW_FOLDS, ALL_COL_FOLDS = range(8, 13)
# The largest part of a core in the first and the last block, and its folds. Not of ranges.
FIRST_CORE, LAST_CORE, FIRST_ROWS, LAST_ROWS, FIRST_COLS, LAST_COLS = range(13, 19)
COLUMNS = 19


def tree(dim: int, cores: int, low: tuple[int, int], high: tuple[int, int]) -> Any:
    """The tree of a dimension on `cores` cores.

    Args:
      dim: its size.
      cores: that share it.
      low: rows and columns of the smallest array.
      high: of the largest. If both are the same, the rows are exact: one for each number of trips
        with the smallest tile, and those of the smallest multiples of rows and columns that save
        folds. Otherwise each number of trips has the least of all its tiles on all the arrays.
    """
    rows = np.empty((3 * min(dim, 2 * int(dim**0.5) + 2), COLUMNS))
    count = _write(rows, dim, cores, *high, low == high)
    leaves = 1 << (count - 1).bit_length()
    nodes = np.full((2 * leaves, COLUMNS), np.inf)
    nodes[leaves : leaves + count] = rows[:count]
    while leaves > 1:
        leaves //= 2
        pairs = nodes[2 * leaves : 4 * leaves]
        nodes[leaves : 2 * leaves] = np.minimum(pairs[::2], pairs[1::2])
    return nodes


def exact_row(dim: int, cores: int, tile: int, rows: int, cols: int) -> Any:
    """The row of one tiling on one array."""
    row = np.empty(COLUMNS)
    _write_exact(row, dim, cores, tile, rows, cols)
    return row


@compiled
def _ceil(a: int, b: int) -> int:
    return -(-a // b)


@compiled
def _write_exact(row: Any, dim: int, cores: int, tile: int, rows: int, cols: int) -> None:
    """One tiling on one array."""
    step = min(cores * tile, dim)
    trips = _ceil(dim, step)
    row[TRIPS], row[SEVERAL], row[TILE] = trips, min(trips - 1, 1), tile
    row[FIRST], row[LAST] = step, dim - (trips - 1) * step
    row[CORE : ALL_COL_FOLDS + 1] = 0
    for is_last in range(2):
        size, blocks = (row[LAST], 1) if is_last else (row[FIRST], trips - 1)
        core = _ceil(int(size), cores)
        parts = _ceil(int(size), core)
        rest = int(size) - (parts - 1) * core
        row[FIRST_CORE + is_last] = core
        row[FIRST_ROWS + is_last], row[FIRST_COLS + is_last] = _ceil(core, rows), _ceil(core, cols)
        row[CORE] += blocks * core
        row[ROW_FOLDS] += blocks * _ceil(core, rows)
        row[COL_FOLDS] += blocks * _ceil(core, cols)
        row[PARTS] += blocks * parts
        row[ALL_ROW_FOLDS] += blocks * ((parts - 1) * _ceil(core, rows) + _ceil(rest, rows))
        row[ALL_COL_FOLDS] += blocks * ((parts - 1) * _ceil(core, cols) + _ceil(rest, cols))
        if not is_last:
            row[FIRST_PARTS] = parts
    row[LATER_PARTS] = row[PARTS] - row[FIRST_PARTS]


@compiled
def _write_least(row: Any, dim: int, cores: int, trips: int, rows: int, cols: int) -> None:
    """The least of all tiles with a number of trips on arrays up to a size (docs/certificates)."""
    share = _ceil(dim, cores)
    tile, before = _ceil(share, trips), trips - 1
    if not before:
        _write_exact(row, dim, cores, tile, rows, cols)
        return
    row[TRIPS], row[SEVERAL], row[TILE] = trips, 1, tile
    row[FIRST], row[LAST], row[CORE] = cores * tile, 1, share
    row[FIRST_PARTS], row[LATER_PARTS] = cores, (before - 1) * cores + 1
    row[PARTS] = row[FIRST_PARTS] + row[LATER_PARTS]
    for place in range(2):
        edge = cols if place else rows
        folds = _ceil(tile, edge)  # of each part but those of the last block
        row[ROW_FOLDS + place] = max(before * folds + 1, _ceil(share, edge))
        row[ALL_ROW_FOLDS + place] = max(before * cores * folds + 1, _ceil(dim, edge))
    row[FIRST_CORE:] = 0


@compiled
def _write(table: Any, dim: int, cores: int, rows: int, cols: int, is_exact: bool) -> int:
    """Writes the rows of all tilings, the largest tile first; returns their number."""
    share = _ceil(dim, cores)
    count, most = 0, share  # the largest tile of a number of trips
    while most:
        trips = _ceil(share, most)
        tile = _ceil(share, trips)
        if not is_exact:
            _write_least(table[count], dim, cores, trips, rows, cols)
            count += 1
        else:
            plain = table[count]
            _write_exact(plain, dim, cores, tile, rows, cols)
            row_folds, col_folds = plain[ROW_FOLDS], plain[COL_FOLDS]
            count += 1
            by_rows, by_cols = _ceil(tile, rows) * rows, _ceil(tile, cols) * cols
            for multiple in (by_rows, by_cols) if by_rows != by_cols else (by_rows, by_rows):
                if tile < multiple <= most:
                    more = table[count]
                    _write_exact(more, dim, cores, multiple, rows, cols)
                    saves_rows = multiple == by_rows and more[ROW_FOLDS] < row_folds
                    saves_cols = multiple == by_cols and more[COL_FOLDS] < col_folds
                    is_new = table[count - 1, TILE] != multiple
                    if (saves_rows or saves_cols) and is_new:
                        count += 1
        most = tile - 1
    return count
