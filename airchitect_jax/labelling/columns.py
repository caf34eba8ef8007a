"""Columns of foreign files as integers, whatever their type; anything else becomes 0.

Zero is not a valid value of any input, so the check for validity that runs on the device finds it.
"""

from __future__ import annotations

import decimal

import numpy as np
from jaxtyping import Int

from airchitect_jax._support import one_line
from airchitect_jax._support.arrow import pa, pc

_MAX_DIGITS = 18  # that int64 holds in any case
_DIGITS = rf"^\s*\+?[0-9]{{1,{_MAX_DIGITS}}}(\.0*)?\s*$"


def to_integers(column: pa.ChunkedArray) -> Int[np.ndarray, "rows"]:
    """A column as int32 or int64; nulls, fractions, non-numbers and values out of range become 0.

    Raises:
      ValueError: the column is not of a numeric type.
    """
    kind = column.type
    if pa.types.is_dictionary(kind):
        return to_integers(column.cast(kind.value_type))
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        number = pc.fill_null(pc.match_substring_regex(column, _DIGITS), False)
        digits = pc.replace_substring_regex(pc.utf8_trim_whitespace(column), r"^\+|\.0*$", "")
        column = pc.cast(pc.if_else(number, digits, "0"), pa.int64())
    elif pa.types.is_decimal(kind):
        column = _whole_decimals(column)
    elif not (pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_null(kind)):
        raise ValueError(f"holds {kind}; expected numbers")
    if pa.types.is_null(kind):
        return np.zeros(len(column), np.int64)
    if column.null_count:
        column = pc.fill_null(column, 0)
    values = column.to_numpy()
    if values.dtype.kind == "f":
        whole = np.isfinite(values) & (values == np.floor(values)) & (np.abs(values) < 2.0**53)
        return np.where(whole, values, 0).astype(np.int64)
    if values.dtype == np.uint64:
        return np.where(values < 2**62, values, 0).astype(np.int64)
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
