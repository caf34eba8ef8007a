"""Searchers that use a trained network: its ranking, or its gradients."""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from airchitect_jax.search.base import Key, Searcher, Workload, repair
from airchitect_jax.search.case_problem import CaseProblem
from airchitect_jax.search.gradient import Descent, DescentState, descend
from airchitect_jax.search.simple import InOrderState, in_order
from airchitect_jax.spaces import RelaxedPoint, permutations

# A workload's logits of all designs, in the order of the ids; traceable.
Logits = Callable[[Workload], Float[Array, "designs"]]


def rerank(problem: CaseProblem, logits: Logits, *, batch: int = 4) -> Searcher[InOrderState]:
    """Evaluates the feasible designs in the order of the network's ranking and keeps the best."""

    def order(key: Key, workload: Workload) -> Int[Array, "designs coordinates"]:
        del key
        points = jnp.asarray(problem.points)
        feasible = (repair(problem, workload, points) == points).all(axis=1)
        return points[jnp.argsort(jnp.where(feasible, -logits(workload), jnp.inf))]

    return in_order(problem, order, batch=batch)


def surrogate(
    problem: CaseProblem, logits: Logits, descent: Descent | None = None
) -> Searcher[DescentState]:
    """Gradient descent on the network's logits, averaged around a relaxed point.

    Each size has Gaussian weights on its levels, which narrow as the temperature falls; choices
    and permutations have their probabilities. One inference serves a whole search.
    """

    def prepare(workload: Workload) -> Float[Array, "*cardinalities"]:
        scores = jax.nn.log_softmax(logits(workload).astype(jnp.float32))
        worst = jnp.full(problem.layout.cardinalities, scores.min())
        return worst.at[tuple(np.asarray(problem.points).T)].set(scores)

    def log_cost(
        grid: Float[Array, "*cardinalities"],
        workload: Workload,
        point: RelaxedPoint,
        temperature: Float[Array, ""],
    ) -> Float[Array, ""]:
        del workload
        weights = [
            _around(size, levels, temperature)
            for size, levels in zip(point.sizes, problem.layout.sizes, strict=True)
        ]
        weights += point.choices
        if point.assignment is not None:
            every = permutations(problem.layout.permuted)
            logs = jnp.log(point.assignment + 1e-30)
            weights.append(
                jax.nn.softmax(logs[np.arange(problem.layout.permuted), every].sum(axis=1))
            )
        for weight in weights:
            grid = jnp.tensordot(weight, grid, axes=1)
        return -grid

    return descend(problem, log_cost, descent or Descent(), prepare)


def _around(
    size: Float[Array, ""], levels: int, temperature: Float[Array, ""]
) -> Float[Array, "levels"]:
    """Weights of the levels: a Gaussian of half a level to a few."""
    width = 0.5 + levels * temperature / 2
    distance = (jnp.arange(levels, dtype=size.dtype) - size) / width
    return jax.nn.softmax(-(distance**2) / 2)
