"""Figures of a comparison of searchers. Needs matplotlib (extra `plots`)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Float

from airchitect_jax.reporting.axes import ABOVE, LEAST_ABOVE, log_from_zero, one_panel_each
from airchitect_jax.reporting.style import BLUE, ORANGE, Axes, Figure, plain_log, styled
from airchitect_jax.studies.search.rows import Curve

_MOST = 1000  # percent above the optimum: what is worse is of no use
Values = Float[np.ndarray, "spent"]
_SPENT = "exact evaluations and gradients (logarithmic)"
_MILLISECONDS = "milliseconds per search (logarithmic)"


def figures(curves: Sequence[Curve]) -> dict[str, tuple[str, Figure]]:
    """Caption and figure of quality and of the share solved, each over evaluations and time."""
    found = {}
    for unit, words, label, across in (
        ("evaluations", "evaluations and gradients", _SPENT, [_spent(curve) for curve in curves]),
        ("seconds", "time", _MILLISECONDS, [_mean(curve, "milliseconds") for curve in curves]),
    ):
        found[f"quality_against_{unit}"] = (
            f"Cost above the optimum against {words}: one panel per searcher, the geometric means"
            " of all others in grey, a band of one standard deviation over the seeds.",
            quality(curves, across, label),
        )
        found[f"solved_against_{unit}"] = (
            f"Workloads solved exactly against {words}: one panel per searcher, all others in grey,"
            " a band of one standard deviation over the seeds.",
            solved(curves, across, label),
        )
    return found


def _spent(curve: Curve) -> Values:
    return np.array(curve.spent, float)


@styled
def quality(curves: Sequence[Curve], across: Sequence[Values], label: str) -> Figure:
    """Cost above the optimum, a panel per searcher: geomean, and first percentile, dashed."""
    figure, panels = _panels(curves, across, label, "geomean_normalized_performance", _excess)
    for axes, curve, x in zip(panels, curves, across, strict=True):
        tail, _ = _excess(_mean(curve, "p01_normalized_performance"))
        axes.plot(x, tail, color=ORANGE, linestyle="--", label="1st percentile")
        axes.lines[-2].set_label("geomean of the workloads")
    log_from_zero(panels[0], "y", LEAST_ABOVE, "optimal")  # the panels share it
    panels[0].set_ylim(top=min(panels[0].get_ylim()[1], _MOST))
    figure.supylabel(ABOVE, fontsize=10)
    handles = panels[0].get_legend_handles_labels()
    figure.legend(*handles, loc="outside upper center", ncols=2, fontsize=8)
    return figure


@styled
def solved(curves: Sequence[Curve], across: Sequence[Values], label: str) -> Figure:
    """Share of the workloads that are solved exactly, a panel per searcher."""
    figure, panels = _panels(curves, across, label, "optimal_set_accuracy", _percent)
    panels[0].set_ylim(0, 102)
    figure.supylabel("workloads solved exactly (%)", fontsize=10)
    return figure


def _panels(
    curves: Sequence[Curve],
    across: Sequence[Values],
    label: str,
    key: str,
    transform: Callable[..., tuple[Values, Values]],
) -> tuple[Figure, Sequence[Axes]]:
    """A panel for each searcher, its mean with a band of one standard deviation over the seeds."""
    shown = [transform(_mean(curve, key), _deviation(curve, key)) for curve in curves]
    figure, panels = one_panel_each(
        {
            curve.searcher.replace("_", " "): [(x, middle)]
            for curve, x, (middle, _) in zip(curves, across, shown, strict=True)
        }
    )
    for axes, x, (middle, half) in zip(panels, across, shown, strict=True):
        low, high = np.maximum(middle - half, 0), middle + half
        axes.fill_between(x, low, high, color=BLUE, alpha=0.2, linewidth=0)
        axes.set_xscale("log")
    plain_log(panels[0].xaxis)  # the panels share it
    figure.supxlabel(label, fontsize=10)
    return figure, panels


def _mean(curve: Curve, key: str) -> Values:
    return np.array([spread.mean for spread in curve.spreads[key]])


def _deviation(curve: Curve, key: str) -> Values:
    return np.nan_to_num([spread.deviation for spread in curve.spreads[key]])


def _excess(performance: Values, deviation: Values | float = 0.0) -> tuple[Values, Values]:
    """Extra cost in percent of a normalised performance, and its deviation to first order."""
    return 100 * (1 / performance - 1), 100 * deviation / performance**2


def _percent(share: Values, deviation: Values) -> tuple[Values, Values]:
    return 100 * share, 100 * deviation
