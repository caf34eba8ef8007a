"""Shared code of the benchmarks: interleaved timing, and rows with versions and hardware."""

from __future__ import annotations

import json
import pathlib
import statistics
import time
from collections.abc import Callable, Mapping
from typing import Any

from absl import flags

from airchitect_jax._support import environment, files
from airchitect_jax.experiments import script

SEED = flags.DEFINE_integer("seed", 0, "Seed of the workloads.")
REPEATS = flags.DEFINE_integer("repeats", 7, "Timed runs per contender.", lower_bound=1)
OUTPUT = flags.DEFINE_string("output", None, "File for the rows, beside standard output.")


def interleaved_seconds(
    contenders: Mapping[str, Callable[[], Any]], repeats: int
) -> dict[str, float]:
    """Median seconds per contender, run in turn after a first round that compiles.

    Each contender waits for its own result. All contenders of a round see the same load of the
    machine, so that ratios are reliable on a noisy one.
    """
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    for turn in range(repeats + 1):
        for name, contender in contenders.items():
            start = time.perf_counter()
            contender()
            if turn:
                seconds[name].append(time.perf_counter() - start)
    return {name: statistics.median(times) for name, times in seconds.items()}


def run(main: Callable[[], None]) -> None:
    """Parses the flags and runs a benchmark, without the libraries' own log lines."""
    script.run(lambda _: main(), "the same command starts again")


def emit(rows: list[dict[str, Any]]) -> None:
    """Prints one JSON line per row, each with versions and hardware."""
    where = environment()
    lines = "".join(json.dumps({**row, "environment": where}) + "\n" for row in rows)
    print(lines, end="")
    if OUTPUT.value:
        files.write_text(pathlib.Path(OUTPUT.value), lines)
