"""The tilings of the three dimensions, with all that costs and bounds of the search read of them.

A table has the axes kind, dimension (m, n, k), tiling and column. Whole numbers have one kind; in
float64 the first kind are the tilings themselves, the second, for each, the least of it and all
that follow: no mapping with one of these costs less than one with the least of each column.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from airchitect_jax.cost.tiled_loops import Block, Loop, loop
from airchitect_jax.oracle.mappings.text import inlined

# Columns: trips, several, the blocks full, edge and total, and the tile.
_BLOCK = len(Block._fields)
_FULL, _EDGE, _TOTAL = (2 + place * _BLOCK for place in range(3))
_FULL_PARTS = _FULL + Block._fields.index("parts")
_ALL_ROW_FOLDS = _TOTAL + Block._fields.index("all_row_folds")
_ALL_COL_FOLDS = _TOTAL + Block._fields.index("all_col_folds")
TRIPS, SEVERAL, TILE = 0, 1, 2 + 3 * _BLOCK
COLUMNS = TILE + 1


@inlined
def most_tilings(dim: int, rows: int, cols: int) -> int:
    """No fewer than a dimension has."""
    return min(dim, int(2 * np.sqrt(dim)) + dim // rows + dim // cols) + 4


@inlined
def write_tilings(table: Any, axis: int, dim: int, cores: int, rows: int, cols: int) -> int:
    """Writes the tilings of a dimension, the largest tile first; returns their number.

    For each number of trips: the smallest tile, and the smallest multiples of the rows and columns
    of the array where these save folds.
    """
    share = (dim + cores - 1) // cores
    count = 0
    end = share + 1  # tiles from here on have fewer trips
    while end > 1:
        trips = (share + end - 2) // (end - 1)
        tile = (share + trips - 1) // trips
        plain = loop(dim, tile, cores, rows, cols)
        by_rows = (tile + rows - 1) // rows * rows
        by_cols = (tile + cols - 1) // cols * cols
        for turn in range(2):
            multiple = max(by_rows, by_cols) if turn == 0 else min(by_rows, by_cols)
            if tile < multiple < end and (turn == 0 or by_rows != by_cols):
                one = loop(dim, multiple, cores, rows, cols)
                if (multiple == by_rows and one.total.row_folds < plain.total.row_folds) or (
                    multiple == by_cols and one.total.col_folds < plain.total.col_folds
                ):
                    write_loop(table, axis, count, one, multiple)
                    count += 1
        write_loop(table, axis, count, plain, tile)
        count += 1
        end = tile
    return count


@inlined
def write_loop(table: Any, axis: int, row: int, one: Loop, tile: int) -> None:
    """Writes a loop into a table."""
    table[0, axis, row, TRIPS] = one.trips
    table[0, axis, row, SEVERAL] = one.several
    table[0, axis, row, TILE] = tile
    _write_block(table, axis, row, _FULL, one.full)
    _write_block(table, axis, row, _EDGE, one.edge)
    _write_block(table, axis, row, _TOTAL, one.total)


@inlined
def _write_block(table: Any, axis: int, row: int, at: int, block: Block) -> None:
    table[0, axis, row, at] = block.size
    table[0, axis, row, at + 1] = block.core
    table[0, axis, row, at + 2] = block.row_folds
    table[0, axis, row, at + 3] = block.col_folds
    table[0, axis, row, at + 4] = block.parts
    table[0, axis, row, at + 5] = block.all_row_folds
    table[0, axis, row, at + 6] = block.all_col_folds


@inlined
def loop_at(table: Any, kind: int, axis: int, row: int) -> Loop:
    """A loop in a table."""
    return Loop(
        table[kind, axis, row, TRIPS],
        table[kind, axis, row, SEVERAL],
        block_at(table, kind, axis, row, _FULL),
        block_at(table, kind, axis, row, _EDGE),
        block_at(table, kind, axis, row, _TOTAL),
    )


@inlined
def block_at(table: Any, kind: int, axis: int, row: int, at: int) -> Block:
    """A block in a table."""
    return Block(
        table[kind, axis, row, at],
        table[kind, axis, row, at + 1],
        table[kind, axis, row, at + 2],
        table[kind, axis, row, at + 3],
        table[kind, axis, row, at + 4],
        table[kind, axis, row, at + 5],
        table[kind, axis, row, at + 6],
    )


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
                if axis == 2 and column == _FULL_PARTS:
                    value = max(value, following)
                else:
                    value = min(value, following)
            rough[1, axis, row, column] = value


@inlined
def write_roots(roots: Any, dims: Any, cores: int, rows: int, cols: int) -> None:
    """Writes the least of all tilings of each dimension on so many cores into row `cores`.

    One trip has the least of all columns but the sizes of blocks and the folds of all cores.
    """
    for axis in range(3):
        one = loop(dims[axis], dims[axis], cores, rows, cols)
        write_loop(roots, axis, cores, one, dims[axis])
        roots[0, axis, cores, _FULL] = roots[0, axis, cores, _EDGE] = 0
        roots[0, axis, cores, _ALL_ROW_FOLDS] = np.ceil(dims[axis] / rows)
        roots[0, axis, cores, _ALL_COL_FOLDS] = np.ceil(dims[axis] / cols)
