"""The package's text files: rows and cells, configurations, and what is doubtful.

The package reads numbers with `int` and ignores what it does not know. So do the readers, but
errors are one line, and `strict` refuses what the package accepts without a word.
"""

from __future__ import annotations

import configparser
import difflib
import pathlib
import warnings
from typing import Any

from airchitect_jax._support import check_regular, one_line

_FURTHEST = 2**53  # addresses beyond have no exact float, which is what the package stores


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


class _Parser(configparser.ConfigParser):
    """Keeps the spelling of the keys, for messages."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.spelling: dict[str, str] = {}

    def optionxform(self, optionstr: str) -> str:
        return self.spelling.setdefault(optionstr.lower(), optionstr) and optionstr.lower()


class ConfigFile:
    """A configuration (`.cfg`); errors name the file, the section and the key.

    Args:
      path: of the file, for messages.
      text: of the file.
      what: the file should be, for messages.
      options: of `configparser`.

    Raises:
      ValueError: the text is no configuration.
    """

    def __init__(
        self, path: pathlib.Path, text: str, what: str = "configuration", **options: Any
    ) -> None:
        self.path, self.parser = path, _Parser(**options)
        try:
            self.parser.read_string(text, source=str(path))
        except configparser.Error as error:
            raise ValueError(f"{path}: not a {what}: {one_line(str(error))}") from None

    def name(self, section: str, key: str) -> str:
        """A key, as messages name it."""
        return f"{self.path}: [{section}] {key}"

    def text(self, section: str, key: str) -> str:
        """The text of a key.

        Raises:
          ValueError: it is not there; names the nearest key of the file.
        """
        if not self.parser.has_option(section, key):
            raise ValueError(f"{self.name(section, key)}: no value{self._nearest(section, key)}")
        try:
            return self.parser.get(section, key).strip()
        except configparser.InterpolationError as error:
            raise ValueError(f"{self.name(section, key)}: {one_line(str(error))}") from None

    def _nearest(self, section: str, key: str) -> str:
        """Where the key may have been meant to stand, as the end of a message."""
        elsewhere = {
            option: other for other in self.parser.sections() for option in self.parser[other]
        }
        near = difflib.get_close_matches(key.lower(), elsewhere, n=1, cutoff=0.75)
        if not near:
            return "" if self.parser.has_section(section) else f"; no section [{section}]"
        return f"; there is [{elsewhere[near[0]]}] {self.parser.spelling[near[0]]}"
