"""Which words of an operand the scalesim 3.0.0 package touches, line by line: closed forms.

The package cuts an operand into tiles as wide as the array, stacks them, and numbers the words in
the order in which it prefetches them: along the anti-diagonals of the stack for an operand that
is streamed, row by row for the stationary one. The number of a word is called its rank here; the
padding of the last tile has none. A line is one cycle of a run without stalls. On each line an
operand is read on at most one anti-diagonal of one tile, or in one row of it, and either is a run
of consecutive ranks. That is what makes an exact replay by events possible.

Every function is for one configuration: int64 scalars in and out, no `jit`, ready for `vmap`.
"""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool, Int

Scalar = Int[Array, ""]


class Stack(NamedTuple):
    """An operand of `columns` columns in `tiles` tiles of `width` columns, one below the other."""

    height: Scalar  # rows of a tile
    width: Scalar
    columns: Scalar
    tiles: Scalar

    def columns_of(self, tile: Scalar) -> Scalar:
        """Columns of a tile without its padding."""
        return jnp.minimum(self.width, self.columns - tile * self.width)


class Access(NamedTuple):
    """What a fold reads of an operand: ranks `first` to `last` on this line.

    It reads on the lines start <= line < stop only; on others the ranks mean nothing. Ranks rise
    from line to line (`ascending`), or fall. Over the next q lines they stay below
    `anchor + (q + 1) * rate` if they rise, and at or above `anchor - (q + 1) * rate` if they fall.
    """

    start: Scalar
    stop: Scalar
    first: Scalar
    last: Scalar
    anchor: Scalar
    rate: Scalar
    ascending: bool | Bool[Array, ""]


def divide(a: Scalar, b: Scalar) -> Scalar:
    """The quotient towards zero: the floor of a >= 0, at half the operations of `//`."""
    return lax.div(a, b)


def words_before(diagonal: Scalar, height: Scalar, width: Scalar) -> Scalar:
    """Words of a height x width matrix whose row + column is below `diagonal`.

    The first `whole` columns lie before it with all of their words, the columns from there to
    `some` with one word less than the column to their left.
    """
    whole = jnp.clip(diagonal - height, 0, width)
    some = jnp.clip(diagonal, 0, width)
    return whole * height + (some - whole) * (2 * diagonal - whole - some + 1) // 2


def stream_access(stack: Stack, tile: Scalar, line: Scalar, start: Scalar) -> Access:
    """What is read of a streamed operand: on line start + d, anti-diagonal d of the fold's tile."""
    step = line - start
    columns = stack.columns_of(tile)
    diagonal = tile * stack.height + step  # of the stack
    last_tile = stack.tiles - 1
    last_columns = stack.columns_of(last_tile)
    last_top, end = last_tile * stack.height, stack.tiles * stack.height
    before = words_before(diagonal, end, stack.width) - words_before(
        diagonal - last_top - last_columns, stack.height, stack.width - last_columns
    )
    # The diagonal of the stack comes from below: later tiles hold its first columns, some of
    # which are padding of the last tile.
    column = jnp.maximum(0, step - stack.height + 1)
    lowest = jnp.maximum(0, diagonal - end + 1)
    padding = jnp.minimum(column, diagonal - last_top + 1) - jnp.maximum(lowest, last_columns)
    first = before + column - lowest - jnp.maximum(0, padding)
    # Beyond the corner of the last tile its diagonals are no longer than its rows.
    alone = (tile == last_tile) & (step >= stack.width - 1)
    return Access(
        start=start,
        stop=start + stack.height + columns - 1,
        first=first,
        last=first + jnp.minimum(columns - 1, step) - column,
        anchor=before,
        rate=jnp.where(alone, last_columns, stack.width),
        ascending=True,
    )


def stationary_access(
    stack: Stack, tile: Scalar, row_fold: Scalar, rows: Scalar, line: Scalar
) -> Access:
    """What is read of the stationary operand: a row of its tile on each line, bottom row first."""
    columns = stack.columns_of(tile)
    bottom = row_fold * rows + rows - 1
    first = tile * stack.height * stack.width + (bottom - line) * columns
    return Access(
        start=jnp.maximum(0, bottom - stack.height + 1),
        stop=rows,
        first=first,
        last=first + columns - 1,
        anchor=first + columns,
        rate=columns,
        ascending=False,
    )


def estimated_reads(
    tile_words: Scalar, last_words: Scalar, tiles: Scalar, sweeps: Scalar, capacity: Scalar
) -> Scalar:
    """Words that CALC mode counts as read from DRAM.

    That mode remembers which words it has read, counts those that it does not remember, and
    forgets all whenever it has counted `capacity` more. Each tile is swept `sweeps` times in the
    same order before the next; `tiles - 1` of them have `tile_words` words, the last one
    `last_words`.

    A tile of at least `capacity` words never meets a word that it remembers. A smaller one is
    counted once, and if memory is cleared on the way, its words up to there once more: what its
    second sweep then remembers is the tile itself. So `period` tiles after a clearing comes the
    next one.
    """
    whole = tiles - 1
    again = (sweeps > 1) & (tile_words < capacity)
    period = jnp.maximum(1, divide(capacity - 1, tile_words))
    clearings = jnp.where(whole > 0, divide(whole - 1, period), 0)
    counted = jnp.where(
        again,
        whole * tile_words + clearings * (capacity - period * tile_words),
        whole * tile_words * sweeps,
    )
    remembered = jnp.where(
        again & (whole > 0), (whole - clearings * period) * tile_words, lax.rem(counted, capacity)
    )
    cleared = (sweeps > 1) & (remembered + last_words >= capacity)
    last = last_words + jnp.where(cleared, capacity - remembered, 0)
    return counted + jnp.where(last_words < capacity, last, last_words * sweeps)
