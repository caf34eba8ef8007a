"""Labelling from Parquet to Parquet compared with labelling in memory, over the size.

  python -m benchmarks.label_files --largest=8 --figure=docs/figures/labelling_growth.png

Files go to a temporary folder: 6 GB for the default of 10**8 workloads.
"""

from __future__ import annotations

import json
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from absl import flags
from matplotlib.figure import Figure

from airchitect_jax import ArrayDataflowSpace, BudgetedGemm, label
from airchitect_jax._support import files
from airchitect_jax._support.arrow import pa, pq
from airchitect_jax.cost import Platform
from airchitect_jax.oracle import label_exponents
from airchitect_jax.reporting import style
from airchitect_jax.reporting.style import BLUE, legend_below, new_figure, styled
from benchmarks import common

flags.adopt_module_key_flags(common)
LARGEST = flags.DEFINE_integer(
    "largest", 8, "Largest number of workloads, as a power of 10.", lower_bound=4, upper_bound=9
)
FIGURE = flags.DEFINE_string("figure", None, "PNG file for the figure.")

_PIECE = 10**7  # maximum number of workloads in memory
_LANES = 1 << 20


def draw(rows: int, seed: int) -> dict[str, np.ndarray]:
    """Columns of random workloads (int32)."""
    rng = np.random.default_rng(seed)
    exponents = rng.integers(5, 19, rows, dtype=np.int32)
    dims = {name: rng.integers(1, 10_001, rows, dtype=np.int32) for name in "mnk"}
    return {"mac_budget": np.left_shift(np.int32(1), exponents), **dims}


def in_memory(rows: int) -> float:
    """Seconds to label NumPy arrays, compilation excluded."""
    workloads = BudgetedGemm(**draw(min(rows, _PIECE), common.SEED.value))
    label(workloads)
    start = time.perf_counter()
    for _ in range(-(-rows // _PIECE)):
        label(workloads)
    return time.perf_counter() - start


def from_file(rows: int, folder: pathlib.Path) -> tuple[float, float]:
    """Seconds of a whole process, Parquet to Parquet, and its peak memory in GB."""
    source = folder / f"{rows}.parquet"
    schema = pa.schema([(name, pa.int32()) for name in ("mac_budget", "m", "n", "k")])
    with pq.ParquetWriter(source, schema, compression="none", use_dictionary=False) as writer:
        for first in range(0, rows, _PIECE):
            writer.write_table(pa.table(draw(min(_PIECE, rows - first), first), schema=schema))
    command = [sys.executable, "-m", "experiments.label_workloads", f"--input={source}"]
    start = time.perf_counter()
    process = subprocess.Popen(  # noqa: S603 - our own script
        [*command, f"--workdir={folder}/{rows}"], stdout=subprocess.DEVNULL
    )
    peak = 0.0
    while process.poll() is None:
        peak = max(peak, _peak_memory_gb(process.pid))
        time.sleep(0.02)
    seconds = time.perf_counter() - start
    summary = json.loads((folder / str(rows) / "summary.json").read_text())
    if summary["rows_labelled"] != rows:
        raise AssertionError(f"{summary['rows_labelled']} of {rows} rows were labelled")
    source.unlink()
    shutil.rmtree(folder / str(rows))
    return seconds, peak


def _peak_memory_gb(pid: int) -> float:
    """Peak resident memory of a running process so far; 0 if unknown."""
    try:
        status = pathlib.Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0.0
    lines = [line.split() for line in status.splitlines() if line.startswith("VmHWM")]
    return int(lines[0][1]) * 1024 / 1e9 if lines else 0.0


def by_designs() -> list[tuple[int, float]]:
    """Nanoseconds per workload for spaces of several sizes, a million workloads on the device."""
    columns = draw(_LANES, common.SEED.value)
    exponents = np.log2(columns["mac_budget"]).astype(np.int32)
    dims = [jnp.asarray(columns[name]) for name in "mnk"]
    contenders: dict[str, Any] = {}
    for exponent in range(4, 25, 2):
        space = ArrayDataflowSpace(max_mac_exponent=exponent)
        budgets = jnp.minimum(exponents, exponent)

        def run(budgets: jax.Array = budgets, space: ArrayDataflowSpace = space) -> None:
            jax.block_until_ready(label_exponents(budgets, *dims, space=space, platform=Platform()))

        contenders[str(space.num_designs)] = run
    seconds = common.interleaved_seconds(contenders, common.REPEATS.value)
    return [(int(designs), time / _LANES * 1e9) for designs, time in seconds.items()]


def main() -> None:
    """Measures, prints the rows and draws the figure."""
    sizes = [10**power for power in range(3, LARGEST.value + 1)]
    memory = {rows: in_memory(rows) for rows in sizes}
    with tempfile.TemporaryDirectory() as folder:
        streamed = {rows: from_file(rows, pathlib.Path(folder)) for rows in sizes}
    rows: list[dict[str, Any]] = [
        {
            "benchmark": "labelling files, case study 1",
            "workloads": size,
            "in_memory_seconds": round(memory[size], 4),
            "parquet_to_parquet_seconds": round(streamed[size][0], 3),
            "parquet_to_parquet_of_in_memory_rate": round(memory[size] / streamed[size][0], 3),
            "peak_memory_gb": round(streamed[size][1], 2),
        }
        for size in sizes
    ]
    designs = by_designs()
    rows += [
        {
            "benchmark": "labelling, size of the space",
            "designs": count,
            "nanoseconds_per_workload": round(nanoseconds, 2),
        }
        for count, nanoseconds in designs
    ]
    common.emit(rows)
    if FIGURE.value:
        figure = labelling_growth(
            {
                "in memory, NumPy to NumPy": list(memory.items()),
                "a process, Parquet to Parquet": [
                    (size, seconds) for size, (seconds, _) in streamed.items()
                ],
            },
            designs,
        )
        with files.atomic_path(pathlib.Path(FIGURE.value)) as temporary:
            temporary.write_bytes(style.to_png(figure))


if __name__ == "__main__":
    common.run(main)


@styled
def labelling_growth(
    by_workloads: Mapping[str, Sequence[tuple[int, float]]], by_designs: Sequence[tuple[int, float]]
) -> Figure:
    """Draws the cost of labelling over the number of workloads and of designs.

    Args:
      by_workloads: (workloads, seconds) per method.
      by_designs: (designs of the space, nanoseconds per workload).
    """
    figure, (left, right) = new_figure(columns=2)
    for (name, points), marker in zip(by_workloads.items(), "osD^v<>", strict=False):
        left.loglog(*zip(*points, strict=True), marker=marker, label=name)
    left.set_xlabel("workloads")
    left.set_ylabel("seconds")
    legend_below(figure, (left,), columns=4)
    right.plot(*zip(*by_designs, strict=True), marker="o", color=BLUE)
    right.set_xlabel("designs in the space")
    right.set_ylabel("nanoseconds per workload")
    right.set_xlim(left=0)
    right.set_ylim(bottom=0)
    return figure
