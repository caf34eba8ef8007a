"""Whole-number arithmetic for Python integers, NumPy arrays and JAX tracers.

Floats stand for whole numbers: divisions of those below 2**53 are exact. Soft numbers
(`airchitect_jax.cost.soft`) work as well, for gradients.
"""

from __future__ import annotations

import functools
import itertools
import operator
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from airchitect_jax.cost import soft
from airchitect_jax.cost.soft import Soft

Number = Any  # Python int, NumPy array, JAX array or soft number


def floor_div(a: Number, b: Number) -> Number:
    """floor(a / b), with b > 0."""
    if _is_soft(a, b):
        return soft.floor_div(a, b)
    if any(np.issubdtype(getattr(x, "dtype", np.int64), np.floating) for x in (a, b)):
        quotient = _namespace(a, b).floor(a / b)
        # Where b is the same for many a, XLA multiplies by its rounded reciprocal, which can be off
        # by one.
        rest = a - quotient * b
        return quotient + select(rest < b, 0.0, 1.0) - select(rest < 0, 1.0, 0.0)
    return a // b


def ceil_div(a: Number, b: Number) -> Number:
    """ceil(a / b): how many tiles of b cover a."""
    return -floor_div(-a, b)


def last_tile(a: Number, b: Number, tiles: Number) -> Number:
    """The size of the last of the ceil(a / b) tiles that cover a."""
    if _is_soft(a, b):
        return soft.last_tile(a, b, tiles)
    return a - (tiles - 1) * b


def larger(a: Number, b: Number) -> Number:
    """The larger of two numbers."""
    if _is_soft(a, b):
        return soft.larger(a, b)
    return select(a > b, a, b)


def smaller(a: Number, b: Number) -> Number:
    """The smaller of two numbers."""
    if _is_soft(a, b):
        return soft.smaller(a, b)
    return select(a > b, b, a)


def select(condition: Any, a: Number, b: Number) -> Number:
    """`a` where the condition holds, else `b`."""
    if isinstance(condition, (bool, np.bool_)):
        return a if condition else b
    if _is_soft(condition, a, b):
        return soft.select(condition, a, b)
    # Not jnp.maximum and the like: their handling of NaN, which cannot occur, costs operations.
    return _namespace(condition, a, b).where(condition, a, b)


def pick(choice: Number, a: Number, b: Number) -> Number:
    """`a` if the choice is 1, `b` if it is 0."""
    return choice * a + (1 - choice) * b


def rounded_product(a: Number, b: Number) -> Number:
    """The product in float64, exact and rounded once; of two floats their ordinary product.

    Args:
      a: a Python integer, or an array of whole numbers in 0..2**63 - 1, in int64 or float64 (in
        JAX under 64-bit mode).
      b: the same.
    """
    if isinstance(a, int) and isinstance(b, int):
        return float(a * b)
    if all(np.issubdtype(getattr(x, "dtype", np.int64), np.floating) for x in (a, b)):
        return a * b
    xp = _namespace(a, b)
    a, b = (xp.asarray(x).astype(np.uint64) for x in (a, b))
    # All 128 bits, from products of halves.
    half = 2**32 - 1
    cross, other = (a & half) * (b >> 32), (a >> 32) * (b & half)
    carry = (((a & half) * (b & half)) >> 32) + (cross & half) + (other & half)
    high, low = (a >> 32) * (b >> 32) + (cross >> 32) + (other >> 32) + (carry >> 32), a * b
    # The first 63 bits or more, the last one set if any of those dropped is: this rounds the same
    # way.
    length = high.astype(np.float64).view(np.uint64) >> 52  # biased; one too large at most
    dropped = xp.where(high > 0, length - 1022, 0)
    one = xp.ones_like(low)
    rest = low & ((one << dropped) - 1)
    first = ((high << 1) << (63 - dropped)) | (low >> dropped) | (rest > 0).astype(np.uint64)
    return first.astype(np.float64) * (one << dropped).astype(np.float64)


def weighted_sum(
    function: Callable[..., Number], groups: Sequence[tuple[Number, Sequence[tuple[Number, ...]]]]
) -> Number:
    """Sum over groups (weight, rows) and their rows (weight, *arguments) of weights * function.

    Soft numbers are stacked and evaluated once, since their graphs are large.
    """
    rows = [(weight, *row) for weight, group in groups for row in group]
    if _is_soft(*(number for row in rows for number in row)):
        outer, inner, *arguments = soft.stack(rows)
        return (outer * inner * function(*arguments)).sum()

    def total(terms: Iterable[Number]) -> Number:  # `sum` would add the first to zero
        return functools.reduce(operator.add, terms)

    return total(
        weight * total(inner * function(*row) for inner, *row in group) for weight, group in groups
    )


def grid_sum(function: Callable[..., Number], given: Any, *axes: Sequence[Any]) -> Number:
    """Sum of function(given, *entries) over all combinations of an entry of each axis.

    Entries are named tuples of numbers. Arrays and soft numbers are stacked, each axis along a
    leading axis of its own, and the function is evaluated once.
    """
    numbers = jax.tree.leaves((given, axes), is_leaf=_is_soft)
    if all(isinstance(number, int) for number in numbers):
        return sum(function(given, *entries) for entries in itertools.product(*axes))
    batch = jnp.broadcast_shapes(*(np.shape(x) for x in jax.tree.leaves((given, axes))))
    xp = _namespace(*jax.tree.leaves((given, axes)))

    def alone(part: Any) -> Any:  # JAX may be set to refuse to add axes by itself
        rank = len(axes) + len(batch) - np.ndim(part)
        return part if np.ndim(part) == 0 else part.reshape((1,) * rank + part.shape)

    def stacked(axis: int, parts: Sequence[Any]) -> Any:
        shape = [1] * len(axes) + list(batch)
        shape[axis] = len(parts)
        return xp.stack([xp.broadcast_to(part, batch) for part in parts]).reshape(shape)

    def joined(axis: int, *parts: Any) -> Number:
        if not _is_soft(*parts):
            return stacked(axis, parts)
        numbers = [soft.as_soft(part) for part in parts]
        means, spreads = [x.mean for x in numbers], [x.spread for x in numbers]
        return Soft(stacked(axis, means), stacked(axis, spreads))

    entries = [
        jax.tree.map(functools.partial(joined, axis), *entries, is_leaf=_is_soft)
        for axis, entries in enumerate(axes)
    ]
    return function(jax.tree.map(alone, given), *entries).sum(axis=tuple(range(len(axes))))


def _is_soft(*values: Any) -> bool:
    return any(isinstance(value, Soft) for value in values)


def _namespace(*values: Any) -> Any:
    return jnp if any(isinstance(value, jax.Array) for value in values) else np
