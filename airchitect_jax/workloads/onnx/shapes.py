"""Shapes of tensors by name."""

from __future__ import annotations

import math
from collections.abc import Mapping


class UnknownShapeError(ValueError):
    """A required shape is not known."""


class Shapes:
    """Shapes of the tensors of a graph.

    Attributes:
      of: sides by name; a side of unknown size is a text.
      numbers: values of tensors of one whole number, by name.
      reasons: why shapes are not known, by name.
    """

    def __init__(
        self,
        of: Mapping[str, tuple[int | str, ...]] | None = None,
        numbers: Mapping[str, int] | None = None,
    ) -> None:
        self.of = {} if of is None else of
        self.numbers = {} if numbers is None else numbers
        self.reasons: dict[str, str] = {}

    def shape(self, name: str) -> tuple[int | str, ...] | None:
        """The sides of a tensor, with texts for unknown ones; None if it has no shape."""
        return self.of.get(name)

    def known_shape(self, name: str) -> tuple[int, ...] | None:
        """The sides of a tensor if all are known."""
        shape = self.shape(name)
        if shape is None or not all(isinstance(side, int) and side >= 0 for side in shape):
            return None
        return tuple(int(side) for side in shape)

    def size(self, name: str) -> int:
        """The elements of a tensor; 0 if they are not known."""
        shape = self.known_shape(name)
        return 0 if shape is None else math.prod(shape)

    def constant(self, name: str) -> int | None:
        """The value of a tensor of one whole number; None if it is not known."""
        return self.numbers.get(name)
