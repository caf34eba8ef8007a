"""Single machines: their costs, and the best of them so far."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping
from typing import Any, NamedTuple

from airchitect_jax.cost import network_cycles
from airchitect_jax.oracle.machines.answer import Corner, Totals
from airchitect_jax.oracle.machines.bounding import RESOLUTION, bounded
from airchitect_jax.oracle.machines.solver import Solver
from airchitect_jax.oracle.machines.values import Run, run_of, value_of
from airchitect_jax.oracle.mappings import NetworkMappings, best_schedule

_STEPS = (8, 3, 1)  # along the axes


class Candidate(NamedTuple):
    """A machine.

    Attributes:
      cost: with the schedule; infinite without one.
      machine: its place in the space.
      schedule: of GEMMs; None if it has none within the budgets, or none of use.
      least: no schedule of the machine costs less.
    """

    cost: Any
    machine: Corner
    schedule: NetworkMappings | None
    least: float


class Candidates:
    """The machines that a search has tried."""

    def __init__(self, solver: Solver) -> None:
        self._solver = solver
        self._tried: dict[Corner, Candidate] = {}
        self.best = Candidate(math.inf, (0,) * len(solver.parts.values), None, 0.0)

    def corner_of(self, machine: Mapping[str, int]) -> Corner:
        """The places of the values of a machine.

        Raises:
          ValueError: it is not in the space.
        """
        axes = self._solver.question.platform.hardware.axes
        for name, values in axes.items():
            if machine.get(name) not in values:
                raise ValueError(f"start: {name}: {machine.get(name)} is not in the space")
        return tuple(values.index(machine[name]) for name, values in axes.items())

    def attempt(self, machine: Corner) -> Candidate:
        """The cost of a machine, which becomes the best if it is."""
        if machine not in self._tried:
            found = self._evaluated(machine)
            if found.cost > self.best.cost * (1 + RESOLUTION):
                found = found._replace(schedule=None)  # of no use, and large
            self._tried[machine] = found
            self.best = min(self.best, found, key=lambda one: one.cost)
        return self._tried[machine]

    def descend(self, machine: Corner) -> None:
        """Tries machines along the axes, from one on, as long as the cost falls."""
        best = self.attempt(machine)
        for step in _STEPS:
            improves = True
            while improves:
                improves = False
                for axis, values in enumerate(self._solver.parts.values[:-1]):
                    for change in (-step, step):
                        place = min(max(best.machine[axis] + change, 0), len(values) - 1)
                        other = (*best.machine[:axis], place, *best.machine[axis + 1 :])
                        if self.attempt(other).cost < best.cost:
                            best, improves = self.attempt(other), True

    def totals(self, candidate: Candidate) -> Totals | None:
        """The workload on a machine; None if it has no schedule."""
        machine, schedule = candidate.machine, candidate.schedule
        if schedule is None:
            return None
        run = self._run(machine, schedule.total_cycles, schedule.energy_fj)
        if run is None:
            return None
        operators = self._solver.operators(machine)
        unit = self._solver.question.platform.vector_unit
        return Totals(
            mappings=schedule.layers,
            array_cycles=schedule.total_cycles,
            operator_cycles=operators.cycles,
            busy_cycles=network_cycles(schedule.total_cycles, operators.cycles, unit),
            cycles=run.cycles,
            energy_fj=run.energy_fj,
        )

    def _evaluated(self, machine: Corner) -> Candidate:
        if self._solver.parts.tightened(machine, machine) is None:
            return Candidate(math.inf, machine, None, math.inf)
        box = bounded(self._solver, machine, machine)
        found, cost = None, math.inf
        for solved in box.solved:
            if solved.line.least < math.inf:
                one = self._solver.schedule(solved)
                its_cost = self._cost(machine, one.total_cycles, one.energy_fj)
                if its_cost < cost:
                    found, cost = one, its_cost
        least = box.lowest.value
        if least < min(cost, self.best.cost) * (1 - RESOLUTION):
            # The best schedule is not at a corner of the hull of all. One as good as the best
            # machine may be on a smaller one.
            known = min(cost, self.best.cost * (1 + RESOLUTION))
            better = best_schedule(
                self._solver.question.gemms,
                self._solver.hardware(machine),
                self._solver.question.platform,
                box.least.prices,
                functools.partial(self._cost, machine),
                known,
            )
            if better is not None:
                found = better
                known = cost = self._cost(machine, better.total_cycles, better.energy_fj)
            least = float(known)
        return Candidate(cost, machine, found, least)

    def _cost(self, machine: Corner, cycles: int, energy_fj: int) -> Any:
        """The cost of a machine with a schedule of these sums over all GEMMs."""
        area = self._solver.parts.least(machine, machine).area.total_um2
        return value_of(self._solver.question, self._run(machine, cycles, energy_fj), area)

    def _run(self, machine: Corner, cycles: int, energy_fj: int) -> Run | None:
        question, operators = self._solver.question, self._solver.operators(machine)
        busy = network_cycles(cycles, operators.cycles, question.platform.vector_unit)
        leakage = self._solver.parts.least(machine, machine).leakage
        return run_of(question, busy, energy_fj + operators.energy_fj, leakage)
