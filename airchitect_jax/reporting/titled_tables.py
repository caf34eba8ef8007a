"""Tables of text with a title, for a terminal and for Markdown."""

from __future__ import annotations

import dataclasses

import rich.table

from airchitect_jax.reporting.tables import markdown_table


@dataclasses.dataclass(frozen=True, kw_only=True)
class Table:
    """A title, column names and rows of text; the first column is left-aligned."""

    title: str
    header: tuple[str, ...]
    rows: list[tuple[str, ...]]

    def markdown(self) -> str:
        """The table under its title as a heading."""
        return f"## {self.title}\n\n" + markdown_table(self.header, self.rows)

    def rich(self) -> rich.table.Table:
        """The table for a terminal."""
        table = rich.table.Table(title=self.title, title_justify="left")
        for place, name in enumerate(self.header):
            table.add_column(name, justify="right" if place else "left", overflow="fold")
        for cells in self.rows:
            table.add_row(*cells)
        return table
