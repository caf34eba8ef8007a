"""All exhibits of a case study, and the page, the tables and the summary that they make."""

from __future__ import annotations

import dataclasses
import pathlib
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from airchitect_jax._support import files
from airchitect_jax._support.arrow import pa, pq
from airchitect_jax.case_studies import CaseStudy
from airchitect_jax.reporting import html, style
from airchitect_jax.reporting.words import in_words
from airchitect_jax.studies.design_space.changes import boundaries, label_agreement
from airchitect_jax.studies.design_space.exhibit import Exhibit, Maker, percent
from airchitect_jax.studies.design_space.features import information, projection
from airchitect_jax.studies.design_space.labels import frequency, near_ties, overlap
from airchitect_jax.studies.design_space.neighbours import coverage, neighbours
from airchitect_jax.studies.design_space.samples import Sample, layers_of
from airchitect_jax.workloads import Network

# Is told what is being made, how much is finished, and of how much.
OnProgress = Callable[[str, int, int], None]

_MOST_ROWS = 60  # of a table on the page


@dataclasses.dataclass(frozen=True, kw_only=True)
class Finished:
    """An exhibit as it is written."""

    section: str
    exhibit: Exhibit
    seconds: float


def sections(
    samples: Sequence[Sample],
    variants: Mapping[str, CaseStudy],
    networks: Sequence[Network],
    design_aware: Sequence[Maker],
) -> list[tuple[str, Sequence[Maker]]]:
    """What is shown, in order."""
    layers = layers_of(samples[0].case, networks)
    return [
        *([("Design-aware", design_aware)] if design_aware else []),
        (
            "Statistical",
            (
                ("frequency", lambda: frequency(samples)),
                ("overlap", lambda: overlap(samples)),
                ("information", lambda: information(samples)),
                ("projection", lambda: projection(samples)),
                ("neighbours", lambda: neighbours(samples)),
                ("boundaries", lambda: boundaries(samples)),
                ("near_ties", lambda: near_ties(samples)),
                *(
                    [("label_agreement", lambda: label_agreement(samples, variants))]
                    if variants
                    else []
                ),
            ),
        ),
        ("Sensitivity", (("coverage", lambda: coverage(samples, layers)),)),
    ]


def make(makers: Sequence[tuple[str, Sequence[Maker]]], on_progress: OnProgress) -> list[Finished]:
    """Every exhibit, in order; nothing is written."""
    total = sum(len(some) for _, some in makers)
    finished: list[Finished] = []
    for section, some in makers:
        for name, maker in some:
            on_progress(name, len(finished), total)
            start = time.perf_counter()
            exhibit = maker()
            seconds = time.perf_counter() - start
            finished.append(Finished(section=section, exhibit=exhibit, seconds=seconds))
    on_progress("done", total, total)
    return finished


def glance(samples: Sequence[Sample], finished: Sequence[Finished]) -> list[list[object]]:
    """The numbers by which distributions and case studies are compared, one row per number."""
    found = {one.exhibit.name: one.exhibit.summary for one in finished}

    def row(name: str, exhibit: str, key: str, show: Callable[[Any], str]) -> list[object]:
        return [name, *(show(found[exhibit][sample.name][key]) for sample in samples)]

    return [
        row("designs that are ever best", "frequency", "num_labels_seen", str),
        row("label entropy (bits)", "frequency", "label_entropy_bits", lambda x: f"{abs(x):.2f}"),
        row("effective number of classes", "frequency", "effective_classes", "{:.0f}".format),
        row("classes that cover 99%", "frequency", "classes_covering_99", str),
        row("workloads with several designs of least cost", "near_ties", "tie_share", percent),
        row("with another design within 1%", "near_ties", "shared_within_1_percent", percent),
        row("a step of one in m, n or k changes the label", "boundaries",
            "mean_changed_share_of_dims", percent),
        row("nearest neighbour has the right label", "neighbours", "accuracy", percent),
        row("its design is feasible and within 1%", "neighbours", "near", percent),
        row("twins in two samples of half the size", "overlap", "workload_seen", percent),
    ]  # fmt: skip


def write(
    folder: pathlib.Path,
    samples: Sequence[Sample],
    finished: Sequence[Finished],
    *,
    settings: Mapping[str, Any],
    seconds: float,
) -> dict[str, Any]:
    """Figures, tables, labelled samples, report.html, and last summary.json; returns the summary.

    `settings` are the flags of the run, `seconds` what it took before writing.
    """
    start = time.perf_counter()
    case = samples[0].case
    for one in finished:
        name = one.exhibit.name
        files.write_text(folder / "tables" / f"{name}.csv", files.csv_text(one.exhibit.rows))
    style.save_figures(folder, {one.exhibit.name: one.exhibit.figure for one in finished})
    for sample in samples:
        write_sample(folder / "tables" / f"workloads_{sample.name}.parquet", sample)
    files.write_text(folder / "report.html", page(samples, finished, settings))
    # The results are of all distributions, not only of that of the settings.
    of_case = {name: value for name, value in case.settings.items() if name != "distribution"}
    summary = {
        "case_study": case.name,
        "num_designs": case.space.num_designs,
        **of_case,
        "distributions": [sample.name for sample in samples],
        "num_workloads": len(samples[0]),
        "seed": settings["seed"],
        "exhibits": {one.exhibit.name: dict(one.exhibit.summary) for one in finished},
        "texts": {one.exhibit.name: one.exhibit.caption for one in finished},
        "exhibit_seconds": {one.exhibit.name: round(one.seconds, 3) for one in finished},
        "wall_seconds": round(seconds + time.perf_counter() - start, 3),
        "cpu_seconds": round(time.process_time(), 3),  # less misleading on a shared machine
    }
    files.write_json(folder / "summary.json", summary)
    return summary


def write_sample(path: pathlib.Path, sample: Sample) -> None:
    """A labelled sample as Parquet: the features and `design_id`, all int32."""
    columns = {
        feature.name: row
        for feature, row in zip(sample.case.features, sample.workloads, strict=True)
    }
    table = pa.table({**columns, "design_id": np.asarray(sample.design_ids, np.int32)})
    with files.atomic_path(path) as temporary:
        pq.write_table(table, temporary)


def page(
    samples: Sequence[Sample], finished: Sequence[Finished], settings: Mapping[str, Any]
) -> str:
    """The report: one file that needs no network."""
    case = samples[0].case
    names = [sample.name for sample in samples]
    objective, unit = case.settings.get("objective", case.objective.value), case.objective.unit
    question = [
        ("decision", f"{case.title}, one of {case.space.num_designs:,} designs"),
        ("objective", f"least {in_words(objective)}" + f" ({unit})" * (unit != objective)),
        *((in_words(one.name), f"{one.low:,} to {one.high:,}") for one in case.features),
        ("workloads", f"{len(samples[0]):,} of each distribution, with exact labels"),
        ("distributions", " and ".join(names)),
    ]
    first, *others = glance(samples, finished)
    tiles = [(f"{first[0]}, {name}", value) for name, value in zip(names, first[1:], strict=True)]
    parts = [
        html.facts("Question", question),
        html.tiles("Which designs are best", tiles),
        html.table(["measure", *names], others, "Measures by distribution"),
        f"<p>Where a figure shows one distribution, it is {html.escape(names[0])}.</p>",
    ]
    section = ""
    for one in finished:
        if one.section != section:
            section = one.section
            parts.append(f"<h2>{html.escape(section)}</h2>")
        exhibit = one.exhibit
        parts += [
            f"<h3>{html.escape(exhibit.title)}</h3>",
            html.figure(style.to_svg(exhibit.figure, exhibit.name), exhibit.caption),
            _folded(exhibit),
        ]
    parts.append(html.configuration({**settings, **case.settings}))
    return html.document(f"{case.name}: the design space of {case.title}", "".join(parts))


def _folded(exhibit: Exhibit) -> str:
    """The table of an exhibit, folded away; the rest of a long one is in its file."""
    header, *rows = exhibit.rows
    shown = rows[:_MOST_ROWS]
    more = len(rows) - len(shown)
    note = f"<p>and {more:,} more rows in tables/{exhibit.name}.csv</p>" if more else ""
    body = html.table([in_words(name) for name in header], shown, exhibit.title)
    return html.folded("Numbers", body + note)
