"""All designs of case study 1 for each workload: the K best, the ties, the whole cost matrix.

Slower than `airchitect_jax.oracle.array_dataflow.label_columns` by the number of designs: every
cost is written out. The order is the oracle's: lower cost, then lower id.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Int, Num

from airchitect_jax._support import INT64_SAFE, float64_is_exact
from airchitect_jax.cost import (
    Number,
    Platform,
    ideal_energy_fj,
    objective_value,
    stall_free_cycles,
)
from airchitect_jax.spaces import ArrayDataflowSpace
from airchitect_jax.types import ArrayShape, BufferSizes, Dataflow, Gemm, Memory, Objective

# Half a megabyte per operand: the default memory for energies.
DEFAULT_MEMORY = Memory(
    buffers=BufferSizes(ifmap_sram_bytes=2**19, filter_sram_bytes=2**19, ofmap_sram_bytes=2**19),
    bandwidth_bytes_per_cycle=1,
)

NEVER = np.iinfo(np.int64).max  # the cost of an infeasible design, and of one beyond int64


@functools.partial(jax.jit, static_argnames=("space", "platform", "objective"))
def cost_matrix(
    columns: Sequence[Int[Array, "rows"]],
    *,
    space: ArrayDataflowSpace,
    platform: Platform,
    objective: Objective = Objective.CYCLES,
) -> Num[Array, "rows designs"]:
    """Costs of every design for valid workloads (mac_budget, m, n, k), under 64-bit mode.

    `NEVER` (for EDP, infinity) where a design exceeds the budget or its costs exceed int64.
    """
    budget, m, n, k = (column.astype(jnp.int64)[:, None] for column in columns)
    # Ids ascend by shape, then dataflow: one column per shape, then the dataflows side by side.
    shapes = slice(None, None, len(Dataflow))
    rows = jnp.asarray(np.int64(1) << space.row_exponent[shapes].astype(np.int64))[None, :]
    cols = jnp.asarray(np.int64(1) << space.col_exponent[shapes].astype(np.int64))[None, :]
    gemm, array = Gemm(m=m, n=n, k=k), ArrayShape(rows=rows, cols=cols)
    wide_gemm, wide_array = jax.tree.map(lambda x: x.astype(jnp.float64), (gemm, array))
    by_dataflow = []
    for dataflow in Dataflow:
        estimate = stall_free_cycles(wide_gemm, wide_array, dataflow, platform)
        costs = design_cost(gemm, array, dataflow, platform, objective)
        if objective is not Objective.CYCLES:
            wide_energy = _energy_fj(wide_gemm, wide_array, dataflow, platform)
            estimate = jnp.maximum(estimate, wide_energy)
        usable = (rows * cols <= budget) & (estimate < INT64_SAFE)
        never = jnp.inf if objective is Objective.EDP else NEVER
        by_dataflow.append(jnp.where(usable, costs, never))
    return jnp.stack(by_dataflow, axis=-1).reshape(len(m), space.num_designs)


def cycle_matrix(
    columns: Sequence[Int[np.ndarray | Array, "rows"]],
    valid: Bool[Array, "rows"],
    *,
    space: ArrayDataflowSpace,
    platform: Platform,
) -> Int[Array, "rows designs"]:
    """`cost_matrix` of cycles, several times as fast where float64 is exact.

    -1 where the cycles of a feasible design may not be exact. Invalid rows have the costs of some
    valid workload.
    """
    safe = [jnp.where(valid, column, 4).astype(jnp.int64) for column in columns]
    matrix = _cycle_matrix_in_float64 if float64_is_exact() else cost_matrix
    return matrix(safe, space=space, platform=platform)


@functools.partial(jax.jit, static_argnames=("space", "platform"))
def _cycle_matrix_in_float64(
    columns: Sequence[Int[Array, "rows"]], *, space: ArrayDataflowSpace, platform: Platform
) -> Int[Array, "rows designs"]:
    """-1 where the cycles of a feasible design reach 2**53."""
    budget, m, n, k = (column.astype(jnp.float64)[:, None] for column in columns)
    rows, cols = (
        jnp.asarray(2.0**exponent)[None, :] for exponent in (space.row_exponent, space.col_exponent)
    )
    gemm, array = Gemm(m=m, n=n, k=k), ArrayShape(rows=rows, cols=cols)
    # Every dataflow for every design: XLA's CPU backend takes longer to interleave columns.
    by_dataflow = [stall_free_cycles(gemm, array, flow, platform) for flow in Dataflow]
    cycles = by_dataflow[Dataflow.OS]
    for flow in (Dataflow.WS, Dataflow.IS):
        cycles = jnp.where(space.dataflow == flow, by_dataflow[flow], cycles)
    costs = jnp.where(cycles < 2.0**53, cycles, -1.0).astype(jnp.int64)
    return jnp.where(rows * cols <= budget, costs, NEVER)


def design_cost(
    gemm: Gemm, array: ArrayShape, dataflow: Dataflow, platform: Platform, objective: Objective
) -> Number:
    """The cost of a design, exact in integers: compute cycles, energy, or their product."""
    cycles = stall_free_cycles(gemm, array, dataflow, platform)
    if objective is Objective.CYCLES:
        return cycles
    energy = _energy_fj(gemm, array, dataflow, platform)
    return objective_value(objective, cycles, energy)


def _energy_fj(gemm: Gemm, array: ArrayShape, dataflow: Dataflow, platform: Platform) -> Number:
    """Energy with the IDEAL memory's traffic; whole numbers in the dtype of the operands."""
    prices = platform.energy_table.of_buffers(platform.buffers).in_python()
    return ideal_energy_fj(gemm, array, dataflow, platform.memory, platform, prices)


@functools.partial(jax.jit, static_argnames=("count", "space", "platform", "objective"))
def best_designs(
    columns: Sequence[Int[Array, "rows"]],
    *,
    count: int,
    space: ArrayDataflowSpace,
    platform: Platform,
    objective: Objective = Objective.CYCLES,
) -> tuple[Int[Array, "rows count"], Num[Array, "rows count"], Int[Array, "rows"]]:
    """The `count` best designs, best first, with their costs, and how many share the optimum.

    Under 64-bit mode. Where fewer designs are feasible, the rest have id -1 and cost -1.
    """
    costs = cost_matrix(columns, space=space, platform=platform, objective=objective)
    never = costs.dtype.type(NEVER) if objective is not Objective.EDP else jnp.inf
    every_id = jnp.arange(space.num_designs, dtype=jnp.int32)[None, :]
    num_ties = (costs == costs.min(axis=1, keepdims=True)).sum(axis=1, dtype=jnp.int32)
    ids, lowest_costs = [], []
    for _ in range(count):  # passes over the matrix: XLA's CPU backend sorts int64 far slower
        lowest = costs.min(axis=1, keepdims=True)
        first = jnp.where(costs == lowest, every_id, space.num_designs).min(axis=1, keepdims=True)
        costs = jnp.where(every_id == first, never, costs)
        found = lowest < never
        ids.append(jnp.where(found, first, -1))
        lowest_costs.append(jnp.where(found, lowest, -1))
    return jnp.concatenate(ids, axis=1), jnp.concatenate(lowest_costs, axis=1), num_ties
