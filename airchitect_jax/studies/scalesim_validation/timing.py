"""Seconds per evaluation of the package, its replay and the closed form, in turns."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from airchitect_jax.studies.scalesim_validation.runs import (
    Runs,
    Simulate,
    ideal,
    replayed,
    simulate_run,
)
from airchitect_jax.types import Dataflow

_OURS_A_TURN = 5


@dataclasses.dataclass(frozen=True, kw_only=True)
class TimedLayer:
    """The layer that is timed: a square GEMM on a square array with three equal buffers.

    Attributes:
      side: m, n and k.
      array: rows and columns.
      sram_kb: of each operand.
      bandwidth: words per cycle of each port, in USER mode.
      replay_batch, ideal_batch: evaluations in one call, each with sizes of its own.
    """

    side: int = 256
    array: int = 32
    sram_kb: int = 64
    bandwidth: int = 10
    replay_batch: int = 1 << 9
    ideal_batch: int = 1 << 16

    def run(self, dataflow: Dataflow, bandwidth: int) -> Runs:
        """It, as one run."""
        values = (self.side,) * 3 + (self.array,) * 2 + (dataflow,) + (self.sram_kb,) * 3
        names = (field.name for field in dataclasses.fields(Runs))
        columns = ([int(value)] for value in (*values, bandwidth))
        return Runs(**dict(zip(names, np.array(list(columns), np.int64), strict=True)))


def timings(simulate: Simulate, layer: TimedLayer, turns: int) -> list[dict[str, Any]]:
    """One row per mode and dataflow: median seconds per evaluation, and their ratios.

    A turn is one run of the package and several calls of ours, after a first that compiles. The
    package's are those of its simulation alone, ours those of whole calls, from and to NumPy.
    Batches differ in their buffers, 8..1024 KB each.
    """
    sizes = np.random.default_rng(0).integers(8, 1025, (layer.ideal_batch, 3))
    return [
        _row(simulate, layer, dataflow, bandwidth, sizes, turns)
        for bandwidth in (0, layer.bandwidth)
        for dataflow in Dataflow
    ]


def _row(
    simulate: Simulate,
    layer: TimedLayer,
    dataflow: Dataflow,
    bandwidth: int,
    sizes: np.ndarray,
    turns: int,
) -> dict[str, Any]:
    run, waiting = layer.run(dataflow, bandwidth), layer.run(dataflow, layer.bandwidth)
    contenders: dict[str, tuple[int, Callable[[], Any]]] = {
        "replay_alone": (1, lambda: replayed(run)),
        "replay": (
            layer.replay_batch,
            lambda: replayed(run.with_sizes(sizes[: layer.replay_batch])),
        ),
        "ideal": (layer.ideal_batch, lambda: ideal(waiting.with_sizes(sizes))),
    }
    for _, call in contenders.values():
        call()
    seconds: dict[str, list[float]] = {name: [] for name in ("package", *contenders)}
    for _ in range(turns):
        seconds["package"].append(simulate_run(simulate, run, 0).seconds)
        for _ in range(_OURS_A_TURN):
            for name, (evaluations, call) in contenders.items():
                start = time.perf_counter()
                call()
                seconds[name].append((time.perf_counter() - start) / evaluations)
    median = {name: float(np.median(values)) for name, values in seconds.items()}
    return {
        "layer": f"{layer.side} x {layer.side} x {layer.side} on {layer.array} x {layer.array}",
        "dataflow": dataflow.name,
        "mode": "USER" if bandwidth else "CALC",
        "replay_batch": layer.replay_batch,
        "ideal_batch": layer.ideal_batch,
        **{f"{name}_seconds": value for name, value in median.items()},
        "times_replay": median["package"] / median["replay"],
        "times_ideal": median["package"] / median["ideal"],
    }
