"""Compilation of functions with numba."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

try:
    import numba
except ModuleNotFoundError as error:
    raise ImportError(
        "numba is needed to simulate: pip install 'airchitect-jax[simulate]'"
    ) from error

_Function = TypeVar("_Function", bound=Callable[..., Any])


def compiled(function: _Function) -> _Function:
    """Compiles a function on its first call, and keeps the machine code on disk if it can."""
    try:
        return cast(_Function, numba.njit(cache=True)(function))
    except RuntimeError:  # no folder for it can be written
        return cast(_Function, numba.njit(function))
