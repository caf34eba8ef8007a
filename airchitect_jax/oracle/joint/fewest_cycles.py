"""The fewest total cycles of whole networks over a large joint space, by enumeration on the device.

`airchitect_jax.oracle.joint` keeps every design's cycles and energy, in integers of any size. Here
only the cycles are needed, for millions of designs and many networks: one array shape at a time,
with its sizings as a cube whose axes are the three SRAMs. The cycles of a layer under a dataflow
depend on two sizes, so a layer is three planes, and its cube is their minimum. Float64, exact below
2**53, on the CPU where the default device has none.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from airchitect_jax._support import on_exact_float64, refuse_after_fork
from airchitect_jax.cost import Platform, ideal_cycles
from airchitect_jax.oracle.buffer_search import sizes_of
from airchitect_jax.oracle.joint.survey import cost_bounds
from airchitect_jax.spaces import BufferSpace, JointSpace
from airchitect_jax.types import ArrayShape, BufferSizes, Dataflow, Gemm, Memory
from airchitect_jax.workloads import GemmCounts

_EXACT = 2.0**53


def fewest_cycles(
    workload: GemmCounts, space: JointSpace, platform: Platform, budgets: Sequence[tuple[int, int]]
) -> Int[np.ndarray, "budgets"]:
    """The fewest total cycles of a network on one design, every layer with its best dataflow.

    Args:
      workload: the GEMMs.
      space: the designs, with all sizings of its buffers.
      platform: the rest of the machine.
      budgets: pairs of MAC units and bytes of SRAM.

    Returns:
      int64, for each budget.

    Raises:
      ValueError: float64 cannot count the cycles of some design, or nothing is within a budget.
      RuntimeError: the process was forked after JAX had started.
    """
    cubes = cycle_cubes(workload, space, platform)
    totals = np.indices(cubes.shape[1:]).sum(axis=0) + 3
    best = []
    for mac_budget, sram_budget_bytes in budgets:
        shapes = space.num_macs <= mac_budget
        sizings = totals * space.buffers.step_bytes <= sram_budget_bytes
        if not shapes.any() or not sizings.any():
            raise ValueError(
                f"budget: {mac_budget} MACs and {sram_budget_bytes} bytes are not allowed; expected"
                " as much as the smallest design takes"
            )
        best.append(cubes[shapes][:, sizings].min())
    return np.array(best).astype(np.int64)


def cycle_cubes(
    workload: GemmCounts, space: JointSpace, platform: Platform
) -> Float[np.ndarray, "shapes levels levels levels"]:
    """Total cycles of a network on every array, by the levels of its three SRAMs less one.

    Every layer with its best dataflow. Float64, whole numbers; errors as of `fewest_cycles`.
    """
    refuse_after_fork()
    check_exact(workload, space, platform)
    dims, counts = np.array(workload.gemms, np.float64), np.array(workload.counts, np.float64)
    sides = (side.astype(np.float64) for side in (space.rows, space.cols))
    with jax.enable_x64(True), on_exact_float64():
        return np.asarray(_cubes(dims, counts, *sides, buffers=space.buffers, platform=platform))


def check_exact(workload: GemmCounts, space: JointSpace, platform: Platform) -> None:
    """Refuses cycles that float64 does not count exactly.

    Raises:
      ValueError: some design could take too many cycles.
    """
    bandwidth = platform.bandwidth_bytes_per_cycle
    total = 0.0
    for gemm, count in zip(workload.gemms, workload.counts, strict=True):
        cycles, _ = cost_bounds(gemm, space, platform)
        total += cycles * count
        if max((cycles + 1) * bandwidth, total) >= _EXACT:
            raise ValueError(
                f"m={gemm[0]}, n={gemm[1]}, k={gemm[2]}, {count} times: {cycles:.3g} cycles at"
                f" {bandwidth} bytes per cycle, {total:.3g} in sum; both are limited to 2**53"
            )


@functools.partial(jax.jit, static_argnames=("buffers", "platform"))
def _cubes(
    dims: Float[Array, "layers 3"],
    counts: Float[Array, "layers"],
    rows: Float[Array, "shapes"],
    cols: Float[Array, "shapes"],
    *,
    buffers: BufferSpace,
    platform: Platform,
) -> Float[Array, "shapes levels levels levels"]:
    sizes = jnp.array(sizes_of(buffers), jnp.float64)

    def of_shape(sides: tuple[Array, Array]) -> Float[Array, "levels levels levels"]:
        array = ArrayShape(rows=sides[0], cols=sides[1])

        def add_layer(
            total: Float[Array, "levels levels levels"], layer: tuple[Array, Array]
        ) -> tuple[Float[Array, "levels levels levels"], None]:
            (m, n, k), count = layer
            gemm = Gemm(m=m, n=n, k=k)
            planes = [_plane(gemm, array, flow, sizes, platform) for flow in Dataflow]
            return total + count * functools.reduce(jnp.minimum, planes), None

        empty = jnp.zeros((buffers.num_levels,) * 3)
        return jax.lax.scan(add_layer, empty, (dims, counts))[0]

    return jax.lax.map(of_shape, (rows, cols))


def _plane(
    gemm: Gemm, array: ArrayShape, flow: Dataflow, sizes: Float[Array, "levels"], platform: Platform
) -> Float[Array, "_ _ _"]:
    """Cycles by the sizes of the ifmap, filter and ofmap SRAM; one of these axes is of length 1."""
    along = [jnp.expand_dims(sizes, [axis for axis in range(3) if axis != own]) for own in range(3)]
    buffers = BufferSizes(
        ifmap_sram_bytes=along[0], filter_sram_bytes=along[1], ofmap_sram_bytes=along[2]
    )
    memory = Memory(
        buffers=buffers,
        bandwidth_bytes_per_cycle=float(platform.bandwidth_bytes_per_cycle),
        element_bytes=platform.element_bytes,
    )
    return ideal_cycles(gemm, array, flow, memory, platform)
