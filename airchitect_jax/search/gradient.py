"""Gradient descent over relaxed points, from many starts at once, rounded after every update.

Sizes are descended in logarithms or in steps, whatever the problem's coordinates are; a constraint
is part of what is differentiated (`Problem.confine`), so that slopes run along it. Choices are
probabilities, the softmax of scores; a permutation is a doubly stochastic matrix, made of scores by
normalising rows and columns in turn (R. Sinkhorn and P. Knopp, "Concerning nonnegative matrices and
doubly stochastic matrices", 1967). With Gumbel noise on the scores, probabilities are samples
(E. Jang, S. Gu, B. Poole, "Categorical reparameterization with Gumbel-softmax", 2017; G. Mena et
al., "Learning latent permutations with Gumbel-Sinkhorn networks", 2018).

The temperature falls geometrically; at its lowest, all begins anew from other starts.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float, Int

from airchitect_jax.search.base import (
    Key,
    Problem,
    Searcher,
    Tally,
    Workload,
    evaluate_points,
    repair,
)
from airchitect_jax.spaces import Layout, RelaxedPoint, permutations

_SINKHORN_ROUNDS = 10
_SCORE_SCALE = 5.0  # scores move this much faster than sizes, which cross their range at 1
# What is descended: from what `prepare` gave, the workload, a point and the temperature.
LogCost = Callable[[Any, Workload, RelaxedPoint, Float[Array, ""]], Float[Array, ""]]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Descent:
    """Settings of gradient descent.

    Attributes:
      starts: points that descend side by side.
      updates: from the highest temperature to the lowest.
      hottest, coldest: the temperatures.
      optimizer: any of Optax; sizes are descended in shares of their range.
      noisy: whether scores get Gumbel noise.
    """

    starts: int = 4
    updates: int = 12
    hottest: float = 0.3
    coldest: float = 0.03
    optimizer: optax.GradientTransformation = dataclasses.field(
        default_factory=lambda: optax.adam(0.2)
    )
    noisy: bool = False

    def temperature(self, update: Int[Array, ""]) -> Float[Array, ""]:
        """The temperature of an update."""
        share = update.astype(jnp.float32) / max(self.updates - 1, 1)
        return self.hottest * (self.coldest / self.hottest) ** share


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True, kw_only=True)
class Scores:
    """The variables of the optimiser (float32).

    Attributes:
      sizes: as shares of their range.
      choices: for each unordered coordinate a score for each value.
      permutation: for each place a score for each thing; None without a permutation.
    """

    sizes: Float[Array, "sizes"]
    choices: tuple[Float[Array, "_"], ...]
    permutation: Float[Array, "permuted permuted"] | None

    @classmethod
    def random(cls, key: Key, layout: Layout) -> Scores:
        """Uniform sizes, and random scores so that the starts differ."""
        keys = jax.random.split(key, 2 + len(layout.choices))

        def leaning(key: Key, *shape: int) -> Float[Array, "*shape"]:
            return jax.random.normal(key, shape, jnp.float32) / _SCORE_SCALE

        number = layout.permuted
        return cls(
            sizes=jax.random.uniform(keys[0], (len(layout.sizes),), jnp.float32),
            choices=tuple(leaning(k, n) for k, n in zip(keys[2:], layout.choices, strict=True)),
            permutation=leaning(keys[1], number, number) if number else None,
        )


def relax(
    problem: Problem,
    workload: Workload,
    scores: Scores,
    temperature: Float[Array, ""],
    noise_key: Key | None,
) -> RelaxedPoint:
    """The point of the scores, with Gumbel noise on them if there is a key."""
    layout = problem.layout

    def noisy(values: Float[Array, "*shape"], number: int) -> Float[Array, "*shape"]:
        if noise_key is None:
            return _SCORE_SCALE * values
        noise = jax.random.gumbel(jax.random.fold_in(noise_key, number), values.shape, jnp.float32)
        # Samples are nearly certain at the end; the softmax itself cools as the model does.
        return (_SCORE_SCALE * values + noise) / jnp.maximum(2 * temperature, 0.1)

    highs = jnp.array([levels - 1 for levels in layout.sizes], jnp.float32)
    return RelaxedPoint(
        sizes=problem.confine(workload, scores.sizes * highs),
        choices=tuple(
            jax.nn.softmax(noisy(values, number)) for number, values in enumerate(scores.choices)
        ),
        assignment=None
        if scores.permutation is None
        else sinkhorn(noisy(scores.permutation, len(scores.choices))),
    )


def sinkhorn(scores: Float[Array, "n n"]) -> Float[Array, "n n"]:
    """A nearly doubly stochastic matrix: exp(scores), rows and columns normalised in turn."""
    for _ in range(_SINKHORN_ROUNDS):
        scores = scores - jax.nn.logsumexp(scores, axis=1, keepdims=True)
        scores = scores - jax.nn.logsumexp(scores, axis=0, keepdims=True)
    return jnp.exp(scores)


def round_point(
    problem: Problem, workload: Workload, point: RelaxedPoint, threshold: Float[Array, ""]
) -> Int[Array, "coordinates"]:
    """A feasible point of the grid nearby.

    Sizes are rounded down, then up again where their fraction exceeds the threshold, the largest
    fraction first, as long as that is feasible. Choices are the likeliest, and so is the
    permutation of all.
    """
    likeliest = [values.argmax()[None] for values in point.choices]
    if point.assignment is not None:
        every = permutations(problem.layout.permuted)
        places = np.arange(problem.layout.permuted)
        logs = jnp.log(point.assignment + 1e-30)
        likeliest.append(logs[places, every].sum(axis=1).argmax()[None])
    down = jnp.floor(point.sizes)
    fractions = point.sizes - down
    rounded = jnp.concatenate([down, *likeliest]).astype(jnp.int32)
    rounded = repair(problem, workload, rounded[None])[0]
    for size in jnp.argsort(-fractions):
        up = rounded.at[size].add(1)
        feasible = (repair(problem, workload, up[None])[0] == up).all()
        rounded = jnp.where(feasible & (fractions[size] > threshold), up, rounded)
    return rounded


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True, kw_only=True)
class DescentState:
    """The current descent from several starts, its progress, and the tally.

    `prepared` is what depends on the workload only.
    """

    key: Key
    prepared: Any
    scores: Scores
    optimizer: Any
    update: Int[Array, ""]
    tally: Tally


def descend(
    problem: Problem,
    log_cost: LogCost,
    descent: Descent,
    prepare: Callable[[Workload], Any] | None = None,
) -> Searcher[DescentState]:
    """Gradient descent on any smooth cost, its rounded points evaluated by the exact model.

    `prepare` computes once per workload what `log_cost` needs.
    """

    def fresh(key: Key) -> tuple[Scores, Any]:
        keys = jax.random.split(key, descent.starts)
        scores = jax.vmap(lambda k: Scores.random(k, problem.layout))(keys)
        return scores, descent.optimizer.init(scores)

    def init(key: Key, workload: Workload) -> DescentState:
        key, start_key = jax.random.split(key)
        scores, optimizer = fresh(start_key)
        return DescentState(
            key=key,
            prepared=prepare(workload) if prepare else None,
            scores=scores,
            optimizer=optimizer,
            update=jnp.zeros((), jnp.int32),
            tally=Tally.empty(problem.layout),
        )

    def step(workload: Workload, state: DescentState) -> DescentState:
        key, noise_key, round_key, start_key = jax.random.split(state.key, 4)
        temperature = descent.temperature(state.update)

        def point_of(scores: Scores, key: Key) -> RelaxedPoint:
            return relax(problem, workload, scores, temperature, key if descent.noisy else None)

        def loss(scores: Scores, key: Key) -> tuple[Float[Array, ""], RelaxedPoint]:
            point = point_of(scores, key)
            return log_cost(state.prepared, workload, point, temperature), point

        noise_keys = jax.random.split(noise_key, descent.starts)
        slopes, points = jax.vmap(jax.grad(loss, has_aux=True))(state.scores, noise_keys)
        changes, optimizer = descent.optimizer.update(slopes, state.optimizer, state.scores)
        scores = optax.apply_updates(state.scores, changes)
        scores = dataclasses.replace(scores, sizes=jnp.clip(scores.sizes, 0, 1))
        thresholds = jax.random.uniform(round_key, (descent.starts,), jnp.float32)
        rounded = jax.vmap(lambda p, t: round_point(problem, workload, p, t))(points, thresholds)
        tally, _ = evaluate_points(problem, workload, state.tally, rounded)
        tally = dataclasses.replace(tally, gradients=tally.gradients + descent.starts)
        done = state.update + 1 >= descent.updates
        scores, optimizer = jax.tree.map(
            functools.partial(jnp.where, done), fresh(start_key), (scores, optimizer)
        )
        return dataclasses.replace(
            state,
            key=key,
            scores=scores,
            optimizer=optimizer,
            update=jnp.where(done, 0, state.update + 1),
            tally=tally,
        )

    return Searcher(init=init, step=step)


def gradient(problem: Problem, descent: Descent | None = None) -> Searcher[DescentState]:
    """Gradient descent on the relaxed cost model."""

    def log_cost(
        prepared: None, workload: Workload, point: RelaxedPoint, temperature: Float[Array, ""]
    ) -> Float[Array, ""]:
        del prepared
        return problem.log_relaxed_cost(workload, point, temperature)

    return descend(problem, log_cost, descent or Descent())


def gumbel(problem: Problem, descent: Descent | None = None) -> Searcher[DescentState]:
    """Gradient descent with sampled choices and permutations: Gumbel-softmax, Gumbel-Sinkhorn."""
    return gradient(problem, dataclasses.replace(descent or Descent(), noisy=True))
