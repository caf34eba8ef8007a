"""The costs of a mapping and the least of all mappings of a GEMM: plain loops, compiled.

Dimensions and loops are m, n, k = 0, 1, 2; dataflows OS, WS, IS = 0, 1, 2.
"""

from __future__ import annotations

import functools
import math
from typing import Any, NamedTuple

import numpy as np

from airchitect_jax._support import compiled
from airchitect_jax.verification import tilings
from airchitect_jax.verification.tilings import (
    ALL_COL_FOLDS,
    ALL_ROW_FOLDS,
    COL_FOLDS,
    CORE,
    FIRST,
    FIRST_COLS,
    FIRST_CORE,
    FIRST_PARTS,
    FIRST_ROWS,
    LAST,
    LAST_COLS,
    LAST_CORE,
    LAST_ROWS,
    LATER_PARTS,
    LESS_FIRST,
    LESS_LAST,
    PARTS,
    ROW_FOLDS,
    SEVERAL,
    TILE,
    TRIPS,
)

DATAFLOWS = ("OS", "WS", "IS")
ORDERS = ("MNK", "MKN", "NMK", "NKM", "KMN", "KNM")  # the outermost loop first
_LOOPS = np.array([["MNK".index(loop) for loop in order] for order in ORDERS])
_PLACES = np.argsort(_LOOPS, axis=1)  # how far inside each loop is
# An order for each innermost loop, and the one with the outer loops exchanged. Both have the same
# events if the innermost loop has several trips; if it has one, it is as if it were elsewhere.
_OUTER, _SWAPPED = np.array([0, 1, 3]), np.array([2, 4, 0, 5, 1, 3])
_EXACT = 2.0**62
_compiled = functools.partial(compiled, reads=(tilings,))
_pure = functools.partial(_compiled, error_model="numpy", _nrt=False)  # allocates nothing


class Machine(NamedTuple):
    """A machine or the best of a box, as the compiled code reads it.

    Attributes:
      overheads: int64 [3], cycles of a fold without its time steps, by dataflow.
      widths: int64 [4], bits of an input, weight, partial sum and output.
      bandwidth: int64 [2], the interface moves so many bits in so many cycles.
      is_shared: whether the inputs share a memory, which then stands twice in the following.
      halves: int64 [3, sizes], the working halves in bits, ascending, of ifmap, filter and ofmap.
      prices: float64 [3, sizes], the least price of a memory of this size or more (fJ per byte).
      num_sizes: int64 [3], of each memory.
      event_prices: float64 [2], of a MAC and of a byte of DRAM (fJ).
    """

    overheads: Any
    widths: Any
    bandwidth: Any
    is_shared: bool
    halves: Any
    prices: Any
    num_sizes: Any
    event_prices: Any


class Choices(NamedTuple):
    """The mappings of a GEMM that are possible.

    Attributes:
      dims: int64 [3], of the GEMM.
      flows: the dataflows.
      partitions: int64 [partitions, 3], cores along m, n and k.
      trees: float64 [3, cores + 1, nodes, COLUMNS], the trees of m, n and k by number of cores.
      leaves: int64 [3, cores + 1], the number of leaves of each.
    """

    dims: Any
    flows: Any
    partitions: Any
    trees: Any
    leaves: Any


@_pure
def _price(machine: Machine, memory: int, bits: float) -> float:
    """Of a byte in the smallest memory that holds a tile; infinite if none does."""
    low, high = 0, machine.num_sizes[memory]
    while low < high:
        middle = (low + high) // 2
        if machine.halves[memory, middle] >= bits:
            high = middle
        else:
            low = middle + 1
    return np.inf if low == machine.num_sizes[memory] else float(machine.prices[memory, low])


@_pure
def transfer(machine: Machine, bits: float) -> float:
    """Whole cycles in which the interface moves so many bits."""
    each, in_cycles = machine.bandwidth[0], machine.bandwidth[1]
    if bits * in_cycles < _EXACT:
        return float(-(-int(bits) * in_cycles // each))
    return bits * in_cycles / each


@_pure
def events(
    machine: Machine, dims: Any, flow: int, order: int, m: Any, n: Any, k: Any
) -> tuple[float, float, float, float, float]:
    """A lower bound of the cycles, accesses of the three SRAMs and bytes of DRAM.

    All but the cycles are exact if the rows are.

    Args:
      machine: or the best of a box.
      dims: of the GEMM.
      flow: the dataflow.
      order: of the loops.
      m: a row of a tiling.
      n: the same.
      k: the same.
    """
    widths = machine.widths
    a_bits, b_bits, c_bits, out_bits = widths[0], widths[1], widths[2], widths[3]
    dim_m, dim_n, dim_k = float(dims[0]), float(dims[1]), float(dims[2])
    ifmap, filter_, ofmap = dim_m * dim_k, dim_k * dim_n, dim_m * dim_n
    at_m, at_n, at_k = _PLACES[order, 0], _PLACES[order, 1], _PLACES[order, 2]
    # A block comes again if a loop that changes it goes on inside the loop that reuses it.
    ifmap_returns = m[SEVERAL] * (at_m > at_n) + k[SEVERAL] * (at_k > at_n) > 0
    filter_returns = n[SEVERAL] * (at_n > at_m) + k[SEVERAL] * (at_k > at_m) > 0
    ofmap_returns = m[SEVERAL] * (at_m > at_k) + n[SEVERAL] * (at_n > at_k) > 0
    # DRAM traffic in bits.
    ifmap_bits = ifmap * (n[TRIPS] if ifmap_returns else 1.0) * a_bits
    filter_bits = filter_ * (m[TRIPS] if filter_returns else 1.0) * b_bits
    partial_sums = ofmap * (k[TRIPS] - 1.0) if ofmap_returns else 0.0
    stored, final = partial_sums * c_bits, ofmap * out_bits
    num_bytes = math.ceil(ifmap_bits / 8) + math.ceil(filter_bits / 8)
    num_bytes += math.ceil(stored / 8) + math.ceil((stored + final) / 8)
    # What the array computes, and how often it reads each operand and passes over outputs.
    overhead = machine.overheads[flow]
    if flow == 0:
        folds, steps = m[ROW_FOLDS] * n[COL_FOLDS], overhead * k[TRIPS] + k[CORE]
        last = m[LAST_ROWS] * n[LAST_COLS] * (overhead + k[LAST_CORE])
        ifmap_reads, filter_reads, passes = n[ALL_COL_FOLDS], m[ALL_ROW_FOLDS], k[PARTS]
    elif flow == 1:
        folds, steps = k[ROW_FOLDS] * n[COL_FOLDS], overhead * m[TRIPS] + m[CORE]
        last = k[LAST_ROWS] * n[LAST_COLS] * (overhead + m[LAST_CORE])
        ifmap_reads, filter_reads, passes = n[ALL_COL_FOLDS], m[PARTS], k[ALL_ROW_FOLDS]
    else:
        folds, steps = k[ROW_FOLDS] * m[COL_FOLDS], overhead * n[TRIPS] + n[CORE]
        last = k[LAST_ROWS] * m[LAST_COLS] * (overhead + n[LAST_CORE])
        ifmap_reads, filter_reads, passes = n[PARTS], m[ALL_COL_FOLDS], k[ALL_ROW_FOLDS]
    ifmap_writes = n[PARTS] if ifmap_returns else n[FIRST_PARTS]
    filter_writes = m[PARTS] if filter_returns else m[FIRST_PARTS]
    leaves = k[LATER_PARTS] if ofmap_returns else 0.0
    fill = m[FIRST] * k[FIRST] * a_bits + k[FIRST] * n[FIRST] * b_bits
    drain = m[LAST] * n[LAST] * out_bits
    ends = transfer(machine, fill) + transfer(machine, drain)
    moved = ifmap_bits + filter_bits + 2 * stored + final
    # While the last step computes nothing comes; the results of the step before may go.
    going = 0.0
    if k[SEVERAL] == 0 or at_k < at_m or at_k < at_n:
        going = max(m[LESS_FIRST] * n[LESS_LAST], m[LESS_LAST] * n[LESS_FIRST]) * out_bits
    beside = max(transfer(machine, moved), transfer(machine, max(moved - going, 0.0)) + last)
    return (
        max(folds * steps + ends, beside),
        ifmap * (ifmap_reads + ifmap_writes),
        filter_ * (filter_reads + filter_writes),
        ofmap * (2 * passes + leaves) + partial_sums,
        float(num_bytes),
    )


@_pure
def prices_of(machine: Machine, m: float, n: float, k: float) -> tuple[float, float, float]:
    """The prices that tiles of these sizes pay for a byte of ifmap, filter and ofmap.

    Infinite if they do not fit.
    """
    ifmap, filter_ = m * k * machine.widths[0], k * n * machine.widths[1]
    if machine.is_shared:
        ifmap = filter_ = ifmap + filter_
    ofmap = m * n * machine.widths[2]
    return _price(machine, 0, ifmap), _price(machine, 1, filter_), _price(machine, 2, ofmap)


@_pure
def relaxed(
    machine: Machine, dims: Any, flow: int, order: int, m: Any, n: Any, k: Any
) -> tuple[float, float]:
    """The cycles of `events`, and the energy (fJ) without leakage; infinite if nothing fits."""
    ifmap_price, filter_price, ofmap_price = prices_of(machine, m[TILE], n[TILE], k[TILE])
    if ifmap_price + filter_price + ofmap_price == np.inf:
        return np.inf, np.inf
    num_cycles, ifmap, filter_, ofmap, num_bytes = events(machine, dims, flow, order, m, n, k)
    sram = (
        ifmap * machine.widths[0] * ifmap_price
        + filter_ * machine.widths[1] * filter_price
        + ofmap * machine.widths[2] * ofmap_price
    )
    macs = float(dims[0]) * dims[1] * dims[2] * machine.event_prices[0]
    return num_cycles, macs + math.ceil(sram / 8) + num_bytes * machine.event_prices[1]


@_pure
def _of(row: Any, column: int, trip: int) -> int:
    """The first of two columns, or on the last trip the second."""
    return int(row[column + (trip == row[TRIPS] - 1)])


@_pure
def exact_cycles(
    machine: Machine, flow: int, order: int, m: Any, n: Any, k: Any, trips_at: Any
) -> float:
    """Cycles of a mapping: a sum over its steps, of which many are alike.

    `trips_at` is scratch, int64 [3, 3].
    """
    widths = machine.widths
    a_bits, b_bits, c_bits, out_bits = widths[0], widths[1], widths[2], widths[3]
    rows = (m, n, k)
    total = 0.0
    here, later, before = trips_at[0], trips_at[1], trips_at[2]
    # The first trip of a loop, one of those between, the last but one, the last.
    for place in range(64):
        weight = 1
        for loop in range(3):
            last = int(rows[loop][TRIPS]) - 1
            kind = (place >> 2 * loop) & 3
            here[loop] = (0, 1, last - 1, last)[kind]
            weight *= (1, max(last - 2, 0), min(max(last - 1, 0), 1), min(last, 1))[kind]
        if not weight:
            continue
        goes_on, came = 1, 1  # 1 if all loops inside are at their end, or at their start
        for inside in range(2, -1, -1):
            loop = _LOOPS[order, inside]
            trips = int(rows[loop][TRIPS])
            later[loop], before[loop] = (here[loop] + goes_on) % trips, (here[loop] - came) % trips
            goes_on = goes_on and int(later[loop] == 0)
            came = came and int(here[loop] == 0)
        i, j, p = here[0], here[1], here[2]
        bits = 0
        if not goes_on:  # the operands of the next step
            size_m, size_n = _of(m, FIRST, later[0]), _of(n, FIRST, later[1])
            size_k = _of(k, FIRST, later[2])
            if later[0] != i or later[2] != p:
                bits += size_m * size_k * a_bits
            if later[1] != j or later[2] != p:
                bits += size_k * size_n * b_bits
            if (later[0] != i or later[1] != j) and later[2] > 0:
                bits += size_m * size_n * c_bits
        if not came and (before[0] != i or before[1] != j):  # the results of the step before
            element = out_bits if before[2] == k[TRIPS] - 1 else c_bits
            bits += _of(m, FIRST, before[0]) * _of(n, FIRST, before[1]) * element
        if flow == 0:
            folds, steps = _of(m, FIRST_ROWS, i) * _of(n, FIRST_COLS, j), _of(k, FIRST_CORE, p)
        elif flow == 1:
            folds, steps = _of(k, FIRST_ROWS, p) * _of(n, FIRST_COLS, j), _of(m, FIRST_CORE, i)
        else:
            folds, steps = _of(k, FIRST_ROWS, p) * _of(m, FIRST_COLS, i), _of(n, FIRST_CORE, j)
        compute = folds * (machine.overheads[flow] + steps)
        total += weight * max(compute, transfer(machine, bits))
    fill = m[FIRST] * k[FIRST] * a_bits + k[FIRST] * n[FIRST] * b_bits
    drain = m[LAST] * n[LAST] * out_bits
    return total + transfer(machine, fill) + transfer(machine, drain)


@_pure
def costs(
    machine: Machine, choices: Choices, at: Any, is_exact: bool, scratch: Any
) -> tuple[float, float]:
    """Cycles and energy of the node `at`: dataflow, order, cores and nodes of m, n and k."""
    trees = choices.trees
    m, n = trees[0, at[2], at[5]], trees[1, at[3], at[6]]
    k = trees[2, at[4], at[7]]
    num_cycles, energy = relaxed(machine, choices.dims, at[0], at[1], m, n, k)
    if is_exact and num_cycles < np.inf:
        num_cycles = exact_cycles(machine, at[0], at[1], m, n, k, scratch)
    return num_cycles, energy


@_pure
def _value(
    machine: Machine, choices: Choices, weights: Any, at: Any, is_exact: bool, scratch: Any
) -> float:
    """The weighted costs of a node."""
    num_cycles, energy = costs(machine, choices, at, is_exact, scratch)
    if num_cycles == np.inf:
        return np.inf
    return weights[0] * num_cycles + weights[1] * energy


@_compiled
def roots(choices: Choices) -> Any:
    """The nodes of all mappings of each dataflow, innermost loop and partition."""
    flows, partitions = choices.flows, choices.partitions
    nodes = np.ones((len(flows) * 3 * len(partitions), 8), np.int64)
    for number in range(len(nodes)):
        node = nodes[number]
        node[0], node[1] = flows[number % len(flows)], _OUTER[number // len(flows) % 3]
        node[2:5] = partitions[number // len(flows) // 3]
    return nodes


@_pure
def widest(choices: Choices, node: Any) -> int:
    """The loop with the most tilings below a node; -1 if no loop has several."""
    loop_of, most = -1, 1
    for loop in range(3):
        below, depth = choices.leaves[loop, node[2 + loop]], node[5 + loop]
        while depth > 1:
            depth //= 2
            below //= 2
        if below > most:
            loop_of, most = loop, below
    return loop_of


@_pure
def swap(node: Any) -> None:
    """Exchanges the outer loops."""
    node[1] = _SWAPPED[node[1]]


@functools.partial(_compiled, nogil=True)
def least(machine: Machine, choices: Choices, weights: Any, is_exact: bool, found: Any) -> float:
    """The least of `weights[0] * cycles + weights[1] * energy` of all mappings of a GEMM.

    Args:
      machine: or the best of a box.
      choices: the mappings.
      weights: float64 [2].
      is_exact: whether the rows are those of one array.
      found: int64 [8], a mapping to begin with, or zeros; receives the best.
    """
    best, scratch = np.inf, np.empty((3, 3), np.int64)
    if found[7]:
        best = _value(machine, choices, weights, found, is_exact, scratch)
    nodes = roots(choices)
    values = np.empty(len(nodes))
    for number in range(len(nodes)):
        values[number] = _value(machine, choices, weights, nodes[number], False, scratch)
    stack, bounds = np.empty((128, 8), np.int64), np.empty(128)
    for number in np.argsort(values):
        if values[number] >= best:
            break
        stack[0], bounds[0], height = nodes[number], values[number], 1
        while height:
            height -= 1
            if bounds[height] >= best:
                continue
            node, bound = stack[height].copy(), bounds[height]
            split = widest(choices, node)
            if split < 0:
                for _ in range(1 + is_exact):
                    if is_exact:
                        bound = _value(machine, choices, weights, node, True, scratch)
                    if bound < best:
                        best = bound
                        found[:] = node
                    swap(node)
                continue
            node[5 + split] *= 2
            left = _value(machine, choices, weights, node, False, scratch)
            node[5 + split] += 1
            right = _value(machine, choices, weights, node, False, scratch)
            for turn in range(2):  # the better one comes last, and is opened first
                is_left = (left < right) == (turn == 1)
                value = left if is_left else right
                if value < best:
                    stack[height], bounds[height] = node, value
                    stack[height, 5 + split] -= is_left
                    height += 1
    return best
