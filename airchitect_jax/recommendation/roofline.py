"""The roofline of layers on a design. Needs matplotlib (extra `plots`)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from airchitect_jax.recommendation.tables import beginning, dims_text
from airchitect_jax.reporting import number_text
from airchitect_jax.reporting.style import (
    BLACK,
    OF_DATAFLOW,
    PHONE,
    Drawing,
    label_points,
    legend_below,
    new_figure,
    plain_log,
    styled,
)
from airchitect_jax.types import Dataflow


@styled
def roofline_of(
    plans: Sequence[Any],
    *,
    shares: Sequence[float],
    intensity: Sequence[float],
    rates: Sequence[float],
    bandwidth: float,
    peak: float,
    roofs: tuple[str, str],
    unit: str,
) -> Drawing:
    """Layers under the roofs of bandwidth and arrays.

    Args:
      plans: layers on a design.
      shares: of the time, for each; the areas of the markers.
      intensity: MACs per byte of DRAM traffic, for each.
      rates: what each reaches.
      bandwidth: the roof per MAC per byte.
      peak: the roof of the arrays.
      roofs: texts for both.
      unit: of rates and roofs.
    """
    figure, axes = new_figure(width=PHONE, height=4.2)
    ridge = peak / bandwidth
    low, high = min(*intensity, ridge) / 3, max(*intensity, ridge) * 3
    axes.loglog([low, ridge, high], [low * bandwidth, peak, peak], color=BLACK, linewidth=1.2)
    for flow in Dataflow:
        here = [index for index, plan in enumerate(plans) if plan.dataflow is flow]
        if not here:
            continue
        marks = axes.scatter(
            [intensity[index] for index in here],
            [rates[index] for index in here],
            s=[20 + 900 * shares[index] for index in here],
            color=OF_DATAFLOW[flow]["color"],
            alpha=0.6,
            edgecolor=BLACK,
            linewidth=0.5,
            label=f"{flow.name}: {len(here)} layers",
        )
        figure.tell(
            marks,
            [
                (
                    ("layer", plans[index].layer.name),
                    ("m x n x k", dims_text(plans[index].gemm)),
                    ("dataflow", flow.name),
                    ("runs", f"{plans[index].runs:,}"),
                    ("share of the time", f"{shares[index]:.1%}"),
                    ("MACs per byte of DRAM traffic", number_text(intensity[index])),
                    (unit, number_text(rates[index])),
                )
                for index in here
            ],
        )
    axes.set_ylim(top=peak * 3)
    axes.set_xlim(low, high)
    axes.set_xlabel("MACs per byte of DRAM traffic")
    axes.set_ylabel(unit)
    plain_log(axes.xaxis)
    plain_log(axes.yaxis)
    legend_below(figure, (axes,), columns=3)
    for handle in figure.legends[0].legend_handles:
        handle.set_sizes([40])  # type: ignore[union-attr]
    axes.text(0.02, 0.98, f"roof: {roofs[0]}, then {roofs[1]}", va="top", transform=axes.transAxes)
    order = sorted(range(len(plans)), key=lambda index: -shares[index])
    names: dict[str, tuple[float, float]] = {}  # layers of the same GEMM are at the same place
    for index in order:
        place = (intensity[index], rates[index])
        if place not in names.values():
            names.setdefault(beginning(plans[index].layer.name, 20), place)
    label_points(axes, list(names.values()), list(names))
    return figure
