"""Machines of a hardware space: their costs for a workload, within budgets."""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int

from airchitect_jax._support import real_number, settle, whole_number
from airchitect_jax.cost import (
    MachineArea,
    MachinePrices,
    Platform,
    area_um2,
    machine_prices,
    vector_costs,
)
from airchitect_jax.oracle.mappings import NetworkMappings, compulsory, network_optimum
from airchitect_jax.types import Hardware, Objective
from airchitect_jax.workloads import GemmCounts, Operator

MOST_MACHINES = 2_000_000


class MachineObjective(enum.Enum):
    """What the best machine has the least of; of throughput per area, the most."""

    LATENCY = "latency"
    ENERGY = "energy"
    EDP = "edp"  # total energy times latency
    THROUGHPUT_PER_AREA = "throughput_per_area"

    @property
    def of_mappings(self) -> Objective:
        """The objective of the mappings on one machine."""
        match self:
            case MachineObjective.ENERGY:
                return Objective.ENERGY
            case MachineObjective.EDP:
                return Objective.EDP
            case _:
                return Objective.CYCLES


@dataclasses.dataclass(frozen=True, kw_only=True)
class Budgets:
    """Limits of a machine; None is no limit.

    Attributes:
      mac_budget: MAC units of all cores.
      sram_budget_bytes: memories of all cores.
      area_budget_um2: of the machine.
      power_budget_w: average over a run of the workload.
      latency_budget_s: of a run of the workload.

    Raises:
      ValueError: a limit is not positive.
    """

    mac_budget: int | None = None
    sram_budget_bytes: int | None = None
    area_budget_um2: int | None = None
    power_budget_w: float | None = None
    latency_budget_s: float | None = None

    def __post_init__(self) -> None:
        for name in ("mac_budget", "sram_budget_bytes", "area_budget_um2"):
            if getattr(self, name) is not None:
                settle(self, **{name: whole_number(name, getattr(self, name), high=2**60)})
        for name in ("power_budget_w", "latency_budget_s"):
            if getattr(self, name) is not None:
                settle(self, **{name: real_number(name, getattr(self, name), low=1e-9, high=1e9)})


@dataclasses.dataclass(frozen=True, kw_only=True)
class Totals:
    """A workload on a machine.

    Attributes:
      mappings: the best mapping of each GEMM.
      array_cycles, operator_cycles: sums over GEMMs and operators.
      cycles: of the workload.
      energy_fj: of the workload, leakage included.
    """

    mappings: NetworkMappings
    array_cycles: int
    operator_cycles: int
    cycles: int
    energy_fj: int


class Machines:
    """Every machine of a platform's hardware space, with what the workload costs on it."""

    def __init__(
        self,
        platform: Platform,
        gemms: GemmCounts,
        operators: Sequence[tuple[Operator, int]],
        objective: MachineObjective,
        budgets: Budgets,
    ) -> None:
        """Operators come with their numbers of runs.

        Raises:
          ValueError: the space has too many machines.
        """
        space = platform.hardware
        if space.num_designs > MOST_MACHINES:
            raise ValueError(
                f"hardware: {space.num_designs:,} machines are too many to enumerate; expected at"
                f" most {MOST_MACHINES:,}: narrow the ranges of the platform"
            )
        self.platform, self.gemms, self.objective = platform, gemms, objective
        self.operators, self.budgets = operators, budgets
        self.columns = space.columns()
        self.hardware: Hardware = platform.hardware_of(**self.columns)
        self.prices = machine_prices(self.hardware, platform)
        self.area: MachineArea = area_um2(self.hardware, platform)
        self.num_macs = self.hardware.rows * self.hardware.cols * self.hardware.num_cores
        self.sram_bytes = self.hardware.num_cores * sum(
            self.columns[name] for name in space.memory_fields
        )
        self.operator_cycles, self.operator_fj = self._operator_totals()

    def _operator_totals(self) -> tuple[Int[np.ndarray, "machines"], Int[np.ndarray, "machines"]]:
        """Cycles and energy without leakage of all operators."""
        cycles = energy = np.zeros(len(self.num_macs), np.int64)
        for operator, runs in self.operators:
            costs = vector_costs(
                operator.kind,
                operator.operations,
                operator.input_elements,
                operator.output_elements,
                self.hardware,
                self.platform,
                self.prices,
            )
            cycles = cycles + runs * costs.cycles
            energy = energy + runs * costs.energy_fj
        return cycles, energy

    def hardware_at(self, machine: int) -> Hardware:
        """One machine, in Python integers."""
        return self.platform.hardware_of(
            **{name: int(column[machine]) for name, column in self.columns.items()}
        )

    def prices_at(self, machine: int) -> MachinePrices:
        """Its prices, in Python integers."""
        return MachinePrices(
            *(int(np.broadcast_to(x, self.num_macs.shape)[machine]) for x in self.prices)
        )

    @property
    def allowed(self) -> Bool[np.ndarray, "machines"]:
        """Whether the parts of a machine are within the budgets."""
        inside = np.ones(len(self.num_macs), bool)
        for value, limit in (
            (self.num_macs, self.budgets.mac_budget),
            (self.sram_bytes, self.budgets.sram_budget_bytes),
            (self.area.total_um2, self.budgets.area_budget_um2),
        ):
            if limit is not None:
                inside &= value <= limit
        return inside

    @property
    def groups(self) -> Int[np.ndarray, "machines"]:
        """Numbers of the groups of machines that differ in their memories only."""
        others = [x for name, x in self.columns.items() if not name.endswith("_bytes")]
        return np.unique(np.stack(others), axis=1, return_inverse=True)[1].ravel()

    @property
    def tie_order(self) -> Int[np.ndarray, "machines"]:
        """The place of each machine among those of equal cost: fewer MACs, less SRAM first."""
        order = np.lexsort(
            (self.columns["bandwidth_bytes_per_second"], self.sram_bytes, self.num_macs)
        )
        place = np.empty_like(order)
        place[order] = np.arange(len(order))
        return place

    def cost(self, cycles: Any, energy_fj: Any, machine: Any) -> Any:
        """The quantity to minimise."""
        match self.objective:
            case MachineObjective.LATENCY:
                return cycles
            case MachineObjective.ENERGY:
                return energy_fj
            case MachineObjective.EDP:
                return cycles * energy_fj
            case MachineObjective.THROUGHPUT_PER_AREA:
                return cycles * self.area.total_um2[machine]
