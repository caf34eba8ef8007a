"""Release the network of a finished run: weights and a config that load without the run.

Writes weights.safetensors and config.json (settings, metrics, command, seed, versions, checksums)
into a folder, from which `airchitect_jax.load_pretrained` makes a predictor (docs/pretrained.md).
Metrics are measured on the weights as they are stored.

  airchitect release --run=runs/case_study1 --name=case_study1 --to=case_study1
"""

from __future__ import annotations

import pathlib

import rich.console
from absl import flags

from airchitect_jax._support import registered
from airchitect_jax.experiments import runner, script
from airchitect_jax.pretrained import Precision, release

RUN = flags.DEFINE_string("run", None, "The workdir of the run.", required=True)
NAME = flags.DEFINE_string("name", None, "The name of the weights.", required=True)
TO = flags.DEFINE_string("to", None, "The folder to write.", required=True)
KIND = flags.DEFINE_string(
    "kind", "case_study", "How the run is packed: case_study, or another registered kind."
)
PRECISION = flags.DEFINE_enum(
    "precision",
    Precision.FLOAT32.value,
    [precision.value for precision in Precision],
    "How weights are stored; float16 takes half the space.",
)


def main(console: rich.console.Console) -> None:
    """Flags to library."""
    if KIND.value not in registered("pretrained"):
        raise ValueError(
            f"--kind: {KIND.value!r} is not allowed; expected {', '.join(registered('pretrained'))}"
        )
    folder = pathlib.Path(TO.value)
    config = release(RUN.value, folder, name=NAME.value, kind=KIND.value, precision=PRECISION.value)
    for metric, value in config["metrics"].items():
        runner.say(console, f"{metric}: {value:.6g}")
    runner.say(console, f"{config['num_bytes']:,} bytes of weights: {folder}")


if __name__ == "__main__":
    script.run(main, "give the same command again")
