"""Follows the sets of read buffers, word by word.

Swaps of a read buffer follow from the order of the requests alone, whatever their cycles, so they
are counted before any line has a cycle.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Int32, Int64

from airchitect_jax._support import compiled

# `latest` of an address that is in no set: larger than any set.
NO_SET = 1 << 30


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
    """The resident sets: `active` of a circle of `sets`, from `start` on.

    A swap moves the window by `step`.
    """

    start: int
    active: int
    step: int
    sets: int


class Requests(NamedTuple):
    """Lines of a block on which an operand is read or written; -1 if there is none."""

    first: int
    last: int


@compiled
def address_range(words: Int64[np.ndarray, "words"]) -> tuple[int, int]:
    """The lowest address, and the one after the highest; (0, 0) if all are -1."""
    low, high = np.iinfo(np.int64).max, -1
    for word in words:
        if word != -1:
            low = min(low, word)
            high = max(high, word)
    return (low, high + 1) if high >= 0 else (0, 0)


@compiled
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


@compiled
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


@compiled
def _moves(window: Window, found: int) -> int:
    """Swaps until a set is resident."""
    ahead = (found - window.start) % window.sets
    if ahead < window.active:
        return 0
    return (ahead - window.active + window.step) // window.step


@compiled
def _moved(window: Window, moves: int) -> Window:
    start = (window.start + moves * window.step) % window.sets
    return Window(start, window.active, window.step, window.sets)


@compiled
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


@compiled
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


@compiled
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
