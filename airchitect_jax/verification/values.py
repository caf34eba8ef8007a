"""The least value of all schedules above some lines in the plane of cycles and energy."""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from airchitect_jax.verification.machines import Figures

LATENCY, ENERGY, EDP, PER_AREA = "latency", "energy", "edp", "throughput_per_area"
OBJECTIVES = (LATENCY, ENERGY, EDP, PER_AREA)
_ROUNDING = 1 + 1e-12  # of limits of points that are computed
_Line = tuple[float, float, float]  # weights of cycles and energy, and the least of their sum


@dataclasses.dataclass(frozen=True, kw_only=True)
class Rules:
    """How cycles and energy become a value.

    Attributes:
      objective: one of `OBJECTIVES`.
      budgets: by name; None is no limit.
      clock_hz: cycles per second.
      overlapped: whether operators run beside the arrays.
    """

    objective: str
    budgets: Mapping[str, Any]
    clock_hz: int
    overlapped: bool

    @property
    def most_cycles(self) -> float:
        """The latency budget."""
        limit = self.budgets["latency_budget_s"]
        return math.inf if limit is None else math.floor(limit * self.clock_hz)

    @property
    def most_fj_per_cycle(self) -> float:
        """The power budget."""
        limit = self.budgets["power_budget_w"]
        return math.inf if limit is None else limit * 1e15 / self.clock_hz

    def busy(self, array_cycles: Any, operator_cycles: Any) -> Any:
        """Cycles of a workload without waiting."""
        if self.overlapped:
            return np.maximum(array_cycles, operator_cycles)
        return array_cycles + operator_cycles

    def value(self, cycles: Any, energy: Any, area: int) -> Any:
        """The quantity to minimise."""
        match self.objective:
            case "latency":
                return cycles
            case "energy":
                return energy
            case "edp":
                return cycles * energy
            case _:
                return cycles * area

    def exceeds_budgets(self, figures: Figures) -> bool:
        """Whether the parts of all machines with at least these figures exceed a budget."""
        limits = (
            (figures.num_macs, self.budgets["mac_budget"]),
            (figures.sram_bytes, self.budgets["sram_budget_bytes"]),
            (figures.area_um2, self.budgets["area_budget_um2"]),
        )
        return any(limit is not None and value > limit for value, limit in limits) or (
            figures.leakage_fj >= self.most_fj_per_cycle
        )

    def least(self, figures: Figures, lines: Sequence[_Line]) -> float:
        """The least value above the lines; infinite if nothing above them is within the budgets.

        For each number of cycles the lines give the least energy. Between the kinks below, the
        value along these points is linear or a product of two linear functions, so that it has its
        minimum at a kink.
        """
        if self.exceeds_budgets(figures):
            return math.inf
        given = [line for line in lines if line[2] > 0]
        if any(line[2] == math.inf for line in given):
            return math.inf
        start = max((s / a for a, b, s in given if a > 0 and b == 0), default=0.0)
        slopes = [(-a / b, s / b) for a, b, s in given if b > 0] + [(0.0, 0.0)]
        kinks = np.array([start, *self._kinks(figures, slopes)])
        cycles = kinks[(kinks >= start) & np.isfinite(kinks)]
        energy = np.max([slope * cycles + offset for slope, offset in slopes], axis=0)
        return float(np.min(self.cost(figures, cycles, energy), initial=math.inf))

    def cost(self, figures: Figures, cycles: Any, energy: Any) -> Any:
        """The values of schedules; infinite beyond the latency budget, but for rounding."""
        total, spare = self.busy(cycles, figures.operator_cycles), self._spare(figures)
        energy = energy + figures.operator_fj
        if spare < math.inf:
            total = np.maximum(total, energy / spare)
        value = self.value(total, energy + figures.leakage_fj * total, figures.area_um2)
        return np.where(total <= self.most_cycles * _ROUNDING, value, math.inf)

    def _spare(self, figures: Figures) -> float:
        """Femtojoules per cycle that the power budget leaves beside leakage."""
        return self.most_fj_per_cycle - figures.leakage_fj

    def _kinks(self, figures: Figures, slopes: list[tuple[float, float]]) -> list[float]:
        """Cycles of the arrays where the value along the lines may have a kink or end."""
        operators, spare = figures.operator_cycles, self._spare(figures)
        beside = 0 if self.overlapped else operators
        kinks = [float(operators), self.most_cycles - beside]
        for (slope, offset), (other, lower) in itertools.combinations(slopes, 2):
            if slope != other:
                kinks.append((lower - offset) / (slope - other))
        if spare == math.inf:
            return kinks
        for slope, offset in slopes:
            # Where waiting begins; where the least energy takes as long as operators or budget.
            kinks.append((offset + figures.operator_fj - spare * beside) / (spare - slope))
            for most in (operators, self.most_cycles):
                if slope and most < math.inf:
                    kinks.append((spare * most - figures.operator_fj - offset) / slope)
        return kinks
