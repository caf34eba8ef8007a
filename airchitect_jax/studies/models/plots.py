"""Figures of comparisons and of benchmarks. Needs matplotlib (extra `plots`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from airchitect_jax.reporting import Row, by_name
from airchitect_jax.reporting.style import legend_beside, line_style, new_figure, plain, styled
from airchitect_jax.studies.models.rows import SHARES


@styled
def learning_curves(rows: Sequence[Row]) -> Figure:
    """Validation accuracy against examples seen: one line per seed, one colour per model."""
    figure, axes = new_figure(width=9.0, height=4.6)
    for index, (model, group) in enumerate(by_name(rows, "model").items()):
        for number, row in enumerate(group):
            if not row["curve"]:
                continue
            axes.plot(
                [point["examples"] for point in row["curve"]],
                [point["accuracy"] for point in row["curve"]],
                linewidth=1,
                label=plain(model) if number == 0 else None,
                **line_style(index) | {"markersize": 3},
            )
    if axes.lines:
        legend_beside(axes)
    else:  # heuristics only; a logarithmic axis needs limits
        axes.set_xlim(1, 10)
    axes.set_xscale("log")
    axes.set(xlabel="examples seen (logarithmic)", ylabel="validation accuracy", ylim=(0, 1))
    return figure


@styled
def sorted_performance(rows: Sequence[Row]) -> Figure:
    """Normalised performance on the test set, worst first: one line per model, seeds averaged."""
    figure, axes = new_figure(width=9.0, height=4.6)
    percent = 100 * np.array(SHARES)
    for index, (model, group) in enumerate(by_name(rows, "model").items()):
        mean = np.mean([row["performance_at_shares"] for row in group], axis=0)
        style = line_style(index) | {"marker": None, "label": plain(model)}
        axes.plot(percent, mean, linewidth=1.2, **style)
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter("{x:g}")
    axes.set_xlim(percent[0], 100)
    axes.set_ylim(0, 1.03)
    axes.set(xlabel="workloads, worst first (%, logarithmic)", ylabel="optimal cost / chosen cost")
    legend_beside(axes)
    return figure


@styled
def decisions(rows: Sequence[Mapping[str, Any]]) -> Figure:
    """Seconds per decision over the problems, fewest designs first: one marker per contender."""
    figure, axes = new_figure(width=10.0, height=4.8)
    designs = {row["problem"]: row["designs"] for row in rows}
    problems = sorted(designs, key=lambda name: designs[name])
    for index, contender in enumerate(dict.fromkeys(row["contender"] for row in rows)):
        seconds = {row["problem"]: row["seconds"] for row in rows if row["contender"] == contender}
        here = [index for index, problem in enumerate(problems) if problem in seconds]
        axes.plot(
            here,
            [seconds[problems[index]] for index in here],
            **line_style(index) | {"linestyle": "none", "markersize": 7, "label": plain(contender)},
        )
    axes.set_yscale("log")
    axes.set_xticks(
        range(len(problems)),
        [f"{problem}\n{designs[problem]:,} designs" for problem in problems],
        rotation=30,
        fontsize=8,
    )
    axes.set_ylabel("seconds a decision (logarithmic)")
    legend_beside(axes)
    return figure
