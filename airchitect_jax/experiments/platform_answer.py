"""The answer of recommend for platforms in physical units: terminal and files."""

from __future__ import annotations

import dataclasses
import pathlib
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import rich.console

from airchitect_jax._support import files, workdir
from airchitect_jax.cost import Platform, write_platform
from airchitect_jax.experiments import optional_figures, runner
from airchitect_jax.experiments.search_progress import SearchProgress
from airchitect_jax.recommendation.machines import (
    Budgets,
    MachineAnswer,
    MachineObjective,
    layers_csv,
    operators_csv,
    recommend_machine,
    report,
    summary_of,
)
from airchitect_jax.recommendation.machines.terminal import print_answer

# Relative to the workdir, beside config.json; of the first platform, the others are compared.
OUTPUTS = (
    "summary.json",
    "report.html",
    "comparison.html",
    "layers.csv",
    "operators.csv",
    "platform.yaml",
    *(f"figures/{name}.png" for name in ("time", "roofline", "parts", "comparison")),
)


def answer(
    folder: pathlib.Path,
    settings: Mapping[str, Any],
    console: rich.console.Console,
    start: float,
    *,
    platforms: Sequence[Platform],
    objective: MachineObjective,
    budgets: Budgets,
    workload: Sequence[str],
    weights: Sequence[int] | None,
    dims: Mapping[str, int],
    remove_earlier: Callable[[pathlib.Path], None],
) -> None:
    """Answers for each platform, then writes the files.

    Raises:
      ValueError: the question is not allowed, or no machine is within the budgets.
    """
    answers = []
    for platform in platforms:
        with SearchProgress(console) as progress:
            answers.append(
                recommend_machine(
                    workload,
                    platform,
                    objective=objective,
                    budgets=budgets,
                    weights=weights,
                    dims=dims,
                    on_progress=progress,
                )
            )
        print_answer(answers[-1], console)
    answered = time.perf_counter() - start
    contents = rendered(settings, answers, console)
    remove_earlier(folder)
    workdir.write_config(folder, "recommend", settings)
    write(folder, contents)
    files.write_json(folder / "summary.json", _summary(answers, answered, start))
    for name in contents.pages:
        runner.say(console, f"report: {folder / name}")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Contents:
    """What is written, by name of the file.

    Attributes:
      figures: of all pages.
      pages: reports.
      tables: CSV files.
      platform: that has the machine only.
    """

    figures: optional_figures.Figures
    pages: Mapping[str, str]
    tables: Mapping[str, str]
    platform: Platform


def rendered(
    settings: Mapping[str, Any], answers: Sequence[MachineAnswer], console: rich.console.Console
) -> Contents:
    """The files of the first answer, and its comparison with the others."""
    first = answers[0]

    def draw() -> Mapping[str, tuple[str, Any]]:
        from airchitect_jax.recommendation.machines import plots

        drawn = dict(plots.figures(first))
        if len(answers) > 1:
            drawn["comparison"] = plots.COMPARISON, plots.comparison(answers)
        return drawn

    figures = optional_figures.finished(console, draw)
    svgs = dict(figures.svgs)
    compared = {name: svgs.pop(name) for name in ("comparison",) if name in svgs}
    title = report.title_of(answers[:1])
    pages = {"report.html": report.page(title, first, drawn=svgs, config=settings)}
    if len(answers) > 1:
        title = report.title_of(answers)
        pages["comparison.html"] = report.comparison_page(
            title, answers, drawn=compared, config=settings
        )
    return Contents(
        figures=figures,
        pages=pages,
        tables={"layers.csv": layers_csv(first), "operators.csv": operators_csv(first)},
        platform=first.fixed_platform,
    )


def write(folder: pathlib.Path, contents: Contents) -> None:
    """Writes the files."""
    contents.figures.save(folder)
    write_platform(folder / "platform.yaml", contents.platform)
    for name, text in {**contents.tables, **contents.pages}.items():
        files.write_text(folder / name, text)


def _summary(answers: Sequence[MachineAnswer], answered: float, start: float) -> dict[str, Any]:
    compared = [summary_of(answer) for answer in answers[1:]]
    return {
        **summary_of(answers[0]),
        **({"compared": compared} if compared else {}),
        "answer_seconds": round(answered, 3),
        "wall_seconds": round(time.perf_counter() - start, 3),
    }
