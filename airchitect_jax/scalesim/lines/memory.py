"""The memories of the scalesim 3.0.0 package, line by line.

A line is what the array asks for in one cycle. A line is served when all three operands are; the
cycles that it waits for the slowest are stalls. In USER mode reads prefetch in a given order at a
given bandwidth, and stall; in CALC mode they do not stall, and the bandwidth is estimated.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import Protocol

import numpy as np
from jaxtyping import Float64, Int64, Shaped

from airchitect_jax.scalesim.lines.estimate_buffer import EstimateBuffer
from airchitect_jax.scalesim.lines.read_buffer import ReadBuffer
from airchitect_jax.scalesim.lines.read_kernels import Requests
from airchitect_jax.scalesim.lines.traces import Operand, TraceSink
from airchitect_jax.scalesim.lines.write_buffer import WriteBuffer
from airchitect_jax.scalesim.settings import Settings

Latencies = tuple[
    Shaped[np.ndarray, "ifmap_requests"],
    Shaped[np.ndarray, "filter_requests"],
    Shaped[np.ndarray, "ofmap_requests"],
]


class Block(Protocol):
    """Consecutive lines; -1 is no request."""

    @property
    def ifmap(self) -> Int64[np.ndarray, "lines ifmap_ports"]:
        """Addresses that are read."""

    @property
    def filter(self) -> Int64[np.ndarray, "lines filter_ports"]:
        """Addresses that are read."""

    @property
    def ofmap(self) -> Int64[np.ndarray, "lines ofmap_ports"]:
        """Addresses that are written."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Accesses:
    """The traffic of one operand; numbers have the types that the package has.

    Attributes:
      sram_start, sram_stop: cycles of the first and the last line with a request; 0 without any.
      dram_start, dram_stop: the first and the last cycle of DRAM traffic.
      dram_words: words read from DRAM, or written to it, as the package counts them.
    """

    sram_start: np.float64 | int
    sram_stop: np.float64 | int
    dram_start: np.float64
    dram_stop: np.float64
    dram_words: int


@dataclasses.dataclass(frozen=True, kw_only=True)
class MemoryCounts:
    """What the memories report of a run.

    Attributes:
      total_cycles: number of the cycle in which the last line is served; stalls are included.
      stall_cycles: of them, those in which the array waits.
      ifmap, filter, ofmap: traffic.
    """

    total_cycles: int
    stall_cycles: int
    ifmap: Accesses
    filter: Accesses
    ofmap: Accesses


def simulate(
    settings: Settings,
    prefetch: tuple[Int64[np.ndarray, "ifmap_words"], Int64[np.ndarray, "filter_words"]] | None,
    blocks: Iterable[Block],
    *,
    latencies: Latencies | None = None,
    traces: TraceSink | None = None,
) -> MemoryCounts:
    """Runs the lines of a layer through the memories.

    Args:
      settings: of the package.
      prefetch: addresses in the order in which ifmap and filter are prefetched; -1 is an empty
        place of a row. CALC mode does not use it.
      blocks: the lines, in order.
      latencies: of the DRAM requests by Ramulator, cycles; for ifmap, filter and ofmap. CALC mode
        does not use them.
      traces: takes the rows of the traces.

    Returns:
      Cycles and traffic.

    Raises:
      ValueError: the package crashes on these lines.
    """
    used = latencies if settings.user_bandwidth else None
    ifmap, weights = _read_buffers(settings, prefetch, used, traces)
    ofmap = WriteBuffer(
        kilobytes=settings.ofmap_sram_kb,
        bandwidth=settings.bandwidths[0] if settings.user_bandwidth else settings.cols,
        latencies=None if used is None else used[2],
        queue_entries=settings.write_request_buffer,
        traces=traces,
    )
    clocks = {name: _Clock() for name in _OPERANDS}
    for block in blocks:
        ifmap_reads, ifmap_requests = ifmap.read(block.ifmap)
        filter_reads, filter_requests = weights.read(block.filter)
        served, ofmap_requests = ofmap.serve(ifmap_reads, filter_reads, block.ofmap)
        for buffer, cycles in ((ifmap, served[0]), (weights, served[1])):
            if isinstance(buffer, EstimateBuffer):
                buffer.arrive(cycles - 1)
        for name, cycles, requests, lines in zip(
            _OPERANDS,
            served,
            (ifmap_requests, filter_requests, ofmap_requests),
            (block.ifmap, block.filter, block.ofmap),
            strict=True,
        ):
            clocks[name].tick(cycles, requests)
            if traces:
                traces.sram(name, cycles, lines)
    for buffer in (ifmap, weights):
        if isinstance(buffer, EstimateBuffer):
            buffer.finish()
    ofmap.finish(clocks["ofmap"].last)
    if ofmap.start is None or ofmap.stop is None:
        raise ValueError(
            "ofmap: no word is written; the scalesim package crashes there, since its DRAM trace"
            " has no row"
        )
    return MemoryCounts(
        total_cycles=int(clocks["ofmap"].latest),
        stall_cycles=ofmap.stalls,
        ifmap=clocks["ifmap"].accesses(ifmap.start, ifmap.stop, ifmap.accesses),
        filter=clocks["filter"].accesses(weights.start, weights.stop, weights.accesses),
        ofmap=clocks["ofmap"].accesses(ofmap.start, ofmap.stop, ofmap.accesses),
    )


_OPERANDS: tuple[Operand, ...] = ("ifmap", "filter", "ofmap")


class _Clock:
    """When an operand's lines are served.

    Attributes:
      last: cycle at which the last line is served.
      latest: the largest of these cycles.
    """

    def __init__(self) -> None:
        self._start: np.float64 | int = 0
        self._stop: np.float64 | int = 0
        self._requested = False
        self.last = 0.0
        self.latest = -np.inf

    def tick(self, cycles: Float64[np.ndarray, "lines"], requests: Requests) -> None:
        """Takes a block of lines."""
        if requests.first >= 0:
            if not self._requested:
                self._start = cycles[requests.first]
                self._requested = True
            self._stop = cycles[requests.last]
        self.last = float(cycles[-1])
        self.latest = max(self.latest, float(cycles.max()))

    def accesses(self, start: np.float64, stop: np.float64, words: int) -> Accesses:
        """The operand's report, given its DRAM traffic."""
        return Accesses(
            sram_start=self._start,
            sram_stop=self._stop,
            dram_start=np.float64(start),
            dram_stop=np.float64(stop),
            dram_words=words,
        )


def _read_buffers(
    settings: Settings,
    prefetch: tuple[Int64[np.ndarray, "ifmap_words"], Int64[np.ndarray, "filter_words"]] | None,
    latencies: Latencies | None,
    traces: TraceSink | None,
) -> tuple[ReadBuffer, ReadBuffer] | tuple[EstimateBuffer, EstimateBuffer]:
    """The buffers of ifmap and filter."""
    if not settings.user_bandwidth:
        return (
            EstimateBuffer(operand="ifmap", kilobytes=settings.ifmap_sram_kb, traces=traces),
            EstimateBuffer(operand="filter", kilobytes=settings.filter_sram_kb, traces=traces),
        )
    if prefetch is None:
        raise ValueError("prefetch: None is not allowed in USER mode; expected two arrays")
    ifmap, weights = (
        ReadBuffer(
            operand=operand,
            kilobytes=getattr(settings, f"{operand}_sram_kb"),
            bandwidth=getattr(settings, f"{operand}_bank_bandwidth"),
            prefetch=prefetch[i],
            banks=_banks(settings, operand),
            latencies=None if latencies is None else latencies[i],
            queue_entries=settings.read_request_buffer,
            traces=traces,
        )
        for i, operand in enumerate(_OPERANDS[:2])
    )
    return ifmap, weights


def _banks(settings: Settings, operand: Operand) -> tuple[int, int] | None:
    """Banks and ports per bank, where the operand has a custom layout."""
    if not getattr(settings, f"{operand}_custom_layout"):
        return None
    return getattr(settings, f"{operand}_bank_num"), getattr(settings, f"{operand}_bank_port")
