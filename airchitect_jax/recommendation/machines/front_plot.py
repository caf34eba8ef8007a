"""The figure of the front of latency, energy and area. Needs matplotlib (extra `plots`)."""

from __future__ import annotations

from collections.abc import Sequence

from airchitect_jax.oracle.machines import FrontPoint
from airchitect_jax.recommendation.machines.front import figures
from airchitect_jax.reporting.style import BLACK, Figure, LogNorm, new_figure, styled


@styled
def front(points: Sequence[FrontPoint]) -> Figure:
    """Two panels over latency: energy, with the area as colour, and area, with the energy."""
    figure, panels = new_figure(columns=2, width=10)
    latency, energy, area = zip(*map(figures, points), strict=True)
    for axes, values, label, shades, shade in (
        (panels[0], energy, "energy (mJ)", area, "area (mm2)"),
        (panels[1], area, "area (mm2)", energy, "energy (mJ)"),
    ):
        marks = axes.scatter(
            latency, values, c=shades, norm=LogNorm(), s=36, edgecolors=BLACK, linewidths=0.5
        )
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.set_xlabel("latency (ms)")
        axes.set_ylabel(label)
        figure.colorbar(marks, ax=axes, label=shade)
    return figure
