"""The figure of a validation. Needs matplotlib (extra `plots`)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from airchitect_jax.reporting.style import (
    BLACK,
    INDIGO,
    OF_DATAFLOW,
    ORANGE,
    PURPLE,
    SKY,
    Axes,
    Figure,
    LogLocator,
    legend_beside,
    plain_log,
    styled,
)
from airchitect_jax.studies.scalesim_validation.sizing import (
    IDEAL,
    IDEAL_LARGEST,
    PROPORTIONAL,
    THIRDS,
    SizingResults,
    correlations,
)

_OF_RULE: Mapping[str, Any] = {
    IDEAL: {"color": INDIGO, "marker": "o"},
    IDEAL_LARGEST: {"color": SKY, "marker": "D"},
    PROPORTIONAL: {"color": ORANGE, "marker": "s"},
    THIRDS: {"color": PURPLE, "marker": "^"},
}
_MOST_POINTS = 1200  # of a dataflow


@styled
def validation_figure(result: SizingResults, regret: Mapping[str, Any]) -> Figure:
    """Cycles of IDEAL against the package's, their ratio over size, rank correlation, regret.

    Args:
      result: both sides of all sizings.
      regret: `summary.regret_summary` of it.
    """
    figure = Figure(figsize=(10, 8), layout="constrained")
    (top_left, top_right), (low_left, low_right) = figure.subplots(2, 2)
    _cycles(top_left, result)
    _ratio_over_size(top_right, result)
    _correlations(low_left, result)
    _regret(low_right, regret)
    return figure


def _cycles(axes: Axes, result: SizingResults) -> None:
    rng = np.random.default_rng(0)
    for dataflow, style in OF_DATAFLOW.items():
        here = result.workloads.dataflow == dataflow
        package, ideal = result.package[here].ravel(), result.ideal[here].ravel()
        shown = rng.permutation(len(package))[:_MOST_POINTS]
        axes.scatter(
            package[shown], ideal[shown], s=7, alpha=0.5, linewidths=0, label=dataflow.name, **style
        )
    low = min(result.package.min(), result.ideal.min())
    high = max(result.package.max(), result.ideal.max())
    axes.plot([low, high], [low, high], color=BLACK, linewidth=1, label="equal")
    axes.set(xscale="log", yscale="log")
    plain_log(axes.xaxis)
    plain_log(axes.yaxis)
    axes.set_title("one point per workload and sizing", fontsize=10)
    axes.set(xlabel="total cycles, package (by its exact replay)", ylabel="total cycles, IDEAL")
    legend_beside(axes)


def _ratio_over_size(axes: Axes, result: SizingResults) -> None:
    levels = result.grid.levels_kb
    equal = [result.grid.id_of_levels[index, index, index] for index in range(len(levels))]
    ratio = result.ideal[:, equal] / result.package[:, equal]
    for dataflow, style in OF_DATAFLOW.items():
        here = ratio[result.workloads.dataflow == dataflow]
        if len(here):
            low, middle, high = np.quantile(here, (0.1, 0.5, 0.9), axis=0)
            axes.plot(levels, middle, label=dataflow.name, markersize=5, **style)
            axes.fill_between(levels, low, high, color=style["color"], alpha=0.12, linewidth=0)
    axes.axhline(1, color=BLACK, linewidth=1)
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    plain_log(axes.yaxis)
    axes.set_xticks(levels, [str(level) for level in levels])
    axes.set_title("median, and 10th to 90th percentile of workloads", fontsize=10)
    axes.set_xlabel("size of each of the three buffers (KB)")
    axes.set_ylabel("total cycles, IDEAL / package")
    legend_beside(axes)


def _correlations(axes: Axes, result: SizingResults) -> None:
    values = correlations(result)
    varies = ~np.isnan(values)
    shown = varies & (np.ptp(result.ideal, axis=1) > 0)
    axes.hist(
        [values[shown & (result.workloads.dataflow == dataflow)] for dataflow in OF_DATAFLOW],
        bins=list(np.linspace(-1, 1, 41)),
        stacked=True,
        color=[style["color"] for style in OF_DATAFLOW.values()],
        label=[dataflow.name for dataflow in OF_DATAFLOW],
    )
    flat, constant = (varies & ~shown).sum(), (~varies).sum()
    axes.set_title(
        f"{shown.sum()} workloads; only IDEAL is flat in {flat}, the package in {constant}",
        fontsize=10,
    )
    axes.set_xlim(min(0, values[shown].min(initial=0)) - 0.02, 1.02)
    axes.set_xlabel("rank correlation, IDEAL and package, of cycles")
    axes.set_ylabel("workloads")
    legend_beside(axes)


def _regret(axes: Axes, regret: Mapping[str, Any]) -> None:
    for rule, style in _OF_RULE.items():
        by_budget = regret[rule]["geomean_by_budget_kb"]
        budgets = [int(budget) for budget in by_budget]
        axes.plot(budgets, list(by_budget.values()), label=rule, markersize=5, **style)
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_minor_formatter("")
    axes.set_xticks(budgets, [str(budget) for budget in budgets])
    axes.axhline(1, color=BLACK, linewidth=1)
    axes.set_title("buffers sized by rule, the package judges", fontsize=10)
    axes.set_xlabel("budget of the three buffers together (KB)")
    axes.set_ylabel("chosen / fewest cycles, geometric mean")
    legend_beside(axes)
