"""Flags that all experiment scripts share, and their entry point."""

from __future__ import annotations

import importlib
import os
import pathlib
from collections.abc import Callable, Collection, Mapping
from contextlib import AbstractContextManager
from typing import Any

import rich.console
from absl import flags

from airchitect_jax._support import workdir
from airchitect_jax.experiments import script

WORKDIR = flags.DEFINE_string(
    "workdir", "runs/experiment", "Folder for the results; created if it does not exist."
)
SEED = flags.DEFINE_integer("seed", 0, "Random seed.", lower_bound=0, upper_bound=2**31 - 1)
PLUGIN = flags.DEFINE_multi_string(
    "plugin",
    [],
    "Python module that registers case studies, searchers, networks or competitors of yours; may be"
    " given several times.",
)


def values(*holders: flags.FlagHolder[Any]) -> dict[str, Any]:
    """The values of flags by name."""
    return {holder.name: holder.value for holder in holders}


def train_on_threads(count: int = 1) -> None:
    """Has XLA's CPU backend, which reads NPROC when it starts, use so many threads.

    Small steps wait longer for other threads than these save.
    """
    os.environ.setdefault("NPROC", str(count))


def cores() -> int:
    """The number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def claim(
    experiment: str, settings: Mapping[str, Any], *, resume: bool, free: Collection[str] = ()
) -> AbstractContextManager[pathlib.Path]:
    """`workdir.claim` of --workdir, which may be another folder when a run is resumed."""
    return workdir.claim(
        WORKDIR.value, experiment, settings, resume=resume, free={WORKDIR.name, *free}
    )


def say(console: rich.console.Console, text: str) -> None:
    """Prints a line as it is: no markup, no colours, no line breaks."""
    console.print(text, highlight=False, markup=False, soft_wrap=True)


def run_main(main: Callable[[rich.console.Console], None], *, interrupted: str) -> None:
    """Runs a script; see `script.run`. `interrupted` is what the user can do after Ctrl-C."""

    def with_plugins(console: rich.console.Console) -> None:
        for module in PLUGIN.value:
            try:
                importlib.import_module(module)
            except ImportError as error:
                raise ValueError(f"--plugin: {module} cannot be imported: {error}") from None
        main(console)

    script.run(with_plugins, interrupted)
