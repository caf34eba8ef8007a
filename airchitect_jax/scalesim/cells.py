"""Cells of the package's text files: numbers, ranges, and what is doubtful.

The package reads numbers with `int` and ignores what it does not know. So do the readers, but
errors are one line, and `strict` refuses what the package accepts without a word.
"""

from __future__ import annotations

import pathlib
import warnings

from airchitect_jax._support import check_regular, one_line

LARGEST = 2**31 - 1
_FURTHEST = 2**53  # addresses beyond have no exact float, which is what the package stores


def whole(field: str, value: int, *, low: int = 1, high: int = LARGEST) -> int:
    """`value`, checked to be a whole number in low..high.

    Raises:
      ValueError: it is not; names the field, the value and what is allowed.
    """
    if isinstance(value, int) and not isinstance(value, bool) and low <= value <= high:
        return value
    raise ValueError(
        f"{field}: {one_line(repr(value), 80)} is not allowed; expected a whole number in"
        f" {low}..{high}"
    )


def parse_whole(field: str, text: str) -> int:
    """A cell as the package reads it: with Python's `int`, signs and underscores included.

    Raises:
      ValueError: it is no whole number, or one that no array address can have.
    """
    try:
        number = int(text)
    except ValueError:
        pass
    else:
        if abs(number) <= _FURTHEST:
            return number
    raise ValueError(
        f"{field}: {one_line(repr(text.strip()), 80)} is not allowed; expected a whole number"
    )


def doubt(message: str, *, strict: bool) -> None:
    """Says that the package accepts an input that is probably a mistake.

    Raises:
      ValueError: strict.
    """
    if strict:
        raise ValueError(message)
    warnings.warn(message, stacklevel=4)


def read_text(path: pathlib.Path) -> str:
    """A file's text, with universal line ends.

    Raises:
      ValueError: it is not a regular file, cannot be read or is not UTF-8; names it.
    """
    check_regular(path)
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise ValueError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: cannot be read: not UTF-8: {error.reason}") from None


def read_rows(path: pathlib.Path) -> tuple[str, list[tuple[int, str]]]:
    """The first line, which is the header whatever it says, and the rows with their line numbers.

    Raises:
      ValueError: see `read_text`.
    """
    header, *lines = read_text(path).split("\n")
    numbered = enumerate(lines, start=2)
    return header.strip(), [(number, row) for number, line in numbered if (row := line.strip())]
