"""The best array shape and dataflow of a GEMM (case study 1), in int64 alone.

For devices without exact float64. All designs one after the other, in the order of their ids, so
that only a lower cost replaces the best one so far; the batch lies in the vector lanes.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Int

from airchitect_jax.cost import Platform, fold_cycles, last_cycle_offset, mapped_dims
from airchitect_jax.oracle.batch import (
    Limits,
    has_at_most,
    most_macs_of_energy,
    no_labels,
    valid_rows,
)
from airchitect_jax.oracle.ranking import design_cost
from airchitect_jax.spaces import ArrayDataflowSpace
from airchitect_jax.types import ArrayShape, Dataflow, Gemm, Labels, Objective


def label_in_int64(
    columns: Sequence[Int[np.ndarray | Array, "rows"]],
    limits: Limits,
    *,
    space: ArrayDataflowSpace,
    platform: Platform,
    objective: Objective,
) -> tuple[Labels, Bool[Array, "rows"]]:
    """Labels of mac_budget, m, n and k, -1 where not exact, and which workloads are valid.

    Under 64-bit mode. No label is exact by EDP, which is a float64, or with cost terms, which may
    exceed int64 unnoticed.
    """
    arrays = [jnp.asarray(column) for column in columns]
    valid = valid_rows(arrays, limits)
    if objective is Objective.EDP or platform.terms:
        return no_labels(valid, objective), valid
    safe = [
        jnp.where(valid, column.astype(jnp.int64), low)
        for column, (low, _) in zip(arrays, limits.values(), strict=True)
    ]
    return _cheapest(*safe, space=space, platform=platform, objective=objective), valid


@functools.partial(jax.jit, static_argnames=("space", "platform", "objective"))
def _cheapest(
    mac_budget: Int[Array, "*batch"],
    m: Int[Array, "*batch"],
    n: Int[Array, "*batch"],
    k: Int[Array, "*batch"],
    *,
    space: ArrayDataflowSpace,
    platform: Platform,
    objective: Objective,
) -> Labels:
    gemm = Gemm(m=m, n=n, k=k)

    def cost(i: Array, j: Array, dataflow: Dataflow) -> Array:
        array = ArrayShape(rows=jnp.int64(1) << i, cols=jnp.int64(1) << j)
        if objective is not Objective.CYCLES:
            return design_cost(gemm, array, dataflow, platform, objective)
        # `compute_cycles` with shifts: a division of int64 takes many steps where it is emulated.
        s_r, s_c, t = mapped_dims(gemm, dataflow)
        folds = (((s_r - 1) >> i) + 1) * (((s_c - 1) >> j) + 1)
        cycles = folds * fold_cycles(array, t, dataflow, platform.runtime_model)
        return cycles - last_cycle_offset(platform.runtime_model)

    def step(best: Any, shape: tuple[Any, ...]) -> tuple[Any, None]:
        first_id, i, j = shape
        for dataflow in Dataflow:
            found = first_id + int(dataflow), cost(i, j, dataflow)
            better = (found[1] < best[1]) & (jnp.int64(1) << (i + j) <= mac_budget)
            best = jax.tree.map(functools.partial(jnp.where, better), found, best)
        return best, None

    # Ids ascend by shape, then dataflow.
    ids = np.arange(0, space.num_designs, len(Dataflow), dtype=np.int32)
    exponents = [x[ids].astype(np.int64) for x in (space.row_exponent, space.col_exponent)]
    nothing = jnp.full(m.shape, -1, jnp.int32), jnp.full(m.shape, np.iinfo(np.int64).max)
    (design_id, lowest), _ = jax.lax.scan(step, nothing, (ids, *exponents))
    exact = has_at_most(m, n, k, _most_macs(space, platform, objective))
    return Labels(design_id=jnp.where(exact, design_id, -1), cost=jnp.where(exact, lowest, -1))


def _most_macs(space: ArrayDataflowSpace, platform: Platform, objective: Objective) -> int:
    """The m n k up to which no cost exceeds int64.

    F folds of p R + C + T cycles, p at most 2: F T is at most m n k, and as F R is at most
    (s_r + R) s_c, the rest is at most 3 m n k plus 3 times the longest side times s_r or s_c.
    """
    if objective is Objective.CYCLES:
        return 2**60 - 2 ** (31 + space.max_side_exponent)
    table = platform.energy_table
    prices = jax.tree.leaves(table.of_buffers(platform.buffers).in_python())
    return most_macs_of_energy(table, max(prices), platform.element_bytes)
