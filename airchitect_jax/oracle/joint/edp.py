"""The least energy-delay product of a whole network: total energy times total cycles, exact.

The product does not add up over layers, so neither the fastest dataflows nor those of least energy
need be optimal. For one design each layer offers one point (cycles, energy) per dataflow, and the
points of the network are the sums of one point per layer. The product is quasi-concave where both
factors are positive: over a set of points it is least at a vertex of their convex hull. Vertices of
a hull of sums are sums of vertices that the layers' hulls reach in the same direction, so one walk
along the layers' edges in order of their slopes visits every candidate.

Only designs whose least cycles times least energy do not exceed the best product found so far are
examined.
"""

from __future__ import annotations

import dataclasses
import fractions
import itertools
from collections.abc import Sequence

import numpy as np
from jaxtyping import Int

from airchitect_jax.oracle.joint.survey import POLICIES, Survey, design_costs
from airchitect_jax.types import ArrayShape, Dataflow, Objective

_BATCH = 256
_SLACK = 1 + 1e-9  # well above the rounding error of float64 products

Point = tuple[int, int]  # cycles, energy


@dataclasses.dataclass(frozen=True, kw_only=True)
class BestProduct:
    """The design of the least energy-delay product.

    Attributes:
      shape, sizing: the design.
      dataflows: of each GEMM of the workload.
      product: cycles times femtojoules, a Python integer.
    """

    shape: int
    sizing: int
    dataflows: tuple[Dataflow, ...]
    product: int


def best_product(survey: Survey, among: Int[np.ndarray, "designs"] | None = None) -> BestProduct:
    """The first of the designs with the least product, in tie order.

    Args:
      survey: the designs.
      among: indices into its flattened tables to consider; by default all.
    """
    space, counts = survey.space, survey.workload.counts
    cycles, energy = (
        {policy: table[policy].astype(np.float64).ravel() for policy in POLICIES}
        for table in (survey.cycles, survey.energy_fj)
    )
    lower = cycles[Objective.CYCLES] * energy[Objective.ENERGY]
    indices = np.arange(space.num_designs) if among is None else among
    reached = min(float((cycles[policy] * energy[policy])[indices].min()) for policy in POLICIES)
    candidates = indices[lower[indices] <= reached * _SLACK]
    candidates = candidates[np.argsort(lower[candidates], kind="stable")]
    best: tuple[tuple[int, int], int, tuple[Dataflow, ...]] | None = None
    for first in range(0, len(candidates), _BATCH):
        batch = candidates[first : first + _BATCH]
        if best is not None and lower[batch[0]] > best[0][0] * _SLACK:
            break
        shape, sizing = np.divmod(batch, len(space.sizings))
        array = ArrayShape(rows=space.rows[shape], cols=space.cols[shape])
        sizes = space.sizes(sizing)
        tables = [
            design_costs(gemm, array, sizes, survey.platform) for gemm in survey.workload.gemms
        ]
        for column, design in enumerate(batch):
            options = [
                [
                    (int(layer_cycles[flow, column]), int(layer_energy[flow, column]))
                    for flow in Dataflow
                ]
                for layer_cycles, layer_energy in tables
            ]
            product, choice = least_product(options, counts)
            key = product, int(space.tie_rank.flat[design])
            if best is None or key < best[0]:
                best = key, int(design), tuple(Dataflow(flow) for flow in choice)
    assert best is not None  # noqa: S101 - the design that `reached` comes from is a candidate
    (product, _), design, dataflows = best
    best_shape, best_sizing = space.unravel(design)
    return BestProduct(shape=best_shape, sizing=best_sizing, dataflows=dataflows, product=product)


def least_product(
    options: Sequence[Sequence[Point]], counts: Sequence[int]
) -> tuple[int, tuple[int, ...]]:
    """The least (sum of cycles) * (sum of energy), and the option of each layer.

    Args:
      options: for each layer its points.
      counts: how often each layer runs, always with the same option.
    """
    choice, steps = [], []
    total_cycles = total_energy = 0
    for layer, (points, count) in enumerate(zip(options, counts, strict=True)):
        hull = _lower_hull(points)
        choice.append(hull[0])
        total_cycles += count * points[hull[0]][0]
        total_energy += count * points[hull[0]][1]
        for here, there in itertools.pairwise(hull):
            more_cycles = points[there][0] - points[here][0]
            less_energy = points[here][1] - points[there][1]
            slope = fractions.Fraction(less_energy, more_cycles)
            steps.append((slope, layer, there, count * more_cycles, count * less_energy))
    steps.sort(key=lambda step: -step[0])  # stable: the edges of a layer stay in order
    best, taken = total_cycles * total_energy, 0
    for number, (_, _, _, more_cycles, less_energy) in enumerate(steps, start=1):
        total_cycles += more_cycles
        total_energy -= less_energy
        if total_cycles * total_energy < best:
            best, taken = total_cycles * total_energy, number
    for _, layer, option, _, _ in steps[:taken]:
        choice[layer] = option
    return best, tuple(choice)


def _lower_hull(points: Sequence[Point]) -> list[int]:
    """Indices of the points on the lower left convex hull: fewest cycles first, energy falling."""
    hull: list[int] = []
    for index in sorted(range(len(points)), key=lambda index: (*points[index], index)):
        cycles, energy = points[index]
        if hull and energy >= points[hull[-1]][1]:
            continue
        while len(hull) > 1:
            (x0, y0), (x1, y1) = points[hull[-2]], points[hull[-1]]
            if (y0 - y1) * (cycles - x0) > (y0 - energy) * (x1 - x0):
                break
            hull.pop()
        hull.append(index)
    return hull
