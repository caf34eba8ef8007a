"""The figure of regrets. Needs matplotlib (extra `plots`)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from airchitect_jax.reporting.style import legend_below, line_style, new_figure, styled

_FLOOR = 1e-5  # smaller regrets are drawn here: the axis is logarithmic


@styled
def regret_figure(rows: Sequence[dict[str, Any]], largest: int) -> Figure:
    """Sorted regrets, one-shot and re-ranked, with the largest and with smaller SRAM budgets."""
    figure, panels = new_figure(columns=2, width=11, height=4.4)
    groups = {
        "the largest SRAM budget": [row for row in rows if row["sram_steps"] == largest],
        "smaller SRAM budgets": [row for row in rows if row["sram_steps"] < largest],
    }
    for axes, (title, group) in zip(panels, groups.items(), strict=True):
        for index, (field, label) in enumerate(
            (("regret", "one inference"), ("reranked_regret", "best of 64 by the exact model"))
        ):
            regrets = np.sort([max(row[field], _FLOOR) for row in group])
            share = 100 * np.arange(1, len(regrets) + 1) / len(regrets)
            axes.plot(share, 100 * regrets, **line_style(index) | {"marker": None, "label": label})
        axes.set(
            yscale="log",
            xlabel="questions, least regret first (%)",
            ylabel="cycles beyond the optimum (%)",
        )
        axes.set_title(title, fontsize=10)
    legend_below(figure, panels, columns=2)
    return figure
