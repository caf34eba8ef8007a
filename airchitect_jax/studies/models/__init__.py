"""Comparison of models with the same time to train."""

from airchitect_jax.studies.models.rows import measure, row_name, table

__all__ = ["measure", "row_name", "table"]
