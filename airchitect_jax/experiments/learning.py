"""Flags and presets that the experiments which train a network share."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import rich.console
from absl import flags

from airchitect_jax.case_studies import CaseStudy
from airchitect_jax.experiments import hosts, resume_flag, runner
from airchitect_jax.learning import Loss, Optimizer, RunConfig, check_network
from airchitect_jax.learning.experiment import ExtraFigure, check_memory, run
from airchitect_jax.learning.models import fitting_batch, recipe_of, recipes
from airchitect_jax.workloads import EVALUATION_NETWORKS, Network, load_network, read_topology

FLAGS = flags.FLAGS

_PRESET = "the preset's unless given"

flags.adopt_module_key_flags(runner)
flags.adopt_module_key_flags(hosts)
flags.adopt_module_key_flags(resume_flag)
PRESET = flags.DEFINE_enum(
    "preset",
    "default",
    ["smoke", "default", "paper"],
    "Sizes of the run: a test of seconds, minutes, or what it takes to reach the paper's figures."
    " Flags given with it take precedence.",
)
MODEL = flags.DEFINE_string(
    "model",
    None,
    "A network: airchitect, the paper's structure with inputs at several resolutions, which learns"
    " from labels alone; paper, the paper's; additive, one dense layer that predicts what each"
    " design costs (case study 1); symmetric, which predicts the cycles of each workload on each"
    " array (case study 3); or a plugin's."
    " The best for the case study unless given.",
)
for _name, _meaning in (
    ("num_train", "Training examples in an epoch"),
    ("num_test", "Unseen workloads to test on"),
    ("num_validation", "Unseen workloads that are evaluated after every epoch"),
    ("epochs", "Epochs; each ends with validation and a checkpoint"),
):
    flags.DEFINE_integer(_name, None, f"{_meaning}; {_PRESET}.", lower_bound=1)
BATCH_SIZE = flags.DEFINE_integer(
    "batch_size", None, f"Examples in a step; {_PRESET}.", lower_bound=1, upper_bound=2**20
)
LEARNING_RATE = flags.DEFINE_float(
    "learning_rate", None, f"Peak learning rate; {_PRESET}.", lower_bound=1e-8, upper_bound=10.0
)
OPTIMIZER = flags.DEFINE_enum(
    "optimizer",
    None,
    [optimizer.value for optimizer in Optimizer],
    f"Adam, Muon, or gradient descent with momentum; {_PRESET}.",
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
    "Cross-entropy of the label alone, or with that of all designs that cost as little; or squared"
    " errors of log costs, for networks that predict these; " + _PRESET + ".",
)
EVAL_WORKLOADS = flags.DEFINE_multi_string(
    "eval_workloads",
    [],
    "A SCALE-Sim topology (GEMM or convolution CSV) to recommend for, beside the packaged networks;"
    " may be given several times.",
)

# Settings that may differ when a run is resumed: they do not change what is trained.
FREE = {"resume", "eval_workloads"}


SMOKE = RunConfig(
    preset="smoke",
    seed=0,
    num_train=65_536,
    num_test=5_000,
    num_validation=20_000,
    epochs=2,
    batch_size=1_024,
    learning_rate=0.01,
    embedding_dim=8,
    hidden_sizes=(64,),
    stream=False,
)
# The network of the paper's figure 1; a case study gives its own length.
DEFAULT = RunConfig(
    preset="default",
    seed=0,
    num_train=2_097_152,
    num_test=100_000,
    num_validation=20_000,
    epochs=10,
    batch_size=4_096,
    learning_rate=0.02,
    embedding_dim=16,
    hidden_sizes=(256,),
    stream=True,
)


_PAPER = dataclasses.replace(DEFAULT, preset="paper", epochs=50)

# What a case study changes in a preset: fields of the run by model, then by preset.
Changes = Mapping[str, Mapping[str, Mapping[str, Any]]]


def presets(case: CaseStudy, changes: Changes) -> dict[str, dict[str, RunConfig]]:
    """The presets of each network that can learn a case study, by the network's recipe."""
    found: dict[str, dict[str, RunConfig]] = {}
    for name, recipe in recipes(case).items():
        own: dict[str, Any] = {
            "model": name,
            "loss": recipe.loss_of(case).value,
            "optimizer": recipe.optimizer.value,
            "learning_rate": recipe.learning_rate,
        }
        if not recipe.has_widths:
            own |= {"embedding_dim": 0, "hidden_sizes": ()}
        size = {"batch_size": recipe.batch_size or fitting_batch(case)}
        found[name] = {
            preset.preset: dataclasses.replace(
                preset,
                **own
                | ({} if preset is SMOKE else size)
                | dict(changes.get(name, {}).get(preset.preset, {})),
            )
            for preset in (SMOKE, DEFAULT, _PAPER)
        }
    return found


def run_config(choices: Mapping[str, Mapping[str, RunConfig]], best: str) -> RunConfig:
    """The preset of the model with the given flags laid over it.

    Args:
      choices: presets by the name of the model, then of the preset.
      best: the model if none is asked for.

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
    model = MODEL.value or best
    if model not in choices:
        raise ValueError(
            f"--model: {model} is not allowed in this case study; expected {' or '.join(choices)}"
        )
    preset = choices[model][PRESET.value]
    config = dataclasses.replace(preset, **given)
    if not preset.hidden_sizes:
        for name in ("embedding_dim", "hidden_sizes"):
            if name in given:
                raise ValueError(f"--{name}: not allowed with --model={model}, which has none")
    if (config.loss == Loss.COST.value) != (preset.loss == Loss.COST.value):
        raise ValueError(f"--loss: {config.loss} is not allowed with --model={model}")
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


def learn(
    case: CaseStudy,
    config: RunConfig,
    script_flags: Sequence[flags.FlagHolder[Any]],
    console: rich.console.Console,
    *,
    extra_figures: Mapping[str, tuple[str, ExtraFigure]],
    resolved: Mapping[str, Any] | None = None,
) -> None:
    """Runs a case study in the workdir of the flags, real networks checked before it is claimed.

    `resolved` has the settings whose flags may be left open, by name.
    """
    check_memory(case, config)
    found = networks(case)
    written = settings(config, script_flags) | dict(resolved or {})
    resume = resume_flag.RESUME.value
    with hosts.joined() as group:
        processes, single = group.count, recipe_of(case, config.model).single_threaded
        if single or processes > 1:
            # As many as one process with all devices has: in the last bit, sums depend on it.
            runner.train_on_threads(max(processes, 1 if single else runner.cores()))
        group.share_devices()
        with group.claim(case.name, written, resume=resume, free=FREE) as folder:
            run(
                case, config, folder, found, settings=written, extra_figures=extra_figures,
                console=console if folder else rich.console.Console(quiet=True),
            )  # fmt: skip


def settings(config: RunConfig, script_flags: Sequence[flags.FlagHolder[Any]]) -> dict[str, Any]:
    """Every flag as JSON, presets resolved: the identity of the run."""
    own = runner.values(*script_flags, EVAL_WORKLOADS, runner.WORKDIR, resume_flag.RESUME)
    merged = {**dataclasses.asdict(config), **own}
    return {
        name: list(value) if isinstance(value, tuple) else value for name, value in merged.items()
    }
