"""Exact costs of any points, many at once, for searches that run outside of JAX."""

from __future__ import annotations

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from airchitect_jax.search.base import Problem, Workload, repair

_FEWEST = 8  # rows of a compiled call


@dataclasses.dataclass(frozen=True, kw_only=True)
class PointCosts:
    """The nearest feasible points and their exact costs, compiled once per number of rows.

    Attributes:
      problem: what is searched.
      workloads: a pytree with the workloads along the first axis of each leaf.
      compiled: shared by copies with other workloads of the same shapes.
    """

    problem: Problem
    workloads: Workload
    compiled: Any

    @classmethod
    def of(cls, problem: Problem, workloads: Workload) -> PointCosts:
        """Those of a problem; compiles when first called."""

        def of_row(
            workloads: Workload, number: Int[Array, ""], point: Int[Array, "coordinates"]
        ) -> tuple[Int[Array, "coordinates"], Float[Array, ""]]:
            workload = jax.tree.map(lambda leaf: leaf[number], workloads)
            feasible = repair(problem, workload, point[None])[0]
            return feasible, problem.cost(workload, feasible)

        compiled = jax.jit(jax.vmap(of_row, in_axes=(None, 0, 0)))
        return cls(problem=problem, workloads=None, compiled=compiled).on(workloads)

    def on(self, workloads: Workload) -> PointCosts:
        """The same with other workloads."""
        with jax.enable_x64(True):
            return dataclasses.replace(self, workloads=jax.tree.map(jnp.asarray, workloads))

    def __len__(self) -> int:
        return len(jax.tree.leaves(self.workloads)[0])

    def __call__(
        self, numbers: Int[np.ndarray, "rows"], points: Int[np.ndarray, "rows coordinates"]
    ) -> tuple[Int[np.ndarray, "rows coordinates"], Float[np.ndarray, "rows"]]:
        """The nearest feasible point of each row, and its cost for the workload of that number.

        A feasible point is its own nearest. Costs beyond a budget of power or latency are infinite.
        """
        rows = len(points)
        padding = max(_FEWEST, 1 << (rows - 1).bit_length()) - rows  # few shapes to compile
        numbers = np.pad(np.asarray(numbers, np.int32), (0, padding), mode="edge")
        points = np.pad(np.asarray(points, np.int32), ((0, padding), (0, 0)), mode="edge")
        with jax.enable_x64(True):
            feasible, costs = self.compiled(self.workloads, numbers, points)
        return np.asarray(feasible)[:rows], np.asarray(costs)[:rows]
