"""Rows of a trace as text, compiled: NumPy's `savetxt` takes seconds for a million numbers."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float64, Int64, UInt8

from airchitect_jax._support import compiled

# A number has at most 16 digits, a sign, ".0" and a comma. Larger ones, and fractions, are left to
# Python, as their shortest form takes more than digits.
WIDEST = 20
_LARGEST = 10**16
_MINUS, _DOT, _ZERO, _COMMA, _NEWLINE = 45, 46, 48, 44, 10


@compiled
def write_rows(
    cycles: Float64[np.ndarray, " rows"],
    words: Int64[np.ndarray, "rows columns"],
    as_floats: bool,
    out: UInt8[np.ndarray, " room"],
) -> int:
    """Writes a line per row: its cycle, then its words, with commas between.

    Args:
      cycles: of each row.
      words: of each row.
      as_floats: as `str` prints floats, with ".0"; else as integers, without the cycle's fraction.
      out: room for `WIDEST` characters per number.

    Returns:
      The number of characters, or -1 if there is a number that needs another form.
    """
    end = 0
    digits = np.empty(WIDEST, np.uint8)
    for row in range(words.shape[0]):
        cycle = cycles[row]
        number = np.int64(cycle)
        if as_floats and (number != cycle or (number == 0 and np.signbit(cycle))):
            return -1
        for column in range(words.shape[1] + 1):
            if column > 0:
                number = words[row, column - 1]
            if not -_LARGEST < number < _LARGEST:
                return -1
            if number < 0:
                out[end] = _MINUS
                end += 1
                number = -number
            length = 0
            while number >= 10:
                digits[length] = _ZERO + number % 10
                number //= 10
                length += 1
            out[end] = _ZERO + number
            end += 1
            while length > 0:
                length -= 1
                out[end] = digits[length]
                end += 1
            if as_floats:
                out[end] = _DOT
                out[end + 1] = _ZERO
                end += 2
            out[end] = _COMMA
            end += 1
        out[end - 1] = _NEWLINE
    return end
