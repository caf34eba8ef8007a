"""Case study 2 with the scalesim package as the judge: `MemoryModel.SCALESIM3`.

A larger buffer may cost cycles there, so no sizing is left out for being smaller than another. Two
things are proven of the package, and save most of the replays (`airchitect_jax.scalesim`): some
buffers never wait, whatever the others do, so that sizings which differ in nothing else cost the
same; and each buffer alone gives a lower bound of the total cycles.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Int

from airchitect_jax.scalesim.behaviours import Behaviours
from airchitect_jax.scalesim.replay import replay
from airchitect_jax.scalesim.run import Setup
from airchitect_jax.spaces import BufferSpace
from airchitect_jax.types import ArrayShape, BufferedGemm, BufferSizes, Gemm, Labels

_KB = 1024
_BATCH = 128  # workloads of one call
_MORE = 4  # times as many sizings in each round


def replayed_cycles(workloads: BufferedGemm, buffers: BufferSizes) -> Int[np.ndarray, "*batch"]:
    """Total cycles of the scalesim 3.0.0 package; each operand has a port of the bandwidth.

    Args:
      workloads: whole numbers; all fields, those of `buffers` too, broadcast. Budgets play no part.
      buffers: in bytes, multiples of 1024. A word of the package is a byte.

    Raises:
      ValueError: as `replay` does.
    """
    columns = np.broadcast_arrays(*_columns(workloads))
    sizes_kb, levels = [], []
    for size in (buffers.ifmap_sram_bytes, buffers.filter_sram_bytes, buffers.ofmap_sram_bytes):
        kb, level = np.unique(np.asarray(size, np.int64) // _KB, return_inverse=True)
        sizes_kb.append(kb)
        levels.append(level.reshape(np.shape(size)))
    distinct, places = np.unique(
        np.stack([np.reshape(column, -1) for column in columns]), axis=1, return_inverse=True
    )
    places, *levels = np.broadcast_arrays(places.reshape(columns[0].shape), *levels)
    shape = places.shape
    places, levels = places.reshape(-1), [level.reshape(-1) for level in levels]
    totals = np.empty(len(places), np.int64)
    for first in range(0, distinct.shape[1], _BATCH):
        runs = np.flatnonzero((first <= places) & (places < first + _BATCH))
        totals[runs] = _totals(
            distinct[:, first : first + _BATCH],
            sizes_kb,
            places[runs] - first,
            [level[runs] for level in levels],
        )
    return totals.reshape(shape)


def label_replayed(workloads: BufferedGemm, space: BufferSpace) -> Labels:
    """The exact optimum of each workload, a vector, of the sizings in its budget.

    Raises:
      ValueError: as `replay` does.
    """
    columns = np.stack(np.broadcast_arrays(*_columns(workloads)))
    steps = np.asarray(workloads.sram_budget_bytes, np.int64) // space.step_bytes
    steps = np.broadcast_to(steps, columns.shape[1:])
    ids = np.full(len(steps), -1, np.int32)
    cycles = np.full(len(steps), -1, np.int64)
    for first in range(0, len(steps), _BATCH):
        part = slice(first, first + _BATCH)
        ids[part], cycles[part] = _label(columns[:, part], steps[part], space)
    return Labels(design_id=ids, cost=cycles)


def _label(
    columns: Int[np.ndarray, "fields workloads"], steps: Int[np.ndarray, "workloads"],
    space: BufferSpace,
) -> tuple[Int[np.ndarray, "workloads"], Int[np.ndarray, "workloads"]]:
    """Labels and their costs, by rounds of replays of the sizings with the lowest bounds.

    Ids are in tie order. Of sizings that cost the same whatever the workload's other buffers do,
    only the first can be a label. Nor can one whose bound is no better than a cost that is known.
    """
    kb = np.arange(1, space.num_levels + 1) * space.step_kb
    levels = space.levels.T - 1
    feasible = levels.sum(axis=0) + 3 <= steps[:, None]
    used = kb[None] <= (steps[:, None] - 2) * space.step_kb
    runs = Behaviours.of(_setup(columns), [kb] * 3, [used] * 3)

    open_ = feasible & runs.complete[:, None]
    bounds = np.zeros(feasible.shape, np.int64)
    for late, earliest, level in zip(runs.late, runs.earliest, levels, strict=True):
        # All sizes that are not late are one; the smallest stands for them.
        first = late | (np.cumsum(~late, axis=1) == 1)
        open_ &= first[:, level]
        np.maximum(bounds, earliest[:, level], out=bounds)

    best_id = np.full(len(steps), space.num_designs, np.int64)
    best = np.full(len(steps), np.iinfo(np.int64).max)
    num = 1
    while True:
        # Sizings that may still be better, in the order of their bounds and ids.
        workload, design = np.nonzero(open_)
        bound = bounds[workload, design]
        beaten = (bound > best[workload]) | (
            (bound == best[workload]) & (design > best_id[workload])
        )
        open_[workload[beaten], design[beaten]] = False
        workload, design, bound = (x[~beaten] for x in (workload, design, bound))
        if not len(workload):
            break
        order = np.lexsort((design, bound, workload))
        workload, design = workload[order], design[order]
        begins = np.searchsorted(workload, workload)
        chosen = np.arange(len(workload)) - begins < num
        workload, design = workload[chosen], design[chosen]
        open_[workload, design] = False
        cost = runs.totals(workload, list(levels[:, design]))
        order = np.lexsort((design, cost, workload))
        workload, design, cost = workload[order], design[order], cost[order]
        first = np.unique(workload, return_index=True)[1]
        workload, design, cost = workload[first], design[first], cost[first]
        wins = (cost < best[workload]) | ((cost == best[workload]) & (design < best_id[workload]))
        best[workload[wins]], best_id[workload[wins]] = cost[wins], design[wins]
        num *= _MORE

    for row in np.flatnonzero(~runs.complete):
        designs = np.flatnonzero(feasible[row])
        costs = _replays(columns[:, row : row + 1], *(kb[level[designs]] for level in levels))
        place = int(costs.argmin())
        best_id[row], best[row] = designs[place], costs[place]
    return best_id, best


def _totals(
    columns: Int[np.ndarray, "fields workloads"],
    sizes_kb: list[Int[np.ndarray, "sizes"]],
    places: Int[np.ndarray, "runs"],
    levels: list[Int[np.ndarray, "runs"]],
) -> Int[np.ndarray, "runs"]:
    """Total cycles of runs: the places of a workload and of the size of each buffer."""
    used = [np.zeros((columns.shape[1], len(kb)), bool) for kb in sizes_kb]
    for table, level in zip(used, levels, strict=True):
        table[places, level] = True
    runs = Behaviours.of(_setup(columns), sizes_kb, used)
    quick = runs.complete[places]
    totals = np.empty(len(places), np.int64)
    totals[quick] = runs.totals(places[quick], [level[quick] for level in levels])
    totals[~quick] = _replays(
        columns[:, places[~quick]],
        *(kb[level[~quick]] for kb, level in zip(sizes_kb, levels, strict=True)),
    )
    return totals


def _replays(
    columns: Int[np.ndarray, "fields runs"], *sizes_kb: Int[np.ndarray, "runs"]
) -> Int[np.ndarray, "runs"]:
    """Total cycles of each run by itself."""
    m, n, k, rows, cols, dataflow, bandwidth = columns
    ifmap_kb, filter_kb, ofmap_kb = sizes_kb
    report = replay(
        Gemm(m=m, n=n, k=k),
        ArrayShape(rows=rows, cols=cols),
        dataflow,
        ifmap_sram_kb=ifmap_kb,
        filter_sram_kb=filter_kb,
        ofmap_sram_kb=ofmap_kb,
        bandwidth_words_per_cycle=bandwidth,
    )
    return np.asarray(report.total_cycles)


def _columns(workloads: BufferedGemm) -> list[Int[np.ndarray, "*batch"]]:
    return [
        np.asarray(column, np.int64)
        for column in (
            workloads.m,
            workloads.n,
            workloads.k,
            workloads.rows,
            workloads.cols,
            workloads.dataflow,
            workloads.bandwidth_bytes_per_cycle,
        )
    ]


def _setup(columns: Int[np.ndarray, "fields workloads"]) -> Setup:
    """Workloads in the package's units, without sizes."""
    m, n, k, rows, cols, dataflow, bandwidth = columns
    none = np.ones_like(m)
    return Setup(
        m=m,
        n=n,
        k=k,
        rows=rows,
        cols=cols,
        ifmap_sram_kb=none,
        filter_sram_kb=none,
        ofmap_sram_kb=none,
        dataflow=dataflow,
        bandwidth=bandwidth,
    )
