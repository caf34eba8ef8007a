"""Searchers that use a trained network: its ranking, its samples, or its gradients.

A network of a case study has a logit for each design; that of a larger space has logits for the
values of each coordinate.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from airchitect_jax.search.base import Key, Problem, Searcher, Workload, repair
from airchitect_jax.search.case_problem import CaseProblem
from airchitect_jax.search.gradient import Descent, DescentState, descend
from airchitect_jax.search.local import repeated
from airchitect_jax.search.simple import InOrderState, in_order
from airchitect_jax.spaces import RelaxedPoint, permutations

# A workload's logits of the values of each coordinate, of shape [values]; traceable.
Heads = Callable[[Workload], tuple[Float[Array, "_"], ...]]
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


def sampled(
    problem: Problem, heads: Heads, *, batch: int = 4, most: int = 512
) -> Searcher[InOrderState]:
    """Evaluates samples of the network's distributions, repaired; first the likeliest point.

    Args:
      problem: what is searched; its coordinates are sizes.
      heads: of the network.
      batch: points in a step.
      most: points that are sampled; those already in are not evaluated again.
    """

    def order(key: Key, workload: Workload) -> Int[Array, "points coordinates"]:
        logits = heads(workload)
        keys = jax.random.split(key, len(logits))
        columns = [
            jax.random.categorical(k, one, shape=(most,)).at[0].set(one.argmax())
            for k, one in zip(keys, logits, strict=True)
        ]
        points = repair(problem, workload, jnp.stack(columns, axis=1).astype(jnp.int32))
        new = ~repeated(points)
        return points[jnp.argsort(~new, stable=True)]

    return in_order(problem, order, batch=batch)


def on_heads(
    problem: Problem, heads: Heads, descent: Descent | None = None
) -> Searcher[DescentState]:
    """`surrogate` for logits of the values of each coordinate, which is a size."""

    def prepare(workload: Workload) -> tuple[Float[Array, "_"], ...]:
        return tuple(jax.nn.log_softmax(one.astype(jnp.float32)) for one in heads(workload))

    def log_cost(
        scores: tuple[Float[Array, "_"], ...],
        workload: Workload,
        point: RelaxedPoint,
        temperature: Float[Array, ""],
    ) -> Float[Array, ""]:
        del workload
        parts = [
            _around(size, len(one), temperature) @ one
            for size, one in zip(point.sizes, scores, strict=True)
        ]
        return -functools.reduce(jnp.add, parts)

    return descend(problem, log_cost, descent or Descent(), prepare)


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
