"""The HTML report of a recommendation: one self-contained file, external text escaped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from airchitect_jax.oracle.joint import FrontPoint
from airchitect_jax.recommendation.exact import Proposal, Recommendation
from airchitect_jax.recommendation.tables import (
    PARETO_HEADER,
    Cycles,
    dims_text,
    headline,
    pareto_records,
    question,
    short_name,
)
from airchitect_jax.reporting import (
    configuration,
    document,
    facts,
    figures,
    folded,
    table,
    tiles,
)

# The rows of the headline in large type.
_MAIN = ("array (rows x columns)", "ifmap, filter, ofmap SRAM", "cycles", "energy", "utilization")
_WORKLOAD_HEADER = ("network", "weight", "layers", "MACs", "operators without matrix work")
_LAYER_HEADER = (
    "layer",
    "m x n x k",
    "runs",
    "dataflow",
    "cycles",
    "stalls",
    "cycles in SCALE-Sim",
    "utilization",
    "array alone",
    "cycles alone",
)
_MOST_POINTS = 40  # of the front


def page(
    title: str,
    recommendation: Recommendation,
    points: Sequence[FrontPoint],
    proposal: Proposal | None,
    replayed: Cycles,
    *,
    mac_budget: int,
    sram_budget_kb: int,
    drawn: Mapping[str, tuple[str, str]],
    config: Mapping[str, object],
) -> str:
    """The whole report as HTML; `drawn` has captions and SVGs by name."""
    workload_rows = [
        [network.name, weight, len(network.layers), network.macs, _counts(network.operator_counts)]
        for network, weight in zip(recommendation.networks, recommendation.weights, strict=True)
    ]
    asked = question(recommendation, mac_budget=mac_budget, sram_budget_kb=sram_budget_kb)
    found = headline(recommendation, proposal)
    main = [row for row in found if row[0] in _MAIN]
    more = [row for row in found if row[0] not in _MAIN]
    thinned = points[:: -(-len(points) // _MOST_POINTS)]
    front = [[text for _, text in record] for record in pareto_records(recommendation, thinned)]
    return document(
        title,
        f"""{facts("Question", asked)}
{tiles("Answer", main, more)}
<h2>Figures</h2>
{figures(drawn)}
<h2>Workload</h2>
{table(_WORKLOAD_HEADER, workload_rows, "Networks of the workload")}
<h2>Layers</h2>
<p>One run of each on the recommended design. Alone: on the design that is best for the layer alone
within the same budgets. The cycles in SCALE-Sim are those that the scalesim 3.0.0 package reports,
by an exact replay. It takes convolutions for GEMMs; there are none where the replay would take too
long. layers.csv has more.</p>
{table(_LAYER_HEADER, _layer_rows(recommendation, replayed), "Layers")}
<h2>Pareto front</h2>
<p>Designs that no other beats in cycles, energy, MAC units and SRAM at once: {len(thinned)} of
{len(points):,} points, evenly spaced; all in pareto.csv.</p>
{folded("Points of the front", table(PARETO_HEADER, front, "Pareto front"))}
{configuration(config)}""",
    )


def _layer_rows(recommendation: Recommendation, replayed: Cycles) -> list[list[object]]:
    several = len(recommendation.networks) > 1
    return [
        [
            short_name(f"{plan.network}: {plan.layer.name}" if several else plan.layer.name),
            dims_text(plan.gemm),
            plan.runs,
            plan.dataflow.name,
            plan.total_cycles,
            f"{plan.stall_cycles / plan.total_cycles:.1%}",
            replayed.get(plan.gemm),
            f"{plan.overall_utilization:.1%}",
            f"{plan.own_design.rows}x{plan.own_design.cols}",
            plan.own_cycles,
        ]
        for plan in recommendation.layers
    ]


def _counts(counts: Mapping[str, int]) -> str:
    return (
        ", ".join(f"{name.replace('_', ' ')} ({count})" for name, count in counts.items()) or "none"
    )
