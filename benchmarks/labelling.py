"""Exact labels per second for case study 1, compared with simpler methods.

python -m benchmarks.labelling --workloads=1048576
"""

from __future__ import annotations

import functools
import importlib.util
import time

import jax
import jax.numpy as jnp
import numpy as np
from absl import flags
from jaxtyping import Array, Int

from airchitect_jax import BudgetedGemm, Dataflow, Gemm, label
from airchitect_jax.case_studies import ArrayDataflowCase
from airchitect_jax.cost import compute_cycles
from airchitect_jax.oracle import array_dataflow
from airchitect_jax.scalesim import run_gemm
from airchitect_jax.scalesim.package_process import Package
from airchitect_jax.types import ArrayShape
from benchmarks import common

flags.adopt_module_key_flags(common)
WORKLOADS = flags.DEFINE_integer(
    "workloads", 1 << 20, "Workloads of the rows of this package.", lower_bound=1
)
SMALL = flags.DEFINE_integer("small", 1 << 15, "Workloads of the slower contenders.", lower_bound=1)

CASE = ArrayDataflowCase()
SCALESIM = "the scalesim package, one design per GEMM"


@jax.jit
def plain_vmap(columns: Int[Array, "4 batch"]) -> Int[Array, "batch"]:
    """The straightforward method: `vmap` of an argmin over an axis of 459 designs."""
    space = CASE.space
    rows = jnp.asarray(2 ** space.row_exponent.astype(np.int64))
    cols = jnp.asarray(2 ** space.col_exponent.astype(np.int64))

    def one(workload: Int[Array, "4"]) -> Int[Array, ""]:
        exponent, m, n, k = workload.astype(jnp.int64)
        by_dataflow = [
            compute_cycles(Gemm(m=m, n=n, k=k), ArrayShape(rows=rows, cols=cols), dataflow)
            for dataflow in Dataflow
        ]
        cycles = jnp.select([space.dataflow == dataflow for dataflow in Dataflow], by_dataflow)
        return jnp.where(space.mac_exponent <= exponent, cycles, 2**62).argmin()

    return jax.vmap(one, in_axes=1)(columns)


def vectorised_numpy(columns: Int[np.ndarray, "4 batch"]) -> Int[np.ndarray, "batch"]:
    """The running minimum over the designs, one design at a time over the batch."""
    space = CASE.space
    exponent, m, n, k = columns.astype(np.int64)
    best = np.full(m.shape, 2**62)
    choice = np.zeros(m.shape, np.int32)
    gemm = Gemm(m=m, n=n, k=k)
    for design_id in range(space.num_designs):
        array = ArrayShape(
            rows=2 ** int(space.row_exponent[design_id]),
            cols=2 ** int(space.col_exponent[design_id]),
        )
        cycles = compute_cycles(gemm, array, Dataflow(int(space.dataflow[design_id])))
        better = (cycles < best) & (space.mac_exponent[design_id] <= exponent)
        best, choice = np.where(better, cycles, best), np.where(better, design_id, choice)
    return choice


def scalesim_runs(package: Package, sides: list[int]) -> None:
    """Square GEMMs of these sides on a 16 x 16 array, output stationary, one design each."""
    array = ArrayShape(rows=16, cols=16)
    for side in sides:
        gemm = Gemm(m=side, n=side, k=side)
        cycles = run_gemm(package, gemm, array, Dataflow.OS).report.total_cycles
        expected = compute_cycles(gemm, array, Dataflow.OS)
        if cycles != expected:
            raise AssertionError(f"scalesim says {cycles} cycles, we {expected}")


def main() -> None:
    """Checks that all agree, then times them in turn."""
    workloads = jax.jit(CASE.sample, static_argnums=1)(
        jax.random.key(common.SEED.value), WORKLOADS.value
    )
    columns = [jnp.array(column) for column in workloads]
    ours = functools.partial(
        array_dataflow.label_exponents, *columns, space=CASE.space, platform=CASE.platform
    )
    host = np.asarray(workloads)
    budgeted = BudgetedGemm(
        mac_budget=np.int64(1) << host[0].astype(np.int64), m=host[1], n=host[2], k=host[3]
    )
    small = host[:, : SMALL.value]
    with jax.enable_x64(True):
        small_columns = jnp.asarray(small)
    tiny = small[:, :20]

    def pure_python() -> list[int]:
        return [
            array_dataflow.label_in_python(
                1 << exponent, m, n, k, space=CASE.space, platform=CASE.platform
            )[0]
            for exponent, m, n, k in tiny.T.tolist()
        ]

    def plain() -> Array:
        with jax.enable_x64(True):
            return jax.block_until_ready(plain_vmap(small_columns))

    start = time.perf_counter()
    labels = np.asarray(jax.block_until_ready(ours()))
    compile_seconds = time.perf_counter() - start
    np.testing.assert_array_equal(labels[: small.shape[1]], plain())
    np.testing.assert_array_equal(labels[: small.shape[1]], vectorised_numpy(small))
    np.testing.assert_array_equal(labels[:20], pure_python())
    sizes = {
        "ours, on the device": (WORKLOADS.value, lambda: jax.block_until_ready(ours())),
        "ours, from and to NumPy, with cycles": (WORKLOADS.value, lambda: label(budgeted)),
        "plain jit(vmap)": (small.shape[1], plain),
        "vectorised NumPy": (small.shape[1], lambda: vectorised_numpy(small)),
        "pure Python": (tiny.shape[1], pure_python),
    }
    if importlib.util.find_spec("scalesim"):
        few = 128  # small, because the package simulates cycle by cycle
        package = Package()
        sizes[SCALESIM] = (2, lambda: scalesim_runs(package, [few, few // 2]))
    seconds = common.interleaved_seconds(
        {name: contender for name, (_, contender) in sizes.items()}, common.REPEATS.value
    )
    rates = {name: size / seconds[name] for name, (size, _) in sizes.items()}
    common.emit(
        [
            {
                "benchmark": "labelling, case study 1",
                "contender": name,
                "workloads": sizes[name][0],
                "labels_per_second": float(f"{rate:.4g}"),
                "design_evaluations_per_second": float(
                    f"{rate * (1 if name == SCALESIM else CASE.space.num_designs):.4g}"
                ),
                "times_plain_vmap": float(f"{rate / rates['plain jit(vmap)']:.3g}"),
                "first_call_seconds": round(compile_seconds, 2)
                if name.startswith("ours, on")
                else None,
            }
            for name, rate in rates.items()
        ]
    )


if __name__ == "__main__":
    common.run(main)
