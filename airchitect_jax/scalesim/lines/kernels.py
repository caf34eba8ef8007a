"""The work per line and word of the SCALE-Sim memories, compiled with numba.

Swaps of a read buffer follow from the order of the requests alone, whatever their cycles. So
`follow_window`, `follow_banks` and `follow_misses` count the swaps of each line first, and `serve`
adds the cycles of all three operands afterwards.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

import numpy as np
from jaxtyping import Bool, Float64, Int32, Int64

try:
    import numba
except ModuleNotFoundError as error:  # pragma: no cover
    raise ImportError(
        "SCALE-Sim's memories need numba: pip install 'airchitect-jax[simulate]'"
    ) from error

_Function = TypeVar("_Function", bound=Callable[..., Any])

# `latest` of an address that is in no set: larger than any set.
NO_SET = 1 << 30
# The package takes latencies above this one for errors.
_MAX_LATENCY = 10_000


def _compiled(function: _Function) -> _Function:
    return numba.njit(cache=True)(function)


class SetIndex(NamedTuple):
    """The sets of the prefetch order in which each address is.

    Attributes:
      base: the lowest address; others are counted from it.
      starts: of each address in `sets`.
      sets: of all addresses, ascending for each.
      latest: of each address, a set in which it was found last.
      banks: of each entry of `sets`; empty unless banks are modelled.
    """

    base: int
    starts: Int64[np.ndarray, "addresses_plus_one"]
    sets: Int32[np.ndarray, "entries"]
    latest: Int32[np.ndarray, "addresses"]
    banks: Int32[np.ndarray, "entries_or_none"]


class Window(NamedTuple):
    """The resident sets: `active` of a circle of `sets`, from `start` on; a swap moves by `step`."""

    start: int
    active: int
    step: int
    sets: int


class Requests(NamedTuple):
    """Lines of a block on which an operand is read or written; -1 if there is none."""

    first: int
    last: int


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


@_compiled
def address_range(words: Int64[np.ndarray, "words"]) -> tuple[int, int]:
    """The lowest address, and the one after the highest; (0, 0) if all are -1."""
    low, high = np.iinfo(np.int64).max, -1
    for word in words:
        if word != -1:
            low = min(low, word)
            high = max(high, word)
    return (low, high + 1) if high >= 0 else (0, 0)


@_compiled
def index_sets(
    fetch: Int64[np.ndarray, "words"], low: int, high: int, words_per_set: int
) -> tuple[
    Int64[np.ndarray, "addresses_plus_one"],
    Int32[np.ndarray, "entries"],
    Int32[np.ndarray, "addresses"],
    int,
]:
    """`starts`, `sets` and `latest` of a `SetIndex`, and the words that are not -1."""
    starts = np.zeros(high - low + 1, np.int64)
    latest = np.full(high - low, NO_SET, np.int32)
    words = 0
    for word in fetch:
        if word != -1:
            if latest[word - low] != words // words_per_set:
                latest[word - low] = words // words_per_set
                starts[word - low + 1] += 1
            words += 1
    for address in range(high - low):
        starts[address + 1] += starts[address]
        latest[address] = NO_SET
    sets = np.empty(starts[-1], np.int32)
    ends = starts[:-1].copy()
    words = 0
    for word in fetch:
        if word != -1:
            address = word - low
            if latest[address] != words // words_per_set:
                latest[address] = words // words_per_set
                sets[ends[address]] = latest[address]
                ends[address] += 1
            words += 1
    return starts, sets, latest, words


@_compiled
def _entry(index: SetIndex, window: Window, address: int) -> int:
    """The entry of an address's first set from the window's start on, or -1 if it has none."""
    first, last = index.starts[address], index.starts[address + 1]
    if first == last:
        return -1
    low, high = first, last
    while low < high:
        middle = (low + high) // 2
        if index.sets[middle] < window.start:
            low = middle + 1
        else:
            high = middle
    return low if low < last else first


@_compiled
def _moves(window: Window, found: int) -> int:
    """Swaps until a set is resident."""
    ahead = (found - window.start) % window.sets
    if ahead < window.active:
        return 0
    return (ahead - window.active + window.step) // window.step


@_compiled
def _moved(window: Window, moves: int) -> Window:
    start = (window.start + moves * window.step) % window.sets
    return Window(start, window.active, window.step, window.sets)


@_compiled
def follow_window(
    lines: Int64[np.ndarray, "lines ports"],
    index: SetIndex,
    window: Window,
    swaps: Int64[np.ndarray, "lines"],
) -> tuple[Window, Requests, int]:
    """Counts the swaps of each line; also returns an address in no set, or -1."""
    first, last = -1, -1
    for i in range(len(lines)):
        requested = False
        for word in lines[i]:
            if word == -1:
                continue
            requested = True
            address = word - index.base
            if address < 0 or address >= len(index.latest):
                return window, Requests(first, last), word
            ahead = index.latest[address] - window.start
            if ahead < 0:
                ahead += window.sets
            if ahead < window.active:
                continue
            entry = _entry(index, window, address)
            if entry == -1:
                return window, Requests(first, last), word
            index.latest[address] = index.sets[entry]
            moves = _moves(window, index.sets[entry])
            if moves:
                swaps[i] += moves
                window = _moved(window, moves)
        if requested:
            last = i
            if first == -1:
                first = i
    return window, Requests(first, last), -1


@_compiled
def follow_banks(
    lines: Int64[np.ndarray, "lines ports"],
    index: SetIndex,
    window: Window,
    ports: int,
    seen: Int64[np.ndarray, "banks sets"],
    line: int,
    swaps: Int64[np.ndarray, "lines"],
    conflicts: Int64[np.ndarray, "lines"],
) -> tuple[Window, Requests, int]:
    """As `follow_window`, and counts the cycles in which banks conflict.

    Args:
      lines: of the block.
      index: of the prefetch order; a set is a line of the SRAM.
      window: resident sets.
      ports: lines that a bank serves per cycle.
      seen: number of the last line of the run that used each line of each bank.
      line: number of lines before the block, plus one.
      swaps: written; of each line.
      conflicts: written; cycles of each line.
    """
    first, last = -1, -1
    used = np.zeros(len(seen), np.int64)
    for i in range(len(lines)):
        used[:] = 0
        most = 0
        for word in lines[i]:
            if word == -1:
                continue
            address = word - index.base
            if address < 0 or address >= len(index.latest):
                return window, Requests(first, last), word
            entry = _entry(index, window, address)
            if entry == -1:
                return window, Requests(first, last), word
            found, bank = index.sets[entry], index.banks[entry]
            moves = _moves(window, found)
            if moves:
                swaps[i] += moves
                window = _moved(window, moves)
            if seen[bank, found] != line + i:
                seen[bank, found] = line + i
                used[bank] += 1
                most = max(most, used[bank])
        conflicts[i] = -(-most // ports) - 1
        if most:
            last = i
            if first == -1:
                first = i
    return window, Requests(first, last), -1


@_compiled
def follow_misses(
    lines: Int64[np.ndarray, "lines ports"],
    base: int,
    latest: Int32[np.ndarray, "addresses"],
    half: int,
    words_per_set: int,
    misses: int,
    swaps: Int64[np.ndarray, "lines"],
    missed: Int64[np.ndarray, "words_or_none"],
) -> tuple[int, Requests]:
    """Counts the swaps of each line of a buffer whose sets are made of the words that miss.

    Args:
      lines: of the block.
      base: the address of `latest[0]`.
      latest: set in which each address was put last, or -1.
      half: sets of half the buffer.
      words_per_set: words of a set.
      misses: before the block.
      swaps: written; of each line.
      missed: written, unless empty; the words that miss, in order.

    Returns:
      Misses after the block, and the lines with requests.
    """
    first, last = -1, -1
    current, room = misses // words_per_set, words_per_set - misses % words_per_set
    start = current // half * half
    before = misses
    for i in range(len(lines)):
        requested = False
        for word in lines[i]:
            if word == -1:
                continue
            requested = True
            if latest[word - base] >= start:
                continue
            latest[word - base] = current
            if len(missed):
                missed[misses - before] = word
            misses += 1
            room -= 1
            if room == 0:
                room = words_per_set
                current += 1
                if current == start + half:
                    start += half
                    swaps[i] += 1
        if requested:
            last = i
            if first == -1:
                first = i
    return misses, Requests(first, last)


@_compiled
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


@_compiled
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


@_compiled
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


@_compiled
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


@_compiled
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


@_compiled
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
