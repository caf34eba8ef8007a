"""Case study 2: the sizes of three SRAMs under a budget, for a GEMM on a given array."""

from __future__ import annotations

import dataclasses
import functools
import itertools
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Self

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Num

from airchitect_jax._support import int_field, member, settle, whole_number
from airchitect_jax.case_studies.base import CaseStudy, log2_floor
from airchitect_jax.case_studies.definition import Context, Feature
from airchitect_jax.case_studies.factory import energy_table, gemm_fields
from airchitect_jax.cost import (
    EnergyTable,
    Number,
    Platform,
    Relaxation,
    by_dataflow,
    ideal_costs,
    ideal_cycles,
    memory_reports,
    objective_value,
    select,
)
from airchitect_jax.oracle import buffers as oracle
from airchitect_jax.oracle import label_buffers_on, label_replayed, log_cost_grid, replayed_cycles
from airchitect_jax.spaces import BufferSpace, Fields, RelaxedPoint, within_sum
from airchitect_jax.types import (
    ArrayShape,
    BufferedGemm,
    BufferSizes,
    Dataflow,
    Gemm,
    Interface,
    Labels,
    Memory,
    MemoryModel,
    Objective,
    RuntimeModel,
)
from airchitect_jax.workloads import Distribution

_NETWORK_SIDES = (5, 7)  # arrays, budgets and bandwidth that real networks are evaluated with
_NETWORK_BUDGETS = (6, 15)
_NETWORK_BANDWIDTH = 16


@dataclasses.dataclass(frozen=True, kw_only=True)
class BufferCase(CaseStudy):
    """Buffer sizes for a GEMM on a given array, with eight features.

    Features: the SRAM budget in steps of the space, m, n, k, the array's row and column
    exponent (it has 2**row_exponent rows), its dataflow, and the bandwidth in bytes per cycle.

    The ranges are ours, not the paper's, which does not state them.
    """

    min_budget_kb: int = 300
    max_budget_kb: int = 3000
    max_dim: int = 10_000
    min_side_exponent: int = 3
    max_side_exponent: int = 8
    max_bandwidth: int = 100
    element_bytes: int = 1
    distribution: Distribution = Distribution.UNIFORM
    objective: Objective = Objective.CYCLES
    runtime_model: RuntimeModel = RuntimeModel.SCALESIM
    memory_model: MemoryModel = MemoryModel.IDEAL
    interface: Interface = Interface.SHARED
    energy_table: EnergyTable = dataclasses.field(default_factory=EnergyTable)

    name = "case_study2"
    title = "SRAM buffer sizing"
    best_network = "airchitect"
    trained_budgets: ClassVar[Mapping[str, int]] = {"max_budget_kb": 2_000}
    farthest = 4  # exact costs include energies, which exceed int64 beyond this

    def __post_init__(self) -> None:
        settle(
            self,
            distribution=member("distribution", self.distribution, Distribution),
            objective=member("objective", self.objective, Objective),
        )
        for name in ("runtime_model", "memory_model", "interface"):
            settle(self, **{name: getattr(self.platform, name)})
        if self.memory_model is MemoryModel.TILED:
            raise ValueError("memory_model: tiled is not allowed; expected ideal or scalesim3")
        for field in dataclasses.fields(self):
            if isinstance(field.default, int):
                number = whole_number(field.name, getattr(self, field.name), low=0)
                settle(self, **{field.name: number})
        if self.memory_model is MemoryModel.SCALESIM3:
            for name, value, only in (
                ("interface", self.interface.value, Interface.PORTS.value),
                ("objective", self.objective.value, Objective.CYCLES.value),
                ("runtime_model", self.runtime_model.value, RuntimeModel.SCALESIM.value),
                ("element_bytes", self.element_bytes, 1),
            ):
                if value != only:
                    raise ValueError(
                        f"{name}: {value} is not allowed with memory_model scalesim3; expected"
                        f" {only}"
                    )
        step = self.space.step_kb
        lowest, highest = 3 * step, 3 * step * self.space.num_levels
        if not lowest <= self.min_budget_kb <= self.max_budget_kb <= highest:
            raise ValueError(
                f"SRAM budgets: {self.min_budget_kb}..{self.max_budget_kb} KB is not allowed;"
                f" expected {lowest} <= min_budget_kb <= max_budget_kb <= {highest}: the smallest"
                f" sizing takes {lowest} KB"
            )
        if not 0 <= self.min_side_exponent <= self.max_side_exponent <= 15:
            raise ValueError(
                f"side exponents: {self.min_side_exponent}..{self.max_side_exponent} is not"
                " allowed; expected 0 <= min_side_exponent <= max_side_exponent <= 15"
            )
        for name, high in (("max_dim", 1_000_000), ("max_bandwidth", 10_000), ("element_bytes", 8)):
            value = getattr(self, name)
            if not 1 <= value <= high:
                raise ValueError(f"{name}: {value} is not allowed; expected 1..{high}")

    @classmethod
    def from_settings(cls, settings: Mapping[str, Any]) -> Self:
        """See `CaseStudy`."""
        limits = ("min_budget_kb", "max_budget_kb", "min_side_exponent", "max_side_exponent")
        return cls(
            **{name: settings[name] for name in (*limits, "max_bandwidth", "element_bytes")},
            objective=Objective(settings["objective"]),
            memory_model=MemoryModel(settings["memory_model"]),
            interface=Interface(settings["interface"]),
            energy_table=energy_table(settings),
            **gemm_fields(settings),
        )

    @functools.cached_property
    def platform(self) -> Platform:
        """The machine, built from the fields once; designs bring buffers, workloads bandwidth."""
        return Platform(
            element_bytes=self.element_bytes,
            runtime_model=self.runtime_model,
            memory_model=self.memory_model,
            interface=self.interface,
            energy_table=self.energy_table,
        )

    @property
    def settings(self) -> Mapping[str, str]:
        """The models, and the distribution of the dimensions."""
        return {
            "objective": self.objective.value,
            "memory_model": self.memory_model.value,
            "interface": self.interface.value,
            "runtime_model": self.runtime_model.value,
            "distribution": self.distribution.value,
        }

    @functools.cached_property
    def space(self) -> BufferSpace:
        """The 1000 sizings."""
        return BufferSpace()

    @functools.cached_property
    def features(self) -> tuple[Feature, ...]:
        """See the class."""
        step = self.space.step_kb
        return (
            Feature(
                name="budget_steps",
                low=self.min_budget_kb // step,
                high=self.max_budget_kb // step,
                is_constraint=True,
            ),
            *(Feature(name=name, low=1, high=self.max_dim) for name in ("m", "n", "k")),
            *(
                Feature(name=name, low=self.min_side_exponent, high=self.max_side_exponent)
                for name in ("row_exponent", "col_exponent")
            ),
            Feature(name="dataflow", low=0, high=len(Dataflow) - 1),
            Feature(name="bandwidth_bytes_per_cycle", low=1, high=self.max_bandwidth),
        )

    @functools.cached_property
    def contexts(self) -> tuple[Context, ...]:
        """Square arrays, dataflows and budgets; one bandwidth. Fewer where costs are replayed."""
        few = 1 if self.memory_model is MemoryModel.SCALESIM3 else None
        return tuple(
            Context(
                name=f"{2**side}x{2**side} {flow.name}, {budget * self.space.step_kb} KB",
                values=(budget, side, side, flow, _NETWORK_BANDWIDTH),
            )
            for side, flow, budget in itertools.product(
                _NETWORK_SIDES[:few], Dataflow, _NETWORK_BUDGETS[:few]
            )
        )

    def cost(self, workload: Mapping[str, Number], design: Fields) -> Number:
        """Total cycles, energy, or their product, by the IDEAL model."""
        gemm = Gemm(m=workload["m"], n=workload["n"], k=workload["k"])
        array = ArrayShape(rows=2 ** workload["row_exponent"], cols=2 ** workload["col_exponent"])
        memory = Memory(
            buffers=BufferSizes(**design),
            bandwidth_bytes_per_cycle=workload["bandwidth_bytes_per_cycle"],
            element_bytes=self.element_bytes,
        )
        if self.objective is Objective.CYCLES:
            costs = [ideal_cycles(gemm, array, flow, memory, self.platform) for flow in Dataflow]
        else:
            prices = self.energy_table.of_buffers(memory.buffers)
            if np.ndim(memory.bandwidth_bytes_per_cycle) == 0:  # Python integers have no largest
                prices = prices.in_python()
            by_flow = [
                ideal_costs(gemm, array, flow, memory, self.platform, prices) for flow in Dataflow
            ]
            costs = [objective_value(self.objective, c.total_cycles, c.energy_fj) for c in by_flow]
        result = costs[0]
        for flow in (Dataflow.WS, Dataflow.IS):
            result = select(workload["dataflow"] == int(flow), costs[flow], result)
        return result

    def fits(self, workload: Mapping[str, Number], design: Fields) -> Any:
        """Designs within the SRAM budget."""
        return sum(design.values()) <= workload["budget_steps"] * self.space.step_bytes

    @property
    def limits(self) -> Mapping[str, tuple[int, int]]:
        """The oracle's inputs: budgets in bytes, sides in place of exponents."""
        return oracle.buffer_limits(self.space)

    def label_columns(
        self, columns: Sequence[Int[np.ndarray | Array, "rows"]]
    ) -> tuple[Labels, Bool[Array, "rows"]]:
        """See `CaseStudy`: the factored search."""
        return oracle.label_buffer_columns(
            columns, space=self.space, platform=self.platform, objective=self.objective
        )

    def label_in_python(self, *columns: int) -> tuple[int, Any]:
        """See `CaseStudy`."""
        return oracle.label_buffers_in_python(
            *columns, space=self.space, platform=self.platform, objective=self.objective
        )

    @property
    def label_batch(self) -> int:
        """See `CaseStudy`."""
        return 64 if self.memory_model is MemoryModel.SCALESIM3 else 1 << 16

    @functools.cached_property
    def label_ids(self) -> Int[np.ndarray, "labels"]:
        """See `CaseStudy`: IDEAL labels have one SRAM of the smallest size."""
        if self.memory_model is MemoryModel.IDEAL:
            return np.flatnonzero((self.space.levels == 1).any(axis=1)).astype(np.int32)
        return super().label_ids

    def label(self, workloads: Int[Array, "features batch"]) -> Int[Array, "batch"]:
        """Exact best design ids."""
        if self.memory_model is MemoryModel.SCALESIM3:
            return jnp.asarray(self.exact(np.asarray(workloads)).design_id)
        return self.label_columns(self.columns(workloads))[0].design_id

    def exact_of_columns(self, columns: Sequence[Int[np.ndarray, "batch"]]) -> Labels:
        """See `CaseStudy`."""
        fields: dict[str, Any] = dict(zip(self.limits, columns, strict=True))
        workloads = BufferedGemm(**fields)
        if self.memory_model is MemoryModel.SCALESIM3:
            return label_replayed(workloads, self.space)
        return label_buffers_on(workloads, self.space, self.platform, self.objective)

    def costs(
        self, workloads: Int[np.ndarray, "features batch"], design_ids: Int[np.ndarray, "*shape"]
    ) -> Num[np.ndarray, "*shape"]:
        """Exact costs of given designs, feasible or not."""
        # Additional axes for those of design_ids beyond the batch.
        columns = np.expand_dims(
            int_field("workloads", workloads, low=0), tuple(range(2, np.ndim(design_ids) + 1))
        )
        workload = self._workload(columns)
        if self.memory_model is MemoryModel.SCALESIM3:
            return replayed_cycles(workload, self.space.decode(design_ids))
        memory = Memory(
            buffers=self.space.decode(design_ids),
            bandwidth_bytes_per_cycle=workload.bandwidth_bytes_per_cycle,
            element_bytes=self.element_bytes,
        )
        report = memory_reports(workload.gemm, workload.design, memory, self.platform)
        return np.asarray(objective_value(self.objective, report.total_cycles, report.energy_fj))

    def log_terms(self, workloads: Int[Array, "features batch"]) -> Float[Array, "batch designs"]:
        """Logarithms of the costs of all designs, feasible or not, as in `log_costs`."""
        columns = self.columns(workloads)[1:]
        return log_cost_grid(
            columns, objective=self.objective, space=self.space, platform=self.platform
        )

    def feasible(
        self, workloads: Int[Array | np.ndarray, "features batch"]
    ) -> Bool[Array, "batch designs"]:
        """See `CaseStudy`: in steps, without products."""
        totals = self.space.levels.sum(axis=1, dtype=np.int32)
        return (
            jnp.asarray(totals)[None, :]
            <= jnp.asarray(self.by_name(workloads)["budget_steps"])[:, None]
        )

    def heuristics(
        self, workloads: Int[np.ndarray, "features batch"]
    ) -> Mapping[str, Int[np.ndarray, "batch"]]:
        """The budget in equal parts, and in proportion to the sizes of the operands."""
        values = self.by_name(np.asarray(workloads, np.int64))
        budget, m, n, k = (values[name] for name in ("budget_steps", "m", "n", "k"))
        equal = np.ones((3, len(budget)))
        operands = np.stack([m * k, k * n, m * n])
        return {
            "a third each": self._shares(budget, equal),
            "in proportion to the operands": self._shares(budget, operands),
        }

    def _shares(
        self, budget: Int[np.ndarray, "batch"], weights: Num[np.ndarray, "3 batch"]
    ) -> Int[np.ndarray, "batch"]:
        """A step for each operand, and the rest of the budget by weight, rounded down."""
        share = (budget - 3) * weights / weights.sum(axis=0)
        levels = np.minimum(1 + np.floor(share).astype(np.int64), self.space.num_levels)
        return self.space.id_of_levels[tuple(levels - 1)]

    def check_searchable(self) -> None:
        """See `CaseStudy`."""
        super().check_searchable()
        if self.memory_model is not MemoryModel.IDEAL:
            raise ValueError(
                f"memory_model: {self.memory_model.value} is not allowed; expected ideal: a replay"
                " is not traceable"
            )

    def confine(
        self, workload: Int[Array, "features"], sizes: Float[Array, "3"]
    ) -> Float[Array, "3"]:
        """Steps less one whose sum is within the SRAM budget."""
        steps = self.by_name(workload)["budget_steps"]
        return within_sum(sizes, self.space.layout.sizes, steps - 3)

    def cost_at(self, workload: Int[Array, "features"], point: Int[Array, "3"]) -> Float[Array, ""]:
        """See `CaseStudy`: one program for the three dataflows."""
        gemm, array, memory = self._parts(workload, point.astype(jnp.float64))
        cycles = by_dataflow.total_cycles(gemm, array, memory, self.platform)
        return cycles[self.by_name(workload)["dataflow"]]

    def log_relaxed_cost(
        self, workload: Int[Array, "features"], point: RelaxedPoint, temperature: Float[Array, ""]
    ) -> Float[Array, ""]:
        """See `CaseStudy`: the array is given, so only the buffers are soft."""
        gemm, array, memory = self._parts(workload, point.sizes)
        softened = Relaxation(temperature=temperature).soften_memory(memory)
        cycles = by_dataflow.total_cycles(gemm, array, softened, self.platform)
        return jnp.log(cycles.mean[self.by_name(workload)["dataflow"]])

    def _parts(
        self, workload: Int[Array, "features"], sizes: Float[Array, "3"]
    ) -> tuple[Gemm, ArrayShape, Memory]:
        """The workload with sizes in steps less one, in their dtype."""
        values = self.by_name(workload.astype(sizes.dtype))
        memory = Memory(
            buffers=BufferSizes(**self.space.sizes_at(sizes)),
            bandwidth_bytes_per_cycle=values["bandwidth_bytes_per_cycle"],
            element_bytes=self.element_bytes,
        )
        array = ArrayShape(rows=2.0 ** values["row_exponent"], cols=2.0 ** values["col_exponent"])
        return Gemm(m=values["m"], n=values["n"], k=values["k"]), array, memory

    def columns(self, workloads: Int[Array | np.ndarray, "features batch"]) -> list[Any]:
        """The inputs of the oracle, in its order (`buffer_limits`)."""
        workload = self._workload(workloads)
        return [getattr(workload, name) for name in oracle.buffer_limits(self.space)]

    def from_columns(
        self, columns: Sequence[Int[np.ndarray, "batch"]]
    ) -> Int[np.ndarray, "features batch"]:
        """See `CaseStudy`: whole steps of the budget, and sides that are powers of two."""
        budget, m, n, k, rows, cols, dataflow, bandwidth = columns
        sides = [np.where(x & (x - 1) == 0, log2_floor(x), -1) for x in (rows, cols)]
        return np.stack([budget // self.space.step_bytes, m, n, k, *sides, dataflow, bandwidth])

    def _workload(self, workloads: Any) -> BufferedGemm:
        budget, m, n, k, row_exponent, col_exponent, dataflow, bandwidth = workloads
        return BufferedGemm(
            sram_budget_bytes=budget * self.space.step_bytes,
            m=m,
            n=n,
            k=k,
            rows=1 << row_exponent,
            cols=1 << col_exponent,
            dataflow=dataflow,
            bandwidth_bytes_per_cycle=bandwidth,
        )
