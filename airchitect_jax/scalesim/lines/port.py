"""The ports of the buffers to DRAM."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float64, Shaped

from airchitect_jax.scalesim.lines.serve_kernels import Queue


def make_port(
    latency: float, latencies: Shaped[np.ndarray, "requests"] | None, entries: int
) -> Queue:
    """A port.

    Args:
      latency: of a request that has none of its own, cycles.
      latencies: of the requests of Ramulator, in order, cycles; or None.
      entries: of the request queue, which only counts with latencies of Ramulator. A queue without
        entries never fills.
    """
    own: Float64[np.ndarray, "requests"] = np.asarray(
        () if latencies is None else latencies, np.float64
    )
    return Queue(
        latency=latency,
        latencies=own,
        waiting=np.zeros(0 if latencies is None else max(0, entries)),
        used=np.zeros(2, np.int64),
    )
