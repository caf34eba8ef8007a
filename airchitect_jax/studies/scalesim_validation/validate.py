"""A whole validation, written into a folder. Needs matplotlib (extra `plots`)."""

from __future__ import annotations

import dataclasses
import itertools
import pathlib
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from airchitect_jax._support import environment, files
from airchitect_jax.reporting.style import save_figures, to_svg
from airchitect_jax.reporting.titled_tables import Table
from airchitect_jax.studies.scalesim_validation.figure import validation_figure
from airchitect_jax.studies.scalesim_validation.runs import (
    QUANTITIES,
    Ranges,
    Runs,
    Simulate,
    Source,
    affordable,
    agreement,
    distinct,
    draw,
    joined,
    least_seconds,
)
from airchitect_jax.studies.scalesim_validation.sizing import (
    SizeGrid,
    compare_sizings,
)
from airchitect_jax.studies.scalesim_validation.summary import (
    agreement_summary,
    correlation_by_dataflow,
    error_by_dataflow,
    error_by_reads,
    match_rows,
    package_error_summary,
    regret_summary,
    run_rows,
)
from airchitect_jax.studies.scalesim_validation.tables import page, tables
from airchitect_jax.studies.scalesim_validation.timing import TimedLayer, timings

_LISTED = 100  # mismatches in the summary; runs.csv has all
_CANDIDATES = 6  # draws for each run of the package
_FIGURE = "validate_scalesim"
_SIZING = "sizing"  # where a run is from
_REPLAY_SIDES = (8, 64)
_BANDWIDTHS = (1, 100)

# Is told a title, how many of how many units are done, and what a unit is.
Tell = Callable[[str, str, int, int], None]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings:
    """The size of a validation.

    Attributes:
      seed: of everything random.
      num_runs: random runs of the package.
      num_checks: further runs of the package, taken from the workloads with their sizings.
      max_dim: largest m, n and k of random runs of the package.
      max_side: most rows and columns of their arrays.
      max_run_seconds: runs that would take the package longer, by an estimate, are left out.
      num_workloads: workloads that are sized.
      max_workload_dim: their largest m, n and k; the smallest is 16 or less.
      grid: the sizings.
      layer: what is timed.
      turns: runs of the package for each timing.
    """

    seed: int = 0
    num_runs: int = 400
    num_checks: int = 40
    max_dim: int = 200
    max_side: int = 32
    max_run_seconds: float = 1.0
    num_workloads: int = 300
    max_workload_dim: int = 1024
    grid: SizeGrid = dataclasses.field(default_factory=SizeGrid)
    layer: TimedLayer = dataclasses.field(default_factory=TimedLayer)
    turns: int = 1


@dataclasses.dataclass(frozen=True, kw_only=True)
class Validation:
    """The result of a validation.

    Attributes:
      summary: as in summary.json.
      tables: of the summary.
      differing: runs in which the replay differs from the package; 0 is a pass.
      runs: all runs of the package.
    """

    summary: dict[str, Any]
    tables: list[Table]
    differing: int
    runs: int


@dataclasses.dataclass(frozen=True, kw_only=True)
class Plan:
    """The runs of a validation.

    Attributes:
      runs: of the package, fields of shape [runs].
      sources: where each of them is from: "random", or "sizing" for a sized workload.
      workloads: whose buffers are sized, fields of shape [workloads].
    """

    runs: Runs
    sources: list[str]
    workloads: Runs


def plan(settings: Settings, source: Source) -> Plan:
    """The runs of the settings, on layers and an accelerator of the user if there are any.

    Raises:
      ValueError: no run is short enough for the package.
    """
    workloads = sized_workloads(settings, source)
    random, checks = package_runs(settings, source), sizing_checks(settings, workloads)
    return Plan(
        runs=joined([random, checks]),
        sources=["random"] * len(random) + [_SIZING] * len(checks),
        workloads=workloads,
    )


def validate(
    settings: Settings,
    planned: Plan,
    folder: pathlib.Path,
    simulate: Simulate,
    tell: Tell,
    *,
    package: str = "a stand-in for scalesim",
    file_summary: Mapping[str, Any] | None = None,
) -> Validation:
    """Compares; writes summary.json, matches.csv, runs.csv, validation.md, report.html, a figure.

    Args:
      settings: how much.
      planned: `plan` of the settings.
      folder: the workdir.
      simulate: the package, or what stands in for it.
      tell: is called as the work goes on.
      package: its name and version.
      file_summary: of the comparison of files, if there was one.

    Raises:
      ValueError: a workload is too large for the replay.
    """
    start = time.perf_counter()
    runs, workloads = planned.runs, planned.workloads
    agreed = agreement(
        runs, simulate, lambda done: tell("running the package", "run", done, len(runs))
    )
    sized = compare_sizings(
        workloads,
        settings.grid,
        lambda done: tell("replaying sizings", "workload", done, len(workloads)),
    )
    tell("timing", "layer", 0, 1)
    speed = timings(simulate, settings.layer, settings.turns)
    tell("timing", "layer", 1, 1)
    differing = int((~agreed.equal(*QUANTITIES)).sum())
    summary: dict[str, Any] = {
        "seed": settings.seed,
        "package": package,
        "files": dict(file_summary or {}),
        "wall_seconds": round(time.perf_counter() - start, 3),
        "runs_of_the_package": len(agreed.runs),
        "runs_that_differ": differing,
        "package_seconds": round(float(agreed.seconds.sum()), 3),
        "agreement": agreement_summary(agreed),
        "mismatches": list(itertools.islice(agreed.mismatches(), _LISTED)),
        "ideal_error_against_the_package_itself": package_error_summary(agreed),
        "sizings": len(sized.grid.sizes_kb),
        "ideal_error": error_by_dataflow(sized),
        "ideal_error_by_reads": error_by_reads(sized),
        "rank_correlation": correlation_by_dataflow(sized),
        "regret": regret_summary(sized),
        "speed": speed,
        "environment": environment(),
    }
    files.write_text(folder / "matches.csv", files.csv_text(match_rows(agreed)))
    files.write_text(folder / "runs.csv", files.csv_text(run_rows(agreed, planned.sources)))
    shown = tables(summary)
    pages = [_introduction(summary, planned.sources), *(table.markdown() for table in shown)]
    files.write_text(folder / "validation.md", "\n".join(pages))
    figure = validation_figure(sized, summary["regret"])
    save_figures(folder, {_FIGURE: figure})
    files.write_text(folder / "report.html", page(summary, shown, to_svg(figure, _FIGURE)))
    files.write_json(folder / "summary.json", summary)
    return Validation(summary=summary, tables=shown, differing=differing, runs=len(agreed.runs))


def package_runs(settings: Settings, source: Source) -> Runs:
    """Short runs for the package: both modes, small and realistic buffers.

    A quarter may have any dimensions and sides from 1 on; the others are large enough to stall.

    Raises:
      ValueError: the layers given are all too long.
    """
    some = settings.num_runs // 4
    parts, least = [], np.inf
    for seed, num, least_dim, least_side in (
        (2 * settings.seed, some, 1, 1),
        (2 * settings.seed + 1, settings.num_runs - some, settings.max_dim // 8, 4),
    ):
        ranges = Ranges(
            dims=(max(1, least_dim), settings.max_dim),
            sides=(least_side, settings.max_side),
            bandwidths=_BANDWIDTHS,
            small_eighths=5,
            calc_eighths=2,
        )
        candidates = draw(seed, _CANDIDATES * num, ranges, source)
        least = min(least, least_seconds(candidates).min(initial=np.inf))
        parts.append(affordable(candidates, settings.max_run_seconds)[:num])
    runs = distinct(joined(parts))
    if not len(runs):
        raise ValueError(
            f"max_run_seconds: {settings.max_run_seconds:g} is not allowed; expected at least"
            f" {least:.2g}, about what the package takes for the shortest layer"
        )
    return runs


def sized_workloads(settings: Settings, source: Source) -> Runs:
    """Workloads in USER mode for the comparison of sizings, each once."""
    ranges = Ranges(
        dims=(min(16, settings.max_workload_dim), settings.max_workload_dim),
        sides=_REPLAY_SIDES,
        bandwidths=_BANDWIDTHS,
    )
    drawn = draw(settings.seed + 1, settings.num_workloads, ranges, source)
    bandwidths = draw(settings.seed + 1, settings.num_workloads, ranges, Source()).bandwidth
    waiting = np.where(drawn.bandwidth > 0, drawn.bandwidth, bandwidths)  # CALC has no waits
    sizes = np.full((len(drawn), 3), settings.grid.levels_kb[0])
    return distinct(dataclasses.replace(drawn, bandwidth=waiting).with_sizes(sizes))


def sizing_checks(settings: Settings, workloads: Runs) -> Runs:
    """Workloads with random sizings of the grid that are short enough for the package."""
    rng = np.random.default_rng(settings.seed)
    rows = np.tile(np.arange(len(workloads)), 4)
    sizings = rng.integers(0, len(settings.grid.sizes_kb), len(rows))
    candidates = workloads[rows].with_sizes(settings.grid.sizes_kb[sizings])
    return affordable(distinct(candidates), settings.max_run_seconds)[: settings.num_checks]


def _introduction(summary: Mapping[str, Any], sources: Sequence[str]) -> str:
    return (
        f"# Validation against {summary['package']}\n\n"
        f"The replay differs from the package in {summary['runs_that_differ']} of {len(sources)}"
        f" runs, which took the package {summary['package_seconds']:.0f} seconds."
        f" {sources.count(_SIZING)} of them are workloads of the tables on errors, ranks and"
        " rules, in which the replay stands in for the package. IDEAL has a port of the same"
        " bandwidth for each operand there, and elements of one byte.\n"
    )
