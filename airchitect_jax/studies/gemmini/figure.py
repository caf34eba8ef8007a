"""The figure of a validation against measured cycles. Needs matplotlib (extra `plots`)."""

from __future__ import annotations

from dataclasses import astuple
from typing import Any

import numpy as np

from airchitect_jax.reporting.style import (
    BLACK,
    BLUE,
    GREEN,
    ORANGE,
    RED,
    Axes,
    Figure,
    LogLocator,
    legend_below,
    new_figure,
    styled,
)
from airchitect_jax.studies.gemmini.predictions import Predictions
from airchitect_jax.studies.gemmini.summary import compared


@styled
def measured_figure(predictions: Predictions) -> Figure:
    """Predicted over measured cycles, and calibrated with intervals, relative to the measured.

    Of the rows that Timeloop predicts as well; of all, where there are none.
    """
    here = compared(predictions.rows)
    figure, panels = new_figure(columns=3, width=13, height=4.6)
    measured = np.array([row.cycles for row in predictions.rows])[here]
    timeloop = np.array([row.timeloop_cycles or np.nan for row in predictions.rows])[here]
    first, *others = panels
    dots: dict[str, Any] = {"s": 9, "alpha": 0.6, "linewidths": 0}
    for name, values, color in (
        ("Timeloop", timeloop, ORANGE),
        ("Gemmini equations, not calibrated", predictions.uncalibrated[here], BLUE),
    ):
        if not np.isnan(values).all():
            first.scatter(measured, values, color=color, label=name, **dots)
    ends = [measured.min(), measured.max()]
    first.plot(ends, ends, color=BLACK, linewidth=1)
    first.set(xscale="log", yscale="log", xlabel="measured cycles", ylabel="predicted cycles")
    for axes, kind, calibrated in zip(
        others,
        ("machines", "layers"),
        (predictions.by_machine, predictions.by_layer),
        strict=True,
    ):
        _intervals(axes, measured, [values[here] for values in astuple(calibrated)])
        axes.set_title(f"calibrated on other {kind}", fontsize=10)
    legend_below(figure, panels, columns=4)
    return figure


def _intervals(axes: Axes, measured: np.ndarray, calibrated: list[np.ndarray]) -> None:
    """One line per row, from `[low, cycles, high]`."""
    low, middle, high = (values / measured for values in calibrated)
    inside = (low <= 1) & (high >= 1)
    for here, color, name in (
        (inside, GREEN, "measurement in the 90% interval"),
        (~inside, RED, "not in it"),
    ):
        axes.vlines(measured[here], low[here], high[here], color=color, linewidth=0.8, alpha=0.5)
        axes.scatter(measured[here], middle[here], color=color, s=9, label=name)
    axes.axhline(1, color=BLACK, linewidth=1)
    axes.set(xscale="log", yscale="log", xlabel="measured cycles", ylabel="predicted / measured")
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_minor_formatter("")
