"""Files that are whole or absent: written under a temporary name, then renamed."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import os
import pathlib
import re
import secrets
import stat
import unicodedata
from collections.abc import Iterable, Iterator
from typing import Any

_NO_FOLLOW = getattr(os, "O_NOFOLLOW", 0)  # not on Windows
_LEFTOVER = re.compile(r"\..+\.\d+-[0-9a-f]{8}\.partial", re.DOTALL)
_NUMBER = re.compile(r"[-+]?[0-9]+(\.[0-9]+)?(e[-+]?[0-9]+)?%?")


@contextlib.contextmanager
def atomic_path(path: pathlib.Path) -> Iterator[pathlib.Path]:
    """A temporary sibling of `path` to write to; takes its place when the block ends well.

    The sibling is a new file under a name of its own, so that neither a link nor another process
    can be in its way. If `path` is a link, the link is replaced, not the file that it leads to.
    What a killed process leaves behind `remove_leftovers` finds.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}.partial")
    # Not `tempfile`, which keeps the group and others from reading the result.
    os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY | _NO_FOLLOW, 0o666))
    try:
        yield temporary
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def remove_leftovers(folder: pathlib.Path) -> None:
    """Removes what killed processes left of `atomic_path`; none may be writing in the folder."""
    for parent, _, names in os.walk(folder):
        for name in names:
            if _LEFTOVER.fullmatch(name):
                pathlib.Path(parent, name).unlink(missing_ok=True)


def write_text(path: pathlib.Path, text: str) -> None:
    """Writes UTF-8 text, whole or not at all."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: pathlib.Path, value: Any) -> None:
    """Writes readable JSON, whole or not at all."""
    write_text(path, json.dumps(value, indent=2, allow_nan=False) + "\n")


def csv_text(rows: Iterable[Iterable[object]]) -> str:
    """The rows as CSV, every text in it `inert`."""
    text = io.StringIO()
    # With the longest line end, the writer also quotes texts that hold one of its characters.
    writer = csv.writer(text, lineterminator="\r\n")
    lines = []
    for row in rows:
        writer.writerow(map(inert, row))
        lines.append(text.getvalue().removesuffix("\r\n") + "\n")
        text.seek(0)
        text.truncate()
    return "".join(lines)


def inert(value: object) -> object:
    """A text that a spreadsheet does not take for a formula; numbers are left alone.

    Spreadsheets look past white space and characters without width, and know `=`, `+`, `-` and
    `@` in their other widths.
    """
    if not isinstance(value, str) or _NUMBER.fullmatch(value):
        return value
    seen = next((char for char in value if char.isprintable() and not char.isspace()), "")
    formula = unicodedata.normalize("NFKC", seen).startswith(("=", "+", "-", "@"))
    return f"'{value}" if formula or value.startswith(("\t", "\r")) else value


def check_regular(path: pathlib.Path) -> None:
    """Refuses what a reader could wait for, or read from, without end.

    A folder, or a path at which nothing can be found, is left to the reader.

    Raises:
      ValueError: the path is a FIFO, a device or a socket, or a link to one; names it.
    """
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError):  # ValueError: a null character
        return
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        raise ValueError(f"{path}: cannot be read: not a regular file")


def read_json(path: pathlib.Path) -> Any:
    """Reads JSON.

    Raises:
      ValueError: the file is not JSON, or no regular file; names the file.
    """
    check_regular(path)
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: not valid JSON: {error}") from None
