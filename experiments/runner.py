"""Flags that all experiment scripts share, and how they start."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import rich.console
from absl import flags

from experiments import script

WORKDIR = flags.DEFINE_string(
    "workdir", "runs/experiment", "Folder for the results; created if it does not exist."
)
SEED = flags.DEFINE_integer(
    "seed", 0, "Seed of everything random.", lower_bound=0, upper_bound=2**31 - 1
)


def values(*holders: flags.FlagHolder[Any]) -> dict[str, Any]:
    """What the flags are set to, by name."""
    return {holder.name: holder.value for holder in holders}


def run_main(main: Callable[[rich.console.Console], None], *, interrupted: str) -> None:
    """Runs a script; see `script.run`. `interrupted` is what the user can do after Ctrl-C."""
    script.run(main, interrupted)
