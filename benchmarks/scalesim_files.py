"""SCALE-Sim files: the scalesim 3.0.0 package and ours, side by side in one run.

Times a small and a medium GEMM in both, after checking that every report file is equal, a sweep of
a hundred configurations, the command, and, with --topology, a network of convolutions in ours.

python -m benchmarks.scalesim_files --package_python=PATH --topology=Resnet50.csv
"""

from __future__ import annotations

import functools
import pathlib
import subprocess
import sys
import tempfile
import time
from typing import Any

import numpy as np
from absl import flags

from airchitect_jax import ArrayShape, Dataflow, Gemm, replay
from airchitect_jax.scalesim import ScalesimConfig, run, write_config
from airchitect_jax.scalesim.package_process import Package, RunInputs, read_files
from benchmarks import common

flags.adopt_module_key_flags(common)
PACKAGE_PYTHON = flags.DEFINE_string(
    "package_python", sys.executable, "The interpreter that has the scalesim package."
)
TOPOLOGY = flags.DEFINE_string("topology", None, "A topology of convolutions.")
JOBS = flags.DEFINE_integer("jobs", 2, "Processes for its layers.", lower_bound=1)

_SIZES = {"small": (32, 8), "medium": (256, 32)}  # m, n and k; rows and columns of the array
_SRAM_KB, _BANDWIDTH = 64, 10
_SWEPT_KB = np.arange(10, 101, 10)  # of ifmap and filter each


def accelerator(side: int) -> ScalesimConfig:
    """A square array with three equal SRAMs."""
    return ScalesimConfig(
        rows=side,
        cols=side,
        dataflow=Dataflow.WS,
        ifmap_sram_kb=_SRAM_KB,
        filter_sram_kb=_SRAM_KB,
        ofmap_sram_kb=_SRAM_KB,
        bandwidth_words_per_cycle=_BANDWIDTH,
    )


def write_inputs(folder: pathlib.Path, side: int, array: int) -> RunInputs:
    """The files of one square GEMM on a square array."""
    folder.mkdir()
    inputs = RunInputs(folder=folder, gemm=True, traces=False)
    write_config(inputs.config, accelerator(array), name="run")
    inputs.topology.write_text(f"Layer, M, N, K,\nsquare, {side}, {side}, {side},\n")
    inputs.layout.write_text("Layer,\n")
    return inputs


def ours(inputs: RunInputs) -> Any:
    """Our run of the files, in this process."""
    return run(inputs.config, inputs.topology, input_type="gemm")


def command_seconds(inputs: RunInputs) -> float:
    """Seconds of the command, from its start to its end."""
    flags_of_package = {
        "-c": inputs.config,
        "-t": inputs.topology,
        "-i": "gemm",
        "-s": "N",
        "-p": inputs.folder / "command",
    }
    words = [str(word) for pair in flags_of_package.items() for word in pair]
    start = time.perf_counter()
    command = [sys.executable, "-m", "experiments.scalesim", *words]
    subprocess.run(command, check=True, capture_output=True)  # noqa: S603
    return time.perf_counter() - start


def sweep(side: int, array: int) -> Any:
    """The replay of a GEMM with a hundred pairs of buffer sizes."""
    return replay(
        Gemm(m=side, n=side, k=side),
        ArrayShape(rows=array, cols=array),
        Dataflow.WS,
        ifmap_sram_kb=_SWEPT_KB[:, None],
        filter_sram_kb=_SWEPT_KB,
        ofmap_sram_kb=_SRAM_KB,
        bandwidth_words_per_cycle=_BANDWIDTH,
    )


def rounded(seconds: float) -> float:
    """Four digits."""
    return float(f"{seconds:.4g}")


def pair(name: str, folder: pathlib.Path, package: Package) -> dict[str, Any]:
    """One GEMM in the package and in ours.

    Raises:
      ValueError: a report file differs.
    """
    side, array = _SIZES[name]
    inputs = write_inputs(folder / name, side, array)
    theirs = package.run(inputs)
    ours(inputs).write(folder / name / "ours")
    if read_files(folder / name / "ours") != {
        path.removeprefix("run/"): text for path, text in theirs.files.items()
    }:
        raise ValueError(f"{name}: a report file differs from the package's")
    contenders = {"ours": functools.partial(ours, inputs)}
    if name == "medium":
        contenders["sweep"] = functools.partial(sweep, side, array)
    seconds = common.interleaved_seconds(contenders, common.REPEATS.value)
    row = {
        "benchmark": "files of scalesim 3.0.0",
        "workload": f"{side} x {side} x {side} on {array} x {array}, USER, {_SRAM_KB} KB",
        "package_seconds": rounded(theirs.seconds),
        "seconds": rounded(seconds["ours"]),
        "times_the_package": round(theirs.seconds / seconds["ours"]),
        "command_seconds": rounded(min(command_seconds(inputs) for _ in range(3))),
    }
    if name == "medium":
        hundred = _SWEPT_KB.size**2
        row["sweep_seconds"] = rounded(seconds["sweep"])
        row["sweep_times_the_package"] = round(hundred * theirs.seconds / seconds["sweep"])
    return row


def network(folder: pathlib.Path, topology: str) -> dict[str, Any]:
    """All layers of a topology of convolutions, in ours."""
    config = folder / "network.cfg"
    write_config(config, accelerator(32), name="run")
    start = time.perf_counter()
    result = run(config, topology, jobs=JOBS.value)
    return {
        "benchmark": "files of scalesim 3.0.0",
        "workload": f"{pathlib.Path(topology).stem} on 32 x 32, USER, {_SRAM_KB} KB",
        "layers": len(result.layers),
        "jobs": JOBS.value,
        "seconds": rounded(time.perf_counter() - start),
    }


def main() -> None:
    """Times the GEMMs, then the network."""
    with tempfile.TemporaryDirectory() as name, Package(PACKAGE_PYTHON.value) as package:
        folder = pathlib.Path(name)
        rows = [pair(size, folder, package) for size in _SIZES]
        if TOPOLOGY.value:
            rows.append(network(folder, TOPOLOGY.value))
    common.emit(rows)


if __name__ == "__main__":
    common.run(main)
