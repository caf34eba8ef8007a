"""The definition of a case study: a design space, features with ranges, and one cost function."""

from __future__ import annotations

import abc
import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any

from jaxtyping import Array, Bool

from airchitect_jax._support import MAX_DIM
from airchitect_jax.cost import Number
from airchitect_jax.spaces import DesignSpace, Fields
from airchitect_jax.types import Objective

DIMS = ("m", "n", "k")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Feature:
    """One whole-number input of a workload, between `low` and `high` inclusive.

    Each value has its own row in the network's embedding table of this feature. A constraint
    decides which designs are feasible, but does not change their costs.
    """

    name: str
    low: int
    high: int
    is_constraint: bool = False

    @property
    def cardinality(self) -> int:
        """Number of different values."""
        return self.high - self.low + 1


@dataclasses.dataclass(frozen=True, kw_only=True)
class Context:
    """Fixed feature values with which the layers of a real network are evaluated.

    For case study 1, a MAC budget. `values` are the features that the context fixes, in the order
    of the features.
    """

    name: str
    values: tuple[int, ...]


class Definition(abc.ABC):
    """The definition of a case study, from which `CaseStudy` derives everything else.

    Attributes:
      name: short identifier, for example "case_study1".
      title: what is decided, in a few words, for headings.
    """

    name: str
    title: str

    @property
    def objective(self) -> Objective:
        """The quantity to minimise; costs are in its unit."""
        return Objective.CYCLES

    @property
    @abc.abstractmethod
    def space(self) -> DesignSpace:
        """The designs to choose from, in tie order."""

    @property
    @abc.abstractmethod
    def features(self) -> tuple[Feature, ...]:
        """The inputs of a workload and their trained ranges."""

    @abc.abstractmethod
    def cost(self, workload: Mapping[str, Number], design: Fields) -> Number:
        """The exact cost of a design for a workload, feasible or not.

        One text for Python integers, NumPy arrays, JAX tracers and soft numbers, like the equations
        in `airchitect_jax.cost`; it broadcasts.

        Args:
          workload: features by name.
          design: parameters by name; those in `space.choices` as the values themselves.
        """

    def fits(self, workload: Mapping[str, Number], design: Fields) -> Bool[Array, "*batch"] | bool:
        """Whether a workload may use a design; by default it may use all. It broadcasts."""
        del workload, design
        return True

    @property
    def limits(self) -> Mapping[str, tuple[int, int]]:
        """The columns of a file of workloads with their allowed ranges; by default the features."""
        return {f.name: (1, MAX_DIM) if f.name in DIMS else (f.low, f.high) for f in self.features}

    def by_name(self, workloads: Iterable[Any]) -> dict[str, Any]:
        """The rows of workloads by feature."""
        return dict(zip((feature.name for feature in self.features), workloads, strict=True))
