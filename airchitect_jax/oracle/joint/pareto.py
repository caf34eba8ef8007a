"""The Pareto front of a survey: cycles, energy, MAC units and SRAM, all minimised."""

from __future__ import annotations

import dataclasses

import numpy as np
from jaxtyping import Int, Num

from airchitect_jax.oracle.joint.survey import POLICIES, Survey
from airchitect_jax.types import Objective


@dataclasses.dataclass(frozen=True, kw_only=True)
class FrontPoint:
    """A design that no other dominates in cycles, energy, MACs and SRAM.

    `dataflows`: whether its layers run the dataflows of fewest cycles or of least energy.
    """

    shape: int
    sizing: int
    dataflows: Objective
    cycles: int
    energy_fj: int
    num_macs: int
    sram_bytes: int


def front(survey: Survey) -> list[FrontPoint]:
    """The front over all designs, each with the dataflows of fewest cycles and of least energy.

    Of points that are equal in all four, one is kept. Ascending in MACs, SRAM, cycles.
    """
    space = survey.space
    shape, sizing = (axis.ravel() for axis in np.indices((len(space.rows), len(space.sizings))))
    macs, sram = space.num_macs[shape], space.sram_bytes[sizing]
    count = space.num_designs
    cycles, energy = (
        np.concatenate([table[policy].ravel() for policy in POLICIES])
        for table in (survey.cycles, survey.energy_fj)
    )
    # Ranks suffice for dominance, and are small whole numbers whatever the costs are.
    points = np.stack([np.tile(macs, 2), np.tile(sram, 2), _ranks(cycles), _ranks(energy)], axis=1)
    return [
        FrontPoint(
            shape=int(shape[index % count]),
            sizing=int(sizing[index % count]),
            dataflows=POLICIES[index // count],
            cycles=int(cycles[index]),
            energy_fj=int(energy[index]),
            num_macs=int(macs[index % count]),
            sram_bytes=int(sram[index % count]),
        )
        for index in nondominated(points)
    ]


def nondominated(points: Int[np.ndarray, "num 4"]) -> list[int]:
    """Indices of nondominated rows, where less is better; of equal rows the first.

    Rows that agree in the first two columns are filtered first; the rest of a group is then
    compared with the earlier groups that are at most as large in both.
    """
    order = np.lexsort(points.T[::-1])  # by the first column, then the second, ...
    ordered = points[order]
    first = np.flatnonzero(np.any(np.diff(ordered[:, :2], axis=0, prepend=-1) != 0, axis=1))
    kept: list[int] = []
    front_points = np.empty((0, points.shape[1]), points.dtype)
    for start, stop in zip(first, [*first[1:], len(ordered)], strict=True):
        group = ordered[start:stop]
        # Ascending in the third column: a row stays if its fourth is below all before it.
        lowest = np.minimum.accumulate(group[:, 3])
        stays = np.concatenate([[True], group[1:, 3] < lowest[:-1]])
        group, indices = group[stays], order[start:stop][stays]
        earlier = front_points[front_points[:, 1] <= group[0, 1]]
        beaten = np.any(
            (earlier[:, None, 2] <= group[None, :, 2]) & (earlier[:, None, 3] <= group[None, :, 3]),
            axis=0,
        )
        kept += [int(index) for index in indices[~beaten]]
        front_points = np.concatenate([front_points, group[~beaten]])
    return kept


def _ranks(costs: Num[np.ndarray, "num"]) -> Int[np.ndarray, "num"]:
    return np.unique(costs, return_inverse=True)[1]
