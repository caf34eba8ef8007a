"""How the operands of a layer are folded onto the array of the scalesim 3.0.0 package."""

from __future__ import annotations

import dataclasses

from airchitect_jax.scalesim.settings import Settings


@dataclasses.dataclass(frozen=True, kw_only=True)
class Folds:
    """Folds of a layer; row folds are innermost in time.

    Attributes:
      s_r, s_c, t: what is mapped to rows, to columns and to time. WS counts the rows of the filter
        as `s_r`, although a sparse ifmap may have another number of columns.
      rows, cols: of the array.
    """

    s_r: int
    s_c: int
    t: int
    rows: int
    cols: int

    @property
    def rows_used(self) -> list[int]:
        """Rows of the array that each row fold uses."""
        return [min(self.rows, self.s_r - first) for first in range(0, self.s_r, self.rows)]

    @property
    def cols_used(self) -> list[int]:
        """Columns of the array that each column fold uses."""
        return [min(self.cols, self.s_c - first) for first in range(0, self.s_c, self.cols)]


def folds_of(settings: Settings, pixels: int, window: int, weights: int, filters: int) -> Folds:
    """The folds of a layer in the dataflow of the settings.

    Args:
      settings: the dataflow and the array.
      pixels: rows of the ifmap as a matrix.
      window: its columns.
      weights: rows of the filter as a matrix.
      filters: its columns.
    """
    s_r, s_c, t = {
        "os": (pixels, filters, window),
        "ws": (weights, filters, pixels),
        "is": (window, pixels, filters),
    }[settings.dataflow]
    return Folds(s_r=s_r, s_c=s_c, t=t, rows=settings.rows, cols=settings.cols)
