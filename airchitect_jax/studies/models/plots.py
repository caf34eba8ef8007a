"""Figures of comparisons and of benchmarks. Needs matplotlib (extra `plots`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from airchitect_jax.reporting import Row, by_name
from airchitect_jax.reporting.axes import ABOVE, LEAST_ABOVE, log_from_zero, one_panel_each
from airchitect_jax.reporting.style import (
    Figure,
    legend_beside,
    line_style,
    new_figure,
    plain,
    plain_log,
    styled,
)
from airchitect_jax.studies.models.rows import SHARES


def figures(rows: Sequence[Row]) -> dict[str, tuple[str, Figure]]:
    """Caption and figure by name; learning curves only if a model has some."""
    curves = learning_curves(rows)
    return {
        **(
            {
                "accuracy_against_examples": (
                    "Validation accuracy in training: one panel per model, one line per seed, all"
                    " other models in grey. Heuristics are not trained.",
                    curves,
                )
            }
            if curves
            else {}
        ),
        "cost_above_optimum": (
            "Cost above the optimum on the test set, the worst workloads at the left, the mean over"
            " the seeds: one panel per model, all others in grey.",
            cost_above_optimum(rows),
        ),
    }


@styled
def learning_curves(rows: Sequence[Row]) -> Figure | None:
    """Validation accuracy against examples seen, a panel per model, a line per seed.

    None if no model has a curve.
    """
    lines = {
        model: [_points(row["curve"]) for row in group if row["curve"]]
        for model, group in by_name(rows, "model").items()
    }
    lines = {model: curves for model, curves in lines.items() if curves}
    if not lines:
        return None
    figure, panels = one_panel_each(lines)
    for axes in panels:
        axes.set(xscale="log", ylim=(-0.03, 1.03))
    plain_log(panels[0].xaxis)  # the panels share it
    figure.supxlabel("examples seen (logarithmic)", fontsize=10)
    figure.supylabel("validation accuracy", fontsize=10)
    return figure


def _points(curve: Sequence[Mapping[str, Any]]) -> tuple[list[float], list[float]]:
    return [point["examples"] for point in curve], [point["accuracy"] for point in curve]


@styled
def cost_above_optimum(rows: Sequence[Row]) -> Figure:
    """Sorted cost above the optimum on the test set, seeds averaged: a panel per model.

    From normalised performance. Optimal choices are at zero.
    """
    percent = 100 * np.array(SHARES)
    lines = {}
    for model, group in by_name(rows, "model").items():
        mean = np.mean([row["performance_at_shares"] for row in group], axis=0)
        lines[model] = [(percent, 100 * (1 / mean - 1))]
    figure, panels = one_panel_each(lines)
    for axes in panels:
        axes.set(xscale="log", xlim=(percent[0], 100))
        axes.xaxis.set_major_formatter("{x:g}")
    log_from_zero(panels[0], "y", LEAST_ABOVE, "optimal")  # the panels share it
    figure.supxlabel("workloads, worst first (%, logarithmic)", fontsize=10)
    figure.supylabel(ABOVE, fontsize=10)
    return figure


@styled
def decisions(rows: Sequence[Mapping[str, Any]]) -> Figure:
    """Seconds per decision over the problems, fewest designs first: one marker per contender."""
    figure, axes = new_figure(width=10.0, height=4.8)
    designs = {row["problem"]: row["designs"] for row in rows}
    problems = sorted(designs, key=lambda name: designs[name])
    contenders = list(dict.fromkeys(row["contender"] for row in rows))
    for index, contender in enumerate(contenders):
        seconds = {row["problem"]: row["seconds"] for row in rows if row["contender"] == contender}
        here = [place for place, problem in enumerate(problems) if problem in seconds]
        beside = 0.6 * ((index + 0.5) / len(contenders) - 0.5)  # so that none hides another
        axes.plot(
            [place + beside for place in here],
            [seconds[problems[place]] for place in here],
            **line_style(index) | {"linestyle": "none", "markersize": 7, "label": plain(contender)},
        )
    axes.set_yscale("log")
    axes.set_xticks(
        range(len(problems)),
        [f"{problem}\n{designs[problem]:,} designs" for problem in problems],
        rotation=30,
        fontsize=8,
    )
    axes.set_ylabel("seconds per decision (logarithmic)")
    legend_beside(axes)
    return figure
