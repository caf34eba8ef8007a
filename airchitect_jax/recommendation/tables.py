"""A recommendation as tables: the headline, the summary, CSV files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Protocol, TypeVar

from airchitect_jax._support import csv_text
from airchitect_jax.oracle.joint import Design, FrontPoint
from airchitect_jax.recommendation.exact import LayerPlan, Proposal, Recommendation
from airchitect_jax.reporting import number_text
from airchitect_jax.types import Interface, MemoryModel, Objective
from airchitect_jax.workloads import Network

# SCALE-Sim's header of COMPUTE_REPORT.csv, and the columns added to it.
COMPUTE_REPORT = (
    "LayerID",
    "Total Cycles (incl. prefetch)",
    "Total Cycles",
    "Stall Cycles",
    "Overall Util %",
    "Mapping Efficiency %",
    "Compute Util %",
)
_ADDED = ("Layer", "Network", "Dataflow", "Runs")

Cycles = Mapping[tuple[int, int, int], int]  # by m, n, k


def design_summary(design: Design) -> dict[str, int]:
    """The parameters of a design, with units in their names."""
    return {
        "rows": design.rows,
        "cols": design.cols,
        "num_macs": design.num_macs,
        "ifmap_sram_kb": design.ifmap_sram_bytes // 1024,
        "filter_sram_kb": design.filter_sram_bytes // 1024,
        "ofmap_sram_kb": design.ofmap_sram_bytes // 1024,
        "sram_kb": design.sram_bytes // 1024,
    }


def summary_of(
    recommendation: Recommendation,
    points: Sequence[FrontPoint],
    proposal: Proposal | None,
    replayed: Cycles,
) -> dict[str, Any]:
    """The contents of summary.json, except for what the script adds.

    `replayed` is what `scalesim3_cycles` returns.
    """
    survey, plans = recommendation.survey, recommendation.layers
    best = {
        name: min(points, key=lambda point: getattr(point, name))
        for name in ("cycles", "energy_fj")
    }
    return {
        "objective": recommendation.objective.value,
        "runtime_model": survey.platform.runtime_model.value,
        "memory_model": MemoryModel.IDEAL.value,
        "interface": survey.platform.interface.value,
        "bandwidth_bytes_per_cycle": survey.platform.bandwidth_bytes_per_cycle,
        "element_bytes": survey.platform.element_bytes,
        **({"cost_terms": survey.platform.term_names} if survey.platform.terms else {}),
        "workloads": [
            {
                "name": network.name,
                "weight": weight,
                "layers": len(network.layers),
                "macs": network.macs,
                "operators": network.operator_counts,
                "skipped": dict(network.skipped),
            }
            for network, weight in zip(recommendation.networks, recommendation.weights, strict=True)
        ],
        "distinct_gemms": len(survey.workload.gemms),
        "num_designs": survey.space.num_designs,
        "design": design_summary(recommendation.design),
        "dataflows": dict(Counter(plan.dataflow.name for plan in plans)),
        "cycles": recommendation.cycles,
        "stall_cycles": sum(plan.stall_cycles * plan.runs for plan in plans),
        "scalesim3_cycles": _replayed_total(plans, replayed),
        "energy_fj": recommendation.energy_fj,
        "edp_fj_cycles": recommendation.cycles * recommendation.energy_fj,
        "dram_bytes": sum(plan.dram_bytes * plan.runs for plan in plans),
        "utilization": recommendation.utilization,
        "own_designs": {
            "cycles": recommendation.own_cycles,
            "energy_fj": recommendation.own_energy_fj,
            "cost_of_compromise": recommendation.cost / recommendation.own_cost - 1,
        },
        "pareto": {
            "points": len(points),
            "fewest_cycles": best["cycles"].cycles,
            "least_energy_fj": best["energy_fj"].energy_fj,
        },
        **({"trained": _proposal_summary(proposal)} if proposal else {}),
    }


def _replayed_total(plans: Sequence[LayerPlan], replayed: Cycles) -> int | None:
    """Cycles of the whole workload by the replay; None if a layer was not replayed."""
    if any(plan.gemm not in replayed for plan in plans):
        return None
    return sum(replayed[plan.gemm] * plan.runs for plan in plans)


def _proposal_summary(proposal: Proposal) -> dict[str, Any]:
    return {
        "workdirs": list(proposal.trained),
        "design": design_summary(proposal.design),
        "candidates": proposal.num_candidates,
        "layers_out_of_range": proposal.num_out_of_range,
        "cost": proposal.cost,
        "certified_regret": proposal.regret,
    }


def compute_report_csv(plans: Sequence[LayerPlan]) -> str:
    """SCALE-Sim's columns, one run of each layer, followed by columns that identify it.

    The first fill is among the stalls here, so the totals with and without prefetch are the same.
    """
    rows = [
        [
            number,
            plan.total_cycles,
            plan.total_cycles,
            plan.stall_cycles,
            100 * plan.overall_utilization,
            100 * plan.mapping_efficiency,
            100 * plan.compute_utilization,
            plan.layer.name,
            plan.network,
            plan.dataflow.name,
            plan.runs,
        ]
        for number, plan in enumerate(plans)
    ]
    return csv_text([[*COMPUTE_REPORT, *_ADDED], *rows])


class _Plan(Protocol):
    """A layer on a design."""

    @property
    def gemm(self) -> tuple[int, int, int]: ...
    @property
    def runs(self) -> int: ...
    @property
    def total_cycles(self) -> int: ...


_OnDesign = TypeVar("_OnDesign", bound=_Plan)


def by_gemm(plans: Sequence[_OnDesign]) -> list[tuple[_OnDesign, int, int]]:
    """Each distinct GEMM once, most cycles first: (a layer's plan, such layers, their runs).

    Layers with the same GEMM differ only in their names; they run alike.
    """
    groups: dict[tuple[int, int, int], list[_OnDesign]] = {}
    for plan in plans:
        groups.setdefault(plan.gemm, []).append(plan)
    merged = [(group[0], len(group), sum(plan.runs for plan in group)) for group in groups.values()]
    return sorted(merged, key=lambda row: -row[0].total_cycles * row[2])


def short_name(name: str) -> str:
    """A name, shortened to its beginning and end if it is long."""
    return name if len(name) <= 31 else f"{name[:14]}...{name[-14:]}"


def beginning(name: str, most_letters: int) -> str:
    """A name, shortened to its beginning if it is long."""
    return name if len(name) <= most_letters else f"{name[: most_letters - 3]}..."


LAYER_COLUMNS = (
    "network",
    "layer",
    "m",
    "n",
    "k",
    "runs",
    "dataflow",
    "total_cycles",
    "stall_cycles",
    "scalesim3_cycles",
    "overall_utilization",
    "energy_fj",
    "dram_bytes",
    "own_design",
    "own_dataflow",
    "own_cycles",
    "own_energy_fj",
)


def layer_rows(plans: Sequence[LayerPlan], replayed: Cycles) -> list[list[object]]:
    """One row per layer, as in `LAYER_COLUMNS`; empty where a layer was not replayed."""
    return [
        [
            plan.network,
            plan.layer.name,
            plan.layer.m,
            plan.layer.n,
            plan.layer.k,
            plan.runs,
            plan.dataflow.name,
            plan.total_cycles,
            plan.stall_cycles,
            replayed.get(plan.gemm, ""),
            round(plan.overall_utilization, 6),
            plan.energy_fj,
            plan.dram_bytes,
            plan.own_design.describe(),
            plan.own_dataflow.name,
            plan.own_cycles,
            plan.own_energy_fj,
        ]
        for plan in plans
    ]


def layers_csv(plans: Sequence[LayerPlan], replayed: Cycles) -> str:
    """All layers, one row per layer."""
    return csv_text([LAYER_COLUMNS, *layer_rows(plans, replayed)])


PARETO_COLUMNS = (
    "rows",
    "cols",
    "num_macs",
    "ifmap_sram_kb",
    "filter_sram_kb",
    "ofmap_sram_kb",
    "sram_kb",
    "dataflows",
    "cycles",
    "energy_fj",
)


def pareto_rows(recommendation: Recommendation, points: Sequence[FrontPoint]) -> list[list[object]]:
    """One row per point, as in `PARETO_COLUMNS`."""
    space = recommendation.survey.space
    names = {Objective.CYCLES: "fastest", Objective.ENERGY: "least energy"}
    return [
        [
            int(space.rows[point.shape]),
            int(space.cols[point.shape]),
            point.num_macs,
            *(int(level) * space.buffers.step_kb for level in space.levels[point.sizing]),
            point.sram_bytes // 1024,
            names[point.dataflows],
            point.cycles,
            point.energy_fj,
        ]
        for point in points
    ]


PARETO_HEADER = (
    "array (rows x columns)",
    "MAC units",
    "ifmap, filter, ofmap SRAM",
    "SRAM (KB)",
    "dataflows",
    "cycles",
    "energy (mJ)",
)


def pareto_records(
    recommendation: Recommendation, points: Sequence[FrontPoint]
) -> list[list[tuple[str, str]]]:
    """For each point, `PARETO_HEADER` with texts."""
    records = []
    for rows, cols, macs, *srams, sram, flows, cycles, energy in pareto_rows(
        recommendation, points
    ):
        texts = (
            f"{rows}x{cols}",
            f"{macs:,}",
            f"{'+'.join(map(str, srams))} KB",
            f"{sram:,}",
            str(flows),
            f"{cycles:,}",
            number_text(energy / 1e12),  # type: ignore[operator]
        )
        records.append(list(zip(PARETO_HEADER, texts, strict=True)))
    return records


_OBJECTIVES = {
    Objective.CYCLES: "fewest cycles",
    Objective.ENERGY: "least energy",
    Objective.EDP: "least product of energy and cycles",
}


def question(
    recommendation: Recommendation, *, mac_budget: int, sram_budget_kb: int
) -> list[tuple[str, str]]:
    """What was asked: rows of (name, value)."""
    platform, space = recommendation.survey.platform, recommendation.survey.space
    one_array = f"{space.rows[0]}x{space.cols[0]}"
    return [
        ("workload", weighted_names(recommendation.networks, recommendation.weights)),
        ("objective", _OBJECTIVES[recommendation.objective]),
        ("MAC units at most", f"{mac_budget:,}"),
        ("SRAM at most", f"{sram_budget_kb:,} KB"),
        (
            "DRAM bandwidth",
            f"{platform.bandwidth_bytes_per_cycle:,} bytes per cycle"
            + ("" if platform.interface is Interface.SHARED else " for each operand"),
        ),
        ("width of an element", f"{platform.element_bytes} B"),
        ("arrays", one_array if len(space.rows) == 1 else "all with powers of two as sides"),
        ("runtime model", platform.runtime_model.value),
    ]


def weighted_names(networks: Sequence[Network], weights: Sequence[int]) -> str:
    """A workload in a line, for example "resnet50, 3 x bert_base"."""
    return ", ".join(
        network.name if weight == 1 else f"{weight} x {network.name}"
        for network, weight in zip(networks, weights, strict=True)
    )


def dims_text(gemm: tuple[int, int, int]) -> str:
    """For example "100x20x30": m, n and k."""
    return "x".join(map(str, gemm))


def headline(recommendation: Recommendation, proposal: Proposal | None) -> list[tuple[str, str]]:
    """The headline of the terminal output and of the report: rows of (name, value)."""
    plans, design = recommendation.layers, recommendation.design
    flows = Counter(plan.dataflow.name for plan in plans)
    stalls = sum(plan.stall_cycles * plan.runs for plan in plans) / recommendation.cycles
    unit = recommendation.objective.unit
    own_cost = f"{recommendation.own_cost:,}"
    if len(own_cost) > 20:  # too many digits to read
        own_cost = f"{recommendation.own_cost:.6e}"
    rows = [
        ("array (rows x columns)", f"{design.rows}x{design.cols}"),
        ("ifmap, filter, ofmap SRAM", design.describe_srams()),
        ("MAC units, SRAM", f"{design.num_macs:,}, {design.sram_bytes // 1024:,} KB"),
        ("dataflows", ", ".join(f"{name} {count}" for name, count in sorted(flows.items()))),
        ("cycles", f"{recommendation.cycles:,}"),
        ("stalls, share of cycles", f"{stalls:.1%}"),
        ("energy", f"{recommendation.energy_fj / 1e12:,.3f} mJ"),
        ("utilization", f"{recommendation.utilization:.1%}"),
        ("each layer on its own best design", f"{own_cost} {unit}"),
        (
            "cost of one design for all layers",
            f"{recommendation.cost / recommendation.own_cost - 1:+.2%}",
        ),
        ("designs compared, exactly", f"{recommendation.survey.space.num_designs:,}"),
    ]
    if proposal:
        rows += [
            ("proposed by the trained network", proposal.design.describe()),
            ("its certified regret", f"{proposal.regret:.3%}"),
        ]
    return rows


def unused_budgets(
    recommendation: Recommendation, *, mac_budget: int, sram_budget_kb: int
) -> list[str]:
    """What the budgets allow and the space does not contain, one line each."""
    space, notes = recommendation.survey.space, []
    most = max(space.num_macs.tolist())
    if most < mac_budget:
        notes.append(f"mac_budget: {mac_budget:,}, but the largest array has {most:,} MAC units")
    largest_kb = 3 * space.buffers.num_levels * space.buffers.step_kb
    if largest_kb < sram_budget_kb:
        notes.append(
            f"sram_budget: {sram_budget_kb:,} KB, but the largest sizing has {largest_kb:,} KB"
        )
    return notes


def pareto_csv(recommendation: Recommendation, points: Sequence[FrontPoint]) -> str:
    """The whole front, one row per point."""
    return csv_text([PARETO_COLUMNS, *pareto_rows(recommendation, points)])
