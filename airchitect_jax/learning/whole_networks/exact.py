"""Exact costs of whole networks on the joint space, compiled: labels and certificates."""

from __future__ import annotations

import functools
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from airchitect_jax.learning.whole_networks.costs import Designs, by_memories, cubes
from airchitect_jax.oracle.joint import check_exact
from airchitect_jax.workloads import GemmCounts


def all_cycles(workload: GemmCounts, designs: Designs) -> Int[np.ndarray, "shapes sizings"]:
    """Cycles of a network on every design, each layer with its best dataflow; int64.

    Raises:
      ValueError: float64 cannot count the cycles of some design.
    """
    check_exact(workload, designs.space, designs.platform)
    with jax.enable_x64(True):
        total = _all_cycles(
            jnp.asarray(workload.gemms, jnp.float64),
            jnp.asarray(workload.counts, jnp.float64),
            designs,
        )
        return np.asarray(total).astype(np.int64)


@functools.partial(jax.jit, static_argnums=2)
def _all_cycles(
    dims: Float[Array, "layers 3"], counts: Float[Array, "layers"], designs: Designs
) -> Float[Array, "shapes sizings"]:
    rows, cols = (
        jnp.asarray(sides, dims.dtype) for sides in (designs.space.rows, designs.space.cols)
    )

    def add(total: Array, layer: tuple[Array, Array]) -> tuple[Array, None]:
        gemm, count = layer
        planes = by_memories(jnp.broadcast_to(gemm, (*rows.shape, 3)), rows, cols, designs)
        return total + count * cubes(planes), None

    empty = jnp.zeros((designs.num_shapes, *[designs.buffers.num_levels] * 3), dims.dtype)
    total, _ = jax.lax.scan(add, empty, (dims, counts))
    return total[:, *(designs.space.levels.T - 1)]


def within(
    cycles: Int[np.ndarray, "shapes sizings"],
    budgets: Sequence[tuple[int, int]],
    designs: Designs,
) -> Int[np.ndarray, "budgets"]:
    """The fewest cycles within budgets (`mac_exponent`, `sram_steps`)."""
    steps = designs.space.levels.sum(axis=1)
    return np.array(
        [
            cycles[designs.mac_exponents <= mac_exponent][:, steps <= sram_steps].min()
            for mac_exponent, sram_steps in budgets
        ]
    )
