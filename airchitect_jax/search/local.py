"""Local search: coordinate descent and simulated annealing."""

from __future__ import annotations

import dataclasses
import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from airchitect_jax.search.base import (
    Key,
    Problem,
    Searcher,
    Tally,
    Workload,
    evaluate_points,
    repair,
)
from airchitect_jax.spaces import Layout, permutations


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True, kw_only=True)
class DescentState:
    """The state of a descent.

    Attributes:
      key: of the next step.
      point, cost: the best of this descent; the cost is infinite before it has been evaluated.
      order: the coordinates, in the order of this descent.
      place: of the next coordinate in the order.
      settled: how many coordinates running have nothing better.
      tally: of all descents.
    """

    key: Key
    point: Int[Array, "coordinates"]
    cost: Float[Array, ""]
    order: Int[Array, "coordinates"]
    place: Int[Array, ""]
    settled: Int[Array, ""]
    tally: Tally


def coordinate_descent(problem: Problem) -> Searcher[DescentState]:
    """Optimises one coordinate at a time until none improves, then restarts.

    A step evaluates all values of a coordinate, repaired. What is the same after repair is
    evaluated once, and where the descent stands not again. The start and the order of the
    coordinates are random.
    """
    layout = problem.layout
    number = len(layout.cardinalities)
    values = jnp.arange(max(layout.cardinalities), dtype=jnp.int32)

    def start(key: Key, workload: Workload, tally: Tally) -> DescentState:
        key, point_key, order_key = jax.random.split(key, 3)
        none = jnp.zeros((), jnp.int32)
        return DescentState(
            key=key,
            point=repair(problem, workload, layout.sample(point_key, 1))[0],
            cost=jnp.asarray(jnp.inf, jnp.float64),
            order=jax.random.permutation(order_key, jnp.arange(number, dtype=jnp.int32)),
            place=none,
            settled=none,
            tally=tally,
        )

    def init(key: Key, workload: Workload) -> DescentState:
        return start(key, workload, Tally.empty(layout))

    def step(workload: Workload, state: DescentState) -> DescentState:
        coordinate = state.order[state.place]
        line = jnp.tile(state.point, (len(values), 1)).at[:, coordinate].set(values)
        points = repair(problem, workload, line)
        known = jnp.isfinite(state.cost) & (points == state.point[None]).all(axis=1)
        real = values < jnp.array(layout.cardinalities, jnp.int32)[coordinate]
        counts = real & ~known & ~repeated(points)
        tally, costs = evaluate_points(problem, workload, state.tally, points, counts)
        best = jnp.argmin(costs)
        better = costs[best] < state.cost
        descended = dataclasses.replace(
            state,
            point=jnp.where(better, points[best], state.point),
            cost=jnp.where(better, costs[best], state.cost),
            place=(state.place + 1) % number,
            settled=jnp.where(better, 1, state.settled + 1),  # this coordinate is at its best
            tally=tally,
        )
        anew = start(state.key, workload, tally)
        done = descended.settled >= number
        return jax.tree.map(lambda a, b: jnp.where(done, a, b), anew, descended)

    return Searcher(init=init, step=step)


def repeated(points: Int[Array, "count coordinates"]) -> Bool[Array, "count"]:
    """Which points equal one before them."""
    same = (points[:, None] == points[None, :]).all(axis=2)
    return jnp.tril(same, -1).any(axis=1)


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True, kw_only=True)
class Population:
    """Points side by side: the chains of annealing, or a genetic population, best first.

    Attributes:
      key: of the next step.
      points: of the population.
      costs: of these; infinite before they are evaluated.
      steps: taken since the last start.
      tally: of all points so far.
    """

    key: Key
    points: Int[Array, "population coordinates"]
    costs: Float[Array, "population"]
    steps: Int[Array, ""]
    tally: Tally


def annealing(
    problem: Problem,
    *,
    chains: int = 1,
    starts: int = 10,
    hottest: float = 0.03,
    coldest: float = 0.01,
    steps: int = 50,
) -> Searcher[Population]:
    """Metropolis chains on the logarithm of the cost, with geometric cooling and restarts.

    Logarithms, so that a temperature means the same on each workload: at 0.1 a cost 10% higher is
    accepted with a chance of 1/e. When the chains are cold they start anew.

    Args:
      problem: what is searched.
      chains: side by side; a step evaluates a point of each.
      starts: random points at each start, of which the best is where a chain begins.
      hottest: temperature of the first move.
      coldest: of the last, nearly.
      steps: from one start to the next, the random points included.
    """
    layout = problem.layout

    def init(key: Key, workload: Workload) -> Population:
        del workload
        return Population(
            key=key,
            points=jnp.zeros((chains, len(layout.cardinalities)), jnp.int32),
            costs=jnp.full(chains, jnp.inf, jnp.float64),
            steps=jnp.zeros((), jnp.int32),
            tally=Tally.empty(layout),
        )

    def step(workload: Workload, state: Population) -> Population:
        key, start_key, move_key, accept_key = jax.random.split(state.key, 4)
        anew = state.steps == 0
        starting = state.steps < starts
        moved = jax.vmap(move, in_axes=(None, 0, 0))(
            layout, jax.random.split(move_key, chains), state.points
        )
        proposed = jnp.where(starting, layout.sample(start_key, chains), moved)
        proposed = repair(problem, workload, proposed)
        elsewhere = (proposed != state.points).any(axis=1)  # not moved away and repaired back
        tally, costs = evaluate_points(problem, workload, state.tally, proposed, anew | elsewhere)
        cooled = jnp.maximum(state.steps - starts, 0).astype(jnp.float64) / (steps - starts)
        temperature = hottest * (coldest / hottest) ** cooled
        rise = jnp.log(costs) - jnp.log(state.costs)
        tolerated = -temperature * jnp.log(jax.random.uniform(accept_key, (chains,), jnp.float64))
        accepted = anew | (rise <= jnp.where(starting, 0.0, tolerated))
        return Population(
            key=key,
            points=jnp.where(accepted[:, None], proposed, state.points),
            costs=jnp.where(accepted, costs, state.costs),
            steps=(state.steps + 1) % steps,
            tally=tally,
        )

    return Searcher(init=init, step=step)


def move(layout: Layout, key: Key, point: Int[Array, "coordinates"]) -> Int[Array, "coordinates"]:
    """A neighbour: one coordinate is another, with chances as the logarithm of how many it can be.

    A size goes a level or a few up or down (half of the moves one level, a quarter two, ...), and
    in half of these moves another size goes as far the other way, which keeps to a budget that is
    used up. A choice becomes any other. A permutation has two of its places swapped.
    """
    coordinate_key, far_key, other_key, swap_key = jax.random.split(key, 4)
    cardinalities = jnp.array(layout.cardinalities, jnp.int32)
    num_sizes, number = len(layout.sizes), len(layout.cardinalities)
    weights = jnp.log(cardinalities.astype(jnp.float32))
    coordinate = jax.random.categorical(coordinate_key, jnp.log(weights)).astype(jnp.int32)
    here = jnp.arange(number, dtype=jnp.int32) == coordinate
    # To any other value: round the circle, by less than once.
    most = jnp.maximum(cardinalities, 2)
    turned = (point + jax.random.randint(other_key, (number,), 1, most, jnp.int32)) % cardinalities
    moved = jnp.where(here, turned, point)
    if layout.permuted > 1:
        swaps = jnp.asarray(_swaps(layout.permuted))
        swapped = swaps[point[-1], jax.random.randint(swap_key, (), 0, swaps.shape[1])]
        moved = moved.at[-1].set(jnp.where(here[-1], swapped, point[-1]))
    if not num_sizes:
        return moved
    far_key, sign_key, partner_key, pair_key = jax.random.split(far_key, 4)
    far = 1 + jnp.floor(-jnp.log2(jax.random.uniform(far_key, dtype=jnp.float32, minval=1e-6)))
    change = jnp.where(jax.random.bernoulli(sign_key), 1, -1) * far.astype(jnp.int32)
    partner = coordinate + jax.random.randint(partner_key, (), 1, max(num_sizes, 2), jnp.int32)
    paired = jax.random.bernoulli(pair_key) & (num_sizes > 1)
    there = paired & (jnp.arange(number, dtype=jnp.int32) == partner % num_sizes)
    stepped = point + jnp.where(here, change, 0) - jnp.where(there, change, 0)
    return jnp.where(coordinate < num_sizes, jnp.clip(stepped, 0, cardinalities - 1), moved)


@functools.cache
def _swaps(number: int) -> Int[np.ndarray, "permutations swaps"]:
    """The permutations that differ from each permutation by one swap, as indices."""
    orders = [tuple(order) for order in permutations(number).tolist()]
    place = {order: row for row, order in enumerate(orders)}
    swaps = np.zeros((len(orders), number * (number - 1) // 2), np.int32)
    for row, order in enumerate(orders):
        for column, (i, j) in enumerate(itertools.combinations(range(number), 2)):
            swapped = list(order)
            swapped[i], swapped[j] = order[j], order[i]
            swaps[row, column] = place[tuple(swapped)]
    return swaps
