"""The best schedule of a workload on one machine: one mapping per GEMM, by the sums over all runs.

Cycles and energy add up over GEMMs, and the value of a schedule rises with both sums. First come
vertices of the convex hull of all sums: a vertex is the sum of what each GEMM has least by the same
weights of cycles and energy. Between two vertices known the search looks in the direction in which
they tie, as long as a better schedule could be there. Where the value is not quasi-concave, as by a
limit of cycles or power, the best can be above an edge of the hull. Then each GEMM has only so many
mappings whose weighted sum is close enough to its least, and their sums are enumerated.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from airchitect_jax._support import instance
from airchitect_jax.cost import MachinePrices, Platform
from airchitect_jax.oracle.mappings.best import (
    BestMappings,
    Weights,
    best_mappings,
)
from airchitect_jax.oracle.mappings.fronts import Machine, sums_of, taken
from airchitect_jax.types import Gemm, Hardware, Objective
from airchitect_jax.workloads import GemmCounts

_ROUNDED_BITS = 50  # values by weights are exact to so many bits
_ROUNDED_UP = 1 + 2.0**-40
_CELLS = 32  # in which the slack of an edge is bounded
_MOST_TRIES = 1000
_SUMS, _GROWTH = 1000, 4  # that are looked at, first; how they grow


@dataclasses.dataclass(frozen=True, kw_only=True)
class NetworkMappings:
    """The best mappings of a network.

    Attributes:
      layers: the mapping of each GEMM of the workload.
      total_cycles, energy_fj: of all runs, with what was given on top; Python integers.
    """

    layers: BestMappings
    total_cycles: int
    energy_fj: int

    @property
    def product(self) -> int:
        """The energy-delay product."""
        return self.total_cycles * self.energy_fj


def best_schedule(
    workload: GemmCounts,
    hardware: Hardware,
    platform: Platform,
    prices: MachinePrices,
    value: Callable[[int, int], Any],
    known: Any = math.inf,
) -> NetworkMappings | None:
    """The schedule of the least value, exact; each GEMM has one mapping for all its runs.

    Ties go to fewer cycles, then to less energy.

    Args:
      workload: GEMMs and the number of runs of each.
      hardware: as for `best_mappings`.
      platform: the same.
      prices: the same.
      value: of the sums over all runs of cycles and of femtojoules, whole numbers. It must not fall
        where one of them rises; infinite is not allowed.
      known: only lower values are looked for.

    Returns:
      None if no schedule has a finite value below `known`.

    Raises:
      ValueError: as for `best_mappings`.
      TypeError: an argument is of another type.
    """
    instance("workload", workload, GemmCounts)
    search = _Search(
        Machine(workload=workload, hardware=hardware, platform=platform, prices=prices),
        value,
        known,
    )
    search.run()
    return search.best


def schedule_by(machine: Machine, objective: Objective | Weights) -> NetworkMappings:
    """The schedule with the best mapping of each GEMM by itself."""
    m, n, k = np.array(machine.workload.gemms).T
    layers = best_mappings(
        Gemm(m=m, n=n, k=k), machine.hardware, machine.platform, objective, machine.prices
    )
    return schedule_of(machine.workload, layers)


def schedule_of(workload: GemmCounts, layers: BestMappings) -> NetworkMappings:
    """The schedule with these mappings, and its sums over all runs."""
    cycles, energy_fj = (
        sum(map(int.__mul__, workload.counts, each.tolist()))
        for each in (layers.total_cycles, layers.energy_fj)
    )
    return NetworkMappings(layers=layers, total_cycles=cycles, energy_fj=energy_fj)


class _Vertex(NamedTuple):
    """The schedule of the least sum by weights.

    All schedules have `cycles_weight * cycles + energy_weight * energy_fj >= least`.
    """

    schedule: NetworkMappings
    cycles_weight: int
    energy_weight: int
    least: int

    def least_energy(self, cycles: int) -> int:
        """That a schedule with so many cycles can have."""
        if not self.energy_weight:
            return 0
        return -((self.cycles_weight * cycles - self.least) // self.energy_weight)


class _Edge(NamedTuple):
    """Where schedules with more cycles than one vertex and fewer than another can be.

    Attributes:
      first, last: their cycles, at least and at most.
      top: less energy than this.
      lines: that they obey.
    """

    first: int
    last: int
    top: int
    lines: tuple[_Vertex, ...]

    def least_energy(self, cycles: int) -> int:
        return max(line.least_energy(cycles) for line in self.lines)


class _Search:
    def __init__(self, machine: Machine, value: Callable[[int, int], Any], known: Any) -> None:
        self._machine, self._value = machine, value
        self.best: NetworkMappings | None = None
        self._least = (known, -1, -1)  # value, cycles and energy of the best
        self._layers: list[BestMappings] = []  # of all vertices

    def _rank(self, cycles: int, energy_fj: int) -> tuple[Any, int, int]:
        return self._value(cycles, energy_fj), cycles, energy_fj

    def _is_better(self, cycles: int, energy_fj: int) -> bool:
        return self._rank(cycles, energy_fj) < self._least

    def _keep(self, one: NetworkMappings) -> None:
        rank = self._rank(one.total_cycles, one.energy_fj)
        if rank < self._least:
            self.best, self._least = one, rank

    def _vertex(self, weights: Weights, objective: Objective | None = None) -> _Vertex:
        one = schedule_by(self._machine, objective or weights)
        self._layers.append(one.layers)
        self._keep(one)
        p, q = map(int, weights)
        least = p * one.total_cycles + q * one.energy_fj
        if objective is None:
            least -= least >> _ROUNDED_BITS
        return _Vertex(one, p, q, least)

    def run(self) -> None:
        pairs = [
            (
                self._vertex(Weights(1.0, 0.0), Objective.CYCLES),
                self._vertex(Weights(0.0, 1.0), Objective.ENERGY),
            )
        ]
        edges = []
        while pairs:
            left, right = pairs.pop()
            edge = _between(left, right)
            if not self._may_hold(edge):
                continue
            a, b = left.schedule, right.schedule
            weights = Weights(
                float(a.energy_fj - b.energy_fj), float(b.total_cycles - a.total_cycles)
            )
            middle = self._vertex(weights)
            if _is_below(middle.schedule, a, b):
                pairs += [(left, middle), (middle, right)]
            else:
                edges.append(edge._replace(lines=(middle, *edge.lines)))
        for edge in edges:
            if self._may_hold(edge):
                self._enumerate(edge)

    def _may_hold(self, edge: _Edge) -> bool:
        """Whether sums that obey the lines are better; if in doubt, they are."""
        ranges, tries = [(edge.first, edge.last)], 0
        while ranges:
            first, last = ranges.pop()
            if first > last or not self._is_better(first, edge.least_energy(last)):
                continue
            middle, tries = (first + last) // 2, tries + 1
            if tries > _MOST_TRIES or self._is_better(middle, edge.least_energy(middle)):
                return True
            ranges += [(first, middle - 1), (middle + 1, last)]
        return False

    def _enumerate(self, edge: _Edge) -> None:
        """Looks at all schedules that may be better; first at some, which rule out many others."""
        line, most_sums = edge.lines[0], _SUMS
        seen = [
            taken(self._layers, [row] * len(self._layers))
            for row in range(len(self._machine.workload.counts))
        ]
        if corners := self._corners(edge):
            self._look(line.schedule, corners, seen, most_sums)
        while corners := self._corners(edge):
            if self._look(line.schedule, corners, self._fronts(line, corners), most_sums):
                return
            most_sums *= _GROWTH

    def _corners(self, edge: _Edge) -> list[tuple[int, int]]:
        """Cycles and energy; better schedules have at most those of one of them."""
        first, last = edge.first, edge.last
        while True:
            step = max(1, -((first - last - 1) // _CELLS))
            cells = [(x, min(x + step - 1, last)) for x in range(first, last + 1, step)]
            cells = [cell for cell in cells if self._is_better(cell[0], edge.least_energy(cell[1]))]
            if not cells or step == 1 or 2 * (cells[-1][1] - cells[0][0]) > last - first:
                corners = [self._corner(edge, x, y) for x, y in cells]
                tops = [*(top for _, top in corners[1:]), -1]
                return [
                    corner for corner, top in zip(corners, tops, strict=True) if corner[1] > top
                ]
            first, last = cells[0][0], cells[-1][1]

    def _corner(self, edge: _Edge, first: int, last: int) -> tuple[int, int]:
        """The most cycles, and the most energy, of better schedules with so many cycles."""
        low = edge.least_energy(last)
        most = _last(lambda cycles: self._is_better(cycles, low), first, last + 1)
        return most, _last(lambda energy: self._is_better(first, energy), low, edge.top)

    def _fronts(self, line: _Vertex, corners: list[tuple[int, int]]) -> list[BestMappings]:
        """The mappings of each GEMM that a schedule below a corner can have."""
        p, q = line.cycles_weight, line.energy_weight
        slack = max(p * x + q * y for x, y in corners) - line.least
        fronts = []
        for row, runs in enumerate(self._machine.workload.counts):
            _, cycles, energy_fj = line.schedule.layers.at(row)
            cutoff = (p * cycles + q * energy_fj + slack / runs) * _ROUNDED_UP
            fronts.append(self._machine.front(row, Weights(float(p), float(q)), cutoff))
        return fronts

    def _look(
        self,
        base: NetworkMappings,
        corners: list[tuple[int, int]],
        options: list[BestMappings],
        most_sums: int,
    ) -> bool:
        """Looks at schedules below corners with given mappings; returns whether at all of them."""
        counts, x, y = self._machine.workload.counts, base.total_cycles, base.energy_fj
        sums = sums_of(
            [
                np.stack([each.total_cycles - cycles, each.energy_fj - energy_fj])
                for each, cycles, energy_fj in zip(
                    options, base.layers.total_cycles, base.layers.energy_fj, strict=True
                )
            ],
            counts,
            [(cycles - x, energy_fj - y) for cycles, energy_fj in corners],
            most_sums,
        )
        best = None
        pairs = zip(sums.cycles.tolist(), sums.energy_fj.tolist(), strict=True)
        for place, (cycles, energy_fj) in enumerate(pairs):
            rank = self._rank(x + cycles, y + energy_fj)
            if rank < self._least:
                self._least, best = rank, place
        if best is not None:
            self.best = schedule_of(self._machine.workload, taken(options, sums.choices[best]))
        return sums.is_whole


def _last(holds: Callable[[int], bool], low: int, high: int) -> int:
    """The last number below `high` for which something holds, as it does for `low`."""
    while high - low > 1:
        middle = (low + high) // 2
        if holds(middle):
            low = middle
        else:
            high = middle
    return low


def _between(left: _Vertex, right: _Vertex) -> _Edge:
    return _Edge(
        left.schedule.total_cycles + 1,
        right.schedule.total_cycles - 1,
        left.schedule.energy_fj,
        (left, right),
    )


def _is_below(one: NetworkMappings, a: NetworkMappings, b: NetworkMappings) -> bool:
    """Whether a point is below the line through two others, of which the first has fewer cycles."""
    rise = (one.energy_fj - a.energy_fj) * (b.total_cycles - a.total_cycles)
    return rise < (b.energy_fj - a.energy_fj) * (one.total_cycles - a.total_cycles)
