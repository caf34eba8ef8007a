"""Figure style, HTML and tables, for every report."""

from airchitect_jax.reporting.html import document, escape, image, table
from airchitect_jax.reporting.tables import Column, Row, Spread, SpreadTable, by_name

__all__ = [
    "Column",
    "Row",
    "Spread",
    "SpreadTable",
    "by_name",
    "document",
    "escape",
    "image",
    "table",
]
