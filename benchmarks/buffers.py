"""Exact labels per second for case study 2, compared with methods without its factoring.

python -m benchmarks.buffers
"""

from __future__ import annotations

import functools
import time

import jax
import jax.numpy as jnp
import numpy as np
from absl import flags

from airchitect_jax import ArrayShape, BufferSizes, Dataflow, Gemm, Interface
from airchitect_jax.case_studies import BufferCase
from airchitect_jax.cost import memory
from airchitect_jax.oracle import buffer_limits, label_buffers_in_python
from airchitect_jax.types import RuntimeModel
from benchmarks import common

flags.adopt_module_key_flags(common)
WORKLOADS = flags.DEFINE_integer("workloads", 1 << 18, "Workloads per call.", lower_bound=1)
PLAIN = flags.DEFINE_integer("plain_workloads", 1 << 11, "Workloads per call of plain jit(vmap).")
PYTHON = flags.DEFINE_integer("python_workloads", 8, "Workloads per call of plain Python.")

CASE = BufferCase()


@jax.jit
def plain(columns: list[jax.Array]) -> jax.Array:
    """The straightforward method: `vmap` over the workloads and the 1000 designs."""
    levels = jnp.asarray(CASE.space.levels, jnp.int64) * CASE.space.step_bytes

    def cycles(workload: list[jax.Array], sizes: jax.Array) -> jax.Array:
        budget, m, n, k, rows, cols, dataflow, bandwidth = workload
        buffers = BufferSizes(
            ifmap_sram_bytes=sizes[0], filter_sram_bytes=sizes[1], ofmap_sram_bytes=sizes[2]
        )
        by_dataflow = []
        for flow in Dataflow:
            folds = memory.tiling_of(
                Gemm(m=m, n=n, k=k),
                ArrayShape(rows=rows, cols=cols),
                flow,
                1,
                RuntimeModel.SCALESIM,
            )
            by_dataflow.append(
                memory.total_cycles(folds, buffers, flow, bandwidth, Interface.SHARED)
            )
        total = jnp.select([dataflow == flow for flow in Dataflow], by_dataflow)
        return jnp.where(sizes.sum() <= budget, total, np.iinfo(np.int64).max)

    wide = [column.astype(jnp.int64) for column in columns]
    by_design = jax.vmap(cycles, in_axes=(None, 0))
    return jax.vmap(lambda *workload: by_design(list(workload), levels).argmin())(*wide)


def main() -> None:
    """Times the contenders in turn and prints one row each."""
    sample = jax.jit(CASE.sample, static_argnums=1)
    workloads = sample(jax.random.key(common.SEED.value), WORKLOADS.value)
    start = time.perf_counter()
    labels = jax.block_until_ready(CASE.label(workloads))
    first_call = time.perf_counter() - start
    budgeted = np.asarray(workloads[:, : PYTHON.value])
    rows = [
        [int(value) for value in column]
        for column in np.stack([np.asarray(x) for x in CASE.columns(jnp.asarray(budgeted))], axis=1)
    ]
    in_python = functools.partial(
        label_buffers_in_python, space=CASE.space, platform=CASE.platform, objective=CASE.objective
    )
    few = workloads[:, : PLAIN.value]

    def run_plain() -> np.ndarray:
        with jax.enable_x64(True):
            return np.asarray(plain(CASE.columns(few)))

    np.testing.assert_array_equal(run_plain(), labels[: PLAIN.value])
    np.testing.assert_array_equal(
        [in_python(*row)[0] for row in rows], np.asarray(labels[: PYTHON.value])
    )
    contenders = {
        "ours, on the device": (
            WORKLOADS.value,
            lambda: jax.block_until_ready(CASE.label(workloads)),
        ),
        "ours, from and to NumPy, with cycles": (
            WORKLOADS.value,
            lambda: CASE.exact(np.asarray(workloads)),
        ),
        "plain jit(vmap) over 1000 designs": (PLAIN.value, run_plain),
        "pure Python": (PYTHON.value, lambda: [in_python(*row) for row in rows]),
    }
    seconds = common.interleaved_seconds(
        {name: contender for name, (_, contender) in contenders.items()}, common.REPEATS.value
    )
    base = contenders["plain jit(vmap) over 1000 designs"][0]
    base_rate = base / seconds["plain jit(vmap) over 1000 designs"]
    common.emit(
        [
            {
                "benchmark": "labels of case study 2",
                "contender": name,
                "inputs": list(buffer_limits(CASE.space)),
                "workloads": count,
                "seconds": seconds[name],
                "labels_per_second": count / seconds[name],
                "times_plain": count / seconds[name] / base_rate,
                "first_call_seconds": first_call if name.startswith("ours, on") else None,
            }
            for name, (count, _) in contenders.items()
        ]
    )


if __name__ == "__main__":
    common.run(main)
