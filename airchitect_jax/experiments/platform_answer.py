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
from airchitect_jax.experiments import runner
from airchitect_jax.experiments.search_progress import SearchProgress
from airchitect_jax.recommendation.machines import (
    Budgets,
    MachineAnswer,
    MachineObjective,
    layers_csv,
    operators_csv,
    recommend_machine,
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
    contents = rendered(settings, answers)
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
      pngs: figures.
      pages: reports.
      tables: CSV files.
      platform: that has the machine only.
    """

    pngs: Mapping[str, bytes]
    pages: Mapping[str, str]
    tables: Mapping[str, str]
    platform: Platform


def rendered(settings: Mapping[str, Any], answers: Sequence[MachineAnswer]) -> Contents:
    """The files of the first answer, and its comparison with the others."""
    # Nothing that the answer did not need was imported for it.
    from airchitect_jax.recommendation.machines import plots, report
    from airchitect_jax.reporting import style

    first = answers[0]
    drawn = plots.figures(first)
    pngs = {name: style.to_png(figure) for name, (_, figure) in drawn.items()}
    title = report.title_of(answers[:1])
    page = report.page(title, first, drawn=style.to_svgs(drawn), config=settings)
    pages = {"report.html": page}
    if len(answers) > 1:
        compared = plots.comparison(answers)
        pngs["comparison"] = style.to_png(compared)
        pages["comparison.html"] = report.comparison_page(
            report.title_of(answers),
            answers,
            drawn=(plots.COMPARISON, style.to_svg(compared, "comparison")),
            config=settings,
        )
    return Contents(
        pngs=pngs,
        pages=pages,
        tables={"layers.csv": layers_csv(first), "operators.csv": operators_csv(first)},
        platform=first.fixed_platform,
    )


def write(folder: pathlib.Path, contents: Contents) -> None:
    """Writes the files."""
    from airchitect_jax.reporting import style

    style.save_pngs(folder, contents.pngs)
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
