"""Single machines: their costs, and the best of them so far."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

from airchitect_jax.cost import network_cycles
from airchitect_jax.oracle.machines.answer import Corner, Totals
from airchitect_jax.oracle.machines.bounding import bounded
from airchitect_jax.oracle.machines.solver import Solved, Solver
from airchitect_jax.oracle.machines.values import run_of, value_of

_STEPS = (8, 3, 1)  # along the axes


class Candidate(NamedTuple):
    """A machine with its best schedule; infinite cost and none if it has none."""

    cost: Any
    machine: Corner
    solved: Solved | None


class Candidates:
    """The machines that a search has tried."""

    def __init__(self, solver: Solver) -> None:
        self._solver = solver
        self._tried: dict[Corner, Candidate] = {}
        self.best = Candidate(math.inf, (0,) * len(solver.parts.values), None)

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

    def values_of(self, machine: Corner) -> dict[str, int]:
        """The values of a machine by axis."""
        axes = self._solver.question.platform.hardware.axes
        return {name: values[at] for (name, values), at in zip(axes.items(), machine, strict=True)}

    def attempt(self, machine: Corner) -> Candidate:
        """The cost of a machine, which becomes the best if it is."""
        if machine not in self._tried:
            self._tried[machine] = found = self._evaluated(machine)
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
        machine, solved = candidate.machine, candidate.solved
        if solved is None:
            return None
        least = self._solver.parts.least(machine, machine)
        busy, switching, cycles = self._busy(machine, solved)
        run = run_of(self._solver.question, busy, switching, least.leakage)
        if run is None:
            return None
        return Totals(
            mappings=self._solver.mappings(solved),
            array_cycles=cycles,
            operator_cycles=self._solver.operators(machine).cycles,
            busy_cycles=busy,
            cycles=run.cycles,
            energy_fj=run.energy_fj,
        )

    def _evaluated(self, machine: Corner) -> Candidate:
        best = Candidate(math.inf, machine, None)
        if self._solver.parts.tightened(machine, machine) is None:
            return best
        box, question = bounded(self._solver, machine, machine), self._solver.question
        for solved in box.solved:
            if solved.line.least < math.inf:
                busy, switching, _ = self._busy(machine, solved)
                run = run_of(question, busy, switching, box.least.leakage)
                cost = value_of(question, run, box.least.area.total_um2)
                if cost < best.cost:
                    best = Candidate(cost, machine, solved)
        return best

    def _busy(self, machine: Corner, solved: Solved) -> tuple[int, int, int]:
        """Busy cycles, switching energy and cycles of GEMMs of a schedule, in whole numbers."""
        cycles, energy = self._solver.totals(solved)
        operators = self._solver.operators(machine)
        unit = self._solver.question.platform.vector_unit
        busy = network_cycles(cycles, operators.cycles, unit)
        return busy, energy + operators.energy_fj, cycles
