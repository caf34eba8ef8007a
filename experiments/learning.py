"""Flags and presets that the experiments which train a network share."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any

from absl import flags

from airchitect_jax.case_studies.base import CaseStudy
from airchitect_jax.experiment import RunConfig
from airchitect_jax.losses import Loss
from airchitect_jax.network_evaluation import check_network
from airchitect_jax.workloads.network import Network
from airchitect_jax.workloads.scalesim_csv import read_topology
from airchitect_jax.workloads.zoo import EVALUATION_NETWORKS, load_network
from experiments import runner

FLAGS = flags.FLAGS

_PRESET = "the preset's unless given"

flags.adopt_module_key_flags(runner)
PRESET = flags.DEFINE_enum(
    "preset",
    "default",
    ["smoke", "default", "paper"],
    "Sizes of the run: a test of seconds, minutes, or what it takes to reach the paper's figures."
    " Any flag given beside it wins.",
)
RESUME = flags.DEFINE_boolean(
    "resume", False, "Go on with the run that the workdir holds; start one if it holds none."
)
NUM_TRAIN = flags.DEFINE_integer(
    "num_train", None, f"Training examples in an epoch; {_PRESET}.", lower_bound=1
)
NUM_TEST = flags.DEFINE_integer(
    "num_test", None, f"Unseen workloads to test on; {_PRESET}.", lower_bound=1
)
NUM_VALIDATION = flags.DEFINE_integer(
    "num_validation",
    None,
    f"Unseen workloads that are evaluated after every epoch; {_PRESET}.",
    lower_bound=1,
)
EPOCHS = flags.DEFINE_integer(
    "epochs",
    None,
    f"Epochs; each ends with validation and a checkpoint; {_PRESET}.",
    lower_bound=1,
)
BATCH_SIZE = flags.DEFINE_integer(
    "batch_size", None, f"Examples in a step; {_PRESET}.", lower_bound=1, upper_bound=2**20
)
LEARNING_RATE = flags.DEFINE_float(
    "learning_rate",
    None,
    f"Peak learning rate of Adam; {_PRESET}.",
    lower_bound=1e-8,
    upper_bound=10.0,
)
EMBEDDING_DIM = flags.DEFINE_integer(
    "embedding_dim",
    None,
    f"Width of the embedding of each input; {_PRESET}.",
    lower_bound=1,
    upper_bound=4096,
)
HIDDEN_SIZES = flags.DEFINE_list(
    "hidden_sizes", None, f"Widths of the hidden layers, separated by commas; {_PRESET}."
)
STREAM = flags.DEFINE_boolean(
    "stream",
    None,
    "Draw and label fresh workloads on the device for every batch, instead of storing a data set"
    f" and shuffling it each epoch; {_PRESET}.",
)
LOSS = flags.DEFINE_enum(
    "loss",
    None,
    [loss.value for loss in Loss],
    "Cross-entropy of the label alone, or with that of all designs that cost as little; "
    + _PRESET
    + ".",
)
EVAL_WORKLOADS = flags.DEFINE_multi_string(
    "eval_workloads",
    [],
    "A SCALE-Sim topology (GEMM or convolution CSV) to recommend for, beside the packaged networks;"
    " may be given several times.",
)

# Settings that may differ when a run is resumed: they do not change what is trained.
FREE = {"workdir", "resume", "eval_workloads"}


def run_config(presets: Mapping[str, RunConfig]) -> RunConfig:
    """The preset with the given flags laid over it.

    Raises:
      ValueError: a flag's value is not allowed.
    """
    given: dict[str, Any] = {
        field.name: FLAGS[field.name].value
        for field in dataclasses.fields(RunConfig)
        if field.name in FLAGS and FLAGS[field.name].value is not None
    }
    if "hidden_sizes" in given:
        given["hidden_sizes"] = tuple(_hidden_size(text) for text in given["hidden_sizes"])
    config = dataclasses.replace(presets[PRESET.value], **given)
    if not math.isfinite(config.learning_rate):  # absl's bounds let NaN through
        raise ValueError(
            f"--learning_rate: {config.learning_rate} is not allowed; expected a number"
        )
    if config.num_train < config.batch_size:
        raise ValueError(
            f"--num_train: {config.num_train} is not allowed; expected at least one batch"
            f" (--batch_size={config.batch_size})"
        )
    return config


def _hidden_size(text: str) -> int:
    if not text.strip().isdecimal() or not 1 <= int(text) <= 65536:
        raise ValueError(
            f"--hidden_sizes: {text!r} is not allowed; expected whole numbers in 1..65536,"
            " separated by commas"
        )
    return int(text)


def networks(case: CaseStudy) -> list[Network]:
    """Packaged networks, then the files of --eval_workloads, each under a name of its own.

    Raises:
      ValueError: a file cannot be read, has a bad cell, or a layer too large to be exact.
    """
    found = [load_network(name) for name in EVALUATION_NETWORKS]
    for path in EVAL_WORKLOADS.value:
        network = read_topology(path)
        check_network(case, network)
        taken, name, number = {other.name for other in found}, network.name, 1
        while name in taken:
            number += 1
            name = f"{network.name} ({number})"
        found.append(dataclasses.replace(network, name=name))
    return found


def settings(config: RunConfig, script_flags: Sequence[flags.FlagHolder[Any]]) -> dict[str, Any]:
    """Every flag as JSON, presets resolved: what makes this run this run."""
    own = {
        flag.name: flag.value for flag in (*script_flags, EVAL_WORKLOADS, runner.WORKDIR, RESUME)
    }
    merged = {**dataclasses.asdict(config), **own}
    return {
        name: list(value) if isinstance(value, tuple) else value for name, value in merged.items()
    }
