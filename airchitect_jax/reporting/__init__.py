"""Figure style, HTML and tables, for every report."""

from airchitect_jax.reporting.html import document, escape, image, table
from airchitect_jax.reporting.tables import (
    Column,
    Row,
    Spread,
    SpreadTable,
    by_name,
    markdown_table,
)

__all__ = [
    "Column",
    "Row",
    "Spread",
    "SpreadTable",
    "by_name",
    "document",
    "escape",
    "image",
    "markdown_table",
    "table",
]
