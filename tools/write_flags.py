"""Writes the flags of all scripts, from which the shells complete the command `airchitect`.

Run `python -m tools.write_flags` to see what would change, with `--write` to change it.
"""

from __future__ import annotations

import json
import pathlib
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Mapping

from airchitect_jax.experiments.command import summaries
from tools import _generated

FILE = pathlib.Path(__file__).parent.parent / "airchitect_jax" / "experiments" / "flags.json"


def own_flags(helpxml: str) -> dict[str, str | list[str]]:
    """What --helpxml says of a script's own flags: the values of each, or "bool" or ""."""
    flags: dict[str, str | list[str]] = {}
    for flag in ET.fromstring(helpxml).iter("flag"):  # noqa: S314 - printed by our own script
        if flag.findtext("key") == "yes":
            values = [str(value.text) for value in flag.iter("enum_value")]
            kind = "bool" if flag.findtext("type") == "bool" else ""
            flags[str(flag.findtext("name"))] = values or kind
    return flags


def text_of(flags: Mapping[str, Mapping[str, str | list[str]]]) -> str:
    """The file's text: one line per script."""
    lines = (f" {json.dumps(name)}: {json.dumps(own)}" for name, own in flags.items())
    return "{\n" + ",\n".join(lines) + "\n}\n"


def printed(name: str) -> str:
    """What a script prints with --helpxml."""
    command = [sys.executable, "-m", f"airchitect_jax.experiments.{name}", "--helpxml"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout  # noqa: S603


if __name__ == "__main__":
    found = {name: own_flags(printed(name)) for name in summaries()}
    _generated.update({FILE: text_of(found)}, sys.argv[1:])
