"""Columns of foreign files as integers, whatever their type; what is no integer becomes 0.

Zero is no valid value of any input, so the check for validity that runs on the device finds it.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Int

from airchitect_jax.arrow import pa, pc

_DIGITS = r"^\s*\+?[0-9]{1,18}(\.0*)?\s*$"


def to_integers(column: pa.ChunkedArray) -> Int[np.ndarray, "rows"]:
    """int32 or int64; nulls, fractions and texts that are no number become 0.

    Raises:
      ValueError: the column's type holds no numbers.
    """
    kind = column.type
    if pa.types.is_dictionary(kind):
        return to_integers(column.cast(kind.value_type))
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        number = pc.fill_null(pc.match_substring_regex(column, _DIGITS), False)
        digits = pc.replace_substring_regex(pc.utf8_trim_whitespace(column), r"^\+|\.0*$", "")
        column = pc.cast(pc.if_else(number, digits, "0"), pa.int64())
    elif pa.types.is_decimal(kind):
        column = pc.cast(column, pa.float64())
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


def shown(column: pa.ChunkedArray, row: int) -> str:
    """A cell as its file has it, for a message of one line."""
    value = column[row].as_py()
    return "null" if value is None else " ".join(str(value).split())
