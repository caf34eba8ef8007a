"""The exact best sizes of three SRAMs for a GEMM on a given array (case study 2), IDEAL memory.

Exhaustive, but factored. Of the three roles of `airchitect_jax.cost.memory` the tile operand does
not benefit from a larger SRAM, which only costs energy, so it gets the smallest, as the tie rule
(smaller total) also requires. That leaves every pair of sizes for the swept and the column operand,
and all but a few terms of a pair's cost depend on only one of the two
(`airchitect_jax.oracle.buffer_search`). The batch lies in the vector lanes, the pairs are unrolled
at trace time, and XLA computes shared terms once.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Int

from airchitect_jax._support import MAX_DIM, dataflow_member, instance, instance_or_default, member
from airchitect_jax.cost import (
    MAX_BANDWIDTH,
    MAX_SRAM_BYTES,
    EnergyTable,
    Platform,
    ideal_costs,
    objective_value,
)
from airchitect_jax.oracle.batch import (
    exact_labels,
    in_exact_arithmetic,
    no_labels,
    valid_rows,
)
from airchitect_jax.oracle.buffer_int64 import cheapest_in_int64
from airchitect_jax.oracle.buffer_search import cheapest_cycles, cheapest_energy, ids_of_pairs
from airchitect_jax.spaces import BufferSpace
from airchitect_jax.types import (
    ArrayShape,
    BufferedGemm,
    Dataflow,
    Gemm,
    Interface,
    Labels,
    Memory,
    Objective,
    RuntimeModel,
)


def label_buffers(
    workloads: BufferedGemm,
    space: BufferSpace | None = None,
    *,
    objective: Objective = Objective.CYCLES,
    runtime_model: RuntimeModel = RuntimeModel.SCALESIM,
    interface: Interface = Interface.SHARED,
    element_bytes: int = 1,
    energy_table: EnergyTable | None = None,
) -> Labels:
    """The exact optimum of each workload: the first of the cheapest sizings within the budget.

    Args:
      workloads: fields of one shape (scalars broadcast): whole numbers; m, n, k, rows and cols in
        1..2**31 - 1, sram_budget_bytes of at least the smallest design, bandwidth in 1..2**20.
      space: the sizings; the 1000 of case study 2 by default.
      objective: the quantity to minimise: total cycles, energy, or their product.
      runtime_model: the compute cycles to use.
      interface: one for all operands, or a port for each.
      element_bytes: width of an element, 1..64.
      energy_table: energy of single events; Horowitz's by default.

    Returns:
      Design ids (int32) and costs (int64; float64 for EDP) of the workloads' shape. NumPy arrays,
      or, inside a caller's `jit` or `vmap`, traced arrays with -1 for workloads that are invalid
      or too large for the device's exact arithmetic. A traced function is called within
      `with jax.enable_x64(True):`, since costs need 64 bits.

    Raises:
      ValueError: a field is out of range, or an optimum does not fit into int64.
      TypeError: an argument is of another type, a traced field is not of integers, or 64-bit mode
        is off while tracing.

    Example:
      >>> workload = aj.BufferedGemm(
      ...     sram_budget_bytes=2**20, m=196, n=768, k=768,
      ...     rows=32, cols=32, dataflow=aj.Dataflow.OS, bandwidth_bytes_per_cycle=16,
      ... )
      >>> space = aj.BufferSpace(num_levels=3)  # 100, 200 or 300 KB each
      >>> labels = aj.label_buffers(workload, space)
      >>> space.describe(int(labels.design_id)), int(labels.cost)
      ('300+100+100 KB', 162784)
    """
    instance("workloads", workloads, BufferedGemm)
    space = instance_or_default("space", space, BufferSpace)
    objective = member("objective", objective, Objective)
    platform = Platform(
        runtime_model=runtime_model,
        interface=interface,
        element_bytes=element_bytes,
        energy_table=instance_or_default("energy_table", energy_table, EnergyTable),
    )
    return label_buffers_on(workloads, space, platform, objective)


def label_buffers_on(
    workloads: BufferedGemm, space: BufferSpace, platform: Platform, objective: Objective
) -> Labels:
    """`label_buffers` on a platform."""
    limits = buffer_limits(space)
    fields = {name: getattr(workloads, name) for name in limits}
    if isinstance(fields["dataflow"], str):
        fields["dataflow"] = dataflow_member("dataflow", fields["dataflow"])
    return exact_labels(
        "label_buffers",
        fields,
        limits,
        functools.partial(
            label_buffer_columns, space=space, platform=platform, objective=objective
        ),
        functools.partial(
            label_buffers_in_python, space=space, platform=platform, objective=objective
        ),
        chunk=1 << 18,
    )


def buffer_limits(space: BufferSpace) -> dict[str, tuple[int, int]]:
    """The inputs in order, with their allowed ranges."""
    return {
        "sram_budget_bytes": (space.smallest_bytes, MAX_SRAM_BYTES),
        "m": (1, MAX_DIM),
        "n": (1, MAX_DIM),
        "k": (1, MAX_DIM),
        "rows": (1, MAX_DIM),
        "cols": (1, MAX_DIM),
        "dataflow": (0, len(Dataflow) - 1),
        "bandwidth_bytes_per_cycle": (1, MAX_BANDWIDTH),
    }


def label_buffer_columns(
    columns: Sequence[Int[np.ndarray | Array, "rows"]],
    *,
    space: BufferSpace,
    platform: Platform,
    objective: Objective,
) -> tuple[Labels, Bool[Array, "rows"]]:
    """Labels on the device, without waiting, and which workloads are valid.

    Columns as in `buffer_limits`, int32 or int64. Labels of invalid workloads are undefined; those
    of optima that are not exact here are -1.
    """
    settings: Any = {"space": space, "platform": platform, "objective": objective}
    with jax.enable_x64(True):
        return in_exact_arithmetic(
            columns,
            functools.partial(_in_float64, **settings),
            functools.partial(_in_int64, **settings),
        )


def _in_float64(
    columns: Sequence[Any], *, space: BufferSpace, platform: Platform, objective: Objective
) -> tuple[Labels, Bool[Array, "rows"]]:
    steps, *fields, valid = _prepare_jit(columns, space=space)
    if objective is Objective.CYCLES:
        found = cheapest_cycles(steps, fields, space=space, platform=platform)
    else:
        found = cheapest_energy(steps, fields, space=space, platform=platform, objective=objective)
    return _labels_jit(fields[5], *found, space=space), valid


def _in_int64(
    columns: Sequence[Any], *, space: BufferSpace, platform: Platform, objective: Objective
) -> tuple[Labels, Bool[Array, "rows"]]:
    steps, *fields, valid = _prepare_jit(columns, space=space)
    if objective is Objective.EDP:  # a float64
        return no_labels(valid, objective), valid
    found = cheapest_in_int64(steps, fields, space=space, platform=platform, objective=objective)
    return _labels_jit(fields[5], *found, space=space), valid


def _prepare(columns: Sequence[Array], space: BufferSpace) -> tuple[Array, ...]:
    """The budget in steps left for a pair, the other fields as int64, and where all are valid."""
    columns = [jnp.asarray(column) for column in columns]
    valid = valid_rows(columns, buffer_limits(space))
    budget, *fields = (
        jnp.where(valid, column.astype(jnp.int64), low)
        for column, (low, _) in zip(columns, buffer_limits(space).values(), strict=True)
    )
    return (budget // space.step_bytes - 1, *fields, valid)  # the tile operand takes one


def _labels(dataflow: Array, index: Array, cost: Array, exact: Array, space: BufferSpace) -> Labels:
    ids = jnp.asarray(ids_of_pairs(space))[dataflow, index]
    never = jnp.asarray(-1, cost.dtype)
    return Labels(design_id=jnp.where(exact, ids, -1), cost=jnp.where(exact, cost, never))


_prepare_jit = jax.jit(_prepare, static_argnames="space")
_labels_jit = jax.jit(_labels, static_argnames="space")


def label_buffers_in_python(
    sram_budget_bytes: int,
    m: int,
    n: int,
    k: int,
    rows: int,
    cols: int,
    dataflow: int,
    bandwidth_bytes_per_cycle: int,
    *,
    space: BufferSpace,
    platform: Platform,
    objective: Objective,
) -> tuple[int, int | float]:
    """(design_id, cost) by search over all designs in integers of any size, in Python.

    Raises:
      ValueError: the optimum does not fit into int64.
    """
    gemm, array, flow = Gemm(m=m, n=n, k=k), ArrayShape(rows=rows, cols=cols), Dataflow(dataflow)
    best: tuple[int | float, int] | None = None
    for design_id in range(space.num_designs):
        buffers = jax.tree.map(int, space.decode(design_id))
        if sum(jax.tree.leaves(buffers)) > sram_budget_bytes:
            break  # ids ascend with the total
        memory = Memory(
            buffers=buffers,
            bandwidth_bytes_per_cycle=bandwidth_bytes_per_cycle,
            element_bytes=platform.element_bytes,
        )
        prices = platform.energy_table.of_buffers(buffers).in_python()
        costs = ideal_costs(gemm, array, flow, memory, platform, prices)
        cost = objective_value(objective, costs.total_cycles, costs.energy_fj)
        if best is None or cost < best[0]:
            best = cost, design_id
    assert best is not None  # noqa: S101 - the limits of the budget leave room for the smallest
    cost, design_id = best
    if cost >= 2**63 and objective is not Objective.EDP:
        raise ValueError(
            f"m={m}, n={n}, k={k} on {rows}x{cols} {flow.name} takes {cost} {objective.unit};"
            " labels are limited to int64 (2**63 - 1)"
        )
    return design_id, cost
