"""Comparison of models: one row per model and seed, and their table."""

from __future__ import annotations

import re
from collections.abc import Iterable

import numpy as np

from airchitect_jax.baselines import Competitor, Task
from airchitect_jax.learning import Dataset, evaluate_recommender
from airchitect_jax.reporting import Column, Row, SpreadTable

# Shares of the workloads, worst first, at which normalised performance is kept for the figure.
SHARES = tuple(np.logspace(-5, 0, 121).tolist())

COLUMNS = (
    Column(key="test_accuracy", heading="accuracy", is_share=True),
    Column(key="test_accuracy_unmasked", heading="accuracy, no mask", is_share=True),
    Column(key="optimal_set_accuracy", heading="optimal-set accuracy", is_share=True),
    Column(
        key="optimal_set_accuracy_unmasked", heading="optimal-set accuracy, no mask", is_share=True
    ),
    Column(key="top5_accuracy", heading="top-5", is_share=True),
    Column(key="geomean_normalized_performance", heading="geomean", is_share=True),
    Column(key="p01_normalized_performance", heading="1st percentile", is_share=True),
    Column(key="min_normalized_performance", heading="lowest", is_share=True),
    Column(key="infeasible_first_choice_share", heading="infeasible first", is_share=True),
    Column(key="parameters", heading="parameters"),
    Column(key="train_seconds", heading="training seconds"),
    Column(key="examples", heading="examples seen"),
    Column(key="inference_per_second", heading="inferences per second"),
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
        "told": ", ".join(fitted.told),
        "curve": fitted.curve,
        "performance_at_shares": np.quantile(evaluation.normalized_performance, SHARES).tolist(),
    }


def row_name(model: str, seed: int) -> str:
    """A file name for the row of a model, whatever its name, and a seed."""
    return f"{re.sub('[^a-z0-9]+', '_', model.lower())}-{seed}.json"


def table(rows: Iterable[Row]) -> SpreadTable:
    """One line per model, in the order in which they first occur."""
    return SpreadTable.of(rows, "model", COLUMNS, texts=("told",))
