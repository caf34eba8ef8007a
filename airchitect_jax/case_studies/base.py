"""What a case study is. Datasets, training, evaluation and figures know no more than this."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Protocol

import jax
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Num

from airchitect_jax.spaces import DesignSpace
from airchitect_jax.types import Gemm, Labels, Objective


@dataclasses.dataclass(frozen=True, kw_only=True)
class Feature:
    """One whole-number input of a workload, between `low` and `high` inclusive.

    Each value has its own row in the network's embedding table of this feature. A constraint
    decides which designs are feasible, and not what any of them costs.
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
    """A fixed surrounding in which the layers of a real network are evaluated.

    For case study 1 a MAC budget. `values` are the features that the context fixes.
    """

    name: str
    values: tuple[int, ...]


class CaseStudy(Protocol):
    """A learning problem: workloads in, the id of the best design out.

    Workloads are Int[features, batch] matrices of raw feature values, rows as in `features`. The
    batch is last so that it lies contiguous: the lanes of the oracle's vector unit are workloads.
    """

    @property
    def name(self) -> str:
        """Short identifier, for example "case_study1"."""
        ...

    @property
    def title(self) -> str:
        """What is decided, in a few words, for headings."""
        ...

    @property
    def objective(self) -> Objective:
        """What the best design has least of; costs are in its unit."""
        ...

    @property
    def settings(self) -> Mapping[str, str]:
        """What every result must be named with, for example the runtime model."""
        ...

    @property
    def space(self) -> DesignSpace:
        """The designs to choose from."""
        ...

    @property
    def features(self) -> tuple[Feature, ...]:
        """The inputs of a workload and their trained ranges."""
        ...

    @property
    def contexts(self) -> tuple[Context, ...]:
        """The surroundings in which real networks are evaluated."""
        ...

    def sample(self, key: jax.Array, count: int) -> Int[Array, "features count"]:
        """`count` random workloads (int32), traceable."""
        ...

    @property
    def label_batch(self) -> int:
        """How many workloads `label` takes at a time: one shape to compile, few if it is dear."""
        ...

    def label(self, workloads: Int[Array, "features batch"]) -> Int[Array, "batch"]:
        """Exact best design ids of workloads within the ranges (int32), compiled."""
        ...

    def exact(self, workloads: Int[np.ndarray, "features batch"]) -> Labels:
        """Exact best designs and their costs, of any valid workloads, checked."""
        ...

    def costs(
        self, workloads: Int[np.ndarray, "features batch"], design_ids: Int[np.ndarray, "*shape"]
    ) -> Num[np.ndarray, "*shape"]:
        """Exact costs of given designs; `design_ids` is [batch] or [batch, designs]."""
        ...

    def log_costs(self, workloads: Int[Array, "features batch"]) -> Float[Array, "batch designs"]:
        """Logarithms of the costs of all designs, infinite where infeasible; float32, traceable.

        For losses, which need no exactness.
        """
        ...

    def log_terms(self, workloads: Int[Array, "features batch"]) -> Float[Array, "*rows terms"]:
        """Logarithms of what the costs are made of, all finite; float32, traceable.

        For networks that learn these. Where nothing simpler will do, the costs of all designs,
        feasible or not.
        """
        ...

    def feasible(
        self, workloads: Int[Array | np.ndarray, "features batch"]
    ) -> Bool[Array, "batch designs"]:
        """Which designs each workload may use, traceable."""
        ...

    def heuristics(
        self, workloads: Int[np.ndarray, "features batch"]
    ) -> Mapping[str, Int[np.ndarray, "batch"]]:
        """Design ids that closed-form rules of thumb choose, by the name of the rule."""
        ...

    def from_gemms(self, gemms: Gemm, context: Context) -> Int[np.ndarray, "features batch"]:
        """The workloads (int64, any size) that GEMMs of shape [batch] make in a context."""
        ...


def out_of_range(
    case: CaseStudy, workloads: Int[np.ndarray, "features batch"]
) -> Bool[np.ndarray, "batch"]:
    """Which workloads lie outside of the ranges that the network is trained on."""
    low = np.array([[feature.low] for feature in case.features])
    high = np.array([[feature.high] for feature in case.features])
    return np.any((workloads < low) | (workloads > high), axis=0)
