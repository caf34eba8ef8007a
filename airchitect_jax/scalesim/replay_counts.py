"""One run of the scalesim 3.0.0 package, replayed from event to event: the exact integer core.

An event is a line (a cycle of a run without stalls) on which an operand misses its buffer, or the
outputs wait for or start a drain. Everything between two events has a closed form, so a step of
the loop takes the same time however many lines it passes. Steps may come too early, never too
late: a line on which nothing happens is replayed like any other.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jax.experimental import xla_metadata
from jaxtyping import Array, Bool, Int

from airchitect_jax.cost import ceil_div, mixed_dims
from airchitect_jax.scalesim.buffers import (
    SETS_A_BUFFER,
    ReadBuffer,
    Window,
    WriteBuffer,
    Writes,
    empty,
    next_write,
    put,
    read,
    read_buffer,
    words_written,
    write,
    write_buffer,
)
from airchitect_jax.scalesim.operands import (
    Scalar,
    Stack,
    divide,
    estimated_reads,
    stationary_access,
    stream_access,
    words_before,
)
from airchitect_jax.types import Dataflow, Gemm, IntLike

HALF_KB = 512  # words of half a buffer of one kilobyte
ESTIMATED_SETS = 50  # what CALC mode remembers, in hundredths of a buffer


def in_one_kernel(function: Callable[..., Any], *arguments: Any) -> Any:
    """The result of a traced function, compiled as a single kernel of the CPU.

    XLA's CPU backend runs the operations of a loop as many kernels, unless the loop moves less
    than a kilobyte. A call with these attributes is compiled as such a small loop would be, and
    takes a tenth of the time. Where they mean nothing the result is the same. They rule out arrays
    of half a megabyte, which XLA would split over threads.
    """
    with xla_metadata.set_xla_metadata(xla_cpu_small_call="true", inlineable="false"):
        return jax.jit(function)(*arguments)


class Setup(NamedTuple):
    """One run, in the package's units."""

    m: Int[Array, "*batch"] | IntLike
    n: Int[Array, "*batch"] | IntLike
    k: Int[Array, "*batch"] | IntLike
    rows: Int[Array, "*batch"] | IntLike
    cols: Int[Array, "*batch"] | IntLike
    ifmap_sram_kb: Int[Array, "*batch"] | IntLike
    filter_sram_kb: Int[Array, "*batch"] | IntLike
    ofmap_sram_kb: Int[Array, "*batch"] | IntLike
    dataflow: Int[Array, "*batch"] | IntLike
    # Words per cycle of each operand's port; 0 for CALC mode.
    bandwidth: Int[Array, "*batch"] | IntLike


class Counts(NamedTuple):
    """What of a report depends on the memories."""

    total_cycles: Int[Array, "*batch"] | IntLike
    stall_cycles: Int[Array, "*batch"] | IntLike
    ifmap_dram_reads: Int[Array, "*batch"] | IntLike
    filter_dram_reads: Int[Array, "*batch"] | IntLike
    ofmap_dram_writes: Int[Array, "*batch"] | IntLike


def replay_counts(setup: Setup, *, slots: int) -> Counts:
    """The replay of one run: int64 scalars in and out, under 64-bit mode.

    Pure and not jitted; `vmap` and `jit` it, with `slots` static.

    Args:
      setup: the run; bandwidth 0 is CALC mode.
      slots: a power of two that is at least `drain_slots` of the run.
    """
    run, calc = run_of(setup), setup.bandwidth == 0
    zero = jnp.zeros_like(setup.m)
    fresh = Window(start=zero, ready=zero - 1, swaps=zero)
    state = lax.while_loop(
        lambda state: state.col_fold < run.colwise.tiles,
        functools.partial(_event, run),
        _State(zero, zero, zero, zero, zero, zero, fresh, fresh, empty(run.output, slots)),
    )
    rowwise_reads = jnp.where(
        calc,
        estimated_reads(
            tile_words=zero + 1,  # one tile, swept for each column fold
            last_words=run.rowwise.height * run.rowwise.columns,
            tiles=zero + 1,
            sweeps=run.colwise.tiles,
            capacity=_remembered(run.rowwise_buffer),
        ),
        _fetched(run.rowwise, run.rows, run.rowwise_buffer, state.rowwise, setup.bandwidth),
    )
    colwise_reads = jnp.where(
        calc,
        estimated_reads(
            tile_words=run.colwise.height * run.colwise.width,
            last_words=run.colwise.height * run.colwise.columns_of(run.colwise.tiles - 1),
            tiles=run.colwise.tiles,
            sweeps=jnp.where(run.output_stationary, run.rowwise.tiles, 1),
            capacity=_remembered(run.colwise_buffer),
        ),
        _fetched(run.colwise, run.cols, run.colwise_buffer, state.colwise, setup.bandwidth),
    )
    swapped = setup.dataflow == Dataflow.IS
    return Counts(
        total_cycles=state.total,
        stall_cycles=state.stall,
        ifmap_dram_reads=jnp.where(swapped, colwise_reads, rowwise_reads),
        filter_dram_reads=jnp.where(swapped, rowwise_reads, colwise_reads),
        ofmap_dram_writes=words_written(run.output, state.writes),
    )


class Run(NamedTuple):
    """What does not change during a run.

    One operand is cut by row folds and streamed into the rows: `rowwise`; it is swept once for
    each column fold. The other is cut by column folds, `colwise`: it is streamed into the columns
    (OS) or stationary.
    """

    output_stationary: Bool[Array, ""]
    rows: Scalar
    cols: Scalar
    t: Scalar
    load: Scalar  # lines that load the stationary operand
    fold_lines: Scalar
    rowwise: Stack
    colwise: Stack
    rowwise_buffer: ReadBuffer
    colwise_buffer: ReadBuffer
    output: WriteBuffer


class _State(NamedTuple):
    """Where a run stands: the line of a fold that comes next, and the buffers."""

    row_fold: Scalar
    col_fold: Scalar
    line: Scalar
    earlier_lines: Scalar  # of all folds before this one
    stall: Scalar
    total: Scalar  # the last cycle of this fold, as far as is known
    rowwise: Window
    colwise: Window
    writes: Writes


def run_of(setup: Setup) -> Run:
    """Geometry and buffers of a run."""
    output_stationary = setup.dataflow == Dataflow.OS
    s_r, s_c, t = mixed_dims(Gemm(m=setup.m, n=setup.n, k=setup.k), setup.dataflow)
    load = jnp.where(output_stationary, 0, setup.rows)
    # A single tile needs no padding, which has no rank anyway.
    rowwise = Stack(
        height=t, width=jnp.minimum(setup.rows, s_r), columns=s_r, tiles=ceil_div(s_r, setup.rows)
    )
    colwise = Stack(
        height=jnp.where(output_stationary, t, s_r),
        width=jnp.minimum(setup.cols, s_c),
        columns=s_c,
        tiles=ceil_div(s_c, setup.cols),
    )
    input_stationary = setup.dataflow == Dataflow.IS
    rowwise_kb = jnp.where(input_stationary, setup.filter_sram_kb, setup.ifmap_sram_kb)
    colwise_kb = jnp.where(input_stationary, setup.ifmap_sram_kb, setup.filter_sram_kb)
    return Run(
        output_stationary=output_stationary,
        rows=setup.rows,
        cols=setup.cols,
        t=t,
        load=load,
        fold_lines=load + setup.rows + setup.cols + t - 2,
        rowwise=rowwise,
        colwise=colwise,
        rowwise_buffer=read_buffer(HALF_KB * rowwise_kb, s_r * t, setup.bandwidth),
        colwise_buffer=read_buffer(HALF_KB * colwise_kb, colwise.height * s_c, setup.bandwidth),
        output=write_buffer(
            HALF_KB * setup.ofmap_sram_kb,
            jnp.where(setup.bandwidth == 0, setup.cols, setup.bandwidth),
        ),
    )


def _event(run: Run, state: _State) -> _State:
    """Replays a line and skips to the next at which anything may happen, or to the next fold."""
    line, cycle = state.line, state.earlier_lines + state.line + state.stall
    rowwise_access = stream_access(run.rowwise, state.row_fold, line, run.load)
    colwise_access = jax.tree.map(
        functools.partial(jnp.where, run.output_stationary),
        stream_access(run.colwise, state.col_fold, line, jnp.zeros_like(line)),
        stationary_access(run.colwise, state.col_fold, state.row_fold, run.rows, line),
    )
    rowwise, rowwise_stall, next_rowwise = read(
        run.rowwise_buffer, state.rowwise, rowwise_access, line, cycle
    )
    colwise, colwise_stall, next_colwise = read(
        run.colwise_buffer, state.colwise, colwise_access, line, cycle
    )

    height, first = outputs_of(run, state.row_fold)
    width = run.colwise.columns_of(state.col_fold)
    before = words_before(line - first, height, width)
    after = words_before(line + 1 - first, height, width)
    writes, write_stall = write(run.output, state.writes, after - before, cycle)

    stall = state.stall + jnp.maximum(write_stall, jnp.maximum(rowwise_stall, colwise_stall))
    most, bounds = jnp.minimum(height, width), (first, first + height + width - 1)
    next_output = next_write(
        run.output, writes, most, bounds, line + 1, state.earlier_lines + line + 1 + stall
    )
    following = jnp.minimum(jnp.minimum(next_rowwise, next_colwise), next_output)
    following = jnp.minimum(following, run.fold_lines)
    writes = put(run.output, writes, words_before(following - first, height, width) - after)

    ends = following == run.fold_lines
    row_fold = state.row_fold + ends.astype(jnp.int64)
    wraps = row_fold == run.rowwise.tiles
    total = state.earlier_lines + run.fold_lines - 1 + stall
    return _State(
        row_fold=jnp.where(wraps, 0, row_fold),
        col_fold=state.col_fold + wraps.astype(jnp.int64),
        line=jnp.where(ends, 0, following),
        earlier_lines=state.earlier_lines + jnp.where(ends, run.fold_lines, 0),
        stall=stall,
        total=jnp.where(line == run.fold_lines - 1, cycle + write_stall, total),
        rowwise=rowwise,
        colwise=colwise,
        writes=writes,
    )


def outputs_of(run: Run, row_fold: Scalar) -> tuple[Scalar, Scalar]:
    """Rows of a fold's outputs, and its first line that hands over any.

    Outputs leave along anti-diagonals as well: of the rows in use (OS) or of all times.
    """
    height = jnp.where(run.output_stationary, run.rowwise.columns_of(row_fold), run.t)
    first = jnp.where(run.output_stationary, run.t - 1 + run.rows - height, 2 * run.rows - 1)
    return height, first


def _fetched(
    stack: Stack, width: Scalar, buffer: ReadBuffer, window: Window, bandwidth: Scalar
) -> Scalar:
    """Words that USER mode counts: whole rows of the interface, padding and final swap included."""
    rows = buffer.swap_cycles - 1
    padded = stack.tiles * stack.height * width
    first = jnp.minimum(rows, divide(padded - 1, jnp.maximum(bandwidth, 1)) + 1)
    return (first + window.swaps * rows) * bandwidth


def _remembered(buffer: ReadBuffer) -> Scalar:
    """Words that CALC mode remembers of an operand."""
    return ESTIMATED_SETS * (2 * buffer.half // SETS_A_BUFFER)
