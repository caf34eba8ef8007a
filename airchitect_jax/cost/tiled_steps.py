"""The steps of a mapping in closed form: slots, traffic, energy (`MemoryModel.TILED`).

The costs of a step depend on where it stands in each loop: at the first trip, between, at the last
but one (which brings the rest of the dimension) or at the last. So the sum over all steps is one
over at most 4 x 4 x 4 classes. All choices are numbers, 0 or 1, and all functions take and return
plain numbers and named tuples: one text for Python integers, NumPy, JAX, soft numbers and compiled
code.
"""

from __future__ import annotations

from typing import NamedTuple

from airchitect_jax.cost.arithmetic import Number, ceil_div, grid_sum, larger, pick
from airchitect_jax.cost.parts import Widths
from airchitect_jax.cost.prices import MachinePrices
from airchitect_jax.cost.tiled_loops import Loop, Position, Wires, positions


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


class Moves(NamedTuple):
    """Elements that a mapping moves.

    Attributes:
      ifmap_reads, ifmap_writes: of the SRAMs of all cores, by array and interface.
      filter_reads, filter_writes: the same.
      ofmap_reads, ofmap_writes: the same.
      ifmap_brought, filter_brought: from DRAM.
      partial_sums: to DRAM and back.
      outputs: to DRAM, once.
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
    outputs: Number

    @property
    def sram_accesses(self) -> tuple[Number, Number, Number]:
        """Reads and writes of the SRAMs of ifmap, filter and ofmap."""
        return (
            self.ifmap_reads + self.ifmap_writes,
            self.filter_reads + self.filter_writes,
            self.ofmap_reads + self.ofmap_writes,
        )


def either(a: Number, b: Number) -> Number:
    """1 if a or b is 1, else 0."""
    return 1 - (1 - a) * (1 - b)


def total_cycles(order: Order, flow: Flow, wires: Wires, m: Loop, n: Loop, k: Loop) -> Number:
    """Cycles with stalls: first fill, slots, last drain."""
    slots = grid_sum(slot_cycles, (order, flow, wires), positions(m), positions(n), positions(k))
    return end_cycles(wires, m, n, k) + slots


def end_cycles(wires: Wires, m: Loop, n: Loop, k: Loop) -> Number:
    """First fill and last drain."""
    fill = m.full.size * k.full.size * wires.input_bits
    fill = fill + k.full.size * n.full.size * wires.weight_bits
    drain = m.edge.size * n.edge.size * wires.output_bits
    return transfer_cycles(fill, wires) + transfer_cycles(drain, wires)


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
        (m.total.row_folds, k.total.row_folds),
        (m.total.col_folds, n.total.col_folds),
        (
            m.trips * flow.fold_overhead + m.total.core,
            n.trips * flow.fold_overhead + n.total.core,
            k.trips * flow.fold_overhead + k.total.core,
        ),
    )


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
    ifmap, filter_, ofmap = (
        m.total.size * k.total.size,
        k.total.size * n.total.size,
        m.total.size * n.total.size,
    )
    passes = pick(is_os, k.total.parts, k.total.all_row_folds)
    partial_sums = ofmap * ofmap_returns * (k.trips - 1)
    return Moves(
        ifmap * pick(is_is, n.total.parts, n.total.all_col_folds),
        ifmap * pick(ifmap_returns, n.total.parts, n.full.parts),
        filter_
        * pick(is_os, m.total.all_row_folds, pick(is_is, m.total.all_col_folds, m.total.parts)),
        filter_ * pick(filter_returns, m.total.parts, m.full.parts),
        # A core has nothing to add to in its first pass; what leaves is read in each core.
        ofmap * (passes + ofmap_returns * (k.total.parts - k.full.parts)),
        ofmap * passes + partial_sums,
        ifmap * pick(ifmap_returns, n.trips, 1),
        filter_ * pick(filter_returns, m.trips, 1),
        partial_sums,
        ofmap,
    )


def dram_bytes(moved: Moves, wires: Wires) -> tuple[Number, Number, Number, Number]:
    """DRAM traffic: reads of ifmap, filter and ofmap, and writes of the ofmap."""
    stored = moved.partial_sums * wires.accumulator_bits
    return (
        ceil_div(moved.ifmap_brought * wires.input_bits, 8),
        ceil_div(moved.filter_brought * wires.weight_bits, 8),
        ceil_div(stored, 8),
        ceil_div(stored + moved.outputs * wires.output_bits, 8),
    )


def events_fj(
    macs: Number,
    accesses: tuple[Number, Number, Number],
    moved_bytes: Number,
    cycles: Number,
    widths: Wires | Widths,
    prices: MachinePrices,
) -> Number:
    """Energy of MACs, SRAM accesses of ifmap, filter and ofmap, DRAM traffic and leakage.

    Outputs have the width of partial sums in their SRAM.
    """
    sram_fj_bits = (
        accesses[0] * widths.input_bits * prices.ifmap_fj_per_byte
        + accesses[1] * widths.weight_bits * prices.filter_fj_per_byte
        + accesses[2] * widths.accumulator_bits * prices.ofmap_fj_per_byte
    )
    return (
        macs * prices.mac_fj
        + ceil_div(sram_fj_bits, 8)
        + moved_bytes * prices.dram_fj_per_byte
        + cycles * prices.leakage_fj_per_cycle
    )
