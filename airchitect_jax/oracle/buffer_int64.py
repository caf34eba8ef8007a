"""The best sizes of three SRAMs (case study 2), in int64 alone.

For devices without exact float64.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool, Int

from airchitect_jax.cost import Platform
from airchitect_jax.oracle.batch import has_at_most, most_macs_of_energy
from airchitect_jax.oracle.buffer_search import (
    OperandEnergy,
    least_in_loop,
    sizes_of,
    timing_of,
)
from airchitect_jax.spaces import BufferSpace
from airchitect_jax.types import Objective


@functools.partial(jax.jit, static_argnames=("space", "platform", "objective"))
def cheapest_in_int64(
    steps: Int[Array, "rows"],
    columns: Sequence[Array],
    *,
    objective: Objective,
    space: BufferSpace,
    platform: Platform,
) -> tuple[Int[Array, "rows"], Int[Array, "rows"], Bool[Array, "rows"]]:
    """Index of the best pair by cycles or energy, its cost, and where that is exact.

    Arguments as of `airchitect_jax.oracle.buffer_search`. With F folds of f cycles, elements of w
    bytes and bandwidth b, the busy bytes of any sizing are at most F f b + 16 w m n k: each operand
    moves at most four times, `memory.busy_bytes`, with partly filled folds counted as full ones,
    which at most doubles them.
    """
    timing, table = timing_of(columns, platform, jnp.int64), platform.energy_table
    energy = OperandEnergy(folds=timing.folds, table=table)
    index, best = least_in_loop(steps, timing, energy, objective, space)
    m, n, k, *_ = columns
    if objective is Objective.ENERGY:
        prices = table.sram_fj_per_byte(sizes_of(space)).tolist()
        most_macs = most_macs_of_energy(table, max(prices), platform.element_bytes)
        return index, best, has_at_most(m, n, k, most_macs)
    folds = timing.folds
    num_folds = folds.row_folds * folds.col_folds
    room = lax.div(jnp.int64(2**62), folds.fold_cycles * timing.bandwidth)
    moved = has_at_most(m, n, k, 2**61 // (16 * platform.element_bytes))
    return index, best, moved & (num_folds < room)
