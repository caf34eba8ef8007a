"""Case study 1: learn the best array shape and dataflow of a GEMM under a MAC budget.

Draws GEMM workloads, labels them by exact search over 459 designs, trains a network on them, and
evaluates it on unseen workloads and on the layers of real networks. Writes figures, report.html and
summary.json into the workdir.

  preset   labels, --model=airchitect  --model=additive        --model=paper
  smoke    2 x 524288, stored          2 x 262144, stored      2 x 65536, stored
  default  12 x 14680064, streamed     8 x 1048576, streamed   10 x 2097152, streamed
  paper    90 x 14680064, streamed     24 x 1048576, streamed  48 x 2097152, streamed

On two CPU cores smoke takes half a minute, default 5 minutes (airchitect) or 2 to 3, and paper 45
minutes (airchitect) or 5 to 10.

  airchitect case_study1 --preset=smoke --workdir=runs/smoke
  airchitect case_study1 --model=paper --workdir=runs/paper
  airchitect case_study1 --eval_workloads=my_network.csv
"""

from __future__ import annotations

from typing import Any

import numpy as np
import rich.console
from absl import flags

from airchitect_jax.case_studies import ArrayDataflowCase, plots
from airchitect_jax.experiments import learning, objective_flags, runner, term_flags, workload_flags
from airchitect_jax.learning import Dataset
from airchitect_jax.reporting.style import Figure

flags.adopt_module_key_flags(learning)
flags.adopt_module_key_flags(workload_flags)
flags.adopt_module_key_flags(objective_flags)
flags.adopt_module_key_flags(term_flags)
flags.set_default(runner.WORKDIR, "runs/case_study1")

SRAM_KB = flags.DEFINE_integer(
    "sram_kb",
    512,
    "KB of each of the three SRAMs, for --objective=energy and --objective=edp.",
    lower_bound=1,
    upper_bound=2**20,
)

_OWN = (*workload_flags.ALL, *objective_flags.ALL, SRAM_KB, term_flags.COST_TERMS)

# Labels: 14 budgets of each of 64 workloads in a batch.
_LONG: dict[str, Any] = {"num_train": 14_680_064, "batch_size": 896, "small_share": 0.1}
_CHANGES: learning.Changes = {
    "airchitect": {
        "smoke": {"num_train": 524_288, "hidden_sizes": (64,), "learning_rate": 0.01},
        "default": {"epochs": 12, "hidden_sizes": (128,), **_LONG},
        "paper": {"epochs": 90, "hidden_sizes": (128,), **_LONG},
    },
    "additive": {
        "smoke": {"num_train": 262_144, "batch_size": 2_048},
        "default": {"num_train": 1_048_576, "epochs": 8},
        "paper": {"num_train": 1_048_576, "epochs": 24},
    },
    "paper": {"smoke": {"learning_rate": 0.01}, "paper": {"epochs": 48}},
}


def aspect_ratio(case: ArrayDataflowCase, test: Dataset) -> Figure:
    """The optimal aspect ratio over the shape of the workload."""
    features = case.by_name(test.workloads)
    log_m, log_n, log_k = (np.log2(features[name]) for name in ("m", "n", "k"))
    space = case.space
    return plots.aspect_ratio_map(
        log_m - log_n,
        log_k - (log_m + log_n) / 2,
        (space.row_exponent - space.col_exponent)[test.design_ids],
        space.attributes[0],
        test.design_ids,
    )


def main(console: rich.console.Console) -> None:
    """Runs the case study that the flags describe."""
    case = ArrayDataflowCase.from_settings(runner.values(*_OWN))
    config = learning.run_config(learning.presets(case, _CHANGES), case.best_network or "paper")
    learning.learn(
        case,
        config,
        _OWN,
        console,
        extra_figures={
            "aspect_ratio": (
                "The optimal aspect ratio of the array over the shape of the workload.",
                lambda test, _: aspect_ratio(case, test),
            )
        },
    )


if __name__ == "__main__":
    runner.run_main(main, interrupted="give --resume to go on from the last epoch")
