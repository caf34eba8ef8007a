"""The double buffer of an operand in CALC mode, which never stalls.

The words that miss make up sets, in order. As soon as half a buffer of sets is full, the package
estimates the bandwidth at which DRAM would have delivered the half before it in time, and forgets
that half. All bandwidths are thus known afterwards.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import numpy as np
from jaxtyping import Float64, Int32, Int64

from airchitect_jax.scalesim.lines.read_kernels import Requests, address_range, follow_misses
from airchitect_jax.scalesim.lines.serve_kernels import Reads
from airchitect_jax.scalesim.lines.traces import PART_WORDS, Operand, TraceSink

# The package cuts a buffer into a hundred sets, and a half into fifty.
_SETS = 100
_HALF_SETS = 50
# Of the first half.
_BANDWIDTH = 10


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Transfer:
    """A prefetch of consecutive sets: one row of the interface in each cycle."""

    first_set: int
    end_set: int
    start: int
    cycles: int
    bandwidth: int


class EstimateBuffer:
    """The buffer of one operand in one run.

    Attributes:
      accesses: words read from DRAM.
      start, stop: the first and the last cycle at which DRAM delivers; set by `finish`.
    """

    def __init__(self, *, operand: Operand, kilobytes: int, traces: TraceSink | None) -> None:
        """An empty buffer.

        Args:
          operand: for messages and traces.
          kilobytes: of the whole double buffer.
          traces: takes the rows of DRAM traffic.
        """
        self._operand = operand
        self._words_per_set = 1024 * kilobytes // _SETS
        self._traces = traces
        self._base = 0
        self._latest: Int32[np.ndarray, "addresses"] = np.zeros(0, np.int32)
        self._missed: list[Int64[np.ndarray, "words"]] = []
        self._swaps: list[Float64[np.ndarray, "swaps"]] = []
        self._first_request: int | None = None
        self.accesses = 0

    def read(self, lines: Int64[np.ndarray, "lines ports"]) -> tuple[Reads, Requests]:
        """What the lines of a block need, which is no stall, and which of them have requests."""
        self._make_room(*address_range(lines.ravel()))
        self._line_swaps = np.zeros(len(lines), np.int64)
        missed = np.empty(lines.size if self._traces else 0, np.int64)
        before = self.accesses
        self.accesses, self._requests = follow_misses(
            lines,
            self._base,
            self._latest,
            _HALF_SETS,
            self._words_per_set,
            before,
            self._line_swaps,
            missed,
        )
        if self._traces:
            self._missed.append(missed[: self.accesses - before].copy())
        none = np.zeros(len(lines), np.int64)
        reads = Reads(swaps=none, conflicts=none, done=np.zeros(0), banked=False, delay=0.0)
        return reads, self._requests

    def arrive(self, cycles: Float64[np.ndarray, "lines"]) -> None:
        """Takes the cycles at which the lines of the last block arrived."""
        if self._first_request is None and self._requests.first >= 0:
            self._first_request = int(cycles[self._requests.first])
        self._swaps.append(np.repeat(cycles, self._line_swaps))

    def finish(self) -> None:
        """Prefetches what is left, and writes the traces.

        Raises:
          ValueError: the package divides by zero.
        """
        if self._first_request is None:
            raise ValueError(
                f"{self._operand}: no word is read; the scalesim package crashes there, since its"
                " DRAM trace has no row"
            )
        swaps = np.concatenate(self._swaps).astype(np.int64)
        if (swaps[1:] == swaps[:-1]).any():
            raise ValueError(
                f"{self._operand}_sram_kb: a line reads more words than the buffer holds; the"
                " scalesim package divides by zero there"
            )
        transfers = list(self._transfers(swaps, self._first_request))
        self.start = np.float64(transfers[0].start + 1)
        self.stop = np.float64(transfers[-1].start + transfers[-1].cycles)
        if self._traces:
            self._write(transfers, self._traces)

    def _make_room(self, low: int, high: int) -> None:
        """Extends the table of addresses to some more; by half its size or more at a time."""
        old_low, old_high = self._base, self._base + len(self._latest)
        if low == high or (old_low <= low and high <= old_high):
            return
        if old_low == old_high:
            old_low, old_high = low, low
        margin = (old_high - old_low) // 2
        new_low = old_low if low >= old_low else min(low, old_low - margin)
        new_high = old_high if high <= old_high else max(high, old_high + margin)
        latest = np.full(new_high - new_low, -1, np.int32)
        latest[old_low - new_low : old_high - new_low] = self._latest
        self._base, self._latest = new_low, latest

    def _transfers(
        self, swaps: Int64[np.ndarray, "swaps"], first_request: int
    ) -> Iterator[_Transfer]:
        """The prefetches of a run; swap n ends the time that prefetch n + 1 has."""
        num_sets = -(-self.accesses // self._words_per_set)
        if not len(swaps):
            cycles = -(-num_sets * self._words_per_set // _BANDWIDTH)
            yield _Transfer(
                first_set=0,
                end_set=num_sets,
                start=-1 - cycles,
                cycles=cycles,
                bandwidth=_BANDWIDTH,
            )
            return
        cycles = -(-_HALF_SETS * self._words_per_set // _BANDWIDTH)
        start = first_request - 1 - cycles
        yield _Transfer(
            first_set=0, end_set=_HALF_SETS, start=start, cycles=cycles, bandwidth=_BANDWIDTH
        )
        start += cycles
        for n, swap in enumerate(swaps.tolist(), 1):
            end_set = (n + 1) * _HALF_SETS if n < len(swaps) else num_sets
            cycles = swap - start + 1
            words = (end_set - n * _HALF_SETS) * self._words_per_set
            yield _Transfer(
                first_set=n * _HALF_SETS,
                end_set=end_set,
                start=start,
                cycles=cycles,
                bandwidth=-(-words // cycles),
            )
            start = swap + 1

    def _write(self, transfers: list[_Transfer], traces: TraceSink) -> None:
        """Writes the DRAM trace; the package fills rows up to the widest ones with ones."""
        missed = np.concatenate(self._missed)
        width = max(transfer.bandwidth for transfer in transfers)
        part = max(1, PART_WORDS // max(1, width))
        for transfer in transfers:
            words = self._in_order(missed, transfer)
            bandwidth = transfer.bandwidth
            for first in range(0, transfer.cycles, part):
                count = min(part, transfer.cycles - first)
                rows = np.full((count, width), 1)
                now = words[first * bandwidth : (first + count) * bandwidth]
                rows[:, :bandwidth] = -1
                full, rest = divmod(len(now), bandwidth) if bandwidth else (0, 0)
                rows[:full, :bandwidth] = now[: full * bandwidth].reshape(full, bandwidth)
                if rest:
                    rows[full, :rest] = now[full * bandwidth :]
                cycles = np.arange(first, first + count) + (transfer.start + 1.0)
                traces.dram(self._operand, cycles, rows)

    def _in_order(
        self, missed: Int64[np.ndarray, "misses"], transfer: _Transfer
    ) -> Int64[np.ndarray, "words"]:
        """The words of a prefetch, each set in the iteration order of a Python set."""
        size = self._words_per_set
        words: list[int] = []
        for number in range(transfer.first_set, transfer.end_set):
            words += set(missed[number * size : (number + 1) * size].tolist())
        return np.array(words, np.int64)
