"""Compare the TILED model and its best mappings with AccelForge and ZigZag.

First evaluates random mappings of small GEMMs in our model and in AccelForge, whose counts of DRAM
traffic, SRAM accesses and cycles of computing must be the same. Then finds the best mapping of
layers of ResNet-50, BERT and Llama 3 on one machine, for the fewest cycles and for the least DRAM
traffic, by our search and by the mappers of both, and measures the time of each. Ends with status 1
if a count that must agree differs.

Each package has an interpreter of its own; the comparisons of one that is not given are left out.

  airchitect validate_mappings --accelforge_python=/opt/accelforge/bin/python
  airchitect validate_mappings --zigzag_python=/opt/zigzag/bin/python --num_layers=3
"""

from __future__ import annotations

import contextlib
import sys

import rich.console
from absl import flags

from airchitect_jax._support import workdir
from airchitect_jax._support.json_process import JsonProcess
from airchitect_jax._support.progress import Progress
from airchitect_jax.experiments import runner
from airchitect_jax.studies.mappers import (
    ACCELFORGE,
    ZIGZAG,
    Peer,
    compare_best,
    compare_counts,
    draw,
    layers,
    write_report,
)

flags.adopt_module_key_flags(runner)
flags.set_default(runner.WORKDIR, "runs/validate_mappings")

ACCELFORGE_PYTHON = flags.DEFINE_string(
    "accelforge_python", None, "Python interpreter that has the accelforge package."
)
ZIGZAG_PYTHON = flags.DEFINE_string(
    "zigzag_python", None, "Python interpreter that has the zigzag-dse package."
)
NUM_MAPPINGS = flags.DEFINE_integer(
    "num_mappings",
    120,
    "Random mappings whose counts are compared with AccelForge's.",
    lower_bound=1,
    upper_bound=100_000,
)
NUM_LAYERS = flags.DEFINE_integer(
    "num_layers",
    len(layers()),
    "Layers whose best mappings are compared; 0 leaves them out.",
    lower_bound=0,
    upper_bound=len(layers()),
)


def main(console: rich.console.Console) -> None:
    """Flags to library to workdir."""
    if ACCELFORGE_PYTHON.value is None and ZIGZAG_PYTHON.value is None:
        raise ValueError(
            "--accelforge_python, --zigzag_python: neither is given; expected at least one"
        )
    with contextlib.ExitStack() as stack:
        accelforge = _started(stack, ACCELFORGE, ACCELFORGE_PYTHON.value)
        zigzag = _started(stack, ZIGZAG, ZIGZAG_PYTHON.value)
        folder = stack.enter_context(
            workdir.claim(
                runner.WORKDIR.value,
                "validate_mappings",
                runner.values(
                    runner.SEED,
                    runner.WORKDIR,
                    ACCELFORGE_PYTHON,
                    ZIGZAG_PYTHON,
                    NUM_MAPPINGS,
                    NUM_LAYERS,
                ),
                resume=True,  # the same settings may be run again
                free={"workdir", "accelforge_python", "zigzag_python"},
            )
        )
        progress = stack.enter_context(Progress(console, "validating"))
        cases = draw(runner.SEED.value, NUM_MAPPINGS.value) if accelforge else []
        outcomes = (
            compare_counts(
                cases,
                accelforge.ask,
                lambda done: progress.show("mapping", done, len(cases), 0.0, "comparing counts"),
            )
            if accelforge
            else []
        )
        chosen = layers()[: NUM_LAYERS.value]
        comparisons = compare_best(
            chosen,
            accelforge.ask if accelforge else None,
            zigzag.ask if zigzag else None,
            lambda done: progress.show("search", done, 2 * len(chosen), 0.0, "finding mappings"),
        )
        versions = {
            name: process.versions["version"]
            for name, process in (("accelforge", accelforge), ("zigzag-dse", zigzag))
            if process
        }
        tables, differing = write_report(folder, outcomes, comparisons, versions)
    for table in tables:
        console.print(table.rich())
    runner.say(console, f"{folder}: summary.json, index.html, mappings.md, *.csv")
    if differing:
        print(
            f"error: counts differ from AccelForge's in {differing} mappings:"
            f" {folder / 'summary.json'} lists them",
            file=sys.stderr,
        )
        sys.exit(1)


def _started(stack: contextlib.ExitStack, peer: Peer, python: str | None) -> JsonProcess | None:
    return stack.enter_context(peer.start(python)) if python else None


if __name__ == "__main__":
    runner.run_main(main, interrupted="the same command starts again")
