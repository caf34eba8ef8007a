"""Costs of mappings and bounds of the costs of many: compiled into the search."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from airchitect_jax.cost import MachinePrices, Number, larger, select
from airchitect_jax.cost.arithmetic import pick
from airchitect_jax.cost.tiled import order_of
from airchitect_jax.cost.tiled_loops import (
    Halves,
    Loop,
    Position,
    Wires,
    positions,
    tile_bits,
    tiles_fit,
)
from airchitect_jax.cost.tiled_steps import (
    Flow,
    Moves,
    Order,
    dram_bytes,
    end_cycles,
    events_fj,
    mapped_product,
    moves,
    slot_cycles,
    step_cycles,
    transfer_cycles,
)
from airchitect_jax.oracle.mappings.records import (
    CORES,
    CYCLES,
    ENERGY,
    FLOW,
    LOST,
    ORDER,
    SKIPPED,
    TILES,
    VALUE,
    is_dominated,
    record,
)
from airchitect_jax.oracle.mappings.tables import LOOP, SEVERAL, TILE
from airchitect_jax.oracle.mappings.text import inlined, kernel
from airchitect_jax.types import LoopOrder

# Columns of a task: a GEMM on a machine with one dataflow.
DATAFLOW, MACS, EXTRA_CYCLES, EXTRA_ENERGY, TASK = 0, 1, 2, 3, 20
FLOW_COLUMNS, BANDWIDTH_BITS = slice(4, 7), 11
PRICE_COLUMNS = slice(TASK - len(MachinePrices._fields), TASK)
_SRAM_PRICES = 14  # of ifmap, filter and ofmap
# Rows of memory sizes: working halves in bits of ifmap, filter and ofmap, ascending; and for each
# the price of a byte.
_SIZE_PRICES, SIZE_ROWS = 3, 6
NO_MEMORIES = np.zeros((SIZE_ROWS, 1), np.int64)
# Columns of a goal: 1 for cycles times energy, else the weights of a sum.
IS_PRODUCT, OF_CYCLES, OF_ENERGY, GOAL = 0, 1, 2, 3
MOST_CYCLES, MOST_ENERGY = 2.0**53, 2.0**59  # more could be wrong
_ALL_EXACT = 2.0**49  # energies below which float64 holds all their parts exactly

_ORDERS = np.array([order_of(order) for order in LoopOrder])
ORDER_IDS = np.array([[3, 5], [1, 4], [0, 2]])  # the two orders by the innermost of m, n, k


class Problem(NamedTuple):
    """What the search reads, and scratch.

    Attributes:
      is_relaxed: whether the tilings are, and the costs of mappings are lower bounds.
      goal: float64 [GOAL].
      halves: int64, the fields of `Halves`.
      memories: int64 [SIZE_ROWS, sizes]: each mapping pays the prices of the smallest memories that
        hold its tiles; with one size, those of the tasks.
      tasks, rough_tasks: [dataflows, TASK] in int64 and float64, of one GEMM.
      own, rough: tables of tilings.
      counts: int64 [3], the number of tilings of m, n and k.
      cores: int64 [3], cores along m, n and k.
      whole, parts: [4, RESULTS] in int64 and float64, results of equations.
      trips: int64 [3, 4, 10], the positions in the loops of a mapping.
      found: float64 [FOUND], a mapping.
      front: float64 [rows, FOUND]; if it has rows, these receive the front of all mappings whose
        value is at most that of the best, which stays as it is.
      front_size: int64 [2], the mappings in the front, and 1 if others found no row.
    """

    is_relaxed: Any
    goal: Any
    halves: Any
    memories: Any
    tasks: Any
    rough_tasks: Any
    own: Any
    rough: Any
    counts: Any
    cores: Any
    whole: Any
    parts: Any
    trips: Any
    found: Any
    front: Any
    front_size: Any


class Task(NamedTuple):
    """A row of tasks."""

    dataflow: Any
    macs: Any
    extra_cycles: Any
    extra_energy_fj: Any
    flow: Flow
    wires: Wires
    prices: MachinePrices


_TASK = Task(0, 0, 0, 0, Flow(0, 0, 0), Wires(*range(6)), MachinePrices(*range(7)))
_ORDER, _LOOPS = Order(0, 0, 0), (LOOP, LOOP, LOOP)
_COSTS = 0, Moves(*range(10))
RESULTS = 11  # numbers of costs: cycles and moves


def _fits(task: Task, halves: Halves, m: Number, n: Number, k: Number) -> Any:
    """Whether tiles fit into the working halves; of each dimension a loop and its tile."""
    return tiles_fit(m[1], n[1], k[1], task.wires, halves)


def _needs(task: Task, halves: Halves, m: Number, n: Number, k: Number) -> Any:
    """Bits that tiles need in the working halves; arguments as of `_fits`."""
    return tile_bits(m[1], n[1], k[1], task.wires, halves.is_shared)


def _slot(task: Task, order: Order, m: Position, n: Position, k: Position) -> Number:
    return slot_cycles((order, task.flow, task.wires), m, n, k)


def _cycles(
    task: Task, order: Order, slots: Number, m: Loop, n: Loop, k: Loop
) -> tuple[Number, Moves]:
    """Cycles of a mapping, as `tiled_steps.total_cycles`, and what it moves."""
    cycles = task.extra_cycles + (end_cycles(task.wires, m, n, k) + slots)
    return cycles, moves(order, task.flow, m, n, k)


def mapping_energy(task: Task, costs: tuple[Number, Moves]) -> Number:
    """Energy of a mapping with these cycles and moves."""
    cycles, moved = costs
    ifmap, filter_, partial_sums, ofmap = dram_bytes(moved, task.wires)
    all_bytes = ifmap + filter_ + partial_sums + ofmap
    energy = events_fj(task.macs, moved.sram_accesses, all_bytes, cycles, task.wires, task.prices)
    return energy + task.extra_energy_fj


def least_cycles(
    task: Task, order: Order, exposed: Number, m: Loop, n: Loop, k: Loop
) -> tuple[Number, Moves]:
    """Cycles and moves that no mapping with loops of these sizes or more falls below.

    All that moves takes its time, and so does all that is computed, the first fill and the last
    drain. `exposed` cycles come on top of the former.
    """
    wires, moved = task.wires, moves(order, task.flow, m, n, k)
    bits = (
        moved.ifmap_brought * wires.input_bits
        + moved.filter_brought * wires.weight_bits
        + 2 * moved.partial_sums * wires.accumulator_bits
        + moved.outputs * wires.output_bits
    )
    compute = step_cycles(task.flow, m, n, k) + end_cycles(wires, m, n, k)
    cycles = task.extra_cycles + larger(compute, transfer_cycles(bits, wires) + exposed)
    return cycles, moved


def exposed_cycles(task: Task, order: Order, m: Loop, n: Loop, k: Loop) -> Number:
    """Compute cycles of the last step, beyond what leaves meanwhile: nothing comes."""
    overhead = task.flow.fold_overhead
    compute = mapped_product(
        task.flow,
        (m.edge.row_folds, k.edge.row_folds),
        (m.edge.col_folds, n.edge.col_folds),
        (overhead + m.edge.core, overhead + n.edge.core, overhead + k.edge.core),
    )
    m_inside, n_inside = order.m_in_n * order.m_in_k, (1 - order.m_in_n) * order.n_in_k
    outputs = pick(m_inside, m.full.size, m.edge.size) * pick(n_inside, n.full.size, n.edge.size)
    leaving = transfer_cycles(outputs * task.wires.output_bits, task.wires)
    return larger(compute - (m_inside + n_inside) * leaving, 0)


def least_energy(task: Task, costs: tuple[Number, Moves]) -> Number:
    """Energy that goes with `least_cycles`."""
    energy = mapping_energy(task, costs)
    return select(energy < _ALL_EXACT, energy, energy * (1 - 2**-48))


_write_fits = kernel(_fits, _TASK, Halves(0, 0, 0, 0), (LOOP, 0), (LOOP, 0), (LOOP, 0))
_write_needs = kernel(_needs, _TASK, Halves(0, 0, 0, 0), (LOOP, 0), (LOOP, 0), (LOOP, 0))
_write_slot = kernel(_slot, _TASK, _ORDER, *3 * [Position(*range(10))])
_write_positions = kernel(positions, LOOP)
_write_cycles = kernel(_cycles, _TASK, _ORDER, 0, *_LOOPS)
_write_energy = kernel(mapping_energy, _TASK, _COSTS)
_write_least_cycles = kernel(least_cycles, _TASK, _ORDER, 0, *_LOOPS)
_write_exposed = kernel(exposed_cycles, _TASK, _ORDER, *_LOOPS)
_write_least_energy = kernel(least_energy, _TASK, _COSTS)


@inlined
def arranged(inner: int, x: int, y: int, z: int) -> tuple[int, int, int]:
    """What the loops x, y and z have, in the order m, n, k."""
    if inner == 0:
        return z, x, y
    if inner == 1:
        return x, z, y
    return x, y, z


@inlined
def value_of(goal: Any, cycles: float, energy: float) -> float:
    """The quantity to minimise."""
    if goal[IS_PRODUCT]:
        return cycles * energy
    return goal[OF_CYCLES] * cycles + goal[OF_ENERGY] * energy


@inlined
def fits(problem: Problem, inner: int, x: int, y: int, z: int) -> bool:
    """Whether tiles fit into the working halves."""
    m, n, k = arranged(inner, x, y, z)
    own, result = problem.own, problem.whole[0]
    rows = problem.tasks[0], problem.halves, own[0, 0, m], own[0, 1, n], own[0, 2, k]
    _write_fits(rows, result)
    return result[0] != 0


@inlined
def set_prices(problem: Problem, task: Any, m: Any, n: Any, k: Any, needs: Any) -> None:
    """Gives a task the prices of the smallest memories that hold tiles.

    Args:
      problem: the tables.
      task: its row.
      m: a row of tilings.
      n: the same.
      k: the same.
      needs: scratch, of the task's dtype.
    """
    memories = problem.memories
    if memories.shape[1] == 1:
        return
    _write_needs((task, problem.halves, m, n, k), needs)
    for operand in range(3):
        low, high = 0, memories.shape[1] - 1
        while low < high:
            middle = (low + high) // 2
            if memories[operand, middle] < needs[operand]:
                low = middle + 1
            else:
                high = middle
        task[_SRAM_PRICES + operand] = memories[_SIZE_PRICES + operand, low]


@inlined
def is_excluded(
    problem: Problem,
    best: Any,
    flow: int,
    inner: int,
    spots: tuple[int, int, int],
    kinds: tuple[int, int, int],
    least: Any,
) -> bool:
    """Whether no mapping with tilings of these sizes or more is better than the best.

    Args:
      problem: the tables.
      best: of mappings.
      flow: index of the dataflow.
      inner: the innermost loop: 0 for m, 1 for n, 2 for k.
      spots: of the tilings of x, y and z.
      kinds: of the tables that they are in.
      least: if nothing is excluded, its value, cycles and energy are left here.
    """
    table, goal, task = problem.rough, problem.goal, problem.rough_tasks[flow]
    at_m, at_n, at_k = arranged(inner, spots[0], spots[1], spots[2])
    of_m, of_n, of_k = arranged(inner, kinds[0], kinds[1], kinds[2])
    m, n, k = table[of_m, 0, at_m], table[of_n, 1, at_n], table[of_k, 2, at_k]
    order = _ORDERS[ORDER_IDS[inner, 0]]
    exposed, costs, energy = problem.parts[0], problem.parts[1], problem.parts[2]
    exposed[0] = 0.0
    if kinds[0] + kinds[1] + kinds[2] == 0 and not problem.is_relaxed:
        _write_exposed((task, order, m, n, k), exposed)
    _write_least_cycles((task, order, exposed, m, n, k), costs)
    if not goal[IS_PRODUCT] and goal[OF_ENERGY] == 0 and costs[0] > best[CYCLES]:
        return True
    set_prices(problem, task, m, n, k, energy)
    _write_least_energy((task, costs), energy)
    least[VALUE] = value_of(goal, costs[0], energy[0])
    least[CYCLES], least[ENERGY] = costs[0], energy[0]
    for place in range(3):
        if least[place] != best[place]:
            return least[place] > best[place] or is_dominated(
                problem.front, problem.front_size, least
            )
    return is_dominated(problem.front, problem.front_size, least)


@inlined
def least_value(problem: Problem, flow: int, m: Any, n: Any, k: Any) -> float:
    """The value that no mapping with a dataflow and partition falls below; of rows of roots."""
    task, order = problem.rough_tasks[flow], _ORDERS[0]
    exposed, costs, energy = problem.parts[0], problem.parts[1], problem.parts[2]
    exposed[0] = 0.0
    _write_least_cycles((task, order, exposed, m, n, k), costs)
    _write_least_energy((task, costs), energy)
    return value_of(problem.goal, costs[0], energy[0])


@inlined
def consider(
    problem: Problem, best: Any, flow: int, order_id: int, spots: tuple[int, int, int], least: Any
) -> None:
    """Evaluates a mapping and keeps it if it is better than the best.

    Args:
      problem: the tables.
      best: of mappings.
      flow: index of the dataflow.
      order_id: of the loops.
      spots: of the tilings of m, n and k.
      least: what `is_excluded` has left.
    """
    if least[CYCLES] >= MOST_CYCLES or least[ENERGY] >= MOST_ENERGY:
        if least[VALUE] < best[SKIPPED]:
            best[SKIPPED] = least[VALUE]
        return
    task, order, own, found = problem.tasks[flow], _ORDERS[order_id], problem.own, problem.found
    if problem.is_relaxed:
        if least[VALUE] < best[VALUE]:
            for column in range(3):
                best[column] = least[column]
            best[LOST], best[FLOW], best[ORDER] = 0, task[DATAFLOW], order_id
            for axis in range(3):
                best[CORES + axis] = problem.cores[axis]
                best[TILES + axis] = own[0, axis, spots[axis], TILE]
        return
    m, n, k = own[0, 0, spots[0]], own[0, 1, spots[1]], own[0, 2, spots[2]]
    trips, whole = problem.trips, problem.whole
    slot, slots, costs, energy = whole[0], whole[1], whole[2], whole[3]
    for axis in range(3):
        _write_positions((own[0, axis, spots[axis]],), trips[axis, 0])
    slots[0] = 0
    for x in range(4):
        for y in range(4):
            for z in range(4):
                if trips[0, x, 0] and trips[1, y, 0] and trips[2, z, 0]:
                    _write_slot((task, order, trips[0, x], trips[1, y], trips[2, z]), slot)
                    slots[0] += slot[0]
    _write_cycles((task, order, slots, m, n, k), costs)
    set_prices(problem, task, m, n, k, energy)
    _write_energy((task, costs), energy)
    value = value_of(problem.goal, float(costs[0]), float(energy[0]))
    if value > best[VALUE]:
        return
    # The first of the orders that differ in loops of one trip only.
    for other in range(order_id):
        if (
            (_ORDERS[other, 0] == order[0] or m[SEVERAL] * n[SEVERAL] == 0)
            and (_ORDERS[other, 1] == order[1] or m[SEVERAL] * k[SEVERAL] == 0)
            and (_ORDERS[other, 2] == order[2] or n[SEVERAL] * k[SEVERAL] == 0)
        ):
            order_id = other
            break
    found[VALUE], found[CYCLES], found[ENERGY] = value, costs[0], energy[0]
    found[LOST] = energy[0] - np.int64(found[ENERGY])
    found[FLOW], found[ORDER] = task[DATAFLOW], order_id
    for axis in range(3):
        found[CORES + axis] = problem.cores[axis]
        found[TILES + axis] = own[0, axis, spots[axis], TILE]
    if len(problem.front) > 0:
        record(problem.front, problem.front_size, found)
        return
    for place in range(SKIPPED):
        if found[place] != best[place]:
            if found[place] < best[place]:
                for column in range(SKIPPED):
                    best[column] = found[column]
            return
