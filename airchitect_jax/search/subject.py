"""Benchmark problems: a search problem with workloads whose optima are known."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence

import jax
import numpy as np
from jaxtyping import Int, Num

from airchitect_jax.case_studies import CaseStudy
from airchitect_jax.search.base import Problem, Workload
from airchitect_jax.search.case_problem import CaseProblem, design_ids
from airchitect_jax.search.joint import (
    BudgetedNetwork,
    JointProblem,
    batch_networks,
    exact_cycles,
    optimal_cycles,
)
from airchitect_jax.search.machine_costs import MachineCosts
from airchitect_jax.search.machines import MachineProblem, batch_questions
from airchitect_jax.search.point_costs import PointCosts
from airchitect_jax.workloads import GemmCounts, Network

# Exact costs of points, one for each of some workloads.
ExactCosts = Callable[[Workload, Int[np.ndarray, "num coordinates"]], Num[np.ndarray, "num"]]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Subject:
    """A benchmark problem: a search problem, workloads, and an independent exact model.

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
      forget: of costs that are computed in Python, forgets those of earlier searches; None if costs
        are traceable.
    """

    name: str
    title: str
    settings: Mapping[str, str]
    problem: Problem
    workloads: Workload
    optimal_costs: Num[np.ndarray, "num"]
    exact_costs: ExactCosts
    points: Int[np.ndarray, "points coordinates"] | None = None
    case: CaseStudy | None = None
    forget: Callable[[], None] | None = None

    def __len__(self) -> int:
        return len(self.optimal_costs)

    @functools.cached_property
    def point_costs(self) -> PointCosts:
        """Exact costs of any points for the workloads, compiled when first called."""
        return PointCosts.of(self.problem, self.workloads)

    @property
    def has_network(self) -> bool:
        """Whether a network can be trained to propose designs."""
        return self.case is not None or isinstance(self.problem, MachineProblem)

    def first(self, count: int) -> Subject:
        """With the first `count` of the workloads, or all if there are fewer."""
        return dataclasses.replace(
            self,
            workloads=jax.tree.map(lambda leaf: leaf[:count], self.workloads),
            optimal_costs=self.optimal_costs[:count],
        )


def case_subject(case: CaseStudy, workloads: Int[np.ndarray, "features num"]) -> Subject:
    """The benchmark problem of a case study and some workloads.

    Raises:
      ValueError: searchers do not know the case study's objective or memory model.
    """
    problem = CaseProblem(case=case)

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


def joint_subject(
    problem: JointProblem, networks: Sequence[Network], budgets: Sequence[tuple[int, int]]
) -> Subject:
    """The benchmark problem of one array and three SRAMs per network and budget.

    Args:
      problem: the designs.
      networks: whole networks.
      budgets: pairs of `mac_exponent` (2**mac_exponent MAC units) and `sram_steps` of the space.

    Raises:
      ValueError: float64 cannot count a network's cycles, or a budget is too small.
    """
    gemms = [GemmCounts.of_layers(network.layers) for network in networks]
    workloads = batch_networks(problem, gemms, budgets)

    def exact_costs(
        searches: BudgetedNetwork, points: Int[np.ndarray, "num 5"]
    ) -> Int[np.ndarray, "num"]:
        sides, levels = points[:, :2] + 1, points[:, 2:] + 1
        within = sides.sum(axis=1) <= searches.mac_exponent
        within &= levels.sum(axis=1) <= searches.sram_steps
        within &= ((points >= 0) & (points < problem.layout.cardinalities)).all(axis=1)
        if not within.all():
            row = int(np.argmin(within))
            raise ValueError(f"point {points[row].tolist()} at row {row} is not feasible")
        costs = [
            exact_cycles(problem, GemmCounts(gemms=dims[runs > 0], counts=runs[runs > 0]), point)
            for dims, runs, point in zip(searches.dims, searches.counts, points, strict=True)
        ]
        return np.array(costs, np.int64)

    sizes = [problem.num_designs(*budget) for budget in budgets]
    return Subject(
        name="joint",
        title="array shape and SRAM sizes of whole networks",
        settings={
            "objective": "total cycles, each layer with its best dataflow",
            "runtime_model": problem.platform.runtime_model.value,
            **({"cost_terms": problem.platform.term_names} if problem.platform.terms else {}),
            "bandwidth_bytes_per_cycle": str(problem.platform.bandwidth_bytes_per_cycle),
            "mac_budgets": ", ".join(str(1 << exponent) for exponent, _ in budgets),
            "sram_budgets_kb": ", ".join(
                str(steps * problem.buffers.step_kb) for _, steps in budgets
            ),
            "designs": ", ".join(str(size) for size in sizes),
        },
        problem=problem,
        workloads=workloads,
        optimal_costs=optimal_cycles(problem, gemms, budgets),
        exact_costs=exact_costs,
    )


def machine_subject(problem: MachineProblem) -> Subject:
    """The benchmark problem of one machine for each workload.

    Optima are not a number until they are given: `oracle.machines.best_machine` takes a while.
    """
    question = problem.questions[0]
    limits = vars(question.budgets).items()
    return Subject(
        name=f"machines of {question.platform.name}",
        title="array, memories and bandwidth of whole networks",
        settings={
            "objective": f"{question.objective.value}, each layer with its best mapping",
            "platform": question.platform.name,
            "runtime_model": question.platform.runtime_model.value,
            **({"cost_terms": question.platform.term_names} if question.platform.terms else {}),
            **{name: str(limit) for name, limit in limits if limit is not None},
            "machines": str(problem.layout.num_points),
        },
        problem=problem,
        workloads=batch_questions(problem),
        optimal_costs=np.full(len(problem.questions), np.nan),
        exact_costs=lambda workloads, points: MachineCosts(problem.questions)(
            workloads.number, points
        ),
        forget=problem.costs.forget,
    )
