"""Cycles, traffic and energy of a GEMM on a design: the equations put together, with cost terms.

Memory stalls are those of `MemoryModel.IDEAL`. Like the equations, one text for Python integers,
NumPy arrays and JAX tracers; it broadcasts.
"""

from __future__ import annotations

from typing import NamedTuple

from airchitect_jax.cost import memory as memory_model
from airchitect_jax.cost.arithmetic import Number
from airchitect_jax.cost.compute import compute_cycles
from airchitect_jax.cost.energy import SramPrices, energy_fj
from airchitect_jax.cost.platform import Platform
from airchitect_jax.cost.terms import add_cycles, add_energy_fj
from airchitect_jax.types import ArrayShape, Dataflow, Gemm, Memory, Traffic


class GemmCosts(NamedTuple):
    """The costs of a GEMM on a design; cycles and energy include the cost terms."""

    compute_cycles: Number
    total_cycles: Number
    energy_fj: Number
    traffic: Traffic


def ideal_costs(
    gemm: Gemm,
    array: ArrayShape,
    dataflow: Dataflow,
    memory: Memory,
    platform: Platform,
    prices: SramPrices,
) -> GemmCosts:
    """All costs.

    Args:
      gemm: m, n, k.
      array: rows and cols.
      dataflow: one dataflow.
      memory: the buffers of the design, bandwidth and width; in place of those of the platform.
      platform: models, interface, prices and terms.
      prices: `platform.energy_table.of_buffers(memory.buffers)`, computed outside of any `jit`.
    """
    folds = _folds(gemm, array, dataflow, memory, platform)
    moved = memory_model.traffic(folds, memory.buffers, dataflow)
    energy = energy_fj(gemm, moved, memory, platform.energy_table, prices)
    return GemmCosts(
        compute_cycles=stall_free_cycles(gemm, array, dataflow, platform),
        total_cycles=_total_cycles(folds, gemm, array, dataflow, memory, platform),
        energy_fj=add_energy_fj(platform.terms, energy, gemm, array, dataflow),
        traffic=moved,
    )


def stall_free_cycles(
    gemm: Gemm, array: ArrayShape, dataflow: Dataflow, platform: Platform
) -> Number:
    """Compute cycles."""
    cycles = compute_cycles(gemm, array, dataflow, platform.runtime_model)
    return add_cycles(platform.terms, cycles, gemm, array, dataflow)


def ideal_cycles(
    gemm: Gemm, array: ArrayShape, dataflow: Dataflow, memory: Memory, platform: Platform
) -> Number:
    """Total cycles; arguments as for `ideal_costs`."""
    folds = _folds(gemm, array, dataflow, memory, platform)
    return _total_cycles(folds, gemm, array, dataflow, memory, platform)


def ideal_energy_fj(
    gemm: Gemm,
    array: ArrayShape,
    dataflow: Dataflow,
    memory: Memory,
    platform: Platform,
    prices: SramPrices,
) -> Number:
    """Energy in femtojoules; arguments as for `ideal_costs`."""
    folds = _folds(gemm, array, dataflow, memory, platform)
    moved = memory_model.traffic(folds, memory.buffers, dataflow)
    energy = energy_fj(gemm, moved, memory, platform.energy_table, prices)
    return add_energy_fj(platform.terms, energy, gemm, array, dataflow)


def _folds(
    gemm: Gemm, array: ArrayShape, dataflow: Dataflow, memory: Memory, platform: Platform
) -> memory_model.Tiling:
    return memory_model.tiling_of(
        gemm, array, dataflow, memory.element_bytes, platform.runtime_model
    )


def _total_cycles(
    folds: memory_model.Tiling,
    gemm: Gemm,
    array: ArrayShape,
    dataflow: Dataflow,
    memory: Memory,
    platform: Platform,
) -> Number:
    cycles = memory_model.total_cycles(
        folds, memory.buffers, dataflow, memory.bandwidth_bytes_per_cycle, platform.interface
    )
    return add_cycles(platform.terms, cycles, gemm, array, dataflow)
