"""Runs a searcher on many workloads at once and keeps how it went."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
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


Run = Callable[[jax.Array], Searches]


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
    return prepare(searcher, workloads, num_steps=num_steps)(key)


def prepare(searcher: Searcher[Any], workloads: Workload, *, num_steps: int) -> Run:
    """`search` without its key: what it returns compiles once, and takes one key after another."""
    together = _compiled(searcher, workloads, num_steps) if searcher.traceable else None

    def run(key: jax.Array) -> Searches:
        with jax.enable_x64(True):
            keys = jax.random.split(key, _number(workloads))
            if together is None:
                return _one_by_one(searcher, keys, workloads, num_steps)
            return _timed(together, keys, jax.tree.map(jnp.asarray, workloads))

    return run


def spent_by_step(searcher: Searcher[Any], workload: Workload) -> list[int]:
    """Evaluations and gradients that the first two steps come to, for one workload.

    Only the counts are computed: the compiler drops what they do not depend on.
    """

    def counts(key: jax.Array, workload: Workload) -> list[jax.Array]:
        state, totals = searcher.init(key, workload), []
        for _ in range(2):
            state = searcher.step(workload, state)
            totals.append(state.tally.evaluations + state.tally.gradients)
        return totals

    with jax.enable_x64(True):
        function = jax.jit(counts) if searcher.traceable else counts
        return [int(total) for total in function(jax.random.key(0), workload)]


def _number(workloads: Workload) -> int:
    return len(jax.tree.leaves(workloads)[0])


def _compiled(searcher: Searcher[Any], workloads: Workload, num_steps: int) -> Any:
    """The program of all searches, which has run once: the first run is not as fast as others."""

    def run(key: jax.Array, workload: Workload) -> tuple[Any, Any]:
        def step(state: Any, _: None) -> tuple[Any, Any]:
            state = searcher.step(workload, state)
            tally = state.tally
            return state, (tally.cost, tally.evaluations, tally.gradients)

        state, history = jax.lax.scan(step, searcher.init(key, workload), length=num_steps)
        return state.tally.point, history

    with jax.enable_x64(True):
        keys = jax.random.split(jax.random.key(0), _number(workloads))
        columns = jax.tree.map(jnp.asarray, workloads)
        compiled = jax.jit(jax.vmap(run)).lower(keys, columns).compile()
        jax.block_until_ready(compiled(keys, columns))
    return compiled


def _timed(compiled: Any, keys: jax.Array, workloads: Workload) -> Searches:
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
