"""The steps of a mapping in closed form: loops, blocks, slots, traffic (`MemoryModel.TILED`).

The costs of a step depend on where it stands in each loop: at the first trip, between, at the last
but one (which brings the rest of the dimension) or at the last. So the sum over all steps is one
over at most 4 x 4 x 4 classes. All choices are numbers, 0 or 1, and all functions take and return
plain numbers and named tuples: one text for Python integers, NumPy, JAX, soft numbers and compiled
code.
"""

from __future__ import annotations

from typing import NamedTuple

from airchitect_jax.cost.arithmetic import (
    Number,
    ceil_div,
    grid_sum,
    larger,
    last_tile,
    pick,
    smaller,
)


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
      dim: the whole dimension.
      trips: the number of blocks.
      several: 1 if there is more than one, else 0.
      full: each block but the last.
      edge: the last block.
    """

    dim: Number
    trips: Number
    several: Number
    full: Block
    edge: Block


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


class Order(NamedTuple):
    """1 if the loop over the first dimension stands inside that over the second, else 0."""

    m_in_n: Number
    m_in_k: Number
    n_in_k: Number


class Flow(NamedTuple):
    """The dataflow: 1 for the one that it is, else 0; cycles of a fold without its time steps."""

    is_os: Number
    is_is: Number
    fold_overhead: Number


class Wires(NamedTuple):
    """Bits of an element of each kind; the interface moves so many bits in so many cycles."""

    input_bits: Number
    weight_bits: Number
    accumulator_bits: Number
    output_bits: Number
    bandwidth_bits: Number
    bandwidth_cycles: Number


class Moves(NamedTuple):
    """Elements that a mapping moves.

    Attributes:
      ifmap_reads, ifmap_writes: of the SRAMs of all cores, by array and interface.
      filter_reads, filter_writes: the same.
      ofmap_reads, ofmap_writes: the same.
      ifmap_brought, filter_brought: from DRAM.
      partial_sums: to DRAM and back; outputs come on top.
    """

    ifmap_reads: Number
    ifmap_writes: Number
    filter_reads: Number
    filter_writes: Number
    ofmap_reads: Number
    ofmap_writes: Number
    ifmap_brought: Number
    filter_brought: Number
    partial_sums: Number


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
    edge = last_tile(dim, step, trips)
    return Loop(
        dim,
        trips,
        smaller(trips - 1, 1),
        block(step, cores, rows, cols),
        block(edge, cores, rows, cols),
    )


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


def either(a: Number, b: Number) -> Number:
    """1 if a or b is 1, else 0."""
    return 1 - (1 - a) * (1 - b)


def over_blocks(loop: Loop, full: Number, edge: Number) -> Number:
    """The sum over the blocks of a loop of what a full and the last block have."""
    return (loop.trips - 1) * full + edge


def total_cycles(order: Order, flow: Flow, wires: Wires, m: Loop, n: Loop, k: Loop) -> Number:
    """Cycles with stalls: first fill, slots, last drain."""
    fill = m.full.size * k.full.size * wires.input_bits
    fill = fill + k.full.size * n.full.size * wires.weight_bits
    drain = m.edge.size * n.edge.size * wires.output_bits
    slots = grid_sum(slot_cycles, (order, flow, wires), positions(m), positions(n), positions(k))
    return transfer_cycles(fill, wires) + slots + transfer_cycles(drain, wires)


def transfer_cycles(bits: Number, wires: Wires) -> Number:
    """Whole cycles in which the interface moves so many bits."""
    return ceil_div(bits * wires.bandwidth_cycles, wires.bandwidth_bits)


def slot_cycles(rules: tuple[Order, Flow, Wires], m: Position, n: Position, k: Position) -> Number:
    """All slots of the steps at these positions.

    A slot lasts until its step is computed, the operands of the next step have come and the results
    of the previous step have gone.
    """
    order, flow, wires = rules
    compute = mapped_product(
        flow,
        (m.row_folds, k.row_folds),
        (m.col_folds, n.col_folds),
        (flow.fold_overhead + m.core, flow.fold_overhead + n.core, flow.fold_overhead + k.core),
    )
    bits = brought_bits(order, wires, m, n, k) + taken_bits(order, wires, m, n, k)
    return m.count * n.count * k.count * larger(compute, transfer_cycles(bits, wires))


def brought_bits(order: Order, wires: Wires, m: Position, n: Position, k: Position) -> Number:
    """The operands of the next step that are not there yet."""
    m_turns, n_turns, k_turns = turns(order, m.last, n.last, k.last)
    m_size = pick(m_turns, m.next_size, m.size)
    n_size = pick(n_turns, n.next_size, n.size)
    k_size = pick(k_turns, k.next_size, k.size)
    m_moves, n_moves, k_moves = m_turns * m.several, n_turns * n.several, k_turns * k.several
    at_first_k = pick(k_turns, k.last, k.first)
    bits = either(m_moves, k_moves) * m_size * k_size * wires.input_bits
    bits = bits + either(k_moves, n_moves) * k_size * n_size * wires.weight_bits
    partial_sums = (1 - at_first_k) * either(m_moves, n_moves) * m_size * n_size
    return (1 - m.last * n.last * k.last) * (bits + partial_sums * wires.accumulator_bits)


def taken_bits(order: Order, wires: Wires, m: Position, n: Position, k: Position) -> Number:
    """The results of the previous step, if this one works on others."""
    m_turns, n_turns, k_turns = turns(order, m.first, n.first, k.first)
    m_size = pick(m_turns, m.previous_size, m.size)
    n_size = pick(n_turns, n.previous_size, n.size)
    at_last_k = pick(k_turns, k.first, k.last)
    bits = m_size * n_size * pick(at_last_k, wires.output_bits, wires.accumulator_bits)
    leaves = either(m_turns * m.several, n_turns * n.several)
    return (1 - m.first * n.first * k.first) * leaves * bits


def turns(
    order: Order, m_ends: Number, n_ends: Number, k_ends: Number
) -> tuple[Number, Number, Number]:
    """1 for each loop that goes on to another trip: all loops inside it are at their ends."""
    m_in_n, m_in_k, n_in_k = order
    m_waits, n_waits, k_waits = 1 - m_ends, 1 - n_ends, 1 - k_ends
    return (
        (1 - (1 - m_in_n) * n_waits) * (1 - (1 - m_in_k) * k_waits),
        (1 - m_in_n * m_waits) * (1 - (1 - n_in_k) * k_waits),
        (1 - m_in_k * m_waits) * (1 - n_in_k * n_waits),
    )


def mapped_product(
    flow: Flow,
    rows: tuple[Number, Number],
    cols: tuple[Number, Number],
    time: tuple[Number, Number, Number],
) -> Number:
    """The product of what is mapped to rows, columns and time.

    Args:
      flow: the dataflow.
      rows: of m and k.
      cols: of m and n.
      time: of m, n and k.
    """
    is_os, is_is = flow.is_os, flow.is_is
    return (
        pick(is_os, rows[0], rows[1])
        * pick(is_is, cols[0], cols[1])
        * pick(is_os, time[2], pick(is_is, time[1], time[0]))
    )


def step_cycles(flow: Flow, m: Loop, n: Loop, k: Loop) -> Number:
    """Compute cycles of all steps."""
    return mapped_product(
        flow,
        (row_folds(m), row_folds(k)),
        (col_folds(m), col_folds(n)),
        (time(flow, m), time(flow, n), time(flow, k)),
    )


def row_folds(loop: Loop) -> Number:
    """Row folds of the first core over all blocks."""
    return over_blocks(loop, loop.full.row_folds, loop.edge.row_folds)


def col_folds(loop: Loop) -> Number:
    """Column folds of the first core over all blocks."""
    return over_blocks(loop, loop.full.col_folds, loop.edge.col_folds)


def time(flow: Flow, loop: Loop) -> Number:
    """Cycles of one fold per block over all blocks, with the loop's dimension mapped to time."""
    return loop.trips * flow.fold_overhead + over_blocks(loop, loop.full.core, loop.edge.core)


def moves(order: Order, flow: Flow, m: Loop, n: Loop, k: Loop) -> Moves:
    """Elements that all steps move.

    Within a tile the array accesses the SRAMs as in the IDEAL model (`cost.memory`): it reads the
    swept and the column operand with each fold of the other, a stationary operand once, and adds
    outputs up with each row fold of k. Operands that cores share come once from DRAM and are
    written to the SRAM of each.
    """
    m_in_n, m_in_k, n_in_k = order
    is_os, is_is = flow.is_os, flow.is_is
    # A block comes again with each trip of the loop over the other dimension if a loop inside that
    # one has replaced it.
    ifmap_returns = either(m_in_n * m.several, (1 - n_in_k) * k.several)
    filter_returns = either((1 - m_in_n) * n.several, (1 - m_in_k) * k.several)
    ofmap_returns = either(m_in_k * m.several, n_in_k * n.several)
    ifmap, filter_, ofmap = m.dim * k.dim, k.dim * n.dim, m.dim * n.dim
    m_parts, n_parts, k_parts = parts(m), parts(n), parts(k)
    passes = pick(is_os, k_parts, over_blocks(k, k.full.all_row_folds, k.edge.all_row_folds))
    m_cols = over_blocks(m, m.full.all_col_folds, m.edge.all_col_folds)
    n_cols = over_blocks(n, n.full.all_col_folds, n.edge.all_col_folds)
    m_rows = over_blocks(m, m.full.all_row_folds, m.edge.all_row_folds)
    partial_sums = ofmap * ofmap_returns * (k.trips - 1)
    return Moves(
        ifmap_reads=ifmap * pick(is_is, n_parts, n_cols),
        ifmap_writes=ifmap * pick(ifmap_returns, n_parts, n.full.parts),
        filter_reads=filter_ * pick(is_os, m_rows, pick(is_is, m_cols, m_parts)),
        filter_writes=filter_ * pick(filter_returns, m_parts, m.full.parts),
        # A core has nothing to add to in its first pass; what leaves is read in each core.
        ofmap_reads=ofmap * (passes - k.full.parts + pick(ofmap_returns, k_parts, k.full.parts)),
        ofmap_writes=ofmap * passes + partial_sums,
        ifmap_brought=ifmap * pick(ifmap_returns, n.trips, 1),
        filter_brought=filter_ * pick(filter_returns, m.trips, 1),
        partial_sums=partial_sums,
    )


def parts(loop: Loop) -> Number:
    """Cores with something to do, over all blocks."""
    return over_blocks(loop, loop.full.parts, loop.edge.parts)
