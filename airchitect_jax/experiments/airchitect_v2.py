"""Learn the AIrchitect v2 data set: the PEs and the buffer that a search found for each layer.

Reads one of the data set's files, convolutions or GEMMs, trains a few networks on 90% of its layers
and scores them on a 5% that is always the same, beside constant answers, random forests and, for
convolutions, a closed form. Writes metrics.jsonl, figures and summary.json into the workdir.

  airchitect airchitect_v2 --data=conv_dataset_100k.csv
  airchitect airchitect_v2 --data=gemm_dataset_100k.csv --workdir=runs/gemm
  airchitect airchitect_v2 --data=conv_dataset_100k.csv --num_networks=1 --forest_trees=0
"""

from __future__ import annotations

import rich.console
from absl import flags

from airchitect_jax.experiments import runner
from airchitect_jax.studies.airchitect_v2 import Settings, forest, read_table, run

flags.adopt_module_key_flags(runner)
flags.set_default(runner.WORKDIR, "runs/airchitect_v2")

DATA = flags.DEFINE_string("data", None, "The data set's file, of convolutions or of GEMMs (.csv).")
NUM_NETWORKS = flags.DEFINE_integer(
    "num_networks",
    3,
    "Networks to train, with seeds from --seed on; scored one by one and together.",
    lower_bound=1,
    upper_bound=100,
)
EPOCHS = flags.DEFINE_integer(
    "epochs", 2, "Passes over the training layers.", lower_bound=1, upper_bound=10_000
)
BATCH_SIZE = flags.DEFINE_integer(
    "batch_size", 512, "Layers in a step.", lower_bound=1, upper_bound=2**20
)
LEARNING_RATE = flags.DEFINE_float(
    "learning_rate", 0.003, "Peak learning rate of Adam.", lower_bound=1e-8, upper_bound=10.0
)
EMBEDDING_DIM = flags.DEFINE_integer(
    "embedding_dim", 16, "Width of each embedding.", lower_bound=1, upper_bound=4096
)
HIDDEN_SIZE = flags.DEFINE_integer(
    "hidden_size", 128, "Width of the hidden layer.", lower_bound=1, upper_bound=65536
)
FOREST_TREES = flags.DEFINE_integer(
    "forest_trees",
    60,
    "Trees of the random forests to compare with (extra baselines); 0 leaves them out.",
    lower_bound=0,
    upper_bound=10_000,
)

# Fields of `Settings`.
_SIZES = (
    NUM_NETWORKS, EPOCHS, BATCH_SIZE, LEARNING_RATE, EMBEDDING_DIM, HIDDEN_SIZE, FOREST_TREES
)  # fmt: skip


def main(console: rich.console.Console) -> None:
    """Runs the experiment that the flags describe."""
    if not DATA.value:
        raise ValueError("--data: no file is given; expected one of the data set's .csv files")
    if FOREST_TREES.value:
        forest.check_installed()
    settings = Settings(**runner.values(runner.SEED, *_SIZES))
    table = read_table(DATA.value)
    runner.say(
        console,
        f"{DATA.value}: {len(table)} layers; {table.num_rejected} rows that are no layers left out",
    )
    written = runner.values(runner.SEED, runner.WORKDIR, DATA, *_SIZES)
    with runner.claim("airchitect_v2", written, resume=True) as folder:  # may be run again
        run(table, settings, folder, console)
        runner.say(console, f"{folder}: report.html, summary.json, metrics.jsonl, figures")


if __name__ == "__main__":
    runner.run_main(main, interrupted="the same command starts again")
