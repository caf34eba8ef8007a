"""Case study 2 with the scalesim package as the judge: `MemoryModel.SCALESIM3`.

A larger buffer may cost cycles there, so no sizing is left out for being smaller than another. Two
things are proven of the package, and save most of the replays (`airchitect_jax.scalesim`): some
buffers never wait, whatever the others do, so that sizings which differ in nothing else cost the
same; and each buffer alone gives a lower bound of the total cycles.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Bool, Int

from airchitect_jax._support import dataflow_field, int_field
from airchitect_jax.scalesim.behaviours import Behaviours
from airchitect_jax.scalesim.replay import replay
from airchitect_jax.scalesim.replay_counts import Setup
from airchitect_jax.spaces import BufferSpace
from airchitect_jax.types import ArrayShape, BufferedGemm, BufferSizes, Gemm, Labels

_KB = 1024
_BATCH = 64  # workloads of one call
_MORE = 4  # times as many sizings in each round


def replayed_cycles(workloads: BufferedGemm, buffers: BufferSizes) -> Int[np.ndarray, "*batch"]:
    """Total cycles of the scalesim 3.0.0 package; each operand has a port of the bandwidth.

    Args:
      workloads: whole numbers; all fields, those of `buffers` too, broadcast. Budgets play no part.
      buffers: in bytes, multiples of 1024. A word of the package is a byte.

    Raises:
      ValueError: as `replay` does.
    """
    columns = _columns(workloads)
    sizes_kb, levels = [], []
    for size in (buffers.ifmap_sram_bytes, buffers.filter_sram_bytes, buffers.ofmap_sram_bytes):
        kb, level = np.unique(np.asarray(size, np.int64) // _KB, return_inverse=True)
        sizes_kb.append(kb)
        levels.append(level.reshape(np.shape(size)))
    distinct, indices = np.unique(columns.reshape(len(columns), -1), axis=1, return_inverse=True)
    indices, *levels = np.broadcast_arrays(indices.reshape(columns.shape[1:]), *levels)
    shape = indices.shape
    indices, levels = indices.reshape(-1), [level.reshape(-1) for level in levels]
    totals = np.empty(len(indices), np.int64)
    for first in range(0, distinct.shape[1], _BATCH):
        runs = np.flatnonzero((first <= indices) & (indices < first + _BATCH))
        totals[runs] = _totals(
            distinct[:, first : first + _BATCH],
            sizes_kb,
            indices[runs] - first,
            [level[runs] for level in levels],
        )
    return totals.reshape(shape)


def label_replayed(workloads: BufferedGemm, space: BufferSpace) -> Labels:
    """The exact optimum of each workload, a vector, of the sizings in its budget.

    Raises:
      ValueError: as `replay` does.
    """
    columns = _columns(workloads)
    budget = int_field("sram_budget_bytes", workloads.sram_budget_bytes, low=space.smallest_bytes)
    steps = np.broadcast_to(budget // space.step_bytes, columns.shape[1:])
    ids = np.full(len(steps), -1, np.int32)
    cycles = np.full(len(steps), -1, np.int64)
    for first in range(0, len(steps), _BATCH):
        part = slice(first, first + _BATCH)
        ids[part], cycles[part] = _label(columns[:, part], steps[part], space)
    return Labels(design_id=ids, cost=cycles)


def _label(
    columns: Int[np.ndarray, "fields workloads"],
    steps: Int[np.ndarray, "workloads"],
    space: BufferSpace,
) -> tuple[Int[np.ndarray, "workloads"], Int[np.ndarray, "workloads"]]:
    """Labels and their costs, of budgets in steps of the space."""
    kb = np.arange(1, space.num_levels + 1) * space.step_kb
    levels = space.levels.T - 1
    feasible = space.levels.sum(axis=1) <= steps[:, None]
    used = np.arange(1, space.num_levels + 1) + 2 <= steps[:, None]
    runs = Behaviours.of(Setup(*columns), [kb] * 3, [used] * 3)

    candidates = feasible & runs.complete[:, None]
    bounds = np.zeros(feasible.shape, np.int64)
    for late, earliest, level in zip(runs.late, runs.earliest, levels, strict=True):
        # Sizes that are never late are one; the smallest stands for them, as it does in a tie.
        candidates &= (late | (np.cumsum(~late, axis=1) == 1))[:, level]
        np.maximum(bounds, earliest[:, level], out=bounds)
    ids, cycles = _search(runs, candidates, bounds, levels)

    for row in np.flatnonzero(~runs.complete):
        designs = np.flatnonzero(feasible[row])
        costs = _replays(columns[:, row : row + 1], *(kb[level[designs]] for level in levels))
        index = int(costs.argmin())  # the first: ids are in tie order
        ids[row], cycles[row] = designs[index], costs[index]
    return ids, cycles


def _search(
    runs: Behaviours,
    candidates: Bool[np.ndarray, "workloads designs"],
    bounds: Int[np.ndarray, "workloads designs"],
    levels: Int[np.ndarray, "3 designs"],
) -> tuple[Int[np.ndarray, "workloads"], Int[np.ndarray, "workloads"]]:
    """The candidate with the lowest (cycles, id) of each workload, and its cycles.

    In rounds, each of the candidates with the lowest bounds. A candidate is left out once its bound
    with its id is beyond the lowest (cycles, id) so far: its cycles are no lower than its bound.
    """
    workloads, designs = candidates.shape
    ids, cycles = np.full(workloads, designs), np.full(workloads, np.iinfo(np.int64).max)
    open_, num = candidates.copy(), 1
    while True:
        open_ &= _precedes(bounds, np.arange(designs), cycles[:, None], ids[:, None])
        workload, design = np.nonzero(open_)
        if not len(workload):
            return ids, cycles
        order = np.lexsort((design, bounds[workload, design], workload))
        workload, design = workload[order], design[order]
        chosen = np.arange(len(workload)) - np.searchsorted(workload, workload) < num
        workload, design = workload[chosen], design[chosen]
        open_[workload, design] = False
        total = runs.totals(workload, list(levels[:, design]))
        order = np.lexsort((design, total, workload))
        workload, first = np.unique(workload[order], return_index=True)
        design, total = design[order][first], total[order][first]
        wins = _precedes(total, design, cycles[workload], ids[workload])
        cycles[workload[wins]], ids[workload[wins]] = total[wins], design[wins]
        num *= _MORE


def _precedes(cost: np.ndarray, design: np.ndarray, best: np.ndarray, best_id: np.ndarray) -> Any:
    return (cost < best) | ((cost == best) & (design < best_id))


def _totals(
    columns: Int[np.ndarray, "fields workloads"],
    sizes_kb: list[Int[np.ndarray, "sizes"]],
    indices: Int[np.ndarray, "runs"],
    levels: list[Int[np.ndarray, "runs"]],
) -> Int[np.ndarray, "runs"]:
    """Total cycles of runs: the indices of a workload and of the size of each buffer."""
    used = [np.zeros((columns.shape[1], len(kb)), bool) for kb in sizes_kb]
    for table, level in zip(used, levels, strict=True):
        table[indices, level] = True
    runs = Behaviours.of(Setup(*columns), sizes_kb, used)
    quick = runs.complete[indices]
    totals = np.empty(len(indices), np.int64)
    totals[quick] = runs.totals(indices[quick], [level[quick] for level in levels])
    totals[~quick] = _replays(
        columns[:, indices[~quick]],
        *(kb[level[~quick]] for kb, level in zip(sizes_kb, levels, strict=True)),
    )
    return totals


def _replays(
    columns: Int[np.ndarray, "fields runs"], *sizes_kb: Int[np.ndarray, "runs"]
) -> Int[np.ndarray, "runs"]:
    """Total cycles of each run by itself."""
    setup = Setup(*columns)
    ifmap_kb, filter_kb, ofmap_kb = sizes_kb
    report = replay(
        Gemm(m=setup.m, n=setup.n, k=setup.k),
        ArrayShape(rows=setup.rows, cols=setup.cols),
        setup.dataflow,
        ifmap_sram_kb=ifmap_kb,
        filter_sram_kb=filter_kb,
        ofmap_sram_kb=ofmap_kb,
        bandwidth_words_per_cycle=setup.bandwidth,
    )
    return np.asarray(report.total_cycles)


def _columns(workloads: BufferedGemm) -> Int[np.ndarray, "fields *batch"]:
    """Workloads, checked, as the fields of `Setup`: without their budgets, and of no sizes yet."""
    names = ("m", "n", "k", "rows", "cols", "bandwidth_bytes_per_cycle")
    m, n, k, rows, cols, bandwidth = (
        int_field(name, getattr(workloads, name), low=1) for name in names
    )
    dataflow = dataflow_field("dataflow", workloads.dataflow)
    return np.stack(np.broadcast_arrays(*Setup(m, n, k, rows, cols, 1, 1, 1, dataflow, bandwidth)))
