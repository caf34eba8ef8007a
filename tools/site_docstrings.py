"""Reads the house's docstrings as mkdocstrings expects them; an extension of Griffe.

Entries of several names ("rows, cols: of the array") become one of each, an `Example:` is shown as
code, and classes whose docstring lists no attributes list their fields or members, with what the
comments beside them say.
"""

from __future__ import annotations

import re
from typing import Any

from griffe import Class, Extension, GriffeLoader, Object

_ENTRY = re.compile(r"  \w+(, \w+)*:( |$)")
_COMMENT = re.compile(r"(?<!\S)  # (?!type:|noqa)(.*)")


class HouseDocstrings(Extension):
    """The extension."""

    def on_object(self, *, obj: Object, loader: GriffeLoader, **_: Any) -> None:  # noqa: ARG002
        """Rewrites the docstring of an object."""
        if obj.docstring:
            text = obj.docstring.value
            head, example, code = text.partition("\nExample:\n")
            if isinstance(obj, Class) and "\nAttributes:" not in head:
                head = head.rstrip() + attributes_of(obj) + "\n"
            head = one_name_per_entry(head)
            # What is in backticks stays; any other asterisk multiplies.
            head = re.sub(r"(`[^`]*`)|\*", lambda found: found[1] or r"\*", head)
            obj.docstring.value = head + example.replace("Example", "Examples") + code


def one_name_per_entry(text: str) -> str:
    """The docstring with an entry of its own for each name of an entry.

    Example:
      >>> print(one_name_per_entry("Args:\\n  rows, cols: of an array."))
      Args:
        rows: of an array.
        cols: of an array.
    """
    lines, entry, section = [], [], ""
    for line in [*text.split("\n"), ""]:
        if entry and not line.startswith("    "):
            names, colon, rest = entry[0].partition(":")
            for name in names.split(","):
                lines += [f"  {name.strip()}{colon}{rest}", *entry[1:]]
            entry = []
        if not line.startswith(" ") and line:
            section = line
        if entry or (section in ("Args:", "Attributes:") and _ENTRY.match(line)):
            entry.append(line)
        else:
            lines.append(line)
    return "\n".join(lines[:-1])


def attributes_of(cls: Class) -> str:
    """A section on the fields or members of a class."""
    lines = []
    for name, member in cls.members.items():
        if member.is_attribute and "property" not in member.labels and not name.startswith("_"):
            comment = _COMMENT.search(member.lines[0]) if member.lines else None
            lines.append(f"  {name}: {comment[1] if comment else ''}".rstrip())
    return "\n\nAttributes:\n" + "\n".join(lines) if lines else ""
