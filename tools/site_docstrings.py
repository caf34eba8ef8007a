"""Reads the house's docstrings as mkdocstrings expects them; an extension of Griffe.

- Entries of several names ("rows, cols: of the array") become one entry each.
- Fields, members and constants without documentation are described by the comments beside them.
- An asterisk is one, and no mark of emphasis.
- An `Example:` is code.
"""

from __future__ import annotations

import pathlib
import re
from typing import Any

from griffe import Attribute, Class, Docstring, Extension, GriffeLoader, Module, Object

_ENTRY = re.compile(r"  \w+(, \w+)*:( |$)")
_COMMENT = re.compile(r"(?:^|  )# (?!type:|noqa)(.*)")


class HouseDocstrings(Extension):
    """The extension."""

    def on_object(self, *, obj: Object, loader: GriffeLoader, **_: Any) -> None:  # noqa: ARG002
        """Rewrites the docstring of an object."""
        if isinstance(obj, Attribute) and isinstance(obj.parent, Module) and not obj.docstring:
            obj.docstring = Docstring(comment_of(obj) or "A constant.", parent=obj)
        if obj.docstring:
            head, example, code = obj.docstring.value.partition("\nExample:\n")
            if isinstance(obj, Class) and "\nAttributes:" not in head:
                head = head.rstrip() + attributes_of(obj) + "\n"
            # What is in backticks stays.
            head = re.sub(r"(`[^`]*`)|\*", lambda found: found[1] or r"\*", one_name_each(head))
            obj.docstring.value = head + example.replace("Example", "Examples") + code


def one_name_each(text: str) -> str:
    """A docstring whose entries with several names are repeated for each of them."""
    lines: list[str] = []
    entry: list[str] = []
    section = ""
    for line in [*text.split("\n"), ""]:
        if entry and not line.startswith("    "):
            names, colon, rest = entry[0].partition(":")
            for name in names.split(","):
                lines += [f"  {name.strip()}{colon}{rest}", *entry[1:]]
            entry = []
        if line and not line.startswith(" "):
            section = line
        if entry or (section in ("Args:", "Attributes:") and _ENTRY.match(line)):
            entry.append(line)
        else:
            lines.append(line)
    return "\n".join(lines[:-1])


def attributes_of(cls: Class) -> str:
    """A section on the fields or members of a class."""
    lines = [
        f"  {name}: {comment_of(member)}".rstrip()
        for name, member in cls.members.items()
        if isinstance(member, Attribute)
        and "property" not in member.labels
        and not name.startswith("_")
    ]
    return "\n".join(["\n\nAttributes:", *lines]) if lines else ""


def comment_of(attribute: Attribute) -> str:
    """The comment beside the first line of an attribute, or on the line before it."""
    file = attribute.filepath
    assert isinstance(file, pathlib.Path)  # noqa: S101 - no namespace package
    *_, before, beside = ["", *attribute.lines_collection[file][: attribute.lineno]]
    found = _COMMENT.search(beside) or _COMMENT.match(before)
    return found[1] if found else ""
