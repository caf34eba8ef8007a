"""Columns from and to files.

Those of foreign files become integers, whatever their type; anything else becomes `INVALID`. No
input may have this value, so the check for validity that runs on the device finds it.
"""

from __future__ import annotations

import decimal
from collections.abc import Sequence

import numpy as np
from jaxtyping import Int

from airchitect_jax._support import one_line
from airchitect_jax._support.arrow import pa, pc
from airchitect_jax.types import Dataflow

INVALID = -(2**31)
_MAX_DIGITS = 18  # that int64 holds in any case
_DIGITS = rf"^\s*\+?[0-9]{{1,{_MAX_DIGITS}}}(\.0*)?\s*$"


def to_integers(column: pa.ChunkedArray, names: Sequence[str] = ()) -> Int[np.ndarray, "rows"]:
    """A column as int32 or int64.

    Nulls, fractions, non-numbers and values out of range become `INVALID`.

    Args:
      column: of numbers, or of their texts.
      names: of the values 0, 1, 2 and so on, which a text may give instead; in any case.

    Raises:
      ValueError: the column is not of a numeric type.
    """
    kind = column.type
    if pa.types.is_dictionary(kind):
        return to_integers(column.cast(kind.value_type), names)
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        for value, name in enumerate(names):
            same = pc.equal(pc.utf8_lower(pc.utf8_trim_whitespace(column)), name.lower())
            column = pc.if_else(pc.fill_null(same, False), str(value), column)
        number = pc.fill_null(pc.match_substring_regex(column, _DIGITS), False)
        digits = pc.replace_substring_regex(pc.utf8_trim_whitespace(column), r"^\+|\.0*$", "")
        column = pc.cast(pc.if_else(number, digits, str(INVALID)), pa.int64())
    elif pa.types.is_decimal(kind):
        column = _whole_decimals(column)
    elif not (pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_null(kind)):
        raise ValueError(f"holds {kind}; expected numbers")
    if pa.types.is_null(kind):
        return np.full(len(column), INVALID, np.int64)
    if column.null_count and pa.types.is_uint64(kind):
        column = pc.fill_null(column, 2**63)
    elif column.null_count:
        wide = column if pa.types.is_floating(kind) else pc.cast(column, pa.int64())
        column = pc.fill_null(wide, INVALID)
    values = column.to_numpy()
    if values.dtype.kind == "f":
        whole = np.isfinite(values) & (values == np.floor(values)) & (np.abs(values) < 2.0**53)
        return np.where(whole, values, INVALID).astype(np.int64)
    if values.dtype == np.uint64:
        small = values < 2**62
        return np.where(small, np.where(small, values, 0).astype(np.int64), INVALID)
    return values if values.dtype in (np.int32, np.int64) else values.astype(np.int64)


def _whole_decimals(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Decimals as int64, exact; fractions and more than 18 digits become null."""
    kind = column.type
    if kind.bit_width < 128:  # for which Arrow cannot round
        return _whole_decimals(column.cast(pa.decimal128(kind.precision, kind.scale)))
    whole = pc.equal(pc.trunc(column), column)
    if kind.precision - kind.scale > _MAX_DIGITS:
        limit = pa.scalar(decimal.Decimal(10) ** _MAX_DIGITS)
        whole = pc.and_(whole, pc.less(pc.abs(column), limit))
    return pc.cast(pc.if_else(whole, column, pa.scalar(None, kind)), pa.int64())


def shown(column: pa.ChunkedArray, row: int) -> str:
    """A cell as text for a message: one line, escaped and shortened."""
    value = column[row].as_py()
    return "null" if value is None else one_line(str(value), 80)


def to_arrow(values: np.ndarray, kind: pa.DataType) -> pa.Array:
    """Results as a column of a type: a matrix as lists, values of `Dataflow` as their names."""
    if pa.types.is_fixed_size_list(kind):
        return pa.FixedSizeListArray.from_arrays(pa.array(values.reshape(-1)), type=kind)
    if pa.types.is_dictionary(kind):
        names = pa.array([dataflow.name for dataflow in Dataflow])
        return pa.DictionaryArray.from_arrays(pa.array(values), names)
    return pa.array(values, kind)
