"""The files of a validation against measured cycles."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any

import rich.table

from airchitect_jax._support import csv_text
from airchitect_jax.learning import CALIBRATED_SIDE
from airchitect_jax.reporting import (
    configuration,
    document,
    escape,
    facts,
    figure,
    markdown_table,
    table,
    tiles,
)
from airchitect_jax.studies.gemmini.measurements import Measurement
from airchitect_jax.studies.gemmini.predictions import Predictions, fit_rows

_SOURCE = (
    "RTL cycles of Gemmini measured with FireSim by Hong et al., DOSA, MICRO 2023;"
    " github.com/ucb-bar/dosa at a7a3239, folder data; BSD 2-Clause"
)
_HEADINGS = {
    "spearman": "Spearman",
    "median_error": "median error",
    "p90_error": "p90 error",
    "coverage_90": "in the 90% interval",
}
_NAMES = {
    "uncalibrated": "Gemmini equations, not calibrated",
    "tiled": "TILED",
    "timeloop": "Timeloop",
}
_CALIBRATED = "calibrated on other {}"
_CAPTION = (
    "Left: predicted over measured cycles, on the line if they are equal. Middle and right: the"
    " calibrated prediction over the measurement with its 90% interval, one line per layer, at 1 if"
    " they are equal."
)


def calibration_json(rows: Sequence[Measurement]) -> dict[str, Any]:
    """A calibration on all rows of arrays of 16 x 16, with its provenance."""
    used = [row for row in rows if row.machine.side == CALIBRATED_SIDE]
    return fit_rows(used).as_json() | {
        "rows": len(used),
        "layers": len({row.layer_key for row in used}),
        "machines": sorted({row.machine.name for row in used}),
        "source": _SOURCE,
    }


def predictions_csv(predictions: Predictions) -> str:
    """One line per row, with what was measured and all predictions; empty where there is none."""
    columns: dict[str, Any] = {
        "measured": [row.cycles for row in predictions.rows],
        "uncalibrated": predictions.uncalibrated,
        "tiled": predictions.tiled,
        "timeloop": [row.timeloop_cycles for row in predictions.rows],
    }
    for name in ("by_machine", "by_layer"):
        calibrated = dataclasses.asdict(getattr(predictions, name))
        columns |= {f"{name}_{end}": values for end, values in calibrated.items()}
    columns |= {
        "auto_measured": [row.auto_cycles for row in predictions.rows],
        "auto_uncalibrated": predictions.auto_uncalibrated,
        "auto_by_machine": predictions.auto_by_machine,
    }
    lines: list[list[object]] = [
        ["machine", *predictions.rows[0].layer._fields, "stride", *columns]
    ]
    for place, row in enumerate(predictions.rows):
        cells = [_cell(values[place]) for values in columns.values()]
        lines.append([row.machine.name, *row.layer, row.stride, *cells])
    return csv_text(lines)


def tables(summary: Mapping[str, Any]) -> dict[str, list[list[str]]]:
    """Rows of cells by title, with a header first."""
    found = {}
    for array, scores in summary["arrays"].items():
        lines = [["prediction", *_HEADINGS.values()]]
        for key, name in _NAMES.items():
            lines.append(_line(name, scores["by_machine"], key))
        for split in ("machine", "layer"):
            name = _CALIBRATED.format(f"{split}s")
            lines.append(_line(name, scores[f"by_{split}"], "calibrated"))
        found[f"{scores['num_rows']} layers on {array}"] = [line for line in lines if any(line[1:])]
    lines = [["machine", "layers", "not calibrated", "calibrated", "in the 90% interval"]]
    for name, scores in summary["machines"].items():
        median = scores["median_error"]
        lines.append(
            [
                name,
                str(scores["num_rows"]),
                _percent(median["uncalibrated"]),
                _percent(median["calibrated"]),
                _percent(scores["coverage_90"]["calibrated"]),
            ]
        )
    found["Median error by machine, calibrated on the others"] = lines
    if summary["auto"]["num_rows"]:
        lines = [["prediction", *list(_HEADINGS.values())[:3]]]
        for key, name in (
            ("uncalibrated", _NAMES["uncalibrated"]),
            ("calibrated", _CALIBRATED.format("machines")),
        ):
            lines.append(_line(name, summary["auto"], key)[:4])
        found["Tiles that Gemmini's library chooses"] = lines
    return found


def markdown(summary: Mapping[str, Any], figures: Sequence[str]) -> str:
    """The report."""
    text = "# Predicted and measured cycles of Gemmini\n"
    for title, (header, *lines) in tables(summary).items():
        text += f"\n## {title}\n\n{markdown_table(header, lines)}"
    return text + "".join(f"\n![{name}](figures/{name}.png)\n" for name in figures)


def page(summary: Mapping[str, Any], svg: str, config: Mapping[str, Any]) -> str:
    """The report as HTML; `svg` is the figure."""
    question = [
        ("question", "do predicted cycles rank and match those of Gemmini's RTL?"),
        ("measurements", _SOURCE),
        *((array, f"{scores['num_rows']} layers") for array, scores in summary["arrays"].items()),
    ]
    found = [
        (f"median error on {array}, calibrated on other machines", _percent(median))
        for array, scores in summary["arrays"].items()
        if (median := scores["by_machine"]["median_error"]["calibrated"]) is not None
    ]
    sections = "".join(
        f"<h2>{escape(title)}</h2>{table(header, lines, title)}"
        for title, (header, *lines) in tables(summary).items()
    )
    return document(
        "Predicted and measured cycles of Gemmini",
        f"""{facts("Question", question)}
{tiles("How well cycles are predicted", found)}
{sections}
<h2>Figure</h2>
{figure(svg, _CAPTION)}
{configuration(config)}""",
    )


def rich_tables(summary: Mapping[str, Any]) -> list[rich.table.Table]:
    """The tables for a terminal."""
    found = []
    for title, (header, *lines) in tables(summary).items():
        shown = rich.table.Table(title=title)
        for place, heading in enumerate(header):
            shown.add_column(heading, justify="right" if place else "left")
        for line in lines:
            shown.add_row(*line)
        found.append(shown)
    return found


def _line(name: str, scores: Mapping[str, Any], key: str) -> list[str]:
    shown = [name]
    for measure in _HEADINGS:
        value = scores.get(measure, {}).get(key)
        shown.append(_percent(value) if measure != "spearman" else _ratio(value))
    return shown


def _ratio(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"


def _percent(value: float | None) -> str:
    return "" if value is None else f"{value:.1%}"


def _cell(value: float | None) -> object:
    return "" if value is None or math.isnan(value) else round(float(value), 1)
