"""Case study 1: learn the best array shape and dataflow of a GEMM under a MAC budget.

Draws GEMM workloads, labels them by exact search over 459 designs, trains AIRCHITECT on the
labels, and evaluates it on unseen workloads and on the layers of real networks. Writes figures,
report.html and summary.json into the workdir.

  preset   examples                  network                    on two CPU cores
  smoke    2 x 65536, stored         embeddings 8, hidden 64    20 seconds
  default  10 x 2097152, streamed    embeddings 16, hidden 256  2 to 3 minutes
  paper    48 x 2097152, streamed    embeddings 16, hidden 256  10 minutes

  python -m experiments.case_study1 --preset=smoke --workdir=/tmp/smoke
  python -m experiments.case_study1 --eval_workloads=my_network.csv
"""

from __future__ import annotations

import dataclasses
import pathlib

import numpy as np
import rich.console
from absl import flags
from matplotlib.figure import Figure

from airchitect_jax import plots, workdir
from airchitect_jax.case_studies.array_dataflow import ArrayDataflowCase
from airchitect_jax.datasets import Dataset
from airchitect_jax.experiment import RunConfig, run
from airchitect_jax.types import RuntimeModel
from airchitect_jax.workloads.sampling import Distribution
from experiments import common

flags.adopt_module_key_flags(common)
flags.set_default(common.WORKDIR, "runs/case_study1")

MIN_MAC_EXPONENT = flags.DEFINE_integer(
    "min_mac_exponent",
    5,
    "The smallest MAC budget is 2 to this power.",
    lower_bound=2,
    upper_bound=18,
)
MAX_MAC_EXPONENT = flags.DEFINE_integer(
    "max_mac_exponent",
    18,
    "The largest MAC budget is 2 to this power.",
    lower_bound=2,
    upper_bound=18,
)
MAX_DIM = flags.DEFINE_integer(
    "max_dim", 10_000, "Largest m, n and k.", lower_bound=8, upper_bound=1_000_000
)
DISTRIBUTION = flags.DEFINE_enum(
    "distribution",
    Distribution.UNIFORM.value,
    [distribution.value for distribution in Distribution],
    "How m, n and k are drawn from 1..max_dim.",
)
RUNTIME_MODEL = flags.DEFINE_enum(
    "runtime_model",
    RuntimeModel.SCALESIM.value,
    [model.value for model in RuntimeModel],
    "Cycles as the scalesim package counts them, or as in the ISPASS 2020 paper.",
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
)
_DEFAULT = RunConfig(
    preset="default",
    seed=0,
    num_train=2_097_152,
    num_test=100_000,
    epochs=10,
    batch_size=4_096,
    learning_rate=0.02,
    embedding_dim=16,
    hidden_sizes=(256,),
    stream=True,
)
_PAPER = dataclasses.replace(_DEFAULT, preset="paper", epochs=48)
PRESETS = {config.preset: config for config in (_SMOKE, _DEFAULT, _PAPER)}


def aspect_ratio(case: ArrayDataflowCase, test: Dataset) -> Figure:
    """The optimal aspect ratio over the shape of the workload."""
    log_m, log_n, log_k = np.log2(test.workloads[1:])
    space = case.space
    return plots.aspect_ratio_map(
        log_m - log_n,
        log_k - (log_m + log_n) / 2,
        (space.row_exponent - space.col_exponent)[test.design_ids],
        space.attributes[0],
        test.design_ids,
    )


def main(console: rich.console.Console) -> None:
    """Flags to configuration to library."""
    config = common.run_config(PRESETS)
    case = ArrayDataflowCase(
        min_mac_exponent=MIN_MAC_EXPONENT.value,
        max_mac_exponent=MAX_MAC_EXPONENT.value,
        max_dim=MAX_DIM.value,
        distribution=Distribution(DISTRIBUTION.value),
        runtime_model=RuntimeModel(RUNTIME_MODEL.value),
    )
    networks = common.networks()
    own_flags = (MIN_MAC_EXPONENT, MAX_MAC_EXPONENT, MAX_DIM, DISTRIBUTION, RUNTIME_MODEL)
    settings = common.settings(config, own_flags)
    folder = pathlib.Path(common.WORKDIR.value)
    workdir.claim(folder, settings, resume=common.RESUME.value, free=common.FREE)
    run(
        case,
        config,
        folder,
        networks,
        settings=settings,
        extra_figures={
            "aspect_ratio": (
                "The optimal aspect ratio of the array over the shape of the workload.",
                lambda test: aspect_ratio(case, test),
            )
        },
        console=console,
    )


if __name__ == "__main__":
    common.run_main(main)
