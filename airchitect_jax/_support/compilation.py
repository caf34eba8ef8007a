"""Compilation of functions with numba."""

from __future__ import annotations

import pathlib
import zlib
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any, TypeVar, cast

import numba

_Function = TypeVar("_Function", bound=Callable[..., Any])


def compiled(function: _Function, *, reads: Sequence[ModuleType] = (), **options: Any) -> _Function:
    """Compiles a function on its first call, and keeps the machine code on disk if it can.

    Args:
      function: what to compile.
      reads: modules with other functions that are compiled into it. Code on disk is replaced when
        the file of the function changes; so that it is when one of these does, the function is kept
        under a name with their checksum.
      options: of `numba.njit`.
    """
    if reads:
        texts = b"".join(pathlib.Path(str(module.__file__)).read_bytes() for module in reads)
        function.__qualname__ += f".{zlib.crc32(texts):08x}"
    try:
        return cast(_Function, numba.njit(cache=True, **options)(function))
    except RuntimeError:  # no folder for it can be written
        return cast(_Function, numba.njit(**options)(function))
