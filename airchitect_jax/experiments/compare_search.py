"""Compares ways to search a design space: how good, after how many evaluations, how fast.

Each searcher searches the same workloads, with several seeds, within a common budget of exact
evaluations and gradients; exhaustive search runs to its end. The exact model scores every answer
again and compares it with the optimum. A thousand searches run at once; only TPE and PPO run in
Python, on few of the workloads. The network that two of the searchers use is trained first. Writes
comparison.md, .csv and .json, curves.csv, spread.md and .csv, summary.json and figures. A row is
kept for each searcher and seed: a run that was stopped continues with --resume, with more
--searchers or --seeds if wanted.

  airchitect compare_search --case_study=1 --workdir=runs/search1
  airchitect compare_search --case_study=3 --searchers=random,exhaustive --seeds=2
  airchitect compare_search --joint --seeds=2
  airchitect compare_search --space=large --area_budget=20mm2
"""

from __future__ import annotations

import dataclasses
import functools
import pathlib
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import rich.console
from absl import flags

from airchitect_jax import search
from airchitect_jax._support import files, workdir
from airchitect_jax.cost import Platform, read_platform
from airchitect_jax.experiments import case_flags, gemm_flags, platform_flags, resume_flag, runner
from airchitect_jax.experiments.comparison_files import row_at, write_comparison
from airchitect_jax.learning import Split, sample_dataset
from airchitect_jax.oracle.machines import MachineObjective, Question
from airchitect_jax.reporting import Row, SpreadTable
from airchitect_jax.studies.search import (
    curves,
    curves_csv,
    measurer,
    optimal_cost,
    plots,
    spread_csv,
    spread_markdown,
    spread_over_seeds,
    spread_plots,
    table,
    train_machine_network,
    train_network,
)
from airchitect_jax.workloads import GemmCounts, load_network, network_names

flags.adopt_module_key_flags(runner)
flags.adopt_module_key_flags(case_flags)
flags.adopt_module_key_flags(resume_flag)
for _name in ("area_budget", "power_budget", "latency_budget"):
    flags.declare_key_flag(_name)
flags.set_default(runner.WORKDIR, "runs/compare_search")

SEARCHERS = flags.DEFINE_list(
    "searchers", ["all"], "Names of searchers, separated by commas; all of them unless given."
)
NUM_WORKLOADS = flags.DEFINE_integer(
    "num_workloads",
    1000,
    "Workloads of the test split, the same for all searchers and seeds.",
    lower_bound=1,
    upper_bound=100_000,
)
TPE_WORKLOADS = flags.DEFINE_integer(
    "tpe_workloads", 20, "TPE and PPO, in Python, search only this many of them.", lower_bound=1
)
SEEDS = flags.DEFINE_integer(
    "seeds", 5, "Each searcher runs with this many seeds, from --seed on.", lower_bound=1
)
JOINT = flags.DEFINE_boolean(
    "joint",
    False,
    "In place of a case study: one array and three SRAMs for each packaged network, millions of"
    " designs under each of four MAC budgets.",
)
SPACE = flags.DEFINE_string(
    "space",
    None,
    "In place of a case study: the machines of a platform (a YAML file or a packaged one), whose"
    " open values are the space, for each packaged network, each GEMM on its best mapping.",
)
NETWORKS = flags.DEFINE_list(
    "networks",
    ["all"],
    "With --space or --joint: names of packaged networks, or all of them.",
)
OBJECTIVE = flags.DEFINE_enum(
    "objective",
    MachineObjective.LATENCY.value,
    [objective.value for objective in MachineObjective],
    "With --space: the quantity to minimise, or the throughput per area to maximise.",
    allow_override=True,
)
OPTIMUM_SECONDS = flags.DEFINE_float(
    "optimum_seconds",
    20.0,
    "With --space: time limit of the search for the optimum of a network. If it ends early,"
    " searchers are compared with the best machine that it found.",
    lower_bound=0.1,
    upper_bound=1e6,
)
EVALUATIONS = flags.DEFINE_integer(
    "evaluations",
    None,
    "Budget per search, exact evaluations and gradients together; 200 unless given, 100 with"
    " --space and 4000 with --joint.",
    lower_bound=1,
    upper_bound=1_000_000,
)
OPTIMIZER = flags.DEFINE_string(
    "optimizer",
    None,
    "An Optax optimiser for the gradient searchers; by default each searcher's own.",
)
LEARNING_RATE = flags.DEFINE_float(
    "learning_rate", 0.1, "Learning rate of --optimizer.", lower_bound=1e-9, upper_bound=1e3
)
TRAIN_SECONDS = flags.DEFINE_float(
    "train_seconds",
    30.0,
    "Training time in seconds of the network that some searchers use.",
    lower_bound=0.1,
    upper_bound=1e6,
)
_FREE = {"searchers", "seeds"}
_OWN = (NUM_WORKLOADS, TPE_WORKLOADS, OPTIMIZER, LEARNING_RATE, TRAIN_SECONDS)
_BUDGETS = (platform_flags.AREA_BUDGET, platform_flags.POWER_BUDGET, platform_flags.LATENCY_BUDGET)
_OF_SPACES = (SPACE, OBJECTIVE, OPTIMUM_SECONDS, *_BUDGETS)
# Exponents of MAC units, and steps of 32 KB: from a million to 2.4 million designs.
_JOINT_BUDGETS = ((12, 48), (14, 48), (16, 48), (18, 48))


def machine_problem(space: str) -> search.MachineProblem:
    """The machines of a platform for each of --networks.

    Raises:
      ValueError: a flag's value is not allowed.
    """
    platform = read_platform(space)
    budgets = platform_flags.budgets(None, None)
    networks = [load_network(name) for name in names_of_networks()]
    return search.MachineProblem(
        questions=tuple(
            Question(
                platform=platform,
                gemms=GemmCounts.of_layers(network.layers),
                operators=tuple((operator, operator.count) for operator in network.operators),
                objective=MachineObjective(OBJECTIVE.value),
                budgets=budgets,
            )
            for network in networks
        )
    )


def names_of_networks() -> tuple[str, ...]:
    """The names of --networks."""
    return tuple(network_names() if NETWORKS.value == ["all"] else NETWORKS.value)


def optima_of(
    subject: search.Subject, folder: pathlib.Path, console: rich.console.Console
) -> dict[str, Row]:
    """With --space, the optimum of each network by its name, kept in the folder."""
    problem = subject.problem
    if not isinstance(problem, search.MachineProblem):
        return {}
    found = {}
    for name, question in zip(names_of_networks(), problem.questions, strict=True):
        found[name] = row_at(
            folder / "optima" / f"{name}.json",
            functools.partial(optimal_cost, question, seconds=OPTIMUM_SECONDS.value),
        )
        runner.say(
            console,
            f"{name}: optimum {found[name]['cost']:.6g}, certified gap"
            f" {found[name]['certified_gap']:.3%}, {found[name]['seconds']:.1f} s",
        )
    return found


def make_subject() -> search.Subject:
    """The benchmark problem of --case_study, --joint or --space (without optima).

    Raises:
      ValueError: a flag's value is not allowed.
    """
    if SPACE.value and JOINT.value:
        raise ValueError("--joint: not with --space")
    if SPACE.value:
        return search.machine_subject(machine_problem(SPACE.value))
    if JOINT.value:
        problem = search.JointProblem(
            platform=Platform(runtime_model=gemm_flags.fields()["runtime_model"])
        )
        networks = [load_network(name) for name in names_of_networks()]
        return search.joint_subject(problem, networks, _JOINT_BUDGETS)
    case = case_flags.make_case()
    test = sample_dataset(
        case,
        seed=runner.SEED.value,
        num=NUM_WORKLOADS.value,
        split=Split.TEST,
        name=NUM_WORKLOADS.name,
    )
    return search.case_subject(case, test.workloads)


def num_evaluations() -> int:
    """The budget of each search, in evaluations and gradients."""
    return EVALUATIONS.value or (4000 if JOINT.value else 100 if SPACE.value else 200)


class Bench:
    """Measures searchers on a subject; trains the network when the first searcher asks for it."""

    def __init__(self, subject: search.Subject, optimizer: Any) -> None:
        self._subject, self._optimizer = subject, optimizer

    @functools.cached_property
    def _network(self) -> search.TrainedNetwork:
        seed, seconds = runner.SEED.value, TRAIN_SECONDS.value
        if isinstance(self._subject.problem, search.MachineProblem):
            return train_machine_network(self._subject.problem, seed=seed, seconds=seconds)
        assert self._subject.case is not None  # noqa: S101 - see `registry.entries`
        return train_network(self._subject.case, seed=seed, seconds=seconds)

    def rows_of(
        self, name: str, entry: search.Entry, paths: Mapping[int, pathlib.Path]
    ) -> list[Row]:
        """One row per seed, measured unless it is there."""

        @functools.cache
        def measure_of() -> Callable[[int], Row]:
            network = self._network if entry.needs_network else None
            return measurer(
                name,
                entry,
                self._subject,
                search.Tools(optimizer=self._optimizer, network=network),
                evaluations=num_evaluations(),
                python_workloads=TPE_WORKLOADS.value,
            )

        def measure(seed: int) -> Row:
            return measure_of()(seed)

        return [row_at(path, functools.partial(measure, seed)) for seed, path in paths.items()]


def main(console: rich.console.Console) -> None:
    """Measures the searchers of the flags and writes tables and figures."""
    optimizer = OPTIMIZER.value and search.optimizer_named(OPTIMIZER.value, LEARNING_RATE.value)
    subject = make_subject()
    names, available = [name.strip() for name in SEARCHERS.value], search.entries(subject)
    searchers = search.chosen(names, available)
    settings = runner.values(
        *case_flags.ALL,
        JOINT,
        *_OWN,
        *(_OF_SPACES if SPACE.value else ()),
        *((NETWORKS,) if SPACE.value or JOINT.value else ()),
        *gemm_flags.ALL,
        SEARCHERS,
        SEEDS,
        runner.SEED,
        runner.WORKDIR,
    ) | {EVALUATIONS.name: num_evaluations()}
    resume = resume_flag.RESUME.value
    with runner.claim("compare_search", settings, resume=resume, free=_FREE) as folder:
        optima = optima_of(subject, folder, console)
        if optima:
            costs = np.array([row["cost"] for row in optima.values()])
            subject = dataclasses.replace(subject, optimal_costs=costs)
        for reason in search.left_out(available).values() if "all" in names else ():
            runner.say(console, f"left out: {reason}")
        bench, rows = Bench(subject, optimizer), list[Row]()
        seeds = range(runner.SEED.value, runner.SEED.value + SEEDS.value)
        for name, entry in searchers.items():
            paths = {seed: folder / "rows" / f"{name}-{seed}.json" for seed in seeds}
            rows += bench.rows_of(name, entry, paths)
            for row in rows[-len(paths) :]:
                runner.say(
                    console,
                    f"{name}, seed {row['seed']}: geomean"
                    f" {row['geomean_normalized_performance']:.3%},"
                    f" {row['optimal_set_accuracy']:.1%} solved exactly,"
                    f" {row['evaluations']:.0f} evaluations and {row['gradients']:.0f} gradients in"
                    f" {row['milliseconds']:.3g} ms per search",
                )
        whole, found = table(rows), curves(rows)
        spread = spread_over_seeds(rows, num_evaluations())
        about = {"case_study": subject.name, **subject.settings}
        drawn = dict(plots.figures(found))
        if spread:
            caption = "Range, quartiles and median of the seeds after each budget of evaluations."
            drawn["spread_over_seeds"] = caption, spread_plots.seeds_of_searchers(spread)
        write_comparison(
            folder,
            whole,
            title=f"{subject.name}: {subject.title}",
            flags=settings,
            about=about,
            notes=notes(rows, len(subject), optima),
            drawn=drawn,
        )
        files.write_text(folder / "curves.csv", curves_csv(found))
        files.write_text(folder / "spread.csv", spread_csv(spread))
        files.write_text(folder / "spread.md", spread_text(spread))
        files.write_json(
            folder / "summary.json",
            {
                **about,
                "flags": settings,
                "environment": workdir.environment(),
                "grid_points": subject.problem.layout.num_points,
                "geomean_normalized_performance": means(whole, "geomean_normalized_performance"),
                "optimal_set_accuracy": means(whole, "optimal_set_accuracy"),
                **({"optima": optima} if optima else {}),
            },
        )
        runner.say(
            console,
            f"{folder}: report.html, comparison.md, .csv, .json, curves.csv, spread.md, .csv,"
            " summary.json, figures",
        )


def spread_text(spread: list[Row]) -> str:
    """The table of the spread over seeds below what it shows."""
    return (
        "# Spread over the seeds\n\nGeometric mean of the normalised performance over the"
        " workloads, after a budget of evaluations and gradients: quantiles over the seeds.\n\n"
        + spread_markdown(spread)
    )


def notes(rows: list[Row], num_workloads: int, optima: Mapping[str, Row]) -> list[str]:
    """Notes on the searchers and the optima, for above the table."""
    found = [
        "Milliseconds and searches per second are for all searches at once; training the shared"
        " network takes the training seconds in addition."
    ]
    found += {
        f"{row['searcher']} runs in Python, on {row['workloads']} of the {num_workloads} workloads."
        for row in rows
        if row["workloads"] < num_workloads
    }
    found += [
        f"{name} is compared with the best machine found: its certified gap is"
        f" {row['certified_gap']:.2%}."
        for name, row in optima.items()
        if row["certified_gap"]
    ]
    return found


def means(whole: SpreadTable, key: str) -> dict[str, float]:
    """The mean over the seeds of each searcher."""
    found = {line.name: line.spreads[key] for line in whole.lines}
    return {name: spread.mean for name, spread in found.items() if spread}


if __name__ == "__main__":
    runner.run_main(main, interrupted="give --resume to go on from the last finished row")
