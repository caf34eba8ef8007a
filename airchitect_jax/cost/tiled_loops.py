"""The loops of a mapping over the blocks of each dimension, and what fits (`MemoryModel.TILED`).

As in `cost.tiled_steps`, plain numbers and named tuples throughout.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from airchitect_jax.cost.arithmetic import Number, ceil_div, larger, last_tile, pick, smaller


class Block(NamedTuple):
    """One dimension of a step.

    Attributes:
      size: of the whole step.
      core: of the largest part, that of the first core.
      row_folds, col_folds: of that part on the array, where it is mapped to rows or columns.
      parts: cores that have something to do.
      all_row_folds, all_col_folds: summed over the parts.
    """

    size: Number
    core: Number
    row_folds: Number
    col_folds: Number
    parts: Number
    all_row_folds: Number
    all_col_folds: Number


class Loop(NamedTuple):
    """The loop over the blocks of one dimension.

    Attributes:
      trips: the number of blocks.
      several: 1 if there is more than one, else 0.
      full: each block but the last.
      edge: the last block.
      total: the sums over all blocks.
    """

    trips: Number
    several: Number
    full: Block
    edge: Block
    total: Block


class Position(NamedTuple):
    """Trips of a loop that cost the same.

    Attributes:
      count: their number; may be 0.
      several: of the loop.
      first, last: 1 if it is the first or last trip, else 0.
      size, core, row_folds, col_folds: of its block.
      next_size, previous_size: of the blocks of the trips after and before; the last trip is
        followed by the first.
    """

    count: Number
    several: Number
    first: Number
    last: Number
    size: Number
    core: Number
    row_folds: Number
    col_folds: Number
    next_size: Number
    previous_size: Number


class Wires(NamedTuple):
    """Bits of an element of each kind; the interface moves so many bits in so many cycles."""

    input_bits: Number
    weight_bits: Number
    accumulator_bits: Number
    output_bits: Number
    bandwidth_bits: Number
    bandwidth_cycles: Number


class Halves(NamedTuple):
    """Working halves in bits; 1 if both inputs share theirs, which then is given twice."""

    ifmap: Number
    filter: Number
    ofmap: Number
    is_shared: Number


def tile_bits(
    m: Number, n: Number, k: Number, wires: Wires, is_shared: Number
) -> tuple[Number, Number, Number]:
    """Bits that a core's tiles need in the working halves of ifmap, filter and ofmap."""
    ifmap, filter_ = m * k * wires.input_bits, k * n * wires.weight_bits
    return (
        ifmap + is_shared * filter_,
        filter_ + is_shared * ifmap,
        m * n * wires.accumulator_bits,  # outputs as partial sums
    )


def tiles_fit(m: Number, n: Number, k: Number, wires: Wires, halves: Halves) -> Any:
    """Whether a core's tiles fit into the working halves."""
    ifmap, filter_, ofmap = tile_bits(m, n, k, wires, halves.is_shared)
    return (ifmap <= halves.ifmap) & (filter_ <= halves.filter) & (ofmap <= halves.ofmap)


def block(size: Number, cores: Number, rows: Number, cols: Number) -> Block:
    """A block that `cores` cores share evenly, the last of them taking the rest."""
    core = ceil_div(size, cores)
    parts = ceil_div(size, core)
    rest = last_tile(size, core, parts)
    row_folds, col_folds = ceil_div(core, rows), ceil_div(core, cols)
    return Block(
        size,
        core,
        row_folds,
        col_folds,
        parts,
        (parts - 1) * row_folds + ceil_div(rest, rows),
        (parts - 1) * col_folds + ceil_div(rest, cols),
    )


def loop(dim: Number, tile: Number, cores: Number, rows: Number, cols: Number) -> Loop:
    """The loop over a dimension in steps of `cores` tiles."""
    step = smaller(cores * tile, dim)
    trips = ceil_div(dim, step)
    full = block(step, cores, rows, cols)
    edge = block(last_tile(dim, step, trips), cores, rows, cols)
    total = Block(
        dim,
        (trips - 1) * full.core + edge.core,
        (trips - 1) * full.row_folds + edge.row_folds,
        (trips - 1) * full.col_folds + edge.col_folds,
        (trips - 1) * full.parts + edge.parts,
        (trips - 1) * full.all_row_folds + edge.all_row_folds,
        (trips - 1) * full.all_col_folds + edge.all_col_folds,
    )
    return Loop(trips, smaller(trips - 1, 1), full, edge, total)


def positions(loop: Loop) -> tuple[Position, Position, Position, Position]:
    """The trips of a loop: the first, those between, the last but one and the last."""
    trips, several, full, edge = loop.trips, loop.several, loop.full, loop.edge
    more = smaller(larger(trips - 2, 0), 1)  # 1 if the second trip is not the last
    second = pick(more, full.size, edge.size)
    return (
        _position(1, several, 1, 1 - several, full, second, edge.size),
        _position(larger(trips - 3, 0), several, 0, 0, full, full.size, full.size),
        _position(more, several, 0, 0, full, edge.size, full.size),
        _position(several, several, 0, 1, edge, full.size, full.size),
    )


def _position(
    count: Number,
    several: Number,
    first: Number,
    last: Number,
    own: Block,
    next_size: Number,
    previous_size: Number,
) -> Position:
    return Position(
        count,
        several,
        first,
        last,
        own.size,
        own.core,
        own.row_folds,
        own.col_folds,
        next_size,
        previous_size,
    )
