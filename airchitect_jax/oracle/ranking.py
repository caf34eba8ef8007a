"""All designs of case study 1 for each workload: the K best, the ties, the whole cost matrix.

Slower than `airchitect_jax.oracle.array_dataflow.label_columns` by the number of designs: every
cost is written out. The order is the oracle's: fewer cycles, then lower id.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int

from airchitect_jax.checks import INT64_SAFE
from airchitect_jax.cost.compute import compute_cycles
from airchitect_jax.spaces import ArrayDataflowSpace
from airchitect_jax.types import ArrayShape, Dataflow, Gemm, RuntimeModel

NEVER = np.iinfo(np.int64).max  # the cost of an infeasible design, and of one beyond int64


@functools.partial(jax.jit, static_argnames=("space", "runtime_model"))
def cost_matrix(
    columns: Sequence[Int[Array, "rows"]],
    *,
    space: ArrayDataflowSpace,
    runtime_model: RuntimeModel,
) -> Int[Array, "rows designs"]:
    """Cycles of every design for valid workloads (mac_budget, m, n, k), under 64-bit mode.

    `NEVER` where a design exceeds the budget or its cycles exceed int64.
    """
    budget, m, n, k = (column.astype(jnp.int64)[:, None] for column in columns)
    # Ids ascend by shape, then dataflow: one column a shape, then the dataflows side by side.
    shapes = slice(None, None, len(Dataflow))
    rows = jnp.asarray(np.int64(1) << space.row_exponent[shapes].astype(np.int64))[None, :]
    cols = jnp.asarray(np.int64(1) << space.col_exponent[shapes].astype(np.int64))[None, :]
    gemm, array = Gemm(m=m, n=n, k=k), ArrayShape(rows=rows, cols=cols)
    wide_gemm, wide_array = jax.tree.map(lambda x: x.astype(jnp.float64), (gemm, array))
    by_dataflow = []
    for dataflow in Dataflow:
        estimate = compute_cycles(wide_gemm, wide_array, dataflow, runtime_model)
        usable = (rows * cols <= budget) & (estimate < INT64_SAFE)
        cycles = compute_cycles(gemm, array, dataflow, runtime_model)
        by_dataflow.append(jnp.where(usable, cycles, NEVER))
    return jnp.stack(by_dataflow, axis=-1).reshape(len(m), space.num_designs)


@functools.partial(jax.jit, static_argnames=("count", "space", "runtime_model"))
def best_designs(
    columns: Sequence[Int[Array, "rows"]],
    *,
    count: int,
    space: ArrayDataflowSpace,
    runtime_model: RuntimeModel,
) -> tuple[Int[Array, "rows count"], Int[Array, "rows count"], Int[Array, "rows"]]:
    """The `count` best designs, best first, with their cycles, and how many share the optimum.

    Under 64-bit mode. Where fewer designs are feasible, the rest have id -1 and cycles -1.
    """
    costs = cost_matrix(columns, space=space, runtime_model=runtime_model)
    places = jnp.arange(space.num_designs, dtype=jnp.int32)[None, :]
    num_ties = (costs == costs.min(axis=1, keepdims=True)).sum(axis=1, dtype=jnp.int32)
    ids, cycles = [], []
    for _ in range(count):  # passes over the matrix: XLA's CPU backend sorts int64 far slower
        lowest = costs.min(axis=1, keepdims=True)
        first = jnp.where(costs == lowest, places, space.num_designs).min(axis=1, keepdims=True)
        costs = jnp.where(places == first, NEVER, costs)
        found = lowest < NEVER
        ids.append(jnp.where(found, first, -1))
        cycles.append(jnp.where(found, lowest, -1))
    return jnp.concatenate(ids, axis=1), jnp.concatenate(cycles, axis=1), num_ties
