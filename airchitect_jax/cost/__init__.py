"""Analytic cost models of systolic arrays: scalar, pure equations, one workload at a time."""

from airchitect_jax.cost.arithmetic import Number, ceil_div, larger, select, smaller
from airchitect_jax.cost.compute import (
    compute_cycles,
    compute_report,
    fold_cycles,
    last_cycle_offset,
    mapped_dims,
    mixed_dims,
    row_passes,
)
from airchitect_jax.cost.energy import (
    EnergyTable,
    SramPrices,
    energy_fj,
    macs_fj,
    objective_value,
    operand_fj,
)
from airchitect_jax.cost.evaluate import evaluate_memory, memory_reports
from airchitect_jax.cost.ideal import (
    GemmCosts,
    ideal_costs,
    ideal_cycles,
    ideal_energy_fj,
    stall_free_cycles,
)
from airchitect_jax.cost.parts import Technology, VectorUnit, Widths
from airchitect_jax.cost.platform import (
    MAX_BANDWIDTH,
    MAX_ELEMENT_BYTES,
    MAX_SRAM_BYTES,
    Platform,
)
from airchitect_jax.cost.prices import MachinePrices
from airchitect_jax.cost.relaxed import Relaxation, RelaxedArray, sensitivity
from airchitect_jax.cost.schedule import best_dataflow, dataflow_cycles, makespan, sum_of_cycles
from airchitect_jax.cost.soft import Soft
from airchitect_jax.cost.terms import CostTerm, add_cycles, add_energy_fj, resolve_terms
from airchitect_jax.cost.tiled import TiledCosts, mapping_fits, tiled_costs, tiled_energy_fj
from airchitect_jax.cost.tiled_batch import evaluate_mappings

__all__ = [
    "MAX_BANDWIDTH",
    "MAX_ELEMENT_BYTES",
    "MAX_SRAM_BYTES",
    "CostTerm",
    "EnergyTable",
    "GemmCosts",
    "MachinePrices",
    "Number",
    "Platform",
    "Relaxation",
    "RelaxedArray",
    "Soft",
    "SramPrices",
    "Technology",
    "TiledCosts",
    "VectorUnit",
    "Widths",
    "add_cycles",
    "add_energy_fj",
    "best_dataflow",
    "ceil_div",
    "compute_cycles",
    "compute_report",
    "dataflow_cycles",
    "energy_fj",
    "evaluate_mappings",
    "evaluate_memory",
    "fold_cycles",
    "ideal_costs",
    "ideal_cycles",
    "ideal_energy_fj",
    "larger",
    "last_cycle_offset",
    "macs_fj",
    "makespan",
    "mapped_dims",
    "mapping_fits",
    "memory_reports",
    "mixed_dims",
    "objective_value",
    "operand_fj",
    "resolve_terms",
    "row_passes",
    "select",
    "sensitivity",
    "smaller",
    "stall_free_cycles",
    "sum_of_cycles",
    "tiled_costs",
    "tiled_energy_fj",
]
