"""Atomic files: written under a temporary name, then renamed."""

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
    """A temporary sibling of `path` to write to; replaces it when the block succeeds.

    The sibling is a new file with a unique name, so that neither links nor other processes
    interfere. If `path` is a link, the link is replaced, not its target. `remove_leftovers`
    removes what killed processes leave behind.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}.partial")
    # `tempfile` would make the result unreadable for the group and others.
    os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY | _NO_FOLLOW, 0o666))
    try:
        yield temporary
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def remove_leftovers(folder: pathlib.Path) -> None:
    """Removes temporary files of killed processes; no process may be writing in the folder."""
    for parent, _, names in os.walk(folder):
        for name in names:
            if _LEFTOVER.fullmatch(name):
                pathlib.Path(parent, name).unlink(missing_ok=True)


def write_text(path: pathlib.Path, text: str) -> None:
    """Writes UTF-8 text atomically."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: pathlib.Path, value: Any) -> None:
    """Writes indented JSON atomically."""
    write_text(path, json.dumps(value, indent=2, allow_nan=False) + "\n")


def csv_text(rows: Iterable[Iterable[object]]) -> str:
    """The rows as CSV, with every string made `inert`."""
    text = io.StringIO()
    # With this line end, the writer also quotes strings that contain one of its characters.
    writer = csv.writer(text, lineterminator="\r\n")
    lines = []
    for row in rows:
        writer.writerow(map(inert, row))
        lines.append(text.getvalue().removesuffix("\r\n") + "\n")
        text.seek(0)
        text.truncate()
    return "".join(lines)


def inert(value: object) -> object:
    """A string that a spreadsheet does not interpret as a formula; numbers are unchanged.

    Spreadsheets skip white space and zero-width characters, and accept the full-width forms of
    `=`, `+`, `-` and `@`.
    """
    if not isinstance(value, str) or _NUMBER.fullmatch(value):
        return value
    seen = next((char for char in value if char.isprintable() and not char.isspace()), "")
    formula = unicodedata.normalize("NFKC", seen).startswith(("=", "+", "-", "@"))
    return f"'{value}" if formula or value.startswith(("\t", "\r")) else value


def check_regular(path: pathlib.Path) -> None:
    """Refuses files on which a reader could block or never finish.

    Folders and missing files are left to the reader.

    Raises:
      ValueError: the path is a FIFO, a device or a socket, or a link to one; names it.
    """
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError):  # ValueError: a null character
        return
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        raise ValueError(f"{path}: cannot be read: not a regular file")


def read_bytes(path: pathlib.Path) -> bytes:
    """The contents of a file.

    Raises:
      ValueError: it is not a regular file or cannot be read; names it.
    """
    check_regular(path)
    try:
        return path.read_bytes()
    except OSError as error:
        raise ValueError(f"{path}: cannot be read: {error.strerror}") from None


def read_json(path: pathlib.Path) -> Any:
    """Reads JSON.

    Raises:
      ValueError: the file is not JSON or not a regular file; names the file.
    """
    check_regular(path)
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: not valid JSON: {error}") from None
