"""Flags and error handling that all experiment scripts share."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Any

import rich.console
from absl import app, flags, logging

FLAGS = flags.FLAGS

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
    """Runs a script: bad input ends it with one line and status 2, Ctrl-C with 130.

    `interrupted` is what the user can do after Ctrl-C.
    `--verbosity=1` shows the whole trace of an error instead.
    """

    def parse(arguments: Sequence[str]) -> list[str]:
        try:
            rest = FLAGS(arguments)
            if len(rest) > 1:
                raise flags.Error(f"unexpected argument {rest[1]!r}: flags begin with --")
            return rest
        except flags.Error as error:
            print(f"error: {error} (--help lists the flags)", file=sys.stderr)
            sys.exit(2)

    def guarded(arguments: Sequence[str]) -> None:
        del arguments
        # Libraries narrate what they do; their warnings stay.
        if not FLAGS["verbosity"].present:
            logging.set_verbosity(logging.WARNING)
        try:
            main(rich.console.Console())
        except (ValueError, OSError) as error:
            if logging.level_debug():
                raise
            print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
            sys.exit(2)
        except KeyboardInterrupt:
            print(f"interrupted; {interrupted}", file=sys.stderr)
            sys.exit(130)

    app.run(guarded, flags_parser=parse)
