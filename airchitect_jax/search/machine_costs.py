"""Exact costs of machines of one space for some workloads, remembered."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int, UInt

from airchitect_jax.oracle.machines import MachineCost, Question


class MachineCosts:
    """The cost of each point with the best mapping of each GEMM.

    Infinite beyond the budgets, and for machines so poor that costs exceed what is exact.
    """

    def __init__(self, questions: Sequence[Question]) -> None:
        """One question per workload."""
        self._costs = [MachineCost(question) for question in questions]

    def forget(self) -> None:
        """Forgets all costs, so that the next search is timed as if it were the first."""
        for cost in self._costs:
            cost.forget()

    def __call__(
        self, numbers: Int[np.ndarray, "*batch"], points: Int[np.ndarray, "*batch axes"]
    ) -> Float[np.ndarray, "*batch"]:
        """The cost of each point for the workload with its number, rounded to float64."""
        numbers, points = np.asarray(numbers), np.asarray(points)
        flat = points.reshape(-1, points.shape[-1]).tolist()
        costs = [
            self._cost(number, tuple(point))
            for number, point in zip(numbers.ravel().tolist(), flat, strict=True)
        ]
        return np.array(costs, np.float64).reshape(numbers.shape)

    def bits(
        self, numbers: Int[np.ndarray, "*batch"], points: Int[np.ndarray, "*batch axes"]
    ) -> UInt[np.ndarray, "*batch 2"]:
        """The bits of the costs in two words: JAX may round what Python gives it to float32."""
        costs = self(numbers, points)
        return costs.view(np.uint32).reshape(*costs.shape, 2)

    def _cost(self, number: int, point: tuple[int, ...]) -> float:
        try:
            return float(self._costs[number](point))
        except ValueError:  # too large to be exact
            return math.inf
