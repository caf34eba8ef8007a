"""What is asked of a space of machines: a workload, an objective, budgets."""

from __future__ import annotations

import dataclasses
import enum
import math

from airchitect_jax._support import instance, member, real_number, settle, whole_number
from airchitect_jax.cost import Platform
from airchitect_jax.types import Objective
from airchitect_jax.workloads import GemmCounts, Operator


class MachineObjective(enum.Enum):
    """The quantity that the best machine minimises; throughput per area is maximised.

    Example:
      >>> [objective.value for objective in aj.MachineObjective]
      ['latency', 'energy', 'edp', 'throughput_per_area']
    """

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
      power_budget_w: average over a run of the workload. A machine that needs more waits between
        its steps, leaking, until the average is within the budget.
      latency_budget_s: of a run of the workload, waiting included.

    Raises:
      ValueError: a limit is not positive.

    Example:
      >>> aj.Budgets(area_budget_um2=20_000_000, power_budget_w=2.5).power_budget_w
      2.5
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
class Question:
    """The best machine of a space for a workload.

    Attributes:
      platform: its `hardware` is the space.
      gemms: distinct GEMMs and their numbers of runs.
      operators: work without matrices and its numbers of runs.
      objective: the quantity to minimise.
      budgets: limits of the machine.

    Raises:
      ValueError: a field is not allowed.
      TypeError: a field is of another type.
    """

    platform: Platform
    gemms: GemmCounts
    operators: tuple[tuple[Operator, int], ...] = ()
    objective: MachineObjective = MachineObjective.LATENCY
    budgets: Budgets = dataclasses.field(default_factory=Budgets)

    def __post_init__(self) -> None:
        instance("platform", self.platform, Platform)
        instance("gemms", self.gemms, GemmCounts)
        instance("budgets", self.budgets, Budgets)
        settle(self, objective=member("objective", self.objective, MachineObjective))

    @property
    def most_cycles(self) -> float:
        """The latency budget in cycles; infinite if there is none."""
        limit = self.budgets.latency_budget_s
        return math.inf if limit is None else math.floor(limit * self.platform.clock_hz)

    @property
    def most_fj_per_cycle(self) -> float:
        """The power budget in femtojoules per cycle; infinite if there is none."""
        limit = self.budgets.power_budget_w
        return math.inf if limit is None else limit * 1e15 / self.platform.clock_hz
