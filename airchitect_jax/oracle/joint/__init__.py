"""Exact optima for whole networks: one array and one buffer sizing for all layers."""

from airchitect_jax.oracle.joint.best import Design, best_design, dataflow_at, design_at
from airchitect_jax.oracle.joint.fewest_cycles import check_exact, cycle_cubes
from airchitect_jax.oracle.joint.pareto import FrontPoint, front
from airchitect_jax.oracle.joint.survey import OnProgress, Survey, design_costs

__all__ = [
    "Design",
    "FrontPoint",
    "OnProgress",
    "Survey",
    "best_design",
    "check_exact",
    "cycle_cubes",
    "dataflow_at",
    "design_at",
    "design_costs",
    "front",
]
