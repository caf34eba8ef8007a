"""Checksums of files that a later run reads, so that damage is detected first."""

from __future__ import annotations

import hashlib
import json
import pathlib
from collections.abc import Mapping
from typing import Any

from airchitect_jax._support.files import read_json, write_json, write_text

NAME = "checksums.json"
_KEY = "sha256"


def write_checksums(folder: pathlib.Path) -> None:
    """Writes checksums.json with the SHA-256 of every file in the folder and below it."""
    write_json(folder / NAME, _of_files(folder))


def check_files(folder: pathlib.Path) -> None:
    """Compares every file in the folder and below it with checksums.json.

    Raises:
      ValueError: a file differs, is missing or was added, or there are no checksums; names it.
    """
    recorded = read_json(folder / NAME) if (folder / NAME).is_file() else None
    if not isinstance(recorded, dict):
        raise ValueError(f"{folder / NAME}: not there, or damaged")
    found = _of_files(folder)
    for name in sorted(recorded.keys() | found.keys()):
        if recorded.get(name) != found.get(name):
            raise ValueError(f"{folder / name}: damaged: its checksum differs")


def write_checksum(path: pathlib.Path) -> None:
    """Writes the SHA-256 of a file to NAME.sha256 beside it, in the format of sha256sum."""
    write_text(_beside(path), f"{_of_file(path)}  {path.name}\n")


def check_file(path: pathlib.Path) -> None:
    """Compares a file with the checksum beside it.

    Raises:
      ValueError: it differs, or there is no checksum; names the file.
      OSError: a file cannot be read.
    """
    recorded = _beside(path).read_bytes() if _beside(path).is_file() else b""
    if recorded != f"{_of_file(path)}  {path.name}\n".encode():
        raise ValueError(f"{path}: damaged: its checksum differs")


def _beside(path: pathlib.Path) -> pathlib.Path:
    return path.with_name(f"{path.name}.sha256")


def _of_file(path: pathlib.Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _of_files(folder: pathlib.Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): _of_file(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path != folder / NAME
    }


def write_sealed(path: pathlib.Path, value: Mapping[str, Any]) -> None:
    """Writes a JSON object atomically, with the SHA-256 of its contents in it."""
    write_json(path, {**value, _KEY: _of_object(value)})


def read_sealed(path: pathlib.Path, *, remedy: str) -> dict[str, Any]:
    """Reads a file of `write_sealed`.

    Args:
      path: the file.
      remedy: what the user can do if it is damaged.

    Raises:
      ValueError: the contents have changed; names the file.
    """
    try:
        value = read_json(path)
    except ValueError as error:
        raise ValueError(f"{error}; {remedy}") from None
    if not isinstance(value, dict) or value.pop(_KEY, None) != _of_object(value):
        raise ValueError(f"{path}: damaged or edited: its checksum differs; {remedy}")
    return value


def _of_object(value: Mapping[str, Any]) -> str:
    """The SHA-256 of the object as read back: tuples are lists, and all keys are strings."""
    read = json.loads(json.dumps(value))
    text = json.dumps(read, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
