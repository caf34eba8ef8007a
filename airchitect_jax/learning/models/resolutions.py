"""Whole numbers at several resolutions, as inputs of a network."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Float, Int

NUM_SAMPLES = 1 << 16  # of workloads, for the statistics of the inputs
_EXPONENTS = np.arange(19)  # resolutions of 1, 2, 4 .. 2^18: the sides that an array can have
# Added to the variance of each direction; float32 does not resolve smaller variances.
_RIDGE = 1e-6


class Whitening(nnx.Variable[Array]):
    """Statistics of the inputs: fixed at the start, not trained."""


def log_resolutions(values: Int[Array, "*shape values"]) -> Float[Array, "*shape width"]:
    """Two logarithms of each value v >= 1 for each power of two p, float32, value after value.

    log ceil(v / p) is the number of folds on p rows or columns; log(v + p) is the time of v steps
    in a pipeline of p stages. The cycles of a systolic array are products of such terms, so their
    logarithms are sums of these.
    """
    # One formula for all columns of one long row: four times as fast as a concatenation, which
    # XLA's CPU backend does not vectorise.
    num, per_value = values.shape[-1], 2 * len(_EXPONENTS)
    column = np.arange(num * per_value).reshape((1,) * (values.ndim - 1) + (-1,))
    exponents = jnp.asarray(_EXPONENTS[column % len(_EXPONENTS)], jnp.int32)
    v = jnp.repeat(values, per_value, axis=-1, total_repeat_length=num * per_value)
    folds, lengths = ((v - 1) >> exponents) + 1, v + (1 << exponents)
    are_folds = jnp.asarray(column % per_value < len(_EXPONENTS))
    return jnp.log(jnp.where(are_folds, folds, lengths).astype(jnp.float32))


class Decorrelated(nnx.Module):
    """Principal components of inputs, each scaled to a variance of one.

    Neighbouring resolutions are nearly equal, and their small differences decide between near ties.
    Of decorrelated inputs gradient descent learns each equally fast.

    Args:
      samples: typical inputs, for the statistics.
      ridge: added to the variance of each direction; the larger, the less the inputs grow away from
        the samples.
    """

    def __init__(
        self, samples: Float[Array | np.ndarray, "num width"], ridge: float = _RIDGE
    ) -> None:
        rows = np.asarray(samples, np.float64)
        variances, directions = np.linalg.eigh(np.cov(rows.T))
        scales = 1 / np.sqrt(np.maximum(variances, 0.0) + ridge)
        self.mean = Whitening(jnp.asarray(rows.mean(axis=0), jnp.float32))
        self.whiten = Whitening(jnp.asarray(directions * scales, jnp.float32))
        self.width = rows.shape[1]

    def __call__(self, raw: Float[Array, "*shape width"]) -> Float[Array, "*shape width"]:
        """Inputs of a dense layer."""
        return (raw - jnp.broadcast_to(self.mean[...], raw.shape)) @ self.whiten[...]


class Resolutions(Decorrelated):
    """`log_resolutions`, decorrelated.

    Args:
      samples: typical values, at least 1, for the statistics.
    """

    def __init__(self, samples: Int[Array | np.ndarray, "num values"]) -> None:
        super().__init__(log_resolutions(jnp.asarray(samples, jnp.int32)))

    def __call__(self, values: Int[Array, "*shape values"]) -> Float[Array, "*shape width"]:
        """Inputs of a dense layer; values may exceed those of the samples."""
        return super().__call__(log_resolutions(values))
