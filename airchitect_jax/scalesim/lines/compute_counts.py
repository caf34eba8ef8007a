"""What the scalesim 3.0.0 package counts of a layer's requests, without its memory.

The counts have the types and the rounding of the package: additions in its order, and Python's
`sum` where it calls that, whose rounding changed with Python 3.12.
"""

from __future__ import annotations

import dataclasses
import math

import numpy as np

from airchitect_jax.scalesim.lines.folds import Folds, folds_of
from airchitect_jax.scalesim.lines.matrices import Operands
from airchitect_jax.scalesim.settings import Settings
from airchitect_jax.scalesim.topology import ScalesimLayer


@dataclasses.dataclass(frozen=True, kw_only=True)
class ComputeCounts:
    """Counts of a layer; `str` of each is what the package prints.

    Attributes:
      ifmap_sram_reads: words; a float with layer-wise sparsity, scaled by m / n.
      filter_sram_reads, ofmap_sram_writes: words.
      mapping_efficiency, compute_utilization: means over folds, 0 to 1; reports print percent.
      original_filter_storage, new_filter_storage, metadata_storage: words; 0 without sparsity.
    """

    ifmap_sram_reads: int | float
    filter_sram_reads: int
    ofmap_sram_writes: int
    mapping_efficiency: float
    compute_utilization: float
    original_filter_storage: int
    new_filter_storage: int | float
    metadata_storage: int | float


def counts(settings: Settings, layer: ScalesimLayer, operands: Operands) -> ComputeCounts:
    """The counts of a layer.

    Raises:
      ValueError: m of a sparse layer of which the representation has no logarithm.
    """
    folds = folds_of(settings, *operands.ifmap.shape, *operands.filter.shape)
    num_row_folds, num_col_folds = len(folds.rows_used), len(folds.cols_used)
    window, weights, outputs = operands.ifmap.size, operands.filter.size, operands.ofmap.size
    match settings.dataflow:
        case "os":
            ifmap: int | float = window * num_col_folds
            weights *= num_row_folds
            # The package adds the sides of each tile to the words.
            outputs += num_row_folds * num_col_folds * (folds.rows + folds.cols)
        case "ws":
            ifmap = _streamed_ifmap_reads(settings, layer, operands, folds)
            outputs *= num_row_folds
        case _:
            ifmap = window
            weights *= num_col_folds
            outputs *= num_row_folds
    original, new, metadata = _storage(settings, layer, operands)
    return ComputeCounts(
        ifmap_sram_reads=ifmap,
        filter_sram_reads=weights,
        ofmap_sram_writes=outputs,
        mapping_efficiency=_mapping_efficiency(settings, operands, folds),
        compute_utilization=_compute_utilization(settings, folds),
        original_filter_storage=original,
        new_filter_storage=new,
        metadata_storage=metadata,
    )


def _streamed_ifmap_reads(
    settings: Settings, layer: ScalesimLayer, operands: Operands, folds: Folds
) -> int | float:
    """Reads of the ifmap in WS."""
    num_row_folds, num_col_folds = len(folds.rows_used), len(folds.cols_used)
    if settings.sparsity and settings.optimized_mapping:
        # The package counts the skewed lines, with what they are padded.
        words = (folds.t + folds.rows - 1) * row_wise_line_words(settings)
        return words * num_row_folds * num_col_folds
    window = operands.ifmap.shape[1]
    starts = range(0, num_row_folds * folds.rows, folds.rows)
    widths = [max(0, min(folds.rows, window - start)) for start in starts]
    if not settings.sparsity:
        return folds.t * sum(widths) * num_col_folds
    ratio = layer.sparsity_m / layer.sparsity_n
    reads = 0.0
    for width in widths * num_col_folds:  # one by one: the order of additions matters
        reads += folds.t * width * ratio
    return reads


def row_wise_line_words(settings: Settings) -> int:
    """Words of a line of the ifmap with row-wise sparsity: two blocks for each row of the array."""
    size = settings.block_size
    return 2 * settings.rows // size * (size // 2) * size


def _mapping_efficiency(settings: Settings, operands: Operands, folds: Folds) -> float:
    num_macs = folds.rows * folds.cols
    if settings.dataflow == "ws":
        # Of the weights, which may be null.
        used = np.add.reduceat(
            np.add.reduceat(
                operands.filter != -1, range(0, folds.s_r, folds.rows), axis=0, dtype=np.int64
            ),
            range(0, folds.s_c, folds.cols),
            axis=1,
        )
        macs = used.T.reshape(-1).tolist()
    else:
        macs = [rows * cols for cols in folds.cols_used for rows in folds.rows_used]
    return sum(count / num_macs for count in macs) / len(macs)


def _compute_utilization(settings: Settings, folds: Folds) -> float:
    if settings.dataflow == "os":
        cycles = folds.rows + folds.cols + folds.t - 2
    else:
        cycles = 2 * folds.rows + 2 * folds.cols + folds.t - 3
    available = folds.rows * folds.cols * cycles
    values = [
        rows * cols * folds.t / available for cols in folds.cols_used for rows in folds.rows_used
    ]
    return sum(values) / len(values)


def _storage(
    settings: Settings, layer: ScalesimLayer, operands: Operands
) -> tuple[int, int | float, int | float]:
    """Words of the dense filter, of the compressed one with its metadata, and of the metadata."""
    mask = operands.sparse_filter
    if mask is None:
        return 0, 0, 0
    num_weights = int(np.count_nonzero(mask))
    match settings.sparse_representation:
        case "csr":
            metadata: int | float = num_weights + mask.shape[0] + 1
            return mask.size, num_weights + metadata, metadata
        case "csc":
            metadata = num_weights + mask.shape[1] + 1
            return mask.size, num_weights + metadata, metadata
        case _:
            if layer.sparsity_m < 1:
                raise ValueError(
                    f"sparsity: {layer.sparsity_n}:{layer.sparsity_m} is not allowed for layer "
                    f"{layer.name}; expected n:m, m >= 1"
                )
            # Blocked ELLPACK: a word of 32 bits holds indices of log2(m) bits; m is that of the
            # topology, even with row-wise sparsity.
            size = operands.filter.size
            metadata = size * math.ceil(math.log2(layer.sparsity_m)) / 32
            return mask.size, size + metadata, metadata
