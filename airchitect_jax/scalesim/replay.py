"""Exact replay of the memory timing of the scalesim 3.0.0 package (`MemoryModel.SCALESIM3`).

What the package walks through word by word is replayed here from event to event: a line of the
run at which an operand misses its buffer, or the outputs wait for or start a drain. Everything
between two events has a closed form. Counts equal the package's, artefacts included; they were
read off its source and checked by running it, and are described where they occur.

Artefacts of the package beside those of `operands` and `buffers`:

* The total is the index of the last cycle, counted from 0, and leaves out the final drain and a
  wait for operands on the very last line, which the stall cycles contain.
* Output-stationary runs report R + C output words a fold more than they write to the SRAM.
* USER mode counts whole rows of the interface as read, and prefetches that nobody waits for.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import itertools
from typing import Any

import jax
import numpy as np
from jax import lax
from jaxtyping import Array, Float, Int

from airchitect_jax._support import common_shape, dataflow_field, instance, int_field
from airchitect_jax.cost import ceil_div, mixed_dims
from airchitect_jax.cost.evaluate import evaluate
from airchitect_jax.scalesim.buffers import drain_slots
from airchitect_jax.scalesim.replay_counts import (
    HALF_KB,
    Counts,
    Setup,
    in_one_kernel,
    replay_counts,
)
from airchitect_jax.types import ArrayDesign, ArrayShape, BufferSizes, Dataflow, Gemm, IntLike

LARGEST = 2.0**60  # counts beyond it are refused: int64 then has room for sums of a few
# Programs are compiled for so many output rows that wait for their drain (the last: 128 MiB).
SLOTS = (1 << 8, 1 << 14, 1 << 19, 1 << 24)
SLOTS_IN_KERNEL = 1 << 14
CHUNK = 1 << 12  # runs in one call, at most
SHORTEST = 1 << 8  # and at least


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True, kw_only=True)
class ReplayReport:
    """What the scalesim 3.0.0 package reports of a run. Words are bytes there.

    Utilisations are fractions of one (the package prints percent).

    Example:
      >>> run = aj.replay(
      ...     aj.Gemm(m=3136, n=64, k=576), aj.ArrayShape(rows=32, cols=32), aj.Dataflow.OS,
      ...     ifmap_sram_kb=64, filter_sram_kb=64, ofmap_sram_kb=64, bandwidth_words_per_cycle=16,
      ... )
      >>> int(run.ifmap_dram_reads), int(run.filter_dram_reads), int(run.ofmap_dram_writes)
      (16252928, 65536, 200719)
    """

    total_cycles: Int[Array, "*batch"] | IntLike
    stall_cycles: Int[Array, "*batch"] | IntLike
    compute_cycles: Int[Array, "*batch"] | IntLike  # the total of a run without stalls
    overall_utilization: Float[Array, "*batch"] | float  # stalls included
    mapping_efficiency: Float[Array, "*batch"] | float
    compute_utilization: Float[Array, "*batch"] | float
    ifmap_sram_reads: Int[Array, "*batch"] | IntLike
    filter_sram_reads: Int[Array, "*batch"] | IntLike
    ofmap_sram_writes: Int[Array, "*batch"] | IntLike
    ifmap_dram_reads: Int[Array, "*batch"] | IntLike
    filter_dram_reads: Int[Array, "*batch"] | IntLike
    ofmap_dram_writes: Int[Array, "*batch"] | IntLike


def replay(
    gemm: Gemm,
    array: ArrayShape,
    dataflow: IntLike,
    *,
    ifmap_sram_kb: IntLike,
    filter_sram_kb: IntLike,
    ofmap_sram_kb: IntLike,
    bandwidth_words_per_cycle: IntLike | None,
) -> ReplayReport:
    """The report of the scalesim 3.0.0 package for each run, to the cycle and to the word.

    It runs on the CPU. Its time grows with the number of folds and of times that a buffer misses
    or drains, a fraction of a microsecond each; see `benchmarks/scalesim3.py`.

    Args:
      gemm: m, n, k as whole numbers in 1..2**31 - 1. All fields here broadcast.
      array: rows and cols as whole numbers in 1..2**31 - 1.
      dataflow: `Dataflow` values.
      ifmap_sram_kb: size of the whole double buffer in kilobytes of 1024 words.
      filter_sram_kb: the same of the filter.
      ofmap_sram_kb: the same of the outputs.
      bandwidth_words_per_cycle: of each of the three ports, the package's USER mode; None or 0
        for its CALC mode, in which operands never wait.

    Returns:
      NumPy arrays of the broadcast shape: int64 counts, float64 utilisations (the overall one is
      infinite for a run of one cycle, whose total is 0).

    Raises:
      ValueError: a field out of range, or counts or waiting rows beyond what is exact here.
      TypeError: an argument is of another type.

    Example:
      >>> run = aj.replay(
      ...     aj.Gemm(m=3136, n=64, k=576), aj.ArrayShape(rows=32, cols=32), aj.Dataflow.OS,
      ...     ifmap_sram_kb=64, filter_sram_kb=64, ofmap_sram_kb=64, bandwidth_words_per_cycle=16,
      ... )
      >>> int(run.total_cycles), int(run.stall_cycles)
      (1015105, 890058)
    """
    instance("gemm", gemm, Gemm)
    instance("array", array, ArrayShape)
    bandwidth = 0 if bandwidth_words_per_cycle is None else bandwidth_words_per_cycle
    fields = {
        name: int_field(name, value, low=1)
        for name, value in (
            ("m", gemm.m),
            ("n", gemm.n),
            ("k", gemm.k),
            ("rows", array.rows),
            ("cols", array.cols),
            ("ifmap_sram_kb", ifmap_sram_kb),
            ("filter_sram_kb", filter_sram_kb),
            ("ofmap_sram_kb", ofmap_sram_kb),
        )
    }
    fields["dataflow"] = dataflow_field("dataflow", dataflow)
    fields["bandwidth"] = int_field("bandwidth_words_per_cycle", bandwidth, low=0)
    shape = common_shape(fields)
    setup = Setup(**{name: np.broadcast_to(field, shape) for name, field in fields.items()})
    compute = evaluate(
        Gemm(m=setup.m, n=setup.n, k=setup.k),
        ArrayDesign(rows=setup.rows, cols=setup.cols, dataflow=setup.dataflow),
    )
    _refuse_overflow(setup, compute.compute_cycles)
    counts = _replay_rows(setup)
    macs_a_cycle = (setup.m / setup.rows) * (setup.n / setup.cols) * setup.k
    with np.errstate(divide="ignore"):
        overall_utilization = macs_a_cycle / counts.total_cycles
    return ReplayReport(
        compute_cycles=compute.compute_cycles,
        overall_utilization=overall_utilization,
        mapping_efficiency=compute.mapping_efficiency,
        compute_utilization=compute.compute_utilization,
        **_sram_counts(setup),
        **counts._asdict(),
    )


@functools.partial(jax.jit, static_argnames="slots")
def _replay_padded(setup: Setup, *, slots: int) -> Counts:
    """One run after the other, in a single kernel unless there are too many slots."""

    def runs(setup: Setup) -> Counts:
        counts: Counts = lax.map(functools.partial(replay_counts, slots=slots), setup)
        return counts

    counts: Counts = in_one_kernel(runs, setup) if slots <= SLOTS_IN_KERNEL else runs(setup)
    return counts


def _replay_rows(setup: Setup) -> Counts:
    """The counts of runs of any shape, on the CPU: programs of few lengths and few `slots`."""
    columns = np.stack([np.reshape(column, -1) for column in setup])
    needed = _slots(setup).reshape(-1)
    counts = np.empty((len(Counts._fields), columns.shape[1]), np.int64)
    with jax.enable_x64(True), on_cpu():
        for above, slots in itertools.pairwise((0, *SLOTS)):
            group = np.flatnonzero((above < needed) & (needed <= slots))
            for part in np.split(group, range(CHUNK, len(group), CHUNK)):
                if not len(part):
                    continue
                shortest = SHORTEST if slots <= SLOTS_IN_KERNEL else 1
                length = max(shortest, 1 << (len(part) - 1).bit_length())
                padded = np.ones((len(columns), length), np.int64)  # with runs of a few lines
                padded[:, : len(part)] = columns[:, part]
                result = _replay_padded(Setup(*padded), slots=slots)
                counts[:, part] = np.stack(jax.device_get(result))[:, : len(part)]
    return Counts(*(np.reshape(field, setup.m.shape) for field in counts))


def on_cpu() -> Any:
    """The CPU as the default device: an accelerator would run a scalar loop far slower."""
    try:
        return jax.default_device(jax.local_devices(backend="cpu")[0])
    except RuntimeError:  # JAX was told to load no CPU backend
        return contextlib.nullcontext()


def _folds(setup: Setup) -> tuple[Any, Any]:
    """Row and column folds."""
    s_r, s_c, _ = mixed_dims(Gemm(m=setup.m, n=setup.n, k=setup.k), setup.dataflow)
    return ceil_div(s_r, setup.rows), ceil_div(s_c, setup.cols)


def _sweeps(setup: Setup) -> tuple[Any, Any, Any]:
    """How often the array reads ifmap and filter, and hands over outputs or partial sums."""
    row_folds, col_folds = _folds(setup)
    flows = [setup.dataflow == flow for flow in Dataflow]
    return (
        np.select(flows, [col_folds, col_folds, 1]),
        np.select(flows, [row_folds, 1, col_folds]),
        np.where(flows[Dataflow.OS], 1, row_folds),
    )


def _words_out(setup: Setup) -> Any:
    """Words that the array hands to the output buffer."""
    return setup.m * setup.n * _sweeps(setup)[2]


def _sram_counts(setup: Setup) -> dict[str, Any]:
    """Words that the array reads and writes, which no memory changes."""
    row_folds, col_folds = _folds(setup)
    ifmap_sweeps, filter_sweeps, _ = _sweeps(setup)
    # The package adds the edges of the array to the outputs of each OS fold.
    edges = row_folds * col_folds * (setup.rows + setup.cols)
    return {
        "ifmap_sram_reads": setup.m * setup.k * ifmap_sweeps,
        "filter_sram_reads": setup.k * setup.n * filter_sweeps,
        "ofmap_sram_writes": _words_out(setup) + np.where(setup.dataflow == Dataflow.OS, edges, 0),
    }


def _slots(setup: Setup) -> Any:
    """Slots that each run needs (`drain_slots`)."""
    needed = slots_needed(setup)
    if np.any(needed > SLOTS[-1]):
        row = int(np.argmax(needed))
        raise ValueError(
            f"ofmap_sram_kb: {np.reshape(setup.ofmap_sram_kb, -1)[row]} at row {row} is too small:"
            f" more than {SLOTS[-1]} rows of outputs may wait for their drain"
        )
    return needed


def slots_needed(setup: Setup) -> Any:
    """`drain_slots` of each run."""
    bandwidth = np.where(setup.bandwidth == 0, setup.cols, setup.bandwidth)
    return drain_slots(HALF_KB * setup.ofmap_sram_kb, bandwidth, _words_out(setup))


def _refuse_overflow(setup: Setup, compute_cycles: Any) -> None:
    """Refuses runs whose counts may not fit int64."""
    bounds = count_bounds(setup, compute_cycles)
    if np.any(bounds > LARGEST):
        row = int(np.argmax(bounds))
        values = ", ".join(
            f"{name}={np.reshape(column, -1)[row]}" for name, column in setup._asdict().items()
        )
        raise ValueError(f"the counts of the run at row {row} may exceed int64: {values}")


def replay_steps(
    gemm: Gemm, array: ArrayShape, dataflow: IntLike, buffers: BufferSizes, bandwidth: IntLike
) -> Float[np.ndarray, "*batch"]:
    """About how many steps `replay` takes, of which a CPU makes millions a second.

    A fold takes a few, and so does each time that an operand misses its buffer, half of which is
    then replaced, or that half of the outputs drain.

    Args:
      gemm: positive whole numbers; all fields here broadcast.
      array: the same.
      dataflow: `Dataflow` values.
      buffers: in words, multiples of 1024.
      bandwidth: in words per cycle, of each port.

    Returns:
      Numbers of steps; infinite for runs that `replay` refuses.
    """
    setup = Setup(
        m=gemm.m,
        n=gemm.n,
        k=gemm.k,
        rows=array.rows,
        cols=array.cols,
        ifmap_sram_kb=buffers.ifmap_sram_bytes // 1024,
        filter_sram_kb=buffers.filter_sram_bytes // 1024,
        ofmap_sram_kb=buffers.ofmap_sram_bytes // 1024,
        dataflow=dataflow,
        bandwidth=bandwidth,
    )
    setup = Setup(*np.broadcast_arrays(*(np.asarray(field, np.int64) for field in setup)))
    row_folds, col_folds = (np.asarray(folds, np.float64) for folds in _folds(setup))
    rows, cols = setup.rows.astype(np.float64), setup.cols
    _, _, t = mixed_dims(Gemm(m=setup.m, n=setup.n, k=setup.k), setup.dataflow)
    lines = row_folds * col_folds * (2 * rows + cols + t)
    m, n, k = (field.astype(np.float64) for field in (setup.m, setup.n, setup.k))
    ifmap_sweeps, filter_sweeps, passes = _sweeps(setup)
    swapped = sum(
        np.where(words > HALF_KB * kb, words * times / (HALF_KB * kb), 0)
        for words, times, kb in (
            (m * k, ifmap_sweeps, setup.ifmap_sram_kb),
            (k * n, filter_sweeps, setup.filter_sram_kb),
        )
    )
    drained = m * n * passes / (HALF_KB * setup.ofmap_sram_kb)
    slots = drain_slots(HALF_KB * setup.ofmap_sram_kb, setup.bandwidth, m * n * passes)
    refused = (count_bounds(setup, lines) > LARGEST) | (slots > SLOTS[-1])
    return np.where(refused, np.inf, 4 * (row_folds * col_folds + swapped + drained))


def count_bounds(setup: Setup, compute_cycles: Any) -> Any:
    """Upper bounds of all counts of each run, in floating point."""
    lines = np.asarray(compute_cycles, np.float64) + 1
    words = lines * np.maximum(setup.rows, setup.cols)  # of any operand, padded, swept or not
    operand = np.asarray(setup.k, np.float64) * np.maximum(setup.m, setup.n)
    half = HALF_KB * np.minimum(setup.ifmap_sram_kb, setup.filter_sram_kb)
    most = HALF_KB * np.maximum(setup.ifmap_sram_kb, setup.filter_sram_kb)
    swaps = lines * 2 * (operand / half + 53)  # a line goes round an operand twice at most
    waits = swaps * (most / np.maximum(setup.bandwidth, 1) + 2) * (setup.bandwidth > 0)
    return np.maximum(words, waits)
