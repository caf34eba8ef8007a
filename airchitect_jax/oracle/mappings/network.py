"""The best mappings of a whole network on one machine.

Cycles and energy add up over GEMMs, so each has its own best mapping. Their product does not: the
least product of sums is at a vertex of the convex hull of all sums, and a vertex is the sum of what
each GEMM has least by the same weights of cycles and energy. Between two vertices known the search
looks in the direction in which they tie, as long as the hull could hold a smaller product there.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from airchitect_jax._support import instance, member, whole_number
from airchitect_jax.cost import MachinePrices, Platform
from airchitect_jax.oracle.mappings.best import BestMappings, Weights, best_mappings
from airchitect_jax.types import Gemm, Hardware, Objective
from airchitect_jax.workloads import GemmCounts


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


def network_optimum(
    workload: GemmCounts,
    hardware: Hardware,
    platform: Platform,
    objective: Objective,
    prices: MachinePrices,
    extra_cycles: int = 0,
    extra_energy_fj: int = 0,
) -> NetworkMappings:
    """The mappings that are best for the whole network; each GEMM has one for all its runs.

    Args:
      workload: GEMMs and the number of runs of each.
      hardware: as for `best_mappings`.
      platform: the same.
      objective: the quantity to minimise, of the sums over all runs.
      prices: as for `best_mappings`.
      extra_cycles: on top, of what has no mapping.
      extra_energy_fj: the same.

    Raises:
      ValueError: as for `best_mappings`, or something on top is negative.
      TypeError: an argument is of another type.
    """
    instance("workload", workload, GemmCounts)
    extra = (
        whole_number("extra_cycles", extra_cycles, low=0, high=2**63 - 1),
        whole_number("extra_energy_fj", extra_energy_fj, low=0, high=2**63 - 1),
    )
    m, n, k = np.array(workload.gemms).T
    gemms = Gemm(m=m, n=n, k=k)

    def solved(goal: Objective | Weights) -> NetworkMappings:
        layers = best_mappings(gemms, hardware, platform, goal, prices)
        totals = [
            most + sum(map(int.__mul__, workload.counts, each.tolist()))
            for most, each in zip(extra, (layers.total_cycles, layers.energy_fj), strict=True)
        ]
        return NetworkMappings(layers=layers, total_cycles=totals[0], energy_fj=totals[1])

    objective = member("objective", objective, Objective)
    if objective is not Objective.EDP:
        return solved(objective)
    fastest, thriftiest = solved(Objective.CYCLES), solved(Objective.ENERGY)
    best = min(fastest, thriftiest, key=_rank)
    # Vertices next to each other, each with weights by which nothing is below it.
    pairs = [((fastest, Weights(1.0, 0.0)), (thriftiest, Weights(0.0, 1.0)))]
    while pairs:
        left, right = pairs.pop()
        (a, _), (b, _) = left, right
        if b.total_cycles <= a.total_cycles or a.energy_fj <= b.energy_fj:
            continue
        if _corner(left, right) > best.product:
            continue
        weights = Weights(float(a.energy_fj - b.energy_fj), float(b.total_cycles - a.total_cycles))
        between = solved(weights)
        if not _is_below(between, a, b):
            continue
        best = min(best, between, key=_rank)
        pairs += [(left, (between, weights)), ((between, weights), right)]
    return best


_Vertex = tuple[NetworkMappings, Weights]


def _rank(one: NetworkMappings) -> tuple[int, int]:
    return one.product, one.total_cycles


def _is_below(one: NetworkMappings, a: NetworkMappings, b: NetworkMappings) -> bool:
    """Whether a point is below the line through two others, of which the first has fewer cycles."""
    rise = (one.energy_fj - a.energy_fj) * (b.total_cycles - a.total_cycles)
    return rise < (b.energy_fj - a.energy_fj) * (one.total_cycles - a.total_cycles)


def _corner(left: _Vertex, right: _Vertex) -> float:
    """The product where the lines through two vertices meet; no sum between them has less."""
    (a, (p, q)), (b, (r, s)) = left, right
    at_a = p * a.total_cycles + q * a.energy_fj
    at_b = r * b.total_cycles + s * b.energy_fj
    turn = p * s - q * r
    if turn <= 0:
        return 0.0
    return (at_a * s - at_b * q) / turn * ((at_b * p - at_a * r) / turn)
