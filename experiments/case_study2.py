"""Case study 2: learn the best sizes of three SRAMs for a GEMM on a given array.

Draws GEMMs, arrays, dataflows, bandwidths and SRAM budgets, labels them by exact search over 1000
sizings, trains AIRCHITECT on the labels, and evaluates it on unseen workloads and on the layers of
real networks. Writes figures, report.html and summary.json into the workdir.

  preset   examples                  network                    on two CPU cores
  smoke    2 x 65536, stored         embeddings 8, hidden 64    40 seconds
  default  8 x 2097152, streamed     embeddings 16, hidden 256  5 minutes
  paper    40 x 2097152, streamed    embeddings 16, hidden 256  20 minutes

  python -m experiments.case_study2 --preset=smoke --workdir=/tmp/smoke2
  python -m experiments.case_study2 --objective=energy --max_bandwidth=32
"""

from __future__ import annotations

import dataclasses
import pathlib

import rich.console
from absl import flags
from matplotlib.figure import Figure

from airchitect_jax import plots, workdir
from airchitect_jax.case_studies.buffers import BufferCase
from airchitect_jax.datasets import Dataset
from airchitect_jax.experiment import RunConfig, run
from airchitect_jax.losses import Loss
from airchitect_jax.types import Dataflow, Interface, Objective, RuntimeModel
from airchitect_jax.workloads.sampling import Distribution
from experiments import learning, objective_flags, runner

flags.adopt_module_key_flags(learning)
flags.adopt_module_key_flags(objective_flags)
flags.set_default(runner.WORKDIR, "runs/case_study2")

MIN_BUDGET_KB = flags.DEFINE_integer("min_budget_kb", 300, "The smallest SRAM budget.")
MAX_BUDGET_KB = flags.DEFINE_integer("max_budget_kb", 3000, "The largest SRAM budget.")
MAX_DIM = flags.DEFINE_integer(
    "max_dim", 10_000, "Largest m, n and k.", lower_bound=8, upper_bound=1_000_000
)
DISTRIBUTION = flags.DEFINE_enum(
    "distribution",
    Distribution.UNIFORM.value,
    [distribution.value for distribution in Distribution],
    "How m, n and k are drawn from 1..max_dim.",
)
MIN_SIDE_EXPONENT = flags.DEFINE_integer(
    "min_side_exponent", 3, "The fewest rows and columns of the array are 2 to this power."
)
MAX_SIDE_EXPONENT = flags.DEFINE_integer(
    "max_side_exponent", 8, "The most rows and columns of the array are 2 to this power."
)
MAX_BANDWIDTH = flags.DEFINE_integer(
    "max_bandwidth",
    100,
    "The largest bandwidth in bytes per cycle; the smallest is 1.",
    lower_bound=1,
    upper_bound=10_000,
)
INTERFACE = flags.DEFINE_enum(
    "interface",
    Interface.SHARED.value,
    [interface.value for interface in Interface],
    "One interface that all operands share, or a port of that bandwidth for each.",
)
RUNTIME_MODEL = flags.DEFINE_enum(
    "runtime_model",
    RuntimeModel.SCALESIM.value,
    [model.value for model in RuntimeModel],
    "Compute cycles as the scalesim package counts them, or as in the ISPASS 2020 paper.",
)

_OWN = (
    MIN_BUDGET_KB,
    MAX_BUDGET_KB,
    MAX_DIM,
    DISTRIBUTION,
    MIN_SIDE_EXPONENT,
    MAX_SIDE_EXPONENT,
    MAX_BANDWIDTH,
    INTERFACE,
    RUNTIME_MODEL,
)

_SMOKE = RunConfig(
    preset="smoke",
    seed=0,
    num_train=65_536,
    num_test=5_000,
    epochs=2,
    batch_size=1_024,
    learning_rate=0.01,
    embedding_dim=8,
    hidden_sizes=(64,),
    stream=False,
    loss=Loss.OPTIMAL_SET.value,
)
_DEFAULT = RunConfig(
    preset="default",
    seed=0,
    num_train=2_097_152,
    num_test=100_000,
    epochs=8,
    batch_size=4_096,
    learning_rate=0.02,
    embedding_dim=16,
    hidden_sizes=(256,),
    stream=True,
    loss=Loss.OPTIMAL_SET.value,
)
_PAPER = dataclasses.replace(_DEFAULT, preset="paper", epochs=40)
PRESETS = {config.preset: config for config in (_SMOKE, _DEFAULT, _PAPER)}


def buffer_case() -> BufferCase:
    """The case study of the flags.

    Raises:
      ValueError: the ranges contradict each other.
    """
    return BufferCase(
        min_budget_kb=MIN_BUDGET_KB.value,
        max_budget_kb=MAX_BUDGET_KB.value,
        max_dim=MAX_DIM.value,
        min_side_exponent=MIN_SIDE_EXPONENT.value,
        max_side_exponent=MAX_SIDE_EXPONENT.value,
        max_bandwidth=MAX_BANDWIDTH.value,
        element_bytes=objective_flags.ELEMENT_BYTES.value,
        distribution=Distribution(DISTRIBUTION.value),
        objective=Objective(objective_flags.OBJECTIVE.value),
        runtime_model=RuntimeModel(RUNTIME_MODEL.value),
        interface=Interface(INTERFACE.value),
        energy_table=objective_flags.energy_table(),
    )


def sizes_by_budget(case: BufferCase, test: Dataset) -> Figure:
    """The mean optimal size of each SRAM over the budget, a panel a dataflow."""
    names = [feature.name for feature in case.features]
    return plots.sizes_by_budget(
        test.workloads[names.index("budget_steps")] * case.space.step_kb,
        case.space.levels[test.design_ids] * case.space.step_kb,
        test.workloads[names.index("dataflow")],
        [dataflow.name for dataflow in Dataflow],
    )


def main(console: rich.console.Console) -> None:
    """Flags to configuration to library."""
    config = learning.run_config(PRESETS)
    case = buffer_case()
    networks = learning.networks(case)
    settings = learning.settings(config, (*_OWN, *objective_flags.ALL))
    folder = pathlib.Path(runner.WORKDIR.value)
    workdir.claim(folder, settings, resume=learning.RESUME.value, free=learning.FREE)
    run(
        case,
        config,
        folder,
        networks,
        settings=settings,
        extra_figures={
            "sizes_by_budget": (
                "Which operand earns the memory: mean optimal sizes over the budget.",
                lambda test, _: sizes_by_budget(case, test),
            )
        },
        console=console,
    )


if __name__ == "__main__":
    runner.run_main(main, interrupted="give --resume to go on from the last epoch")
