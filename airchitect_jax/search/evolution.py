"""Evolutionary searchers: a genetic algorithm and CMA-ES. Needs evosax (extra `search`).

Both evolve real vectors ("random keys": J. C. Bean, "Genetic algorithms and random keys for
sequencing and optimization", ORSA Journal on Computing 6(2), 1994), which `decode` turns into
points: standard normal numbers come to points from all over the grid.
"""

from __future__ import annotations

import contextlib
import dataclasses
import math
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from airchitect_jax.search.base import (
    Key,
    Layout,
    Problem,
    Searcher,
    Tally,
    Workload,
    evaluate,
    repair,
)

_Start = Callable[[Key], Any]  # from a key to a state of evosax
_Ask = Callable[[Key, Any], tuple[Float[Array, "population keys"], Any]]
_Tell = Callable[[Key, Any, Float[Array, "population keys"], Float[Array, "population"]], Any]


def num_keys(layout: Layout) -> int:
    """Real numbers that make a point: one for each size, value of a choice, thing permuted."""
    return len(layout.sizes) + sum(layout.choices) + layout.permuted


def decode(layout: Layout, keys: Float[Array, "keys"]) -> Int[Array, "coordinates"]:
    """The point of real numbers.

    A size is the nearest level, two units either side of zero being the whole range. Of a choice
    the value with the highest number is taken. What is permuted is put in the order of its numbers.
    """
    levels = jnp.array(layout.sizes, keys.dtype)
    sizes, keys = keys[: len(levels)], keys[len(levels) :]
    parts = [jnp.clip(jnp.round((levels - 1) / 2 + sizes * levels / 4), 0, levels - 1)]
    for values in layout.choices:
        parts.append(keys[:values].argmax(keepdims=True))
        keys = keys[values:]
    if layout.permuted:
        # Lehmer's code: how many later ones are smaller, times the permutations of what is left.
        smaller = jnp.triu(keys[None, :] < keys[:, None]).sum(axis=1)
        weights = [math.factorial(left) for left in reversed(range(layout.permuted))]
        parts.append((smaller * jnp.array(weights)).sum(keepdims=True))
    return jnp.concatenate([part.astype(jnp.int32) for part in parts])


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True, kw_only=True)
class EvolutionState:
    """The key of the next step, the state of evosax, and the tally."""

    key: Key
    evolved: Any
    tally: Tally


def genetic(
    problem: Problem, *, population: int = 16, mutation: float = 0.5, crossover: float = 0.5
) -> Searcher[EvolutionState]:
    """A genetic algorithm (evosax's SimpleGA) in which children replace parents that are worse.

    Args:
      problem: what is searched.
      population: points in a step.
      mutation: standard deviation of what is added to each number of a child.
      crossover: share of its numbers that a child has from its second parent.

    Raises:
      ValueError: there is no evosax; names the extra.
    """
    check_installed()
    from evosax.algorithms import SimpleGA

    size = num_keys(problem.layout)
    with _as_evosax_wants():
        algorithm = SimpleGA(population, jnp.zeros(size), std_schedule=lambda _: mutation)
        params = algorithm.default_params.replace(crossover_rate=crossover)

    def start(key: Key) -> Any:
        first = jax.random.normal(key, (population, size))
        return algorithm.init(key, first, jnp.full(population, jnp.inf), params)

    def tell(key: Key, state: Any, children: Array, fitness: Array) -> Any:
        everyone = jnp.concatenate([children, state.population])
        fitness = jnp.concatenate([fitness, state.fitness])
        best = jnp.argsort(fitness)[:population]
        return algorithm.tell(key, everyone[best], fitness[best], state, params)[0]

    return _evolution(problem, start, lambda *asked: algorithm.ask(*asked, params), tell)


def cma_es(
    problem: Problem, *, population: int = 8, spread: float = 1.0
) -> Searcher[EvolutionState]:
    """CMA-ES (N. Hansen, "The CMA evolution strategy: a tutorial", arXiv 1604.00772).

    Args:
      problem: what is searched.
      population: points in a step.
      spread: first standard deviation of each number, half of a size's range from its middle being
        two.

    Raises:
      ValueError: there is no evosax; names the extra.
    """
    check_installed()
    from evosax.algorithms import CMA_ES

    size = num_keys(problem.layout)
    with _as_evosax_wants():
        algorithm = CMA_ES(population, jnp.zeros(size))
        params = algorithm.default_params.replace(std_init=jnp.asarray(spread))

    def start(key: Key) -> Any:
        return algorithm.init(key, jax.random.normal(key, (size,)) / 2, params)

    def tell(key: Key, state: Any, asked: Array, fitness: Array) -> Any:
        return algorithm.tell(key, asked, fitness, state, params)[0]

    return _evolution(problem, start, lambda *asked: algorithm.ask(*asked, params), tell)


def check_installed() -> None:
    """Whether there is an evosax.

    Raises:
      ValueError: there is none; names the extra.
    """
    try:
        import evosax  # noqa: F401
    except ImportError:
        raise ValueError(
            "the genetic algorithm and CMA-ES need evosax: pip install 'airchitect-jax[search]'"
        ) from None


def _evolution(problem: Problem, start: _Start, ask: _Ask, tell: _Tell) -> Searcher[EvolutionState]:
    """Generations until all of one are the same point, which leaves nothing to find; then anew.

    Their fitness is the logarithm of the cost, of the repaired points.
    """
    layout = problem.layout

    def fresh(key: Key) -> Any:
        # Strongly typed, so that a loop gets out of a step what it put in.
        return jax.tree.map(
            lambda leaf: jax.lax.convert_element_type(leaf, jnp.asarray(leaf).dtype), start(key)
        )

    def init(key: Key, workload: Workload) -> EvolutionState:
        del workload
        key, start_key = jax.random.split(key)
        with _as_evosax_wants():
            evolved = fresh(start_key)
        return EvolutionState(key=key, evolved=evolved, tally=Tally.empty(layout))

    def step(workload: Workload, state: EvolutionState) -> EvolutionState:
        key, ask_key, tell_key, start_key = jax.random.split(state.key, 4)
        with _as_evosax_wants():
            asked, evolved = ask(ask_key, state.evolved)
        points = repair(problem, workload, jax.vmap(lambda keys: decode(layout, keys))(asked))
        tally, costs = evaluate(problem, workload, state.tally, points)
        same = (points == points[0]).all()
        with _as_evosax_wants():
            told = tell(tell_key, evolved, asked, jnp.log(costs))
            evolved = jax.tree.map(
                lambda new, old: jnp.where(same, new, old.astype(new.dtype)), fresh(start_key), told
            )
        return EvolutionState(key=key, evolved=evolved, tally=tally)

    return Searcher(init=init, step=step)


@contextlib.contextmanager
def _as_evosax_wants() -> Iterator[None]:
    """Numbers of 64 bits, as costs have, and of mixed types and ranks."""
    with (
        jax.enable_x64(True),
        jax.numpy_dtype_promotion("standard"),
        jax.numpy_rank_promotion("allow"),
    ):
        yield
