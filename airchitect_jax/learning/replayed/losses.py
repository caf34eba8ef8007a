"""Losses of the predicted delays: their errors, and what the choices they lead to cost."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from airchitect_jax.learning.replayed.network import apart, level_sums, sizing_delays

TEMPERATURE = 0.03  # of choices, in log cycles
_MOST_REGRET = 3.0
_QUADRATIC = 0.1  # errors up to it count by their square
CHUNK = 128  # workloads whose 1000 sizings stay in the cache


def delay_errors(
    predicted: Float[Array, "3 sizes batch"], exact: Float[Array, "3 sizes batch"]
) -> Float[Array, ""]:
    """Mean error of the fewest cycles of all sizings with a buffer, in logarithms (Huber)."""
    best = jax.nn.relu(predicted.min(axis=1))
    others = jnp.stack(
        [
            jnp.maximum(best[1], best[2]),
            jnp.maximum(best[0], best[2]),
            jnp.maximum(best[0], best[1]),
        ]
    )
    error = jnp.abs(jnp.maximum(predicted, others[:, None]) - exact)
    huber = jnp.where(error < _QUADRATIC, error**2 / (2 * _QUADRATIC), error - _QUADRATIC / 2)
    return huber.mean()


def regret(
    predicted: Float[Array, "3 sizes batch"],
    exact: Float[Array, "3 sizes batch"],
    budget_steps: Int[Array, "batch"],
) -> Float[Array, ""]:
    """Mean of log(cycles / fewest cycles in the budget) when sizings are chosen by a softmax."""

    def chunks(values: Array) -> Array:
        return jnp.moveaxis(values.reshape(*values.shape[:-1], -1, CHUNK), -2, 0)

    parts = tuple(map(chunks, (jax.nn.relu(predicted), exact, budget_steps)))
    return jax.lax.map(lambda part: _regret(*part), parts).mean()


@jax.custom_vjp
def _regret(predicted: Array, exact: Array, budget_steps: Array) -> Array:
    return _choices(predicted, exact, budget_steps)[2].mean()


def _choices(predicted: Array, exact: Array, budget_steps: Array) -> tuple[Array, Array, Array]:
    """Shares of the sizings, what each costs too much, and the mean of that."""
    everywhere = (0, 1, 2)
    affordable = level_sums(predicted.shape[1]) <= jnp.expand_dims(budget_steps, everywhere)
    guess, truth = sizing_delays(predicted), sizing_delays(exact)
    least, best = apart(
        tuple(
            jnp.where(affordable, x, jnp.inf).min(axis=everywhere, keepdims=True)
            for x in (guess, truth)
        )
    )
    shares = apart(jnp.where(affordable, jnp.exp((least - guess) / TEMPERATURE), 0.0))
    excess = jnp.minimum(truth - best, _MOST_REGRET)
    total = shares.sum(axis=everywhere, keepdims=True)
    mean = (shares * excess).sum(axis=everywhere, keepdims=True) / total
    return shares / total, excess, mean


def _forward(predicted: Array, exact: Array, budget_steps: Array) -> tuple[Array, Array]:
    """The value, and its gradient by the predictions.

    XLA's own gradient of the maxima takes several times as long.
    """
    shares, excess, mean = _choices(predicted, exact, budget_steps)
    slope = -shares * (excess - mean) / (TEMPERATURE * predicted.shape[-1])
    slope, mean = apart((slope, mean))
    guess = sizing_delays(predicted)
    sums = [
        jnp.where(guess == jnp.expand_dims(values, rest), slope, 0).sum(axis=rest)
        for values, rest in zip(predicted, ((1, 2), (0, 2), (0, 1)), strict=True)
    ]
    return mean.mean(), jnp.stack(sums)


def _backward(gradient: Array, scale: Array) -> tuple[Array, None, None]:
    return scale * gradient, None, None


_regret.defvjp(_forward, _backward)
