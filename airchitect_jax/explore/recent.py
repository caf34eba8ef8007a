"""A cache of few values."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

_Value = TypeVar("_Value")


class Recent(Generic[_Value]):
    """The values that were asked for last.

    Args:
      most: how many are kept.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._kept: dict[Hashable, _Value] = {}  # the latest last

    def get(self, key: Hashable, make: Callable[[], _Value]) -> _Value:
        """The value of a key; made, and kept, if it is not there. Errors of `make` pass."""
        self._kept[key] = value = self._kept.pop(key) if key in self._kept else make()
        while len(self._kept) > self._most:
            del self._kept[next(iter(self._kept))]
        return value
