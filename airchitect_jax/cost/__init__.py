"""Analytic cost models of systolic arrays: scalar, pure equations, one workload at a time."""

from airchitect_jax.cost.arithmetic import Number, ceil_div, larger, select, smaller
from airchitect_jax.cost.compute import (
    compute_cycles,
    compute_report,
    fold_cycles,
    last_cycle_offset,
    mapped_dims,
    row_passes,
)
from airchitect_jax.cost.energy import EnergyTable, energy_fj, macs_fj, objective_value, operand_fj
from airchitect_jax.cost.evaluate import (
    MAX_BANDWIDTH,
    MAX_ELEMENT_BYTES,
    MAX_SRAM_BYTES,
    evaluate_memory,
    whole_memory,
)
from airchitect_jax.cost.platform import Platform
from airchitect_jax.cost.relaxed import Relaxation, RelaxedArray, sensitivity
from airchitect_jax.cost.schedule import best_dataflow, dataflow_cycles, makespan, total_cycles
from airchitect_jax.cost.soft import Soft

__all__ = [
    "MAX_BANDWIDTH",
    "MAX_ELEMENT_BYTES",
    "MAX_SRAM_BYTES",
    "EnergyTable",
    "Number",
    "Platform",
    "Relaxation",
    "RelaxedArray",
    "Soft",
    "best_dataflow",
    "ceil_div",
    "compute_cycles",
    "compute_report",
    "dataflow_cycles",
    "energy_fj",
    "evaluate_memory",
    "fold_cycles",
    "larger",
    "last_cycle_offset",
    "macs_fj",
    "makespan",
    "mapped_dims",
    "objective_value",
    "operand_fj",
    "row_passes",
    "select",
    "sensitivity",
    "smaller",
    "total_cycles",
    "whole_memory",
]
