"""Input checks with one-line errors: the field, the row, the value and what is allowed.

A wrong value raises a `ValueError`, an object of the wrong type a `TypeError`.
"""

from __future__ import annotations

import enum
import math
import pathlib
from collections.abc import Iterator, Mapping
from typing import Any, TypeVar

import jax
import numpy as np
from jaxtyping import Bool

from airchitect_jax._support.printable import one_line
from airchitect_jax.types import Dataflow

MAX_DIM = 2**31 - 1  # workload dimensions are stored as int32
MAX_COUNT = 2**63 - 1
# A bound for floating-point estimates of counts, with a margin for their rounding.
INT64_SAFE = 2.0**63 * (1 - 2.0**-40)
_LONGEST = 80  # characters of a value in a message
_WIDEST = 256  # bits of an integer that is printed in full


_Member = TypeVar("_Member", bound=enum.Enum)
_Object = TypeVar("_Object")


def is_traced(*values: Any) -> bool:
    """Whether any leaf is a tracer, whose value is unknown."""
    return any(isinstance(leaf, jax.core.Tracer) for leaf in jax.tree.leaves(values))


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
    number = _scalar(value)
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
    number = _scalar(value)
    if number is not None and low <= number <= high and math.isfinite(number):
        return float(number)
    raise ValueError(
        f"{name}: {shown(value)} is not allowed; expected a number in {low:g}..{high:g}"
    )


def _scalar(value: Any) -> int | float | None:
    """A value as a Python number; None if it is not a number."""
    if isinstance(value, (np.ndarray, jax.Array)) and not isinstance(value, jax.core.Tracer):
        if np.ndim(value) or (isinstance(value, np.ma.MaskedArray) and np.any(value.mask)):
            return None
        value = value[()] if isinstance(value, np.ndarray) else _item(value)
    if isinstance(value, np.generic) and value.dtype.kind in "iuf":
        value = value.item()
    return value if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def _item(value: jax.Array) -> Any:
    try:
        return value.item()
    except TypeError:  # a random key
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
        number = _scalar(value)
        if number is not None and number in tuple(Dataflow):
            return Dataflow(int(number))
    raise ValueError(
        f"{name}: {shown(value)} is not allowed; expected"
        f" {', '.join(flow.name for flow in Dataflow)} or 0..{len(Dataflow) - 1}"
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
