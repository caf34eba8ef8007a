"""Writes the flags of all scripts: for shells, which complete `airchitect`, and docs/commands.md.

Run `python -m tools.write_flags` to see what would change, with `--write` to change it.
"""

from __future__ import annotations

import json
import pathlib
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Mapping

from airchitect_jax.experiments.command import summaries
from tools import _generated

ROOT = pathlib.Path(__file__).parent.parent
FILE = ROOT / "airchitect_jax" / "experiments" / "flags.json"
PAGE = ROOT / "docs" / "commands.md"
_HEAD = """\
# Commands

Each script is a subcommand: `airchitect NAME --flags`. `airchitect NAME --help` prints what stands
here, and `airchitect completion bash` (also: `zsh`, `fish`) what completes names, flags and values.
A switch `--name` is turned off by `--noname`. `python -m tools.write_flags` writes this page.
"""


def own_flags(helpxml: str) -> dict[str, str | list[str]]:
    """What --helpxml says of a script's own flags: the values of each, or "bool" or ""."""
    flags: dict[str, str | list[str]] = {}
    for flag in ET.fromstring(helpxml).iter("flag"):  # noqa: S314 - printed by our own script
        if flag.findtext("key") == "yes":
            values = [str(value.text) for value in flag.iter("enum_value")]
            kind = "bool" if flag.findtext("type") == "bool" else ""
            flags[str(flag.findtext("name"))] = values or kind
    return flags


def page_of(helpxmls: Mapping[str, str]) -> str:
    """A Markdown page with a section per script: what it says of itself, and its flags."""
    return "\n".join([_HEAD, *(_section(name, text) for name, text in helpxmls.items())])


def _section(name: str, helpxml: str) -> str:
    root = ET.fromstring(helpxml)  # noqa: S314 - printed by our own script
    # Examples are code, but not for the tests of documented commands: the guides have those.
    usage = re.sub("^(?=  )", "  ", str(root.findtext("usage")).strip(), flags=re.MULTILINE)
    rows = [_row(flag) for flag in root.iter("flag") if flag.findtext("key") == "yes"]
    table = "\n".join(["| flag | default | meaning |", "| --- | --- | --- |", *sorted(rows)])
    return f"## {name}\n\n{usage}\n\n{table}\n"


def _row(flag: ET.Element) -> str:
    default = flag.findtext("default")
    if flag.findtext("type") == "bool":
        default = "on" if default == "true" else ""
    values = ", ".join(f"`{value.text}`" for value in flag.iter("enum_value"))
    meaning = re.sub(r"^<[^>]*>: |;\s+repeat this option.*", "", str(flag.findtext("meaning")))
    if str(flag.findtext("type")).startswith("multi") and "several times" not in meaning:
        meaning += " May be given several times."
    meaning = meaning + (f" Values: {values}." if values else "")
    names = f"`--{flag.findtext('name')}`"
    if short := flag.findtext("short_name"):
        names += f", `-{short}`"
    shown = f"`{default}`" if default not in (None, "", "[]") else ""
    return f"| {names} | {shown} | {meaning} |"


def text_of(flags: Mapping[str, Mapping[str, str | list[str]]]) -> str:
    """The file's text: one line per script."""
    lines = (f" {json.dumps(name)}: {json.dumps(own)}" for name, own in flags.items())
    return "{\n" + ",\n".join(lines) + "\n}\n"


def printed(name: str) -> str:
    """What a script prints with --helpxml."""
    command = [sys.executable, "-m", f"airchitect_jax.experiments.{name}", "--helpxml"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout  # noqa: S603


if __name__ == "__main__":
    texts = {name: printed(name) for name in summaries()}
    found = {name: own_flags(text) for name, text in texts.items()}
    _generated.update({FILE: text_of(found), PAGE: page_of(texts)}, sys.argv[1:])
