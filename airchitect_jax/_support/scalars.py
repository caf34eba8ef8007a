"""Checks of single values, with one-line errors: the field, the value and what is allowed.

A wrong value raises a `ValueError`, an object of the wrong type a `TypeError`. Without JAX, which
not every command needs.
"""

from __future__ import annotations

import enum
import math
import pathlib
from typing import Any, TypeVar

import numpy as np

from airchitect_jax._support.printable import one_line

MAX_DIM = 2**31 - 1  # workload dimensions are stored as int32
MAX_COUNT = 2**63 - 1
# A bound for floating-point estimates of counts, with a margin for their rounding: in float64, or
# in pairs of float32, as on a TPU.
INT64_SAFE = 2.0**63 * (1 - 2.0**-32)
_LONGEST = 80  # characters of a value in a message
_WIDEST = 256  # bits of an integer that is printed in full


_Member = TypeVar("_Member", bound=enum.Enum)
_Object = TypeVar("_Object")


def shown(value: Any) -> str:
    """A value as shown in a message: one line of limited length."""
    if isinstance(value, int) and value.bit_length() > _WIDEST:  # Python refuses to print more
        return f"an integer of {value.bit_length()} bits"
    text = str(value) if isinstance(value, (int, float, np.number)) else repr(value)
    return one_line(text, _LONGEST)


def whole_number(name: str, value: Any, *, low: int = 1, high: int = MAX_DIM) -> int:
    """A whole number in low..high as a Python integer.

    Python and NumPy numbers and zero-dimensional arrays are allowed, and whole floats.

    Raises:
      ValueError: any other value; names the field, the value and what is allowed.
    """
    number = as_scalar(value)
    if isinstance(number, float) and number.is_integer():
        number = int(number)
    if isinstance(number, int) and low <= number <= high:
        return number
    raise ValueError(
        f"{name}: {shown(value)} is not allowed; expected a whole number in {low}..{high}"
    )


def real_number(name: str, value: Any, *, low: float, high: float) -> float:
    """A finite number in low..high as a Python float.

    Raises:
      ValueError: any other value; names the field, the value and what is allowed.
    """
    number = as_scalar(value)
    if number is not None and low <= number <= high and math.isfinite(number):
        return float(number)
    raise ValueError(
        f"{name}: {shown(value)} is not allowed; expected a number in {low:g}..{high:g}"
    )


def as_scalar(value: Any) -> int | float | None:
    """A value as a Python number; None if it is not a number."""
    if isinstance(value, np.ndarray):
        if value.ndim or (isinstance(value, np.ma.MaskedArray) and np.any(value.mask)):
            return None
        value = value[()]
    elif hasattr(value, "aval"):  # of JAX, which is not imported here
        value = None if value.ndim else _item(value)
    if isinstance(value, np.generic) and value.dtype.kind in "iuf":
        value = value.item()
    return value if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def _item(value: Any) -> Any:
    try:
        return value.item()
    except TypeError:  # a tracer or a random key
        return None


def member(name: str, value: Any, kind: type[_Member]) -> _Member:
    """The member of an enumeration, given as the member or its value.

    Raises:
      ValueError: any other value; names the field and lists the values.
    """
    if isinstance(value, kind):
        return value
    if isinstance(value, str):
        for one in kind:
            if one.value == value:
                return one
    *first, last = (str(one.value) for one in kind)
    raise ValueError(
        f"{name}: {shown(value)} is not allowed; expected {', '.join(first)} or {last}"
    )


def instance(name: str, value: Any, kind: type[_Object]) -> _Object:
    """`value`, checked to be an instance of `kind`.

    Raises:
      TypeError: it is of another type; names the field and both types.
    """
    if not isinstance(value, kind):
        raise TypeError(f"{name}: {type(value).__name__} is not allowed; expected {kind.__name__}")
    return value


def instance_or_default(name: str, value: Any, kind: type[_Object]) -> _Object:
    """`value`, checked to be an instance of `kind`; for None a default-constructed one.

    Raises:
      TypeError: it is neither.
    """
    return kind() if value is None else instance(name, value, kind)


def file_path(name: str, value: Any) -> pathlib.Path:
    """`value` as a path.

    Raises:
      TypeError: it is not a path.
    """
    if not isinstance(value, (str, pathlib.Path)):
        raise TypeError(f"{name}: {shown(value)} is not allowed; expected a path")
    return pathlib.Path(value)


def settle(record: Any, **values: Any) -> None:
    """Sets checked values of fields in the `__post_init__` of a frozen dataclass."""
    for name, value in values.items():
        object.__setattr__(record, name, value)
