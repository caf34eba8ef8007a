"""A case study as a problem: a workload is its feature vector, a point is one of its designs."""

from __future__ import annotations

import dataclasses
import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from airchitect_jax.case_studies import CaseStudy
from airchitect_jax.spaces import Layout, RelaxedPoint
from airchitect_jax.types import Dataflow

Features = Int[Array, "features"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class CaseProblem:
    """See `Problem`.

    Attributes:
      case: the case study, which says what designs cost.

    Raises:
      ValueError: searchers cannot minimise the cost of the case study.
    """

    case: CaseStudy

    def __post_init__(self) -> None:
        self.case.check_searchable()

    @property
    def layout(self) -> Layout:
        """See `Problem`."""
        return self.case.space.layout

    @property
    def points(self) -> Int[np.ndarray, "designs coordinates"]:
        """The point of each design id."""
        return self.case.space.points

    @functools.cached_property
    def parameters(self) -> dict[str, tuple[Any, ...]]:
        """The names and values of the coordinates: of the fields that each of them decides.

        A permutation decides several: its values are texts with a digit for each.
        """
        levels = self.layout.cardinalities
        places = np.repeat(np.arange(len(levels)), levels)
        points = np.zeros((len(places), len(levels)), np.int32)
        points[np.arange(len(places)), places] = np.concatenate([*map(np.arange, levels)])
        fields_at = self.case.space.fields_at
        with jax.enable_x64(True):
            fields = jax.jit(jax.vmap(fields_at))(jnp.asarray(points))
            order = list(fields_at(jnp.asarray(points[0])))  # which JAX does not keep
        found: dict[str, tuple[Any, ...]] = {}
        for place in range(len(levels)):
            columns = {name: np.asarray(fields[name])[places == place] for name in order}
            decided = [name for name, column in columns.items() if (column != column[0]).any()]
            # A coordinate with one level decides nothing: it takes the next field without a name.
            names = decided or [name for name in columns if name not in found][:1]
            values = [self._values(name, columns[name]) for name in names]
            if len(names) == 1:
                found[names[0]] = values[0]
            else:
                rows = zip(*values, strict=True)
                found[names[0].rstrip("0123456789")] = tuple("".join(map(str, row)) for row in rows)
        return found

    def _values(self, name: str, column: Float[np.ndarray, "levels"]) -> tuple[Any, ...]:
        """Values of a field as whole numbers, or by their names."""
        numbers = [int(value) for value in column]
        if name.startswith("dataflow"):
            return tuple(Dataflow(number).name for number in numbers)
        known = {int(value): value for value in self.case.space.choices.get(name, ())}
        return tuple(getattr(known.get(number), "name", number) for number in numbers)

    def confine(self, workload: Features, sizes: Float[Array, "sizes"]) -> Float[Array, "sizes"]:
        """See `Problem`."""
        return self.case.confine(workload, sizes)

    def cost(self, workload: Features, point: Int[Array, "coordinates"]) -> Float[Array, ""]:
        """See `Problem`."""
        return self.case.cost_at(workload, point)

    def log_relaxed_cost(
        self, workload: Features, point: RelaxedPoint, temperature: Float[Array, ""]
    ) -> Float[Array, ""]:
        """See `Problem`."""
        return self.case.log_relaxed_cost(workload, point, temperature)


def design_ids(
    problem: CaseProblem, points: Int[np.ndarray, "batch coordinates"]
) -> Int[np.ndarray, "batch"]:
    """The ids of the designs at points of a case study."""
    ids = np.full(problem.layout.cardinalities, -1)
    ids[tuple(problem.points.T)] = np.arange(len(problem.points))
    return ids[tuple(points.T)]
