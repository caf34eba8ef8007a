"""Comparison of searchers with the same budget."""

from airchitect_jax.studies.search.machine_network import train_machine_network
from airchitect_jax.studies.search.optima import optimal_cost
from airchitect_jax.studies.search.rows import (
    Curve,
    curves,
    curves_csv,
    measurer,
    table,
    train_network,
)
from airchitect_jax.studies.search.spread import spread_csv, spread_markdown, spread_over_seeds

__all__ = [
    "Curve",
    "curves",
    "curves_csv",
    "measurer",
    "optimal_cost",
    "spread_csv",
    "spread_markdown",
    "spread_over_seeds",
    "table",
    "train_machine_network",
    "train_network",
]
