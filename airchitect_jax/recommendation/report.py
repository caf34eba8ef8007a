"""The HTML report of a recommendation: one self-contained file, external text escaped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from airchitect_jax.oracle.joint import FrontPoint
from airchitect_jax.recommendation.exact import Proposal, Recommendation
from airchitect_jax.recommendation.tables import (
    PARETO_COLUMNS,
    Cycles,
    headline,
    pareto_rows,
    short_name,
)
from airchitect_jax.reporting import document, escape, image, table

_LAYER_HEADER = (
    "layer",
    "m x n x k",
    "runs",
    "dataflow",
    "cycles",
    "stalls",
    "scalesim3",
    "utilization",
    "alone: array",
    "alone: cycles",
)
_MOST_POINTS = 40  # of the front


def page(
    title: str,
    recommendation: Recommendation,
    points: Sequence[FrontPoint],
    proposal: Proposal | None,
    replayed: Cycles,
    *,
    figures: Mapping[str, tuple[str, bytes]],
    config: Mapping[str, object],
) -> str:
    """The whole report as HTML."""
    workload_rows = [
        [network.name, weight, len(network.layers), network.macs, _counts(network.operator_counts)]
        for network, weight in zip(recommendation.networks, recommendation.weights, strict=True)
    ]
    thinned = points[:: -(-len(points) // _MOST_POINTS)]
    return document(
        title,
        f"""{table(["", ""], headline(recommendation, proposal))}
<h2>Workload</h2>
{table(["network", "weight", "layers", "MACs", "no matrix work"], workload_rows)}
<h2>Figures</h2>
{"".join(image(png, caption) for caption, png in figures.values())}
<h2>Layers</h2>
<p>On the recommended design, one run of each; beside it the design that would be best for the layer
alone within the same budgets, and how long the layer would take there. The column scalesim3 has the
cycles that the scalesim 3.0.0 package reports, by an exact replay. It takes convolutions for GEMMs,
and is empty where the replay would take too long. layers.csv has more.</p>
{table(_LAYER_HEADER, _layer_rows(recommendation, replayed))}
<h2>Pareto front</h2>
<p>{escape(len(thinned))} of {escape(len(points))} points, evenly spaced; all in pareto.csv.</p>
{table(PARETO_COLUMNS, pareto_rows(recommendation, thinned))}
<h2>Configuration</h2>
{table(["key", "value"], config.items())}""",
    )


def _layer_rows(recommendation: Recommendation, replayed: Cycles) -> list[list[object]]:
    several = len(recommendation.networks) > 1
    return [
        [
            short_name(f"{plan.network}: {plan.layer.name}" if several else plan.layer.name),
            f"{plan.layer.m}x{plan.layer.n}x{plan.layer.k}",
            plan.runs,
            plan.dataflow.name,
            plan.total_cycles,
            f"{plan.stall_cycles / plan.total_cycles:.1%}",
            replayed.get(plan.gemm, ""),
            f"{plan.overall_utilization:.1%}",
            f"{plan.own_design.rows}x{plan.own_design.cols}",
            plan.own_cycles,
        ]
        for plan in recommendation.layers
    ]


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} ({count})" for name, count in counts.items()) or "none"
