"""The exact replay of the scalesim 3.0.0 package compared with the package, in one run.

python -m benchmarks.scalesim3 --side=256
"""

from __future__ import annotations

import importlib.util
import itertools
import statistics
from typing import Any

import jax
import numpy as np
from absl import flags

from airchitect_jax import ArrayShape, Dataflow, Gemm, Interface, MemoryModel
from airchitect_jax.case_studies import BufferCase
from airchitect_jax.scalesim import ReplayReport, run_gemm
from airchitect_jax.scalesim.package_process import Package
from airchitect_jax.scalesim.replay import replay
from airchitect_jax.workloads import load_network
from benchmarks import common

_LABELLED_DIM = 1024  # as in `case_study2 --memory_model=scalesim3`

flags.adopt_module_key_flags(common)
SIDE = flags.DEFINE_integer("side", 256, "m, n and k of the GEMM.", lower_bound=2)
ARRAY = flags.DEFINE_integer("array", 32, "Rows and columns of its array.", lower_bound=1)
PACKAGE_REPEATS = flags.DEFINE_integer(
    "package_repeats", 1, "Timed runs of the package, which takes seconds.", lower_bound=1
)

SRAM_KB = flags.DEFINE_integer("sram_kb", 64, "Kilobytes of each operand's SRAM.", lower_bound=1)
BANDWIDTH = flags.DEFINE_integer(
    "bandwidth", 10, "Words per cycle of each port in USER mode.", lower_bound=1
)
WORKLOADS = flags.DEFINE_integer(
    "workloads", 128, "Labelled workloads of case study 2.", lower_bound=1
)
EVERY_SIZING = flags.DEFINE_integer(
    "every_sizing", 8, "Of these, those labelled by a replay of every sizing.", lower_bound=1
)


def ours(
    gemm: Gemm, side: int, dataflow: Any, bandwidth: int | None, sram_kb: Any = None
) -> ReplayReport:
    """The replay on a square array, by default with three equal SRAMs."""
    ifmap, filters, ofmap = [SRAM_KB.value] * 3 if sram_kb is None else sram_kb
    return replay(
        gemm,
        ArrayShape(rows=side, cols=side),
        dataflow,
        ifmap_sram_kb=ifmap,
        filter_sram_kb=filters,
        ofmap_sram_kb=ofmap,
        bandwidth_words_per_cycle=bandwidth,
    )


def package(gemm: Gemm, side: int, dataflow: Dataflow, bandwidth: int | None) -> dict[str, Any]:
    """Median seconds of the package, after checking that its report equals the replay's."""
    if not importlib.util.find_spec("scalesim"):
        return {"package": "not installed: pip install 'airchitect-jax[scalesim]'"}
    with Package() as process:
        runs = [
            run_gemm(
                process,
                gemm,
                ArrayShape(rows=side, cols=side),
                dataflow,
                ifmap_sram_kb=SRAM_KB.value,
                filter_sram_kb=SRAM_KB.value,
                ofmap_sram_kb=SRAM_KB.value,
                bandwidth_words_per_cycle=bandwidth,
            )
            for _ in range(PACKAGE_REPEATS.value)
        ]
    report = ours(gemm, side, dataflow, bandwidth)
    for name, value in vars(runs[0].report).items():
        np.testing.assert_allclose(getattr(report, name), value, rtol=1e-12, err_msg=name)
    seconds = statistics.median(run.seconds for run in runs)
    return {"package_seconds": float(f"{seconds:.4g}"), "reports_equal": True}


def row(
    name: str, gemm: Gemm, side: int, dataflow: Any, bandwidth: int | None, **sram: Any
) -> dict[str, Any]:
    """One measured row of the replay."""
    seconds = common.interleaved_seconds(
        {"ours": lambda: ours(gemm, side, dataflow, bandwidth, **sram)}, common.REPEATS.value
    )["ours"]
    report = ours(gemm, side, dataflow, bandwidth, **sram)
    return {
        "benchmark": "replay of scalesim 3.0.0",
        "workload": name,
        "array": f"{side} x {side}",
        "dataflow": dataflow.name if isinstance(dataflow, Dataflow) else "all",
        "sram_kb": SRAM_KB.value if "sram_kb" not in sram else "100 to 1000 each",
        "mode": "CALC" if bandwidth is None else f"USER, {bandwidth} words per cycle",
        "runs": report.total_cycles.size,
        "total_cycles": int(np.sum(report.total_cycles)),
        "stall_cycles": int(np.sum(report.stall_cycles)),
        "seconds": float(f"{seconds:.4g}"),
    }


def labels() -> list[dict[str, Any]]:
    """Rows of labels of case study 2, and of the costs of all sizings, in two ways."""
    case = BufferCase(
        memory_model=MemoryModel.SCALESIM3, interface=Interface.PORTS, max_dim=_LABELLED_DIM
    )
    workloads = np.asarray(case.sample(jax.random.key(common.SEED.value), WORKLOADS.value))
    few = workloads[:, : EVERY_SIZING.value]
    ids = np.arange(case.space.num_designs)
    sizes = case.space.decode(ids)
    feasible = np.asarray(case.feasible(few))

    def every_sizing() -> np.ndarray:
        _, m, n, k, rows, cols, dataflow, bandwidth = few[:, :, None]
        report = replay(
            Gemm(m=m, n=n, k=k),
            ArrayShape(rows=2**rows, cols=2**cols),
            dataflow,
            ifmap_sram_kb=sizes.ifmap_sram_bytes // 1024,
            filter_sram_kb=sizes.filter_sram_bytes // 1024,
            ofmap_sram_kb=sizes.ofmap_sram_bytes // 1024,
            bandwidth_words_per_cycle=bandwidth,
        )
        return np.asarray(report.total_cycles)

    def all_costs() -> np.ndarray:
        return np.asarray(case.costs(few, np.broadcast_to(ids, feasible.shape)))

    expected = every_sizing()
    np.testing.assert_array_equal(all_costs(), expected)
    costs = np.where(feasible, expected, np.iinfo(np.int64).max)
    np.testing.assert_array_equal(case.exact(few).design_id, costs.argmin(axis=1))
    contenders = {
        "replay of every sizing": (few.shape[1], every_sizing),
        "costs of all sizings": (few.shape[1], all_costs),
        "labels": (workloads.shape[1], lambda: case.exact(workloads)),
    }
    seconds = common.interleaved_seconds(
        {name: contender for name, (_, contender) in contenders.items()}, common.REPEATS.value
    )
    each = {name: seconds[name] / count for name, (count, _) in contenders.items()}
    return [
        {
            "benchmark": "case study 2 with memory_model scalesim3",
            "contender": name,
            "workloads": count,
            "milliseconds_per_workload": float(f"{1000 * each[name]:.4g}"),
            "times_every_sizing": float(f"{each['replay of every sizing'] / each[name]:.3g}"),
        }
        for name, (count, _) in contenders.items()
    ]


def main() -> None:
    """Times the GEMM in both modes, layers of ResNet-50, many buffer sizes at once, and labels."""
    side = SIDE.value
    gemm = Gemm(m=side, n=side, k=side)
    rows = []
    for dataflow, bandwidth in itertools.product(Dataflow, (None, BANDWIDTH.value)):
        measured = row(f"{side} x {side} x {side}", gemm, ARRAY.value, dataflow, bandwidth)
        measured |= package(gemm, ARRAY.value, dataflow, bandwidth)
        if "package_seconds" in measured:
            ratio = measured["package_seconds"] / measured["seconds"]
            measured["times_the_package"] = float(f"{ratio:.3g}")
        rows.append(measured)

    network = load_network("resnet50")
    for layer in sorted({(layer.m, layer.n, layer.k) for layer in network.layers}):
        m, n, k = layer
        name = f"ResNet-50 layer, {m} x {n} x {k}"
        for dataflow, array in itertools.product(Dataflow, (32, 128)):
            rows.append(row(name, Gemm(m=m, n=n, k=k), array, dataflow, BANDWIDTH.value))
    rows.append(
        row(
            "all layers of ResNet-50",
            network.gemms,
            128,
            np.array(list(Dataflow))[:, None],
            BANDWIDTH.value,
        )
    )
    sizes = np.stack(np.meshgrid(*[np.arange(100, 1001, 100)] * 3)).reshape(3, -1)
    for dataflow in Dataflow:
        name = f"{side} x {side} x {side}, 1000 buffer sizes"
        rows.append(row(name, gemm, ARRAY.value, dataflow, BANDWIDTH.value, sram_kb=sizes))
    rows += labels()
    common.emit(rows)


if __name__ == "__main__":
    common.run(main)
