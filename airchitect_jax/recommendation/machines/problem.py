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
    network_cycles,
    operator_costs,
)
from airchitect_jax.oracle.mappings import (
    BestMappings,
    Weights,
    compulsory,
    network_optimum,
)
from airchitect_jax.recommendation.machines.search import Problem
from airchitect_jax.types import Gemm, Hardware, Objective
from airchitect_jax.workloads import GemmCounts, Operator

MOST_MACHINES = 2_000_000
_SLOPES = (1.0, 1e15)  # femtojoules per cycle, between least energy and fewest cycles
_BISECTIONS = 24


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
      mappings: of each GEMM, in the order of the workload.
      array_cycles, operator_cycles: sums over GEMMs and operators.
      cycles: of the workload.
      energy_fj: of the workload, leakage included.
    """

    mappings: BestMappings
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

    def hardware_at(self, machine: int) -> Hardware:
        """One machine, in Python integers."""
        return self.platform.hardware_of(
            **{name: int(column[machine]) for name, column in self.columns.items()}
        )

    def prices_at(self, machine: int) -> MachinePrices:
        """Its prices, in Python integers."""
        return MachinePrices(*(self._at(field, machine) for field in self.prices))

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

    def area_at(self, machine: int) -> MachineArea:
        """Its area, in Python integers."""
        return MachineArea(*(self._at(field, machine) for field in self.area))

    def _at(self, field: Any, machine: int) -> int:
        """The value of one machine of a field that may be the same for all."""
        return int(np.broadcast_to(field, self.num_macs.shape)[machine])

    def cost(self, cycles: Any, energy_fj: Any, area: Any) -> Any:
        """The quantity to minimise."""
        match self.objective:
            case MachineObjective.LATENCY:
                return cycles
            case MachineObjective.ENERGY:
                return energy_fj
            case MachineObjective.EDP:
                return cycles * energy_fj
            case MachineObjective.THROUGHPUT_PER_AREA:
                return cycles * area

    def problem(self) -> Problem:
        """What the search asks."""
        return Problem(
            allowed=self.allowed,
            compulsory=self._compulsory(),
            corner_bound=self._corner_bound,
            answer=self.answer,
        )

    def _compulsory(self) -> Float[np.ndarray, "machines"]:
        """A lower bound of the cost of each machine: compulsory cycles and traffic."""
        prices = [np.broadcast_to(x, self.num_macs.shape).astype(float) for x in self.prices]
        price = MachinePrices(*prices)
        cycles, energy = (np.zeros(len(self.num_macs)) for _ in range(2))
        for cores in np.unique(self.columns["num_cores"]).tolist():
            here = self.columns["num_cores"] == cores
            hardware = dataclasses.replace(
                self.platform.hardware_of(**{n: x[here] for n, x in self.columns.items()}),
                num_cores=cores,
            )
            for (m, n, k), runs in zip(self.gemms.gemms, self.gemms.counts, strict=True):
                needed = compulsory(Gemm(m=m, n=n, k=k), hardware, self.platform)
                cycles[here] += float(runs) * needed.cycles
                energy[here] += float(runs) * (
                    float(m * n * k) * price.mac_fj[here]
                    + float(needed.dram_bytes) * price.dram_fj_per_byte[here]
                )
        for operator, runs in self.operators:
            costs = operator_costs(operator, self.hardware, self.platform, price)
            energy += float(runs) * costs.energy_fj
            if not self.platform.vector_unit.overlapped:
                cycles += float(runs) * costs.cycles
        energy += cycles * price.leakage_fj_per_cycle
        # Less a margin for the rounding of these sums.
        return (1 - 1e-9) * self.cost(cycles, energy, self.area.total_um2.astype(float))

    def _corner_bound(self, group: Int[np.ndarray, "group"]) -> Any:
        """A bound for machines that differ in memories: all memories largest, all prices lowest."""
        largest = {name: int(column[group].max()) for name, column in self.columns.items()}
        prices = MachinePrices(
            *(int(np.broadcast_to(x, self.num_macs.shape)[group].min()) for x in self.prices)
        )
        hardware = self.platform.hardware_of(**largest)
        area = int(self.area.total_um2[group].min())
        return self._solved(hardware, prices, area, self.objective.of_mappings)[0]

    def answer(self, machine: int) -> tuple[Any, Totals] | None:
        """The least cost of a machine within the budgets of latency and power, if there is one."""
        hardware, prices = self.hardware_at(machine), self.prices_at(machine)
        area = self._at(self.area.total_um2, machine)
        cost, totals = self._solved(hardware, prices, area, self.objective.of_mappings)
        if self._is_within(totals):
            return cost, totals
        is_slow = self._latency_excess(totals) > 0
        extreme = Objective.CYCLES if is_slow else Objective.ENERGY
        found = self._solved(hardware, prices, area, extreme)
        if not self._is_within(found[1]):
            return None
        # Between the two, by the slope of cycles against energy: the nearest to the least cost.
        low, high = _SLOPES if is_slow else _SLOPES[::-1]
        for _ in range(_BISECTIONS):
            middle = (low * high) ** 0.5
            tried = self._solved(hardware, prices, area, Weights(middle, 1.0))
            if self._is_within(tried[1]):
                high = middle
                found = min(found, tried, key=lambda one: one[0])
            else:
                low = middle
        return found

    def _solved(
        self, hardware: Hardware, prices: MachinePrices, area: int, goal: Objective | Weights
    ) -> tuple[Any, Totals]:
        """Cost and totals with the mappings that are best by a goal."""
        unit = self.platform.vector_unit
        operators = [
            (operator_costs(operator, hardware, self.platform, prices), runs)
            for operator, runs in self.operators
        ]
        vector_cycles = sum(costs.cycles * runs for costs, runs in operators)
        vector_fj = sum(costs.energy_fj * runs for costs, runs in operators)
        found = network_optimum(
            self.gemms,
            hardware,
            self.platform,
            goal,
            prices,
            extra_cycles=0 if unit.overlapped else vector_cycles,
            extra_energy_fj=vector_fj
            + (0 if unit.overlapped else vector_cycles * prices.leakage_fj_per_cycle),
        )
        array_cycles = found.total_cycles - (0 if unit.overlapped else vector_cycles)
        cycles = network_cycles(array_cycles, vector_cycles, unit)
        # Where the vector units take longer than the arrays beside them, they leak on.
        energy = found.energy_fj + (cycles - found.total_cycles) * prices.leakage_fj_per_cycle
        totals = Totals(
            mappings=found.layers,
            array_cycles=array_cycles,
            operator_cycles=vector_cycles,
            cycles=cycles,
            energy_fj=energy,
        )
        return self.cost(cycles, energy, area), totals

    def _latency_excess(self, totals: Totals) -> float:
        """Seconds above the budget; at most 0 within it."""
        limit = self.budgets.latency_budget_s
        return -1.0 if limit is None else totals.cycles / self.platform.clock_hz - float(limit)

    def _is_within(self, totals: Totals) -> bool:
        """Whether latency and power are within the budgets."""
        limit = self.budgets.power_budget_w
        power_w = totals.energy_fj * self.platform.clock_hz / (totals.cycles * 1e15)
        return self._latency_excess(totals) <= 0 and (limit is None or power_w <= float(limit))

    def unused_budgets(self) -> tuple[str, ...]:
        """What the budgets allow and no machine of the space reaches, one line each."""
        budgets = self.budgets
        reached = (
            ("mac_budget", budgets.mac_budget, self.num_macs, 1, "MAC units"),
            ("sram_budget", budgets.sram_budget_bytes, self.sram_bytes, 1024, "KB"),
            ("area_budget", budgets.area_budget_um2, self.area.total_um2, 10**6, "mm2"),
        )
        return tuple(
            f"{name}: {limit / unit:,g} {words}, but the largest machine of"
            f" {self.platform.name} has {int(np.max(values)) / unit:,.6g}"
            for name, limit, values, unit, words in reached
            if limit is not None and np.max(values) < limit
        )

    def why_none(self) -> str:
        """Why no machine is within the budgets."""
        smallest = (
            f"{int(self.num_macs.min()):,} MAC units, {int(self.sram_bytes.min()) / 1024:g} KB of"
            f" SRAM and {int(self.area.total_um2.min()) / 1e6:.3g} mm2"
        )
        return (
            f"budgets: no machine of {self.platform.name} is within the budgets; the least of these"
            f" are {smallest}"
            + (", and no mapping tried keeps latency and power" if self.allowed.any() else "")
        )
