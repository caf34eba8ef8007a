"""Compare our models with the scalesim 3.0.0 package: the exact replay, and the closed form IDEAL.

Runs the package on random GEMMs and accelerators, or on the layers and the accelerator of your own
SCALE-Sim files, and checks that the replay reports the same. Then the replay stands in for the
package: how far IDEAL is from it, whether it ranks and chooses buffer sizes alike, and how much
faster it is. Ends with status 1 if the replay differs from the package anywhere.

  python -m experiments.validate_scalesim --workdir=/tmp/validation
  python -m experiments.validate_scalesim --topology=layers.csv --config=scale.cfg
"""

from __future__ import annotations

import importlib.util
import sys

import numpy as np
import rich.console
from absl import flags

from airchitect_jax import read_topology
from airchitect_jax._support import workdir
from airchitect_jax._support.progress import Progress
from airchitect_jax.scalesim import read_config, run_gemm
from airchitect_jax.studies.scalesim_validation import Settings, Simulate, Source, TimedLayer, plan
from airchitect_jax.studies.scalesim_validation.validate import validate
from airchitect_jax.workloads import overlapping_windows
from experiments import runner

flags.adopt_module_key_flags(runner)
flags.set_default(runner.WORKDIR, "runs/validate_scalesim")

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
    NUM_RUNS,
    MAX_RUN_DIM,
    MAX_RUN_SECONDS,
    NUM_WORKLOADS,
    MAX_WORKLOAD_DIM,
    TIMED_SIDE,
    TOPOLOGY,
    CONFIG,
)


def check_package() -> None:
    """Refuses to start without a scalesim package that runs.

    Raises:
      ValueError: it is not installed, or NumPy is too new for it.
    """
    fix = "pip install 'airchitect-jax[scalesim]' 'numpy<2.4'"
    if importlib.util.find_spec("scalesim") is None:
        raise ValueError(f"the scalesim package is not installed: {fix}")
    if tuple(int(part) for part in np.__version__.split(".")[:2]) >= (2, 4):
        raise ValueError(f"the scalesim package crashes with numpy {np.__version__}: {fix}")


def compare(console: rich.console.Console, simulate: Simulate) -> int:
    """Flags to library to workdir, with any package.

    Returns:
      The exit status: 0, or 1 if the replay differs from the package.
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
        free={"workdir"},
    ) as folder:
        for note in config.notes if config else ():
            console.print(f"{CONFIG.value}: {note}", highlight=False, markup=False, soft_wrap=True)
        with Progress(console, "validating") as progress:
            result = validate(
                settings,
                planned,
                folder,
                simulate,
                lambda what, unit, done, total: progress.show(unit, done, total, 0.0, what),
            )
        for table in result.tables:
            console.print(table.rich())
        console.print(
            f"{folder}: summary.json, validation.md, figures", highlight=False, markup=False
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
    check_package()
    status = compare(console, run_gemm)
    if status:
        sys.exit(status)


if __name__ == "__main__":
    runner.run_main(main, interrupted="the same command starts again")
