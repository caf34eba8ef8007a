"""Completion of the command `airchitect` in bash, zsh and fish.

The shells call `airchitect complete WORDS...`. It imports no script, which would take seconds:
flags.json has the flags of each (python -m tools.write_flags).
"""

from __future__ import annotations

import importlib.resources
import json
from collections.abc import Iterable, Sequence

_BASH = """\
_airchitect() {
  local line=${COMP_LINE:0:COMP_POINT} words
  read -ra words <<< "$line"
  [[ $line == *" " ]] && words+=("")
  mapfile -t COMPREPLY < <(airchitect complete "${words[@]:1}")
  [[ ${COMPREPLY[0]} == *= ]] && compopt -o nospace
  # Bash takes a value after = for a word of its own.
  [[ ${words[-1]} == *=* ]] && COMPREPLY=("${COMPREPLY[@]#*=}")
}
complete -o default -F _airchitect airchitect
"""
_ZSH = """\
_airchitect() {
  local -a found
  found=(${(f)"$(airchitect complete ${words[2,CURRENT]})"})
  if (( ${#found} )); then compadd -S '' -- $found; else _files -P "${PREFIX%%=*}="; fi
}
compdef _airchitect airchitect
"""
_FISH = """\
complete -c airchitect -a '(airchitect complete (commandline -opc)[2..] (commandline -ct))'
"""
SHELLS = {"bash": _BASH, "zsh": _ZSH, "fish": _FISH}


def flags_of_scripts() -> dict[str, dict[str, str | list[str]]]:
    """Of each script its flags, with the values that they may have, or "bool" or ""."""
    path = importlib.resources.files(__package__ or "").joinpath("flags.json")
    return json.loads(path.read_text(encoding="utf-8"))


def complete(words: Sequence[str], commands: Iterable[str]) -> list[str]:
    """What the last of the words may become, after those before it; nothing for a path.

    Args:
      words: of the command line, without the command itself.
      commands: names of the subcommands.

    Example:
      >>> complete(["rec"], ["recommend", "release"])
      ['recommend']
      >>> complete(["recommend", "--objective=e"], ["recommend"])
      ['--objective=energy', '--objective=edp']
    """
    *before, last = words or [""]
    if not before:
        candidates = [*commands, "completion", "--help", "--version"]
    elif before == ["completion"]:
        candidates = list(SHELLS)
    else:
        flags = flags_of_scripts().get(before[0], {})
        name, equals, _ = last.removeprefix("--").partition("=")
        values = flags.get(name) if equals else None
        if values is not None:
            candidates = [f"--{name}={value}" for value in values if values != "bool"]
        else:
            candidates = ["--help", *_written(flags)]
    return [one for one in candidates if one.startswith(last)]


def _written(flags: dict[str, str | list[str]]) -> Iterable[str]:
    """Flags as they are given; a value follows the sign of equality."""
    for name, values in flags.items():
        yield from (f"--{name}", f"--no{name}") if values == "bool" else (f"--{name}=",)
