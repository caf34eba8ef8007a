"""Competitors side by side: a row a model and seed, and tables of means with their spread."""

from __future__ import annotations

import dataclasses
import math
import re
import statistics
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from airchitect_jax.baselines.competitor import Competitor, Task
from airchitect_jax.datasets import Dataset
from airchitect_jax.evaluation import evaluate_recommender
from airchitect_jax.files import csv_text, inert

# What is measured of one model and seed, JSON-compatible.
Row = dict[str, Any]

# Shares of the workloads, worst first, at which normalised performance is kept for the figure.
SHARES = tuple(np.logspace(-5, 0, 121).tolist())


@dataclasses.dataclass(frozen=True, kw_only=True)
class Column:
    """A column of the table: a key of a row, its heading, and whether it is a share."""

    key: str
    heading: str
    is_share: bool = False


COLUMNS = (
    Column(key="test_accuracy", heading="accuracy", is_share=True),
    Column(key="optimal_set_accuracy", heading="optimal-set accuracy", is_share=True),
    Column(key="top5_accuracy", heading="top-5", is_share=True),
    Column(key="geomean_normalized_performance", heading="geomean", is_share=True),
    Column(key="p01_normalized_performance", heading="p1", is_share=True),
    Column(key="min_normalized_performance", heading="min", is_share=True),
    Column(key="infeasible_first_choice_share", heading="masked", is_share=True),
    Column(key="parameters", heading="parameters"),
    Column(key="train_seconds", heading="training seconds"),
    Column(key="examples", heading="examples seen"),
    Column(key="inference_per_second", heading="inferences a second"),
)


def measure(competitor: Competitor, task: Task, test: Dataset) -> Row:
    """Trains a competitor and scores it on the test set."""
    fitted = competitor.fit(task)
    evaluation = evaluate_recommender(task.case, fitted.ranker, test)
    return {
        "model": competitor.name,
        "seed": task.seed,
        **evaluation.metrics,
        "parameters": fitted.parameters,
        "train_seconds": round(fitted.train_seconds, 3),
        "examples": fitted.examples,
        "inference_per_second": fitted.ranker.per_second(test.workloads),
        "curve": fitted.curve,
        "performance_at_shares": np.quantile(evaluation.normalized_performance, SHARES).tolist(),
    }


def row_name(model: str, seed: int) -> str:
    """A file name for the row of a model, whatever its name, and a seed."""
    return f"{re.sub('[^a-z0-9]+', '_', model.lower())}-{seed}.json"


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


@dataclasses.dataclass(frozen=True, kw_only=True)
class Line:
    """A model over its seeds; `spreads` by column key, None where a model has no such figure."""

    model: str
    seeds: int
    spreads: Mapping[str, Spread | None]


def summarise(rows: Iterable[Row]) -> list[Line]:
    """A line a model, in the order in which they first occur."""
    by_model: dict[str, list[Row]] = {}
    for row in rows:
        by_model.setdefault(row["model"], []).append(row)
    return [
        Line(
            model=model,
            seeds=len(group),
            spreads={
                column.key: Spread.of([row[column.key] for row in group])
                if all(column.key in row for row in group)
                else None
                for column in COLUMNS
            },
        )
        for model, group in by_model.items()
    ]


def markdown(lines: Sequence[Line]) -> str:
    """The table for people: mean and deviation, shares in percent."""
    header = ["model", "seeds", *(column.heading for column in COLUMNS)]
    body = [
        [
            line.model.replace("|", r"\|"),
            str(line.seeds),
            *(_text(line.spreads[c.key], c) for c in COLUMNS),
        ]
        for line in lines
    ]
    ruler = ["---", *["---:"] * (len(header) - 1)]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in (header, ruler, *body))


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


def csv(lines: Sequence[Line]) -> str:
    """The table for machines: two columns a figure, empty where there is none."""
    header = ["model", "seeds"]
    for column in COLUMNS:
        header += [f"{column.key}_mean", f"{column.key}_std"]
    body = []
    for line in lines:
        cells: list[object] = [inert(line.model), line.seeds]
        for column in COLUMNS:
            spread = line.spreads[column.key]
            cells += ["", ""] if spread is None else [spread.mean, _finite(spread.deviation)]
        body.append(cells)
    return csv_text([header, *body])


def _finite(value: float) -> float | str:
    return "" if math.isnan(value) else value


def as_json(lines: Sequence[Line]) -> list[dict[str, Any]]:
    """The table as objects; null where a figure or a spread does not exist."""
    return [
        {
            "model": line.model,
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
        }
        for line in lines
    ]
