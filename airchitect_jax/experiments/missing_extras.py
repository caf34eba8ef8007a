"""A package of an extra that is not installed ends a script with one line, also at its imports."""

from __future__ import annotations

import sys
from types import TracebackType

from airchitect_jax._support import MissingExtraError


def install() -> None:
    """From now on `MissingExtraError` ends this process with its text and status 2."""
    sys.excepthook = _hook


def _hook(kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
    if not issubclass(kind, MissingExtraError):
        sys.__excepthook__(kind, error, traceback)
        return
    sys.stderr.write(f"error: {error}\n")
    raise SystemExit(2)
