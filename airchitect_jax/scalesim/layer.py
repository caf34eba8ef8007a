"""Layers of a SCALE-Sim topology, and the layouts of their operands in the SRAM."""

from __future__ import annotations

import dataclasses

from airchitect_jax.scalesim.cells import whole

_SIZES = (
    "ifmap_rows",
    "ifmap_cols",
    "filter_rows",
    "filter_cols",
    "channels",
    "num_filters",
    "row_stride",
    "col_stride",
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class ScalesimLayer:
    """One layer, as the scalesim 3.0.0 package sees it: a convolution.

    A GEMM is a convolution of an ifmap of m x k with n filters of 1 x k.

    Attributes:
      name: of the layer.
      ifmap_rows, ifmap_cols: of the input, padding included.
      filter_rows, filter_cols: of a filter.
      channels: of input and filter.
      num_filters: number of filters.
      row_stride, col_stride: of the window.
      sparsity_n, sparsity_m: at most n of m weights in a row are not zero.

    Raises:
      ValueError: a size is not in 1..2**31 - 1, or the filter is larger than the ifmap.
    """

    name: str
    ifmap_rows: int
    ifmap_cols: int
    filter_rows: int
    filter_cols: int
    channels: int
    num_filters: int
    row_stride: int
    col_stride: int
    sparsity_n: int = 1
    sparsity_m: int = 1

    def __post_init__(self) -> None:
        """Refuses sizes with which the package crashes or counts backwards."""
        for field in _SIZES:
            whole(field, getattr(self, field))
        for side in ("rows", "cols"):
            ifmap, filters = getattr(self, f"ifmap_{side}"), getattr(self, f"filter_{side}")
            if filters > ifmap:
                raise ValueError(
                    f"filter_{side}: {filters} is not allowed; expected at most ifmap_{side},"
                    f" {ifmap}"
                )

    @property
    def ofmap_rows(self) -> int:
        """Rows of the output."""
        return -(-(self.ifmap_rows - self.filter_rows + self.row_stride) // self.row_stride)

    @property
    def ofmap_cols(self) -> int:
        """Columns of the output."""
        return -(-(self.ifmap_cols - self.filter_cols + self.col_stride) // self.col_stride)

    @property
    def ofmap_pixels(self) -> int:
        """Pixels of an output channel: m of the GEMM."""
        return self.ofmap_rows * self.ofmap_cols

    @property
    def window_size(self) -> int:
        """Words of a filter: k of the GEMM."""
        return self.filter_rows * self.filter_cols * self.channels

    @property
    def num_macs(self) -> int:
        """Multiply-accumulate operations of the dense layer."""
        return self.ofmap_pixels * self.num_filters * self.window_size


@dataclasses.dataclass(frozen=True, kw_only=True)
class LayerLayout:
    """The layout of a layer's operands in the lines of the SRAM.

    Dimensions are (height, width, channel) of the ifmap and (filter, channel, height, width) of
    the filter.

    Attributes:
      ifmap_intraline_factor: words of a line along each dimension.
      ifmap_intraline_order: order of the dimensions within a line.
      ifmap_interline_order: order of the dimensions from line to line.
      filter_intraline_factor, filter_intraline_order, filter_interline_order: likewise.
    """

    ifmap_intraline_factor: tuple[int, int, int]
    ifmap_intraline_order: tuple[int, int, int]
    ifmap_interline_order: tuple[int, int, int]
    filter_intraline_factor: tuple[int, int, int, int]
    filter_intraline_order: tuple[int, int, int, int]
    filter_interline_order: tuple[int, int, int, int]
