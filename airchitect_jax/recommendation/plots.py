"""Figures of a recommendation. Needs matplotlib (extra `plots`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter

from airchitect_jax.oracle.joint import FrontPoint
from airchitect_jax.recommendation.exact import LayerPlan, Recommendation
from airchitect_jax.recommendation.tables import beginning
from airchitect_jax.reporting.style import (
    BLACK,
    OF_DATAFLOW,
    RED,
    legend_below,
    new_figure,
    plain,
    styled,
)
from airchitect_jax.types import Dataflow, Objective

_COLORS = {flow: style["color"] for flow, style in OF_DATAFLOW.items()}
_MOST_BARS = 60


def figures(
    recommendation: Recommendation, points: Sequence[FrontPoint]
) -> Mapping[str, tuple[str, Figure]]:
    """Caption and figure by file name."""
    drawn = {
        "roofline": (
            "Roofline: MACs per cycle of each layer over its MACs per byte of DRAM traffic, on the"
            " recommended design. The roof is set by the bandwidth, then by the array.",
            roofline(recommendation),
        ),
        "utilization": (
            "Utilization of the array by each layer, stalls included, and that on the design that"
            " is best for the layer alone. Widths are shares of the cycles.",
            utilization(recommendation),
        ),
        "pareto": (
            "The Pareto front within the budgets: cycles, energy and silicon. Each point is an"
            " array and a sizing with its fastest or its most energy-efficient dataflows.",
            pareto(recommendation, points),
        ),
    }
    if len(recommendation.survey.space.rows) > 1:
        drawn["heatmap"] = (
            "Cycles of the whole workload over the array's rows and columns, with the best sizing"
            " and the fastest dataflows for each.",
            heatmap(recommendation),
        )
    return drawn


@styled
def roofline(recommendation: Recommendation) -> Figure:
    """Layers under the roofs of bandwidth and array; marker areas are shares of the cycles."""
    figure, axes = new_figure(height=4.6)
    plans = recommendation.layers
    bandwidth = recommendation.survey.platform.bandwidth_bytes_per_cycle
    num_macs = recommendation.design.num_macs
    intensity = np.array([plan.macs_per_dram_byte for plan in plans])
    ridge = num_macs / bandwidth
    low, high = min(intensity.min(), ridge) / 2, max(intensity.max(), ridge) * 2
    across = np.geomspace(low, high, 200)
    axes.loglog(
        across,
        np.minimum(num_macs, across * bandwidth),
        color=BLACK,
        linewidth=1.2,
        label=f"roof: {bandwidth} bytes per cycle, {num_macs:,} MACs",
    )
    shares = _cycle_shares(plans)
    for flow in Dataflow:
        here = [index for index, plan in enumerate(plans) if plan.dataflow is flow]
        if here:
            axes.scatter(
                intensity[here],
                [plans[index].overall_utilization * num_macs for index in here],
                s=20 + 600 * shares[here],
                color=_COLORS[flow],
                alpha=0.55,
                edgecolor="white",
                label=f"{flow.name}: {len(here)} layers",
            )
    axes.set_xlabel("MACs per byte of DRAM traffic")
    axes.set_ylabel("MACs per cycle")
    legend_below(figure, (axes,), columns=4)
    legend: Any = figure.legends[0]
    for handle in legend.legend_handles[1:]:
        handle.set_sizes([40])
    return figure


@styled
def utilization(recommendation: Recommendation) -> Figure:
    """One bar per layer, as wide as its share of the cycles; a line for its own best design."""
    figure, axes = new_figure(width=10)
    plans = _costliest(recommendation.layers)
    shares = _cycle_shares(plans)
    edges = np.concatenate([[0], np.cumsum(shares)]) * 100
    for plan, left, right in zip(plans, edges, edges[1:], strict=False):
        axes.bar(
            left,
            plan.overall_utilization,
            width=right - left,
            align="edge",
            color=_COLORS[plan.dataflow],
            edgecolor="white",
            linewidth=0.4,
        )
        macs = plan.layer.m * plan.layer.n * plan.layer.k
        own = macs / (plan.own_cycles * plan.own_design.num_macs)
        axes.plot([left, right], [own, own], color=BLACK, linewidth=1)
        if right - left > 4:
            axes.text(
                (left + right) / 2,
                0.01,
                plain(beginning(plan.layer.name, 28)),
                rotation=90,
                ha="center",
                va="bottom",
                fontsize=7,
            )
    for flow in Dataflow:
        axes.bar(0, 0, color=_COLORS[flow], label=flow.name)
    axes.plot([], [], color=BLACK, linewidth=1, label="on its own best design")
    axes.set_xlim(0, 100)
    axes.set_ylim(0, 1.03)
    axes.set_xlabel("layers in order, share of the cycles (%)")
    axes.set_ylabel("overall utilization")
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=4)
    return figure


@styled
def pareto(recommendation: Recommendation, points: Sequence[FrontPoint]) -> Figure:
    """Cycles over energy and over MACs, colours by MACs and by SRAM."""
    figure, panels = new_figure(columns=2, width=11, height=4.4)
    cycles = np.array([float(point.cycles) for point in points])
    energy = np.array([float(point.energy_fj) * 1e-12 for point in points])
    macs = np.array([point.num_macs for point in points])
    sram = np.array([point.sram_bytes / 1024 for point in points])
    chosen = recommendation.design
    by_macs = LogNorm(macs.min(), max(macs.max(), macs.min() + 1))
    for axes, across, label, color, color_label, norm in (
        (panels[0], energy, "energy (mJ)", macs, "MAC units", by_macs),
        (panels[1], macs, "MAC units", sram, "SRAM (KB)", None),
    ):
        image = axes.scatter(across, cycles, c=color, norm=norm, cmap="viridis", s=10)
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if across is energy else (1,)))
        axes.xaxis.set_major_formatter("{x:,.12g}")
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.set_xlabel(label)
        axes.scatter(
            recommendation.energy_fj * 1e-12 if across is energy else chosen.num_macs,
            float(recommendation.cycles),
            marker="*",
            s=170,
            color=RED,
            edgecolor="white",
            zorder=3,
            label="recommended",
        )
        figure.colorbar(image, ax=axes, label=color_label)
    panels[0].set_ylabel("cycles")
    panels[0].legend(loc="lower center", bbox_to_anchor=(0.5, 1.0))
    return figure


@styled
def heatmap(recommendation: Recommendation) -> Figure:
    """The fewest cycles over log2 of rows and of columns."""
    figure, axes = new_figure(width=7, height=5.4)
    survey = recommendation.survey
    space = survey.space
    fewest = survey.cycles[Objective.CYCLES].min(axis=1).astype(float)
    rows, cols = (np.log2(sides).astype(int) - 1 for sides in (space.rows, space.cols))
    grid = np.full((rows.max() + 1, cols.max() + 1), np.nan)
    grid[rows, cols] = fewest
    image = axes.imshow(
        grid,
        origin="lower",
        cmap="viridis_r",
        norm=LogNorm(fewest.min(), max(fewest.max(), fewest.min() * 1.01)),
        aspect="auto",
    )
    for row, col, value in zip(rows, cols, fewest, strict=True):
        ratio = value / fewest.min()
        axes.text(
            col,
            row,
            f"{ratio:.2f}" if ratio < 10 else f"{ratio:.0f}",
            ha="center",
            va="center",
            fontsize=6.5,
            color="black" if ratio < 12 else "white",
        )
    axes.scatter(
        recommendation.design.cols.bit_length() - 2,
        recommendation.design.rows.bit_length() - 2,
        marker="s",
        s=330,
        facecolor="none",
        edgecolor=RED,
        linewidth=2,
    )
    _power_ticks(axes, grid.shape)
    axes.grid(visible=False)
    axes.set_xlabel("columns")
    axes.set_ylabel("rows")
    axes.set_title("numbers: times the fewest; square: recommended", fontsize=10)
    figure.colorbar(image, ax=axes, label="cycles")
    return figure


def _power_ticks(axes: Axes, shape: tuple[int, ...]) -> None:
    for count, set_ticks in ((shape[0], axes.set_yticks), (shape[1], axes.set_xticks)):
        set_ticks(range(count), [str(2 << exponent) for exponent in range(count)], fontsize=8)


def _cycle_shares(plans: Sequence[LayerPlan]) -> np.ndarray:
    cycles = np.array([float(plan.total_cycles * plan.runs) for plan in plans])
    return cycles / cycles.sum()


def _costliest(plans: Sequence[LayerPlan]) -> list[LayerPlan]:
    """The layers with the most cycles, in their order: as many as can be told apart."""
    limit = sorted((plan.total_cycles * plan.runs for plan in plans), reverse=True)
    least = limit[min(_MOST_BARS, len(limit)) - 1]
    return [plan for plan in plans if plan.total_cycles * plan.runs >= least]
