"""Runs of the installed scalesim 3.0.0 package itself, one GEMM at a time, in this process.

It is what `airchitect_jax.scalesim.replay` replays, for checks and comparisons. The package is an
extra, imported where it is used.
"""

from __future__ import annotations

import contextlib
import dataclasses
import io
import time
from typing import Any

import numpy as np

from airchitect_jax.scalesim.replay import ReplayReport
from airchitect_jax.types import ArrayShape, Dataflow, Gemm

# Where the package places the operands: apart, so that no two words share an address.
_OFFSETS = (0, 1 << 40, 1 << 41)


@dataclasses.dataclass(frozen=True, kw_only=True)
class PackageRun:
    """What the package reported, as NumPy scalars, and how long it took."""

    report: ReplayReport
    seconds: float


def run_gemm(
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
      gemm: m, n, k as Python integers.
      array: rows and cols as Python integers.
      dataflow: the dataflow.
      ifmap_sram_kb: size of the whole double buffer in kilobytes of 1024 words.
      filter_sram_kb: the same of the filter.
      ofmap_sram_kb: the same of the outputs.
      bandwidth_words_per_cycle: of each operand's port (USER mode); None for CALC mode.

    Raises:
      ImportError: the package is not installed.
      ZeroDivisionError: a run of one cycle, which the package counts as none.
    """
    try:
        from scalesim.layout_utils import layouts
        from scalesim.memory.double_buffered_scratchpad_mem import double_buffered_scratchpad
        from scalesim.scale_config import scale_config
        from scalesim.single_layer_sim import single_layer_sim
        from scalesim.topology_utils import topologies
    except ImportError as error:
        raise ImportError(
            "the scalesim package is needed: pip install 'airchitect-jax[scalesim]'"
        ) from error

    config = scale_config()
    config.array_rows, config.array_cols = array.rows, array.cols
    config.ifmap_sz_kb, config.filter_sz_kb = ifmap_sram_kb, filter_sram_kb
    config.ofmap_sz_kb = ofmap_sram_kb
    config.ifmap_offset, config.filter_offset, config.ofmap_offset = _OFFSETS
    config.df = dataflow.name.lower()
    config.use_user_bandwidth = bandwidth_words_per_cycle is not None
    if bandwidth_words_per_cycle is not None:
        # `bandwidths` drives the outputs only. Operands take the bandwidth of their SRAM's banks.
        config.bandwidths = [bandwidth_words_per_cycle]
        config.ifmap_sram_bank_bandwidth = bandwidth_words_per_cycle
        config.filter_sram_bank_bandwidth = bandwidth_words_per_cycle
        config.ifmap_sram_bank_num = config.filter_sram_bank_num = 1
    config.valid_conf_flag = True
    topology = topologies()
    # A GEMM in the columns of a convolution: name, m, k, 1, k, 1, n, strides, sparsity.
    entry = ["gemm", gemm.m, gemm.k, 1, gemm.k, 1, gemm.n, 1, 1, 1, 1]
    topology.append_topo_arrays(layer_name="gemm", elems=entry)
    topology.num_layers, topology.topo_load_flag = 1, True
    with contextlib.redirect_stdout(io.StringIO()):
        run = single_layer_sim()
        run.set_params(
            layer_id=0,
            config_obj=config,
            topology_obj=topology,
            layout_obj=layouts(),
            verbose=False,
        )
        # Its default memory system is shared by all runs of a process.
        run.memory_system = double_buffered_scratchpad()
        start = time.perf_counter()
        run.run()
        run.calc_report_data()
        seconds = time.perf_counter() - start
    return PackageRun(report=_report(run), seconds=seconds)


def _report(run: Any) -> ReplayReport:
    counts: dict[str, Any] = {
        name: np.int64(getattr(run, name))
        for name in (
            "total_cycles",
            "stall_cycles",
            "ifmap_sram_reads",
            "filter_sram_reads",
            "ofmap_sram_writes",
            "ifmap_dram_reads",
            "filter_dram_reads",
            "ofmap_dram_writes",
        )
    }
    return ReplayReport(
        compute_cycles=np.asarray(len(run.memory_system.ofmap_trace_matrix) - 1, np.int64),
        overall_utilization=float(run.overall_util) / 100,
        mapping_efficiency=float(run.mapping_eff) / 100,
        compute_utilization=float(run.compute_util) / 100,
        **counts,
    )
