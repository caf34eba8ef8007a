"""Learn to size buffers where the scalesim package judges, from replays of every sizing.

Draws GEMMs, arrays, dataflows and bandwidths, replays each in all 1000 sizings, trains a network to
predict what each buffer costs, and chooses sizings for unseen workloads and for the layers of real
networks. Beside it: the same from fewer workloads, other learners, and heuristics. Writes
summary.json, report.html, figures and the weights into the workdir.

  preset   workloads replayed   steps                       on one CPU core
  smoke    4096                 128 of 256 workloads        a minute
  default  262144               32768 of 512 workloads      11 minutes, and 8 for the comparison

  airchitect learn_simulator --preset=smoke --workdir=runs/smoke_simulator
  airchitect learn_simulator --jobs=2 --workdir=runs/learn_simulator
"""

from __future__ import annotations

from typing import Any

import rich.console
from absl import flags

from airchitect_jax.experiments import resume_flag, runner
from airchitect_jax.learning.replayed import TrainingConfig, replayed_case
from airchitect_jax.studies.simulator import Settings, check_installed, run
from airchitect_jax.workloads import EVALUATION_NETWORKS, load_network, read_topology

flags.adopt_module_key_flags(runner)
flags.adopt_module_key_flags(resume_flag)
flags.set_default(runner.WORKDIR, "runs/learn_simulator")

_PRESETS: dict[str, dict[str, Any]] = {
    "smoke": {"num_train": 4_096, "num_test": 256, "steps": 128, "curve": ["1024"]}
    | {"curve_steps": 64, "rival_train": 1_024, "batch_size": 256, "hidden_sizes": ["64"]},
    "default": {"num_train": 262_144, "num_test": 2_000, "steps": 32_768, "batch_size": 512}
    | {"curve": ["1024", "4096", "16384", "65536"], "curve_steps": 2_048}
    | {"rival_train": 16_384, "hidden_sizes": ["256", "256"]},
}
_GIVEN = "the preset's unless given"

PRESET = flags.DEFINE_enum("preset", "default", list(_PRESETS), "Sizes of the run.")
NUM_TRAIN = flags.DEFINE_integer(
    "num_train", None, f"Workloads to replay; {_GIVEN}.", lower_bound=256
)
NUM_TEST = flags.DEFINE_integer("num_test", None, f"Unseen workloads; {_GIVEN}.", lower_bound=1)
STEPS = flags.DEFINE_integer(
    "steps", None, f"Training steps, a multiple of 64; {_GIVEN}.", lower_bound=64
)
BATCH_SIZE = flags.DEFINE_integer(
    "batch_size", None, f"Workloads of a step, a multiple of 128; {_GIVEN}.", lower_bound=128
)
LEARNING_RATE = flags.DEFINE_float(
    "learning_rate", 0.003, "Peak learning rate of Adam.", lower_bound=1e-8, upper_bound=10.0
)
HIDDEN_SIZES = flags.DEFINE_list(
    "hidden_sizes", None, f"Widths of the hidden layers, separated by commas; {_GIVEN}."
)
CURVE = flags.DEFINE_list(
    "curve", None, f"Fewer workloads to learn from as well, separated by commas; {_GIVEN}."
)
CURVE_STEPS = flags.DEFINE_integer(
    "curve_steps", None, f"Most training steps from fewer workloads; {_GIVEN}.", lower_bound=64
)
RIVAL_TRAIN = flags.DEFINE_integer(
    "rival_train",
    None,
    "Most workloads that random forest, XGBoost and nearest neighbour learn from (extra"
    f" baselines); 0 leaves them out; {_GIVEN}.",
    lower_bound=0,
)
JOBS = flags.DEFINE_integer("jobs", 1, "Processes that replay.", lower_bound=1, upper_bound=1024)
MAX_DIM = flags.DEFINE_integer(
    "max_dim", 1_024, "The largest m, n and k.", lower_bound=1, upper_bound=10_000
)
EVAL_WORKLOADS = flags.DEFINE_multi_string(
    "eval_workloads",
    [],
    "A SCALE-Sim topology to recommend for, beside the packaged networks; may be given several"
    " times.",
)
_OF_PRESET = (
    NUM_TRAIN, NUM_TEST, STEPS, BATCH_SIZE, HIDDEN_SIZES, CURVE, CURVE_STEPS, RIVAL_TRAIN
)  # fmt: skip
_FREE = {"resume", "jobs", "eval_workloads"}


def main(console: rich.console.Console) -> None:
    """Runs the experiment that the flags describe."""
    runner.train_on_threads()
    given = {name: value for name, value in runner.values(*_OF_PRESET).items() if value is not None}
    chosen = _PRESETS[PRESET.value] | given
    case = replayed_case(MAX_DIM.value)
    settings = Settings(
        seed=runner.SEED.value,
        num_train=chosen["num_train"],
        num_test=chosen["num_test"],
        training=TrainingConfig(
            hidden_sizes=_whole_numbers("hidden_sizes", chosen, 65_536),
            steps=chosen["steps"],
            batch_size=chosen["batch_size"],
            learning_rate=LEARNING_RATE.value,
        ),
        curve=_whole_numbers("curve", chosen, 2**31 - 1),
        curve_steps=chosen["curve_steps"],
        rival_train=chosen["rival_train"],
        jobs=JOBS.value,
    )
    if settings.rival_train:
        check_installed()
    networks = [load_network(name) for name in EVALUATION_NETWORKS]
    networks += [read_topology(path) for path in EVAL_WORKLOADS.value]
    written = chosen | runner.values(
        runner.SEED, runner.WORKDIR, PRESET, LEARNING_RATE, JOBS, MAX_DIM, EVAL_WORKLOADS
    )
    resume = resume_flag.RESUME.value
    with runner.claim("learn_simulator", written, resume=resume, free=_FREE) as folder:
        run(case, settings, folder, networks, console)
        runner.say(console, f"{folder}: report.html, summary.json, figures, networks")


def _whole_numbers(name: str, chosen: dict[str, Any], largest: int) -> tuple[int, ...]:
    for text in chosen[name]:
        if not text.strip().isdecimal() or not 1 <= int(text) <= largest:
            raise ValueError(
                f"--{name}: {text!r} is not allowed; expected whole numbers in 1..{largest},"
                " separated by commas"
            )
    return tuple(map(int, chosen[name]))


if __name__ == "__main__":
    runner.run_main(main, interrupted="give --resume to go on")
