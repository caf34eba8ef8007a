"""Runs a searcher on many workloads at once and keeps how it went."""

from __future__ import annotations

import dataclasses
import time
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int

from airchitect_jax.search.base import Searcher, Workload


@dataclasses.dataclass(frozen=True, kw_only=True)
class Searches:
    """What searches of several workloads came to.

    Attributes:
      points: the best point of each.
      costs: the cost of the best point after each step.
      evaluations, gradients: how many it had taken by then.
      seconds: of all searches together, compilation left out.
    """

    points: Int[np.ndarray, "searches coordinates"]
    costs: Float[np.ndarray, "searches steps"]
    evaluations: Int[np.ndarray, "searches steps"]
    gradients: Int[np.ndarray, "searches steps"]
    seconds: float


def search(
    searcher: Searcher[Any], workloads: Workload, *, key: jax.Array, num_steps: int
) -> Searches:
    """Searches each workload for a number of steps.

    Args:
      searcher: what searches.
      workloads: a pytree with the workloads along the first axis of each leaf.
      key: each search gets a key of its own from it.
      num_steps: of each search.
    """
    number = len(jax.tree.leaves(workloads)[0])
    with jax.enable_x64(True):
        keys = jax.random.split(key, number)
        if searcher.traceable:
            return _together(searcher, keys, jax.tree.map(jnp.asarray, workloads), num_steps)
        return _one_by_one(searcher, keys, workloads, num_steps)


def _together(
    searcher: Searcher[Any], keys: jax.Array, workloads: Workload, num_steps: int
) -> Searches:
    def run(key: jax.Array, workload: Workload) -> tuple[Any, Any]:
        def step(state: Any, _: None) -> tuple[Any, Any]:
            state = searcher.step(workload, state)
            tally = state.tally
            return state, (tally.cost, tally.evaluations, tally.gradients)

        state, history = jax.lax.scan(step, searcher.init(key, workload), length=num_steps)
        return state.tally.point, history

    compiled = jax.jit(jax.vmap(run)).lower(keys, workloads).compile()
    start = time.perf_counter()
    points, history = jax.block_until_ready(compiled(keys, workloads))
    seconds = time.perf_counter() - start
    costs, evaluations, gradients = (np.asarray(column) for column in history)
    return Searches(
        points=np.asarray(points),
        costs=costs,
        evaluations=evaluations,
        gradients=gradients,
        seconds=seconds,
    )


def _one_by_one(
    searcher: Searcher[Any], keys: jax.Array, workloads: Workload, num_steps: int
) -> Searches:
    points, histories = [], []
    start = time.perf_counter()
    for number, key in enumerate(keys):
        workload = jax.tree.map(lambda leaf, number=number: leaf[number], workloads)
        state, history = searcher.init(key, workload), []
        for _ in range(num_steps):
            state = searcher.step(workload, state)
            tally = state.tally
            history.append((float(tally.cost), int(tally.evaluations), int(tally.gradients)))
        points.append(np.asarray(state.tally.point))
        histories.append(history)
    seconds = time.perf_counter() - start
    costs, evaluations, gradients = np.moveaxis(np.array(histories), 2, 0)
    return Searches(
        points=np.stack(points),
        costs=costs,
        evaluations=evaluations.astype(np.int64),
        gradients=gradients.astype(np.int64),
        seconds=seconds,
    )
