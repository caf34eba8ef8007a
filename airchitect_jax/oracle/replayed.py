"""Case study 2 with the scalesim package as the judge: `MemoryModel.SCALESIM3`.

Every sizing is replayed; nothing is known of the package that would allow to leave one out, for a
larger buffer may cost cycles there. Only runs that cannot differ are replayed once: all sizes at
which an operand fits into its working half with room to spare never stall, and are one.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Int

from airchitect_jax.cost import ceil_div, mapped_dims
from airchitect_jax.scalesim.replay import replay
from airchitect_jax.spaces import BufferSpace
from airchitect_jax.types import ArrayShape, BufferedGemm, BufferSizes, Dataflow, Gemm, Labels

_KB = 1024


def replayed_cycles(workloads: BufferedGemm, buffers: BufferSizes) -> Int[np.ndarray, "*batch"]:
    """Total cycles of the scalesim 3.0.0 package; each operand has a port of the bandwidth.

    Args:
      workloads: whole numbers; all fields, those of `buffers` too, broadcast. Budgets play no part.
      buffers: in bytes, multiples of 1024. A word of the package is a byte.

    Raises:
      ValueError: as `replay` does.
    """
    m, n, k = (np.asarray(x, np.int64) for x in (workloads.m, workloads.n, workloads.k))
    dataflow = np.asarray(workloads.dataflow)
    passes = np.select(
        [dataflow == flow for flow in Dataflow],
        [
            np.ones_like(m)
            if flow is Dataflow.OS
            else ceil_div(
                mapped_dims(Gemm(m=m, n=n, k=k), flow)[0], np.asarray(workloads.rows, np.int64)
            )
            for flow in Dataflow
        ],
    )
    sizes = [
        _distinct_kb(words, np.asarray(size) // _KB)
        for words, size in (
            (m * k, buffers.ifmap_sram_bytes),
            (k * n, buffers.filter_sram_bytes),
            (m * n * passes, buffers.ofmap_sram_bytes),
        )
    ]
    fields = np.broadcast_arrays(
        m,
        n,
        k,
        workloads.rows,
        workloads.cols,
        dataflow,
        *sizes,
        workloads.bandwidth_bytes_per_cycle,
    )
    runs, places = np.unique(
        np.stack([field.reshape(-1) for field in fields], axis=1), axis=0, return_inverse=True
    )
    m, n, k, rows, cols, dataflow, ifmap_kb, filter_kb, ofmap_kb, bandwidth = runs.T
    report = replay(
        Gemm(m=m, n=n, k=k),
        ArrayShape(rows=rows, cols=cols),
        dataflow,
        ifmap_sram_kb=ifmap_kb,
        filter_sram_kb=filter_kb,
        ofmap_sram_kb=ofmap_kb,
        bandwidth_words_per_cycle=bandwidth,
    )
    return np.asarray(report.total_cycles)[places].reshape(fields[0].shape)


def label_replayed(workloads: BufferedGemm, space: BufferSpace) -> Labels:
    """The exact optimum of each workload, a vector, by replaying every sizing in its budget.

    Raises:
      ValueError: as `replay` does.
    """
    budget = np.asarray(workloads.sram_budget_bytes, np.int64)
    total = space.levels.sum(axis=1) * space.step_bytes
    ids = np.full(len(budget), -1, np.int32)
    cycles = np.full(len(budget), -1, np.int64)
    for row, most in enumerate(budget):
        designs = np.flatnonzero(total <= most)
        one = BufferedGemm(
            **{
                name: np.asarray(getattr(workloads, name))[row]
                for name in workloads.__dataclass_fields__
            }
        )
        costs = replayed_cycles(one, space.decode(designs))
        best = int(costs.argmin())  # the first: ids are in tie order
        ids[row], cycles[row] = designs[best], costs[best]
    return Labels(design_id=ids, cost=cycles)


def _distinct_kb(
    words: Int[np.ndarray, "*batch"], kb: Int[np.ndarray, "*batch"]
) -> Int[np.ndarray, "*batch"]:
    """Sizes, with the largest in place of all that never stall.

    Half of a buffer can be read. The package fills it in whole sets of a hundredth of the buffer,
    the last of which may be empty, so up to 47 hundredths fit whatever the rounding. The output
    buffer starts to drain when more than half of it is used.
    """
    return np.where(words * 100 <= 47 * kb * _KB, kb.max(), kb)
