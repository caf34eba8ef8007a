"""The tilings of the three dimensions, with all that costs and bounds of the search read of them.

A table has the axes kind, dimension (m, n, k), tiling and column. Whole numbers have one kind; in
float64 the first kind are the tilings themselves, the second, for each, the least of it and all
that follow: no mapping with one of these costs less than one with the least of each column.
"""

from __future__ import annotations

import math
from typing import Any

from airchitect_jax.cost.tiled_loops import Block, Loop, loop
from airchitect_jax.oracle.mappings.text import inlined, kernel

# Columns: trips, several, the blocks full, edge and total, and the tile.
_BLOCK = len(Block._fields)
_FULL, _EDGE, _TOTAL = (2 + place * _BLOCK for place in range(3))
_FULL_PARTS = _FULL + Block._fields.index("parts")
_CORE = _TOTAL + Block._fields.index("core")
_PARTS = _TOTAL + Block._fields.index("parts")
_ROW_FOLDS = _TOTAL + Block._fields.index("row_folds")
_COL_FOLDS = _TOTAL + Block._fields.index("col_folds")
_ALL_ROW_FOLDS = _TOTAL + Block._fields.index("all_row_folds")
_ALL_COL_FOLDS = _TOTAL + Block._fields.index("all_col_folds")
TRIPS, SEVERAL, TILE = 0, 1, 2 + 3 * _BLOCK
COLUMNS = TILE + 1


LOOP = Loop(0, 0, *3 * [Block(*range(_BLOCK))])
SIZES = 5  # of a dimension, a tile, the cores, rows and columns
_write_loop = kernel(lambda sizes: loop(*sizes), tuple(range(SIZES)))


def most_tilings(dim: int, rows: int, cols: int) -> int:
    """No fewer than a dimension has."""
    return min(dim, 2 * math.isqrt(dim) + 1 + dim // rows + dim // cols) + 4


@inlined
def relax(plain: Any, sizes: Any) -> None:
    """Lowers the row of the smallest tile of a number of trips to the least of all tiles with it.

    On any array with at most these rows and columns: a block has at least one fold and one part,
    folds are no larger than the array, and the last block may be of one element. Trips and parts of
    full blocks are the same for all these tiles.

    Args:
      plain: the row.
      sizes: as of `write_tilings`.
    """
    dim, cores, rows, cols = sizes[0], sizes[2], sizes[3], sizes[4]
    trips, parts, share = plain[TRIPS], plain[_FULL_PARTS], (dim + cores - 1) // cores
    all_parts = (trips - 1) * parts + (parts if trips == 1 else 1)
    for column in range(_EDGE, _EDGE + _BLOCK):
        plain[column] = 1
    plain[_CORE], plain[_PARTS] = share, all_parts
    plain[_ROW_FOLDS] = max(trips, (share + rows - 1) // rows)
    plain[_COL_FOLDS] = max(trips, (share + cols - 1) // cols)
    plain[_ALL_ROW_FOLDS] = max(all_parts, (dim + rows - 1) // rows)
    plain[_ALL_COL_FOLDS] = max(all_parts, (dim + cols - 1) // cols)


@inlined
def write_tilings(table: Any, axis: int, sizes: Any, plain: Any, is_relaxed: bool) -> int:
    """Writes the tilings of a dimension, the largest tile first; returns their number.

    For each number of trips: the smallest tile, and the smallest multiples of the rows and columns
    of the array where these save folds. Relaxed: one row, below those of all tiles on all arrays
    with at most these rows and columns.

    Args:
      table: in int64.
      axis: the dimension.
      sizes: int64 [SIZES], of which the tile is changed.
      plain: scratch, int64 [COLUMNS].
      is_relaxed: whether the tilings are.
    """
    dim, cores, rows, cols = sizes[0], sizes[2], sizes[3], sizes[4]
    share = (dim + cores - 1) // cores
    count = 0
    end = share + 1  # tiles from here on have fewer trips
    while end > 1:
        trips = (share + end - 2) // (end - 1)
        tile = (share + trips - 1) // trips
        sizes[1] = plain[TILE] = tile
        _write_loop((sizes,), plain)
        by_rows = (tile + rows - 1) // rows * rows
        by_cols = (tile + cols - 1) // cols * cols
        if is_relaxed:
            relax(plain, sizes)
        for turn in range(0 if is_relaxed else 2):
            multiple = by_rows if (by_rows > by_cols) == (turn == 0) else by_cols
            if tile < multiple < end and (turn == 0 or by_rows != by_cols):
                one = table[0, axis, count]
                sizes[1] = one[TILE] = multiple
                _write_loop((sizes,), one)
                if (multiple == by_rows and one[_ROW_FOLDS] < plain[_ROW_FOLDS]) or (
                    multiple == by_cols and one[_COL_FOLDS] < plain[_COL_FOLDS]
                ):
                    count += 1
        for column in range(COLUMNS):
            table[0, axis, count, column] = plain[column]
        count += 1
        end = tile
    return count


@inlined
def write_least(rough: Any, own: Any, axis: int, count: int) -> None:
    """Writes both kinds of the tilings of a dimension in float64.

    Costs fall with no column but the parts of the first block of k.
    """
    for row in range(count - 1, -1, -1):
        for column in range(COLUMNS):
            value = float(own[0, axis, row, column])
            rough[0, axis, row, column] = value
            if row < count - 1:
                following = rough[1, axis, row + 1, column]
                is_most = axis == 2 and column == _FULL_PARTS
                if (following > value) == is_most:
                    value = following
            rough[1, axis, row, column] = value


@inlined
def write_root(root: Any, sizes: Any) -> None:
    """Writes the least of all tilings of a dimension; its tile has to be all of it.

    One trip has the least of all columns but the sizes of blocks and the folds of all cores.
    """
    _write_loop((sizes,), root)
    root[_FULL] = root[_EDGE] = 0
    root[_ALL_ROW_FOLDS] = (sizes[0] + sizes[3] - 1) // sizes[3]
    root[_ALL_COL_FOLDS] = (sizes[0] + sizes[4] - 1) // sizes[4]
