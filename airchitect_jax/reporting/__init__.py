"""Figure style, HTML and tables, for every report."""

from airchitect_jax.reporting.html import (
    configuration,
    document,
    escape,
    facts,
    figure,
    figures,
    folded,
    number_text,
    stylesheet,
    table,
    tiles,
)
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
    "configuration",
    "document",
    "escape",
    "facts",
    "figure",
    "figures",
    "folded",
    "markdown_table",
    "number_text",
    "stylesheet",
    "table",
    "tiles",
]
