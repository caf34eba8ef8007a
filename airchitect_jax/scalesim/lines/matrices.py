"""The operands of a layer as matrices of addresses, as the scalesim 3.0.0 package lays them out.

Sparsity changes the matrices, and not every dataflow runs with them:

| sparsity                    | ws                   | os, is                              |
| --------------------------- | -------------------- | ----------------------------------- |
| layer-wise, n:m             | runs                 | runs, a dense layer of fewer words  |
| row-wise (OptimizedMapping) | runs, lines are wide | ends, unless window = block_size    |

The package multiplies addresses by zeros and then takes each address 0 for a zero weight. So a
weight at address 0 (a `FilterOffset` of 0) is dropped, and the words that pad the last block of a
layer-wise sparse filter are requests of address 0.
"""

from __future__ import annotations

import dataclasses

import numpy as np
from jaxtyping import Bool, Int64

from airchitect_jax.scalesim.lines import sparsity
from airchitect_jax.scalesim.settings import Settings
from airchitect_jax.scalesim.topology import ScalesimLayer


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Operands:
    """Addresses of the words of a layer; -1 is no word.

    Attributes:
      ifmap: a row per pixel of the output, a column per word of its window.
      filter: a row per word of a filter, a column per filter.
      ofmap: a row per pixel of the output, a column per filter.
      sparse_filter: which weights of the dense filter are not zero; None without sparsity.
    """

    ifmap: Int64[np.ndarray, "pixels window"]
    filter: Int64[np.ndarray, "weights filters"]
    ofmap: Int64[np.ndarray, "pixels filters"]
    sparse_filter: Bool[np.ndarray, "dense_window filters"] | None


def operands(settings: Settings, layer: ScalesimLayer) -> Operands:
    """The operands that the array computes with.

    Raises:
      ValueError: sparsity with which the package ends; one line that names the field.
    """
    ifmap, weights = _ifmap(settings, layer), _filter(settings, layer)
    mask = None
    if settings.sparsity and settings.optimized_mapping:
        mask = sparsity.row_wise_mask(settings, layer)
        weights = sparsity.row_wise_filter(settings, weights, mask)
    elif settings.sparsity:
        pattern = sparsity.layer_wise_pattern(layer)
        mask = np.repeat(pattern[:, None], layer.num_filters, axis=1)
        weights = sparsity.layer_wise_filter(layer, weights)
        ifmap = sparsity.layer_wise_ifmap(ifmap, pattern, offset=settings.ifmap_offset)
    _check_shapes(settings, layer, ifmap, weights)
    return Operands(ifmap=ifmap, filter=weights, ofmap=_ofmap(settings, layer), sparse_filter=mask)


def _ifmap(settings: Settings, layer: ScalesimLayer) -> Int64[np.ndarray, "pixels window"]:
    """Words of the windows; those that lie beyond the last row or column are -1."""
    pixel, word = np.arange(layer.ofmap_pixels), np.arange(layer.window_size)
    row, col = np.divmod(pixel, layer.ofmap_cols)
    row, col = row * layer.row_stride, col * layer.col_stride
    window_row, rest = np.divmod(word, layer.filter_cols * layer.channels)
    window_col, channel = np.divmod(rest, layer.channels)
    first = (row * layer.ifmap_cols + col) * layer.channels + settings.ifmap_offset
    matrix = first[:, None] + (
        (window_row * layer.ifmap_cols + window_col) * layer.channels + channel
    )
    for start, step, size in (
        (row, window_row, layer.ifmap_rows),
        (col, window_col, layer.ifmap_cols),
    ):
        if start[-1] + step[-1] >= size:
            matrix[start[:, None] + step >= size] = -1
    return matrix


def _filter(settings: Settings, layer: ScalesimLayer) -> Int64[np.ndarray, "window filters"]:
    addresses = np.arange(layer.window_size * layer.num_filters) + settings.filter_offset
    return addresses.reshape(layer.num_filters, layer.window_size).T


def _ofmap(settings: Settings, layer: ScalesimLayer) -> Int64[np.ndarray, "pixels filters"]:
    addresses = np.arange(layer.ofmap_pixels * layer.num_filters) + settings.ofmap_offset
    return addresses.reshape(layer.ofmap_pixels, layer.num_filters)


def _check_shapes(
    settings: Settings,
    layer: ScalesimLayer,
    ifmap: Int64[np.ndarray, "pixels window"],
    weights: Int64[np.ndarray, "weights filters"],
) -> None:
    """Refuses a sparse layer whose operands do not fit each other where the package ends."""
    window, height = ifmap.shape[1], len(weights)
    last_fold = (height - 1) // settings.rows * settings.rows
    if settings.dataflow == "ws":
        # Row-wise, the package pads what it lacks; layer-wise it only pads within the last fold.
        fits = height > 0 and (settings.optimized_mapping or last_fold <= window)
    else:
        fits = height == window
    if settings.sparsity and not fits:
        kind = "optimized_mapping" if settings.optimized_mapping else "sparsity"
        raise ValueError(
            f"{kind}: True is not allowed for layer {layer.name} with dataflow "
            f"{settings.dataflow}, where the package ends; expected as many words of the window as "
            f"rows of the sparse filter, not {window} and {height}"
        )
