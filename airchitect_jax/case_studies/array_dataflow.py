"""Case study 1: the array shape and dataflow with the fewest cycles under a MAC budget."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Self

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Num

from airchitect_jax._support import instance, member, settle, whole_number
from airchitect_jax.case_studies.base import CaseStudy, log2_floor
from airchitect_jax.case_studies.definition import Context, Feature
from airchitect_jax.case_studies.factory import energy_table, gemm_fields
from airchitect_jax.cost import (
    CostTerm,
    EnergyTable,
    Number,
    Platform,
    memory_reports,
    objective_value,
    resolve_terms,
)
from airchitect_jax.oracle import DEFAULT_MEMORY, Search, design_cost, label_on
from airchitect_jax.oracle import array_dataflow as oracle
from airchitect_jax.spaces import ArrayDataflowSpace, Fields, within_sum
from airchitect_jax.types import (
    ArrayShape,
    BudgetedGemm,
    BufferSizes,
    Dataflow,
    Gemm,
    Labels,
    Memory,
    Objective,
    RuntimeModel,
)
from airchitect_jax.workloads import Distribution, sample_integers


@dataclasses.dataclass(frozen=True, kw_only=True)
class ArrayDataflowCase(CaseStudy):
    """Features: mac_exponent (the budget is 2**mac_exponent MACs), m, n, k.

    The ranges are ours, not the paper's, which does not state them.

    Example:
      >>> [feature.name for feature in ArrayDataflowCase().features]
      ['mac_exponent', 'm', 'n', 'k']
    """

    min_mac_exponent: int = 5
    max_mac_exponent: int = 18
    max_dim: int = 10_000
    distribution: Distribution = Distribution.UNIFORM
    runtime_model: RuntimeModel = RuntimeModel.SCALESIM
    objective: Objective = Objective.CYCLES
    memory: Memory = DEFAULT_MEMORY
    energy_table: EnergyTable = dataclasses.field(default_factory=EnergyTable)
    terms: tuple[CostTerm, ...] = ()

    name = "case_study1"
    title = "array shape and dataflow"
    best_network = "airchitect"
    has_many_optima = False
    trained_budgets: ClassVar[Mapping[str, int]] = {"max_mac_exponent": 14}

    def __post_init__(self) -> None:
        names = ("min_mac_exponent", "max_mac_exponent", "max_dim")
        settle(
            self,
            distribution=member("distribution", self.distribution, Distribution),
            objective=member("objective", self.objective, Objective),
            runtime_model=self.platform.runtime_model,
            memory=self.platform.memory,
            terms=self.platform.terms,
            **{name: whole_number(name, getattr(self, name), low=0) for name in names},
        )
        if not 2 <= self.min_mac_exponent <= self.max_mac_exponent <= 18:
            raise ValueError(
                f"mac exponents: {self.min_mac_exponent}..{self.max_mac_exponent} is not allowed;"
                " expected 2 <= min_mac_exponent <= max_mac_exponent <= 18"
            )
        if not 1 <= self.max_dim <= 1_000_000:
            raise ValueError(f"max_dim: {self.max_dim} is not allowed; expected 1..1000000")

    @classmethod
    def from_settings(cls, settings: Mapping[str, Any]) -> Self:
        """See `CaseStudy`; the objective is cycles where no objective is set."""
        case = cls(
            min_mac_exponent=settings["min_mac_exponent"],
            max_mac_exponent=settings["max_mac_exponent"],
            **gemm_fields(settings),
        )
        if "objective" not in settings:
            return case
        size = settings["sram_kb"] * 1024
        return dataclasses.replace(
            case,
            objective=Objective(settings["objective"]),
            memory=Memory(
                buffers=BufferSizes(
                    ifmap_sram_bytes=size, filter_sram_bytes=size, ofmap_sram_bytes=size
                ),
                bandwidth_bytes_per_cycle=1,
                element_bytes=settings["element_bytes"],
            ),
            energy_table=energy_table(settings),
            terms=resolve_terms(settings.get("cost_terms", ())),
        )

    @functools.cached_property
    def platform(self) -> Platform:
        """The machine, built from the fields once."""
        platform = Platform(
            runtime_model=self.runtime_model,
            energy_table=instance("energy_table", self.energy_table, EnergyTable),
            terms=self.terms,
        )
        return platform.with_memory(self.memory)

    @property
    def settings(self) -> Mapping[str, str]:
        """The objective, the runtime model, the distribution of the dimensions and cost terms."""
        settings = {
            "objective": self.objective.value,
            "runtime_model": self.runtime_model.value,
            "distribution": self.distribution.value,
        }
        return settings | ({"cost_terms": self.platform.term_names} if self.terms else {})

    @functools.cached_property
    def space(self) -> ArrayDataflowSpace:
        """The 459 designs, whatever the budgets, so that ids mean the same in every run."""
        return ArrayDataflowSpace()

    @functools.cached_property
    def features(self) -> tuple[Feature, ...]:
        """The MAC budget's exponent and the three dimensions."""
        return (
            Feature(
                name="mac_exponent",
                low=self.min_mac_exponent,
                high=self.max_mac_exponent,
                is_constraint=True,
            ),
            *(Feature(name=name, low=1, high=self.max_dim) for name in ("m", "n", "k")),
        )

    @functools.cached_property
    def contexts(self) -> tuple[Context, ...]:
        """One for each MAC budget."""
        return tuple(
            Context(name=f"{2**exponent} MACs", values=(exponent,))
            for exponent in range(self.min_mac_exponent, self.max_mac_exponent + 1)
        )

    def sample(self, key: jax.Array, count: int) -> Int[Array, "features count"]:
        """Budgets uniform, dimensions by `distribution`, all independent."""
        budget_key, dims_key = jax.random.split(key)
        budgets = sample_integers(
            budget_key,
            (1, count),
            low=self.min_mac_exponent,
            high=self.max_mac_exponent,
            distribution=Distribution.UNIFORM,
        )
        dims = sample_integers(
            dims_key, (3, count), low=1, high=self.max_dim, distribution=self.distribution
        )
        return jnp.concatenate([budgets, dims])

    def cost(self, workload: Mapping[str, Number], design: Fields) -> Number:
        """Compute cycles, energy, or their product, with the cost terms."""
        gemm = Gemm(m=workload["m"], n=workload["n"], k=workload["k"])
        array = ArrayShape(rows=design["rows"], cols=design["cols"])
        return design_cost(gemm, array, design["dataflow"], self.platform, self.objective)

    def fits(self, workload: Mapping[str, Number], design: Fields) -> Any:
        """Designs within the MAC budget."""
        return design["rows"] * design["cols"] <= 1 << workload["mac_exponent"]

    @property
    def limits(self) -> Mapping[str, tuple[int, int]]:
        """The oracle's inputs: the budget in MAC units and the dimensions."""
        return oracle.LIMITS

    def columns(self, workloads: Int[Array | np.ndarray, "features batch"]) -> list[Any]:
        """See `CaseStudy`."""
        exponent, *dims = workloads
        return [1 << exponent, *dims]

    def from_columns(
        self, columns: Sequence[Int[np.ndarray, "batch"]]
    ) -> Int[np.ndarray, "features batch"]:
        """See `CaseStudy`: the budget is the largest power of two within it."""
        budget, *dims = columns
        return np.stack([log2_floor(budget), *dims])

    def label_columns(
        self, columns: Sequence[Int[np.ndarray | Array, "rows"]]
    ) -> tuple[Labels, Bool[Array, "rows"]]:
        """See `CaseStudy`: the factored search, or all designs compared where it does not apply."""
        return oracle.label_columns(
            columns, space=self.space, platform=self.platform, objective=self.objective
        )

    @property
    def wide_search(self) -> Search:
        """See `CaseStudy`: all designs compared, in int64."""
        return functools.partial(
            oracle.label_wide_columns,
            space=self.space,
            platform=self.platform,
            objective=self.objective,
        )

    def label_in_python(self, *columns: int) -> tuple[int, Any]:
        """See `CaseStudy`."""
        return oracle.label_in_python(
            *columns, space=self.space, platform=self.platform, objective=self.objective
        )

    @property
    def label_batch(self) -> int:
        """See `CaseStudy`."""
        return 1 << 16

    def label(self, workloads: Int[Array, "features batch"]) -> Int[Array, "batch"]:
        """Exact best design ids."""
        if self.objective is Objective.CYCLES and not self.terms:
            return oracle.label_exponents(*workloads, space=self.space, platform=self.platform)
        return jnp.asarray(self.exact(np.asarray(workloads)).design_id)

    def exact_of_columns(self, columns: Sequence[Int[np.ndarray, "batch"]]) -> Labels:
        """See `CaseStudy`."""
        budgeted = BudgetedGemm(**dict(zip(self.limits, columns, strict=True)))
        return label_on(budgeted, self.space, self.platform, self.objective)

    def costs(
        self, workloads: Int[np.ndarray, "features batch"], design_ids: Int[np.ndarray, "*shape"]
    ) -> Num[np.ndarray, "*shape"]:
        """Exact cycles of given designs, feasible or not."""
        if self.objective is Objective.CYCLES:
            return super().costs(workloads, design_ids)
        # Additional axes for those of design_ids beyond the batch.
        _, m, n, k = np.expand_dims(workloads, tuple(range(2, np.ndim(design_ids) + 1)))
        gemms, designs = Gemm(m=m, n=n, k=k), self.space.decode(design_ids)
        report = memory_reports(gemms, designs, self.platform.memory, self.platform)
        return np.asarray(objective_value(self.objective, report.compute_cycles, report.energy_fj))

    def feasible(
        self, workloads: Int[Array | np.ndarray, "features batch"]
    ) -> Bool[Array, "batch designs"]:
        """See `CaseStudy`: by exponents, without products."""
        return (
            jnp.asarray(self.space.mac_exponent)[None, :]
            <= jnp.asarray(self.by_name(workloads)["mac_exponent"])[:, None]
        )

    def heuristics(
        self, workloads: Int[np.ndarray, "features batch"]
    ) -> Mapping[str, Int[np.ndarray, "batch"]]:
        """The array as square as the budget allows, with the best of its three dataflows."""
        exponent = np.asarray(self.by_name(workloads)["mac_exponent"])
        row_exponent = exponent // 2
        candidates = self.space.design_id(
            row_exponent[:, None], (exponent - row_exponent)[:, None], np.arange(len(Dataflow))
        )
        best = self.costs(workloads, candidates).argmin(axis=1)
        return {"square array, best dataflow": candidates[np.arange(len(candidates)), best]}

    def confine(
        self, workload: Int[Array, "features"], sizes: Float[Array, "2"]
    ) -> Float[Array, "2"]:
        """Exponents less one whose sum is within the MAC budget."""
        exponent = self.by_name(workload)["mac_exponent"]
        return within_sum(sizes, self.space.layout.sizes, exponent - 2)
