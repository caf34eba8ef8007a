"""Axes and panels that several figures share. Needs matplotlib (extra `plots`)."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np

from airchitect_jax.reporting.style import BLUE, Axes, Figure, plain

_GREY = "#BBBBBB"
_PANELS = 4  # of a row
_MARKED = 50  # points of a line that has more than these have no markers
ABOVE = "cost above the optimum (%)"  # the label of an axis
LEAST_ABOVE = 0.01  # percent: nearer to the optimum, axes are linear


def log_from_zero(axes: Axes, which: Literal["x", "y"], least: float, zero: str = "0") -> None:
    """A logarithmic axis over the lines, with a place for zero, which is called `zero`.

    Between zero and `least` it is linear. Axes that share it have it as well.
    """
    together = getattr(axes, f"get_shared_{which}_axes")().get_siblings(axes)
    lines = [line for one in together for line in one.lines]
    drawn = [np.asarray(getattr(line, f"get_{which}data")(), float) for line in lines]
    top = max((float(np.nanmax(data, initial=0)) for data in drawn), default=0.0)
    powers = least * 10.0 ** np.arange(max(int(np.ceil(np.log10(max(top, least) / least))), 1) + 1)
    getattr(axes, f"set_{which}scale")("symlog", linthresh=least, linscale=0.5)
    axis = getattr(axes, f"{which}axis")
    axis.set_ticks([0, *powers], [zero, *(f"{power:g}" for power in powers)])
    axis.set_ticks([], minor=True)
    getattr(axes, f"set_{which}lim")(-least / 5, 1.2 * max(top, powers[0]))


# Lines by the name of what they are of: x and y of each.
Lines = Mapping[str, Sequence[tuple[Any, Any]]]


def one_panel_each(lines: Lines, *, width: float = 3.0, height: float = 2.5) -> tuple[Figure, Any]:
    """A panel for each name with its lines, and those of all others in grey.

    Returns:
      The figure, and its panels in the order of the names, with common axes.
    """
    columns = min(len(lines), _PANELS)
    rows = -(-len(lines) // columns)
    figure = Figure(figsize=(width * columns, height * rows), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True)
    for spare in grid.flat[len(lines) :]:
        spare.remove()
    panels = list(grid.flat[: len(lines)])
    for panel, name in zip(panels, lines, strict=True):
        for other, drawn in lines.items():
            for x, y in drawn if other != name else ():
                panel.plot(x, y, color=_GREY, linewidth=0.6, marker=_marker(x), markersize=1.5)
        for x, y in lines[name]:
            panel.plot(x, y, color=BLUE, linewidth=1.6, marker=_marker(x))
        panel.set_title(textwrap.fill(plain(name), 30), fontsize=9)
    for lowest in panels[-columns:]:  # of each column
        lowest.tick_params(labelbottom=True)
    return figure, panels


def _marker(points: Sequence[Any]) -> str | None:
    return "." if len(points) < _MARKED else None
