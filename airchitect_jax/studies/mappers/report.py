"""Tables, summary and page of a comparison with AccelForge and ZigZag."""

from __future__ import annotations

import dataclasses
import pathlib
import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from airchitect_jax._support import environment, files
from airchitect_jax.reporting import document, escape, facts, table, tiles
from airchitect_jax.reporting.titled_tables import Table
from airchitect_jax.studies.mappers.agreement import Outcome, agreement_summary, golden_rows
from airchitect_jax.studies.mappers.best import Comparison, Found, Goal
from airchitect_jax.studies.mappers.cases import to_row
from airchitect_jax.studies.mappers.layers import PLATFORM

_GROUPS = ("dram", "sram", "computing", "latency")
_TOOLS = ("accelforge", "zigzag")
_LISTED = 100  # mappings that differ, in the summary


def write_report(
    folder: pathlib.Path,
    outcomes: Sequence[Outcome],
    comparisons: Sequence[Comparison],
    versions: Mapping[str, str],
) -> tuple[list[Table], int]:
    """Writes summary.json, accelforge.csv, best.csv, mappings.md and index.html.

    Returns:
      The tables, and the number of mappings whose counts must agree and do not.
    """
    differing = [
        {**to_row(one.case), "differing": one.differing} for one in outcomes if one.differing
    ]
    differing += [
        {"layer": one.layer.name, "goal": one.goal.name, "differing": one.differing}
        for one in comparisons
        if one.differing
    ]
    agreed = agreement_summary(outcomes)
    shown = _agreement_tables(agreed) if outcomes else []
    shown += [_best_table(comparisons, goal) for goal in Goal if comparisons]
    summary = {
        "versions": dict(versions),
        "mappings": len(outcomes),
        "mappings_that_differ": len(differing),
        "differing": differing[:_LISTED],
        "agreement": agreed,
        "machine": PLATFORM.name,
        "best": {goal.name.lower(): _best_summary(comparisons, goal) for goal in Goal},
        "environment": environment(),
    }
    if outcomes:
        files.write_text(folder / "accelforge.csv", files.csv_text(golden_rows(outcomes)))
    if comparisons:
        files.write_text(folder / "best.csv", files.csv_text(_best_rows(comparisons)))
    files.write_text(folder / "mappings.md", "\n".join(one.markdown() for one in shown))
    files.write_text(
        folder / "index.html",
        _page(shown, versions, num=len(outcomes), differing=len(differing)),
    )
    files.write_json(folder / "summary.json", summary)
    return shown, len(differing)


def _agreement_tables(summary: Mapping[str, Any]) -> list[Table]:
    return [
        Table(
            title="Mappings with the counts of AccelForge, of those that must have them",
            header=(
                "dataflow, steps",
                "mappings",
                "DRAM bytes",
                "SRAM accesses",
                "computing",
                "latency",
                "total / latency: median",
                "max",
            ),
            rows=[
                (
                    name,
                    f"{row['mappings']}",
                    *(f"{row[group][0]} of {row[group][1]}" for group in _GROUPS),
                    f"{row['total_over_latency_median']:.2f}",
                    f"{row['total_over_latency_max']:.1f}",
                )
                for name, row in summary.items()
            ],
        )
    ]


def _best_table(comparisons: Sequence[Comparison], goal: Goal) -> Table:
    """One row per layer: values in the terms of all, and seconds."""
    is_cycles = goal is Goal.CYCLES
    unit = "cycles" if is_cycles else "DRAM bytes"
    own = tuple(f"{tool}: our model" for tool in ("ours", *_TOOLS)) if is_cycles else ()
    return Table(
        title="Fewest cycles" if is_cycles else "Least DRAM traffic",
        header=(
            "layer",
            "m x n x k",
            *own,
            *(f"{tool}: {unit}" for tool in ("ours", *_TOOLS)),
            *(f"{tool}: s" for tool in ("ours", *_TOOLS)),
        ),
        rows=[
            (
                f"{one.layer.network}: {one.layer.name}",
                f"{one.layer.gemm.m} x {one.layer.gemm.n} x {one.layer.gemm.k}",
                *(map(_our_cycles, _every(one)) if is_cycles else ()),
                *(_value(found, goal) for found in _every(one)),
                *("" if found is None else f"{found.seconds:.2g}" for found in _every(one)),
            )
            for one in comparisons
            if one.goal is goal
        ],
    )


def _every(one: Comparison) -> tuple[Found, Found | None, Found | None]:
    return one.ours, one.accelforge, one.zigzag


def _our_cycles(found: Found | None) -> str:
    return "" if found is None or found.our_cycles is None else f"{found.our_cycles:,}"


def _value(found: Found | None, goal: Goal) -> str:
    return "" if found is None else f"{found.value(goal):,.0f}{'' if found.fits else ' *'}"


def _best_summary(comparisons: Sequence[Comparison], goal: Goal) -> dict[str, Any]:
    """Of each tool: how often ours is better, equal or worse, the ratio, and the times.

    Mappings that need more than working halves are counted apart.
    """
    those = [one for one in comparisons if one.goal is goal]
    result: dict[str, Any] = {}
    for tool in _TOOLS:
        found = [(one.ours, theirs) for one in those if (theirs := getattr(one, tool)) is not None]
        pairs = [(ours, theirs) for ours, theirs in found if theirs.fits]
        ratios = [theirs.value(goal) / ours.value(goal) for ours, theirs in pairs]
        if not found:
            continue
        result[tool] = {
            "layers": len(ratios),
            "larger_tiles": len(found) - len(ratios),
            "ours_better": sum(ratio > 1 for ratio in ratios),
            "equal": sum(ratio == 1 for ratio in ratios),
            "ours_worse": sum(ratio < 1 for ratio in ratios),
            "theirs_over_ours_geomean": statistics.geometric_mean(ratios) if ratios else None,
            "theirs_over_ours_min": min(ratios, default=None),
            "theirs_over_ours_max": max(ratios, default=None),
            **_in_our_model(pairs),
            "seconds": sum(theirs.seconds for _, theirs in found),
            "our_seconds": sum(ours.seconds for ours, _ in found),
        }
    floors = [one.ours.reported_cycles / one.floor for one in those if one.floor]
    if floors and goal is Goal.CYCLES:
        result["our_total_over_floor_of_accelforge"] = {
            "median": statistics.median(floors),
            "max": max(floors),
        }
    return result


def _in_our_model(pairs: Sequence[tuple[Found, Found]]) -> dict[str, Any]:
    """Total cycles of their mappings over those of ours, both by our model."""
    ratios = [
        theirs.our_cycles / ours.our_cycles
        for ours, theirs in pairs
        if theirs.our_cycles and ours.our_cycles
    ]
    return {
        "in_our_model": len(ratios),
        "our_model_theirs_over_ours_geomean": statistics.geometric_mean(ratios) if ratios else None,
        "our_model_theirs_over_ours_min": min(ratios, default=None),
    }


def _best_rows(comparisons: Sequence[Comparison]) -> list[list[Any]]:
    """A header, then a row per layer and goal with all that is known of each tool."""
    fields = [field.name for field in dataclasses.fields(Found)]
    header = ["network", "layer", "m", "n", "k", "goal"]
    header += [f"{tool}_{name}" for tool in ("ours", *_TOOLS) for name in fields]
    rows: list[list[Any]] = [[*header, "our_latency_by_accelforge", "floor_of_accelforge"]]
    for one in comparisons:
        gemm = one.layer.gemm
        cells = [one.layer.network, one.layer.name, gemm.m, gemm.n, gemm.k, one.goal.name.lower()]
        for found in _every(one):
            values = {} if found is None else {**vars(found), "dataflow": found.dataflow.name}
            cells += [values.get(name, "") for name in fields]
        rows.append([*cells, one.our_latency_by_accelforge, one.floor])
    return rows


def _page(shown: Sequence[Table], versions: Mapping[str, str], *, num: int, differing: int) -> str:
    question = [
        ("counts", "do random mappings have the same traffic, accesses and cycles of computing?"),
        ("best mappings", "whose mapper finds fewer cycles, or less DRAM traffic?"),
        ("machine of the best mappings", PLATFORM.name),
        *versions.items(),
    ]
    body = "".join(
        f"<h2>{escape(one.title)}</h2>{table(one.header, one.rows, one.title)}" for one in shown
    )
    values = [("mappings compared", num), ("mappings whose counts differ", differing)]
    return document(
        "Mappings beside AccelForge and ZigZag",
        f"{facts('Question', question)}{tiles('Agreement', values)}{body}"
        "<p>An asterisk marks a mapping that needs more than working halves of the buffers.</p>",
    )
