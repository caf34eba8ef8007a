"""Recommends a design for a workload: exact answer, proposals, tables, figures, report."""

from airchitect_jax.recommendation.exact import Recommendation, recommend
from airchitect_jax.recommendation.replayed import scalesim3_cycles
from airchitect_jax.recommendation.simulator_inputs import write_simulator_inputs
from airchitect_jax.recommendation.tables import (
    by_gemm,
    compute_report_csv,
    headline,
    layers_csv,
    pareto_csv,
    summary_of,
    unused_budgets,
)

__all__ = [
    "Recommendation",
    "by_gemm",
    "compute_report_csv",
    "headline",
    "layers_csv",
    "pareto_csv",
    "recommend",
    "scalesim3_cycles",
    "summary_of",
    "unused_budgets",
    "write_simulator_inputs",
]
