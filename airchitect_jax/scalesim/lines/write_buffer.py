"""The double buffer of the ofmap, which drains half a buffer at a time."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float64, Int64, Shaped

from airchitect_jax.scalesim.lines.port import make_port
from airchitect_jax.scalesim.lines.read_kernels import Requests
from airchitect_jax.scalesim.lines.serve_kernels import Reads, Writes, drain_all, serve
from airchitect_jax.scalesim.lines.traces import TraceSink

_LATENCY = 0.0


class WriteBuffer:
    """The buffer of the ofmap, and the clock of a run, in which all operands wait for each other.

    Attributes:
      stalls: cycles.
      accesses: words written to DRAM.
      start, stop: the first and the last cycle at which DRAM is written; None if it never is.
    """

    def __init__(
        self,
        *,
        kilobytes: int,
        bandwidth: int,
        latencies: Shaped[np.ndarray, "requests"] | None,
        queue_entries: int,
        traces: TraceSink | None,
    ) -> None:
        """An empty buffer.

        Args:
          kilobytes: of the whole double buffer.
          bandwidth: words of a row of the interface, and per cycle.
          latencies: of Ramulator.
          queue_entries: of the port's request queue.
          traces: takes the rows of DRAM traffic.
        """
        self._buffer = Writes(
            active=512 * kilobytes,
            drain_rows=-(-512 * kilobytes // bandwidth),
            bandwidth=bandwidth,
            free=1024 * kilobytes,
            open_words=0,
            rows=0,
            accesses=0,
            drained_at=0.0,
        )
        self._port = make_port(_LATENCY, latencies, queue_entries)
        self._traces = traces
        self._line = 0
        self._row_words = np.zeros(0, np.int64)
        self._words = np.zeros(0, np.int64)  # of the rows that wait, and of the open one
        self.stalls = 0
        self.start: np.float64 | None = None
        self.stop: np.float64 | None = None

    @property
    def accesses(self) -> int:
        """Words written to DRAM, as the package counts them."""
        return self._buffer.accesses

    def serve(
        self, ifmap: Reads, filter_: Reads, lines: Int64[np.ndarray, "lines ports"]
    ) -> tuple[Float64[np.ndarray, "3 lines"], Requests]:
        """Serves the lines of a block.

        Args:
          ifmap: what they need of the ifmap.
          filter_: what they need of the filter.
          lines: of the ofmap.

        Returns:
          Cycles at which each line of the operands is served, and the lines with writes.
        """
        served = np.empty((3, len(lines)))
        row_words, responses = self._room(lines.size)
        self.stalls, self._buffer, drained, requests = serve(
            self._line,
            self.stalls,
            ifmap,
            filter_,
            lines,
            self._buffer,
            self._port,
            row_words,
            responses,
            served,
        )
        self._line += len(lines)
        if self._traces:
            self._words = np.concatenate([self._words, lines[lines != -1]])
        self._transfer(row_words, responses[:drained])
        return served, requests

    def finish(self, cycle: float) -> None:
        """Drains what is left, from a cycle on."""
        row_words, responses = self._room(1)
        rows = self._buffer.rows + (self._buffer.open_words > 0)
        self._buffer = drain_all(self._buffer, self._port, cycle, row_words, responses)
        self._transfer(row_words, responses[:rows])

    def _room(self, more: int) -> tuple[Int64[np.ndarray, "rows"], Float64[np.ndarray, "rows"]]:
        """Room for the rows that wait and some more."""
        rows = self._buffer.rows
        row_words = np.empty(rows + more, np.int64)
        row_words[:rows] = self._row_words
        return row_words, np.empty(rows + more)

    def _transfer(
        self, row_words: Int64[np.ndarray, "rows"], responses: Float64[np.ndarray, "drained"]
    ) -> None:
        """Keeps the rows that still wait, and accounts for those drained."""
        drained = len(responses)
        self._row_words = row_words[drained : drained + self._buffer.rows].copy()
        if not drained:
            return
        start, stop = responses.min(), responses.max()
        self.start = start if self.start is None else min(self.start, start)
        self.stop = stop if self.stop is None else max(self.stop, stop)
        if self._traces:
            rows = np.full((drained, self._buffer.bandwidth), -1)
            filled = np.arange(self._buffer.bandwidth) < row_words[:drained, None]
            count = int(row_words[:drained].sum())
            rows[filled] = self._words[:count]
            self._words = self._words[count:]
            self._traces.dram("ofmap", responses, rows)
