"""Report of the audit of networks beyond their ranges: tables, figures and a page."""

from __future__ import annotations

import pathlib
from collections.abc import Mapping
from typing import Any

from airchitect_jax._support import files, workdir
from airchitect_jax.case_studies import CaseStudy
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
from airchitect_jax.reporting.style import save_figures, to_svgs
from airchitect_jax.reporting.words import in_words
from airchitect_jax.studies.generalisation import plots

# Columns of generalisation.md.
SHARES = {
    "accuracy": "accuracy",
    "accuracy_unmasked": "accuracy, no mask",
    "optimal_set_accuracy": "optimal-set accuracy",
    "optimal_set_accuracy_unmasked": "optimal-set accuracy, no mask",
    "geomean_normalized_performance": "geomean",
    "p01_normalized_performance": "p1",
    "by_confidence_coverage": "answered",
    "by_confidence_risk": "wrong of the answered",
    "by_range_coverage": "answered if in range",
    "by_range_risk": "wrong of those in range",
}
_HEADER = ("test set", "workloads", *SHARES.values())


def write(
    folder: pathlib.Path,
    audits: Mapping[str, Mapping[str, Any]],
    trained: CaseStudy,
    settings: Mapping[str, Any],
) -> None:
    """Writes generalisation.json and .md, CSV files, figures and report.html.

    Args:
      folder: the workdir.
      audits: by the name of the network.
      trained: the case study with the ranges of the training.
      settings: the flags of the run.
    """
    summary = {
        "case_study": trained.name,
        **trained.settings,
        "trained_ranges": {f.name: [f.low, f.high] for f in trained.features},
        "flags": dict(settings),
        "environment": workdir.environment(),
        "models": dict(audits),
    }
    files.write_json(folder / "generalisation.json", summary)
    files.write_text(folder / "generalisation.md", tables(audits))
    for name in ("sets", "regions"):
        files.write_text(folder / f"{name}.csv", _csv(audits, name))
    limits = {feature.name: feature.high for feature in trained.features}
    figures = plots.figures(audits, limits)
    save_figures(folder, {name: one for name, (_, one) in figures.items()})
    files.write_text(
        folder / "report.html",
        page(audits, to_svgs(figures), title=trained.title, limits=limits, settings=settings),
    )


def _csv(audits: Mapping[str, Mapping[str, Any]], key: str) -> str:
    rows = [{"model": model, **row} for model, audited in audits.items() for row in audited[key]]
    header = list(rows[0]) if rows else []
    return files.csv_text([header, *(row.values() for row in rows)])


def tables(audits: Mapping[str, Mapping[str, Any]]) -> str:
    """A table of the test sets for each network, in Markdown."""
    return "".join(
        f"## {model}\n\n{_about(audited)}\n\n{markdown_table(_HEADER, _rows(audited))}\n"
        for model, audited in audits.items()
    )


def _about(audited: Mapping[str, Any]) -> str:
    return (
        f"Told {', '.join(audited['told'])}; {audited['examples']:,} examples; beyond the trained"
        f" ranges {audited['beyond_the_ranges']}; temperature {audited['temperature']:.3f}"
    )


def _rows(audited: Mapping[str, Any]) -> list[list[str]]:
    """One row of texts per test set, as `_HEADER` says."""
    return [
        [
            f"{row['group']}: {row['name']}",
            f"{row['num']:,}",
            *("" if row[key] is None else f"{row[key]:.2%}" for key in SHARES),
        ]
        for row in audited["sets"]
    ]


def page(
    audits: Mapping[str, Mapping[str, Any]],
    drawn: Mapping[str, tuple[str, str]],
    *,
    title: str,
    limits: Mapping[str, int],
    settings: Mapping[str, Any],
) -> str:
    """The report as HTML.

    Args:
      audits: by the name of the network.
      drawn: caption and SVG by name.
      title: of the case study.
      limits: the largest trained value by the name of a feature.
      settings: the flags of the run.
    """
    question = [
        ("decision", title),
        ("networks", ", ".join(audits)),
        *((f"largest {in_words(name)} in training", limit) for name, limit in limits.items()),
    ]
    found = [
        (f"{model}: optimal choices, {row['group']}", f"{row['optimal_set_accuracy']:.2%}")
        for model, audited in audits.items()
        for row in audited["sets"][:2]
    ]
    sections = "".join(
        f"<h2>{escape(model)}</h2><p>{escape(_about(audited))}.</p>"
        f"{table(_HEADER, _rows(audited), f'Test sets of {model}')}"
        for model, audited in audits.items()
    )
    drawings = "".join(figure(svg, caption) for caption, svg in drawn.values())
    return document(
        f"Within and beyond the trained ranges: {title}",
        f"""{facts("Question", question)}
{tiles("How far the networks generalise", found)}
{sections}
<h2>Figures</h2>
{drawings}
{configuration(settings)}""",
    )
