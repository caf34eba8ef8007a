"""The double buffer of an operand in USER mode, which prefetches in a given order.

The prefetch order is cut into sets, of which half a buffer is resident: a window that moves forward
circularly, by up to half a buffer per swap, until it holds the address asked for.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from jaxtyping import Float64, Int64, Shaped

from airchitect_jax.scalesim.lines.port import make_port
from airchitect_jax.scalesim.lines.read_kernels import (
    Requests,
    SetIndex,
    Window,
    address_range,
    follow_banks,
    follow_window,
    index_sets,
)
from airchitect_jax.scalesim.lines.serve_kernels import Reads, respond
from airchitect_jax.scalesim.lines.traces import PART_WORDS, Operand, TraceSink

# The package cuts a buffer into a hundred sets.
_SETS = 100
_LATENCY = 1.0


class ReadBuffer:
    """The buffer of one operand in one run.

    Attributes:
      accesses: words read from DRAM; rows of the interface count whole.
      start, stop: the first and the last cycle at which DRAM delivers.
    """

    def __init__(
        self,
        *,
        operand: Operand,
        kilobytes: int,
        bandwidth: int,
        prefetch: Int64[np.ndarray, "words"],
        banks: tuple[int, int] | None,
        latencies: Shaped[np.ndarray, "requests"] | None,
        queue_entries: int,
        traces: TraceSink | None,
    ) -> None:
        """A buffer that holds the first words of the prefetch order.

        Args:
          operand: for messages and traces.
          kilobytes: of the whole double buffer.
          bandwidth: words of a row of the interface, and per cycle.
          prefetch: addresses in order of prefetch; -1 takes room in the rows.
          banks: number of banks and ports per bank, if bank conflicts are modelled.
          latencies: of Ramulator.
          queue_entries: of the port's request queue.
          traces: takes the rows of DRAM traffic.
        """
        self._operand = operand
        self._half = 512 * kilobytes
        self._bandwidth = bandwidth
        self._num_rows = -(-len(prefetch) // bandwidth)
        words_per_set = bandwidth if banks else -(-1024 * kilobytes // _SETS)
        self._index, num_sets = _index(prefetch, words_per_set, banks, bandwidth)
        active = -(-self._half // words_per_set)
        self._window = Window(
            start=0,
            active=min(active, num_sets),
            step=min(num_sets - min(active, num_sets), active),
            sets=num_sets,
        )
        self._ports = banks[1] if banks else 0
        self._seen = np.zeros((banks[0], num_sets) if banks else (0, 0), np.int64)
        self._line = 0
        self._ramulator = latencies is not None
        self._port = make_port(_LATENCY, latencies, queue_entries)
        self._traces = traces
        self._rows = _Rows(prefetch, bandwidth, self._half) if traces else None
        self._delay = self._fill()

    def read(self, lines: Int64[np.ndarray, "lines ports"]) -> tuple[Reads, Requests]:
        """What the lines of a block need, and which of them have requests.

        Raises:
          ValueError: an address is not in the prefetch order.
        """
        swaps = np.zeros(len(lines), np.int64)
        conflicts = np.zeros(len(lines), np.int64)
        if self._ports:
            self._window, requests, unknown = follow_banks(
                lines,
                self._index,
                self._window,
                self._ports,
                self._seen,
                self._line + 1,
                swaps,
                conflicts,
            )
        else:
            self._window, requests, unknown = follow_window(lines, self._index, self._window, swaps)
        if unknown != -1:
            self._refuse(unknown)
        self._line += len(lines)
        reads = Reads(
            swaps=swaps,
            conflicts=conflicts,
            done=self._swap(int(swaps.sum())),
            banked=self._ports > 0,
            delay=self._delay,
        )
        return reads, requests

    @property
    def _swap_rows(self) -> int:
        return -(-self._half // self._bandwidth)

    def _fill(self) -> float:
        """Fills the active half before the first line; returns the delay of that line."""
        rows = min(self._swap_rows, self._num_rows)
        self.accesses = rows * self._bandwidth
        responses = np.zeros(rows)
        respond(self._port, -1.0 - rows, responses)
        self.start, self.stop = responses.min(), responses.max()
        self._last = float(int(self.stop))
        if self._rows and self._traces:
            self._traces.dram(self._operand, responses, self._rows.fill())
        # The last request is made in cycle -2, and a delay of 1 is part of the package's counting.
        return self._last + 1.0 if self._ramulator else 0.0

    def _swap(self, count: int) -> Float64[np.ndarray, "swaps"]:
        """Prefetches as many halves; returns the cycles at which they are complete."""
        rows = self._swap_rows
        self.accesses += count * rows * self._bandwidth
        if not self._traces and not self._ramulator:
            # Requests follow each other, and a swap begins a cycle after the one before is served.
            done = self._last + (rows + _LATENCY) * np.arange(1, count + 1)
            if count:
                self._last = self.stop = done[-1]
            return done
        done = np.empty(count)
        part = max(1, PART_WORDS // (rows * self._bandwidth))
        for first in range(0, count, part):
            last = min(first + part, count)
            responses = np.empty((last - first, rows))
            for i in range(last - first):
                respond(self._port, self._last + 1, responses[i])
                self._last = done[first + i] = responses[i].max()
            self.start = min(self.start, responses.min())
            self.stop = max(self.stop, responses.max())
            if self._rows and self._traces:
                swapped = np.concatenate([self._rows.swap() for _ in range(last - first)])
                self._traces.dram(self._operand, responses.ravel(), swapped)
        return done

    def _refuse(self, address: int) -> None:
        """Raises the error of an address that is never prefetched."""
        end = "crashes" if self._swap_rows > self._num_rows else "never ends"
        raise ValueError(
            f"{self._operand}: address {address} is read and not in the prefetch order; the"
            f" scalesim package {end} there"
        )


def _index(
    prefetch: Int64[np.ndarray, "words"],
    words_per_set: int,
    banks: tuple[int, int] | None,
    bandwidth: int,
) -> tuple[SetIndex, int]:
    """The sets of the addresses, and the number of sets; the last may be empty."""
    low, high = address_range(prefetch)
    starts, sets, latest, words = index_sets(prefetch, low, high, words_per_set)
    if banks:
        columns = _columns(prefetch[prefetch != -1], words_per_set)
        in_banks = (columns // (bandwidth // banks[0])).astype(np.int32)
    else:
        in_banks = np.zeros(0, np.int32)
    return SetIndex(low, starts, sets, latest, in_banks), words // words_per_set + 1


def _columns(words: Int64[np.ndarray, "words"], words_per_set: int) -> Int64[np.ndarray, "entries"]:
    """The column of each entry of `SetIndex.sets` in its line of the SRAM.

    The package takes the place of an address in the iteration order of a Python set.
    """
    sizes: list[int] = []

    def in_order() -> Iterator[int]:
        for first in range(0, len(words), words_per_set):
            line = set(words[first : first + words_per_set].tolist())
            sizes.append(len(line))
            yield from line

    addresses = np.fromiter(in_order(), np.int64)
    starts = np.cumsum([0, *sizes])[:-1]
    columns = np.arange(len(addresses)) - np.repeat(starts, sizes)
    return columns[np.argsort(addresses, kind="stable")]


class _Rows:
    """The rows that the prefetches ask for.

    Prefetches leave out the columns that earlier ones have fetched, and those beyond the buffer,
    and the package deletes these from the prefetch order itself unless a prefetch wraps around.
    Later prefetches all start at the same row.
    """

    def __init__(self, prefetch: Int64[np.ndarray, "words"], bandwidth: int, half: int) -> None:
        num_rows = -(-len(prefetch) // bandwidth)
        self._order = np.full((num_rows, bandwidth), -1)
        self._order.ravel()[: len(prefetch)] = prefetch
        self._half = half
        self._first_column = 0
        self._next_row = 0

    def fill(self) -> Int64[np.ndarray, "rows bandwidth"]:
        """The rows of the active half."""
        num_rows, bandwidth = self._order.shape
        count = min(-(-self._half // bandwidth), num_rows)
        rows = self._order[:count]
        if count * bandwidth > self._half:
            self._first_column = self._half % bandwidth
            rows[-1, self._first_column :] = -1
        self._advance(count)
        return rows.copy()

    def swap(self) -> Int64[np.ndarray, "rows bandwidth"]:
        """The rows of the next swap."""
        num_rows, bandwidth = self._order.shape
        count = -(-self._half // bandwidth)
        start, end = self._next_row, self._next_row + count
        rows = self._order[start:end]
        if end > num_rows:
            rows = np.concatenate([rows, self._order[: min(end - num_rows, start)]])
        rows[0, : self._first_column] = -1
        if count * bandwidth > self._half:
            rows[-1, self._half % bandwidth :] = -1
        self._advance(count)
        return rows.copy()

    def _advance(self, count: int) -> None:
        """Sets the row after a prefetch; the package skips one if no column is left over."""
        num_rows, bandwidth = self._order.shape
        left_over = count * bandwidth > self._half
        self._next_row = (count if left_over else count + 1) % num_rows
