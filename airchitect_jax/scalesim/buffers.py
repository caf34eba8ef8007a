"""The double buffers of the scalesim 3.0.0 package in time: one line of a run at a time.

Sizes are in words (a word is a byte in the package), times in cycles. Every function is for one
configuration: int64 scalars in and out, no `jit`, ready for `vmap`.
"""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Bool, Int

from airchitect_jax.cost import Number, ceil_div
from airchitect_jax.scalesim.operands import Access, Scalar, divide

SETS_A_BUFFER = 100
NEVER = 1 << 62  # a line that no fold has


class ReadBuffer(NamedTuple):
    """A buffer of an operand, which the package keeps in sets of consecutive ranks."""

    half: Scalar  # words
    set_words: Scalar
    sets: Scalar  # of the whole operand; the last one may be empty
    resident: Scalar  # sets that can be read
    step: Scalar  # sets that one swap replaces; 0 if the operand fits
    swap_cycles: Scalar


class Window(NamedTuple):
    """The resident sets `start .. start + resident - 1`, in a circle over the operand."""

    start: Scalar
    ready: Scalar  # when the newest of them were complete
    swaps: Scalar


def read_buffer(half: Scalar, words: Scalar, bandwidth: Scalar) -> ReadBuffer:
    """A buffer of two halves for an operand of `words` words; bandwidth 0: it never misses."""
    set_words = ceil_div(2 * half, SETS_A_BUFFER)
    sets = divide(words, set_words) + 1
    most = ceil_div(half, set_words)
    resident = jnp.where(bandwidth == 0, sets, jnp.minimum(sets, most))
    return ReadBuffer(
        half=half,
        set_words=set_words,
        sets=sets,
        resident=resident,
        step=jnp.minimum(sets - resident, most),
        swap_cycles=ceil_div(half, jnp.maximum(bandwidth, 1)) + 1,
    )


def read(
    buffer: ReadBuffer, window: Window, access: Access, line: Scalar, cycle: Scalar
) -> tuple[Window, Scalar, Scalar]:
    """Reads one line at a cycle: the window after it, the stall, and the next line to look at."""
    start, swaps, following = slide(buffer, window.start, access, line)
    ready, stall = wait(buffer.swap_cycles, window.ready, swaps, cycle)
    return Window(start, ready, window.swaps + swaps), stall, following


def slide(
    buffer: ReadBuffer, start: Scalar, access: Access, line: Scalar
) -> tuple[Scalar, Scalar, Scalar]:
    """Where the window starts after a line, the swaps until then, and the next line to look at.

    The window only moves forward, by `step` sets a swap, and never jumps over a set, so which
    lines miss and how often they swap does not depend on time.
    """
    first, last = divide(access.first, buffer.set_words), divide(access.last, buffer.set_words)
    ahead = first - start
    ahead = jnp.where(ahead < 0, ahead + buffer.sets, ahead) + (last - first)
    reads = (access.start <= line) & (line < access.stop)
    beyond = jnp.where(reads, ahead - buffer.resident + 1, 0)
    step = jnp.maximum(buffer.step, 1)
    swaps = jnp.maximum(0, divide(beyond + step - 1, step))

    # The window without the circle, as seen from the line's last set; no later line leaves it
    # before the ranks have crossed one of its ends.
    bottom = last - (ahead - swaps * buffer.step)
    gap = jnp.where(
        access.ascending,
        (bottom + buffer.resident) * buffer.set_words - access.anchor,
        access.anchor - bottom * buffer.set_words,
    )
    following = line + jnp.maximum(1, divide(gap, access.rate))
    following = jnp.where(line < access.start, access.start, following)
    following = jnp.where(line < access.stop - 1, following, NEVER)
    return lax.rem(start + swaps * buffer.step, buffer.sets), swaps, following


def wait(swap_cycles: Scalar, ready: Scalar, swaps: Scalar, cycle: Scalar) -> tuple[Scalar, Scalar]:
    """When the newest sets are complete after some swaps, and the stall of a line that needs them.

    Swaps complete every `swap_cycles`, whether they are waited for or not. The package adds the
    time that a line is behind them once, and a second time where it is positive. Measured by how
    far the line is ahead of the newest swap, one swap turns e into max(0, swap_cycles - e), and
    two of them return what one left.
    """
    once = jnp.maximum(0, swap_cycles - (cycle + 1 - ready))
    lead = jnp.where(swaps % 2 == 1, once, swap_cycles - once)
    ready = ready + swaps * swap_cycles
    return ready, jnp.where(swaps > 0, jnp.maximum(0, lead + ready - cycle - 1), 0)


class WriteBuffer(NamedTuple):
    """The buffer of the outputs: it drains one half while the other fills."""

    half: Scalar
    bandwidth: Scalar  # words of a row of the interface, which takes a cycle
    rows: Scalar  # rows of one drain


class Writes(NamedTuple):
    """The state of the output buffer.

    Words are packed into rows of `bandwidth` words, and a drain first closes the row that is being
    filled. Rows drain in order, `rows` of them at a time, and all but the last of a drain count as
    full ones. So of the closed rows only those that will end a drain matter, and the last one:
    `short` keeps what each of those lacks, by the number of its drain.
    """

    free: Scalar
    drain_end: Scalar
    fill: Scalar  # words in the open row
    closed: Scalar  # rows so far
    drains: Scalar
    lacking: Scalar  # words that the last rows of all drains lacked
    tail: Scalar  # words that the newest closed row lacks
    short: Int[Array, "slots+1"]  # number * bandwidth + lack, by number % slots; one to spare


def write_buffer(half: Scalar, bandwidth: Scalar) -> WriteBuffer:
    """A buffer of two halves."""
    return WriteBuffer(half=half, bandwidth=bandwidth, rows=ceil_div(half, bandwidth))


def empty(buffer: WriteBuffer, slots: int) -> Writes:
    """Nothing written yet; for `slots` see `drain_slots`."""
    zero = jnp.zeros_like(buffer.half)
    short = jnp.zeros(slots + 1, jnp.int64)
    return Writes(2 * buffer.half, zero, zero, zero, zero, zero, zero, short)


def drain_slots(half: Number, bandwidth: Number, words: Number) -> Number:
    """How many slots of `Writes.short` are enough for a run that writes `words` words: a bound.

    A drain takes `rows` rows, of which all but the last hold `bandwidth` words or are one of the
    rows that drains have closed, one each: there are at most words / (bandwidth (rows - 1)) drains.
    The words written from drain to drain are those that the package believes to have drained, up
    to the size of the buffer. So rows close as fast as they drain, but for one row a drain and a
    few buffers of full rows. If a single row makes a drain, none waits for long.
    """
    rows = ceil_div(half, bandwidth)
    drains = words // (bandwidth * np.maximum(rows - 1, 1))
    return 8 + np.where(rows > 1, drains // rows, 0)


def put(buffer: WriteBuffer, writes: Writes, words: Scalar) -> Writes:
    """Stores words while nothing else happens."""
    rows = divide(writes.fill + words, buffer.bandwidth)
    return writes._replace(
        free=writes.free - words,
        fill=writes.fill + words - rows * buffer.bandwidth,
        closed=writes.closed + rows,
        tail=jnp.where(rows > 0, 0, writes.tail),
    )


def close_row(buffer: WriteBuffer, writes: Writes, when: Bool[Array, ""]) -> Writes:
    """Closes the open row, if it holds anything and if `when`."""
    closes = when & (writes.fill > 0)
    closed = writes.closed + closes.astype(jnp.int64)
    lack = buffer.bandwidth - writes.fill
    drain = divide(closed, buffer.rows)
    spare = writes.short.shape[0] - 1
    ends = closes & (drain * buffer.rows == closed)
    slot = jnp.where(ends, drain & (spare - 1), spare)
    return writes._replace(
        fill=jnp.where(closes, 0, writes.fill),
        closed=closed,
        tail=jnp.where(closes, lack, writes.tail),
        short=writes.short.at[slot].set(drain * buffer.bandwidth + lack),
    )


def lack_of(buffer: WriteBuffer, writes: Writes, drain: Scalar) -> Scalar:
    """Words that the last row of a drain lacks."""
    slot = drain & (writes.short.shape[0] - 2)
    # Negative where an older drain left its mark.
    return jnp.maximum(0, writes.short[slot] - drain * buffer.bandwidth)


def start_drain(
    buffer: WriteBuffer, writes: Writes, cycle: Scalar, when: Bool[Array, ""]
) -> Writes:
    """Starts a drain, if `when`. There are always rows enough for a whole one."""
    writes = close_row(buffer, writes, when)
    drains = writes.drains + when.astype(jnp.int64)
    lack = jnp.where(when, lack_of(buffer, writes, drains), 0)
    gain = jnp.where(when, buffer.rows * buffer.bandwidth, 0) - lack
    return writes._replace(
        free=writes.free + gain,
        drain_end=jnp.where(when, cycle + buffer.rows - 1, writes.drain_end),
        drains=drains,
        lacking=writes.lacking + lack,
    )


def write(
    buffer: WriteBuffer, writes: Writes, words: Scalar, cycle: Scalar
) -> tuple[Writes, Scalar]:
    """Stores the words of one line that begins at a cycle: the state after it, and the stall.

    While a drain is under way a word that leaves no room waits for its end; otherwise a word that
    leaves less than half of the buffer starts a drain. Each turn goes to the next such word.
    """

    def turn(carry: tuple[Writes, Scalar, Scalar]) -> tuple[Writes, Scalar, Scalar]:
        writes, left, now = carry
        draining = now < writes.drain_end
        room = jnp.where(draining, writes.free, writes.free - buffer.half + 1)
        until = jnp.maximum(1, room)
        taken = jnp.minimum(left, until)
        happens = taken == until
        after = jnp.where(happens & draining, writes.drain_end, now)
        writes = put(buffer, writes, taken)
        writes = start_drain(buffer, writes, now, happens & ~draining)
        return writes, left - taken, after

    writes, _, now = lax.while_loop(lambda carry: carry[1] > 0, turn, (writes, words, cycle))
    return writes, now - cycle


def next_write(
    buffer: WriteBuffer,
    writes: Writes,
    most: Scalar,
    bounds: tuple[Scalar, Scalar],
    line: Scalar,
    cycle: Scalar,
) -> Scalar:
    """The first line from `line` on, reached at `cycle`, that may wait for or start a drain.

    Never too late: lines are taken to write `most` words each from the first bound on (`bounds`
    are the fold's first line that writes and the one after its last).
    """
    first, stop = bounds
    before = jnp.maximum(line, first) - 1
    full = before + divide(jnp.maximum(1, writes.free) + most - 1, most)
    half = before + divide(jnp.maximum(1, writes.free - buffer.half + 1) + most - 1, most)
    drained = line + writes.drain_end - cycle
    following = jnp.minimum(full, jnp.maximum(half, drained))
    return jnp.where(line < stop, following, NEVER)


def words_written(buffer: WriteBuffer, writes: Writes) -> Scalar:
    """What has left the buffer once it is emptied at the end of the run, as the package counts."""
    writes = close_row(buffer, writes, jnp.array(True))
    whole_drains = divide(writes.closed, buffer.rows)
    lacking: Scalar = lax.fori_loop(
        writes.drains + 1,
        whole_drains + 1,
        lambda drain, lacking: lacking + lack_of(buffer, writes, drain),
        # A last drain of fewer rows ends with the newest one.
        jnp.where(whole_drains * buffer.rows == writes.closed, 0, writes.tail),
    )
    return writes.closed * buffer.bandwidth - writes.lacking - lacking
