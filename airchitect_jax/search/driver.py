"""Runs a searcher on many workloads at once and records its progress."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float, Int

from airchitect_jax._support import instance, whole_number
from airchitect_jax.search.base import Searcher, Workload


@dataclasses.dataclass(frozen=True, kw_only=True)
class Searches:
    """The results of searches of several workloads.

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
_PILOTS = 64  # workloads that say how many steps a budget is good for
_MOST_IDLE = 4  # steps for each evaluation of a budget: some steps have nothing new to evaluate


def search(
    searcher: Searcher[Any],
    workloads: Workload,
    *,
    key: jax.Array,
    num_steps: int,
    budget: int | None = None,
) -> Searches:
    """Searches each workload for a number of steps.

    Args:
      searcher: what searches.
      workloads: a pytree with the workloads along the first axis of each leaf.
      key: each search gets a key of its own from it.
      num_steps: of each search.
      budget: evaluations and gradients together. A step that would exceed it is not taken, but
        for the first.

    Raises:
      ValueError: the steps or the budget are no whole number above zero.
      TypeError: the searcher is of another type.
    """
    return prepare(searcher, workloads, num_steps=num_steps, budget=budget)(key)


def prepare(
    searcher: Searcher[Any], workloads: Workload, *, num_steps: int, budget: int | None = None
) -> Run:
    """`search` without its key: the result compiles once and accepts any number of keys."""
    instance("searcher", searcher, Searcher)
    num_steps = whole_number("num_steps", num_steps)
    budget = None if budget is None else whole_number("budget", budget)
    if not searcher.traceable:
        return lambda key: _one_by_one(
            searcher, _keys(key, workloads), workloads, num_steps, budget
        )
    with jax.enable_x64(True):
        columns = jax.tree.map(jnp.asarray, workloads)
    keys = _keys(jax.random.key(0), workloads)
    compiled = _compiled(
        lambda key, workload: _run(searcher, key, workload, num_steps, budget), keys, columns
    )
    jax.block_until_ready(compiled(keys, columns))  # the first run is not as fast as others
    return lambda key: _together(compiled, _keys(key, workloads), columns)


def prepare_steps(searcher: Searcher[Any], workloads: Workload, *, budget: int) -> Run:
    """`prepare` for costs that are computed in Python: compiles a step, not a whole search.

    Nothing is evaluated before a run, and a run ends when no search can take another step.
    """
    instance("searcher", searcher, Searcher)
    budget = whole_number("budget", budget)
    with jax.enable_x64(True):
        columns = jax.tree.map(jnp.asarray, workloads)
        keys = _keys(jax.random.key(0), workloads)
        first = jax.vmap(searcher.init)
        state_of = jax.jit(first).lower(keys, columns).compile()
        step = jax.jit(
            jax.vmap(lambda workload, state: _limited(searcher, workload, state, budget))
        )
        advance = step.lower(columns, jax.eval_shape(first, keys, columns)).compile()

    def run(key: jax.Array) -> Searches:
        with jax.enable_x64(True):
            start = time.perf_counter()
            state, goes_on = state_of(_keys(key, workloads), columns), True
            history: list[Any] = []
            while goes_on and len(history) < _MOST_IDLE * budget:
                state, taken = advance(columns, state)
                history.append([np.asarray(x) for x in _figures(state)])
                goes_on = bool((taken & (_spent(state) < budget)).any())
            seconds = time.perf_counter() - start
        columns_of = (np.stack(column, axis=1) for column in zip(*history, strict=True))
        costs, evaluations, gradients = columns_of
        return Searches(
            points=np.asarray(state.tally.point),
            costs=costs,
            evaluations=evaluations,
            gradients=gradients,
            seconds=seconds,
        )

    return run


def steps_within(searcher: Searcher[Any], workloads: Workload, budget: int) -> int:
    """Steps until searches spend their budget or end, estimated from a few first steps.

    Where only counts are asked for, the compiler drops what they do not depend on.
    """
    instance("searcher", searcher, Searcher)
    budget = whole_number("budget", budget)
    if not searcher.traceable:
        return budget  # steps end with it
    with jax.enable_x64(True):
        pilots = jax.tree.map(lambda leaf: jnp.asarray(leaf[:_PILOTS]), workloads)
    keys = _keys(jax.random.key(0), pilots)

    def useful_steps(key: jax.Array, workload: Workload) -> Int[jax.Array, ""]:
        def goes_on(carry: Any) -> Bool[jax.Array, ""]:
            _, done, _, within = carry
            return within & (done < _MOST_IDLE * budget)

        def step(carry: Any) -> Any:
            state, done, useful, _ = carry
            after = searcher.step(workload, state)
            taken = _is_taken(state, after, budget)
            useful = jnp.where(taken & (_spent(after) > _spent(state)), done + 1, useful)
            return after, done + 1, useful, taken & (_spent(after) < budget)

        start = searcher.init(key, workload), jnp.int32(0), jnp.int32(1), jnp.bool_(True)
        return jax.lax.while_loop(goes_on, step, start)[2]

    return int(_compiled(useful_steps, keys, pilots)(keys, pilots).max())


def _keys(key: jax.Array, workloads: Workload) -> jax.Array:
    return jax.random.split(key, len(jax.tree.leaves(workloads)[0]))


def _compiled(function: Callable[..., Any], keys: jax.Array, workloads: Workload) -> Any:
    with jax.enable_x64(True):
        return jax.jit(jax.vmap(function)).lower(keys, workloads).compile()


def _spent(state: Any) -> Int[jax.Array, ""]:
    return state.tally.evaluations + state.tally.gradients


def _is_taken(state: Any, after: Any, budget: int) -> Bool[jax.Array, ""]:
    return (_spent(after) <= budget) | (_spent(state) == 0)


def _figures(state: Any) -> tuple[Any, Any, Any]:
    return state.tally.cost, state.tally.evaluations, state.tally.gradients


def _limited(
    searcher: Searcher[Any], workload: Workload, state: Any, budget: int
) -> tuple[Any, Bool[jax.Array, ""]]:
    """The state after a step, if it is within the budget, and whether it is."""
    after = searcher.step(workload, state)
    taken = _is_taken(state, after, budget)
    chosen = jax.tree.map(  # what no step changes need not be chosen
        lambda new, old: new if new is old else jnp.where(taken, new, old), after, state
    )
    return chosen, taken


def _run(
    searcher: Searcher[Any], key: jax.Array, workload: Workload, num_steps: int, budget: int | None
) -> tuple[Any, Any]:
    """The point of one search, and costs, evaluations and gradients after each step."""

    def step(state: Any, _: None) -> tuple[Any, Any]:
        if budget is None:
            after = searcher.step(workload, state)
        else:
            after = _limited(searcher, workload, state, budget)[0]
        return after, _figures(after)

    state, history = jax.lax.scan(step, searcher.init(key, workload), length=num_steps)
    return state.tally.point, history


def _together(compiled: Any, keys: jax.Array, workloads: Workload) -> Searches:
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
    searcher: Searcher[Any],
    keys: jax.Array,
    workloads: Workload,
    num_steps: int,
    budget: int | None,
) -> Searches:
    points, histories = [], []
    with jax.enable_x64(True):
        start = time.perf_counter()
        for number, key in enumerate(keys):
            workload = jax.tree.map(lambda leaf, number=number: leaf[number], workloads)
            state = searcher.init(key, workload)
            history: list[tuple[float, int, int]] = []
            while len(history) < num_steps:
                after = searcher.step(workload, state)
                if history and budget is not None and _spent(after) > budget:
                    break
                state, tally = after, after.tally
                history.append((float(tally.cost), int(tally.evaluations), int(tally.gradients)))
                if budget is not None and _spent(state) >= budget:
                    break
            points.append(np.asarray(state.tally.point))
            histories.append(history + [history[-1]] * (num_steps - len(history)))
        seconds = time.perf_counter() - start
    costs, evaluations, gradients = np.moveaxis(np.array(histories), 2, 0)
    return Searches(
        points=np.stack(points),
        costs=costs,
        evaluations=evaluations.astype(np.int64),
        gradients=gradients.astype(np.int64),
        seconds=seconds,
    )
