"""Total cycles of many sizings of a run: the replay, from miss to miss.

The lists of misses of the two operands (`airchitect_jax.scalesim.misses`) are merged with the
events of the output buffer, the only ones that depend on time. The same total as `replay_counts`.
"""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Int

from airchitect_jax.scalesim.buffers import NEVER, Writes, empty, put, wait, write
from airchitect_jax.scalesim.operands import Scalar, divide, words_before
from airchitect_jax.scalesim.replay_counts import Run, Setup, in_one_kernel, outputs_of, run_of


class MissList(NamedTuple):
    """The misses of an operand: a part of the arrays of `Misses`."""

    start: Int[Array, "*batch"] | Any
    stop: Int[Array, "*batch"] | Any
    swap_cycles: Int[Array, "*batch"] | Any


class Sizing(NamedTuple):
    """A run with the misses of its two operands."""

    setup: Setup  # of the sizes only that of the outputs counts
    rowwise: MissList
    colwise: MissList


class _Reader(NamedTuple):
    """How far the misses of an operand have been replayed."""

    place: Scalar  # of the next miss
    swaps: Scalar  # until then


class _State(NamedTuple):
    """Everything before `line` has been replayed, except what the outputs have written since."""

    line: Scalar
    stall: Scalar
    rowwise: _Reader
    colwise: _Reader
    writes: Writes
    written: Scalar  # words that `writes` knows of
    full: Scalar  # the first line that can fill the buffer of outputs, or an earlier one
    half: Scalar  # the same of half the buffer


@functools.partial(jax.jit, static_argnames="slots")
def merge(
    sizings: Sizing, lines: Int[Array, "misses"], swaps: Int[Array, "misses"], *, slots: int
) -> Int[Array, "batch"]:
    """Total cycles of each sizing; int64, under 64-bit mode.

    Args:
      sizings: the runs; one whose outputs never wait has an `ofmap_sram_kb` of 0 for an endless
        buffer.
      lines: as in `Misses`.
      swaps: as in `Misses`.
      slots: as for `replay_counts`.
    """

    def totals(sizings: Sizing, lines: Array, swaps: Array) -> Array:
        one = functools.partial(_total, lines=lines, swaps=swaps, slots=slots)
        result: Array = lax.map(one, sizings)
        return result

    result: Array = in_one_kernel(totals, sizings, lines, swaps)
    return result


def _total(sizing: Sizing, *, lines: Array, swaps: Array, slots: int) -> Scalar:
    """Total cycles of one sizing."""
    run = run_of(sizing.setup)
    num_lines = run.rowwise.tiles * run.colwise.tiles * run.fold_lines
    drains = run.output.half > 0
    zero = jnp.zeros_like(num_lines)
    last = lines.shape[0] - 1

    def next_miss(misses: MissList, reader: _Reader) -> Scalar:
        line = lines[jnp.minimum(reader.place, last)]
        return jnp.where(reader.place < misses.stop, line, NEVER)

    def read(
        misses: MissList, reader: _Reader, line: Scalar, cycle: Scalar
    ) -> tuple[_Reader, Scalar]:
        happens = next_miss(misses, reader) == line
        count = swaps[jnp.minimum(reader.place, last)]
        new = jnp.where(happens, count - reader.swaps, 0)
        _, stall = wait(misses.swap_cycles, reader.swaps * misses.swap_cycles - 1, new, cycle)
        return _Reader(reader.place + happens.astype(jnp.int64), reader.swaps + new), stall

    def next_write(state: _State) -> Scalar:
        drained = state.writes.drain_end - state.stall
        due = jnp.minimum(state.full, jnp.maximum(state.half, drained))
        return jnp.where(drains, jnp.maximum(due, state.line), NEVER)

    def next_read(state: _State) -> Scalar:
        return jnp.minimum(
            next_miss(sizing.rowwise, state.rowwise), next_miss(sizing.colwise, state.colwise)
        )

    def reads(state: _State, line: Scalar) -> tuple[_State, Scalar]:
        """The state after the misses of a line, and how long it waits for them."""
        cycle = line + state.stall
        rowwise, rowwise_stall = read(sizing.rowwise, state.rowwise, line, cycle)
        colwise, colwise_stall = read(sizing.colwise, state.colwise, line, cycle)
        state = state._replace(line=line + 1, rowwise=rowwise, colwise=colwise)
        return state, jnp.maximum(rowwise_stall, colwise_stall)

    def only_reads(state: _State) -> _State:
        line = next_read(state)
        state, stall = reads(state, line)
        # The total leaves out a wait for operands on the last line.
        stall = jnp.where(line == num_lines - 1, 0, stall)
        return state._replace(stall=state.stall + stall)

    def until_write(state: _State) -> _State:
        return lax.while_loop(
            lambda state: next_read(state) < jnp.minimum(next_write(state), num_lines),
            only_reads,
            state,
        )

    def also_writes(state: _State) -> _State:
        line = next_write(state)
        cycle = line + state.stall
        before, after = outputs_before(run, line), outputs_before(run, line + 1)
        writes = put(run.output, state.writes, before - state.written)
        writes, write_stall = write(run.output, writes, after - before, cycle)
        state, read_stall = reads(state, line)
        read_stall = jnp.where(line == num_lines - 1, 0, read_stall)
        room = writes.free - run.output.half + 1
        return state._replace(
            stall=state.stall + jnp.maximum(write_stall, read_stall),
            writes=writes,
            written=after,
            full=line_of_output(run, after + jnp.maximum(1, writes.free)),
            half=line_of_output(run, after + jnp.maximum(1, room)),
        )

    start = _State(
        line=zero,
        stall=zero,
        rowwise=_Reader(sizing.rowwise.start, zero),
        colwise=_Reader(sizing.colwise.start, zero),
        writes=empty(run.output, slots),
        written=zero,
        full=line_of_output(run, 2 * run.output.half),
        half=line_of_output(run, run.output.half + 1),
    )
    state = lax.while_loop(
        lambda state: next_write(state) < num_lines,
        lambda state: until_write(also_writes(state)),
        until_write(start),
    )
    return num_lines - 1 + state.stall


def outputs_before(run: Run, line: Scalar) -> Scalar:
    """Words that the array has handed to the buffer of outputs before a line of the run."""
    fold = divide(jnp.maximum(0, line - 1), run.fold_lines)  # the end of a fold counts as its own
    col_fold = divide(fold, run.rowwise.tiles)
    row_fold = fold - col_fold * run.rowwise.tiles
    height, first = outputs_of(run, row_fold)
    width = run.colwise.columns_of(col_fold)
    inside = words_before(line - fold * run.fold_lines - first, height, width)
    tile, sweep = _heights(run)
    return sweep * col_fold * run.colwise.width + tile * row_fold * width + inside


def line_of_output(run: Run, word: Scalar) -> Scalar:
    """The line that hands over a word, counted from 1; `NEVER` if there are fewer."""
    tile, sweep = _heights(run)
    exists = word <= sweep * run.colwise.columns
    col_fold = divide(word - 1, sweep * run.colwise.width)
    width = run.colwise.columns_of(col_fold)
    word = word - col_fold * sweep * run.colwise.width
    row_fold = divide(word - 1, tile * width)
    word = word - row_fold * tile * width
    height, first = outputs_of(run, row_fold)
    # Anti-diagonals grow to `short` words, stay so long, and shrink again.
    short, long = jnp.minimum(height, width), jnp.maximum(height, width)
    growing = _triangle(word - 1) + 1
    steady = divide(word + short * (short - 1) // 2 + short - 1, short)
    shrinking = short + long - 1 - _triangle(height * width - word)
    diagonals = jnp.where(steady <= long, steady, shrinking)
    diagonals = jnp.where(growing <= short, growing, diagonals)
    fold = col_fold * run.rowwise.tiles + row_fold
    return jnp.where(exists, fold * run.fold_lines + first + diagonals - 1, NEVER)


def _heights(run: Run) -> tuple[Scalar, Scalar]:
    """Rows of outputs of a row fold that is not the last one, and of all row folds."""
    tile = jnp.where(run.output_stationary, run.rowwise.width, run.t)
    sweep = jnp.where(run.output_stationary, run.rowwise.columns, run.t * run.rowwise.tiles)
    return tile, sweep


def _triangle(words: Scalar) -> Scalar:
    """The most rows of 1, 2, 3, ... words that so many words fill; exact below 2**49."""
    root = jnp.sqrt((8 * words + 1).astype(jnp.float64))
    return ((root - 1) / 2).astype(jnp.int64)
