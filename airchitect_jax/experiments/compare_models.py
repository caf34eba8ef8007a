"""Compares models on a case study: the same data, split, seeds, evaluation, and time to train.

Trains each model with each seed on as many examples as it can take in --budget_seconds, scores it
on the same unseen workloads, and writes a table with means and spread over the seeds
(comparison.md, .csv, .json) and figures. A row is kept for each model and seed: a run that was
stopped continues with --resume, with more --models or --seeds if wanted, and a complete run only
writes its tables and figures again.

  airchitect compare_models --case_study=1 --workdir=runs/compare1
  airchitect compare_models --case_study=3 --models=heuristics,random_forest,paper
"""

from __future__ import annotations

import functools
import importlib.util
import pathlib
from collections.abc import Sequence

import rich.console
from absl import flags

from airchitect_jax.baselines import Classifier, Competitor, Task, competitors
from airchitect_jax.case_studies import CaseStudy
from airchitect_jax.experiments import case_flags, comparison_flags, gemm_flags, resume_flag, runner
from airchitect_jax.experiments.comparison_files import row_at, write_comparison
from airchitect_jax.learning import Dataset, Split, sample_dataset
from airchitect_jax.reporting import Row
from airchitect_jax.studies.models import measure, plots, row_name, table

flags.adopt_module_key_flags(runner)
flags.adopt_module_key_flags(case_flags)
flags.adopt_module_key_flags(comparison_flags)
flags.set_default(runner.WORKDIR, "runs/compare_models")

MODELS = flags.DEFINE_list(
    "models", ["all"], "Names of models, separated by commas; all of them unless given."
)
SEEDS = flags.DEFINE_integer(
    "seeds", 3, "Each model is trained with this many seeds, from --seed on.", lower_bound=1
)
_FREE = {"models", "seeds"}


def chosen(available: dict[str, list[Competitor]]) -> list[Competitor]:
    """The competitors of --models, in the order of tables.

    Raises:
      ValueError: there is no such model.
    """
    names = [name.strip() for name in MODELS.value]
    for name in names:
        if name not in ("all", *available):
            raise ValueError(
                f"--models: {name!r} is not allowed; expected all or some of {', '.join(available)}"
            )
    return [
        competitor
        for name, group in available.items()
        for competitor in group
        if name in names or "all" in names
    ]


def check_extra() -> None:
    """Checks that the baselines' libraries are installed, before anything is trained.

    Raises:
      ValueError: they are not.
    """
    missing = [name for name in ("sklearn", "xgboost") if not importlib.util.find_spec(name)]
    if missing:
        raise ValueError(
            f"--models: {' and '.join(missing)} cannot be imported:"
            " pip install 'airchitect-jax[baselines]', or name models that do without"
        )


@functools.lru_cache(maxsize=1)  # all models of a seed follow each other
def _task(case: CaseStudy, seed: int) -> tuple[Task, Dataset]:
    """The training task of a seed, and its test workloads."""
    num_test = comparison_flags.NUM_TEST.value
    test = sample_dataset(case, seed=seed, num=num_test, split=Split.TEST)
    return comparison_flags.task(case, seed), test


def _measured(case: CaseStudy, model: Competitor, seed: int) -> Row:
    return measure(model, *_task(case, seed))


def rows_of(
    case: CaseStudy,
    models: Sequence[Competitor],
    folder: pathlib.Path,
    console: rich.console.Console,
) -> list[Row]:
    """One row per model and seed, measured unless it is there."""
    rows: list[Row] = []
    for seed in range(runner.SEED.value, runner.SEED.value + SEEDS.value):
        for model in models:
            path = folder / "rows" / row_name(model.name, seed)
            row = row_at(path, functools.partial(_measured, case, model, seed))
            rows.append(row)
            runner.say(
                console,
                f"{model.name}, seed {seed}: accuracy {row['test_accuracy']:.2%},"
                f" geomean {row['geomean_normalized_performance']:.3%},"
                f" {row['examples']:,} examples in {row['train_seconds']:.1f} s",
            )
    return rows


def main(console: rich.console.Console) -> None:
    """Measures the models of the flags and writes tables and figures."""
    case = case_flags.make_case()
    models = chosen(competitors(case, comparison_flags.BATCH_SIZE.value))
    if any(isinstance(model, Classifier) for model in models):
        check_extra()
    settings = runner.values(
        *case_flags.ALL,
        *comparison_flags.ALL,
        *gemm_flags.ALL,
        MODELS,
        SEEDS,
        runner.SEED,
        runner.WORKDIR,
    )
    resume = resume_flag.RESUME.value
    with runner.claim("compare_models", settings, resume=resume, free=_FREE) as folder:
        rows = rows_of(case, models, folder, console)
        write_comparison(
            folder,
            table(rows),
            title=f"{case.name}: {case.title}",
            flags=settings,
            about={"case_study": case.name, **case.settings},
            drawn=plots.figures(rows),
        )
        runner.say(console, f"{folder}: report.html, comparison.md, .csv, .json, figures")


if __name__ == "__main__":
    runner.run_main(main, interrupted="give --resume to go on from the last finished model")
