"""Comparison of searchers with the same budget."""

from airchitect_jax.studies.search.rows import (
    Curve,
    curves,
    curves_csv,
    measurer,
    table,
    train_network,
)

__all__ = ["Curve", "curves", "curves_csv", "measurer", "table", "train_network"]
