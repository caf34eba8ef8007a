"""The base class of case studies: one definition, from which everything else follows.

A case study has a design space, features with their ranges, and one scalar cost function. Exact
labels, the costs of all designs, losses, the relaxed cost, the search problem and the labelling of
files are derived from these. Methods are overridden where something faster is known.
"""

from __future__ import annotations

import dataclasses
import enum
import itertools
import typing
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Self

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Num

from airchitect_jax._support import MAX_DIM, common_shape, dataflow_field, int_field
from airchitect_jax.case_studies import brute_force, relaxation
from airchitect_jax.case_studies.definition import DIMS, Context, Definition, Feature
from airchitect_jax.oracle import Search, exact_labels
from airchitect_jax.spaces import RelaxedPoint
from airchitect_jax.types import Gemm, Labels, Objective
from airchitect_jax.workloads import Distribution, sample_integers

_MAX_COSTS = 1 << 22  # costs that a compiled call holds at once
_MAX_CONTEXTS = 8


class CaseStudy(Definition):
    """A learning problem: workloads in, the id of the best design out.

    A subclass is a frozen dataclass that defines `name`, `title`, `space`, `features` and `cost`;
    if some designs are infeasible for some workloads, `fits`; and `from_gemms` if its features are
    not m, n, k and some that a context fixes.

    Workloads are Int[features, batch] matrices of raw feature values, rows as in `features`. The
    batch is last so that it is contiguous in memory: the lanes of the oracle's vector unit are
    workloads.

    Attributes:
      distribution: how `sample` draws m, n and k.
      best_network: the registered network that learns it best; None for "paper".
      has_many_optima: whether several designs often share the optimal cost, so that a loss should
        credit all of them.
      trained_budgets: field values that leave some budgets out of training, to audit networks
        there.
      farthest: for the same audits, up to how many times the largest dimension costs are exact.
    """

    distribution: Distribution = Distribution.UNIFORM
    best_network: str | None = None
    has_many_optima: bool = True
    trained_budgets: ClassVar[Mapping[str, int]] = {}
    farthest: ClassVar[int] = 10

    def from_gemms(self, gemms: Gemm, context: Context) -> Int[np.ndarray, "features batch"]:
        """The workloads (int64, any size) of GEMMs of shape [batch] in a context."""
        dims = {name: np.asarray(getattr(gemms, name), np.int64) for name in DIMS}
        fixed = iter(context.values)
        return np.stack(
            [
                dims[f.name] if f.name in dims else np.full_like(dims["m"], next(fixed))
                for f in self.features
            ]
        )

    @classmethod
    def from_settings(cls, settings: Mapping[str, Any]) -> Self:
        """Builds the case study from settings by name, as in flags and config.json.

        By default each field takes the setting of its name, enums by value; others are ignored.

        Raises:
          KeyError: a setting is missing.
          ValueError: a setting is not allowed.
        """
        hints = typing.get_type_hints(cls)
        fields = {}
        for field in dataclasses.fields(cls):  # type: ignore[arg-type]
            if field.name in settings:
                kind, value = hints[field.name], settings[field.name]
                is_enum = isinstance(kind, type) and issubclass(kind, enum.Enum)
                fields[field.name] = kind(value) if is_enum else value
        return cls(**fields)

    @property
    def settings(self) -> Mapping[str, str]:
        """The settings to report with every result, for example the runtime model."""
        return {"objective": self.objective.value, "distribution": self.distribution.value}

    @property
    def contexts(self) -> tuple[Context, ...]:
        """The contexts in which real networks are evaluated.

        By default some values of the constraint, with the other features at their highest.
        """
        others = [feature for feature in self.features if feature.name not in DIMS]
        values = [_spread(f) if f.is_constraint else (f.high,) for f in others]
        return tuple(
            Context(
                name=", ".join(f"{f.name} {v}" for f, v in zip(others, fixed, strict=True))
                or "all",
                values=fixed,
            )
            for fixed in itertools.product(*values)
        )

    def sample(self, key: jax.Array, count: int) -> Int[Array, "features count"]:
        """`count` random workloads (int32), traceable; features are independent.

        m, n and k by `distribution`, all others uniform.
        """
        rows = [
            sample_integers(
                jax.random.fold_in(key, number),
                (count,),
                low=feature.low,
                high=feature.high,
                distribution=(self.distribution if feature.name in DIMS else Distribution.UNIFORM),
            )
            for number, feature in enumerate(self.features)
        ]
        return jnp.stack(rows)

    def columns(self, workloads: Int[Array | np.ndarray, "features batch"]) -> list[Any]:
        """Workloads as the columns of `limits`."""
        return list(workloads)

    def from_columns(
        self, columns: Sequence[Int[np.ndarray, "batch"]]
    ) -> Int[np.ndarray, "features batch"]:
        """The workloads of columns as in `limits`: the inverse of `columns`.

        A budget between two that a feature has is the lower one, which allows the same designs. A
        feature without a value for what a column says is -1, which is out of every range.
        """
        return np.stack(columns)

    def read_columns(self, fields: Mapping[str, Any]) -> list[Int[np.ndarray, "*batch"]]:
        """The columns of `limits` from values by the names of `limits`, checked and broadcast.

        Raises:
          ValueError: a name is missing or unknown, or a value is not within its limits.
        """
        return read_fields(fields, self.limits)

    @property
    def label_batch(self) -> int:
        """Workloads per call of `label`: one shape to compile, small if labels are expensive."""
        return max(16, 1 << (_MAX_COSTS // self.space.num_designs).bit_length() - 1)

    def label_columns(
        self, columns: Sequence[Int[np.ndarray | Array, "rows"]]
    ) -> tuple[Labels, Bool[Array, "rows"]]:
        """Labels of columns as in `limits`, on the device, and which rows are valid.

        By comparing all designs. Labels of optima that are not exact here are -1.
        """
        with jax.enable_x64(True):
            return brute_force.label_columns(columns, case=self)

    @property
    def wide_search(self) -> Search | None:
        """A slower search, as `label_columns`, that is exact for larger costs; None for none."""
        return None

    def label_in_python(self, *columns: int) -> tuple[int, Any]:
        """(design_id, cost) by comparing all designs in integers of any size.

        Raises:
          ValueError: no design is feasible, or the optimum does not fit into int64.
        """
        return brute_force.label_in_python(self, columns)

    @property
    def label_ids(self) -> Int[np.ndarray, "labels"]:
        """The design ids that occur as labels, ascending; all unless some never do."""
        return np.arange(self.space.num_designs, dtype=np.int32)

    def label(self, workloads: Int[Array, "features batch"]) -> Int[Array, "batch"]:
        """Exact best design ids of workloads within the ranges (int32), compiled."""
        return self.label_columns(self.columns(workloads))[0].design_id

    def exact(self, workloads: Int[np.ndarray, "features batch"]) -> Labels:
        """Exact best designs and their costs, of any valid workloads, checked."""
        return self.exact_of_columns(self.columns(int_field("workloads", workloads, low=0)))

    def exact_of_columns(self, columns: Sequence[Int[np.ndarray, "batch"]]) -> Labels:
        """Exact best designs and their costs, of columns as in `limits`, checked."""
        return exact_labels(
            "exact",
            dict(zip(self.limits, columns, strict=True)),
            self.limits,
            self.label_columns,
            self.label_in_python,
            chunk=self.label_batch,
        )

    def costs(
        self, workloads: Int[np.ndarray, "features batch"], design_ids: Int[np.ndarray, "*shape"]
    ) -> Num[np.ndarray, "*shape"]:
        """Exact costs of given designs; `design_ids` is [batch] or [batch, designs].

        Raises:
          ValueError: a cost exceeds int64; names the row.
        """
        return brute_force.costs(self, workloads, design_ids)

    def log_costs(self, workloads: Int[Array, "features batch"]) -> Float[Array, "batch designs"]:
        """Logarithms of the costs of all designs, infinite where infeasible; float32, traceable.

        For losses, which need no exactness.
        """
        return jnp.where(self.feasible(workloads), self.log_terms(workloads), jnp.inf)

    def log_terms(self, workloads: Int[Array, "features batch"]) -> Float[Array, "*rows terms"]:
        """Logarithms of the terms that make up the costs, all finite; float32, traceable.

        For networks that predict these. By default the costs of all designs, feasible or not.
        """
        workload = self.by_name(workloads.astype(jnp.float32)[:, :, None])
        designs = brute_force.all_designs(self, jnp.float32)
        return jnp.log(brute_force.cost_of_any(self, workload, designs))

    def feasible(
        self, workloads: Int[Array | np.ndarray, "features batch"]
    ) -> Bool[Array, "batch designs"]:
        """Which designs each workload may use, traceable."""
        return brute_force.feasible_designs(self, workloads)

    def heuristics(
        self, workloads: Int[np.ndarray, "features batch"]
    ) -> Mapping[str, Int[np.ndarray, "batch"]]:
        """Design ids that heuristic baselines choose, by the name of the heuristic; none here."""
        del workloads
        return {}

    # The search problem: `airchitect_jax.search` minimises `cost_at` over the grid of the space.

    def check_searchable(self) -> None:
        """Checks that searchers can minimise the cost.

        Raises:
          ValueError: the cost cannot be searched; says why.
        """
        if self.objective is not Objective.CYCLES:
            raise ValueError(f"objective: {self.objective.value} is not allowed; expected cycles")

    def confine(
        self, workload: Int[Array, "features"], sizes: Float[Array, "sizes"]
    ) -> Float[Array, "sizes"]:
        """Projects sizes onto the constraints; feasible sizes stay as they are.

        The result stays feasible when it is rounded down. By default infeasible sizes move to those
        of the nearest feasible design. The derivative is 1 throughout.
        """
        return relaxation.nearest_feasible(self, workload, sizes)

    def cost_at(
        self, workload: Int[Array, "features"], point: Int[Array, "coordinates"]
    ) -> Float[Array, ""]:
        """The exact cost of a feasible point of the grid, under 64-bit mode, traceable.

        Float64: whole numbers below 2**53.
        """
        values = self.by_name(workload.astype(jnp.float64))
        return brute_force.cost_of_any(self, values, self.space.fields_at(point))

    def log_relaxed_cost(
        self, workload: Int[Array, "features"], point: RelaxedPoint, temperature: Float[Array, ""]
    ) -> Float[Array, ""]:
        """The logarithm of the smoothed cost between the points of the grid; float32, traceable.

        `cost` of soft numbers (`airchitect_jax.cost.relaxed`), the mean over the choices.
        """
        return relaxation.log_relaxed_cost(self, workload, point, temperature)


def log2_floor(values: Int[np.ndarray, "*batch"]) -> Int[np.ndarray, "*batch"]:
    """The exponent of the largest power of two within each value, at least 1 and below 2**53."""
    return np.frexp(values)[1].astype(np.int64) - 1


def read_fields(
    fields: Mapping[str, Any], limits: Mapping[str, tuple[int, int]]
) -> list[Int[np.ndarray, "*batch"]]:
    """Whole numbers by name, checked and broadcast, in the order of their limits.

    Dataflows may be members or names.

    Raises:
      ValueError: a name is missing or unknown, or a value is not within its limits.
    """
    for name in (*fields, *limits):
        if (name in fields) != (name in limits):
            what = "not given" if name in limits else "not a field"
            raise ValueError(f"{name}: {what}; expected {', '.join(limits)}")
    checked = {
        name: dataflow_field(name, fields[name])
        if name == "dataflow"
        else int_field(name, fields[name], low=low, high=high)
        for name, (low, high) in limits.items()
    }
    common_shape(checked)
    return list(np.broadcast_arrays(*checked.values()))


def _spread(feature: Feature) -> tuple[int, ...]:
    """Some values of a feature, its lowest and highest among them."""
    count = min(feature.cardinality, _MAX_CONTEXTS)
    return tuple(np.linspace(feature.low, feature.high, count).round().astype(int).tolist())


def check_range(
    case: CaseStudy, workloads: Int[np.ndarray, "features batch"], *, any_value: bool
) -> Int[np.ndarray, "features batch"]:
    """Workloads as int32, checked for a network.

    Args:
      case: the case study that it was trained on.
      workloads: raw feature values.
      any_value: whether it takes values beyond the trained ranges, but for constraints.

    Raises:
      ValueError: a value is not allowed; names the feature, the row and what is allowed.
    """
    features = case.features
    if len(workloads) != len(features):
        names = ", ".join(feature.name for feature in features)
        raise ValueError(f"workloads: {len(workloads)} rows are not allowed; expected {names}")
    wide = [any_value and not feature.is_constraint for feature in features]
    rows = [
        int_field(
            feature.name,
            row,
            low=min(feature.low, 1) if beyond else feature.low,
            high=MAX_DIM if beyond else feature.high,
        )
        for feature, row, beyond in zip(features, workloads, wide, strict=True)
    ]
    return np.stack(rows).astype(np.int32)


def num_out_of_range(
    case: CaseStudy, workloads: Int[np.ndarray, "features batch"]
) -> Int[np.ndarray, "batch"]:
    """How many features of each workload lie outside the ranges that the network is trained on."""
    low = np.array([[feature.low] for feature in case.features])
    high = np.array([[feature.high] for feature in case.features])
    return ((workloads < low) | (workloads > high)).sum(axis=0)


def out_of_range(
    case: CaseStudy, workloads: Int[np.ndarray, "features batch"]
) -> Bool[np.ndarray, "batch"]:
    """Which workloads lie outside the ranges that the network is trained on."""
    return num_out_of_range(case, workloads) > 0
