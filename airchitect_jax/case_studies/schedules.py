"""Case study 3: which of N workloads runs on which of N arrays, and with which dataflow."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping, Sequence
from typing import Any, Self

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Num

from airchitect_jax._support import (
    INT64_SAFE,
    MAX_DIM,
    int_field,
    member,
    settle,
    whole_number,
)
from airchitect_jax.case_studies.base import CaseStudy, read_fields
from airchitect_jax.case_studies.definition import DIMS, Context, Feature
from airchitect_jax.case_studies.factory import gemm_fields
from airchitect_jax.cost import (
    Number,
    Platform,
    Relaxation,
    by_dataflow,
    dataflow_cycles,
    larger,
    makespan,
    stall_free_cycles,
)
from airchitect_jax.oracle import label_schedules_on
from airchitect_jax.oracle import schedules as oracle
from airchitect_jax.spaces import DEFAULT_ARRAYS, Fields, RelaxedPoint, ScheduleSpace, over_designs
from airchitect_jax.types import (
    ArrayShape,
    Dataflow,
    Gemm,
    Labels,
    Objective,
    RuntimeModel,
    Schedule,
)
from airchitect_jax.workloads import Distribution, sample_integers

_DEFAULT_COUNT = 4


@dataclasses.dataclass(frozen=True, kw_only=True)
class ScheduleCase(CaseStudy):
    """Features: m, n and k of each workload, m0, n0, k0, m1 and so on.

    The ranges and the arrays are ours, not the paper's, which does not state them.
    """

    arrays: tuple[ArrayShape, ...] = DEFAULT_ARRAYS[:_DEFAULT_COUNT]
    max_dim: int = 10_000
    distribution: Distribution = Distribution.UNIFORM
    runtime_model: RuntimeModel = RuntimeModel.SCALESIM

    name = "case_study3"
    title = "scheduling on heterogeneous arrays"
    best_network = "symmetric"
    objective = Objective.CYCLES

    def __post_init__(self) -> None:
        settle(
            self,
            max_dim=whole_number("max_dim", self.max_dim, high=1_000_000),
            distribution=member("distribution", self.distribution, Distribution),
            runtime_model=self.platform.runtime_model,
        )
        settle(self, arrays=self.space.arrays)  # checked there

    @classmethod
    def from_settings(cls, settings: Mapping[str, Any]) -> Self:
        """See `CaseStudy`; `arrays` as in `parse_arrays`, or `num_arrays` of the default ones."""
        number, text = settings.get("num_arrays"), settings.get("arrays")
        arrays = DEFAULT_ARRAYS[: number or _DEFAULT_COUNT] if text is None else parse_arrays(text)
        if number not in (None, len(arrays)):
            raise ValueError(f"--num_arrays: {number} is not allowed; --arrays lists {len(arrays)}")
        return cls(arrays=arrays, **gemm_fields(settings))

    @functools.cached_property
    def platform(self) -> Platform:
        """The machine parameters that all arrays share."""
        return Platform(runtime_model=self.runtime_model)

    @property
    def settings(self) -> Mapping[str, str]:
        """The objective, the arrays, the runtime model and the distribution of the dimensions."""
        return {
            "objective": "makespan",
            "arrays": ",".join(self.space.array_names),
            "runtime_model": self.runtime_model.value,
            "distribution": self.distribution.value,
        }

    @functools.cached_property
    def space(self) -> ScheduleSpace:
        """All schedules of as many workloads as arrays."""
        return ScheduleSpace(arrays=self.arrays)

    @functools.cached_property
    def features(self) -> tuple[Feature, ...]:
        """The dimensions of one workload after the other."""
        return tuple(
            Feature(name=name, low=1, high=self.max_dim)
            for name in oracle.schedule_limits(self.space)
        )

    @functools.cached_property
    def contexts(self) -> tuple[Context, ...]:
        """A single one: the arrays."""
        return (Context(name=" ".join(self.space.array_names), values=()),)

    def sample(self, key: jax.Array, count: int) -> Int[Array, "features count"]:
        """All dimensions by `distribution`, independent."""
        return sample_integers(
            key,
            (len(self.features), count),
            low=1,
            high=self.max_dim,
            distribution=self.distribution,
        )

    def cost(self, workload: Mapping[str, Number], design: Fields) -> Number:
        """The makespan; a schedule in Python integers."""
        cycles = []
        for number, array in enumerate(self.arrays):
            own = design[f"workload{number}"]
            gemm = Gemm(**{name: workload[f"{name}{own}"] for name in ("m", "n", "k")})
            flow = Dataflow(design[f"dataflow{number}"])
            cycles.append(stall_free_cycles(gemm, array, flow, self.platform))
        return makespan(cycles)

    @property
    def limits(self) -> Mapping[str, tuple[int, int]]:
        """The dimensions of one workload after the other."""
        return oracle.schedule_limits(self.space)

    def label_columns(
        self, columns: Sequence[Int[np.ndarray | Array, "rows"]]
    ) -> tuple[Labels, Bool[Array, "rows"]]:
        """See `CaseStudy`: the search over subsets of workloads."""
        return oracle.label_schedule_columns(columns, space=self.space, platform=self.platform)

    def label_in_python(self, *columns: int) -> tuple[int, Any]:
        """See `CaseStudy`."""
        return oracle.label_schedule_in_python(*columns, space=self.space, platform=self.platform)

    @property
    def label_batch(self) -> int:
        """See `CaseStudy`."""
        return 1 << 16

    def read_columns(self, fields: Mapping[str, Any]) -> list[Int[np.ndarray, "*batch"]]:
        """See `CaseStudy`: m, n and k of shape [workloads, *batch], as in `label_schedules`."""
        columns = read_fields(fields, dict.fromkeys(DIMS, (1, MAX_DIM)))
        if columns[0].shape[:1] != (self.space.num_arrays,):
            raise ValueError(
                f"m, n, k: the shape {columns[0].shape} is not allowed; expected"
                f" {self.space.num_arrays} workloads, one for each array, in the first axis"
            )
        return [dim[number] for number in range(self.space.num_arrays) for dim in columns]

    def exact_of_columns(self, columns: Sequence[Int[np.ndarray, "batch"]]) -> Labels:
        """See `CaseStudy`."""
        return label_schedules_on(self._gemms(np.stack(columns)), self.space, self.platform)

    def schedule_cycles(
        self, workloads: Int[np.ndarray, "features batch"], schedule: Schedule
    ) -> Int[np.ndarray, "*shape arrays"]:
        """Exact cycles of each array under schedules of shape [batch] or [batch, designs].

        Raises:
          ValueError: a workload takes more cycles than int64 holds on some array.
        """
        gemms = self._gemms(int_field("workloads", workloads, low=0))
        rows = np.arange(workloads.shape[1])
        rows = rows.reshape(-1, *(1,) * (schedule.workload.ndim - 2))
        on_arrays = []
        for number, array in enumerate(self.arrays):
            wide = jax.tree.map(lambda dim: dim.astype(np.float64), gemms)
            for estimate in dataflow_cycles(wide, array, self.platform):
                if np.any(estimate >= INT64_SAFE):
                    row = int(np.argmax((estimate >= INT64_SAFE).any(axis=0)))
                    raise ValueError(
                        f"the cycles of a workload at row {row} on"
                        f" {self.space.array_names[number]} exceed int64"
                    )
            table = np.stack(dataflow_cycles(gemms, array, self.platform))
            on_arrays.append(
                table[schedule.dataflow[..., number], schedule.workload[..., number], rows]
            )
        return np.stack(on_arrays, axis=-1)

    def costs(
        self, workloads: Int[np.ndarray, "features batch"], design_ids: Int[np.ndarray, "*shape"]
    ) -> Num[np.ndarray, "*shape"]:
        """Exact makespans of given designs."""
        return self.schedule_cycles(workloads, self.space.decode(design_ids)).max(axis=-1)

    def log_costs(self, workloads: Int[Array, "features batch"]) -> Float[Array, "batch designs"]:
        """Logarithms of the makespans of all designs; float32."""
        # Logarithms before the maximum, which they do not change: there are fewer values.
        return over_designs(self.space, larger, self.log_terms(workloads))

    def log_terms(
        self, workloads: Int[Array, "features batch"]
    ) -> Float[Array, "workloads batch pairs"]:
        """Logarithms of the cycles of each workload with each pair of array and dataflow; float32.

        The index of a pair is that of the array times 3, plus the dataflow.
        """
        gemms = self._gemms(workloads.astype(jnp.float32))
        cycles = [
            of_pair
            for array in self.arrays
            for of_pair in dataflow_cycles(gemms, array, self.platform)
        ]
        return jnp.log(jnp.stack(cycles, axis=-1))

    def cost_at(
        self, workload: Int[Array, "features"], point: Int[Array, "coordinates"]
    ) -> Float[Array, ""]:
        """See `CaseStudy`."""
        number = self.space.num_arrays
        on_array = jnp.asarray(self.space.permutations)[point[number]]
        cycles = self._cycles(workload.astype(jnp.float64))
        return cycles[on_array, jnp.arange(number), point[:number]].max()

    def log_relaxed_cost(
        self, workload: Int[Array, "features"], point: RelaxedPoint, temperature: Float[Array, ""]
    ) -> Float[Array, ""]:
        """See `CaseStudy`: a doubly stochastic matrix assigns workloads to arrays."""
        cycles = self._cycles(workload.astype(jnp.float32))
        assert point.assignment is not None  # noqa: S101 - the layout has a permutation
        relaxation = Relaxation(temperature=temperature)
        return jnp.log(relaxation.makespan(cycles, point.assignment, jnp.stack(point.choices)))

    def _cycles(self, dims: Float[Array, "features"]) -> Float[Array, "workloads arrays dataflows"]:
        def on_array(gemm: Gemm, sides: Float[Array, "2"]) -> Float[Array, "dataflows"]:
            array = ArrayShape(rows=sides[0], cols=sides[1])
            return by_dataflow.compute_cycles(gemm, array, self.platform)

        sides = jnp.array([(array.rows, array.cols) for array in self.arrays], dims.dtype)
        on_arrays = jax.vmap(on_array, in_axes=(None, 0))
        return jax.vmap(on_arrays, in_axes=(0, None))(self._gemms(dims), sides)

    def heuristics(
        self, workloads: Int[np.ndarray, "features batch"]
    ) -> Mapping[str, Int[np.ndarray, "batch"]]:
        """Two rules, each with the best dataflow of each array.

        The workload with the most MACs on the largest array, and so on; and workload by workload,
        longest first, each on the free array where it ends first.
        """
        gemms = self._gemms(int_field("workloads", workloads, low=0))
        tables = [np.stack(dataflow_cycles(gemms, a, self.platform)) for a in self.arrays]
        fewest = np.stack([table.min(axis=0) for table in tables])  # arrays, workloads, batch
        macs = gemms.m.astype(np.float64) * gemms.n * gemms.k
        rows = np.arange(workloads.shape[1])
        by_macs = np.empty((len(rows), self.space.num_arrays), np.int64)
        sizes = np.array([array.rows * array.cols for array in self.arrays])
        by_macs[:, np.argsort(-sizes, kind="stable")] = np.argsort(-macs, axis=0, kind="stable").T
        greedy = np.empty_like(by_macs)
        left = fewest.astype(np.float64)
        for workload in np.argsort(-fewest.min(axis=0), axis=0, kind="stable"):
            array = left[:, workload, rows].argmin(axis=0)
            greedy[rows, array] = workload
            left[array, :, rows] = np.inf
        return {
            "largest workload on the largest array": self._with_best_dataflows(by_macs, tables),
            "longest first, on the fastest array left": self._with_best_dataflows(greedy, tables),
        }

    def _with_best_dataflows(
        self, on_array: Int[np.ndarray, "batch arrays"], tables: list[np.ndarray]
    ) -> Int[np.ndarray, "batch"]:
        rows = np.arange(len(on_array))
        flows = [
            table[:, on_array[:, number], rows].argmin(axis=0)
            for number, table in enumerate(tables)
        ]
        return self.space.encode(Schedule(workload=on_array, dataflow=np.stack(flows, axis=-1)))

    def from_gemms(self, gemms: Gemm, context: Context) -> Int[np.ndarray, "features batch"]:
        """A pipeline: each layer together with those that follow it; the first follows the last.

        As many inputs are in flight as there are arrays, each one layer behind the one before, so
        that layers i, i + 1, ... are independent and compete for the arrays.
        """
        del context  # the arrays belong to the case study
        columns = []
        for later in range(self.space.num_arrays):
            columns += [np.roll(dim, -later) for dim in (gemms.m, gemms.n, gemms.k)]
        return np.stack(columns)

    def _gemms(self, workloads: Any) -> Gemm:
        """Fields of shape [workloads, batch]."""
        return Gemm(m=workloads[0::3], n=workloads[1::3], k=workloads[2::3])


def parse_arrays(text: str) -> tuple[ArrayShape, ...]:
    """Arrays from a text such as "64x64,32x32".

    Raises:
      ValueError: a shape is malformed.
    """
    arrays = []
    for shape in text.split(","):
        rows, _, cols = shape.strip().partition("x")
        if not (rows.isdecimal() and cols.isdecimal()) or int(rows) < 1 or int(cols) < 1:
            raise ValueError(
                f"arrays: {shape.strip()!r} is not allowed; expected rows x cols, for example 64x64"
            )
        arrays.append(ArrayShape(rows=int(rows), cols=int(cols)))
    return tuple(arrays)
