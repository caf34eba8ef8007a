"""The HTML report of the answer for a platform: one self-contained file, names escaped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from airchitect_jax.oracle.machines import FrontPoint
from airchitect_jax.recommendation.machines.answer import MachineAnswer
from airchitect_jax.recommendation.machines.front import FRONT_HEADER, front_rows
from airchitect_jax.recommendation.machines.front import figures as front_figures
from airchitect_jax.recommendation.machines.tables import (
    count_text,
    describe,
    headline,
    limits,
    mapping_text,
    milliseconds,
    part_text,
    question,
)
from airchitect_jax.recommendation.tables import dims_text, short_name
from airchitect_jax.reporting import (
    configuration,
    document,
    escape,
    facts,
    figures,
    number_text,
    table,
    tiles,
)

# The rows of the headline in large type.
_MAIN = ("array (rows x columns)", "latency", "energy", "average power", "area")
_LAYER_HEADER = (
    "layer",
    "m x n x k",
    "runs",
    "mapping",
    "time (ms)",
    "waiting for DRAM",
    "utilization",
    "energy (uJ)",
)
_OPERATOR_HEADER = ("kind", "runs", "operations", "time (ms)", "DRAM traffic (MB)")


def page(
    title: str,
    answer: MachineAnswer,
    *,
    drawn: Mapping[str, tuple[str, str]],
    config: Mapping[str, object],
) -> str:
    """The whole report as HTML; `drawn` has captions and SVGs by name."""
    found = headline(answer)
    main = [row for row in found if row[0] in _MAIN]
    more = [row for row in found if row[0] not in _MAIN]
    area, energy = answer.physical.area_mm2_by_part, answer.physical.energy_mj_by_part
    return document(
        title,
        f"""{facts("Question", _asked(answer))}
{tiles("Answer", main, more)}
<h2>Figures</h2>
{figures(drawn)}
<h2>Layers</h2>
<p>One run of each. A mapping is a dataflow, the tile of a core (m x n x k), the order of the loops
over tiles from the outside in, and how many cores split m, n and k. layers.csv has more.</p>
{table(_LAYER_HEADER, _layer_rows(answer), "Layers")}
<h2>Operators without matrix work</h2>
{table(_OPERATOR_HEADER, _operator_rows(answer), "Operators without matrix work")}
<p>Of one run of the workload. Not modelled: {escape(_not_modelled(answer))}.</p>
<h2>Platform</h2>
<p>{escape(answer.platform.source or "No source is given.")}</p>
{table(("part", "area (mm2)"), _rounded(area), "Area by part")}
{table(("part", "energy (mJ)"), _rounded(energy), "Energy by part")}
{configuration(config)}""",
    )


def comparison_page(
    title: str,
    answers: Sequence[MachineAnswer],
    *,
    drawn: Mapping[str, tuple[str, str]],
    config: Mapping[str, object],
) -> str:
    """Machines side by side, in total and layer by layer, as HTML; see `page`."""
    names = [answer.platform.name for answer in answers]
    headlines = [dict(headline(answer)) for answer in answers]
    main = [
        (f"latency of {name}", rows["latency"]) for name, rows in zip(names, headlines, strict=True)
    ]
    keys = list(dict.fromkeys(key for rows in headlines for key in rows))
    layers = [
        [
            short_name(plans[0].layer.name),
            dims_text(plans[0].gemm),
            plans[0].runs,
            *(
                number_text(milliseconds(plan.total_cycles * plan.runs, answer))
                for plan, answer in zip(plans, answers, strict=True)
            ),
            *(mapping_text(plan) for plan in plans),
        ]
        for plans in zip(*(answer.layers for answer in answers), strict=True)
    ]
    machines = [[key, *(rows.get(key, "") for rows in headlines)] for key in keys]
    columns = [*(f"{name} (ms)" for name in names), *(f"mapping on {name}" for name in names)]
    return document(
        title,
        f"""{facts("Question", [row for row in question(answers[0]) if row[0] != "platform"])}
{tiles("Answer", main)}
{table(["of each machine", *names], machines, "Machines side by side")}
<h2>Layers</h2>
{figures(drawn)}
<p>Milliseconds of all runs of a layer on each machine, then its mappings.</p>
{table(["layer", "m x n x k", "runs", *columns], layers, "Layers on each machine")}
{configuration(config)}""",
    )


def front_page(
    answer: MachineAnswer,
    points: Sequence[FrontPoint],
    *,
    drawn: Mapping[str, tuple[str, str]],
    config: Mapping[str, object],
) -> str:
    """The front of latency, energy and area as HTML; see `page`."""
    names = ", ".join(network.name for network in answer.networks)
    latency, energy, area = (
        number_text(min(values)) for values in zip(*map(front_figures, points), strict=True)
    )
    main = [
        ("machines on the front", len(points)),
        ("shortest latency", f"{latency} ms"),
        ("least energy", f"{energy} mJ"),
        ("smallest area", f"{area} mm2"),
    ]
    return document(
        f"{answer.platform.name} for {names}: the front of latency, energy and area",
        f"""{facts("Question", _asked(answer))}
{tiles("Answer", main)}
{figures(drawn)}
<h2>Machines</h2>
<p>No machine beats one of these in latency, energy and area at once, but for its gap: by so
much its objective can be above the least within its limits. pareto.csv has more.</p>
{table(FRONT_HEADER, front_rows(points), "Machines on the front")}
{configuration(config)}""",
    )


def title_of(answers: Sequence[MachineAnswer]) -> str:
    """The title of a report."""
    names = ", ".join(network.name for network in answers[0].networks)
    if len(answers) == 1:
        return f"{answers[0].platform.name} for {names}: {describe(answers[0])}"
    return f"{' and '.join(answer.platform.name for answer in answers)} for {names}"


def _asked(answer: MachineAnswer) -> list[tuple[str, str]]:
    """The question, and what the platform says of the interface and of what is searched."""
    rates = answer.platform.hardware.bandwidth_bytes_per_second
    ends = dict.fromkeys(f"{rate / 1e9:g}" for rate in (rates[0], rates[-1]))
    return [
        *question(answer),
        *([] if limits(answer.budgets) else [("budgets", "none")]),
        ("DRAM bandwidth", f"{' to '.join(ends)} GB/s"),
        ("machines of the platform", count_text(answer.num_machines)),
    ]


def _layer_rows(answer: MachineAnswer) -> list[list[object]]:
    several = len(answer.networks) > 1
    return [
        [
            short_name(f"{plan.network}: {plan.layer.name}" if several else plan.layer.name),
            dims_text(plan.gemm),
            plan.runs,
            mapping_text(plan),
            number_text(milliseconds(plan.total_cycles, answer)),
            f"{1 - plan.compute_cycles / plan.total_cycles:.1%}",
            f"{plan.utilization:.1%}",
            number_text(sum(plan.energy_fj.values()) / 1e9),
        ]
        for plan in answer.layers
    ]


def _operator_rows(answer: MachineAnswer) -> list[list[object]]:
    """One row per kind, longest first."""
    kinds: dict[str, list[int]] = {}
    for plan in answer.operators:
        sums = kinds.setdefault(plan.operator.kind.value, [0, 0, 0, 0])
        for index, value in enumerate((1, plan.operator.operations, plan.cycles, plan.dram_bytes)):
            sums[index] += value * plan.runs
    return [
        [
            kind.replace("_", " "),
            runs,
            operations,
            number_text(milliseconds(cycles, answer)),
            number_text(moved / 2**20),
        ]
        for kind, (runs, operations, cycles, moved) in sorted(
            kinds.items(), key=lambda item: -item[1][2]
        )
    ]


def _not_modelled(answer: MachineAnswer) -> str:
    names = [
        f"{name} ({count}) of {network.name}"
        for network in answer.networks
        for name, count in network.skipped.items()
    ]
    return ", ".join(names) or "nothing"


def _rounded(values: Mapping[str, float]) -> list[tuple[str, str]]:
    return [(part_text(name), number_text(value)) for name, value in values.items()]
