"""What searchers are compared on: a problem with workloads whose optima are known."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping

import jax
import numpy as np
from jaxtyping import Int

from airchitect_jax.case_studies.base import CaseStudy
from airchitect_jax.search.base import Problem, Workload
from airchitect_jax.search.case_problem import case_problem, design_ids

# Exact costs of points, one for each of some workloads.
ExactCosts = Callable[[Workload, Int[np.ndarray, "num coordinates"]], Int[np.ndarray, "num"]]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Subject:
    """A problem, workloads, and an exact model that is not the searchers' own.

    Attributes:
      name: short identifier, for example "case_study1".
      title: what is decided, in a few words, for headings.
      settings: what every result must be named with, for example the runtime model.
      problem: what is searched.
      workloads: a pytree with the workloads along the first axis of each leaf.
      optimal_costs: the least cost of each workload, by enumeration.
      exact_costs: scores answers anew; a ValueError says which point is infeasible.
      points: all points in tie order, for searchers that go through them; None if too many.
      case: the case study, for searchers with a network that is trained on it; None if it is none.
    """

    name: str
    title: str
    settings: Mapping[str, str]
    problem: Problem
    workloads: Workload
    optimal_costs: Int[np.ndarray, "num"]
    exact_costs: ExactCosts
    points: Int[np.ndarray, "points coordinates"] | None = None
    case: CaseStudy | None = None

    def __len__(self) -> int:
        return len(self.optimal_costs)

    def first(self, count: int) -> Subject:
        """With the first `count` of the workloads, or all if there are fewer."""
        return dataclasses.replace(
            self,
            workloads=jax.tree.map(lambda leaf: leaf[:count], self.workloads),
            optimal_costs=self.optimal_costs[:count],
        )


def case_subject(case: CaseStudy, workloads: Int[np.ndarray, "features num"]) -> Subject:
    """A case study with some workloads.

    Raises:
      ValueError: searchers do not know the case study's objective or memory model.
    """
    problem = case_problem(case)

    def exact_costs(
        rows: Int[np.ndarray, "num features"], points: Int[np.ndarray, "num coordinates"]
    ) -> Int[np.ndarray, "num"]:
        ids = design_ids(problem, points)
        feasible = np.asarray(case.feasible(rows.T.astype(np.int32)))[np.arange(len(ids)), ids]
        if not (feasible & (ids >= 0)).all():
            row = int(np.argmin(feasible & (ids >= 0)))
            raise ValueError(f"point {points[row].tolist()} at row {row} is not feasible")
        return case.costs(rows.T, ids)

    return Subject(
        name=case.name,
        title=case.title,
        settings=case.settings,
        problem=problem,
        workloads=workloads.T,
        optimal_costs=np.asarray(case.exact(workloads).cost),
        exact_costs=exact_costs,
        points=problem.points,
        case=case,
    )
