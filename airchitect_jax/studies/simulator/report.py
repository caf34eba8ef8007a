"""The report of a run: tables, and quality against replayed workloads. Needs matplotlib."""

from __future__ import annotations

import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import rich.box
import rich.table

from airchitect_jax.reporting import (
    by_name,
    configuration,
    document,
    facts,
    figure,
    folded,
    style,
    table,
    tiles,
)

# Headings of the page, and of the terminal for some of them.
_COLUMNS = {
    "model": "model",
    "workloads": "workloads replayed",
    "optimal_set_accuracy": "optimal sizings",
    "geomean_normalized_performance": "fewest cycles / cycles (geomean)",
    "p01_normalized_performance": "1st percentile",
    "min_normalized_performance": "lowest",
    "train_seconds": "training (s)",
    "microseconds_per_workload": "microseconds per workload",
}
_PRINTED = {
    "optimal_set_accuracy": "optimal",
    "geomean_normalized_performance": "geomean",
    "p01_normalized_performance": "p01",
}
_SHARES = {
    "optimal_set_accuracy": "workloads with an optimal sizing",
    "geomean_normalized_performance": "fewest cycles / cycles (geomean)",
}
_NETWORK_COLUMNS = {
    "network": "network",
    "layers": "layers",
    "in_range": "layers in range",
    "optimal_set_accuracy": "optimal sizings",
    "geomean_normalized_performance": "fewest cycles / cycles (geomean)",
    "min_normalized_performance": "lowest",
    "normalized_performance": "whole network",
    "note": "note",
}
_QUESTION = (
    ("decision", "ifmap, filter and ofmap SRAM, one of 1,000 sizings within a budget"),
    ("objective", "fewest cycles of the scalesim package, by its exact replay"),
)
_CAPTION = (
    "Workloads with an optimal sizing, and the fewest cycles over those of the choice, against the"
    " number of replayed workloads. A marked line per learner; heuristics, dotted, learn nothing."
)


@style.styled
def quality(rows: Sequence[dict[str, Any]]) -> style.Figure:
    """Optimal-set accuracy and geomean against workloads: a line per learner, heuristics dashed."""
    drawing, panels = style.new_figure(rows=2, width=style.PHONE, height=7.6)
    for index, (model, group) in enumerate(by_name(rows, "model").items()):
        for axes, (name, label) in zip(panels, _SHARES.items(), strict=True):
            look = style.line_style(index) | {"label": style.plain(model)}
            if group[0]["workloads"]:
                axes.plot([row["workloads"] for row in group], [row[name] for row in group], **look)
            else:
                axes.axhline(group[0][name], **look | {"marker": None, "linestyle": ":"})
            axes.set(xlabel="replayed workloads (logarithmic)", ylabel=label, xscale="log")
    style.legend_below(drawing, panels[:1], columns=2)
    return drawing


def save_figures(folder: pathlib.Path, summary: Mapping[str, Any]) -> None:
    """Writes figures/quality.png."""
    style.save_figures(folder, {"quality": quality(summary["rows"])})


def page(summary: Mapping[str, Any], config: Mapping[str, Any]) -> str:
    """The whole report."""
    scalars = {k: v for k, v in summary.items() if not isinstance(v, (list, dict))}
    networks = [_cells(row, _NETWORK_COLUMNS) for row in summary["networks"]]
    svg = style.to_svg(quality(summary["rows"]), "quality")
    main = [
        ("workloads with an optimal sizing", f"{summary['optimal_set_accuracy']:.2%}"),
        (
            "fewest cycles / cycles (geomean)",
            f"{summary['geomean_normalized_performance']:.3%}",
        ),
        ("microseconds per workload", summary["microseconds_per_workload"]),
        ("workloads replayed for training", summary["workloads"]),
    ]
    values = table(["key", "value"], [*scalars.items(), *summary["environment"].items()])
    return document(
        "Buffer sizes by the scalesim package: learning",
        f"""{facts("Question", _QUESTION)}
{tiles("How good the network is", main)}
<h2>Unseen workloads</h2>
<p>All learners are told the cycles of every sizing of the replayed workloads, and closed forms of
each buffer by itself; the heuristics are told nothing. The budget only limits the choice, so no
choice is infeasible. Seconds are those of one core.</p>
{table(list(_COLUMNS.values()), [_cells(row, _COLUMNS) for row in summary["rows"]], "Learners")}
{figure(svg, _CAPTION)}
<h2>Real networks</h2>
<p>Layers within the trained ranges, in each dataflow.</p>
{table(list(_NETWORK_COLUMNS.values()), networks, "Real networks")}
<h2>Summary</h2>
{folded("Contents of summary.json", values)}
{configuration(config)}""",
    )


def _cells(row: Mapping[str, Any], columns: Mapping[str, str]) -> list[object]:
    """The values of a row, shares in percent."""
    return [
        f"{row[name]:.2%}" if name in row and _is_share(name) else row.get(name) for name in columns
    ]


def _is_share(name: str) -> bool:
    return name.endswith(("accuracy", "performance"))


def closing_table(rows: Sequence[Mapping[str, Any]]) -> rich.table.Table:
    """One row per model and number of workloads; fits 80 columns."""
    found = rich.table.Table(box=rich.box.SIMPLE, pad_edge=False)
    for index, title in enumerate(("model", "replayed", *_PRINTED.values())):
        found.add_column(title, justify="right" if index else "left", no_wrap=True)
    for row in rows:
        shares = [f"{row[name]:.2%}" for name in _PRINTED]
        found.add_row(row["model"], str(row["workloads"]), *shares)
    return found
