"""Labelling from Parquet to Parquet compared with labelling in memory, and with writing.

  python -m benchmarks.label_files --rows=100000000 --repeats=3
  python -m benchmarks.label_files --largest=8 --figure=docs/figures/labelling_growth.png

Files go to a temporary folder (TMPDIR): 6 GB for 10**8 workloads.
"""

from __future__ import annotations

import dataclasses
import json
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from absl import flags

from airchitect_jax import ArrayDataflowSpace, BudgetedGemm, label
from airchitect_jax._support import files
from airchitect_jax._support.arrow import pa, pq
from airchitect_jax.cost import Platform
from airchitect_jax.oracle import label_exponents
from airchitect_jax.reporting import style
from airchitect_jax.reporting.style import BLUE, Figure, legend_below, new_figure, styled
from benchmarks import common

flags.adopt_module_key_flags(common)
ROWS = flags.DEFINE_integer("rows", 10**7, "Workloads to label.", lower_bound=1000)
LARGEST = flags.DEFINE_integer(
    "largest",
    8,
    "Largest number of workloads in the figure, as a power of 10.",
    lower_bound=4,
    upper_bound=9,
)
FIGURE = flags.DEFINE_string(
    "figure", None, "PNG file: the time over the numbers of workloads and designs."
)
flags.set_default(common.REPEATS, 3)

_PIECE = 10**7  # maximum number of workloads in memory
_LANES = 1 << 20
_INPUT = "input.parquet"
_COST_ROWS = 10**6  # the most for which --report=costs is allowed


def draw(rows: int, seed: int) -> dict[str, np.ndarray]:
    """Columns of random workloads (int32)."""
    rng = np.random.default_rng(seed)
    exponents = rng.integers(5, 19, rows, dtype=np.int32)
    dims = {name: rng.integers(1, 10_001, rows, dtype=np.int32) for name in "mnk"}
    return {"mac_budget": np.left_shift(np.int32(1), exponents), **dims}


def in_memory(rows: int) -> Callable[[], None]:
    """Labels NumPy arrays."""
    workloads = BudgetedGemm(**draw(min(rows, _PIECE), common.SEED.value))

    def run() -> None:
        for _ in range(-(-rows // _PIECE)):
            label(workloads)

    return run


def write_input(path: pathlib.Path, rows: int, **options: Any) -> None:
    """Writes random workloads with pyarrow."""
    path.parent.mkdir()
    schema = pa.schema([(name, pa.int32()) for name in ("mac_budget", "m", "n", "k")])
    with pq.ParquetWriter(path, schema, **options) as writer:
        for first in range(0, rows, _PIECE):
            writer.write_table(pa.table(draw(min(_PIECE, rows - first), first), schema=schema))


@dataclasses.dataclass
class LabelFile:
    """Labels a file in a process of its own.

    Attributes:
      folder: has the input; gets the output, which replaces that of the last call.
      rows: of the input.
      options: of the script.
      peak_memory_gb: of the last call.
      after_start: seconds of each call without the start of the process.
    """

    folder: pathlib.Path
    rows: int
    options: Sequence[str] = ()
    peak_memory_gb: float = 0.0
    after_start: list[float] = dataclasses.field(default_factory=list)

    @property
    def output(self) -> pathlib.Path:
        """The workdir."""
        return self.folder / "-".join(["run", *self.options])

    @property
    def num_bytes(self) -> int:
        """Size of the labels."""
        return sum(path.stat().st_size for path in (self.output / "labels").iterdir())

    def __call__(self) -> None:
        """Runs the process and checks that it labelled every row."""
        shutil.rmtree(self.output, ignore_errors=True)
        command = [sys.executable, "-m", "experiments.label_workloads", *self.options]
        command += [f"--input={self.folder / _INPUT}", f"--workdir={self.output}"]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL)  # noqa: S603 - our own script
        self.peak_memory_gb = 0.0
        while process.poll() is None:
            self.peak_memory_gb = max(self.peak_memory_gb, _peak_memory_gb(process.pid))
            time.sleep(0.02)
        summary = json.loads((self.output / "summary.json").read_text())
        if summary["rows_labelled"] != self.rows:
            raise AssertionError(f"{summary['rows_labelled']} of {self.rows} rows were labelled")
        self.after_start.append(summary["wall_seconds"])

    def relative(self, seconds: float, reference: float) -> dict[str, float]:
        """The rate of a run, and of its part after the start, to that of a reference."""
        after_start = statistics.median(self.after_start[1:])  # the first round compiles
        return {
            "seconds": round(seconds, 3),
            "relative_rate": round(reference / seconds, 3),
            "seconds_after_start": round(after_start, 3),
            "relative_rate_after_start": round(reference / after_start, 3),
        }


def by_compression(folder: pathlib.Path) -> list[dict[str, Any]]:
    """Whole processes beside labelling in memory, in turn."""
    rows = ROWS.value
    plain, default = folder / "plain", folder / "default"
    write_input(plain / _INPUT, rows, compression="none", use_dictionary=False)
    write_input(default / _INPUT, rows)
    runs = {
        f"plain input, output {compression}": LabelFile(
            plain, rows, [f"--compression={compression}"]
        )
        for compression in ("none", "snappy", "zstd")
    }
    runs["input of pyarrow's default, output none"] = LabelFile(default, rows)
    memory = "in memory"
    seconds = common.interleaved_seconds({memory: in_memory(rows), **runs}, common.REPEATS.value)
    row = {"benchmark": "labelling files, case study 1", "workloads": rows}
    return [{**row, "run": memory, "seconds": round(seconds[memory], 3)}] + [
        {
            **row,
            "run": name,
            **run.relative(seconds[name], seconds[memory]),
            "bytes_per_workload": round(run.num_bytes / rows, 2),
            "peak_memory_gb": round(run.peak_memory_gb, 2),
        }
        for name, run in runs.items()
    ]


def all_costs(folder: pathlib.Path) -> list[dict[str, Any]]:
    """`--report=costs` beside writing as many bytes from memory, in turn."""
    rows = min(ROWS.value, _COST_ROWS)
    write_input(folder / "costs" / _INPUT, rows)
    run = LabelFile(folder / "costs", rows, ["--report=costs"])
    block = np.random.default_rng(0).bytes(1 << 24)

    def write() -> None:
        with (folder / "raw").open("wb") as file:
            for first in range(0, run.num_bytes, len(block)):
                file.write(block[: run.num_bytes - first])
        (folder / "raw").unlink()

    seconds = common.interleaved_seconds({"costs": run, "write": write}, common.REPEATS.value)
    return [
        {
            "benchmark": "all costs of workloads, case study 1",
            "workloads": rows,
            "bytes_per_workload": round(run.num_bytes / rows, 1),
            "seconds_to_write_as_many_bytes": round(seconds["write"], 3),
            **run.relative(seconds["costs"], seconds["write"]),
        }
    ]


def by_workloads(folder: pathlib.Path) -> dict[str, list[tuple[int, float]]]:
    """(workloads, seconds) per method, over the number of workloads."""
    found: dict[str, list[tuple[int, float]]] = {
        "in memory, NumPy to NumPy": [],
        "a process, Parquet to Parquet": [],
    }
    for rows in (10**power for power in range(3, LARGEST.value + 1)):
        write_input(folder / str(rows) / _INPUT, rows, compression="none", use_dictionary=False)
        runs = (in_memory(rows), LabelFile(folder / str(rows), rows))
        contenders: dict[str, Callable[[], None]] = dict(zip(found, runs, strict=True))
        for name, seconds in common.interleaved_seconds(contenders, 1).items():
            found[name].append((rows, seconds))
        shutil.rmtree(folder / str(rows))
    return found


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
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        if not FIGURE.value:
            common.emit([*by_compression(folder), *all_costs(folder)])
            return
        workloads, designs = by_workloads(folder), by_designs()
    rows: list[dict[str, Any]] = [
        {
            "benchmark": f"labelling, {method}",
            "workloads": count,
            "seconds": round(seconds, 4),
        }
        for method, points in workloads.items()
        for count, seconds in points
    ]
    rows += [
        {
            "benchmark": "labelling, size of the space",
            "designs": count,
            "nanoseconds_per_workload": round(nanoseconds, 2),
        }
        for count, nanoseconds in designs
    ]
    common.emit(rows)
    with files.atomic_path(pathlib.Path(FIGURE.value)) as temporary:
        temporary.write_bytes(style.to_png(labelling_growth(workloads, designs)))


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


if __name__ == "__main__":
    common.run(main)
