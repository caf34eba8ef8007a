"""Faces whose names are imported when they are first used.

Importing JAX takes a second or more. A script that does not need it, such as
`experiments.scalesim`, should not wait for it because a face on its way imports it for others.
"""

from __future__ import annotations

import ast
import importlib
import importlib.util
import sys
from collections.abc import Callable
from typing import Any


def lazy_names(face: str) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """The `__getattr__` and the `__dir__` of a face.

    The face imports its names under `if TYPE_CHECKING:`, for type checkers and readers. This reads
    where they come from in its source, so that nothing has to be said twice.

    Args:
      face: `__name__` of the face.

    Returns:
      A function that imports a name, or a submodule, when it is asked for, and keeps it; and one
      that lists the names.
    """
    spec = sys.modules[face].__spec__
    source: str = spec.loader.get_source(face)  # type: ignore[union-attr]
    guarded = next(node for node in ast.parse(source).body if isinstance(node, ast.If))
    homes = {
        alias.name: node.module
        for node in guarded.body
        if isinstance(node, ast.ImportFrom) and node.module
        for alias in node.names
    }

    def find(name: str) -> Any:
        if name in homes:
            value = getattr(importlib.import_module(homes[name]), name)
        elif not name.startswith("__") and importlib.util.find_spec(f"{face}.{name}"):
            value = importlib.import_module(f"{face}.{name}")
        else:
            raise AttributeError(f"module {face!r} has no attribute {name!r}")
        setattr(sys.modules[face], name, value)
        return value

    def names() -> list[str]:
        return sorted({*homes, *vars(sys.modules[face])})

    return find, names
