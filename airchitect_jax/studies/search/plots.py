"""Figures of a comparison of searchers. Needs matplotlib (extra `plots`)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from airchitect_jax.reporting.style import legend_beside, line_style, new_figure, plain, styled
from airchitect_jax.studies.search.rows import Curve

_RESOLVED = 0.01  # percent above the optimum, below which a logarithmic axis turns linear: to zero
_MOST = 1000  # percent above the optimum: what is worse is of no use
Values = Float[np.ndarray, "spent"]


@styled
def quality_against_spending(curves: Sequence[Curve]) -> Figure:
    """Cost above the optimum, and share solved exactly, against evaluations and gradients."""
    return _panels(
        curves,
        lambda curve: np.array(curve.spent, float),
        "exact evaluations and gradients (logarithmic)",
    )


@styled
def quality_against_time(curves: Sequence[Curve]) -> Figure:
    """The same against milliseconds per search, many searches at once."""
    return _panels(
        curves,
        lambda curve: np.array([spread.mean for spread in curve.spreads["milliseconds"]]),
        "milliseconds per search (logarithmic)",
    )


def _panels(curves: Sequence[Curve], across: Callable[[Curve], Values], label: str) -> Figure:
    figure, (middle, tail, solved) = new_figure(columns=3, width=13.0, height=4.4)
    for index, curve in enumerate(curves):
        style = line_style(index) | {"markersize": 3, "label": plain(curve.searcher)}
        for axes, key, transform in (
            (middle, "geomean_normalized_performance", _excess),
            (tail, "p01_normalized_performance", _excess),
            (solved, "optimal_set_accuracy", _percent),
        ):
            _line(axes, across(curve), curve, key, transform, style)
    for axes, title in (
        (middle, "geomean of the workloads"),
        (tail, "1st percentile of the workloads"),
    ):
        axes.set_yscale("symlog", linthresh=_RESOLVED, subs=range(2, 10))
        axes.set_ylim(0, _MOST)
        axes.yaxis.set_major_formatter("{x:g}")
        axes.set_ylabel(f"cost above the optimum (%, logarithmic from {_RESOLVED})")
        axes.set_title(title, fontsize=10)
    solved.set(ylim=(0, 102), ylabel="workloads solved exactly (%)")
    for axes in (middle, tail, solved):
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter("{x:g}")
        axes.set_xlabel(label)
    legend_beside(solved)
    return figure


def _line(
    axes: Axes,
    across: Values,
    curve: Curve,
    key: str,
    transform: Callable[[Values, Values], tuple[Values, Values]],
    style: dict[str, Any],
) -> None:
    """A line of means, and a band of one standard deviation over the seeds."""
    mean = np.array([spread.mean for spread in curve.spreads[key]])
    deviation = np.nan_to_num([spread.deviation for spread in curve.spreads[key]])
    middle, half = transform(mean, deviation)
    axes.plot(across, middle, linewidth=1.2, **style)
    low, high = np.maximum(middle - half, 0), middle + half
    axes.fill_between(across, low, high, color=style["color"], alpha=0.2, linewidth=0)


def _excess(performance: Values, deviation: Values) -> tuple[Values, Values]:
    """Extra cost in percent of a normalised performance, and its deviation to first order."""
    return 100 * (1 / performance - 1), 100 * deviation / performance**2


def _percent(share: Values, deviation: Values) -> tuple[Values, Values]:
    return 100 * share, 100 * deviation
