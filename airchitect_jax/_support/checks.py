"""Checks of inputs: an error of one line with field, row, value and what is allowed.

A wrong value is a `ValueError`, a wrong kind of object a `TypeError`.
"""

from __future__ import annotations

import enum
import math
import pathlib
from collections.abc import Iterator, Mapping
from typing import Any, TypeVar

import jax
import numpy as np

from airchitect_jax._support.printable import one_line
from airchitect_jax.types import Dataflow

MAX_DIM = 2**31 - 1  # workload dimensions travel as int32
MAX_COUNT = 2**63 - 1
# Floating-point estimates of counts below this bound leave room for their own rounding.
INT64_SAFE = 2.0**63 * (1 - 2.0**-40)
_LONGEST = 80  # characters of a value in a message
_WIDEST = 256  # bits of an integer that is written out


_Member = TypeVar("_Member", bound=enum.Enum)
_Object = TypeVar("_Object")


def is_traced(*values: Any) -> bool:
    """Whether any leaf is a tracer, whose value cannot be looked at."""
    return any(isinstance(leaf, jax.core.Tracer) for leaf in jax.tree.leaves(values))


def shown(value: Any) -> str:
    """A value as it stands in a message: one line, not too long."""
    if isinstance(value, int) and value.bit_length() > _WIDEST:  # Python refuses to print some
        return f"an integer of {value.bit_length()} bits"
    text = str(value) if isinstance(value, (int, float, np.number)) else repr(value)
    return one_line(text, _LONGEST)


def whole_number(name: str, value: Any, *, low: int = 1, high: int = MAX_DIM) -> int:
    """A whole number in low..high as a Python integer.

    Python and NumPy numbers and arrays without axes are allowed, floats if they are whole.

    Raises:
      ValueError: it is anything else; names the field, the value and what is allowed.
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
      ValueError: it is anything else; names the field, the value and what is allowed.
    """
    number = _scalar(value)
    if number is not None and low <= number <= high and math.isfinite(number):
        return float(number)
    raise ValueError(
        f"{name}: {shown(value)} is not allowed; expected a number in {low:g}..{high:g}"
    )


def _scalar(value: Any) -> int | float | None:
    """The Python number that a value stands for; None where it stands for none."""
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
    """The member of an enumeration that is meant: itself, or its value.

    Raises:
      ValueError: it is neither; names the field and lists the values.
    """
    if isinstance(value, kind):
        return value
    if isinstance(value, str):
        for one in kind:
            if one.value == value:
                return one
    raise ValueError(f"{name}: {shown(value)} is not allowed; expected {_choice(kind)}")


def dataflow_member(name: str, value: Any) -> Dataflow:
    """The dataflow that is meant: a member, its id, or its name in upper or lower case.

    Raises:
      ValueError: it is none of these.
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
    raise ValueError(f"{name}: {shown(value)} is not allowed; expected {_dataflows()}")


def _choice(kind: type[enum.Enum]) -> str:
    *first, last = (str(one.value) for one in kind)
    return f"{', '.join(first)} or {last}"


def _dataflows() -> str:
    return f"{', '.join(flow.name for flow in Dataflow)} or 0..{len(Dataflow) - 1}"


def instance(name: str, value: Any, kind: type[_Object]) -> _Object:
    """`value`, checked to be of a type.

    Raises:
      TypeError: it is of another; names the field and both types.
    """
    if not isinstance(value, kind):
        raise TypeError(f"{name}: {type(value).__name__} is not allowed; expected {kind.__name__}")
    return value


def instance_or_default(name: str, value: Any, kind: type[_Object]) -> _Object:
    """`value`, checked to be of a type; for None what the type is without arguments.

    Raises:
      TypeError: it is neither.
    """
    return kind() if value is None else instance(name, value, kind)


def file_path(name: str, value: Any) -> pathlib.Path:
    """A path.

    Raises:
      TypeError: it is none.
    """
    if not isinstance(value, (str, pathlib.Path)):
        raise TypeError(f"{name}: {shown(value)} is not allowed; expected a path")
    return pathlib.Path(value)


def settle(record: Any, **values: Any) -> None:
    """Gives fields of a frozen dataclass their checked values, within its `__post_init__`."""
    for name, value in values.items():
        object.__setattr__(record, name, value)


def as_array(name: str, values: Any) -> np.ndarray:
    """`values` as a NumPy array, nothing lost; not copied if they are one.

    Raises:
      ValueError: rows of different lengths, masked values, or a bool among numbers.
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
    if isinstance(values, type):  # NumPy would list the members of an enumeration
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
    """The shape that arrays of these shapes broadcast to.

    Raises:
      ValueError: there is none; names the fields and their shapes.
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
      ValueError: a value is no integer or out of range; names the field, the row and the value.
    """
    array = as_array(name, values)
    if array.dtype.kind not in "iuf":
        # Python ints beyond int64 arrive as objects: they are integers, but out of range.
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
    if bad.any():
        row = int(np.argmax(bad))
        where = f" at row {row}" if array.ndim else ""
        raise ValueError(
            f"{name}: {shown(array.flat[row])}{where} is not allowed; expected a whole number"
            f" in {low}..{high}"
        )
    return array.astype(np.int64)


def _kind(array: np.ndarray) -> str:
    """What an array holds, in a word."""
    if array.dtype == object and not array.ndim:
        return type(array.item()).__name__
    return str(array.dtype)


def real_field(name: str, values: Any, *, low: float = -math.inf, high: float = math.inf) -> None:
    """Checks that numbers of any shape are finite and within low..high, unless they are traced.

    Raises:
      ValueError: one is not; names the field, the row, the value and what is allowed.
    """
    if is_traced(values):
        return
    array = as_array(name, values)
    if not np.issubdtype(array.dtype, np.number) or array.dtype.kind in "cm":
        raise ValueError(f"{name}: expected numbers, got {_kind(array)}")
    bad = ~(np.isfinite(array) & (array >= low) & (array <= high)).reshape(-1)
    if bad.any():
        row = int(np.argmax(bad))
        where = f" at row {row}" if array.ndim else ""
        raise ValueError(
            f"{name}: {shown(array.flat[row])}{where} is not allowed; expected a number in"
            f" {low:g}..{high:g}"
        )


def dataflow_field(name: str, values: Any) -> np.ndarray:
    """Dataflows as int64: members, their ids in any shape, or one name.

    Raises:
      ValueError: a value is no dataflow; names the field, the row and the value.
    """
    if isinstance(values, str):
        values = dataflow_member(name, values)
    return int_field(name, values, low=0, high=len(Dataflow) - 1)
