"""Case study 1: the array shape and dataflow with the fewest cycles under a MAC budget."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Num

from airchitect_jax.case_studies.base import Context, Feature
from airchitect_jax.checks import instance, int_field, member, settle, whole_number
from airchitect_jax.cost.energy import objective_value
from airchitect_jax.cost.evaluate import evaluate, evaluate_memory
from airchitect_jax.oracle import array_dataflow as oracle
from airchitect_jax.oracle.ranking import CYCLES, Goal, design_cost
from airchitect_jax.spaces import ArrayDataflowSpace
from airchitect_jax.types import BudgetedGemm, Dataflow, Gemm, Labels, Objective, RuntimeModel
from airchitect_jax.workloads.sampling import Distribution, sample_integers


@dataclasses.dataclass(frozen=True, kw_only=True)
class ArrayDataflowCase:
    """Features: mac_exponent (the budget is 2**mac_exponent MACs), m, n, k.

    The ranges are ours, not the paper's, which does not state them.
    """

    min_mac_exponent: int = 5
    max_mac_exponent: int = 18
    max_dim: int = 10_000
    distribution: Distribution = Distribution.UNIFORM
    runtime_model: RuntimeModel = RuntimeModel.SCALESIM
    goal: Goal = CYCLES

    name = "case_study1"
    title = "array shape and dataflow"

    def __post_init__(self) -> None:
        names = ("min_mac_exponent", "max_mac_exponent", "max_dim")
        settle(
            self,
            distribution=member("distribution", self.distribution, Distribution),
            runtime_model=member("runtime_model", self.runtime_model, RuntimeModel),
            **{name: whole_number(name, getattr(self, name), low=0) for name in names},
        )
        instance("goal", self.goal, Goal)
        if not 2 <= self.min_mac_exponent <= self.max_mac_exponent <= 18:
            raise ValueError(
                f"mac exponents: {self.min_mac_exponent}..{self.max_mac_exponent} is not allowed;"
                " expected 2 <= min_mac_exponent <= max_mac_exponent <= 18"
            )
        if not 1 <= self.max_dim <= 1_000_000:
            raise ValueError(f"max_dim: {self.max_dim} is not allowed; expected 1..1000000")

    @property
    def objective(self) -> Objective:
        """What the best design has least of."""
        return self.goal.objective

    @property
    def settings(self) -> Mapping[str, str]:
        """The objective, the runtime model and the distribution of the dimensions."""
        return {
            "objective": self.objective.value,
            "runtime_model": self.runtime_model.value,
            "distribution": self.distribution.value,
        }

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
        """Budgets with equal chances; dimensions by `distribution`, independent."""
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

    @property
    def label_batch(self) -> int:
        """See `CaseStudy`."""
        return 1 << 16

    def label(self, workloads: Int[Array, "features batch"]) -> Int[Array, "batch"]:
        """Exact best design ids."""
        if self.objective is Objective.CYCLES:
            return oracle.label_exponents(
                *workloads, space=self.space, runtime_model=self.runtime_model
            )
        return jnp.asarray(self.exact(np.asarray(workloads)).design_id)

    def exact(self, workloads: Int[np.ndarray, "features batch"]) -> Labels:
        """Exact best designs and their cycles, of any valid workloads."""
        exponent, m, n, k = int_field("workloads", workloads, low=0)
        return oracle.label(
            BudgetedGemm(mac_budget=np.int64(1) << exponent, m=m, n=n, k=k),
            self.space,
            runtime_model=self.runtime_model,
            objective=self.objective,
            memory=self.goal.memory,
            energy_table=self.goal.energy_table,
        )

    def costs(
        self, workloads: Int[np.ndarray, "features batch"], design_ids: Int[np.ndarray, "*shape"]
    ) -> Num[np.ndarray, "*shape"]:
        """Exact cycles of given designs, feasible or not."""
        # One axis more for each that design_ids has beyond the batch.
        columns = np.expand_dims(workloads, tuple(range(2, np.ndim(design_ids) + 1)))
        gemm, designs = (
            Gemm(m=columns[1], n=columns[2], k=columns[3]),
            self.space.decode(design_ids),
        )
        if self.objective is Objective.CYCLES:
            return np.asarray(
                evaluate(gemm, designs, runtime_model=self.runtime_model).compute_cycles
            )
        report = evaluate_memory(
            gemm,
            designs,
            self.goal.memory,
            runtime_model=self.runtime_model,
            energy_table=self.goal.energy_table,
        )
        return np.asarray(objective_value(self.objective, report.compute_cycles, report.energy_fj))

    def log_costs(self, workloads: Int[Array, "features batch"]) -> Float[Array, "batch designs"]:
        """Logarithms of the costs of all designs, infinite where infeasible; float32."""
        return jnp.where(self.feasible(workloads), self.log_terms(workloads), jnp.inf)

    def log_terms(self, workloads: Int[Array, "features batch"]) -> Float[Array, "batch designs"]:
        """Logarithms of the costs of all designs, feasible or not; float32."""
        gemm = Gemm(
            **{
                name: row.astype(jnp.float32)[:, None]
                for name, row in zip(("m", "n", "k"), workloads[1:], strict=True)
            }
        )
        designs = self.space.decode(np.arange(self.space.num_designs))
        array = jax.tree.map(lambda x: jnp.asarray(x, jnp.float32)[None, :], designs.array)
        by_dataflow = [
            design_cost(gemm, array, flow, self.runtime_model, self.goal) for flow in Dataflow
        ]
        costs = jnp.select([self.space.dataflow[None, :] == flow for flow in Dataflow], by_dataflow)
        return jnp.log(costs)

    def feasible(
        self, workloads: Int[Array | np.ndarray, "features batch"]
    ) -> Bool[Array, "batch designs"]:
        """Designs within the MAC budget."""
        return jnp.asarray(self.space.mac_exponent)[None, :] <= jnp.asarray(workloads)[0][:, None]

    def heuristics(
        self, workloads: Int[np.ndarray, "features batch"]
    ) -> Mapping[str, Int[np.ndarray, "batch"]]:
        """The array as square as the budget allows, with the best of its three dataflows."""
        exponent = np.asarray(workloads[0])
        row_exponent = exponent // 2
        candidates = self.space.design_id(
            row_exponent[:, None], (exponent - row_exponent)[:, None], np.arange(len(Dataflow))
        )
        best = self.costs(workloads, candidates).argmin(axis=1)
        return {"square array, best dataflow": candidates[np.arange(len(candidates)), best]}

    def from_gemms(self, gemms: Gemm, context: Context) -> Int[np.ndarray, "features batch"]:
        """Each GEMM under the budget of the context."""
        budget = np.full_like(gemms.m, context.values[0])
        return np.stack([budget, gemms.m, gemms.n, gemms.k])
