"""The figure of regrets. Needs matplotlib (extra `plots`)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from airchitect_jax.reporting.axes import log_from_zero
from airchitect_jax.reporting.style import (
    PHONE,
    Figure,
    legend_below,
    line_style,
    new_figure,
    styled,
)

_LEAST = 0.001  # percent: smaller regrets are drawn between here and the optimum


@styled
def regret_figure(rows: Sequence[dict[str, Any]], largest: int) -> Figure:
    """Sorted regrets, one-shot and re-ranked, with the largest and with smaller SRAM budgets."""
    figure, panels = new_figure(rows=2, width=PHONE, height=7.2)
    groups = {
        "the largest SRAM budget": [row for row in rows if row["sram_steps"] == largest],
        "smaller SRAM budgets": [row for row in rows if row["sram_steps"] < largest],
    }
    for axes, (title, group) in zip(panels, groups.items(), strict=True):
        for index, (field, label) in enumerate(
            (("regret", "one inference"), ("reranked_regret", "best of 64 by the exact model"))
        ):
            regrets = np.sort([row[field] for row in group])
            share = 100 * np.arange(1, len(regrets) + 1) / len(regrets)
            axes.plot(share, 100 * regrets, **line_style(index) | {"marker": None, "label": label})
        axes.set(xlabel="questions, least regret first (%)", ylabel="cycles above the optimum (%)")
        log_from_zero(axes, "y", _LEAST, "optimal")
        axes.set_title(title, fontsize=10)
    legend_below(figure, panels, columns=2)
    return figure
