"""When the best design leaves budget unused: the same figure for case studies 1 and 2."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int
from matplotlib.ticker import MaxNLocator

from airchitect_jax.reporting.style import Figure, legend_below
from airchitect_jax.studies.design_space.exhibit import SMALL, Grid, look, panels
from airchitect_jax.studies.design_space.samples import Sample

_SHARE = "share that leaves budget unused"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Usage:
    """Which workloads of a sample have a best design below their budget.

    Attributes:
      sample: the workloads.
      budgets: ascending.
      budget: of each workload, one of `budgets`.
      size: of each workload.
      idle: whether its best design leaves budget unused.
    """

    sample: Sample
    budgets: Int[np.ndarray, "budgets"]
    budget: Int[np.ndarray, "num"]
    size: Float[np.ndarray, "num"]
    idle: Bool[np.ndarray, "num"]

    @property
    def shares(self) -> list[float]:
        """Share of workloads of each budget that leave some unused."""
        return [float(self.idle[self.budget == one].mean()) for one in self.budgets]

    def rows(self, shown: Iterable[int]) -> list[list[Any]]:
        """The rows of the table; `shown` is what stands for each budget."""
        counts = [int((self.budget == one).sum()) for one in self.budgets]
        columns = zip(shown, counts, self.shares, strict=True)
        return [[self.sample.name, int(one), count, share] for one, count, share in columns]


def draw_usage(
    usage: Sequence[Usage], grid: Grid, budget: str, size: str, *, step: int = 1
) -> Figure:
    """Shares by budget, then by budget and size, one panel per sample.

    `budget` and `size` label the axes; `grid` is over sizes and budgets times `step`.
    """
    figure, ((first, *others),) = panels(1, len(usage) + 1, width=12, height=4)
    image: Any = None
    for panel, one in zip(others, usage, strict=True):
        cells = grid.mean(one.size, one.budget * step, one.idle)
        image = grid.draw(panel, cells, cmap="viridis", vmin=0, vmax=1)
        panel.set_title(one.sample.name, fontsize=SMALL)
        panel.set(xlabel=size, ylabel=budget)
        first.plot(one.budgets * step, one.shares, label=one.sample.name, **look(one.sample))
    figure.colorbar(image, ax=others, label=_SHARE)
    first.set(xlabel=budget, ylabel=_SHARE)
    first.xaxis.set_major_locator(MaxNLocator("auto", integer=True))
    first.set_ylim(bottom=0)
    legend_below(figure, (first,), columns=2)
    return figure
