"""The console command `airchitect`: one subcommand per script of this folder, with completion.

airchitect                                 lists the scripts
airchitect recommend --help                lists the flags of one
airchitect recommend --workload=resnet50   runs it, as python -m experiments.recommend in a clone
airchitect completion bash                 prints what completes commands (also: zsh, fish)
"""

from __future__ import annotations

import ast
import difflib
import importlib.metadata
import pathlib
import runpy
import sys
from typing import NoReturn

from airchitect_jax.experiments import completion, interrupts, missing_extras

_FOLDER = pathlib.Path(__file__).parent


def summaries() -> dict[str, str]:
    """The first line of each script's docstring, by the script's name."""
    found = {}
    for path in sorted(_FOLDER.glob("*.py")):
        text = path.read_text(encoding="utf-8")
        if '\nif __name__ == "__main__":\n' in text:
            found[path.stem] = (ast.get_docstring(ast.parse(text)) or "").split("\n")[0]
    return found


def main() -> None:
    """Runs the script that is named, with the rest of the command line as its flags."""
    name, *arguments = sys.argv[1:] or ["--help"]
    if name == "complete":  # what the shells' functions call
        for candidate in completion.complete(arguments, summaries()):
            print(candidate)
    elif name == "completion":
        _print_completion(arguments)
    elif name in ("--help", "-h", "help"):
        _print_help()
    elif name == "--version":
        print(importlib.metadata.version("airchitect-jax"))
    elif name in (known := summaries()):
        interrupts.install()
        missing_extras.install()
        sys.argv = [f"airchitect {name}", *arguments]
        runpy.run_module(f"{__package__}.{name}", run_name="__main__", alter_sys=True)
    else:
        near = difflib.get_close_matches(name, known, n=1)
        hint = f"did you mean {near[0]}?" if near else "airchitect --help lists them"
        _fail(f"{name!r} is not a command; {hint}")


def _print_completion(arguments: list[str]) -> None:
    if len(arguments) != 1 or arguments[0] not in completion.SHELLS:
        _fail(f"completion: expected one shell of {', '.join(completion.SHELLS)}")
    print(completion.SHELLS[arguments[0]], end="")


def _print_help() -> None:
    print("usage: airchitect COMMAND [--flags]    (airchitect COMMAND --help lists its flags)\n")
    for name, summary in summaries().items():
        print(f"  {name:<18} {summary}")
    print(f"  {'completion':<18} Print what completes commands in bash, zsh or fish.")


def _fail(text: str) -> NoReturn:
    sys.stderr.write(f"error: {text}\n")
    sys.exit(2)
