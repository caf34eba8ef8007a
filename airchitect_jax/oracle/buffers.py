"""The exact best sizes of three SRAMs for a GEMM on a given array (case study 2), IDEAL memory.

Exhaustive, but factored. Of the three roles of `airchitect_jax.cost.memory` the tile operand gains
nothing from a larger SRAM, and a larger one costs energy, so it gets the smallest; ties, which go
to the smaller total, say the same. That leaves every pair of sizes for the swept and the column
operand, and of each pair's cost all but a few terms depend on one of the two
(`airchitect_jax.oracle.buffer_search`). The batch lies in the vector lanes, the pairs are unrolled
at trace time, and XLA computes what pairs share once.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Int

from airchitect_jax._support import (
    MAX_DIM,
    dataflow_member,
    instance,
    instance_or_default,
    member,
    whole_number,
)
from airchitect_jax.cost import (
    MAX_BANDWIDTH,
    MAX_ELEMENT_BYTES,
    MAX_SRAM_BYTES,
    EnergyTable,
    energy_fj,
    memory,
    objective_value,
)
from airchitect_jax.oracle.batch import label_batch, valid_rows
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
      objective: what is minimised: total cycles, energy, or their product.
      runtime_model: which compute cycles are meant.
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
    """
    instance("workloads", workloads, BufferedGemm)
    space = instance_or_default("space", space, BufferSpace)
    settings: Any = {
        "space": space,
        "objective": member("objective", objective, Objective),
        "runtime_model": member("runtime_model", runtime_model, RuntimeModel),
        "interface": member("interface", interface, Interface),
        "element_bytes": whole_number("element_bytes", element_bytes, high=MAX_ELEMENT_BYTES),
        "table": instance_or_default("energy_table", energy_table, EnergyTable),
    }
    limits = buffer_limits(space)
    fields = {name: getattr(workloads, name) for name in limits}
    if isinstance(fields["dataflow"], str):
        fields["dataflow"] = dataflow_member("dataflow", fields["dataflow"])
    return label_batch(
        "label_buffers",
        fields,
        limits,
        functools.partial(label_buffer_columns, **settings),
        functools.partial(label_buffers_in_python, **settings),
        chunk=1 << 18,
    )


def buffer_limits(space: BufferSpace) -> dict[str, tuple[int, int]]:
    """The inputs in order, and what each may be."""
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
    objective: Objective,
    runtime_model: RuntimeModel,
    interface: Interface,
    element_bytes: int,
    table: EnergyTable,
) -> tuple[Labels, Bool[Array, "rows"]]:
    """Labels on the device, not waited for, and which workloads are valid.

    Columns as in `buffer_limits`, int32 or int64. Labels of invalid workloads mean nothing; those
    of optima that are not exact here are -1.
    """
    model: Any = {
        "space": space,
        "runtime_model": runtime_model,
        "interface": interface,
        "element_bytes": element_bytes,
    }
    with jax.enable_x64(True):
        steps, *fields, valid = _prepare_jit(columns, space=space)
        if objective is Objective.CYCLES:
            place, cost, exact = cheapest_cycles(steps, fields, **model)
        else:
            place, cost, exact = cheapest_energy(
                steps, fields, objective=objective, table=table, **model
            )
        return _labels_jit(fields[5], place, cost, exact, space=space), valid


def _prepare(columns: Sequence[Array], space: BufferSpace) -> tuple[Array, ...]:
    """The budget in steps left for a pair, the other fields as int64, and where all are valid."""
    columns = [jnp.asarray(column) for column in columns]
    valid = valid_rows(columns, buffer_limits(space))
    budget, *fields = (
        jnp.where(valid, column.astype(jnp.int64), low)
        for column, (low, _) in zip(columns, buffer_limits(space).values(), strict=True)
    )
    return (budget // space.step_bytes - 1, *fields, valid)  # the tile operand takes one


def _labels(dataflow: Array, place: Array, cost: Array, exact: Array, space: BufferSpace) -> Labels:
    ids = jnp.asarray(ids_of_pairs(space))[dataflow, place]
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
    objective: Objective,
    runtime_model: RuntimeModel,
    interface: Interface,
    element_bytes: int,
    table: EnergyTable,
) -> tuple[int, int | float]:
    """(design_id, cost) by search over all designs in integers of any size, in Python.

    Raises:
      ValueError: the optimum does not fit into int64.
    """
    gemm, array, flow = Gemm(m=m, n=n, k=k), ArrayShape(rows=rows, cols=cols), Dataflow(dataflow)
    folds = memory.tiling_of(gemm, array, flow, element_bytes, runtime_model)
    best: tuple[int | float, int] | None = None
    for design_id in range(space.num_designs):
        buffers = jax.tree.map(int, space.decode(design_id))
        if sum(jax.tree.leaves(buffers)) > sram_budget_bytes:
            break  # ids ascend with the total
        cycles = memory.total_cycles(folds, buffers, flow, bandwidth_bytes_per_cycle, interface)
        moved = memory.traffic(folds, buffers, flow)
        place = Memory(
            buffers=buffers,
            bandwidth_bytes_per_cycle=bandwidth_bytes_per_cycle,
            element_bytes=element_bytes,
        )
        prices = jax.tree.map(int, table.of_buffers(buffers))
        energy = energy_fj(gemm, moved, place, table, prices)
        cost = objective_value(objective, cycles, energy)
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
