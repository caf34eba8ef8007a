"""One array and one buffer sizing for a whole network, a dataflow for each layer: exact search.

The joint space (`airchitect_jax.spaces.joint`) is searched exhaustively, but factored. With the
array and the sizing fixed, layers choose their dataflows independently. Under a dataflow, the
cycles of a layer depend on at most two of the three sizes, and its energy is a sum of terms of one
size each (`airchitect_jax.cost.memory`). So a layer costs `3 * shapes * levels**2` evaluations, and
the `shapes * levels**3` designs are sums of table entries.

NumPy throughout: the tables of a layer are small, and there is nothing to compile. IDEAL memory.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
from jaxtyping import Int, Num

from airchitect_jax._support import INT64_SAFE
from airchitect_jax.cost import (
    Platform,
    add_cycles,
    add_energy_fj,
    ideal_costs,
    ideal_cycles,
    memory,
    objective_value,
)
from airchitect_jax.oracle.buffer_search import OperandEnergy, sizes_of
from airchitect_jax.spaces import JointSpace
from airchitect_jax.types import ArrayShape, BufferSizes, Dataflow, Gemm, Memory, Objective
from airchitect_jax.workloads import GemmCounts

_CHUNK = 160_000  # designs at a time: all arrays of 2**18 MACs, with 1000 sizings
# Called with the current stage, the number of finished GEMMs, and their total number.
OnProgress = Callable[[str, int, int], None]
# The objectives that choose the dataflow of each layer; an energy-delay product is in
# `oracle.joint.edp`.
POLICIES = (Objective.CYCLES, Objective.ENERGY)


@dataclasses.dataclass(frozen=True, kw_only=True)
class OwnBest:
    """The best design for one GEMM alone, and the cost of one run of the GEMM there."""

    shape: int
    sizing: int
    cycles: int
    energy_fj: int


@dataclasses.dataclass(frozen=True, kw_only=True)
class Survey:
    """Every design of a joint space, for a workload.

    Attributes:
      workload, space, platform: the inputs.
      cycles, energy_fj: of the whole workload, by the objective that chooses the dataflows; int64,
        or Python integers where those could overflow.
      own_best: the best design for each GEMM alone.
    """

    workload: GemmCounts
    space: JointSpace
    platform: Platform
    cycles: Mapping[Objective, Num[np.ndarray, "shapes sizings"]]
    energy_fj: Mapping[Objective, Num[np.ndarray, "shapes sizings"]]
    own_best: tuple[OwnBest, ...]


def survey(
    workload: GemmCounts,
    space: JointSpace,
    platform: Platform,
    objective: Objective,
    *,
    on_progress: OnProgress | None = None,
) -> Survey:
    """Costs every design exactly.

    Args:
      workload: the GEMMs.
      space: the designs.
      platform: the rest of the machine.
      objective: of `own_best`.
      on_progress: called for each GEMM.

    Raises:
      ValueError: a GEMM takes more cycles or energy than int64 holds on some design.
    """
    report = on_progress or (lambda *_: None)
    num = len(workload.gemms)
    limits = []
    for done, gemm in enumerate(workload.gemms, start=1):
        limits.append(cost_bounds(gemm, space, platform))
        report("bounding", done, num)
    cycles_bound, energy_bound = np.asarray(workload.counts, np.float64) @ np.array(limits)
    cycles, energy = (
        {policy: _zeros(space, bound) for policy in POLICIES}
        for bound in (cycles_bound, energy_bound)
    )
    own_best = []
    for gemm, count in zip(workload.gemms, workload.counts, strict=True):
        lowest: tuple[Any, int, OwnBest] | None = None
        for shapes in _chunks(space):
            tables = layer_tables(gemm, space, platform, shapes)
            chosen = {policy: choose(policy, *tables) for policy in {*POLICIES, objective}}
            for policy in POLICIES:
                _add(cycles[policy][shapes], chosen[policy][1], count)
                _add(energy[policy][shapes], chosen[policy][2], count)
            found = _own_best(space, shapes, *chosen[objective])
            lowest = found if lowest is None else min(lowest, found, key=lambda own: own[:2])
        assert lowest is not None  # noqa: S101 - a space has at least one shape
        own_best.append(lowest[2])
        report("costing", len(own_best), num)
    return Survey(
        workload=workload,
        space=space,
        platform=platform,
        cycles=cycles,
        energy_fj=energy,
        own_best=tuple(own_best),
    )


def choose(
    objective: Objective,
    cycles: Int[np.ndarray, "dataflows *designs"],
    energy: Int[np.ndarray, "dataflows *designs"],
) -> tuple[Num[np.ndarray, "*designs"], Int[np.ndarray, "*designs"], Int[np.ndarray, "*designs"]]:
    """Cost, cycles and energy under the cheapest dataflow: ties to less of the other, then first.

    Without the second rule a design's fastest dataflows could take more energy than they have to.
    """
    costs = objective_value(objective, cycles, energy)
    others = tie_breaker(objective, cycles, energy)
    cost, its_cycles, its_energy = costs[0], cycles[0], energy[0]
    for flow in range(1, len(Dataflow)):
        other = tie_breaker(objective, its_cycles, its_energy)
        better = (costs[flow] < cost) | ((costs[flow] == cost) & (others[flow] < other))
        cost = np.where(better, costs[flow], cost)
        its_cycles = np.where(better, cycles[flow], its_cycles)
        its_energy = np.where(better, energy[flow], its_energy)
    return cost, its_cycles, its_energy


def tie_breaker(
    objective: Objective,
    cycles: Int[np.ndarray, "dataflows *designs"],
    energy: Int[np.ndarray, "dataflows *designs"],
) -> Int[np.ndarray, "dataflows *designs"]:
    """The tie breaker between dataflows of equal cost: the cost that the objective leaves out.

    That is energy for cycles, cycles for energy, and cycles for their product.
    """
    return energy if objective is Objective.CYCLES else cycles


def layer_tables(
    gemm: tuple[int, int, int], space: JointSpace, platform: Platform, shapes: slice
) -> tuple[
    Int[np.ndarray, "dataflows shapes sizings"], Int[np.ndarray, "dataflows shapes sizings"]
]:
    """Cycles and energy of a GEMM on the designs of some of the shapes, by dataflow."""
    array = ArrayShape(rows=space.rows[shapes, None, None], cols=space.cols[shapes, None, None])
    sizes = np.array(sizes_of(space.buffers))
    prices = platform.energy_table.sram_fj_per_byte(sizes)
    swept_axis, column_axis = (None, slice(None), None), (None, None, slice(None))
    positions = space.levels - 1
    cycles, energy = [], []
    for flow in Dataflow:
        folds = _folds(_gemm(gemm), array, flow, platform)
        swept, column, tile = (memory.OPERANDS.index(name) for name in memory.ROLES[flow])
        pair = positions[:, swept] * len(sizes) + positions[:, column]
        pair_cycles = memory.cycles_by_role(
            folds,
            sizes[swept_axis],
            sizes[column_axis],
            platform.bandwidth_bytes_per_cycle,
            platform.interface,
        )
        pair_cycles = add_cycles(platform.terms, pair_cycles, _gemm(gemm), array, flow)
        cycles.append(_take(pair_cycles, pair))
        operands = OperandEnergy(folds=folds, table=platform.energy_table)
        pair_energy = (
            operands.fixed()
            + operands.swept(sizes[swept_axis], prices[swept_axis])
            + operands.column(sizes[column_axis], prices[column_axis])
        )
        pair_energy = add_energy_fj(platform.terms, pair_energy, _gemm(gemm), array, flow)
        energy.append(_take(pair_energy, pair) + operands.tile(prices)[positions[:, tile]])
    return np.stack(cycles), np.stack(energy)


def design_costs(
    gemm: tuple[int, int, int], array: ArrayShape, sizes: BufferSizes, platform: Platform
) -> tuple[Int[np.ndarray, "dataflows *designs"], Int[np.ndarray, "dataflows *designs"]]:
    """Cycles and energy of a GEMM on given designs, by dataflow; not factored."""
    prices = platform.energy_table.of_buffers(sizes)
    costs = [
        ideal_costs(_gemm(gemm), array, flow, platform.memory_of(sizes), platform, prices)
        for flow in Dataflow
    ]
    return (
        np.stack([of_flow.total_cycles for of_flow in costs]),
        np.stack([of_flow.energy_fj for of_flow in costs]),
    )


def _gemm(dims: tuple[Any, Any, Any]) -> Gemm:
    m, n, k = dims
    return Gemm(m=m, n=n, k=k)


def _folds(gemm: Gemm, array: ArrayShape, flow: Dataflow, platform: Platform) -> memory.Tiling:
    return memory.tiling_of(gemm, array, flow, platform.element_bytes, platform.runtime_model)


def _take(
    table: Int[np.ndarray, "shapes levels levels"], pair: Int[np.ndarray, "sizings"]
) -> Int[np.ndarray, "shapes sizings"]:
    return np.take(table.reshape(len(table), -1), pair, axis=1)


def _chunks(space: JointSpace) -> Iterator[slice]:
    size = max(_CHUNK // len(space.sizings), 1)
    for first in range(0, len(space.rows), size):
        yield slice(first, min(first + size, len(space.rows)))


def _zeros(space: JointSpace, bound: float) -> np.ndarray:
    dtype = np.int64 if bound < INT64_SAFE else object
    return np.zeros((len(space.rows), len(space.sizings)), dtype)


def _add(totals: np.ndarray, costs: np.ndarray, count: int) -> None:
    totals += costs.astype(totals.dtype, copy=False) * count


def _own_best(
    space: JointSpace, shapes: slice, cost: np.ndarray, cycles: np.ndarray, energy: np.ndarray
) -> tuple[Any, int, OwnBest]:
    """Lowest cost within a chunk, the rank of its design among equals, and the design."""
    lowest = cost.min()
    ranks = np.where(cost == lowest, space.tie_rank[shapes], space.num_designs)
    row, sizing = space.unravel(int(ranks.argmin()))
    own = OwnBest(
        shape=shapes.start + row,
        sizing=sizing,
        cycles=int(cycles[row, sizing]),
        energy_fj=int(energy[row, sizing]),
    )
    return lowest.item(), int(ranks[row, sizing]), own


def cost_bounds(
    gemm: tuple[int, int, int], space: JointSpace, platform: Platform
) -> tuple[float, float]:
    """Upper bounds over all designs on the cycles and the femtojoules of a GEMM.

    Raises:
      ValueError: int64 does not hold an intermediate value.
    """
    m, n, k = (float(side) for side in gemm)
    wide = Gemm(m=m, n=n, k=k)
    array = ArrayShape(rows=space.rows.astype(np.float64), cols=space.cols.astype(np.float64))
    smallest, bandwidth = (
        float(space.buffers.step_bytes),
        float(platform.bandwidth_bytes_per_cycle),
    )
    memory_of_smallest = Memory(
        buffers=BufferSizes(
            ifmap_sram_bytes=smallest, filter_sram_bytes=smallest, ofmap_sram_bytes=smallest
        ),
        bandwidth_bytes_per_cycle=bandwidth,
        element_bytes=platform.element_bytes,
    )
    highest = float(platform.energy_table.sram_fj_per_byte(sizes_of(space.buffers)[-1]))
    cycles = energy = 0.0
    for flow in Dataflow:
        most = ideal_cycles(wide, array, flow, memory_of_smallest, platform)
        folds = _folds(wide, array, flow, platform)
        operands = OperandEnergy(folds=folds, table=platform.energy_table)
        joules = (
            operands.fixed()
            + operands.tile(highest)
            + operands.swept(smallest, highest)
            + operands.column(smallest, highest)
        )
        joules = add_energy_fj(platform.terms, joules, wide, array, flow)
        cycles, energy = max(cycles, float(np.max(most))), max(energy, float(np.max(joules)))
    if max((cycles + 1) * bandwidth, energy) >= INT64_SAFE:
        raise ValueError(
            f"m={gemm[0]}, n={gemm[1]}, k={gemm[2]} takes up to {cycles:.3g} cycles and"
            f" {energy:.3g} fJ; cycles times bandwidth and energy are limited to int64 (2**63 - 1)"
        )
    return cycles, energy
