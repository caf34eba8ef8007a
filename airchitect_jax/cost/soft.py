"""Soft numbers: uncertain ones, on which steps have slopes.

The equations of the cost model are written with operators and the functions of
`airchitect_jax.cost.arithmetic`. Floors, comparisons and maxima in them have derivatives that
vanish or jump. The same text on soft numbers is smooth: a soft number is a random variable, given
by its mean and its spread, and each step is replaced by its mean. As the spreads go to zero, every
value goes to that of the exact equation.

The random part is logistic, what is left of two Gumbel variables when one is taken from the other.
So the mean of a maximum is the softplus that it is in discrete choice models, and the probability
of being larger a sigmoid (D. McFadden, "Conditional logit analysis of qualitative choice behavior",
1974). Sums, products and quotients propagate spreads to first order and add them up, as if
everything varied together: no square root, whose slope is infinite at zero.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

# Steps are gone when the spread is this large: the ripple left is 0.2% of a step.
_WIDEST = 0.4
_SMALLEST = 1e-6  # spread beneath which nothing is told apart; what is compared is bytes or cycles
_SMALLEST_STEP = 1e-12  # the same of quotients, of which a half byte is a small part


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Soft:
    """A random variable.

    Attributes:
      mean: its mean.
      spread: the scale of its logistic distribution, not negative.
    """

    mean: Float[Array, "*batch"] | float
    spread: Float[Array, "*batch"] | float

    __array_ufunc__ = None  # NumPy leaves the operators to us

    def __add__(self, other: Any) -> Soft:
        if not isinstance(other, Soft):
            return Soft(self.mean + other, self.spread)
        return Soft(self.mean + other.mean, self.spread + other.spread)

    def __sub__(self, other: Any) -> Soft:
        return self + -other

    def __mul__(self, other: Any) -> Soft:
        if not isinstance(other, Soft):
            return Soft(self.mean * other, self.spread * abs(other))
        spread = abs(self.mean) * other.spread + abs(other.mean) * self.spread
        return Soft(self.mean * other.mean, spread)

    def __truediv__(self, other: Any) -> Soft:
        """`other` must not be zero."""
        if not isinstance(other, Soft):
            return Soft(self.mean / other, self.spread / abs(other))
        ratio = self.mean / other.mean
        return Soft(ratio, (self.spread + abs(ratio) * other.spread) / abs(other.mean))

    def __neg__(self) -> Soft:
        return Soft(-self.mean, self.spread)

    def __pow__(self, exponent: float) -> Soft:
        """Of a positive number."""
        power = self.mean**exponent
        return Soft(power, abs(exponent * power / self.mean) * self.spread)

    def __radd__(self, other: Any) -> Soft:
        return self + other

    def __rsub__(self, other: Any) -> Soft:
        return -self + other

    def __rmul__(self, other: Any) -> Soft:
        return self * other

    def __rtruediv__(self, other: Any) -> Soft:
        return _soft(other) / self

    def __gt__(self, other: Any) -> Soft:
        """The probability of being larger, of whole numbers: so of being larger by a half."""
        gap = self - other
        return Soft(jax.nn.sigmoid((gap.mean - 0.5) / (gap.spread + _SMALLEST)), 0.0)

    def __lt__(self, other: Any) -> Soft:
        return _soft(other) > self


def floor(x: Soft) -> Soft:
    """The mean of the largest whole number that is not larger; uncertain by a step at most.

    Probabilities of having reached the whole numbers nearby, added up. Where the spread is wide
    there are no steps to see: x - 1/2, which the sum says as well for any spread from `_WIDEST` on.
    """
    spread = jnp.minimum(x.spread, _WIDEST)
    base = jnp.floor(x.mean)
    nearby = jnp.expand_dims(x.mean - base, -1) - jnp.arange(-3.0, 5.0, dtype=base.dtype)
    reached = jax.nn.sigmoid(nearby / jnp.expand_dims(spread + _SMALLEST_STEP, -1))
    return Soft(base - 4 + reached.sum(axis=-1), spread)


def floor_div(a: Any, b: Any) -> Soft:
    """floor(a / b) of whole numbers, hence of (a + 1/2) / b.

    The next step is half a unit away then, so that the limit is exact where b divides a.
    """
    return floor((_soft(a) + 0.5) / b)


def last_tile(a: Any, b: Any, tiles: Soft) -> Soft:
    """What the last of the tiles of b that cover a holds: uncertain by a tile at most.

    To first order a - (tiles - 1) b would be as uncertain as a whole.
    """
    last = a - (tiles - 1) * b
    return Soft(last.mean, tiles.spread * _soft(b).mean)


def larger(a: Any, b: Any) -> Soft:
    """The mean of the larger of two."""
    a, b = _soft(a), _soft(b)
    spread = a.spread + b.spread + _SMALLEST
    gap = (a.mean - b.mean) / spread
    share = jax.nn.sigmoid(gap)
    softplus = jnp.maximum(gap, 0) + jnp.log1p(jnp.exp(-abs(gap)))
    return Soft(b.mean + spread * softplus, b.spread + share * (a.spread - b.spread))


def smaller(a: Any, b: Any) -> Soft:
    """The mean of the smaller of two."""
    return -larger(-a, -b)


def select(condition: Any, a: Any, b: Any) -> Soft:
    """`a` where the condition holds, else `b`; a soft condition is a probability."""
    a, b = _soft(a), _soft(b)
    if isinstance(condition, Soft):
        return b + condition * (a - b)
    return Soft(jnp.where(condition, a.mean, b.mean), jnp.where(condition, a.spread, b.spread))


def _soft(number: Any) -> Soft:
    return number if isinstance(number, Soft) else Soft(number, 0.0)
