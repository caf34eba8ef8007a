"""Costs of mappings and bounds of the costs of many: compiled into the search."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from airchitect_jax.cost import MachinePrices, larger
from airchitect_jax.cost.tiled import order_of
from airchitect_jax.cost.tiled_loops import Loop, Wires
from airchitect_jax.cost.tiled_steps import (
    Flow,
    Moves,
    Order,
    dram_bytes,
    end_cycles,
    events_fj,
    mapped_product,
    moves,
    step_cycles,
    total_cycles,
    transfer_cycles,
)
from airchitect_jax.oracle.mappings.tables import TILE, loop_at
from airchitect_jax.oracle.mappings.text import inlined
from airchitect_jax.types import LoopOrder

# Columns of a mapping that was found, in the order in which ties are broken; then what float64 has
# lost of its energy, and the least value of mappings that were skipped because they are too large.
VALUE, CYCLES, ENERGY, FLOW, ORDER, CORES, TILES = 0, 1, 2, 3, 4, 5, 8
LOST, SKIPPED, FOUND = 11, 12, 13
# Columns of a task: a GEMM on a machine with one dataflow.
DATAFLOW, MACS, EXTRA_CYCLES, EXTRA_ENERGY, _FLOW, _WIRES, _PRICES, TASK = 0, 1, 2, 3, 4, 7, 13, 20
# Columns of a goal: 1 for cycles times energy, else the weights of a sum.
IS_PRODUCT, OF_CYCLES, OF_ENERGY, GOAL = 0, 1, 2, 3
MOST_CYCLES, MOST_ENERGY = 2.0**53, 2.0**59  # more could be wrong
_ALL_EXACT = 2.0**49  # energies below which float64 holds all their parts exactly

_ORDERS = np.array([order_of(order) for order in LoopOrder])
ORDER_IDS = np.array([[3, 5], [1, 4], [0, 2]])  # the two orders by the innermost of m, n, k


class Problem(NamedTuple):
    """What the search reads.

    Attributes:
      goal: float64 [GOAL].
      halves: int64, the fields of `Halves`.
      tasks, rough_tasks: [dataflows, TASK] in int64 and float64.
      own, rough: tables of tilings.
      counts: int64 [3], the number of tilings of m, n and k.
      cores: int64 [3], cores along m, n and k.
    """

    goal: Any
    halves: Any
    tasks: Any
    rough_tasks: Any
    own: Any
    rough: Any
    counts: Any
    cores: Any


class Task(NamedTuple):
    """A row of tasks."""

    macs: Any
    extra_cycles: Any
    extra_energy_fj: Any
    flow: Flow
    wires: Wires
    prices: MachinePrices


@inlined
def task_at(tasks: Any, flow: int) -> Task:
    """The task with a dataflow."""
    row = tasks[flow]
    return Task(
        row[MACS],
        row[EXTRA_CYCLES],
        row[EXTRA_ENERGY],
        Flow(row[_FLOW], row[_FLOW + 1], row[_FLOW + 2]),
        Wires(
            row[_WIRES],
            row[_WIRES + 1],
            row[_WIRES + 2],
            row[_WIRES + 3],
            row[_WIRES + 4],
            row[_WIRES + 5],
        ),
        MachinePrices(
            row[_PRICES],
            row[_PRICES + 1],
            row[_PRICES + 2],
            row[_PRICES + 3],
            row[_PRICES + 4],
            row[_PRICES + 5],
            row[_PRICES + 6],
        ),
    )


@inlined
def order_at(order: int) -> Order:
    """A loop order in numbers."""
    return Order(_ORDERS[order, 0], _ORDERS[order, 1], _ORDERS[order, 2])


@inlined
def arranged(inner: int, x: int, y: int, z: int) -> tuple[int, int, int]:
    """What the loops x, y and z have, in the order m, n, k."""
    if inner == 0:
        return z, x, y
    if inner == 1:
        return x, z, y
    return x, y, z


@inlined
def value_of(goal: Any, cycles: Any, energy: Any) -> float:
    """The quantity to minimise."""
    if goal[IS_PRODUCT]:
        return float(cycles) * float(energy)
    return goal[OF_CYCLES] * cycles + goal[OF_ENERGY] * energy


@inlined
def energy_of(task: Task, moved: Moves, cycles: Any) -> Any:
    """Energy of a mapping."""
    ifmap, filter_, partial_sums, ofmap = dram_bytes(moved, task.wires)
    accesses = (
        moved.ifmap_reads + moved.ifmap_writes,
        moved.filter_reads + moved.filter_writes,
        moved.ofmap_reads + moved.ofmap_writes,
    )
    all_bytes = ifmap + filter_ + partial_sums + ofmap
    energy = events_fj(task.macs, accesses, all_bytes, cycles, task.wires, task.prices)
    return energy + task.extra_energy_fj


@inlined
def least_cycles(task: Task, moved: Moves, exposed: float, m: Loop, n: Loop, k: Loop) -> float:
    """Cycles that no mapping with loops of these sizes or more falls below.

    All that moves takes its time, and so does all that is computed, the first fill and the last
    drain. `exposed` cycles come on top of the former.
    """
    wires = task.wires
    bits = (
        moved.ifmap_brought * wires.input_bits
        + moved.filter_brought * wires.weight_bits
        + 2 * moved.partial_sums * wires.accumulator_bits
        + moved.outputs * wires.output_bits
    )
    compute = step_cycles(task.flow, m, n, k) + end_cycles(wires, m, n, k)
    return task.extra_cycles + larger(compute, transfer_cycles(bits, wires) + exposed)


@inlined
def exposed_cycles(task: Task, inner: int, m: Loop, n: Loop, k: Loop) -> float:
    """Compute cycles of the last step, beyond what leaves meanwhile: nothing comes."""
    overhead = task.flow.fold_overhead
    compute = mapped_product(
        task.flow,
        (m.edge.row_folds, k.edge.row_folds),
        (m.edge.col_folds, n.edge.col_folds),
        (overhead + m.edge.core, overhead + n.edge.core, overhead + k.edge.core),
    )
    if inner == 2:
        return compute
    m_size = m.full.size if inner == 0 else m.edge.size
    n_size = n.full.size if inner == 1 else n.edge.size
    leaving = transfer_cycles(m_size * n_size * task.wires.output_bits, task.wires)
    return larger(0.0, compute - leaving)


@inlined
def least_energy(task: Task, moved: Moves, cycles: float) -> float:
    """Energy that goes with `least_cycles`."""
    energy = energy_of(task, moved, cycles)
    return energy if energy < _ALL_EXACT else energy * (1 - 2**-48)


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
    table, goal, task = problem.rough, problem.goal, task_at(problem.rough_tasks, flow)
    at_m, at_n, at_k = arranged(inner, spots[0], spots[1], spots[2])
    of_m, of_n, of_k = arranged(inner, kinds[0], kinds[1], kinds[2])
    m, n, k = (
        loop_at(table, of_m, 0, at_m),
        loop_at(table, of_n, 1, at_n),
        loop_at(table, of_k, 2, at_k),
    )
    moved = moves(order_at(ORDER_IDS[inner, 0]), task.flow, m, n, k)
    exposed = 0.0 if kinds[0] + kinds[1] + kinds[2] else exposed_cycles(task, inner, m, n, k)
    cycles = least_cycles(task, moved, exposed, m, n, k)
    if not goal[IS_PRODUCT] and goal[OF_ENERGY] == 0 and cycles > best[CYCLES]:
        return True
    energy = least_energy(task, moved, cycles)
    least[VALUE], least[CYCLES], least[ENERGY] = value_of(goal, cycles, energy), cycles, energy
    for place in range(3):
        if least[place] != best[place]:
            return least[place] > best[place]
    return False


@inlined
def least_value(goal: Any, tasks: Any, flow: int, roots: Any, cores: Any) -> float:
    """The value that no mapping with a dataflow and partition falls below."""
    task = task_at(tasks, flow)
    m, n, k = (
        loop_at(roots, 0, 0, cores[0]),
        loop_at(roots, 0, 1, cores[1]),
        loop_at(roots, 0, 2, cores[2]),
    )
    moved = moves(order_at(0), task.flow, m, n, k)
    cycles = least_cycles(task, moved, 0.0, m, n, k)
    return value_of(goal, cycles, least_energy(task, moved, cycles))


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
        best[SKIPPED] = min(best[SKIPPED], least[VALUE])
        return
    task, own = task_at(problem.tasks, flow), problem.own
    m = loop_at(own, 0, 0, spots[0])
    n = loop_at(own, 0, 1, spots[1])
    k = loop_at(own, 0, 2, spots[2])
    order = order_at(order_id)
    cycles = task.extra_cycles + total_cycles(order, task.flow, task.wires, m, n, k)
    energy = energy_of(task, moves(order, task.flow, m, n, k), cycles)
    value = value_of(problem.goal, cycles, energy)
    if value > best[VALUE]:
        return
    # The first of the orders that differ in loops of one trip only.
    for other in range(order_id):
        if (
            (_ORDERS[other, 0] == order.m_in_n or m.several * n.several == 0)
            and (_ORDERS[other, 1] == order.m_in_k or m.several * k.several == 0)
            and (_ORDERS[other, 2] == order.n_in_k or n.several * k.several == 0)
        ):
            order_id = other
            break
    found = np.empty(SKIPPED)
    found[VALUE], found[CYCLES], found[ENERGY] = value, cycles, energy
    found[LOST] = energy - int(found[ENERGY])
    found[FLOW], found[ORDER] = problem.tasks[flow, DATAFLOW], order_id
    for axis in range(3):
        found[CORES + axis] = problem.cores[axis]
        found[TILES + axis] = own[0, axis, spots[axis], TILE]
    for place in range(SKIPPED):
        if found[place] != best[place]:
            if found[place] < best[place]:
                for column in range(SKIPPED):
                    best[column] = found[column]
            return
