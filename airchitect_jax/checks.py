"""Checks of inputs: a `ValueError` of one line with field, row, value and what is allowed."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np

MAX_DIM = 2**31 - 1  # workload dimensions travel as int32
# Floating-point estimates of counts below this bound leave room for their own rounding.
INT64_SAFE = 2.0**63 * (1 - 2.0**-40)
_LONGEST = 80  # characters of a value in a message
_WIDEST = 256  # bits of an integer that is written out


def shown(value: Any) -> str:
    """A value as it stands in a message: one line, not too long."""
    if isinstance(value, int) and value.bit_length() > _WIDEST:  # Python refuses to print some
        return f"an integer of {value.bit_length()} bits"
    text = str(value) if isinstance(value, (int, float, np.number)) else repr(value)
    text = " ".join(text.split())
    return text if len(text) <= _LONGEST else text[: _LONGEST - 3] + "..."


def printable(text: str, longest: int = _LONGEST) -> str:
    """A user's text as it stands in a message without quotes: one line, escaped, not too long."""
    text = "".join(char if char.isprintable() else repr(char)[1:-1] for char in text[: longest + 1])
    return text if len(text) <= longest else text[: longest - 3] + "..."


def is_traced(*values: Any) -> bool:
    """Whether any leaf is a tracer, whose value cannot be looked at."""
    return any(isinstance(leaf, jax.core.Tracer) for leaf in jax.tree.leaves(values))


def int_field(name: str, values: Any, *, low: int, high: int = MAX_DIM) -> np.ndarray:
    """`values` as int64, checked to be whole numbers in low..high.

    Raises:
      ValueError: a value is no integer or out of range; names the field, the row and the value.
    """
    array = np.asarray(values)
    if array.dtype == object or not (
        np.issubdtype(array.dtype, np.integer) or np.issubdtype(array.dtype, np.floating)
    ):
        # Python ints beyond int64 arrive as objects: they are integers, but out of range.
        if array.dtype != object or not all(isinstance(v, int) for v in array.flat):
            raise ValueError(f"{name}: expected integers, got {array.dtype}")
        bad = np.array([not low <= v <= high for v in array.flat])
    else:
        bad = ~((array >= low) & (array <= high)).reshape(-1)
        if np.issubdtype(array.dtype, np.floating):
            bad |= (array != np.floor(array)).reshape(-1)
    if bad.any():
        row = int(np.argmax(bad))
        where = f" at row {row}" if array.ndim else ""
        raise ValueError(
            f"{name}: {array.flat[row]}{where} is not allowed; expected a whole number"
            f" in {low}..{high}"
        )
    return array.astype(np.int64)
