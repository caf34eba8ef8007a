"""Figure of the spread of searchers over seeds. Needs matplotlib (extra `plots`)."""

from __future__ import annotations

from collections.abc import Sequence

from airchitect_jax.reporting import Row, by_name
from airchitect_jax.reporting.style import BLUE, Figure, new_figure, plain, styled

_RESOLVED = 0.01  # percent above the optimum, below which a logarithmic axis turns linear: to zero


@styled
def seeds_of_searchers(spread: Sequence[Row]) -> Figure:
    """A panel per budget, a row per searcher: range, quartiles and median of the seeds."""
    names = list(by_name(spread, "searcher"))
    budgets = sorted({row["budget"] for row in spread})
    width = 2.2 + 2.6 * len(budgets)
    figure, panels = new_figure(len(budgets), width=width, height=1.4 + 0.32 * len(names))
    for axes, budget in zip([panels] if len(budgets) == 1 else panels, budgets, strict=True):
        for row in spread:
            if row["budget"] == budget:
                place = len(names) - 1 - names.index(row["searcher"])
                above = {
                    key: 100 * (1 / row[key] - 1) for key in ("worst", "q1", "median", "q3", "best")
                }
                axes.hlines(place, above["best"], above["worst"], color=BLUE, linewidth=1)
                axes.hlines(place, above["q3"], above["q1"], color=BLUE, linewidth=5, alpha=0.5)
                axes.plot(above["median"], place, "o", color=BLUE, markersize=4)
        axes.set_xscale("symlog", linthresh=_RESOLVED)
        axes.set_xlim(0, max(1.0, *(130 * (1 / row["worst"] - 1) for row in spread)))
        axes.xaxis.set_major_formatter("{x:g}")
        axes.tick_params(axis="x", labelsize=7)
        axes.set_ylim(-0.6, len(names) - 0.4)
        axes.set_yticks(range(len(names)), [plain(name) for name in reversed(names)])
        axes.set_title(f"budget of {budget}", fontsize=10)
        if budget != budgets[0]:
            axes.set_yticklabels([])
    figure.supxlabel(
        f"cost above the optimum, geomean of the workloads (%, logarithmic from {_RESOLVED});"
        " range, quartiles and median of the seeds",
        fontsize=9,
    )
    return figure
