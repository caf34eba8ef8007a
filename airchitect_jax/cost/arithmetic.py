"""Whole-number arithmetic that Python integers, NumPy arrays and JAX tracers all go through.

Floats stand for whole numbers: divisions of those below 2**53 are exact, because a quotient that
is not whole lies further from the next whole number than its rounding reaches.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

Number = Any  # Python int, NumPy array or JAX array


def floor_div(a: Number, b: Number) -> Number:
    """floor(a / b)."""
    if any(np.issubdtype(getattr(x, "dtype", np.int64), np.floating) for x in (a, b)):
        return _namespace(a, b).floor(a / b)
    return a // b


def ceil_div(a: Number, b: Number) -> Number:
    """ceil(a / b): how many tiles of b cover a."""
    return -floor_div(-a, b)


def larger(a: Number, b: Number) -> Number:
    """The larger of two numbers."""
    return select(a > b, a, b)


def smaller(a: Number, b: Number) -> Number:
    """The smaller of two numbers."""
    return select(a > b, b, a)


def select(condition: Any, a: Number, b: Number) -> Number:
    """`a` where the condition holds, else `b`."""
    if isinstance(condition, (bool, np.bool_)):
        return a if condition else b
    # Not jnp.maximum and the like: their care for NaN, of which there are none, costs operations.
    return _namespace(condition, a, b).where(condition, a, b)


def _namespace(*values: Any) -> Any:
    return jnp if any(isinstance(value, jax.Array) for value in values) else np
