"""Orders of operands in the SRAM that a SCALE-Sim layout file gives, as the package reads them.

Each dimension is cut into parts of `intraline_factor` words. The orders are axes of the array of
parts: with d dimensions, axis i is the number of the part along dimension i and axis d + i the
place within it. Lines follow each other along the axes of `interline_order`, and words of a line
along those of `intraline_order`. Words that pad the last parts are -1.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from jaxtyping import Int64

from airchitect_jax.scalesim.settings import Settings
from airchitect_jax.scalesim.topology import LayerLayout, ScalesimLayer

Order = Int64[np.ndarray, " words"]


def ifmap_order(settings: Settings, layer: ScalesimLayer, layout: LayerLayout | None) -> Order:
    """The ifmap's words by lines of the layout, counted from 0 whatever the offset is.

    Raises:
      ValueError: a layout with which the package ends; names the field.
    """
    layout = _given("ifmap", layout)
    factor = layout.ifmap_intraline_factor
    if _line_size("ifmap", factor) > settings.ifmap_bank_bandwidth:
        raise ValueError(
            f"ifmap_intraline_factor: {factor} is not allowed; expected a product of at most "
            f"the ifmap's bandwidth, {settings.ifmap_bank_bandwidth}"
        )
    shape = (layer.ifmap_rows, layer.ifmap_cols, layer.channels)
    words = np.arange(math.prod(shape)).reshape(shape)
    orders = (layout.ifmap_interline_order, layout.ifmap_intraline_order)
    return _in_order("ifmap", words, factor, *orders)


def filter_order(settings: Settings, layer: ScalesimLayer, layout: LayerLayout | None) -> Order:
    """The filter's words by lines of the layout.

    Raises:
      ValueError: a layout with which the package ends; names the field.
    """
    layout = _given("filter", layout)
    factor = layout.filter_intraline_factor
    if _line_size("filter", factor) != settings.filter_bank_bandwidth:
        raise ValueError(
            f"filter_intraline_factor: {factor} is not allowed; expected a product of "
            f"the filter's bandwidth, {settings.filter_bank_bandwidth}"
        )
    shape = (layer.num_filters, layer.channels, layer.filter_rows, layer.filter_cols)
    words = np.arange(math.prod(shape)).reshape(shape) + settings.filter_offset
    orders = (layout.filter_interline_order, layout.filter_intraline_order)
    return _in_order("filter", words, factor, *orders)


def _given(operand: str, layout: LayerLayout | None) -> LayerLayout:
    if layout is None:
        raise ValueError(f"{operand}_custom_layout: True is not allowed; expected a layout file")
    return layout


def _line_size(operand: str, factor: Sequence[int]) -> int:
    if min(factor) < 1:
        raise ValueError(
            f"{operand}_intraline_factor: {factor} is not allowed; expected numbers of at least 1"
        )
    return math.prod(factor)


def _in_order(
    operand: str,
    words: Int64[np.ndarray, "..."],
    factor: Sequence[int],
    interline: Sequence[int],
    intraline: Sequence[int],
) -> Order:
    num_axes = 2 * words.ndim
    axes = (*interline, *intraline)
    # NumPy counts negative axes from the last, and so does the package.
    if sorted(axis % num_axes for axis in axes if -num_axes <= axis < num_axes) != list(
        range(num_axes)
    ):
        raise ValueError(
            f"{operand}_interline_order, {operand}_intraline_order: {axes} is not allowed; "
            f"expected each of 0 to {num_axes - 1} once"
        )
    parts = [-(-size // width) for size, width in zip(words.shape, factor, strict=True)]
    padding = [
        (0, part * width - size)
        for part, width, size in zip(parts, factor, words.shape, strict=True)
    ]
    padded = np.pad(words, padding, constant_values=-1)
    split = padded.reshape([size for pair in zip(parts, factor, strict=True) for size in pair])
    split = split.transpose((*range(0, num_axes, 2), *range(1, num_axes, 2)))
    return split.transpose(axes).reshape(-1)
