"""Costs of a GEMM on a design with each dataflow, stacked: for floats and soft numbers, in JAX.

One program for the three dataflows, a third of the size of three. The design is traced: floats of
64 bits are exact as long as every whole number on the way is below 2**53, and soft numbers
(`airchitect_jax.cost.soft`) give the relaxed costs (`airchitect_jax.cost.relaxed`).
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from airchitect_jax.cost import memory
from airchitect_jax.cost.arithmetic import Number
from airchitect_jax.cost.compute import last_cycle_offset, mapped_dims, row_passes
from airchitect_jax.cost.energy import EnergyTable, macs_fj, operand_fj
from airchitect_jax.types import (
    ArrayShape,
    BufferSizes,
    Dataflow,
    Gemm,
    Interface,
    Memory,
    RuntimeModel,
)


def folds_by_dataflow(
    gemm: Gemm, array: ArrayShape, runtime_model: RuntimeModel, element_bytes: Number = 1
) -> memory.Tiling:
    """The folds, fields of shape [dataflows].

    Args:
      gemm: m, n, k, scalars.
      array: rows and cols, scalars, soft or not.
      runtime_model: which cycles a fold takes.
      element_bytes: width of an element.
    """
    dims = [mapped_dims(gemm, flow) for flow in Dataflow]
    s_r, s_c, t = (jnp.stack(jnp.broadcast_arrays(*dim)) for dim in zip(*dims, strict=True))
    passes = np.array([row_passes(flow, runtime_model) for flow in Dataflow], t.dtype)
    return memory.tiling(
        s_r,
        s_c,
        t,
        array,
        output_stationary=np.array([flow is Dataflow.OS for flow in Dataflow]),
        cycles_per_fold=passes * array.rows + array.cols + (t - 2),
        element_bytes=element_bytes,
    )


def compute_cycles(gemm: Gemm, array: ArrayShape, runtime_model: RuntimeModel) -> Number:
    """Stall-free cycles (`cost.compute.compute_cycles`) of shape [dataflows]."""
    folds = folds_by_dataflow(gemm, array, runtime_model)
    cycles = folds.row_folds * folds.col_folds * folds.fold_cycles
    return cycles - last_cycle_offset(runtime_model)


def total_cycles(
    gemm: Gemm,
    array: ArrayShape,
    place: Memory,
    runtime_model: RuntimeModel,
    interface: Interface,
) -> Number:
    """Cycles with stalls (`cost.memory.total_cycles`) of shape [dataflows]."""
    folds = folds_by_dataflow(gemm, array, runtime_model, place.element_bytes)
    swept, column, _ = _by_role(place.buffers)
    return memory.cycles_by_role(folds, swept, column, place.bandwidth_bytes_per_cycle, interface)


def energy_fj(
    gemm: Gemm,
    array: ArrayShape,
    place: Memory,
    runtime_model: RuntimeModel,
    table: EnergyTable,
    sram_fj: BufferSizes,
) -> Number:
    """Energy (`cost.energy.energy_fj`) of shape [dataflows].

    Args:
      gemm: m, n, k.
      array: rows and cols.
      place: buffer sizes, and the width of an element.
      runtime_model: of no influence on the energy.
      table: energy of single events.
      sram_fj: a byte of each of the buffers, in their places.
    """
    folds = folds_by_dataflow(gemm, array, runtime_model, place.element_bytes)
    swept, column, _ = _by_role(place.buffers)
    moved = (
        memory.swept_moved(folds, memory.resident_bytes(folds.swept_bytes, swept)),
        memory.column_moved(folds, *memory.spills(folds, column)),
        memory.tile_moved(folds),
    )
    energy = macs_fj(gemm, table)
    for operand, price in zip(moved, _by_role(sram_fj), strict=True):
        energy = energy + operand_fj(
            operand.sram_reads + operand.sram_writes,
            operand.dram_read_bytes + operand.dram_write_bytes,
            place.element_bytes,
            price,
            table,
        )
    return energy


def _by_role(buffers: BufferSizes) -> list[Number]:
    """What the operands in the roles of `memory.ROLES` have, each of shape [dataflows]."""
    of_operand = [getattr(buffers, f"{operand}_sram_bytes") for operand in memory.OPERANDS]
    # Soft numbers are stacked part by part.
    stacked = jax.tree.map(lambda *parts: jnp.stack(jnp.broadcast_arrays(*parts)), *of_operand)
    places = np.array(
        [[memory.OPERANDS.index(name) for name in memory.ROLES[flow]] for flow in Dataflow]
    )
    return [jax.tree.map(lambda part, role=role: part[role], stacked) for role in places.T]
