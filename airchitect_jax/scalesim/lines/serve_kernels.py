"""Serves lines: their cycles, the stalls, the write buffer and the ports to DRAM."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float64, Int64

from airchitect_jax._support import compiled
from airchitect_jax.scalesim.lines.read_kernels import Requests

# The package takes latencies above this one for errors.
_MAX_LATENCY = 10_000


class Queue(NamedTuple):
    """A port to DRAM with the latencies of Ramulator; without them, the queue is empty.

    Attributes:
      latency: of a request without a latency of its own.
      latencies: of the requests, in order.
      waiting: cycles at which waiting requests are served, ascending; one place per entry.
      used: number of latencies used, and of requests that wait.
    """

    latency: float
    latencies: Float64[np.ndarray, "requests"]
    waiting: Float64[np.ndarray, "entries"]
    used: Int64[np.ndarray, "2"]


class Reads(NamedTuple):
    """What a block's lines need of an operand's read buffer.

    Attributes:
      swaps: of each line.
      conflicts: cycles of each line lost in banks; -1 for an idle line, as the package has it.
      done: cycle at which each swap is complete.
      banked: banks are modelled, and each stall counts once instead of twice.
      delay: of the first line of the run, by Ramulator.
    """

    swaps: Int64[np.ndarray, "lines"]
    conflicts: Int64[np.ndarray, "lines"]
    done: Float64[np.ndarray, "swaps"]
    banked: bool
    delay: float


class Writes(NamedTuple):
    """The state of the write buffer; sizes in words.

    Attributes:
      active: words of the active half; a drain starts when less is free.
      drain_rows: rows of a drain.
      bandwidth: words of a row.
      free: free words by the package's count, which takes rows closed early for full ones.
      open_words: of the row being filled.
      rows: rows closed and not drained.
      accesses: words drained, by the same count.
      drained_at: cycle at which the last drain ends.
    """

    active: int
    drain_rows: int
    bandwidth: int
    free: int
    open_words: int
    rows: int
    accesses: int
    drained_at: float


@compiled
def respond(port: Queue, start: float, responses: Float64[np.ndarray, "rows"]) -> None:
    """Cycles at which requests of consecutive cycles are served, as the package has them."""
    stall = 0.0
    for i in range(len(responses)):
        latency = port.latency
        if port.used[0] < len(port.latencies):
            latency = port.latencies[port.used[0]]
            port.used[0] += 1
        if latency > _MAX_LATENCY:
            latency = port.latency
        now = start + i + stall
        responses[i] = now + latency
        if len(port.waiting) == 0:
            continue
        waiting = port.used[1]
        place = waiting
        while place > 0 and port.waiting[place - 1] > responses[i]:
            port.waiting[place] = port.waiting[place - 1]
            place -= 1
        port.waiting[place] = responses[i]
        waiting += 1
        if waiting == len(port.waiting):
            served = 1
            if port.waiting[0] >= now:
                stall += port.waiting[0] - now
            else:
                while served < waiting and port.waiting[served] < now:
                    served += 1
            waiting -= served
            for place in range(waiting):
                port.waiting[place] = port.waiting[place + served]
        port.used[1] = waiting


@compiled
def _read_offset(reads: Reads, line: int, swap: int, cycle: float) -> float:
    """Cycles from a line's arrival until it is read."""
    offset = 1.0
    for done in reads.done[swap : swap + reads.swaps[line]]:
        stall = done - (cycle + offset)
        if stall > 0 or not reads.banked:
            offset += stall
        if stall > 0 and not reads.banked:  # the package adds it a second time
            offset += stall
    return offset + reads.conflicts[line]


@compiled
def _drain(
    buffer: Writes,
    port: Queue,
    start: float,
    drained: int,
    row_words: Int64[np.ndarray, "rows"],
    responses: Float64[np.ndarray, "rows"],
) -> Writes:
    """Drains the next rows; row `drained` is the first of those that wait."""
    count = min(buffer.drain_rows, buffer.rows)
    end = drained + count
    respond(port, start, responses[drained:end])
    # Only the last row's empty places are left out.
    words = (count - 1) * buffer.bandwidth + row_words[end - 1]
    return Writes(
        buffer.active,
        buffer.drain_rows,
        buffer.bandwidth,
        buffer.free + words,
        buffer.open_words,
        buffer.rows - count,
        buffer.accesses + words,
        responses[drained:end].max(),
    )


@compiled
def _close_row(
    buffer: Writes, drained: int, row_words: Int64[np.ndarray, "rows"], free: int, open_words: int
) -> Writes:
    """The buffer with as many free words, and its open row closed if it has words."""
    rows = buffer.rows
    if open_words:
        row_words[drained + rows] = open_words
        rows += 1
    return Writes(
        buffer.active,
        buffer.drain_rows,
        buffer.bandwidth,
        free,
        0,
        rows,
        buffer.accesses,
        buffer.drained_at,
    )


@compiled
def serve(
    line: int,
    stalls: int,
    ifmap: Reads,
    filter_: Reads,
    lines: Int64[np.ndarray, "lines ports"],
    buffer: Writes,
    port: Queue,
    row_words: Int64[np.ndarray, "rows"],
    responses: Float64[np.ndarray, "rows"],
    served: Float64[np.ndarray, "3 lines"],
) -> tuple[int, Writes, int, Requests]:
    """Serves a block's lines, each of which waits for the slowest of the three operands.

    Args:
      line: number of the block's first line.
      stalls: cycles stalled before.
      ifmap: reads of the ifmap.
      filter_: reads of the filter.
      lines: writes of the ofmap.
      buffer: state of the write buffer.
      port: of the write buffer.
      row_words: words of the rows that wait, followed by room for those that the block closes.
      responses: written; cycles at which the drained rows are written.
      served: written; cycles at which each line of ifmap, filter and ofmap is served.

    Returns:
      Stalls, the write buffer, the number of drained rows, and the lines with writes.
    """
    first, last = -1, -1
    drained = 0
    ifmap_swap, filter_swap = 0, 0
    for i in range(len(lines)):
        cycle = float(line + i + stalls)
        served[0, i] = cycle + _read_offset(ifmap, i, ifmap_swap, cycle)
        ifmap_swap += ifmap.swaps[i]
        served[1, i] = cycle + _read_offset(filter_, i, filter_swap, cycle)
        filter_swap += filter_.swaps[i]
        if line + i == 0:
            served[0, i] += ifmap.delay
            served[1, i] += filter_.delay
        now = cycle
        free, open_words = buffer.free, buffer.open_words
        requested = False
        for word in lines[i]:
            if word == -1:
                continue
            requested = True
            free -= 1
            open_words += 1
            if open_words == buffer.bandwidth:
                buffer = _close_row(buffer, drained, row_words, free, open_words)
                open_words = 0
            if now < buffer.drained_at:
                if free <= 0:
                    now = buffer.drained_at
            elif free < buffer.active:
                buffer = _close_row(buffer, drained, row_words, free, open_words)
                open_words = 0
                rows = buffer.rows
                buffer = _drain(buffer, port, now, drained, row_words, responses)
                drained += rows - buffer.rows
                free = buffer.free
        buffer = Writes(
            buffer.active,
            buffer.drain_rows,
            buffer.bandwidth,
            free,
            open_words,
            buffer.rows,
            buffer.accesses,
            buffer.drained_at,
        )
        if requested:
            last = i
            if first == -1:
                first = i
        served[2, i] = now
        stall = max(served[0, i] - cycle - 1, served[1, i] - cycle - 1, now - cycle)
        stalls += int(stall)
    return stalls, buffer, drained, Requests(first, last)


@compiled
def drain_all(
    buffer: Writes,
    port: Queue,
    cycle: float,
    row_words: Int64[np.ndarray, "rows"],
    responses: Float64[np.ndarray, "rows"],
) -> Writes:
    """Drains all that is left in the write buffer."""
    buffer = _close_row(buffer, 0, row_words, buffer.free, buffer.open_words)
    drained = 0
    while buffer.rows:
        rows = buffer.rows
        buffer = _drain(buffer, port, cycle, drained, row_words, responses)
        drained += rows - buffer.rows
        cycle = buffer.drained_at + 1
    return buffer
