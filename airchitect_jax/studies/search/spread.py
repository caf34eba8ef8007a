"""How the quality of searchers spreads over seeds, after several budgets.

S. Krishnan et al., "ArchGym: an open-source gymnasium for machine learning assisted architecture
design", ISCA 2023: searchers are to be compared by their spread, as the best of a few runs says
little about the next.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from airchitect_jax._support import csv_text
from airchitect_jax.reporting import Row, by_name, markdown_table
from airchitect_jax.studies.search.rows import checkpoints

_QUANTILES = {"worst": 0.0, "q1": 0.25, "median": 0.5, "q3": 0.75, "best": 1.0}
_KEY = "geomean_normalized_performance"
_NUM_BUDGETS = 4


def budgets_of(limit: int) -> list[int]:
    """An eighth, a quarter and a half of a budget, rounded down to a checkpoint, and all of it."""
    parts = (limit >> shift for shift in reversed(range(_NUM_BUDGETS)))
    found = (max(size for size in checkpoints(limit) if size <= part) for part in parts if part)
    return sorted(set(found))


def spread_over_seeds(rows: Iterable[Row], limit: int) -> list[Row]:
    """For each searcher and budget the quantiles of the seeds' geomeans.

    Without budgets at which a seed has no answer for some workload yet.

    Args:
      rows: of `measurer`.
      limit: the budget of the searches.
    """
    found = []
    for name, group in by_name(rows, "searcher").items():
        curves = [{point["spent"]: point[_KEY] for point in row["curve"]} for row in group]
        for budget in budgets_of(limit):
            if all(budget in curve for curve in curves):
                values = np.quantile(
                    [curve[budget] for curve in curves], list(_QUANTILES.values())
                ).tolist()
                about = {"searcher": name, "budget": budget, "seeds": len(group)}
                found.append(about | dict(zip(_QUANTILES, values, strict=True)))
    return found


def spread_markdown(spread: Sequence[Row]) -> str:
    """The table as Markdown, in percent."""
    body = [
        [
            row["searcher"].replace("|", r"\|"),
            str(row["budget"]),
            str(row["seeds"]),
            *(f"{row[name]:.3%}" for name in _QUANTILES),
        ]
        for row in spread
    ]
    return markdown_table(["searcher", "budget", "seeds", *_QUANTILES], body)


def spread_csv(spread: Sequence[Row]) -> str:
    """The table as CSV."""
    header = ["searcher", "budget", "seeds", *_QUANTILES]
    return csv_text([header, *([row[key] for key in header] for row in spread)])
