"""Case study 2: learn the best sizes of three SRAMs for a GEMM on a given array.

Draws GEMMs, arrays, dataflows, bandwidths and SRAM budgets, labels them by exact search over 1000
sizings, trains AIRCHITECT on the labels, and evaluates it on unseen workloads and on the layers of
real networks. Writes figures, report.html and summary.json into the workdir.

  preset   examples, --model=airchitect  --model=paper            on two CPU cores
  smoke    2 x 262144, stored            2 x 65536, stored        a minute
  default  20 x 2097152, streamed        8 x 2097152, streamed    5 minutes
  paper    100 x 2097152, streamed       40 x 2097152, streamed   20 to 45 minutes

  airchitect case_study2 --preset=smoke --workdir=runs/smoke2
  airchitect case_study2 --objective=energy --max_bandwidth=32
"""

from __future__ import annotations

from typing import Any

import rich.console
from absl import flags

from airchitect_jax.case_studies import BufferCase, plots
from airchitect_jax.experiments import gemm_flags, learning, objective_flags, runner
from airchitect_jax.learning import Dataset, Loss
from airchitect_jax.learning.models import recipes
from airchitect_jax.reporting.style import Figure
from airchitect_jax.types import Dataflow, Interface, MemoryModel
from airchitect_jax.workloads import overlapping_windows, read_topology

flags.adopt_module_key_flags(learning)
flags.adopt_module_key_flags(gemm_flags)
flags.adopt_module_key_flags(objective_flags)
flags.set_default(runner.WORKDIR, "runs/case_study2")

MIN_BUDGET_KB = flags.DEFINE_integer("min_budget_kb", 300, "The smallest SRAM budget.")
MAX_BUDGET_KB = flags.DEFINE_integer("max_budget_kb", 3000, "The largest SRAM budget.")
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
MEMORY_MODEL = flags.DEFINE_enum(
    "memory_model",
    MemoryModel.IDEAL.value,
    [MemoryModel.IDEAL.value, MemoryModel.SCALESIM3.value],
    "Stalls of a double buffer in closed form, or those of the scalesim 3.0.0 package, replayed:"
    " exact, and two to four thousand times slower, so the presets are smaller and stored, and"
    " --max_dim is 1024 unless given.",
)
INTERFACE = flags.DEFINE_enum(
    "interface",
    None,
    [interface.value for interface in Interface],
    "One interface that all operands share (the default), or a port of that bandwidth for each"
    " (always so with --memory_model=scalesim3).",
)
_OWN = (
    MIN_BUDGET_KB,
    MAX_BUDGET_KB,
    MIN_SIDE_EXPONENT,
    MAX_SIDE_EXPONENT,
    MAX_BANDWIDTH,
    MEMORY_MODEL,
    INTERFACE,
    *gemm_flags.ALL,
    *objective_flags.ALL,
)

_LONG: dict[str, Any] = {"batch_size": 1_024, "learning_rate": 0.004, "small_share": 0.1}
_CHANGES: learning.Changes = {
    "airchitect": {
        "smoke": {"num_train": 262_144, "batch_size": 512, "hidden_sizes": (32, 48)},
        "default": {"epochs": 20, "hidden_sizes": (128, 192), **_LONG},
        "paper": {"epochs": 100, "hidden_sizes": (192, 256), **_LONG},
    },
    "paper": {"smoke": {"learning_rate": 0.01}, "default": {"epochs": 8}, "paper": {"epochs": 40}},
}
_REPLAYED_MAX_DIM = 1024
# Stored, as labels take longer; other losses would have to replay costs at each step.
_SHARED = {"learning_rate": 0.01, "stream": False, "loss": Loss.LABEL.value}
_REPLAYED: dict[str, dict[str, Any]] = {
    "smoke": {"num_train": 512, "num_test": 128, "num_validation": 64, "epochs": 2}
    | {"batch_size": 256, **_SHARED},
    "default": {"num_train": 131_072, "num_test": 4_000, "num_validation": 2_000, "epochs": 20}
    | {"batch_size": 1_024, **_SHARED},
    "paper": {"num_train": 524_288, "num_test": 10_000, "num_validation": 5_000, "epochs": 40}
    | {"batch_size": 1_024, **_SHARED},
}


def resolved() -> dict[str, Any]:
    """Flags whose defaults depend on the memory model."""
    replayed = MEMORY_MODEL.value == MemoryModel.SCALESIM3.value
    interface = Interface.PORTS if replayed else Interface.SHARED
    given = flags.FLAGS["max_dim"].present
    return {
        "max_dim": _REPLAYED_MAX_DIM if replayed and not given else gemm_flags.MAX_DIM.value,
        "interface": INTERFACE.value or interface.value,
    }


def sizes_by_budget(case: BufferCase, test: Dataset) -> Figure:
    """The mean optimal size of each SRAM over the budget, one panel per dataflow."""
    names = [feature.name for feature in case.features]
    return plots.sizes_by_budget(
        test.workloads[names.index("budget_steps")] * case.space.step_kb,
        case.space.levels[test.design_ids] * case.space.step_kb,
        test.workloads[names.index("dataflow")],
        [dataflow.name for dataflow in Dataflow],
    )


def main(console: rich.console.Console) -> None:
    """Runs the case study that the flags describe."""
    case = BufferCase.from_settings(runner.values(*_OWN) | resolved())
    replayed = case.memory_model is MemoryModel.SCALESIM3
    changes = dict.fromkeys(recipes(case), _REPLAYED) if replayed else _CHANGES
    best = "paper" if replayed else case.best_network
    config = learning.run_config(learning.presets(case, changes), best)
    if replayed and config.loss != Loss.LABEL.value:
        raise ValueError(f"--loss: {config.loss} is not allowed with --memory_model=scalesim3")
    for path in learning.EVAL_WORKLOADS.value if replayed else ():
        if note := overlapping_windows(read_topology(path)):
            runner.say(console, f"warning: {note}")
    learning.learn(
        case,
        config,
        _OWN,
        console,
        extra_figures={
            "sizes_by_budget": (
                "Which operand gets the memory: mean optimal sizes over the budget.",
                lambda test, _: sizes_by_budget(case, test),
            )
        },
        resolved=resolved(),
    )


if __name__ == "__main__":
    runner.run_main(main, interrupted="give --resume to go on from the last epoch")
