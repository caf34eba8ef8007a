"""What every design space has: a number of designs, names and attributes of them."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
from jaxtyping import Array, Float, Int

from airchitect_jax.spaces.layout import Layout

# The parameters of designs by name.
Fields = Mapping[str, Any]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Attribute:
    """One way to look at a design: a named category for each design of a space.

    Attributes:
      name: what the categories are, for example "dataflow".
      categories: the names of the categories, in display order.
      of_design: Int[num_designs], the category of each design.
    """

    name: str
    categories: tuple[str, ...]
    of_design: Int[np.ndarray, "designs"]


class DesignSpace(Protocol):
    """What training, evaluation and figures need to know of an enumeration of designs."""

    @property
    def num_designs(self) -> int:
        """Number of classes."""
        ...

    @property
    def attributes(self) -> tuple[Attribute, ...]:
        """Coarser views of the designs, for confusion matrices."""
        ...

    def describe(self, design_id: int) -> str:
        """A readable description of the design, for example "32x64 OS"."""
        ...

    def fields(self, design_id: Any) -> Fields:
        """The parameters (NumPy int64) of ids of any shape, by name."""
        ...

    @property
    def choices(self) -> Mapping[str, tuple[int, ...]]:
        """The parameters without an order, and the values of each."""
        ...

    @property
    def layout(self) -> Layout:
        """The grid that searchers move on."""
        ...

    @property
    def points(self) -> Int[np.ndarray, "designs coordinates"]:
        """The point of each design in the grid (int32)."""
        ...

    def fields_at(self, point: Int[Array, "coordinates"]) -> Fields:
        """The parameters at a point of the grid; traceable, float64 under 64-bit mode."""
        ...

    def sizes_at(self, sizes: Float[Array, "sizes"]) -> Fields:
        """The ordered parameters between the points of the grid, smooth and traceable."""
        ...
