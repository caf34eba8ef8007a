"""Single GEMMs through the scalesim 3.0.0 package: what `airchitect_jax.scalesim.replay` replays.

For checks and comparisons. The package is an extra, and runs in a process of its own.
"""

from __future__ import annotations

import dataclasses
import pathlib
import tempfile
from typing import Any

import numpy as np

from airchitect_jax.scalesim.config import ScalesimConfig, write_config
from airchitect_jax.scalesim.package_process import Package, RunInputs
from airchitect_jax.scalesim.replay import ReplayReport
from airchitect_jax.types import ArrayShape, Dataflow, Gemm


@dataclasses.dataclass(frozen=True, kw_only=True)
class PackageRun:
    """What the package reported, as NumPy scalars, and how long it took, its reports included."""

    report: ReplayReport
    seconds: float


def run_gemm(
    package: Package,
    gemm: Gemm,
    array: ArrayShape,
    dataflow: Dataflow,
    *,
    ifmap_sram_kb: int = 1024,
    filter_sram_kb: int = 1024,
    ofmap_sram_kb: int = 1024,
    bandwidth_words_per_cycle: int | None = None,
) -> PackageRun:
    """One run of the package, which takes seconds for GEMMs of a few hundred a side.

    Args:
      package: the process.
      gemm: m, n, k as Python integers.
      array: rows and cols as Python integers.
      dataflow: the dataflow.
      ifmap_sram_kb: size of the whole double buffer in kilobytes of 1024 words.
      filter_sram_kb: the same of the filter.
      ofmap_sram_kb: the same of the outputs.
      bandwidth_words_per_cycle: of each operand's port (USER mode); None for CALC mode.

    Raises:
      ValueError: the package crashes, as it does with a run of one cycle.
    """
    config = ScalesimConfig(
        rows=int(array.rows),
        cols=int(array.cols),
        dataflow=dataflow,
        ifmap_sram_kb=ifmap_sram_kb,
        filter_sram_kb=filter_sram_kb,
        ofmap_sram_kb=ofmap_sram_kb,
        bandwidth_words_per_cycle=bandwidth_words_per_cycle,
    )
    with tempfile.TemporaryDirectory() as folder:
        inputs = RunInputs(folder=pathlib.Path(folder), gemm=True, traces=False)
        write_config(inputs.config, config, name="run")
        inputs.topology.write_text(f"name,m,n,k,\ngemm,{gemm.m},{gemm.n},{gemm.k},\n")
        inputs.layout.write_text("name,\n")
        output = package.run(inputs)
    if output.error is not None:
        raise ValueError(f"the scalesim package crashes: {output.error}")
    reports = {
        name: [float(cell.rstrip(",")) for cell in data.decode().splitlines()[1].split(", ")]
        for name, data in output.files.items()
    }
    _, _, total, stall, *ratios = reports["run/COMPUTE_REPORT.csv"]
    words = reports["run/DETAILED_ACCESS_REPORT.csv"][3::3]
    counts = [np.asarray(count, np.int64) for count in (total, stall, output.lines[0] - 1, *words)]
    values: tuple[Any, ...] = (*counts[:3], *(ratio / 100 for ratio in ratios), *counts[3:])
    names = [field.name for field in dataclasses.fields(ReplayReport)]
    return PackageRun(
        report=ReplayReport(**dict(zip(names, values, strict=True))), seconds=output.seconds
    )
