"""Searchers without a model: random, exhaustive, and in a given order."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int

from airchitect_jax.search.base import (
    Key,
    Problem,
    Searcher,
    Tally,
    Workload,
    evaluate_points,
    repair,
)


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True, kw_only=True)
class RandomState:
    """The key of the next step, and the tally."""

    key: Key
    tally: Tally


def random(problem: Problem, *, batch: int = 8) -> Searcher[RandomState]:
    """Points of the grid with equal chances, repaired.

    Args:
      problem: what is searched.
      batch: points in a step.
    """

    def init(key: Key, workload: Workload) -> RandomState:
        del workload
        return RandomState(key=key, tally=Tally.empty(problem.layout))

    def step(workload: Workload, state: RandomState) -> RandomState:
        key, sample_key = jax.random.split(state.key)
        points = repair(problem, workload, problem.layout.sample(sample_key, batch))
        tally, _ = evaluate_points(problem, workload, state.tally, points)
        return RandomState(key=key, tally=tally)

    return Searcher(init=init, step=step)


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True, kw_only=True)
class InOrderState:
    """The points to evaluate, the position, and the tally."""

    points: Int[Array, "points coordinates"]
    done: Int[Array, ""]
    tally: Tally


def in_order(
    problem: Problem,
    order: Callable[[Key, Workload], Int[Array, "points coordinates"]],
    *,
    batch: int = 8,
) -> Searcher[InOrderState]:
    """Evaluates `batch` points per step in a fixed order, the most promising ones first.

    Infeasible points are skipped and not counted.
    """

    def init(key: Key, workload: Workload) -> InOrderState:
        return InOrderState(
            points=order(key, workload),
            done=jnp.zeros((), jnp.int32),
            tally=Tally.empty(problem.layout),
        )

    def step(workload: Workload, state: InOrderState) -> InOrderState:
        places = state.done + jnp.arange(batch, dtype=jnp.int32)
        points = state.points[jnp.minimum(places, len(state.points) - 1)]
        feasible = (repair(problem, workload, points) == points).all(axis=1)
        counts = feasible & (places < len(state.points))
        tally, _ = evaluate_points(problem, workload, state.tally, points, counts)
        return dataclasses.replace(state, done=state.done + batch, tally=tally)

    return Searcher(init=init, step=step)


def exhaustive(
    problem: Problem, points: Int[np.ndarray, "points coordinates"], *, batch: int = 8
) -> Searcher[InOrderState]:
    """Evaluates all points in a fixed order."""
    return in_order(problem, lambda *_: jnp.asarray(points), batch=batch)
