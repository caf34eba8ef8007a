"""Makes text of unknown origin safe to print: it may contain control characters."""

from __future__ import annotations

_ELLIPSIS = " ... "


def printable(text: str) -> str:
    """The text with unprintable characters escaped as in Python's `repr`."""
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() else ascii(char)[1:-1]  # without the quotes
        for char in text
    )


def one_line(text: str, most: int = 1000) -> str:
    """The text as one printable line; the middle of a longer one is left out."""
    line = printable(" ".join(text.split()))
    if len(line) <= most:
        return line
    kept = most - len(_ELLIPSIS)
    tail = kept // 4
    return line[: kept - tail] + _ELLIPSIS + line[-tail:]
