"""Soft numbers: random variables, for which step functions have useful gradients.

The equations of the cost model are written with operators and the functions of
`airchitect_jax.cost.arithmetic`. Floors, comparisons and maxima in them have derivatives that
vanish or jump. The same text on soft numbers is smooth: a soft number is a random variable, given
by its mean and its spread, and each step is replaced by its mean. As the spreads go to zero, every
value goes to that of the exact equation.

The random part is logistic, the difference of two Gumbel variables. So the mean of a maximum is a
softplus, as in discrete choice models, and the probability of being larger a sigmoid (D. McFadden,
"Conditional logit analysis of qualitative choice behavior", 1974). Sums, products and quotients
propagate spreads to first order and add them up, as if everything varied together: no square root,
whose slope is infinite at zero.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array

# Steps are gone when the spread is this large: the ripple left is 0.2% of a step.
_WIDEST = 0.4
_CERTAIN = 1e3  # this many spreads away nothing is uncertain
_SMALLEST = 1e-6  # spreads below this count as none; bytes and cycles are compared
_SMALLEST_STEP = 1e-12  # the same for quotients, where half a byte is little


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Soft:
    """A random variable.

    Attributes:
      mean: its mean, Float[Array, "*batch"] or a Python number.
      spread: the scale of its logistic distribution, of the same shape; not negative.
    """

    mean: Any
    spread: Any

    __array_ufunc__ = None  # NumPy defers to these operators

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
        return as_soft(other) / self

    def __gt__(self, other: Any) -> Soft:
        """The probability of being larger, of whole numbers: so of being larger by a half."""
        gap = self - other
        return Soft(jax.nn.sigmoid((gap.mean - 0.5) / (gap.spread + _SMALLEST)), 0.0)

    def __lt__(self, other: Any) -> Soft:
        return as_soft(other) > self

    def sum(self, axis: int | tuple[int, ...] = 0) -> Soft:
        """Over the leading axis, or those given."""
        return Soft(self.mean.sum(axis=axis), self.spread.sum(axis=axis))


def stack(rows: Sequence[Sequence[Any]]) -> list[Soft]:
    """Each column of a table of numbers, soft or not, with the rows along a new leading axis."""
    dtype = jnp.result_type(*jax.tree.leaves(rows))
    shape = jnp.broadcast_shapes(*(jnp.shape(part) for part in jax.tree.leaves(rows)))

    def join(parts: Sequence[Any]) -> Array:
        return jnp.stack([jnp.broadcast_to(jnp.asarray(part, dtype), shape) for part in parts])

    columns = [[as_soft(number) for number in column] for column in zip(*rows, strict=True)]
    return [
        Soft(join([x.mean for x in column]), join([x.spread for x in column])) for column in columns
    ]


def floor(x: Soft) -> Soft:
    """The mean of the largest whole number that is not larger; uncertain by a step at most.

    Where the spread is wide there are no steps to see: x - 1/2, which is what any spread from
    `_WIDEST` on gives.
    """
    spread = jnp.where(x.spread < _WIDEST, x.spread, _WIDEST)
    return Soft(_mean_floor(x.mean, spread + _SMALLEST_STEP), spread)


def floor_div(a: Any, b: Any) -> Soft:
    """floor(a / b) of whole numbers, hence of (a + 1/2) / b.

    The next step is half a unit away then, so that the limit is exact where b divides a.
    """
    return floor((as_soft(a) + 0.5) / b)


def last_tile(a: Any, b: Any, tiles: Soft) -> Soft:
    """The size of the last of the tiles of b that cover a: uncertain by a tile at most.

    To first order a - (tiles - 1) b would be as uncertain as all of a.
    """
    last = a - (tiles - 1) * b
    return Soft(last.mean, tiles.spread * as_soft(b).mean)


def larger(a: Any, b: Any) -> Soft:
    """The mean of the larger of two."""
    a, b = as_soft(a), as_soft(b)
    return Soft(*_larger(a.mean, a.spread, b.mean, b.spread))


def smaller(a: Any, b: Any) -> Soft:
    """The mean of the smaller of two that are not negative: of (|a + b| - |a - b|) / 2.

    So the smaller of two sizes stays positive and never exceeds either, however uncertain they
    are; the mean of a - max(0, a - b) falls below zero with the tail of a size that does.
    """
    a, b = as_soft(a), as_soft(b)
    return Soft(*_smaller(a.mean, a.spread, b.mean, b.spread))


def select(condition: Any, a: Any, b: Any) -> Soft:
    """`a` where the condition holds, else `b`; a soft condition is a probability."""
    a, b = as_soft(a), as_soft(b)
    if isinstance(condition, Soft):
        share = condition.mean
        return Soft(b.mean + share * (a.mean - b.mean), b.spread + share * (a.spread - b.spread))
    return Soft(jnp.where(condition, a.mean, b.mean), jnp.where(condition, a.spread, b.spread))


def as_soft(number: Any) -> Soft:
    """A number without spread; soft numbers as they are."""
    if isinstance(number, Soft):
        return number
    return Soft(float(number) if isinstance(number, int) else number, 0.0)


# Means of logistic variables with derivatives in closed form: few operations, and no branches for
# numerical stability.


@jax.custom_jvp
def _mean_floor(x: Array, spread: Array) -> Array:
    """Probabilities of having reached the whole numbers nearby, added up.

    Whole numbers beyond zero are not reached: no fold count, size or price changes its sign.
    """
    base, reached, _ = _nearby(x, spread)
    return base - 4 + reached.sum(axis=-1)


@_mean_floor.defjvp
def _mean_floor_jvp(primals: Any, tangents: Any) -> tuple[Array, Array]:
    x, spread = primals
    base, reached, gap = _nearby(x, spread)
    density = reached * (1 - reached)
    slope, of_spread = density.sum(axis=-1), -(density * gap).sum(axis=-1)
    return (
        base - 4 + reached.sum(axis=-1),
        (slope * tangents[0] + of_spread * tangents[1]) / spread,
    )


def _nearby(x: Array, spread: Array) -> tuple[Array, Array, Array]:
    """The whole number below x; of 8 nearby, the probabilities of reaching them, and the gaps."""
    # Values that the steps share are computed once, not once per step.
    x, spread = jax.lax.optimization_barrier((x, spread))
    base = jnp.floor(x)
    shape = (1,) * jnp.ndim(x) + (8,)
    steps = jnp.expand_dims(base, -1) + jnp.arange(-3.0, 5.0, dtype=x.dtype).reshape(shape)
    x, spread = jnp.expand_dims(x, -1), jnp.expand_dims(spread, -1)
    gap = (x - steps) / spread
    # Beyond zero, zero included: certain, from either side.
    gap = jnp.where(x * steps > 0, gap, jnp.where(x > 0, _CERTAIN, -_CERTAIN))
    return base, jax.nn.sigmoid(gap), gap


class _Logistic(NamedTuple):
    """A sum or difference of means, in spreads: all that derivatives need, from one exponential."""

    gap: Array
    share: Array  # probability of being positive
    density: Array
    excess: Array  # by what half the mean of |.| is more than half |.| of the mean
    entropy: Array  # of the choice: by what half the mean of |.| grows with the spread


def _logistic(gap: Array) -> _Logistic:
    size = abs(gap)
    tail = jnp.exp(-size)
    most = 1 / (1 + tail)
    least = tail * most
    excess = jnp.log1p(tail)
    share = jnp.where(gap > 0, most, least)
    return _Logistic(gap, share, most * least, excess, excess + size * least)


@jax.custom_jvp
def _larger(a: Array, of_a: Array, b: Array, of_b: Array) -> tuple[Array, Array]:
    """Mean and spread: a - b differs from its mean by a logistic variable."""
    spread = of_a + of_b + _SMALLEST
    more = _logistic((a - b) / spread)
    return jnp.where(a > b, a, b) + spread * more.excess, of_b + more.share * (of_a - of_b)


@_larger.defjvp
def _larger_jvp(primals: Any, tangents: Any) -> tuple[Any, Any]:
    a, of_a, b, of_b = primals
    da, dof_a, db, dof_b = tangents
    spread = of_a + of_b + _SMALLEST
    more = _logistic((a - b) / spread)
    dspread = dof_a + dof_b
    dmean = db + more.share * (da - db) + more.entropy * dspread
    turn = more.density * (of_a - of_b) / spread
    dof = dof_b + more.share * (dof_a - dof_b) + turn * (da - db - more.gap * dspread)
    return _larger(*primals), (dmean, dof)


@jax.custom_jvp
def _smaller(a: Array, of_a: Array, b: Array, of_b: Array) -> tuple[Array, Array]:
    """Mean and spread: spread * log(cosh((a + b) / (2 spread)) / cosh((a - b) / (2 spread)))."""
    spread = of_a + of_b + _SMALLEST
    both, more = _logistic((a + b) / spread), _logistic((a - b) / spread)
    return (
        jnp.where(a > b, b, a) + spread * (both.excess - more.excess),
        (both.share - more.share) * of_a + (both.share + more.share - 1) * of_b,
    )


@_smaller.defjvp
def _smaller_jvp(primals: Any, tangents: Any) -> tuple[Any, Any]:
    a, of_a, b, of_b = primals
    da, dof_a, db, dof_b = tangents
    spread = of_a + of_b + _SMALLEST
    both, more = _logistic((a + b) / spread), _logistic((a - b) / spread)
    of_share, of_rest = both.share - more.share, both.share + more.share - 1
    dspread = dof_a + dof_b
    dmean = of_share * da + of_rest * db + (both.entropy - more.entropy) * dspread
    turn_both = both.density * (of_a + of_b) / spread
    turn_more = more.density * (of_b - of_a) / spread
    dof = of_share * dof_a + of_rest * dof_b
    dof += turn_both * (da + db - both.gap * dspread) + turn_more * (da - db - more.gap * dspread)
    return _smaller(*primals), (dmean, dof)
