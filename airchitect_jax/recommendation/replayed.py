"""What the scalesim package reports for the recommended design: its replay, layer by layer."""

from __future__ import annotations

from typing import Any

import numpy as np

from airchitect_jax.oracle import replayed_cycles
from airchitect_jax.recommendation.exact import Recommendation
from airchitect_jax.scalesim.replay import replay_steps
from airchitect_jax.types import BufferedGemm, BufferSizes, Gemm

MOST_STEPS = 1 << 23  # of all replays together: seconds


def scalesim3_cycles(recommendation: Recommendation) -> dict[tuple[int, int, int], int]:
    """Total cycles of one run of each GEMM (m, n, k), as the scalesim 3.0.0 package counts them.

    On the recommended array and SRAMs with the layer's dataflow; each operand has a port of the
    whole bandwidth, and an element is a word of the package. Convolutions are GEMMs, which is not
    what the package makes of overlapping windows.

    Returns:
      Cycles by GEMM, without those whose replay would take too long or is refused. The ones with
      the fewest steps come first, and all of them together take no more than a few seconds.
    """
    design, platform = recommendation.design, recommendation.survey.platform
    plans = {plan.gemm: plan for plan in recommendation.layers}
    m, n, k = np.array(list(plans), np.int64).T
    words = BufferSizes(
        **{
            name: max(1024, size // (1024 * platform.element_bytes) * 1024)
            for name, size in vars(design.buffers).items()
        }
    )
    dataflow: Any = np.array([plan.dataflow for plan in plans.values()])
    workloads = BufferedGemm(
        sram_budget_bytes=design.sram_bytes,
        m=m,
        n=n,
        k=k,
        rows=design.rows,
        cols=design.cols,
        dataflow=dataflow,
        bandwidth_bytes_per_cycle=max(
            1, platform.bandwidth_bytes_per_cycle // platform.element_bytes
        ),
    )
    steps = replay_steps(
        Gemm(m=m, n=n, k=k),
        design.array,
        workloads.dataflow,
        words,
        workloads.bandwidth_bytes_per_cycle,
    )
    order = np.argsort(steps, kind="stable")
    chosen = order[np.cumsum(steps[order]) <= MOST_STEPS]
    names, fields = zip(*vars(workloads).items(), strict=True)
    few = (field[chosen] for field in np.broadcast_arrays(*fields))
    cycles = replayed_cycles(BufferedGemm(**dict(zip(names, few, strict=True))), words)
    gemms = [list(plans)[place] for place in chosen]
    return dict(zip(gemms, cycles.tolist(), strict=True))
