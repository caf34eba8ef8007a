"""Checks of arrays and dataflows, with one-line errors: the field, the row, what is allowed."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import jax
import numpy as np
from jaxtyping import Bool

from airchitect_jax._support.scalars import MAX_DIM, as_scalar, shown
from airchitect_jax.types import Dataflow


def is_traced(*values: Any) -> bool:
    """Whether any leaf is a tracer, whose value is unknown."""
    return any(isinstance(leaf, jax.core.Tracer) for leaf in jax.tree.leaves(values))


def dataflow_member(name: str, value: Any) -> Dataflow:
    """The dataflow, given as a member, its id, or its name in upper or lower case.

    Raises:
      ValueError: any other value.
    """
    if isinstance(value, Dataflow):
        return value
    if isinstance(value, str):
        for one in Dataflow:
            if value in (one.name, one.name.lower()):
                return one
    else:
        number = as_scalar(value)
        if number is not None and number in tuple(Dataflow):
            return Dataflow(int(number))
    raise ValueError(
        f"{name}: {shown(value)} is not allowed; expected"
        f" {', '.join(flow.name for flow in Dataflow)} or 0..{len(Dataflow) - 1}"
    )


def as_array(name: str, values: Any) -> np.ndarray:
    """`values` as a NumPy array without loss; an array is not copied.

    Raises:
      ValueError: there are rows of different lengths, masked values or booleans.
    """
    if isinstance(values, np.ma.MaskedArray) and np.any(values.mask):
        row = int(np.argmax(np.ma.getmaskarray(values)))
        raise ValueError(f"{name}: a masked value at row {row} is not allowed")
    if isinstance(values, (list, tuple)):
        for row, value in enumerate(_leaves(values)):
            if isinstance(value, (bool, np.bool_)):
                raise ValueError(
                    f"{name}: {value} at row {row} is not allowed; expected whole numbers"
                )
    if isinstance(values, type):  # NumPy would iterate over an enumeration's members
        raise ValueError(f"{name}: {shown(values)} is not allowed; expected whole numbers")
    try:
        return np.asarray(values)
    except jax.errors.TracerArrayConversionError:
        raise
    except (TypeError, ValueError, OverflowError):
        raise ValueError(f"{name}: {shown(values)} is not allowed; expected an array") from None


def _leaves(values: Any) -> Iterator[Any]:
    for value in values:
        if isinstance(value, (list, tuple)):
            yield from _leaves(value)
        else:
            yield value


def common_shape(fields: Mapping[str, Any]) -> tuple[int, ...]:
    """The shape that the fields broadcast to.

    Raises:
      ValueError: they do not broadcast; names the fields and their shapes.
    """
    shapes = {name: np.shape(field) for name, field in fields.items()}
    try:
        return np.broadcast_shapes(*shapes.values())
    except ValueError:
        given = ", ".join(f"{name} {shape}" for name, shape in shapes.items() if shape)
        raise ValueError(f"the shapes of {given} do not broadcast") from None


def int_field(name: str, values: Any, *, low: int, high: int = MAX_DIM) -> np.ndarray:
    """`values` as int64, checked to be whole numbers in low..high.

    Raises:
      ValueError: a value is not whole or out of range; names the field, the row and the value.
    """
    array = as_array(name, values)
    if array.dtype.kind not in "iuf":
        # NumPy holds Python ints beyond int64 as objects; they are whole but out of range.
        whole = array.dtype == object and all(
            isinstance(v, int) and not isinstance(v, bool) for v in array.flat
        )
        if not whole:
            raise ValueError(f"{name}: expected integers, got {_kind(array)}")
        bad = np.array([not low <= v <= high for v in array.flat], bool)
    else:
        bad = ~((array >= low) & (array <= high)).reshape(-1)
        if array.dtype.kind == "f":
            bad |= (array != np.floor(array)).reshape(-1)
    _refuse_first(name, array, bad, f"a whole number in {low}..{high}")
    return array.astype(np.int64)


def _refuse_first(
    name: str, array: np.ndarray, bad: Bool[np.ndarray, "values"], allowed: str
) -> None:
    """Raises a ValueError for the first bad value of an array, if there is one."""
    if bad.any():
        row = int(np.argmax(bad))
        where = f" at row {row}" if array.ndim else ""
        raise ValueError(
            f"{name}: {shown(array.flat[row])}{where} is not allowed; expected {allowed}"
        )


def _kind(array: np.ndarray) -> str:
    """The type of an array's values, for messages."""
    if array.dtype == object and not array.ndim:
        return type(array.item()).__name__
    return str(array.dtype)


def real_field(name: str, values: Any, *, low: float = -math.inf, high: float = math.inf) -> None:
    """Checks that numbers of any shape are finite and within low..high, unless they are traced.

    Raises:
      ValueError: a number is not; names the field, the row, the value and what is allowed.
    """
    if is_traced(values):
        return
    array = as_array(name, values)
    if not np.issubdtype(array.dtype, np.number) or array.dtype.kind in "cm":
        raise ValueError(f"{name}: expected numbers, got {_kind(array)}")
    bad = ~(np.isfinite(array) & (array >= low) & (array <= high)).reshape(-1)
    _refuse_first(name, array, bad, f"a number in {low:g}..{high:g}")


def dataflow_field(name: str, values: Any) -> np.ndarray:
    """Dataflows as int64, given as members or ids of any shape, or as one name.

    Raises:
      ValueError: a value is not a dataflow; names the field, the row and the value.
    """
    if isinstance(values, str):
        values = dataflow_member(name, values)
    return int_field(name, values, low=0, high=len(Dataflow) - 1)
