"""Any registered case study: label, train, evaluate, report; see also case_study1 to case_study3.

Draws workloads, labels them by exact search, trains a network on them, and evaluates it on unseen
workloads and on the layers of real networks. Writes figures, report.html and summary.json.

  airchitect case_study --plugin=my_module --case_study=my_name --workdir=runs/mine
"""

from __future__ import annotations

import rich.console
from absl import flags

from airchitect_jax.experiments import case_flags, gemm_flags, learning, runner

flags.adopt_module_key_flags(learning)
flags.adopt_module_key_flags(case_flags)
flags.set_default(runner.WORKDIR, "runs/case_study")


def main(console: rich.console.Console) -> None:
    """Flags to configuration to library."""
    case = case_flags.make_case()
    config = learning.run_config(learning.presets(case, {}), case.best_network or "paper")
    own = (*case_flags.ALL, *gemm_flags.ALL)
    learning.learn(case, config, own, console, extra_figures={})


if __name__ == "__main__":
    runner.run_main(main, interrupted="give --resume to go on from the last epoch")
