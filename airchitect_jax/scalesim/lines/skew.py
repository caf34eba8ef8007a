"""Skewed tiles: each column of the array works a line later than the one to its left."""

from __future__ import annotations

from typing import Literal

import numpy as np
from jaxtyping import Int64
from numpy.lib.stride_tricks import as_strided


def tiles_in(
    lines: Int64[np.ndarray, "lines width"], *, start: int, step: int, height: int, skewed: bool
) -> Int64[np.ndarray, "tiles height width"]:
    """Tiles as a view of the lines that they are written to.

    Args:
      lines: C-contiguous.
      start: line of the first row of the first tile.
      step: lines from a tile to the next.
      height: rows of a tile.
      skewed: whether word [row, column] of a tile lies on line row + column, not on line row.
    """
    width, item = lines.shape[1], lines.itemsize
    return as_strided(
        lines[start:],
        (len(lines) // step, height, width),
        (step * width * item, width * item, (width * skewed + 1) * item),
    )


def write(
    tile: Int64[np.ndarray, "height width"], words: Int64[np.ndarray, "rows columns"]
) -> None:
    """Writes words into the top left of a tile, in the order in which they lie in memory.

    An assignment would follow the memory of the tile; that of the words is the larger one.
    """
    rows, columns = words.shape
    order: Literal["C", "F"] = "C" if words.strides[1] <= words.strides[0] else "F"
    np.positive(words, out=tile[:rows, :columns], order=order)  # the copy that takes an order
