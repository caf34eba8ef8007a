"""Sparse filters of the scalesim 3.0.0 package: n:m for a layer, or a random n per filter.

Only the positions of zeros matter. In each block of m weights the first n are not zero.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Int64

from airchitect_jax.scalesim.settings import Settings
from airchitect_jax.scalesim.topology import ScalesimLayer


def layer_wise_pattern(layer: ScalesimLayer) -> Bool[np.ndarray, " window"]:
    """Which weights of each filter are not zero.

    Raises:
      ValueError: not 1 <= n <= m.
    """
    n, m = layer.sparsity_n, layer.sparsity_m
    if not 1 <= n <= m:
        raise ValueError(
            f"sparsity: {n}:{m} is not allowed for layer {layer.name}; expected n:m, 1 <= n <= m"
        )
    return np.arange(layer.window_size) % m < n


def layer_wise_ifmap(
    ifmap: Int64[np.ndarray, "pixels window"], pattern: Bool[np.ndarray, " window"], *, offset: int
) -> Int64[np.ndarray, "pixels words"]:
    """The words that meet weights; a column of nothing but addresses 0 is lost.

    The package saves the first column from that where the output is one pixel at offset 0.
    """
    kept = ifmap[:, pattern]
    found = np.any(kept != 0, axis=0)
    if len(ifmap) == 1 and offset == 0:
        found[0] = True
    return kept if found.all() else kept[:, found]


def layer_wise_filter(
    layer: ScalesimLayer, weights: Int64[np.ndarray, "window filters"]
) -> Int64[np.ndarray, "weights filters"]:
    """The n weights of each block, padded with addresses 0; last rows of zeros are cut off."""
    dense = _blocks(weights, layer.sparsity_m, layer.sparsity_m)[:, :, : layer.sparsity_n]
    condensed = _zeros_last(dense).reshape(layer.num_filters, -1).T
    used = np.flatnonzero(condensed.any(axis=1))
    return condensed[: used[-1] + 1] if len(used) else condensed[:0]


def row_wise_mask(
    settings: Settings, layer: ScalesimLayer
) -> Bool[np.ndarray, "dense_window filters"]:
    """Which weights are not zero: of each filter a random number per block, at most half of it.

    Raises:
      ValueError: a block size with which the package ends.
    """
    size = settings.block_size
    if settings.dataflow == "ws" and 2 * settings.rows % size:
        raise ValueError(
            f"block_size: {size} is not allowed; expected a divisor of twice the rows of the "
            f"array, {2 * settings.rows}"
        )
    random = np.random.RandomState(settings.sparsity_seed)  # the package's generator
    kept = random.randint(1, size // 2 + 1, size=layer.num_filters)
    return np.arange(layer.window_size)[:, None] % size < kept


def row_wise_filter(
    settings: Settings,
    weights: Int64[np.ndarray, "window filters"],
    mask: Bool[np.ndarray, "window filters"],
) -> Int64[np.ndarray, "weights filters"]:
    """Two blocks of weights in the room of one; what is left is -1.

    Each takes half of the block, rounded down. Address 0 counts as no weight, except that of the
    first weight of all where nothing else has taken its place.
    """
    size = settings.block_size
    num_filters = weights.shape[1]
    halves = _zeros_last(_blocks(weights * mask, size, 2 * size)[:, :, : size // 2])
    condensed = halves.reshape(num_filters, -1).T
    num_pairs = -(-len(weights) // (2 * size))
    rows = np.full((num_pairs * size, num_filters), -1)
    rows[: len(condensed)] = np.where(condensed == 0, -1, condensed)
    if settings.filter_offset == 0 and condensed[0, 0] == 0:
        rows[0, 0] = 0
    return rows


def _blocks(
    weights: Int64[np.ndarray, "window filters"], size: int, multiple: int
) -> Int64[np.ndarray, "filters blocks size"]:
    """The filters in blocks of `size`, padded with 0 to a multiple of `multiple` weights."""
    window, num_filters = weights.shape
    padded = np.zeros((num_filters, -(-window // multiple) * multiple), np.int64)
    padded[:, :window] = weights.T
    return padded.reshape(num_filters, -1, size)


def _zeros_last(
    blocks: Int64[np.ndarray, "filters blocks size"],
) -> Int64[np.ndarray, "filters blocks size"]:
    """Each block with its zeros behind its other entries, which keep their order."""
    zero = blocks == 0
    if not zero.any():
        return blocks
    return np.take_along_axis(blocks, np.argsort(zero, axis=-1, kind="stable"), axis=-1)
