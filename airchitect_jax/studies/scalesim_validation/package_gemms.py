"""GEMMs through the scalesim package in a process of its own: what its reports say."""

from __future__ import annotations

import pathlib

import numpy as np

from airchitect_jax.scalesim import PackageRun, ReplayReport, ScalesimConfig, write_config
from airchitect_jax.scalesim.package_process import Package, RunInputs
from airchitect_jax.types import ArrayShape, Dataflow, Gemm


class PackageGemms:
    """Runs GEMMs (`agreement.Simulate`), each as files in the same folder."""

    def __init__(self, package: Package, folder: pathlib.Path):
        """Takes a process and a folder that exists, for its files."""
        self._package = package
        self._inputs = RunInputs(folder=folder, gemm=True, traces=False)

    def __call__(
        self,
        gemm: Gemm,
        array: ArrayShape,
        dataflow: Dataflow,
        *,
        ifmap_sram_kb: int,
        filter_sram_kb: int,
        ofmap_sram_kb: int,
        bandwidth_words_per_cycle: int | None,
    ) -> PackageRun:
        """One run; arguments as of `scalesim.run_gemm`, and seconds that include the reports.

        Raises:
          ValueError: the package crashes.
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
        write_config(self._inputs.config, config, name="run")
        self._inputs.topology.write_text(f"name,m,n,k,\ngemm,{gemm.m},{gemm.n},{gemm.k},\n")
        self._inputs.layout.write_text("name,\n")
        output = self._package.run(self._inputs)
        if output.error is not None:
            raise ValueError(f"the scalesim package crashes: {output.error}")
        reports = {
            name: data.decode().splitlines()[1].split(", ") for name, data in output.files.items()
        }
        compute = reports["run/COMPUTE_REPORT.csv"]
        accesses = [
            int(float(cell.rstrip(","))) for cell in reports["run/DETAILED_ACCESS_REPORT.csv"]
        ]
        overall, mapping, utilization = (float(cell.rstrip(",")) / 100 for cell in compute[4:])
        counts = (int(compute[2]), int(compute[3]), output.lines[0] - 1, *accesses[3::3])
        total, stall, cycles, *words = (np.asarray(count, np.int64) for count in counts)
        return PackageRun(
            report=ReplayReport(
                total_cycles=total,
                stall_cycles=stall,
                compute_cycles=cycles,
                overall_utilization=overall,
                mapping_efficiency=mapping,
                compute_utilization=utilization,
                ifmap_sram_reads=words[0],
                filter_sram_reads=words[1],
                ofmap_sram_writes=words[2],
                ifmap_dram_reads=words[3],
                filter_dram_reads=words[4],
                ofmap_dram_writes=words[5],
            ),
            seconds=output.seconds,
        )
