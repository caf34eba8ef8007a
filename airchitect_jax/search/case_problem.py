"""A case study as a problem: a workload is its feature vector, a point is one of its designs."""

from __future__ import annotations

import dataclasses

import numpy as np
from jaxtyping import Array, Float, Int

from airchitect_jax.case_studies import CaseStudy
from airchitect_jax.spaces import Layout, RelaxedPoint

Features = Int[Array, "features"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class CaseProblem:
    """See `Problem`.

    Attributes:
      case: the case study, which says what designs cost.

    Raises:
      ValueError: searchers cannot minimise the cost of the case study.
    """

    case: CaseStudy

    def __post_init__(self) -> None:
        self.case.check_searchable()

    @property
    def layout(self) -> Layout:
        """See `Problem`."""
        return self.case.space.layout

    @property
    def points(self) -> Int[np.ndarray, "designs coordinates"]:
        """The point of each design id."""
        return self.case.space.points

    def confine(self, workload: Features, sizes: Float[Array, "sizes"]) -> Float[Array, "sizes"]:
        """See `Problem`."""
        return self.case.confine(workload, sizes)

    def cost(self, workload: Features, point: Int[Array, "coordinates"]) -> Float[Array, ""]:
        """See `Problem`."""
        return self.case.cost_at(workload, point)

    def log_relaxed_cost(
        self, workload: Features, point: RelaxedPoint, temperature: Float[Array, ""]
    ) -> Float[Array, ""]:
        """See `Problem`."""
        return self.case.log_relaxed_cost(workload, point, temperature)


def design_ids(
    problem: CaseProblem, points: Int[np.ndarray, "batch coordinates"]
) -> Int[np.ndarray, "batch"]:
    """The ids of the designs at points of a case study."""
    ids = np.full(problem.layout.cardinalities, -1)
    ids[tuple(problem.points.T)] = np.arange(len(problem.points))
    return ids[tuple(points.T)]
