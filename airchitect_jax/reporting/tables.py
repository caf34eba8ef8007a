"""Tables of measurements over seeds: mean and standard deviation, as Markdown, CSV and JSON."""

from __future__ import annotations

import dataclasses
import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from airchitect_jax._support import csv_text

# What is measured of one subject and seed, JSON-compatible.
Row = dict[str, Any]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Column:
    """A column of the table: a key of a row, its heading, and whether it is a share."""

    key: str
    heading: str
    is_share: bool = False


@dataclasses.dataclass(frozen=True, kw_only=True)
class Spread:
    """Mean and sample standard deviation over seeds; NaN deviation of a single one."""

    mean: float
    deviation: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """Of at least one value."""
        deviation = statistics.stdev(values) if len(values) > 1 else math.nan
        return cls(mean=statistics.fmean(values), deviation=deviation)

    def cells(self) -> list[float | str]:
        """Two of a CSV file, the second empty if there is no deviation."""
        return [self.mean, "" if math.isnan(self.deviation) else self.deviation]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Line:
    """A subject over its seeds; `spreads` by column key, None where there is no value.

    `texts` are the same for all seeds, by key.
    """

    name: str
    seeds: int
    spreads: Mapping[str, Spread | None]
    texts: Mapping[str, str] = dataclasses.field(default_factory=dict)


def markdown_table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table whose first column is left-aligned, the others right-aligned."""
    ruler = ["---", *["---:"] * (len(header) - 1)]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in (header, ruler, *rows))


def by_name(rows: Iterable[Row], key: str) -> dict[str, list[Row]]:
    """The rows of each subject, in the order in which they first occur."""
    groups: dict[str, list[Row]] = {}
    for row in rows:
        groups.setdefault(row[key], []).append(row)
    return groups


@dataclasses.dataclass(frozen=True, kw_only=True)
class SpreadTable:
    """One line per subject.

    Attributes:
      subject: the key of rows, and the heading, of what is compared: "model", for example.
      columns: what is shown of each.
      texts: keys of rows, and headings, of texts that are shown of each, last.
      lines: in the order of the table.
    """

    subject: str
    columns: tuple[Column, ...]
    lines: tuple[Line, ...]
    texts: tuple[str, ...] = ()

    @classmethod
    def of(
        cls,
        rows: Iterable[Row],
        subject: str,
        columns: tuple[Column, ...],
        texts: tuple[str, ...] = (),
    ) -> SpreadTable:
        """Over the seeds of each subject, in the order in which they first occur.

        A column that a row lacks, or has None in, is empty for its subject.
        """
        lines = [
            Line(
                name=name,
                seeds=len(group),
                spreads={
                    column.key: Spread.of([row[column.key] for row in group])
                    if all(row.get(column.key) is not None for row in group)
                    else None
                    for column in columns
                },
                texts={key: group[0].get(key, "") for key in texts},
            )
            for name, group in by_name(rows, subject).items()
        ]
        return cls(subject=subject, columns=columns, lines=tuple(lines), texts=texts)

    @property
    def header(self) -> list[str]:
        """The headings of `rows`."""
        return [self.subject, "seeds", *(c.heading for c in self.columns), *self.texts]

    @property
    def rows(self) -> list[list[str]]:
        """A row of texts per line: mean and deviation, shares in percent."""
        return [
            [
                line.name,
                str(line.seeds),
                *(_text(line.spreads[c.key], c) for c in self.columns),
                *(line.texts[key] for key in self.texts),
            ]
            for line in self.lines
        ]

    def best(self, key: str) -> Line:
        """The line with the highest mean of a column that at least one has."""
        return max(self.lines, key=lambda line: getattr(line.spreads[key], "mean", -math.inf))

    def markdown(self) -> str:
        """The table as Markdown."""
        rows = [[cell.replace("|", r"\|") for cell in row] for row in self.rows]
        return markdown_table(self.header, rows)

    def csv(self) -> str:
        """The table as CSV: two columns per value, empty where there is none."""
        header = [self.subject, "seeds"]
        for column in self.columns:
            header += [f"{column.key}_mean", f"{column.key}_std"]
        header += self.texts
        body = []
        for line in self.lines:
            cells: list[object] = [line.name, line.seeds]
            for column in self.columns:
                spread = line.spreads[column.key]
                cells += ["", ""] if spread is None else spread.cells()
            body.append([*cells, *(line.texts[key] for key in self.texts)])
        return csv_text([header, *body])

    def as_json(self) -> list[dict[str, Any]]:
        """The table as objects; null where a value or a deviation does not exist."""
        return [
            {
                self.subject: line.name,
                "seeds": line.seeds,
                **{
                    key: None
                    if spread is None
                    else {
                        "mean": spread.mean,
                        "std": None if math.isnan(spread.deviation) else spread.deviation,
                    }
                    for key, spread in line.spreads.items()
                },
                **line.texts,
            }
            for line in self.lines
        ]


def _text(spread: Spread | None, column: Column) -> str:
    if spread is None:
        return ""
    show = _percent if column.is_share else _significant
    if not spread.deviation > 0:  # nor of a single seed, whose deviation is no number
        return show(spread.mean)
    return f"{show(spread.mean)} ± {show(spread.deviation).removesuffix('%')}"


def _percent(value: float) -> str:
    return f"{value:.3%}"


def _significant(value: float) -> str:
    """Thousands separated; decimals only of small numbers."""
    return f"{value:,.0f}" if abs(value) >= 100 or value == round(value) else f"{value:.3g}"
