"""Figures of single case studies. Needs matplotlib (extra `plots`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float, Int

from airchitect_jax.reporting import style
from airchitect_jax.reporting.style import EngFormatter, MaxNLocator
from airchitect_jax.spaces import Attribute


@style.styled
def aspect_ratio_map(
    workload_aspect: Float[np.ndarray, "num"],
    depth: Float[np.ndarray, "num"],
    design_aspect: Float[np.ndarray, "num"],
    dataflow: Attribute,
    optimal: Int[np.ndarray, "num"],
) -> style.Figure:
    """The optimal aspect ratio over workload shape, one panel per optimal dataflow.

    Args:
      workload_aspect: log2(m / n).
      depth: log2(k / sqrt(m n)).
      design_aspect: log2(rows / cols) of the optimum.
      dataflow: the attribute that names the panels.
      optimal: the optimal design ids.
    """
    figure, panels = style.new_figure(
        rows=len(dataflow.categories), width=style.PHONE, height=3.6 * len(dataflow.categories)
    )
    limit = np.quantile(np.abs(design_aspect), 0.99)
    image = None
    for index, (axes, name) in enumerate(zip(panels, dataflow.categories, strict=True)):
        here = dataflow.of_design[optimal] == index
        if here.any():
            image = axes.hexbin(
                workload_aspect[here],
                depth[here],
                C=design_aspect[here],
                reduce_C_function=np.mean,
                gridsize=36,
                extent=(-6, 6, -6, 6),
                cmap="RdBu_r",
                vmin=-limit,
                vmax=limit,
            )
        axes.set_title(f"{name} optimal: {here.mean():.1%} of workloads", fontsize=10)
        axes.set(xlabel="log2(m / n)", ylabel="log2(k / sqrt(m n))")
        axes.set_xlim(-6, 6)
        axes.set_ylim(-6, 6)
    if image is not None:
        label = "mean log2(rows / cols)"
        figure.colorbar(image, ax=list(panels), label=label, location="top", aspect=40)
    return figure


@style.styled
def sizes_by_budget(
    budgets_kb: Int[np.ndarray, "num"],
    sizes_kb: Int[np.ndarray, "num 3"],
    dataflows: Int[np.ndarray, "num"],
    names: Sequence[str],
) -> style.Figure:
    """Mean optimal size of the ifmap, filter and ofmap SRAM by budget, one panel per dataflow.

    Args:
      budgets_kb: the SRAM budget of each workload.
      sizes_kb: its optimal sizes.
      dataflows: its dataflow.
      names: of the dataflows.
    """
    figure, panels = style.new_figure(rows=len(names), width=style.PHONE, height=3.0 * len(names))
    for index, (axes, name) in enumerate(zip(panels, names, strict=True)):
        here = dataflows == index
        budgets = np.unique(budgets_kb[here])
        for index, (operand, marker) in enumerate(
            zip(("ifmap", "filter", "ofmap"), "os^", strict=True)
        ):
            means = [sizes_kb[here & (budgets_kb == budget), index].mean() for budget in budgets]
            axes.plot(budgets, means, marker=marker, markersize=3.5, label=operand)
        axes.set_title(f"{name}: {here.mean():.1%} of workloads", fontsize=10)
        axes.set(xlabel="SRAM budget (KB)", ylabel="mean optimal size (KB)")
        axes.set_xlim(left=0)
        axes.set_ylim(0, 1.05 * sizes_kb.max())
    style.legend_below(figure, panels[:1], columns=3)
    return figure


# What runs on which lane, from when, and for how long.
Bar = tuple[str, int, float, float]
_LIGHT = (style.SKY, style.ORANGE, style.GREEN, style.PURPLE, "#F0E442", "#DDDDDD")  # under black


@style.styled
def gantt(lanes: Sequence[str], schedules: Mapping[str, Sequence[Bar]]) -> style.Figure:
    """Schedules side by side, one lane per row, on one time axis.

    Args:
      lanes: their names, first on top.
      schedules: for each panel by title its bars (text, lane, start, length), in cycles. The first
        word of a text names the workload and determines the colour; all are of one colour if there
        are more workloads than colours.
    """
    figure, panels = style.new_figure(
        rows=len(schedules),
        width=style.PHONE,
        height=(1.2 + 0.5 * len(lanes)) * len(schedules),
    )
    end = max(start + length for bars in schedules.values() for _, _, start, length in bars)
    names = sorted({text.split()[0] for bars in schedules.values() for text, *_ in bars})
    light = _LIGHT if len(names) <= len(_LIGHT) else (style.SKY,) * len(names)
    colors = dict(zip(names, light, strict=False))
    for axes, (title, bars) in zip(np.atleast_1d(panels), schedules.items(), strict=True):
        for text, lane, start, length in bars:
            color = colors[text.split()[0]]
            axes.barh(lane, length, left=start, color=color, edgecolor="white", height=0.7)
            if length > end / 12:
                axes.text(
                    start + length / 2,
                    lane,
                    style.plain(text),
                    ha="center",
                    va="center",
                    color=style.ON_LIGHT,
                )
        last = max(start + length for _, _, start, length in bars)
        axes.axvline(last, color=style.BLACK, linestyle="--", linewidth=1)
        axes.set_yticks(range(len(lanes)), lanes)
        axes.invert_yaxis()
        axes.set_xlim(0, end * 1.02)
        axes.set_xlabel("cycles")
        axes.xaxis.set_major_formatter(EngFormatter(sep=""))
        axes.xaxis.set_major_locator(MaxNLocator(6))
        axes.set_title(title, fontsize=10)
    return figure
