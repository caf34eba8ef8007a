"""Traceable samplers of whole numbers."""

from __future__ import annotations

import enum

import jax
import jax.numpy as jnp
from jaxtyping import Array, Int

from airchitect_jax._support import member, whole_number


class Distribution(enum.Enum):
    """The distribution of workload dimensions."""

    UNIFORM = "uniform"
    LOG_UNIFORM = "log_uniform"


def sample_integers(
    key: jax.Array, shape: tuple[int, ...], *, low: int, high: int, distribution: Distribution
) -> Int[Array, "*shape"]:
    """int32 whole numbers in low..high inclusive.

    UNIFORM gives each number the same probability. LOG_UNIFORM gives v a probability proportional
    to log((v + 1) / v), the floor of exp of a uniform number, so every octave is equally likely.

    Raises:
      ValueError: a bound is not a whole number, low exceeds high, or the distribution is unknown.
    """
    distribution = member("distribution", distribution, Distribution)
    lowest = -(2**31) if distribution is Distribution.UNIFORM else 1
    low = whole_number("low", low, low=lowest)
    high = whole_number("high", high, low=low)
    if distribution is Distribution.UNIFORM:
        return jax.random.randint(key, shape, low, high + 1, dtype=jnp.int32)
    logs = jax.random.uniform(
        key, shape, jnp.float32, minval=jnp.log(float(low)), maxval=jnp.log(float(high + 1))
    )
    return jnp.clip(jnp.floor(jnp.exp(logs)).astype(jnp.int32), low, high)
