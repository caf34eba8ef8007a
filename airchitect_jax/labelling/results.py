"""Columns of results as Arrow arrays."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
from jaxtyping import Int, Num, UInt

from airchitect_jax._support.arrow import pa


@dataclasses.dataclass(frozen=True, kw_only=True)
class Coded:
    """A column of few distinct values, `values[codes]`, written as a dictionary.

    Attributes:
      codes: uint8 or uint16.
      values: whole numbers or texts.
    """

    codes: UInt[np.ndarray, "rows"]
    values: Num[np.ndarray, "values"] | Sequence[str]

    def take(self, rows: Int[np.ndarray, "some"]) -> Coded:
        """Some rows."""
        return Coded(codes=self.codes.take(rows), values=self.values)


# A matrix is a column of lists of one length; what is masked is null.
Column = Num[np.ndarray, "rows"] | Num[np.ndarray, "rows length"] | Coded


def coded(values: Num[np.ndarray, "rows"]) -> Coded | Num[np.ndarray, "rows"]:
    """Codes of the distinct values, or the values, if more than 2**16 are distinct."""
    distinct, codes = np.unique(values, return_inverse=True)
    if len(distinct) > 2**16:
        return values
    return Coded(
        codes=codes.astype(np.uint8 if len(distinct) <= 2**8 else np.uint16), values=distinct
    )


def to_arrow(column: Column, kind: pa.DataType) -> pa.Array:
    """A column as an array of a type; coded ones as a dictionary of values of the type."""
    if isinstance(column, Coded):
        values = pa.string() if pa.types.is_dictionary(kind) else kind
        return pa.DictionaryArray.from_arrays(
            pa.array(column.codes), pa.array(column.values, values)
        )
    if pa.types.is_fixed_size_list(kind):
        mask = np.ma.getmaskarray(column).reshape(-1) if np.ma.isMaskedArray(column) else None
        values = pa.array(np.ma.getdata(column).reshape(-1), kind.value_type, mask=mask)
        return pa.FixedSizeListArray.from_arrays(values, kind.list_size)
    return pa.array(column, kind)
