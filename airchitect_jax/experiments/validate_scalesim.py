"""Compare our models with the scalesim 3.0.0 package: files, the exact replay, and IDEAL.

First runs both on random configurations, topologies, layouts and latencies, and compares every file
that they write, byte for byte. Then runs the package on random GEMMs and accelerators, or on the
layers and the accelerator of your own SCALE-Sim files, and checks that the replay reports the same.
Last, the replay stands in for the package: how far IDEAL is from it, whether it ranks and chooses
buffer sizes alike, and how much faster it is. Ends with status 1 at the first file that differs,
or if the replay differs from the package anywhere.

  airchitect validate_scalesim --workdir=runs/validation
  airchitect validate_scalesim --package_python=/opt/scalesim/bin/python --num_files=1000
  airchitect validate_scalesim --topology=layers.csv --config=scale.cfg
"""

from __future__ import annotations

import functools
import pathlib
import sys
from collections.abc import Callable

import rich.console
from absl import flags

from airchitect_jax._support import files, workdir
from airchitect_jax._support.progress import Progress
from airchitect_jax.experiments import runner
from airchitect_jax.scalesim import read_config, run_gemm
from airchitect_jax.scalesim.package_process import Package
from airchitect_jax.studies.scalesim_validation import (
    KINDS,
    Outcome,
    Settings,
    Simulate,
    Source,
    TimedLayer,
    compare_files,
    file_summary,
    file_table,
    our_files,
    plan,
)
from airchitect_jax.studies.scalesim_validation.validate import validate
from airchitect_jax.workloads import overlapping_windows, read_topology

flags.adopt_module_key_flags(runner)
flags.set_default(runner.WORKDIR, "runs/validate_scalesim")

PACKAGE_PYTHON = flags.DEFINE_string(
    "package_python",
    None,
    "Python interpreter that has the scalesim package; by default the one that runs this.",
)
NUM_FILES = flags.DEFINE_integer(
    "num_files",
    50,
    "Random runs of each kind whose files are compared byte for byte.",
    lower_bound=0,
    upper_bound=100_000,
)
NUM_RUNS = flags.DEFINE_integer(
    "num_runs",
    400,
    "Random runs of the package; a tenth as many check what it sizes.",
    lower_bound=1,
    upper_bound=100_000,
)
MAX_RUN_DIM = flags.DEFINE_integer(
    "max_run_dim",
    200,
    "Largest m, n and k of the package's runs.",
    lower_bound=2,
    upper_bound=100_000,
)
MAX_RUN_SECONDS = flags.DEFINE_float(
    "max_run_seconds",
    1.0,
    "Runs that would take the package about longer than this are left out.",
    lower_bound=0.01,
)
NUM_WORKLOADS = flags.DEFINE_integer(
    "num_workloads",
    300,
    "Workloads whose buffers are sized, with the replay in place of the package.",
    lower_bound=1,
    upper_bound=100_000,
)
MAX_WORKLOAD_DIM = flags.DEFINE_integer(
    "max_workload_dim", 1024, "Their largest m, n and k.", lower_bound=2, upper_bound=100_000
)
TIMED_SIDE = flags.DEFINE_integer(
    "timed_side", 256, "m, n and k of the layer that is timed.", lower_bound=2, upper_bound=4096
)
TOPOLOGY = flags.DEFINE_string(
    "topology", None, "SCALE-Sim topology (.csv): its layers instead of random GEMMs."
)
CONFIG = flags.DEFINE_string(
    "config", None, "SCALE-Sim configuration (.cfg): its accelerator instead of random ones."
)

_OWN = (
    PACKAGE_PYTHON,
    NUM_FILES,
    NUM_RUNS,
    MAX_RUN_DIM,
    MAX_RUN_SECONDS,
    NUM_WORKLOADS,
    MAX_WORKLOAD_DIM,
    TIMED_SIDE,
    TOPOLOGY,
    CONFIG,
)


def compare_all_files(
    console: rich.console.Console, progress: Progress, folder: pathlib.Path, package: Package
) -> list[Outcome]:
    """Compares files until the first difference, and prints how many runs were equal."""
    seeds = range(runner.SEED.value, runner.SEED.value + NUM_FILES.value)
    runs = [(kind, seed) for kind in KINDS for seed in seeds]
    outcomes: list[Outcome] = []
    for outcome in compare_files(runs, folder, package, our_files):
        outcomes.append(outcome)
        progress.show("run", len(outcomes), len(runs), 0.0, "comparing files")
        if outcome.difference:
            break
    console.print(file_table(outcomes).rich())
    return outcomes


def compare(
    console: rich.console.Console,
    simulate: Simulate,
    first: Callable[[Progress, pathlib.Path], list[Outcome]] | None = None,
    package: str = "a stand-in for scalesim",
) -> int:
    """Flags to library to workdir, with any package.

    Args:
      console: where to print.
      simulate: the package, or what stands in for it.
      first: what compares files, in a folder.
      package: name and version of the package.

    Returns:
      The exit status: 0, or 1 if something differs from the package.
    """
    network = read_topology(TOPOLOGY.value) if TOPOLOGY.value else None
    if network and (why := overlapping_windows(network)):
        raise ValueError(f"--topology: {TOPOLOGY.value}: {why}")
    config = read_config(CONFIG.value) if CONFIG.value else None
    settings = Settings(
        seed=runner.SEED.value,
        num_runs=NUM_RUNS.value,
        num_checks=max(1, NUM_RUNS.value // 10),
        max_dim=MAX_RUN_DIM.value,
        max_run_seconds=MAX_RUN_SECONDS.value,
        num_workloads=NUM_WORKLOADS.value,
        max_workload_dim=MAX_WORKLOAD_DIM.value,
        layer=TimedLayer(side=TIMED_SIDE.value),
    )
    planned = plan(settings, Source(network=network, config=config))
    with workdir.claim(
        runner.WORKDIR.value,
        "validate_scalesim",
        runner.values(runner.SEED, runner.WORKDIR, *_OWN),
        resume=True,  # the same settings may be run again
        free={"workdir", "package_python", "num_files"},
    ) as folder:
        for note in config.notes if config else ():
            console.print(f"{CONFIG.value}: {note}", highlight=False, markup=False, soft_wrap=True)
        with Progress(console, "validating") as progress:
            outcomes = first(progress, folder / "files") if first is not None else []
            if outcomes and outcomes[-1].difference:
                last = outcomes[-1]
                files.write_json(folder / "summary.json", {"files": file_summary(outcomes)})
                print(f"error: {last.kind}, seed {last.seed}: {last.difference}", file=sys.stderr)
                return 1
            result = validate(
                settings,
                planned,
                folder,
                simulate,
                lambda what, unit, done, total: progress.show(unit, done, total, 0.0, what),
                package=package,
                file_summary=file_summary(outcomes),
            )
        for table in result.tables:
            console.print(table.rich())
        console.print(
            f"{folder}: report.html, summary.json, validation.md, figures",
            highlight=False,
            markup=False,
        )
        if result.differing:
            print(
                f"error: the replay differs from the package in {result.differing} of {result.runs}"
                f" runs: {folder / 'summary.json'} lists them",
                file=sys.stderr,
            )
    return 1 if result.differing else 0


def main(console: rich.console.Console) -> None:
    """Runs the comparison with the scalesim package."""
    with Package(PACKAGE_PYTHON.value or sys.executable) as package:
        status = compare(
            console,
            functools.partial(run_gemm, package),
            lambda progress, folder: compare_all_files(console, progress, folder, package),
            f"scalesim {package.versions['scalesim']}, numpy {package.versions['numpy']}",
        )
    if status:
        sys.exit(status)


if __name__ == "__main__":
    runner.run_main(main, interrupted="the same command starts again")
