"""Figures of a recommendation. Needs matplotlib (extra `plots`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from airchitect_jax.oracle.joint import FrontPoint
from airchitect_jax.recommendation.exact import Recommendation, objective_cost
from airchitect_jax.recommendation.roofline import roofline_of
from airchitect_jax.recommendation.tables import (
    beginning,
    by_gemm,
    dims_text,
    pareto_records,
)
from airchitect_jax.reporting import number_text
from airchitect_jax.reporting.style import (
    BLACK,
    BLUE,
    ORANGE,
    PHONE,
    RED,
    Drawing,
    LogNorm,
    PatchCollection,
    Rectangle,
    legend_below,
    new_figure,
    plain,
    plain_log,
    styled,
)
from airchitect_jax.types import Objective

_MOST_GEMMS = 16


def figures(
    recommendation: Recommendation, points: Sequence[FrontPoint]
) -> Mapping[str, tuple[str, Drawing]]:
    """Caption and figure by file name."""
    cost = {
        Objective.CYCLES: "number of cycles",
        Objective.ENERGY: "energy",
        Objective.EDP: "product of energy and cycles",
    }[recommendation.objective]
    losses = (
        f"Right: by how much the {cost} of a run is above that on the design that is best for this"
        " GEMM alone within the same budgets."
        if any(_losses(recommendation))
        else f"No other design within the budgets has a lower {cost} for one of them."
    )
    one_array = len(recommendation.survey.space.rows) == 1
    drawn = {
        "roofline": (
            "Roofline: MACs per cycle of each layer over its MACs per byte of DRAM traffic, on the"
            " recommended design. The roof is set by the bandwidth, then by the array. Areas of the"
            " marks are shares of the cycles; the costliest layers have their names.",
            roofline(recommendation),
        ),
        "utilization": (
            "The GEMMs with the most cycles, by their first layers: utilization of the recommended"
            f" array, stalls included. {losses}",
            utilization(recommendation),
        ),
        "pareto": (
            "The Pareto front within the budgets: cycles over energy; colours are"
            f" {'SRAM' if one_array else 'MAC units'}. Each mark is an array and a sizing with its"
            " fastest or its most energy-efficient dataflows; the star is the recommended design.",
            pareto(recommendation, points),
        ),
    }
    if not one_array:
        drawn["pareto_macs"] = (
            "The same front: cycles over MAC units; colours are SRAM.",
            pareto_macs(recommendation, points),
        )
        drawn["heatmap"] = (
            "Cycles of the whole workload over the fewest, for each number of"
            " rows and columns of the array, with the best sizing and the fastest dataflows. The"
            " red square is the recommended array.",
            heatmap(recommendation),
        )
    return drawn


@styled
def roofline(recommendation: Recommendation) -> Drawing:
    """Layers under the roofs of bandwidth and array; marker areas are shares of the cycles."""
    plans = recommendation.layers
    num_macs = recommendation.design.num_macs
    return roofline_of(
        plans,
        shares=[plan.total_cycles * plan.runs / recommendation.cycles for plan in plans],
        intensity=[plan.macs_per_dram_byte for plan in plans],
        rates=[plan.overall_utilization * num_macs for plan in plans],
        bandwidth=recommendation.survey.platform.bandwidth_bytes_per_cycle,
        peak=num_macs,
        roofs=(
            f"{recommendation.survey.platform.bandwidth_bytes_per_cycle} bytes per cycle",
            f"{num_macs:,} MAC units",
        ),
        unit="MACs per cycle",
    )


@styled
def utilization(recommendation: Recommendation) -> Drawing:
    """Bars of the costliest GEMMs: utilization, and the loss against its own best design."""
    rows = by_gemm(recommendation.layers)[:_MOST_GEMMS]
    plans = [plan for plan, _, _ in rows]
    losses = _losses(recommendation)
    records = [
        (
            ("layer", plan.layer.name),
            ("m x n x k", dims_text(plan.gemm)),
            ("runs", f"{runs:,}"),
            ("share of the cycles", f"{plan.total_cycles * runs / recommendation.cycles:.1%}"),
            ("dataflow", plan.dataflow.name),
            ("utilization", f"{plan.overall_utilization:.1%}"),
            ("cycles", f"{plan.total_cycles:,}"),
            ("best design alone", plan.own_design.describe()),
            ("cycles there", f"{plan.own_cycles:,}"),
            ("loss", f"{number_text(loss)}%"),
        )
        for (plan, _, runs), loss in zip(rows, losses, strict=True)
    ]
    drawn = [([100 * plan.overall_utilization for plan in plans], "utilization (%)", 100.0, BLUE)]
    if any(losses):
        drawn.append((losses, "loss (%)", 1.05 * max(losses), ORANGE))
    figure = new_figure(columns=len(drawn), width=PHONE, height=0.9 + 0.24 * len(rows))[0]
    across = np.arange(len(rows))
    names = [plain(beginning(plan.layer.name, 18)) for plan in plans]
    for axes, (values, label, most, color) in zip(figure.axes, drawn, strict=True):
        figure.tell(axes.barh(across, values, color=color), records)
        axes.invert_yaxis()
        axes.set_xlabel(label)
        axes.set_xlim(0, most)
        axes.set_yticks(across, names if axes is figure.axes[0] else [""] * len(rows))
    return figure


def _losses(recommendation: Recommendation) -> list[float]:
    """How much more, in percent, the costliest GEMMs cost than each on its own best design."""
    objective = recommendation.objective
    return [
        100 * (objective_cost(objective, plan.total_cycles, plan.energy_fj) / own - 1)
        for plan, _, _ in by_gemm(recommendation.layers)[:_MOST_GEMMS]
        for own in [objective_cost(objective, plan.own_cycles, plan.own_energy_fj)]
    ]


@styled
def pareto(recommendation: Recommendation, points: Sequence[FrontPoint]) -> Drawing:
    """Cycles over energy, colours by MACs, or by SRAM if there is only one array."""
    one_array = len(recommendation.survey.space.rows) == 1
    return _front(
        recommendation,
        points,
        across=[float(point.energy_fj) * 1e-12 for point in points],
        chosen=recommendation.energy_fj * 1e-12,
        label="energy (mJ)",
        colors=[point.sram_bytes // 1024 if one_array else point.num_macs for point in points],
        color_label="SRAM (KB)" if one_array else "MAC units",
    )


@styled
def pareto_macs(recommendation: Recommendation, points: Sequence[FrontPoint]) -> Drawing:
    """Cycles over MACs, colours by SRAM."""
    return _front(
        recommendation,
        points,
        across=[point.num_macs for point in points],
        chosen=recommendation.design.num_macs,
        label="MAC units",
        colors=[point.sram_bytes // 1024 for point in points],
        color_label="SRAM (KB)",
    )


def _front(
    recommendation: Recommendation,
    points: Sequence[FrontPoint],
    *,
    across: Sequence[float],
    chosen: float,
    label: str,
    colors: Sequence[int],
    color_label: str,
) -> Drawing:
    figure, axes = new_figure(width=PHONE, height=4.0)
    marks = axes.scatter(
        across,
        [float(point.cycles) for point in points],
        c=colors,
        norm=LogNorm(min(colors), max(*colors, min(colors) + 1)),
        s=28,
        edgecolor=BLACK,
        linewidth=0.4,
    )
    figure.tell(marks, pareto_records(recommendation, points))
    star = axes.scatter(
        chosen,
        float(recommendation.cycles),
        marker="*",
        s=170,
        color=RED,
        edgecolor="white",
        label="recommended",
    )
    design = recommendation.design
    record = (
        ("design", f"recommended: {design.describe()}"),
        ("cycles", f"{recommendation.cycles:,}"),
        ("energy (mJ)", number_text(recommendation.energy_fj / 1e12)),
        ("MAC units", f"{design.num_macs:,}"),
        ("SRAM (KB)", f"{design.sram_bytes // 1024:,}"),
    )
    figure.tell(star, [record])
    axes.set_xscale("log")
    axes.set_yscale("log")
    plain_log(axes.xaxis)
    plain_log(axes.yaxis)
    axes.set_xlabel(label)
    axes.set_ylabel("cycles")
    bar: Any = figure.colorbar(marks, ax=axes, label=color_label, location="top", aspect=40)
    plain_log(bar.ax.xaxis)
    legend_below(figure, (axes,), columns=1)
    return figure


@styled
def heatmap(recommendation: Recommendation) -> Drawing:
    """The fewest cycles over log2 of rows and of columns."""
    survey = recommendation.survey
    space = survey.space
    fewest = survey.cycles[Objective.CYCLES].min(axis=1).astype(float)
    rows, cols = (np.log2(sides).astype(int) - 1 for sides in (space.rows, space.cols))
    ratios = fewest / fewest.min()
    figure, axes = new_figure(width=PHONE, height=4.4)
    cells = PatchCollection(
        [Rectangle((col - 0.5, row - 0.5), 1, 1) for row, col in zip(rows, cols, strict=True)],
        cmap="viridis_r",
        norm=LogNorm(1, max(ratios.max(), 1.01)),
        edgecolor="white",
        linewidth=0.5,
    )
    cells.set_array(ratios)
    axes.add_collection(cells)
    figure.tell(
        cells,
        [
            (
                ("array (rows x columns)", f"{height}x{width}"),
                ("MAC units", f"{height * width:,}"),
                ("cycles with the best sizing", number_text(value)),
                ("times the fewest", number_text(ratio)),
            )
            for height, width, value, ratio in zip(
                space.rows.tolist(),
                space.cols.tolist(),
                fewest.tolist(),
                ratios.tolist(),
                strict=True,
            )
        ],
    )
    design = recommendation.design
    place = (design.cols.bit_length() - 2.5, design.rows.bit_length() - 2.5)
    axes.add_patch(Rectangle(place, 1, 1, fill=False, edgecolor=RED, linewidth=2.5))
    for side, axis in ((rows, axes.yaxis), (cols, axes.xaxis)):
        axis.set_ticks(range(side.max() + 1), [str(2 << place) for place in range(side.max() + 1)])
    axes.tick_params(axis="x", rotation=90)
    axes.set(xlim=(-0.5, cols.max() + 0.5), ylim=(-0.5, rows.max() + 0.5))
    axes.grid(visible=False)
    axes.set_xlabel("columns")
    axes.set_ylabel("rows")
    bar: Any = figure.colorbar(
        cells, ax=axes, label="cycles over the fewest", location="top", aspect=40
    )
    plain_log(bar.ax.xaxis)
    return figure
