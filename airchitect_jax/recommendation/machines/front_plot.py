"""The figure of the front of latency, energy and area. Needs matplotlib (extra `plots`)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from airchitect_jax.oracle.machines import FrontPoint
from airchitect_jax.recommendation.machines.front import FRONT_HEADER, figures, front_rows
from airchitect_jax.reporting.style import (
    BLACK,
    PHONE,
    Drawing,
    LogNorm,
    new_figure,
    plain_log,
    styled,
)

CAPTION = (
    "Latency and energy of the machines on the front, colours are areas; below, latency and area,"
    " colours are energies."
)


@styled
def front(points: Sequence[FrontPoint]) -> Drawing:
    """Two panels over latency: energy, with the area as colour, and area, with the energy."""
    figure, panels = new_figure(rows=2, width=PHONE, height=7.0)
    latency, energy, area = zip(*map(figures, points), strict=True)
    records = [list(zip(FRONT_HEADER, row, strict=True)) for row in front_rows(points)]
    for axes, values, label, shades, shade in (
        (panels[0], energy, "energy (mJ)", area, "area (mm2)"),
        (panels[1], area, "area (mm2)", energy, "energy (mJ)"),
    ):
        marks = axes.scatter(
            latency, values, c=shades, norm=LogNorm(), s=36, edgecolors=BLACK, linewidths=0.5
        )
        figure.tell(marks, records)
        axes.set_xscale("log")
        axes.set_yscale("log")
        plain_log(axes.xaxis)
        plain_log(axes.yaxis)
        axes.set_xlabel("latency (ms)")
        axes.set_ylabel(label)
        bar: Any = figure.colorbar(marks, ax=axes, label=shade, location="top", aspect=40)
        plain_log(bar.ax.xaxis)
    return figure
