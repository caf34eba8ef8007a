"""The best machine of a space by branch and bound over boxes of machines, exact.

The box with the least bound is opened first: its bound is computed (`solver`, `polygon`), and it is
closed if that is not below the cost of the best machine so far, or split (`branching`). A schedule
that has the least of a box runs on some machine; its cost may be the best so far.
"""

from __future__ import annotations

import heapq
import math
import pathlib
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from airchitect_jax.cost import network_cycles
from airchitect_jax.oracle.machines.answer import (
    ClosedBox,
    Corner,
    Line,
    Optimum,
    Progress,
    Totals,
)
from airchitect_jax.oracle.machines.branching import Brancher
from airchitect_jax.oracle.machines.parts import Least
from airchitect_jax.oracle.machines.polygon import Lowest, Offsets, lowest, value_at
from airchitect_jax.oracle.machines.question import MachineObjective, Question
from airchitect_jax.oracle.machines.size import log10_joint_points
from airchitect_jax.oracle.machines.solver import Solved, Solver
from airchitect_jax.oracle.machines.values import run_of, value_of

# Values are sums in float64: what differs by less is equal.
RESOLUTION = 1e-11
_MOST_LINES, _MOST_OF_ONE = 8, 64  # searches of mappings per box, and per machine
_KEPT_LINES = 4  # that the halves of a box take over
_STEPS = (8, 3, 1)  # of the first descent along the axes
_Weights = tuple[float, float]


class _Open(NamedTuple):
    """A box that may hold a better machine."""

    bound: float
    number: int
    low: Corner
    high: Corner
    lines: tuple[Line, ...]
    parent: Solved | None


class _Bounded(NamedTuple):
    """A box with its bound."""

    least: Least
    lowest: Lowest
    lines: tuple[Line, ...]
    solved: tuple[Solved, ...]


class _Candidate(NamedTuple):
    """A machine with a schedule."""

    cost: Any
    machine: Corner
    solved: Solved | None


class Search:
    """The state of a search."""

    def __init__(self, question: Question, gap: float) -> None:
        self.question, self._gap = question, gap
        self._solver = Solver(question)
        self._brancher = Brancher(self._solver)
        self._points: dict[Corner, _Candidate] = {}
        self._number = 0
        self.opened = 0
        self.closed: list[ClosedBox] = []
        first = (0,) * len(self._solver.parts.values)
        last = tuple(len(values) - 1 for values in self._solver.parts.values)
        self.best = _Candidate(math.inf, first, None)
        self._open: list[_Open] = []
        self._push(0.0, first, last, (), None)

    @property
    def bound(self) -> float:
        """No machine costs less."""
        least = min((box.bound for box in self._open), default=math.inf)
        least = min(least, min((box.bound for box in self.closed), default=math.inf))
        is_best = least >= float(self.best.cost) * (1 - RESOLUTION)
        return self.best.cost if is_best else min(least, self.best.cost)

    @property
    def _limit(self) -> float:
        """Boxes with bounds from here on are closed."""
        return float(self.best.cost) / (1 + self._gap) * (1 - RESOLUTION)

    @property
    def is_finished(self) -> bool:
        """Whether no open box can hold a better machine."""
        return not self._open or self._open[0].bound >= self._limit

    def step(self) -> None:
        """Opens the box of the least bound."""
        box = heapq.heappop(self._open)
        self.opened += 1
        high = self._solver.parts.tightened(box.low, box.high)
        if high is None:
            self.closed.append(ClosedBox(box.low, box.high, math.inf, ()))
            return
        self._close_rest(box.low, high, box.high)
        bounded = self._bounded(box.low, high, box.lines, box.parent)
        bound = bounded.lowest.value
        if bound < self._limit:
            self._try(self._brancher.needed(box.low, high, bounded.solved[-1]))
        if bound >= self._limit or box.low == high:
            self.closed.append(self._closed(box.low, high, bounded))
            return
        solved = bounded.solved[-1]
        for low, top in self._brancher.split(
            box.low, high, bounded.least, solved, self._gradient(bounded)
        ):
            self._push(bound, low, top, bounded.lines, solved)

    def _push(self, bound: float, low: Corner, high: Corner, *rest: Any) -> None:
        self._number += 1
        heapq.heappush(self._open, _Open(bound, self._number, low, high, *rest))

    def _close_rest(self, low: Corner, high: Corner, given: Corner) -> None:
        """Closes what the budgets of parts exclude of a box, which now ends at `high`."""
        ends = list(given)
        for axis, (last, end) in enumerate(zip(high, given, strict=True)):
            if last < end:
                start = list(low)
                start[axis] = last + 1
                self.closed.append(ClosedBox(tuple(start), tuple(ends), math.inf, ()))
                ends[axis] = last

    def _closed(self, low: Corner, high: Corner, bounded: _Bounded) -> ClosedBox:
        """A box with as few lines as its bound needs."""
        bound, lines = bounded.lowest.value, bounded.lines
        own = tuple(solved.line for solved in bounded.solved)
        offsets = self._offsets(high, bounded.least)
        for fewer in (own[-1:], own):
            value = self._lowest(offsets, fewer).value
            if value >= min(bound, self._limit):
                return ClosedBox(low, high, value, fewer)
        return ClosedBox(low, high, bound, lines)

    def _lowest(self, offsets: Offsets, lines: Sequence[Line]) -> Lowest:
        if any(line.least == math.inf for line in lines):
            return Lowest(math.inf, math.inf, math.inf)
        return lowest(self.question, offsets, [line[2:] for line in lines])

    def _offsets(self, high: Corner, least: Least) -> Offsets:
        operators = self._solver.operators(high)
        return Offsets(
            float(operators.cycles),
            float(operators.energy_fj),
            float(least.leakage),
            float(least.area.total_um2),
        )

    def _bounded(
        self,
        low: Corner,
        high: Corner,
        lines: tuple[Line, ...] = (),
        parent: Solved | None = None,
    ) -> _Bounded:
        """Searches mappings by weights until the bound is exact, or not below the limit."""
        least = self._solver.parts.least(low, high)
        offsets = self._offsets(high, least)
        solved: list[Solved] = []
        weights: _Weights | None = self._first_weights(least, parent)
        point = Lowest(0.0, 0.0, 0.0)
        while weights is not None:
            one = self._solver.solve(
                low, high, least, weights, parent, self._cutoff(offsets, weights)
            )
            parent = None
            solved.append(one)
            lines = (*(line for line in lines if line[2:4] != one.line[2:4]), one.line)
            point = self._lowest(offsets, lines)
            attained = value_at(self.question, offsets, one.cycles, one.energy_fj)
            if (
                point.value >= min(self._limit, attained * (1 - RESOLUTION))
                or len(solved) == (_MOST_LINES if low != high else _MOST_OF_ONE)
                or not one.is_whole
            ):
                break
            weights = self._next_weights(point, solved)
        return _Bounded(least, point, _nearest(lines, point), tuple(solved))

    def _first_weights(self, least: Least, parent: Solved | None) -> _Weights:
        if self.question.objective is MachineObjective.ENERGY:
            return float(least.leakage), 1.0
        return (1.0, 0.0) if parent is None else parent.line[2:4]

    def _cutoff(self, offsets: Offsets, weights: _Weights) -> float:
        """What the weighted sum reaches only in boxes that are to be closed."""
        question, limit = self.question, self._limit
        if question.most_fj_per_cycle < math.inf:
            return math.inf
        beside = 0.0 if question.platform.vector_unit.overlapped else offsets.cycles
        match question.objective:
            case MachineObjective.ENERGY if weights[1] == 1.0:
                return limit - offsets.energy_fj - weights[0] * beside
            case MachineObjective.LATENCY if weights == (1.0, 0.0):
                return limit - beside
            case MachineObjective.THROUGHPUT_PER_AREA if weights == (1.0, 0.0):
                return limit / offsets.area_um2 - beside
        return math.inf

    def _next_weights(self, point: Lowest, solved: Sequence[Solved]) -> _Weights | None:
        """The direction in which the bound may rise: where the schedules beside its point tie.

        None if the bound cannot rise.
        """
        near = 1 + 1e-11
        before = [one for one in solved if one.cycles <= point.cycles * near]
        left = max(before, key=lambda one: (one.cycles, -one.energy_fj), default=None)
        if (
            left is not None
            and left.cycles * near >= point.cycles
            and left.energy_fj <= point.energy_fj * near
        ):
            return None  # the point is this schedule
        after = [one for one in solved if one not in before]
        right = min(after, key=lambda one: (one.cycles, one.energy_fj), default=None)
        if left is None:
            weights = 1.0, 0.0
        elif right is None:
            weights = 0.0, 1.0
        elif right.energy_fj >= left.energy_fj:
            return None
        else:
            slope = (left.energy_fj - right.energy_fj) / (right.cycles - left.cycles)
            weights = slope, 1.0
        if any(weights == one.line[2:4] for one in solved):
            return None
        return weights

    def _gradient(self, bounded: _Bounded) -> tuple[float, float, float]:
        """How the value rises with cycles, with energy and with area."""
        last, area = bounded.solved[-1], float(bounded.least.area.total_um2)
        match self.question.objective:
            case MachineObjective.LATENCY:
                return 1.0, 0.0, 0.0
            case MachineObjective.ENERGY:
                return float(bounded.least.leakage), 1.0, 0.0
            case MachineObjective.EDP:
                return last.energy_fj + bounded.least.leakage * last.cycles, last.cycles, 0.0
            case MachineObjective.THROUGHPUT_PER_AREA:
                return area, 0.0, last.cycles

    def corner_of(self, machine: Mapping[str, int]) -> Corner:
        """The places of the values of a machine.

        Raises:
          ValueError: it is not in the space.
        """
        axes = self.question.platform.hardware.axes
        for name, values in axes.items():
            if machine.get(name) not in values:
                raise ValueError(f"start: {name}: {machine.get(name)} is not in the space")
        return tuple(values.index(machine[name]) for name, values in axes.items())

    def descend(self, machine: Corner) -> None:
        """Tries machines along the axes, from one on, as long as the cost falls."""
        best = self._try(machine)
        for step in _STEPS:
            improves = True
            while improves:
                improves = False
                for axis, values in enumerate(self._solver.parts.values[:-1]):
                    for change in (-step, step):
                        place = min(max(best.machine[axis] + change, 0), len(values) - 1)
                        other = self._try((*best.machine[:axis], place, *best.machine[axis + 1 :]))
                        if other.cost < best.cost:
                            best, improves = other, True

    def _try(self, machine: Corner) -> _Candidate:
        """The cost of a machine, which becomes the best if it is."""
        if machine not in self._points:
            self._points[machine] = self._point(machine)
            self.best = min(self.best, self._points[machine], key=lambda one: one.cost)
        return self._points[machine]

    def _point(self, machine: Corner) -> _Candidate:
        if self._solver.parts.tightened(machine, machine) is None:
            return _Candidate(math.inf, machine, None)
        bounded = self._bounded(machine, machine)
        return min(
            (
                _Candidate(self._cost(machine, one, bounded.least), machine, one)
                for one in bounded.solved
            ),
            key=lambda one: one.cost,
        )

    def _cost(self, machine: Corner, solved: Solved, least: Least) -> Any:
        if not solved.is_whole or solved.line.least == math.inf:
            return math.inf
        return value_of(
            self.question,
            run_of(self.question, *self._busy(machine, solved)[:2], least.leakage),
            least.area.total_um2,
        )

    def _busy(self, machine: Corner, solved: Solved) -> tuple[int, int, int]:
        """Busy cycles, switching energy and cycles of GEMMs of a schedule, in whole numbers."""
        cycles, energy = self._solver.totals(solved)
        operators = self._solver.operators(machine)
        busy = network_cycles(cycles, operators.cycles, self.question.platform.vector_unit)
        return busy, energy + operators.energy_fj, cycles

    def optimum(self, seconds: float) -> Optimum:
        """What is known now."""
        machine, totals = None, None
        if self.best.solved is not None:
            least = self._solver.parts.least(self.best.machine, self.best.machine)
            busy, switching, cycles = self._busy(self.best.machine, self.best.solved)
            run = run_of(self.question, busy, switching, least.leakage)
            assert run is not None  # noqa: S101 - its cost is finite
            totals = Totals(
                mappings=self._solver.mappings(self.best.solved),
                array_cycles=cycles,
                operator_cycles=self._solver.operators(self.best.machine).cycles,
                busy_cycles=busy,
                cycles=run.cycles,
                energy_fj=run.energy_fj,
            )
            axes = self.question.platform.hardware.axes
            machine = {
                name: values[at]
                for (name, values), at in zip(axes.items(), self.best.machine, strict=True)
            }
        left = [ClosedBox(box.low, box.high, box.bound, box.lines) for box in self._open]
        return Optimum(
            machine=machine,
            totals=totals,
            cost=self.best.cost,
            lower_bound=self.bound,
            num_hardware_points=self.question.platform.hardware.num_designs,
            log10_joint_points=log10_joint_points(self.question),
            boxes_opened=self.opened,
            boxes=(*self.closed, *left),
            seconds=seconds,
            is_finished=self.is_finished,
        )


def _nearest(lines: Sequence[Line], point: Lowest) -> tuple[Line, ...]:
    """The lines that pass a point the nearest."""

    def distance(line: Line) -> float:
        at = line.cycles_weight * point.cycles + line.energy_weight * point.energy_fj
        return at / line.least if line.least > 0 else math.inf

    return tuple(sorted(lines, key=distance)[:_KEPT_LINES])


def best_machine(
    question: Question,
    *,
    gap: float = 0.0,
    time_limit: float | None = None,
    start: Sequence[Mapping[str, int]] = (),
    on_progress: Callable[[Progress], None] | None = None,
    state: pathlib.Path | None = None,
    stop: Callable[[], bool] | None = None,
) -> Optimum:
    """The machine of the least cost, with a proof.

    Args:
      question: the workload, the space, the objective and the budgets.
      gap: the search ends when `certified_gap` is at most this.
      time_limit: in seconds; the search ends with the best so far.
      start: machines to try first, by axis.
      on_progress: called now and then.
      state: a file from which a stopped search goes on, and which is written now and then.
      stop: asked before each box; the search ends with the best so far if it is true.
    """
    begin = time.perf_counter()
    search = Search(question, gap)
    middle = tuple(len(values) // 2 for values in search._solver.parts.values[:-1])
    search.descend((*middle, len(search._solver.parts.values[-1]) - 1))
    for values in start:
        search.descend(search.corner_of(values))
    while not search.is_finished:
        if time_limit is not None and time.perf_counter() - begin >= time_limit:
            break
        if stop is not None and stop():
            break
        search.step()
        if on_progress is not None and search.opened % 64 == 0:
            on_progress(
                Progress(
                    search.bound,
                    float(search.best.cost),
                    search.opened,
                    len(search._open),
                    time.perf_counter() - begin,
                )
            )
    return search.optimum(time.perf_counter() - begin)
