"""Costs of a GEMM on a design with each dataflow, stacked: for floats and soft numbers, in JAX.

One program for the three dataflows, a third of the size of three. The design is traced: floats of
64 bits are exact as long as every whole number on the way is below 2**53, and soft numbers
(`airchitect_jax.cost.soft`) give the relaxed costs (`airchitect_jax.cost.relaxed`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
import numpy as np

from airchitect_jax.cost import memory as memory_model
from airchitect_jax.cost.arithmetic import Number
from airchitect_jax.cost.compute import last_cycle_offset, mapped_dims, row_passes
from airchitect_jax.cost.energy import SramPrices, macs_fj, operand_fj
from airchitect_jax.cost.platform import Platform
from airchitect_jax.cost.soft import Soft, as_soft
from airchitect_jax.cost.terms import add_cycles, add_energy_fj
from airchitect_jax.types import ArrayShape, Dataflow, Gemm, Memory


def folds_by_dataflow(
    gemm: Gemm, array: ArrayShape, platform: Platform, element_bytes: Number = 1
) -> memory_model.Tiling:
    """The folds, fields of shape [dataflows].

    Args:
      gemm: m, n, k, scalars.
      array: rows and cols, scalars, soft or not.
      platform: for the cycles of a fold.
      element_bytes: width of an element.
    """
    dims = [mapped_dims(gemm, flow) for flow in Dataflow]
    s_r, s_c, t = (jnp.stack(jnp.broadcast_arrays(*dim)) for dim in zip(*dims, strict=True))
    passes = np.array([row_passes(flow, platform.runtime_model) for flow in Dataflow], t.dtype)
    return memory_model.tiling(
        s_r,
        s_c,
        t,
        array,
        output_stationary=np.array([flow is Dataflow.OS for flow in Dataflow]),
        cycles_per_fold=passes * array.rows + array.cols + (t - 2),
        element_bytes=element_bytes,
    )


def compute_cycles(gemm: Gemm, array: ArrayShape, platform: Platform) -> Number:
    """Stall-free cycles (`cost.ideal.stall_free_cycles`) of shape [dataflows]."""
    folds = folds_by_dataflow(gemm, array, platform)
    cycles = folds.row_folds * folds.col_folds * folds.fold_cycles
    return _with_terms(
        add_cycles, cycles - last_cycle_offset(platform.runtime_model), gemm, array, platform
    )


def total_cycles(gemm: Gemm, array: ArrayShape, memory: Memory, platform: Platform) -> Number:
    """Cycles with stalls (`cost.ideal.ideal_cycles`) of shape [dataflows].

    Args:
      gemm: m, n, k.
      array: rows and cols.
      memory: buffers, bandwidth and width, in place of those of the platform; soft or traced.
      platform: models, interface and terms.
    """
    folds = folds_by_dataflow(gemm, array, platform, memory.element_bytes)
    swept, column, _ = _by_role(*_sizes(memory))
    cycles = memory_model.cycles_by_role(
        folds, swept, column, memory.bandwidth_bytes_per_cycle, platform.interface
    )
    return _with_terms(add_cycles, cycles, gemm, array, platform)


def energy_fj(
    gemm: Gemm, array: ArrayShape, memory: Memory, platform: Platform, prices: SramPrices
) -> Number:
    """Energy (`cost.ideal.ideal_energy_fj`) of shape [dataflows].

    Args:
      gemm: m, n, k.
      array: rows and cols.
      memory: as for `total_cycles`.
      platform: the energy of single events, and terms.
      prices: of the SRAMs of this memory.
    """
    table = platform.energy_table
    folds = folds_by_dataflow(gemm, array, platform, memory.element_bytes)
    swept, column, _ = _by_role(*_sizes(memory))
    moved = (
        memory_model.swept_moved(folds, memory_model.resident_bytes(folds.swept_bytes, swept)),
        memory_model.column_moved(folds, *memory_model.spills(folds, column)),
        memory_model.tile_moved(folds),
    )
    energy = macs_fj(gemm, table)
    in_order = (prices.ifmap_fj_per_byte, prices.filter_fj_per_byte, prices.ofmap_fj_per_byte)
    for operand, price in zip(moved, _by_role(*in_order), strict=True):
        energy = energy + operand_fj(
            operand.sram_reads + operand.sram_writes,
            operand.dram_read_bytes + operand.dram_write_bytes,
            memory.element_bytes,
            price,
            table,
        )
    return _with_terms(add_energy_fj, energy, gemm, array, platform)


def _with_terms(
    add: Callable[..., Number], cost: Number, gemm: Gemm, array: ArrayShape, platform: Platform
) -> Number:
    """A cost of shape [dataflows] with that of the terms."""
    if not platform.terms:
        return cost
    extra = [add(platform.terms, 0, gemm, array, flow) for flow in Dataflow]
    if any(isinstance(part, Soft) for part in extra):
        extra = [as_soft(part) for part in extra]
    return cost + _stack(extra)


def _stack(parts: Sequence[Number]) -> Number:
    """Stacks along a new first axis; soft numbers part by part."""
    return jax.tree.map(lambda *leaves: jnp.stack(jnp.broadcast_arrays(*leaves)), *parts)


def _sizes(memory: Memory) -> list[Number]:
    return [getattr(memory.buffers, f"{operand}_sram_bytes") for operand in memory_model.OPERANDS]


def _by_role(*of_operand: Number) -> list[Number]:
    """Values of the operands by role (`memory.ROLES`), each of shape [dataflows]."""
    stacked = _stack(of_operand)
    operands = np.array(
        [
            [memory_model.OPERANDS.index(name) for name in memory_model.ROLES[flow]]
            for flow in Dataflow
        ]
    )
    return [jax.tree.map(lambda part, role=role: part[role], stacked) for role in operands.T]
