"""Where a run misses the buffer of one operand: lists that do not depend on the other buffers.

Which lines miss, and how many swaps they need, does not depend on time (`slide`). So the misses of
an operand are found once for each of its sizes, and serve all sizings of the other buffers
(`airchitect_jax.scalesim.sizings`).
"""

from __future__ import annotations

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool, Int

from airchitect_jax.scalesim.buffers import ReadBuffer, slide
from airchitect_jax.scalesim.operands import Access, Scalar, Stack, stationary_access, stream_access
from airchitect_jax.scalesim.replay_counts import Run, Setup, in_one_kernel, run_of


class Misses(NamedTuple):
    """Lists of misses, one after the other, and what is known of each list.

    A line is one of the whole run. `swaps` counts those of the list up to and with a line.
    `earliest` is a lower bound of the total cycles of every run with this operand. A list that is
    not `late` never stalls: its lines come after their swaps in a run without stalls, and all the
    more in one with stalls.
    """

    line: Int[Array, "misses"]
    swaps: Int[Array, "misses"]
    stop: Int[Array, "lists"]  # in the two arrays above, even where they are too short
    swap_cycles: Int[Array, "lists"]
    earliest: Int[Array, "lists"]
    late: Bool[Array, "lists"]


class _State(NamedTuple):
    """A line of a fold to look at, and what was found until then."""

    row_fold: Scalar
    col_fold: Scalar
    line: Scalar
    earlier_lines: Scalar  # of all folds before this one
    start: Scalar  # of the window
    swaps: Scalar
    stall: Scalar  # a lower bound
    late: Bool[Array, ""]
    place: Scalar  # of the next miss in the arrays
    lines: Int[Array, "capacity"]
    counts: Int[Array, "capacity"]


@functools.partial(jax.jit, static_argnames=("stationary", "capacity"))
def find_misses(
    setup: Setup, colwise: Bool[Array, "lists"], *, stationary: bool, capacity: int
) -> Misses:
    """The misses of one operand of each run, in USER mode; int64, under 64-bit mode.

    Args:
      setup: the runs.
      colwise: whether the operand is the one that column folds cut, or the one that row folds do.
      stationary: whether the operands are stationary, which only those of column folds can be.
      capacity: how many misses there is room for.
    """

    def lists(setup: Setup, colwise: Bool[Array, "lists"]) -> Misses:
        # One spare place, for lines that do not miss.
        fresh = jnp.zeros((2, capacity + 1), jnp.int64)
        (lines, counts, _), known = lax.scan(
            functools.partial(_append, stationary=stationary),
            (fresh[0], fresh[1], jnp.zeros((), jnp.int64)),
            (setup, colwise),
        )
        return Misses(lines, counts, *known)

    misses: Misses = in_one_kernel(lists, setup, colwise)
    return misses


def _append(
    carry: tuple[Array, Array, Scalar], operand: tuple[Setup, Bool[Array, ""]], *, stationary: bool
) -> tuple[tuple[Array, Array, Scalar], tuple[Scalar, ...]]:
    """Appends the list of an operand."""
    lines, counts, place = carry
    setup, colwise = operand
    run = run_of(setup)
    stack, buffer = jax.tree.map(
        functools.partial(jnp.where, colwise),
        (run.colwise, run.colwise_buffer),
        (run.rowwise, run.rowwise_buffer),
    )
    zero = jnp.zeros_like(setup.m)
    # An operand that fits has no misses, and no fold to look at.
    first_fold = jnp.where(buffer.step > 0, zero, run.colwise.tiles)
    state = lax.while_loop(
        lambda state: state.col_fold < run.colwise.tiles,
        functools.partial(_look, run, stack, buffer, colwise, stationary=stationary),
        _State(
            row_fold=zero,
            col_fold=first_fold,
            line=_first_line(run, stack, zero, stationary=stationary),
            earlier_lines=zero,
            start=zero,
            swaps=zero,
            stall=zero,
            late=zero > 0,
            place=place,
            lines=lines,
            counts=counts,
        ),
    )
    earliest = run.rowwise.tiles * run.colwise.tiles * run.fold_lines - 1 + state.stall
    known = (state.place, buffer.swap_cycles, earliest, state.late)
    return (state.lines, state.counts, state.place), known


def _look(
    run: Run,
    stack: Stack,
    buffer: ReadBuffer,
    colwise: Bool[Array, ""],
    state: _State,
    *,
    stationary: bool,
) -> _State:
    """Looks at a line, and goes to the next at which the operand may miss."""
    access = _access(run, stack, colwise, state, stationary=stationary)
    start, swaps, following = slide(buffer, state.start, access, state.line)
    misses = swaps > 0
    line = state.earlier_lines + state.line
    stall, late = _wait_at_least(buffer.swap_cycles, state.swaps, swaps, line, state.stall)
    is_last = line == run.rowwise.tiles * run.colwise.tiles * run.fold_lines - 1
    spare = state.lines.shape[0] - 1
    place = jnp.minimum(state.place, spare)

    ends = following >= run.fold_lines
    row_fold = state.row_fold + ends.astype(jnp.int64)
    wraps = row_fold == run.rowwise.tiles
    row_fold = jnp.where(wraps, 0, row_fold)
    first = _first_line(run, stack, row_fold, stationary=stationary)
    return _State(
        row_fold=row_fold,
        col_fold=state.col_fold + wraps.astype(jnp.int64),
        line=jnp.where(ends, first, following),
        earlier_lines=state.earlier_lines + jnp.where(ends, run.fold_lines, 0),
        start=start,
        swaps=state.swaps + swaps,
        # The total leaves out a wait for operands on the last line.
        stall=jnp.where(misses & ~is_last, stall, state.stall),
        late=state.late | (misses & late),
        place=state.place + misses.astype(jnp.int64),
        # A line without a miss is overwritten by the next one.
        lines=state.lines.at[place].set(line),
        counts=state.counts.at[place].set(state.swaps + swaps),
    )


def _access(
    run: Run, stack: Stack, colwise: Bool[Array, ""], state: _State, *, stationary: bool
) -> Access:
    if stationary:
        return stationary_access(stack, state.col_fold, state.row_fold, run.rows, state.line)
    tile = jnp.where(colwise, state.col_fold, state.row_fold)
    return stream_access(stack, tile, state.line, run.load)


def _first_line(run: Run, stack: Stack, row_fold: Scalar, *, stationary: bool) -> Scalar:
    """The first line of a fold that reads the operand."""
    if stationary:
        return jnp.maximum(0, (row_fold + 1) * run.rows - stack.height)
    return run.load


def _wait_at_least(
    swap_cycles: Scalar, before: Scalar, swaps: Scalar, line: Scalar, stall: Scalar
) -> tuple[Scalar, Bool[Array, ""]]:
    """The stall after a line that swaps, at least, and whether it can be late at all.

    Let a be the cycle after the line's, and r and R the cycles at which the newest sets are
    complete before and after its swaps, S apart for each. `wait` moves a to the larger of a and
    R + max(0, r + S - a) for an odd number of swaps, which is R at least, and of a and
    R + min(S, a - r) for an even number, which rises with a. Neither moves an a of R (R + S) or
    more. By induction a - r is never negative.
    """
    after = line + 1 + stall
    ready = before * swap_cycles - 1
    complete = ready + swaps * swap_cycles
    odd = swaps % 2 == 1
    least = complete + jnp.where(odd, 0, jnp.minimum(swap_cycles, after - ready))
    deadline = complete + jnp.where(odd, 0, swap_cycles)
    return stall + jnp.maximum(0, least - after), line + 1 < deadline
