"""Budgets: sizes that may not come to more than so much."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float


def within_sum(
    sizes: Float[Array, "sizes"], levels: tuple[int, ...], most: Float[Array | np.ndarray, ""]
) -> Float[Array, "sizes"]:
    """Sizes in 0..levels - 1 whose sum is at most `most`, shrunk in proportion if it is more.

    Continuous, with slopes, and nothing changes within the constraint.

    Args:
      sizes: any real numbers.
      levels: of each size.
      most: not negative.
    """
    highs = jnp.array([level - 1 for level in levels], sizes.dtype)
    inside = jnp.clip(sizes, 0, highs)
    most = jnp.asarray(most, sizes.dtype)
    return inside * jnp.minimum(1, most / jnp.maximum(inside.sum(), 1e-6))
