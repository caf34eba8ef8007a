"""Exact labels per second for case study 1, compared with simpler methods.

python -m benchmarks.labelling --workloads=1048576
"""

from __future__ import annotations

import functools
import importlib.util
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from absl import flags
from jaxtyping import Array, Int

from airchitect_jax import BudgetedGemm, Dataflow, Gemm, label
from airchitect_jax.case_studies import ArrayDataflowCase
from airchitect_jax.cost import compute_cycles
from airchitect_jax.oracle import array_dataflow, ranking
from airchitect_jax.scalesim import run_gemm
from airchitect_jax.scalesim.package_process import Package
from airchitect_jax.types import ArrayShape, Objective
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


class Contender(NamedTuple):
    """What is timed, how many workloads it labels, and how long its first call took."""

    workloads: int
    run: Callable[[], Any]
    first_call_seconds: float | None = None


def first_call(run: Callable[[], Any]) -> tuple[Any, float]:
    """The result and the seconds, compilation included."""
    start = time.perf_counter()
    result = jax.block_until_ready(run())
    return result, round(time.perf_counter() - start, 2)


def energies(columns: list[Array], few: list[Array]) -> dict[str, Contender]:
    """Labels of energy and energy-delay product, checked against a comparison of all designs.

    Args:
      columns: mac_budget, m, n and k on the device.
      few: the first of them, for the comparison.
    """
    contenders = {}
    for objective in (Objective.ENERGY, Objective.EDP):
        settings: Any = {"space": CASE.space, "platform": CASE.platform, "objective": objective}
        ours = functools.partial(array_dataflow.label_columns, columns, **settings)
        compare = functools.partial(array_dataflow.label_wide_columns, few, **settings)
        (labels, _), seconds = first_call(ours)
        check_ids(labels.design_id, compare()[0].design_id)
        contenders[f"ours, {objective.value}"] = Contender(len(columns[0]), ours, seconds)
        contenders[f"all designs, {objective.value}"] = Contender(len(few[0]), compare)
    return contenders


def ranks(columns: list[Array], few: list[Array]) -> dict[str, Contender]:
    """As `energies`, of the best five designs and of the runner-up."""
    settings: Any = {"space": CASE.space, "platform": CASE.platform}

    def compare(count: int) -> Any:
        with jax.enable_x64(True):
            wide = [column.astype(jnp.int64) for column in few]
            return ranking.best_designs(wide, count=count, **settings)

    contenders = {}
    for flag, count in (("--topk=5", 5), ("--runner_up", 2)):
        ours = functools.partial(array_dataflow.ranked_columns, columns, count=count, **settings)
        (_, labels, _, _), seconds = first_call(ours)
        for ids, expected in zip(labels.design_id, compare(count)[0].T, strict=True):
            check_ids(ids, expected)
        contenders[f"ours, {flag}"] = Contender(len(columns[0]), ours, seconds)
        contenders[f"all designs, {flag}"] = Contender(
            len(few[0]), functools.partial(compare, count)
        )
    return contenders


def check_ids(ours: Array, expected: Array) -> None:
    """The first of our ids are these, where they are exact."""
    found = np.asarray(ours)[: len(expected)]
    np.testing.assert_array_equal(found, np.where(found < 0, found, expected))


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

    found, compile_seconds = first_call(ours)
    labels = np.asarray(found)
    np.testing.assert_array_equal(labels[: small.shape[1]], plain())
    np.testing.assert_array_equal(labels[: small.shape[1]], vectorised_numpy(small))
    np.testing.assert_array_equal(labels[:20], pure_python())
    few = min(small.shape[1], array_dataflow.MATRIX_CHUNK)
    on_device = [jnp.asarray(column) for column in vars(budgeted).values()]
    first = [column[:few] for column in on_device]
    contenders = {
        "ours, on the device": Contender(WORKLOADS.value, ours, compile_seconds),
        "ours, from and to NumPy, with cycles": Contender(WORKLOADS.value, lambda: label(budgeted)),
        "plain jit(vmap)": Contender(small.shape[1], plain),
        "vectorised NumPy": Contender(small.shape[1], lambda: vectorised_numpy(small)),
        "pure Python": Contender(tiny.shape[1], pure_python),
        **energies(on_device, first),
        **ranks(on_device, first),
    }
    if importlib.util.find_spec("scalesim"):
        side = 128  # small, because the package simulates cycle by cycle
        package = Package()
        contenders[SCALESIM] = Contender(2, lambda: scalesim_runs(package, [side, side // 2]))

    def wait_for(run: Callable[[], Any]) -> None:
        jax.block_until_ready(run())

    seconds = common.interleaved_seconds(
        {name: functools.partial(wait_for, one.run) for name, one in contenders.items()},
        common.REPEATS.value,
    )
    rates = {name: one.workloads / seconds[name] for name, one in contenders.items()}
    common.emit(
        [
            {
                "benchmark": "labelling, case study 1",
                "contender": name,
                "workloads": contenders[name].workloads,
                "labels_per_second": float(f"{rate:.4g}"),
                "design_evaluations_per_second": float(
                    f"{rate * (1 if name == SCALESIM else CASE.space.num_designs):.4g}"
                ),
                "times_plain_vmap": float(f"{rate / rates['plain jit(vmap)']:.3g}"),
                "first_call_seconds": contenders[name].first_call_seconds,
            }
            for name, rate in rates.items()
        ]
    )


if __name__ == "__main__":
    common.run(main)
