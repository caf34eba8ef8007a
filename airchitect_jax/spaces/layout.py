"""Designs as points of a grid: ordered sizes, unordered choices, a permutation."""

from __future__ import annotations

import dataclasses
import math

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int


@dataclasses.dataclass(frozen=True, kw_only=True)
class Layout:
    """The coordinates of a point, all whole numbers from zero: sizes, choices, a permutation.

    Attributes:
      sizes: for each ordered coordinate its number of levels.
      choices: for each unordered coordinate its number of values.
      permuted: how many things a last coordinate permutes: its value is the index of the
        permutation in lexicographic order. Zero for none.
    """

    sizes: tuple[int, ...] = ()
    choices: tuple[int, ...] = ()
    permuted: int = 0

    @property
    def cardinalities(self) -> tuple[int, ...]:
        """Of each coordinate, in the order of a point."""
        permutations = (math.factorial(self.permuted),) if self.permuted else ()
        return (*self.sizes, *self.choices, *permutations)

    @property
    def num_points(self) -> int:
        """Points of the grid, whether they are feasible or not."""
        return math.prod(self.cardinalities)

    def sample(self, key: jax.Array, count: int) -> Int[Array, "count coordinates"]:
        """Points of the grid with equal chances (int32)."""
        highs = jnp.array([self.cardinalities], jnp.int32)
        return jax.random.randint(key, (count, highs.shape[1]), 0, highs, jnp.int32)


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True, kw_only=True)
class RelaxedPoint:
    """A point between the points of the grid.

    Attributes:
      sizes: coordinates as real numbers.
      choices: for each unordered coordinate the probabilities of its values.
      assignment: a doubly stochastic matrix, [place, what is there]; None without a permutation.
    """

    sizes: Float[Array, "sizes"]
    choices: tuple[Float[Array, "_"], ...]
    assignment: Float[Array, "permuted permuted"] | None


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
