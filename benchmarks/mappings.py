"""Exact best mappings per second and core: the layers of the packaged networks on one machine.

python -m benchmarks.mappings
"""

from __future__ import annotations

import time

import numpy as np
from absl import flags

from airchitect_jax.cost import MachinePrices, Platform
from airchitect_jax.oracle.mappings import best_mappings
from airchitect_jax.types import BufferSizes, Gemm, Hardware, Objective
from airchitect_jax.workloads import GemmCounts, load_network, network_names
from benchmarks import common

flags.adopt_module_key_flags(common)
SIDE = flags.DEFINE_integer("side", 128, "Rows and columns of the array.", lower_bound=1)
SRAM = flags.DEFINE_integer("sram_kilobytes", 256, "Size of each operand SRAM.", lower_bound=1)
BANDWIDTH = flags.DEFINE_integer("bandwidth", 64, "Bytes per cycle.", lower_bound=1)
CORES = flags.DEFINE_integer("num_cores", 1, "Cores of the machine.", lower_bound=1)
NETWORKS = flags.DEFINE_list("networks", None, "Packaged networks; all by default.")
# Horowitz's events of the default energy table, at 256 KB.
PRICES = MachinePrices(230, 6500, 6500, 6500, 162_500, 0, 0)


def machine() -> Hardware:
    """The machine of the flags."""
    names = ("ifmap_sram_bytes", "filter_sram_bytes", "ofmap_sram_bytes")
    return Hardware(
        rows=SIDE.value,
        cols=SIDE.value,
        num_cores=CORES.value,
        memory=BufferSizes(**dict.fromkeys(names, 1024 * SRAM.value)),
        bandwidth_bytes=BANDWIDTH.value,
        bandwidth_cycles=1,
    )


def least_seconds(gemms: Gemm, objective: Objective) -> float:
    """CPU seconds of the fastest of several runs: the search has one thread."""
    seconds = []
    for _ in range(common.REPEATS.value):
        start = time.process_time()
        best_mappings(gemms, machine(), Platform(), objective, PRICES)
        seconds.append(time.process_time() - start)
    return min(seconds)


def main() -> None:
    """Times each network with each objective, and all of them together."""
    tables = {
        name: GemmCounts.of_layers(load_network(name).layers).gemms
        for name in NETWORKS.value or network_names()
    }
    tables["all together"] = tuple(gemm for gemms in tables.values() for gemm in gemms)
    start = time.process_time()
    best_mappings(Gemm(m=[1], n=[1], k=[1]), machine(), Platform(), Objective.CYCLES, PRICES)
    first = time.process_time() - start
    rows = []
    for name, dims in tables.items():
        m, n, k = np.array(dims).T
        for objective in Objective:
            seconds = least_seconds(Gemm(m=m, n=n, k=k), objective)
            rows.append(
                {
                    "name": name,
                    "objective": objective.value,
                    "distinct_layers": len(m),
                    "layers_per_second_and_core": len(m) / seconds,
                    "first_call_seconds": first,
                }
            )
    common.emit(rows)


if __name__ == "__main__":
    common.run(main)
