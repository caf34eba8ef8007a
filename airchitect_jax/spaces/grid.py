"""Design spaces from named axes: the product of their values, less what is not allowed."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from airchitect_jax._support import int_field
from airchitect_jax.spaces.base import Attribute, Fields
from airchitect_jax.spaces.layout import Layout

# A column of whole numbers for each axis, one row per design.
Columns = Mapping[str, Int[np.ndarray, "designs"]]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Axis:
    """One parameter of a design.

    Attributes:
      name: of the parameter, for example "rows".
      values: whole numbers, ascending; for a choice the values of an `enum.IntEnum` or its members.
      is_choice: whether the values have no order, as dataflows. A case study's cost function gets
        a choice as the value itself, never traced, so it may branch on it.
    """

    name: str
    values: tuple[int, ...]
    is_choice: bool = False

    def __post_init__(self) -> None:
        if not self.values or list(self.values) != sorted(set(self.values)):
            raise ValueError(
                f"values of {self.name}: {list(self.values)} is not allowed; expected whole numbers"
                " in ascending order"
            )

    def describe(self, value: int) -> str:
        """The value as text: its name where it has one."""
        member = self.values[self.values.index(value)]
        return getattr(member, "name", str(member))


@dataclasses.dataclass(frozen=True, kw_only=True)
class GridSpace:
    """Every combination of the axes' values that is allowed, in tie order.

    Attributes:
      axes: at least one, each with a name of its own.
      allowed: from columns by axis to which combinations are designs; by default all.
      tie_order: from columns by axis to the keys that designs are sorted by, the first key first;
        what is equal in all of them stays in the order of the axes' values. By default no key.

    Example:
      >>> axes = (Axis(name="rows", values=(2, 4)), Axis(name="cols", values=(2, 4)))
      >>> space = GridSpace(axes=axes, tie_order=lambda columns: [columns["rows"]])
      >>> space.describe(3)
      'rows=4 cols=4'
    """

    axes: tuple[Axis, ...]
    allowed: Callable[[Columns], Bool[np.ndarray, "designs"]] | None = None
    tie_order: Callable[[Columns], Sequence[Int[np.ndarray, "designs"]]] | None = None

    def __post_init__(self) -> None:
        names = [axis.name for axis in self.axes]
        if not names or len(set(names)) != len(names):
            raise ValueError(f"axes: {names} is not allowed; expected names that differ")
        if self.num_designs == 0:
            raise ValueError("allowed: rules out every design")

    @functools.cached_property
    def levels(self) -> Int[np.ndarray, "designs axes"]:
        """The index of each design's value on each axis."""
        indices = np.indices([len(axis.values) for axis in self.axes]).reshape(len(self.axes), -1)
        columns = self._columns(indices)
        if self.allowed is not None:
            indices = indices[:, np.asarray(self.allowed(columns), bool)]
            columns = self._columns(indices)
        if self.tie_order is not None:
            indices = indices[:, np.lexsort(list(self.tie_order(columns))[::-1])]
        return indices.T.astype(np.int32)

    def _columns(self, indices: Int[np.ndarray, "axes designs"]) -> dict[str, np.ndarray]:
        return {
            axis.name: np.array([int(value) for value in axis.values], np.int64)[index]
            for axis, index in zip(self.axes, indices, strict=True)
        }

    @property
    def num_designs(self) -> int:
        """Number of designs."""
        return len(self.levels)

    @property
    def choices(self) -> Mapping[str, tuple[int, ...]]:
        """See `DesignSpace`."""
        return {axis.name: axis.values for axis in self.axes if axis.is_choice}

    def fields(self, design_id: Any) -> Fields:
        """See `DesignSpace`.

        Raises:
          ValueError: an id is not in 0..num_designs - 1.
        """
        index = int_field("design_id", design_id, low=0, high=self.num_designs - 1)
        return self._columns(np.moveaxis(self.levels[index], -1, 0))

    decode = fields

    def describe(self, design_id: int) -> str:
        """For example "rows=4 cols=8 dataflow=OS"."""
        fields = self.fields(design_id)
        return " ".join(
            f"{axis.name}={axis.describe(int(fields[axis.name]))}" for axis in self.axes
        )

    @functools.cached_property
    def attributes(self) -> tuple[Attribute, ...]:
        """The value on each axis."""
        return tuple(
            Attribute(
                name=axis.name,
                categories=tuple(axis.describe(value) for value in axis.values),
                of_design=self.levels[:, index],
            )
            for index, axis in enumerate(self.axes)
        )

    @functools.cached_property
    def _coordinates(self) -> list[int]:
        """The axes in the order of a point: sizes, then choices."""
        return sorted(range(len(self.axes)), key=lambda index: self.axes[index].is_choice)

    @functools.cached_property
    def layout(self) -> Layout:
        """See `DesignSpace`."""
        return Layout(
            sizes=tuple(len(axis.values) for axis in self.axes if not axis.is_choice),
            choices=tuple(len(axis.values) for axis in self.axes if axis.is_choice),
        )

    @functools.cached_property
    def points(self) -> Int[np.ndarray, "designs coordinates"]:
        """See `DesignSpace`."""
        return self.levels[:, self._coordinates]

    def fields_at(self, point: Int[Array, "coordinates"]) -> Fields:
        """See `DesignSpace`."""
        return {
            self.axes[index].name: jnp.asarray(
                np.array([int(value) for value in self.axes[index].values], np.float64)
            )[point[number]]
            for number, index in enumerate(self._coordinates)
        }

    def sizes_at(self, sizes: Float[Array, "sizes"]) -> Fields:
        """See `DesignSpace`: logarithms of the values are interpolated."""
        ordered = [axis for axis in self.axes if not axis.is_choice]
        values = {}
        for axis, level in zip(ordered, sizes, strict=True):
            known = jnp.asarray(np.array(axis.values, np.float32))
            logs = jnp.interp(
                level, jnp.arange(len(axis.values), dtype=jnp.float32), jnp.log(known)
            )
            values[axis.name] = jnp.exp(logs)
        return values
