"""The order in which the scalesim 3.0.0 package fetches operands in advance.

An operand is cut into tiles as wide as the array, which are stacked. A streamed operand is fetched
along the anti-diagonals of the stack, bottom left to top right; the stationary one row by row.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Int64
from numpy.lib.stride_tricks import as_strided

from airchitect_jax.scalesim.layer import LayerLayout, ScalesimLayer
from airchitect_jax.scalesim.lines import custom_layout
from airchitect_jax.scalesim.lines.matrices import Operands
from airchitect_jax.scalesim.settings import Settings

Order = Int64[np.ndarray, " words"]


def prefetch(
    settings: Settings, layer: ScalesimLayer, operands: Operands, layout: LayerLayout | None
) -> tuple[Order, Order]:
    """Addresses of ifmap and filter in the order of fetches; -1 takes room but is no word.

    In CALC mode nothing is fetched in advance: both are empty.

    Raises:
      ValueError: a custom layout with which the package ends, in either mode; names the field.
    """
    if settings.ifmap_custom_layout:
        ifmap = custom_layout.ifmap_order(settings, layer, layout)
    elif settings.user_bandwidth:
        ifmap = _ifmap_order(settings, operands)
    if settings.filter_custom_layout:
        weights = custom_layout.filter_order(settings, layer, layout)
    elif settings.user_bandwidth:
        weights = _filter_order(settings, operands)
    if not settings.user_bandwidth:
        return np.empty(0, np.int64), np.empty(0, np.int64)
    return ifmap, weights


def _ifmap_order(settings: Settings, operands: Operands) -> Order:
    match settings.dataflow:
        case "os":
            return _by_diagonals(operands.ifmap.T, settings.rows)
        case "ws":
            return _by_diagonals(operands.ifmap, settings.rows)
        case _:
            return _by_rows(operands.ifmap.T, settings.cols)


def _filter_order(settings: Settings, operands: Operands) -> Order:
    match settings.dataflow:
        case "os":
            return _by_diagonals(operands.filter, settings.cols)
        case "ws":
            return _by_rows(operands.filter, settings.cols)
        case _:
            return _by_diagonals(operands.filter.T, settings.rows)


def _by_rows(words: Int64[np.ndarray, "lines columns"], width: int) -> Order:
    stack = np.empty((_stack_height(words, width), width), np.int64)
    _stack_tiles(words, stack)
    return stack.reshape(-1)


def _by_diagonals(words: Int64[np.ndarray, "lines columns"], width: int) -> Order:
    """Anti-diagonals of the stack.

    In a matrix with a row per anti-diagonal and a column per column of the stack, rows
    width - 1 .. height - 1 are full, and already lie in order. Only the corners are closed up.
    """
    height = _stack_height(words, width)
    diagonals = np.empty((height + width - 1, width), np.int64)
    item = diagonals.itemsize
    _stack_tiles(words, as_strided(diagonals, (height, width), (width * item, (width + 1) * item)))
    flat = diagonals.reshape(-1)
    row = np.arange(len(diagonals))[:, None] - np.arange(width)  # of the stack
    inside = (row >= 0) & (row < height)
    if height < width:
        return flat[inside.reshape(-1)]
    head, tail = diagonals[: width - 1][inside[: width - 1]], diagonals[height:][inside[height:]]
    start, stop = (width - 1) * width - len(head), height * width + len(tail)
    flat[start : (width - 1) * width] = head
    flat[height * width : stop] = tail
    return flat[start:stop]


def _stack_height(words: Int64[np.ndarray, "lines columns"], width: int) -> int:
    lines, columns = words.shape
    return lines * -(-columns // width)


def _stack_tiles(
    words: Int64[np.ndarray, "lines columns"], stack: Int64[np.ndarray, "height width"]
) -> None:
    """Writes the tiles of `words` into the stack, one below the other, missing columns as -1."""
    lines, width = len(words), stack.shape[1]
    for tile in range(len(stack) // lines):
        part = words[:, tile * width : (tile + 1) * width]
        rows = stack[tile * lines : (tile + 1) * lines]
        rows[:, : part.shape[1]] = part
        rows[:, part.shape[1] :] = -1
