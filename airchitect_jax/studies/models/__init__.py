"""Models beside each other, each with the same time to train."""

from airchitect_jax.studies.models.comparison import measure, row_name, table

__all__ = [
    "measure",
    "row_name",
    "table",
]
