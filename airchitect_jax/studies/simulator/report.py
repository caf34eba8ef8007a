"""The report of a run: tables, and quality against replayed workloads. Needs matplotlib."""

from __future__ import annotations

import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import rich.box
import rich.table

from airchitect_jax.reporting import by_name, document, image, style, table

_COLUMNS = {
    "model": "model",
    "workloads": "replayed",
    "optimal_set_accuracy": "optimal",
    "geomean_normalized_performance": "geomean",
    "p01_normalized_performance": "p01",
    "min_normalized_performance": "minimum",
    "train_seconds": "training s",
    "microseconds_per_workload": "us",
}
_PRINTED = 5  # of the columns
_SHARES = {
    "optimal_set_accuracy": "workloads with an optimal sizing",
    "geomean_normalized_performance": "fewest cycles / cycles (geomean)",
}
_NETWORK_COLUMNS = (
    "network",
    "layers",
    "in_range",
    "optimal_set_accuracy",
    "geomean_normalized_performance",
    "min_normalized_performance",
    "normalized_performance",
    "note",
)


@style.styled
def quality(rows: Sequence[dict[str, Any]]) -> style.Figure:
    """Optimal-set accuracy and geomean against workloads: a line per learner, heuristics dashed."""
    figure, panels = style.new_figure(columns=2, width=10.0, height=4.4)
    for index, (model, group) in enumerate(by_name(rows, "model").items()):
        for axes, (name, label) in zip(panels, _SHARES.items(), strict=True):
            look = style.line_style(index) | {"label": style.plain(model)}
            if group[0]["workloads"]:
                axes.plot([row["workloads"] for row in group], [row[name] for row in group], **look)
            else:
                axes.axhline(group[0][name], **look | {"marker": None, "linestyle": ":"})
            axes.set(xlabel="replayed workloads (logarithmic)", ylabel=label, xscale="log")
    style.legend_below(figure, panels[:1], columns=3)
    return figure


def save_figures(folder: pathlib.Path, summary: Mapping[str, Any]) -> None:
    """Writes figures/quality.png."""
    style.save_figures(folder, {"quality": quality(summary["rows"])})


def page(summary: Mapping[str, Any], config: Mapping[str, Any]) -> str:
    """The whole report."""
    scalars = {k: v for k, v in summary.items() if not isinstance(v, (list, dict))}
    rows = [[row.get(name, "") for name in _COLUMNS] for row in summary["rows"]]
    networks = [[row.get(name, "") for name in _NETWORK_COLUMNS] for row in summary["networks"]]
    figure = style.to_png(quality(summary["rows"]))
    return document(
        "Buffer sizes by the scalesim package: learning",
        f"""<h2>Unseen workloads</h2>
<p>All learners are told the cycles of every sizing of the replayed workloads, and closed forms of
each buffer by itself; the heuristics are told nothing. The budget only limits the choice, so no
choice is infeasible. Seconds are those of one core.</p>
{table(list(_COLUMNS.values()), rows)}
{image(figure, "Quality against replayed workloads.")}
<h2>Real networks</h2>
<p>Layers within the trained ranges, in each dataflow.</p>
{table([name.replace("_", " ") for name in _NETWORK_COLUMNS], networks)}
<h2>Summary</h2>
{table(["key", "value"], [*scalars.items(), *summary["environment"].items()])}
<h2>Configuration</h2>
{table(["key", "value"], config.items())}""",
    )


def closing_table(rows: Sequence[Mapping[str, Any]]) -> rich.table.Table:
    """One row per model and number of workloads; fits 80 columns."""
    found = rich.table.Table(box=rich.box.SIMPLE, pad_edge=False)
    for index, title in enumerate(list(_COLUMNS.values())[:_PRINTED]):
        found.add_column(title, justify="right" if index else "left", no_wrap=True)
    for row in rows:
        shares = [f"{row[name]:.2%}" for name in list(_COLUMNS)[2:_PRINTED]]
        found.add_row(row["model"], str(row["workloads"]), *shares)
    return found
