"""The coordinates of a problem by name, with their values in the words of the field."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Int

from airchitect_jax._support import shown
from airchitect_jax.search.base import Problem


@dataclasses.dataclass(frozen=True, kw_only=True)
class Parameter:
    """One coordinate of a point.

    Attributes:
      name: for example "rows".
      values: in the order of the coordinate; whole numbers, or names such as "OS".
      is_ordered: whether neighbouring values are alike: true of sizes, not of choices.
    """

    name: str
    values: tuple[Any, ...]
    is_ordered: bool


def parameters(problem: Problem) -> tuple[Parameter, ...]:
    """The coordinates of a problem, in the order of a point.

    A problem may have `parameters`, from name to values; the coordinates of any other are numbered.
    """
    layout = problem.layout
    numbered = {f"x{place}": range(levels) for place, levels in enumerate(layout.cardinalities)}
    named: Mapping[str, Iterable[Any]] = getattr(problem, "parameters", numbered)
    return tuple(
        Parameter(name=name, values=tuple(values), is_ordered=place < len(layout.sizes))
        for place, (name, values) in enumerate(named.items())
    )


def places_of(
    known: Sequence[Parameter], designs: Sequence[Mapping[str, Any]]
) -> Int[np.ndarray, "designs coordinates"]:
    """The points (int32) of designs given as values by name.

    Raises:
      ValueError: a name is missing or unknown, or a value is not one of its parameter.
    """
    places = np.empty((len(designs), len(known)), np.int32)
    for row, design in enumerate(designs):
        if set(design) != {parameter.name for parameter in known}:
            names = ", ".join(parameter.name for parameter in known)
            raise ValueError(
                f"designs: {shown(sorted(design))} at row {row} is not allowed; expected {names}"
            )
        for column, parameter in enumerate(known):
            value = design[parameter.name]
            if value not in parameter.values:
                raise ValueError(
                    f"{parameter.name}: {shown(value)} at row {row} is not allowed; expected one"
                    f" of {', '.join(map(str, parameter.values))}"
                )
            places[row, column] = parameter.values.index(value)
    return places


def design_at(known: Sequence[Parameter], place: Sequence[int] | np.ndarray) -> dict[str, Any]:
    """The values by name at a point."""
    return {
        parameter.name: parameter.values[int(number)]
        for parameter, number in zip(known, place, strict=True)
    }
