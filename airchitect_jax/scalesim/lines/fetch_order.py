"""The order in which the scalesim 3.0.0 package fetches operands in advance.

An operand is cut into tiles as wide as the array, which are stacked. A streamed operand is fetched
along the anti-diagonals of the stack, bottom left to top right; the stationary one row by row.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Int64

from airchitect_jax.scalesim.lines import custom_layout, skew
from airchitect_jax.scalesim.lines.matrices import Operands
from airchitect_jax.scalesim.settings import Settings
from airchitect_jax.scalesim.topology import LayerLayout, ScalesimLayer

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
    stacks = skew.tiles_in(diagonals, start=0, step=len(diagonals), height=height, skewed=True)
    _stack_tiles(words, stacks[0])
    if height < width:
        return diagonals[_inside(range(len(diagonals)), height, width)]
    head = diagonals[: width - 1][_inside(range(width - 1), height, width)]
    tail = diagonals[height:][_inside(range(height, len(diagonals)), height, width)]
    order = diagonals.reshape(-1)
    start, stop = (width - 1) * width, height * width
    order[start - len(head) : start] = head
    order[stop : stop + len(tail)] = tail
    return order[start - len(head) : stop + len(tail)]


def _inside(diagonals: range, height: int, width: int) -> Bool[np.ndarray, "diagonals width"]:
    """Which entries of these diagonals lie in the stack."""
    row = np.array(diagonals)[:, None] - np.arange(width)
    return (row >= 0) & (row < height)


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
        skew.write(rows, part)
        rows[:, part.shape[1] :] = -1
