"""The front of latency, energy and area: machines that no other beats, each with a proof.

Two kinds of question are asked with `best_machine`:

* The least energy within a budget of area and one of latency. A run that needs no more latency,
  energy and area than the answer, and less of one, is within the same budgets, so it has the same
  energy.
* The least energy-delay product within a budget of area. A run that needs no more of anything has
  no greater product and is within the same budget, so it has the same latency and energy: only its
  area can be less.

Hence an exact answer is on the front, unless another machine has the same energy, to the resolution
of the search. That is possible where parts cost no energy (without leakage, for example, bandwidth
is free); of machines of equal energy the answer is the one with the fewest MAC units, then with the
least SRAM. With a gap, no run within the budgets of a point is below the lower bound of its energy
or product.
"""

from __future__ import annotations

import dataclasses
import math
import pathlib
import time
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from airchitect_jax._support import instance, real_number, whole_number
from airchitect_jax.cost import area_um2
from airchitect_jax.oracle.machines.answer import Optimum
from airchitect_jax.oracle.machines.best import best_machine
from airchitect_jax.oracle.machines.question import MachineObjective, Question
from airchitect_jax.types import Hardware

_LATENCY, _ENERGY, _EDP = (
    MachineObjective.LATENCY,
    MachineObjective.ENERGY,
    MachineObjective.EDP,
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class FrontPoint:
    """A point of the front.

    Attributes:
      question: whose answer it is, with the budgets of the point.
      optimum: the machine, the workload on it, and the proof.
      hardware: the machine.
      cycles, energy_fj, area_um2: of the workload, and of the machine.
    """

    question: Question
    optimum: Optimum
    hardware: Hardware
    cycles: float
    energy_fj: float
    area_um2: int

    @property
    def figures(self) -> tuple[float, float, int]:
        """What the front is of."""
        return self.cycles, self.energy_fj, self.area_um2


def pareto_front(
    question: Question,
    *,
    num_points: int = 6,
    gap: float = 0.0,
    time_limit: float | None = None,
    on_progress: Callable[[int, int], None] | None = None,
    state: pathlib.Path | None = None,
) -> tuple[FrontPoint, ...]:
    """Points of the front of latency, energy and area, by latency.

    The fastest machines, those of least energy and those of the least energy-delay product under
    `num_points` budgets of area each, between the area of the smallest machine and that of the
    answer without a budget; and the machines of least energy under budgets of latency between the
    fastest machine and that of least energy. Budgets are spaced by equal factors. Points that
    another point beats, and equal ones, are left out; there may be fewer than asked.

    Args:
      question: its budgets hold for all points; its objective is not used.
      num_points: at least 2.
      gap: of each point, as for `best_machine`.
      time_limit: in seconds, of all points together. Each search gets an equal share of what is
        left; a point whose search was stopped has a larger gap.
      on_progress: called with the number of answers and the greatest number needed.
      state: a folder for the states of the searches, from which a front that was stopped goes on.

    Raises:
      ValueError: an argument is not allowed.
      TypeError: the question is of another type.
      KeyboardInterrupt: after an interrupt; the state of the search is written.
    """
    instance("question", question, Question)
    num_points = whole_number("num_points", num_points, low=2, high=1000)
    if time_limit is not None:
        time_limit = real_number("time_limit", time_limit, low=0, high=1e9)
    if state is not None:
        state.mkdir(parents=True, exist_ok=True)
    asker = _Asker(question, gap, time_limit, 5 * num_points - 2, on_progress, state)
    fast, thrifty, balanced = (
        asker.under_areas(objective, num_points) for objective in (_LATENCY, _ENERGY, _EDP)
    )
    between: list[FrontPoint | None] = []
    if fast and thrifty:
        ends = fast[0].cycles, thrifty[0].cycles
        for limit in np.geomspace(*ends, num_points)[1:-1].tolist():
            between.append(asker.ask(_ENERGY, latency=math.floor(limit)))
    found = [*fast, *thrifty, *balanced, *(point for point in between if point is not None)]
    return undominated(found)


def undominated(points: Sequence[FrontPoint]) -> tuple[FrontPoint, ...]:
    """The points that no other beats, by latency; of equal ones the first."""
    first = {point.figures: point for point in reversed(points)}
    return tuple(
        first[one]
        for one in sorted(first)
        if not any(
            other != one and all(a <= b for a, b in zip(other, one, strict=True)) for other in first
        )
    )


class _Asker:
    """Asks about a space; each search starts from the machines that the others found."""

    def __init__(
        self,
        question: Question,
        gap: float,
        time_limit: float | None,
        num_questions: int,
        on_progress: Callable[[int, int], None] | None,
        state: pathlib.Path | None,
    ) -> None:
        self._machines: list[Mapping[str, int]] = []
        self._question, self._gap, self._on_progress = question, gap, on_progress
        self._end = None if time_limit is None else time.perf_counter() + time_limit
        self._asked, self._num_questions, self._state = 0, num_questions, state

    def under_areas(self, objective: MachineObjective, num_points: int) -> list[FrontPoint]:
        """The answers under budgets of area, the largest first; the first has no new budget."""
        each = 2 if objective is _LATENCY else 1
        planned = self._asked + each * num_points
        found: list[FrontPoint] = []
        point = self._answer(objective, None)
        if point is not None:
            found.append(point)
            smallest = min(self._smallest_area(), point.area_um2)
            for area in np.geomspace(point.area_um2, smallest, num_points)[1:].tolist():
                # An answer that is within the next budget is the next answer too.
                if found[-1].area_um2 > round(area):
                    point = self._answer(objective, round(area))
                    if point is None:
                        break
                    found.append(point)
        self._count(planned - self._asked)
        return found

    def _answer(self, objective: MachineObjective, area: int | None) -> FrontPoint | None:
        """The answer under a budget of area; of the fastest machines, the one of least energy."""
        point = self.ask(objective, area=area)
        if point is not None and objective is _LATENCY:
            point = self.ask(_ENERGY, area=area, latency=math.ceil(point.cycles))
        return point

    def ask(
        self, objective: MachineObjective, area: int | None = None, latency: float | None = None
    ) -> FrontPoint | None:
        """The answer under a budget of area and one of latency, in cycles; None without one."""
        budgets, platform = self._question.budgets, self._question.platform
        if area is not None:
            budgets = dataclasses.replace(budgets, area_budget_um2=area)
        if latency is not None:  # half a cycle more, so that rounding takes none away
            budgets = dataclasses.replace(
                budgets, latency_budget_s=(latency + 0.5) / platform.clock_hz
            )
        question = dataclasses.replace(self._question, objective=objective, budgets=budgets)
        share = None
        if self._end is not None:
            left = max(0.0, self._end - time.perf_counter())
            share = left / (self._num_questions - self._asked)
        optimum = best_machine(
            question,
            gap=self._gap,
            time_limit=share,
            start=self._machines,
            state=self._state and self._state / f"{objective.value}_{area}_{latency}",
        )
        if optimum.is_interrupted:
            raise KeyboardInterrupt
        self._count(1)
        if optimum.machine is None or optimum.totals is None:
            return None
        self._machines.append(optimum.machine)
        hardware = platform.hardware_of(**optimum.machine)
        return FrontPoint(
            question=question,
            optimum=optimum,
            hardware=hardware,
            cycles=optimum.totals.cycles,
            energy_fj=optimum.totals.energy_fj,
            area_um2=int(area_um2(hardware, platform).total_um2),
        )

    def _count(self, num_questions: int) -> None:
        """Counts questions as answered."""
        self._asked += num_questions
        if self._on_progress is not None:
            self._on_progress(self._asked, self._num_questions)

    def _smallest_area(self) -> int:
        """The area of the machine with the least of everything."""
        platform = self._question.platform
        least = {name: values[0] for name, values in platform.hardware.axes.items()}
        return int(area_um2(platform.hardware_of(**least), platform).total_um2)
