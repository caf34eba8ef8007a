"""The least of a weighted sum of cycles and energy over all machines of a box.

Of each GEMM the search of mappings (`oracle.mappings`) finds the least on a machine that is not
there: memories, bandwidth and cores are those of the high corner, so are rows and columns where
they divide the work; the cycles that a fold takes beside its time steps, and all prices, are the
least of the box; mappings of small GEMMs pay for the smallest memories of the box that hold their
tiles. Every schedule of a machine of the box runs there at no higher cost.
"""

from __future__ import annotations

import dataclasses
import functools
import math
import operator
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int

from airchitect_jax.cost import operator_costs
from airchitect_jax.cost.tiled import flow_of, halves_of, term_costs, wires_of
from airchitect_jax.cost.tiled_loops import tile_bits
from airchitect_jax.oracle.machines.answer import Corner, Line
from airchitect_jax.oracle.machines.parts import COLS, CORES, MEMORIES, ROWS, Least, Parts
from airchitect_jax.oracle.machines.question import MachineObjective, Question
from airchitect_jax.oracle.machines.size import numbers_of_trips
from airchitect_jax.oracle.mappings import NetworkMappings
from airchitect_jax.oracle.mappings.best import mappings_of, partitions, refuse, tasks_of
from airchitect_jax.oracle.mappings.bounds import (
    BANDWIDTH_BITS,
    EXTRA_CYCLES,
    EXTRA_ENERGY,
    FLOW_COLUMNS,
    NO_MEMORIES,
    PRICE_COLUMNS,
)
from airchitect_jax.oracle.mappings.records import CYCLES, ENERGY, FOUND, LOST, TILES, VALUE
from airchitect_jax.oracle.mappings.schedules import schedule_of
from airchitect_jax.oracle.mappings.search import Known, search
from airchitect_jax.types import Gemm, Hardware

# With more tilings, a search in which mappings pay for their needs takes longer than the higher
# bound saves; that of a vector has no early end, since tiles of all sizes move the same.
_MOST_TILINGS, _MOST_OF_VECTORS = 200_000, 5000
# Sums of values in float64, of which each is off by less than 2**-50.
_ROUNDED_DOWN = 1 - 1e-13


@dataclasses.dataclass(frozen=True, kw_only=True)
class Solved:
    """The least of a weighted sum over the schedules of a box.

    Attributes:
      line: what is proven.
      cycles, energy_fj: of the schedule that has the least, without operators.
      values: of a run of each GEMM; lower bounds where the search ended early.
      found: rows of the search, one per GEMM.
      is_whole: whether all GEMMs were searched.
    """

    line: Line
    cycles: float
    energy_fj: float
    values: Float[np.ndarray, "gemms"]
    found: Float[np.ndarray, "gemms columns"]
    is_whole: bool


@dataclasses.dataclass(frozen=True, kw_only=True)
class Operators:
    """The operators of a workload on the vector units: cycles, and energy without leakage."""

    cycles: int
    energy_fj: int


class Solver:
    """Boxes of a question. GEMMs are in the order of most work first."""

    def __init__(self, question: Question) -> None:
        self.question, self.parts = question, Parts(question)
        self._flow = functools.lru_cache(10_000)(self._folding)
        self.hardware = functools.lru_cache(10_000)(self._machine)
        self._needs_energy = question.budgets.power_budget_w is not None or (
            question.objective in (MachineObjective.ENERGY, MachineObjective.EDP)
        )
        platform = question.platform
        work = [
            -m * n * k * runs
            for (m, n, k), runs in zip(question.gemms.gemms, question.gemms.counts, strict=True)
        ]
        self.order = np.argsort(work, kind="stable")
        self.dims = np.array(question.gemms.gemms, np.int64)[self.order]
        self.runs = np.array(question.gemms.counts, np.float64)[self.order]
        self._gemm = Gemm(**dict(zip("mnk", self.dims.T, strict=True)))
        tilings = [math.prod(map(numbers_of_trips, dims)) for dims in self.dims.tolist()]
        most = np.where(self.dims.min(axis=1) > 1, _MOST_TILINGS, _MOST_OF_VECTORS)
        self._is_small = np.array(tilings) <= most
        first = (0,) * len(self.parts.values)
        # Those of operators and DRAM are the same for all machines.
        self._prices = self.parts.least(first, first).prices
        self._tasks = tasks_of(self.dims, self.hardware(first), platform, self._prices)
        self._first, self._shared = self.hardware(first), int(self.parts.is_shared)
        self._operators: dict[tuple[int, int], Operators] = {}

    def _folding(self, number: int, arrays: Corner) -> tuple[int, ...]:
        machine = self.hardware((*arrays, *(0 for _ in self.parts.values[MEMORIES:])))
        platform = self.question.platform
        return tuple(map(int, flow_of(platform.dataflows[number], machine, platform)))

    def _machine(self, at: Corner) -> Hardware:
        """The machine at a corner."""
        return self.question.platform.hardware_of(**self.values_of(at))

    def values_of(self, at: Corner) -> dict[str, int]:
        """The values of the machine at a corner, by axis."""
        axes = self.question.platform.hardware.axes
        return {name: values[place] for (name, values), place in zip(axes.items(), at, strict=True)}

    def operators(self, high: Corner) -> Operators:
        """The operators on the machines of a box, at least."""
        key = high[CORES], high[-1]
        if key not in self._operators:
            hardware = self.hardware(high)
            costs = [
                (operator_costs(one, hardware, self.question.platform, self._prices), runs)
                for one, runs in self.question.operators
            ]
            self._operators[key] = Operators(
                cycles=sum(cost.cycles * runs for cost, runs in costs),
                energy_fj=sum(cost.energy_fj * runs for cost, runs in costs),
            )
        return self._operators[key]

    def solve(
        self,
        low: Corner,
        high: Corner,
        least: Least,
        weights: tuple[float, float],
        parent: Solved | None = None,
        cutoff: float = np.inf,
    ) -> Solved:
        """The least of `cycles_weight * cycles + energy_weight * switching energy`.

        Args:
          low: the low corner of the box.
          high: its high corner.
          least: its figures.
          weights: of cycles and of energy in femtojoules.
          parent: a search of a box around it; of use if its weights are not larger.
          cutoff: the search may end when it is known that the sum reaches this.

        Raises:
          ValueError: a GEMM is too large for exact costs.
        """
        machine, platform = self.hardware(high), self.question.platform
        tasks = self._tasks.copy()
        tasks[:, :, BANDWIDTH_BITS] = 8 * machine.bandwidth_bytes
        tasks[:, :, PRICE_COLUMNS] = least.prices
        for number, dataflow in enumerate(platform.dataflows):
            tasks[:, number, FLOW_COLUMNS] = self._flow(number, low[:MEMORIES])
            if platform.terms:
                cycles, energy = self.least_terms(dataflow, low, high)
                tasks[:, number, EXTRA_CYCLES], tasks[:, number, EXTRA_ENERGY] = cycles, energy
        num = len(self.dims)
        found, is_found, floors = np.full((num, FOUND), np.inf), np.zeros(num, bool), np.zeros(num)
        # Less weight is a lower bound.
        if parent is not None and all(map(operator.le, parent.line[2:4], weights)):
            floors = parent.values
            if self._is_alike(low, high, weights, parent.line):
                is_found = self._still_best(low, high, parent)
                found[is_found] = parent.found[is_found]
        run = functools.partial(
            search,
            self.dims,
            np.array([0.0, *weights]),
            np.array(halves_of(machine), np.int64),
            np.array([machine.rows, machine.cols], np.int64),
            tasks,
            partitions(int(machine.num_cores)),
            is_relaxed=low[:MEMORIES] != high[:MEMORIES],
        )
        found = run(NO_MEMORIES, Known(self.runs, floors, is_found, cutoff), found)
        if self._pays_for_needs(low, high, weights) and self.runs @ found[:, VALUE] < cutoff:
            floors = found[:, VALUE].copy()
            is_found |= ~self._is_small | (self._places(found, low) == self._lowest(low)).all(
                axis=0
            )
            found[~is_found] = np.inf
            known = Known(self.runs, floors, is_found, cutoff)
            found = run(self.parts.memories(low, high), known, found)
        return self.solved(low, high, weights, found)

    def solved(
        self,
        low: Corner,
        high: Corner,
        weights: tuple[float, float],
        found: Float[np.ndarray, "gemms columns"],
    ) -> Solved:
        """What rows of a search of mappings say of a box.

        Raises:
          ValueError: a GEMM is too large for exact costs.
        """
        refuse(found, self.dims)
        values = found[:, VALUE]
        return Solved(
            line=Line(low, high, *weights, float(self.runs @ values) * _ROUNDED_DOWN),
            cycles=float(self.runs @ found[:, CYCLES]),
            energy_fj=float(self.runs @ (found[:, ENERGY] + found[:, LOST])),
            values=values,
            found=found,
            is_whole=bool(np.isfinite(found[:, CYCLES]).all()),
        )

    def _is_alike(
        self, low: Corner, high: Corner, weights: tuple[float, float], parent: Line
    ) -> bool:
        """Whether a box differs from its parent in memories only."""
        return (
            low[:MEMORIES] == parent.low[:MEMORIES]
            and high[:MEMORIES] == parent.high[:MEMORIES]
            and high[-1] == parent.high[-1]
            and weights == parent[2:4]
        )

    def _still_best(self, low: Corner, high: Corner, parent: Solved) -> Bool[np.ndarray, "gemms"]:
        """Whether the mappings of a parent fit into the smaller box and cost what they did."""
        own, around = self.needs(parent, parent.line.low), parent.line
        still = np.isfinite(parent.found[:, CYCLES])
        for operand in range(3):
            axis = MEMORIES + self.parts.memory_of(operand)
            still &= own[operand] <= high[axis]
            if self._needs_energy and low[axis] > around.low[axis]:
                # Some pay for their needs, the others the prices of the low corner.
                is_alike = self._pays_for_needs(around.low, around.high, around[2:4])
                still &= self._is_small & (own[operand] >= low[axis]) & is_alike
        return still

    def _pays_for_needs(self, low: Corner, high: Corner, weights: tuple[float, float]) -> bool:
        """Whether mappings of small GEMMs pay for the smallest memories that hold their tiles."""
        return low[MEMORIES:-1] != high[MEMORIES:-1] and weights[1] > 0

    def schedule(self, solved: Solved) -> NetworkMappings:
        """The mappings that were found, in the order of the question, and their sums."""
        found = mappings_of(solved.found[np.argsort(self.order)])
        return schedule_of(self.question.gemms, found)

    def needs(self, solved: Solved, low: Corner) -> Int[np.ndarray, "operands gemms"]:
        """Places of the smallest sizes from the low corner on that hold the tiles."""
        return self._places(solved.found, low)

    def _lowest(self, low: Corner) -> Int[np.ndarray, "operands 1"]:
        return np.array([[low[MEMORIES + self.parts.memory_of(operand)]] for operand in range(3)])

    def _places(
        self, found: Float[np.ndarray, "gemms columns"], low: Corner
    ) -> Int[np.ndarray, "operands gemms"]:
        tiles = found[:, TILES : TILES + 3]
        m, n, k = np.where(np.isfinite(tiles), tiles, 1).T
        bits = tile_bits(m, n, k, wires_of(self._first, self.question.platform), self._shared)
        return np.stack(
            [
                np.maximum(
                    np.searchsorted(self.parts.halves[self.parts.memory_of(operand)], need),
                    low[MEMORIES + self.parts.memory_of(operand)],
                )
                for operand, need in enumerate(bits)
            ]
        )

    def least_terms(self, dataflow: Any, low: Corner, high: Corner) -> tuple[Any, Any]:
        """Cycles and energy of the cost terms of each GEMM, the least over the arrays of a box."""
        cycles, energy = [], []
        for rows in range(low[ROWS], high[ROWS] + 1):
            for cols in range(low[COLS], high[COLS] + 1):
                machine = self.hardware((rows, cols, *high[CORES:]))
                both = term_costs(self._gemm, dataflow, machine, self.question.platform)
                cycles.append(np.broadcast_to(both[0], len(self.dims)))
                energy.append(np.broadcast_to(both[1], len(self.dims)))
        return np.min(cycles, axis=0), np.min(energy, axis=0)
