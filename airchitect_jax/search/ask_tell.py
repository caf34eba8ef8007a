"""A search problem as a black box, for optimisers that ask for designs and are told costs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import numpy as np
from jaxtyping import Float, Int

from airchitect_jax._support import int_field, whole_number
from airchitect_jax.search.parameters import design_at, parameters, places_of
from airchitect_jax.search.subject import Subject


class BlackBox:
    """One workload of a benchmark problem: designs in, exact costs out, all of them counted.

    An optimiser proposes designs as it likes: as values by name, or as places of these values. Any
    two of its evaluations may be the same design; both count. An infeasible design costs infinity
    and counts too; `repaired` gives the nearest feasible one and counts nothing.

    Attributes:
      parameters: names and values of what a design consists of.
      budget: evaluations that are allowed; None for any number.
      optimal_cost: the least cost; not a number where it is unknown.
      history: the least cost after each evaluation.
      best: the cheapest feasible design so far; None before the first.

    Example:
      >>> import numpy as np
      >>> from airchitect_jax.case_studies import ArrayDataflowCase
      >>> from airchitect_jax.search import case_subject
      >>> gemm = np.array([[8], [300], [200], [64]])  # 2**8 MAC units; m, n, k
      >>> box = BlackBox(case_subject(ArrayDataflowCase(), gemm), budget=10)
      >>> box.evaluate([{"rows": 16, "cols": 16, "dataflow": "OS"}])
      [23217.0]
      >>> box.evaluate([{"rows": 32, "cols": 32, "dataflow": "OS"}])  # 2**10 MAC units
      [inf]
      >>> box.evaluations, box.best
      (2, {'rows': 16, 'cols': 16, 'dataflow': 'OS'})
    """

    def __init__(self, subject: Subject, number: int = 0, *, budget: int | None = None) -> None:
        """The workload with this number of a benchmark problem.

        Raises:
          ValueError: there is no such workload, or the budget is no whole number above zero.
        """
        self._number = whole_number("number", number, low=0, high=len(subject) - 1)
        self._subject = subject
        self._best: Int[np.ndarray, "coordinates"] | None = None
        self._best_cost = math.inf
        self._history: list[float] = []
        self.parameters = parameters(subject.problem)
        self.budget = None if budget is None else whole_number("budget", budget)
        self.optimal_cost = float(subject.optimal_costs[self._number])

    @property
    def evaluations(self) -> int:
        """Designs evaluated so far."""
        return len(self._history)

    @property
    def remaining(self) -> float:
        """Evaluations left; infinite without a budget."""
        return math.inf if self.budget is None else self.budget - self.evaluations

    @property
    def history(self) -> Float[np.ndarray, "evaluations"]:
        """The least cost after each evaluation."""
        return np.array(self._history)

    @property
    def best(self) -> dict[str, Any] | None:
        """The cheapest feasible design so far, the first of those that cost the same."""
        return None if self._best is None else design_at(self.parameters, self._best)

    @property
    def regret(self) -> float:
        """The cost of `best`, scored again by the exact model, over the optimum, less one.

        Infinite before the first feasible design.
        """
        if self._best is None:
            return math.inf
        number = self._number
        row = jax.tree.map(lambda leaf: leaf[number : number + 1], self._subject.workloads)
        return float(self._subject.exact_costs(row, self._best[None])[0]) / self.optimal_cost - 1

    def evaluate(self, designs: Sequence[Mapping[str, Any]]) -> list[float]:
        """The exact cost of each design, given as values by name.

        Raises:
          ValueError: a name or a value is not allowed, or the budget does not suffice for all.
        """
        return self.evaluate_places(places_of(self.parameters, designs)).tolist()

    def evaluate_places(
        self, places: Int[np.ndarray, "designs coordinates"]
    ) -> Float[np.ndarray, "designs"]:
        """`evaluate` of designs given as the places of their values, from zero.

        Raises:
          ValueError: a place is out of range, or the budget does not suffice for all.
        """
        places = self._checked(places)
        if len(places) > self.remaining:
            raise ValueError(
                f"designs: {len(places)} are not allowed; {self.remaining} evaluations are left of"
                f" the budget of {self.budget}"
            )
        if not len(places):
            return np.empty(0)
        feasible, costs = self._costs(places)
        costs = np.where((feasible == places).all(axis=1), costs, math.inf)
        for point, cost in zip(places, costs.tolist(), strict=True):
            if cost < self._best_cost:
                self._best, self._best_cost = point, cost
            self._history.append(self._best_cost)
        return costs

    def repaired(self, designs: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """The nearest feasible designs, as all searchers here project them; counts nothing."""
        places = places_of(self.parameters, designs)
        feasible = self._costs(places)[0] if len(places) else places
        return [design_at(self.parameters, point) for point in feasible]

    def _costs(
        self, places: Int[np.ndarray, "designs coordinates"]
    ) -> tuple[Int[np.ndarray, "designs coordinates"], Float[np.ndarray, "designs"]]:
        return self._subject.point_costs(np.full(len(places), self._number), places)

    def _checked(
        self, places: Int[np.ndarray, "designs coordinates"]
    ) -> Int[np.ndarray, "designs coordinates"]:
        if np.shape(places)[1:] != (len(self.parameters),):
            raise ValueError(
                f"places: the shape {np.shape(places)} is not allowed; expected designs x"
                f" {len(self.parameters)}"
            )
        columns = [
            int_field(parameter.name, column, low=0, high=len(parameter.values) - 1)
            for parameter, column in zip(self.parameters, np.asarray(places).T, strict=True)
        ]
        return np.stack(columns, axis=1)
