"""The bound of a box: searches of mappings by weights, and the least value above their lines."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from airchitect_jax.oracle.machines.answer import ClosedBox, Corner, Line
from airchitect_jax.oracle.machines.parts import Least
from airchitect_jax.oracle.machines.polygon import Lowest, Offsets, lowest, value_at
from airchitect_jax.oracle.machines.question import MachineObjective
from airchitect_jax.oracle.machines.solver import Operators, Solved, Solver

# Values are sums in float64: what differs by less is equal.
RESOLUTION = 1e-11
_FEW_LINES, _MOST_LINES = 3, 8  # searches of mappings per box of several machines
_WORTHWHILE = 0.1  # of what is missing to close a box, by another search
_KEPT_LINES, _KEPT_SEARCHES = 4, 2  # that the halves of a box take over
_Weights = tuple[float, float]


class Bounded(NamedTuple):
    """A box with its bound.

    Attributes:
      least: its figures.
      offsets: what all its schedules have on top.
      lowest: the bound, and where it is.
      lines: from which it follows.
      solved: the searches of mappings in the box, the last the closest to the bound.
    """

    least: Least
    offsets: Offsets
    lowest: Lowest
    lines: tuple[Line, ...]
    solved: tuple[Solved, ...]


def bounded(
    solver: Solver,
    low: Corner,
    high: Corner,
    limit: float = math.inf,
    lines: tuple[Line, ...] = (),
    parents: tuple[Solved, ...] = (),
    first: Solved | None = None,
) -> Bounded:
    """Searches mappings by weights until the bound is exact, or not below the limit.

    Args:
      solver: of the question.
      low: the low corner of the box.
      high: its high corner.
      limit: a higher bound is not needed.
      lines: of boxes around this one.
      parents: searches of the box that was split into this one and another.
      first: the search by `first_weights`, if it was made.
    """
    least, question = solver.parts.least(low, high), solver.question
    offsets = _offsets(solver.operators(high), least)
    # The directions of the parents first: their mappings may serve again.
    if question.objective is MachineObjective.ENERGY:
        alike = (one for one in parents if one.line.energy_weight == 1.0)
        nearest_parent = min(alike, key=lambda one: one.line.cycles_weight, default=None)
        asked = [(first_weights(solver, least, parents), nearest_parent)]
    else:
        asked = [(first_weights(solver, least, parents), parents[0] if parents else None)]
        asked += [(parent.line[2:4], parent) for parent in parents[1:]]
    solved: list[Solved] = []
    point = Lowest(0.0, 0.0, 0.0)
    while asked:
        weights, parent = asked.pop(0)
        cutoff = _cutoff(solver, offsets, weights, limit)
        one, first = first or solver.solve(low, high, least, weights, parent, cutoff), None
        solved.append(one)
        lines = (*(line for line in lines if line[2:4] != one.line[2:4]), one.line)
        before, point = point.value, _lowest(solver, offsets, lines)
        attained = value_at(question, offsets, one.cycles, one.energy_fj)
        if point.value >= min(limit, attained * (1 - RESOLUTION)) or not one.is_whole:
            break
        # Splitting a box raises its bound as well.
        rose = point.value - before >= _WORTHWHILE * (limit - before) or limit == math.inf
        is_worthwhile = len(solved) < _FEW_LINES or (rose and len(solved) < _MOST_LINES)
        if not asked and (is_worthwhile or low == high):
            direction = _next_weights(point, solved)
            asked = [] if direction is None else [(direction, None)]
    return Bounded(least, offsets, point, lines, tuple(solved))


def first_weights(solver: Solver, least: Least, parents: tuple[Solved, ...]) -> _Weights:
    """The direction of the first search of mappings in a box."""
    if solver.question.objective is MachineObjective.ENERGY:
        return float(least.leakage), 1.0
    return parents[0].line[2:4] if parents else (1.0, 0.0)


def closed(solver: Solver, low: Corner, high: Corner, box: Bounded, limit: float) -> ClosedBox:
    """A box with as few lines as its bound, or the limit, needs."""
    own = tuple(one.line for one in box.solved)
    for lines in (own[-1:], nearest(solver, box), own):
        value = _lowest(solver, box.offsets, lines).value
        if value >= min(box.lowest.value, limit):
            return ClosedBox(low, high, value, lines)
    return ClosedBox(low, high, box.lowest.value, box.lines)


def gradient(solver: Solver, box: Bounded) -> tuple[float, float, float]:
    """How the value of a box rises with cycles, with energy and with area."""
    last, offsets = box.solved[-1], box.offsets
    match solver.question.objective:
        case MachineObjective.LATENCY:
            return 1.0, 0.0, 0.0
        case MachineObjective.ENERGY:
            return offsets.leakage, 1.0, 0.0
        case MachineObjective.EDP:
            return last.energy_fj + offsets.leakage * last.cycles, last.cycles, 0.0
        case MachineObjective.THROUGHPUT_PER_AREA:
            return offsets.area_um2, 0.0, last.cycles


def _is_linear(solver: Solver) -> bool:
    """Whether the value is a sum of cycles and energy, so that one line can give a bound."""
    question = solver.question
    return (
        question.objective is not MachineObjective.EDP
        and question.most_cycles == question.most_fj_per_cycle == math.inf
    )


def _offsets(operators: Operators, least: Least) -> Offsets:
    return Offsets(
        float(operators.cycles),
        float(operators.energy_fj),
        float(least.leakage),
        float(least.area.total_um2),
    )


def _lowest(solver: Solver, offsets: Offsets, lines: Sequence[Line]) -> Lowest:
    if any(line.least == math.inf for line in lines):
        return Lowest(math.inf, math.inf, math.inf)
    return lowest(solver.question, offsets, [line[2:] for line in lines])


def _cutoff(solver: Solver, offsets: Offsets, weights: _Weights, limit: float) -> float:
    """What the weighted sum reaches only in boxes whose bound is not below the limit."""
    question = solver.question
    if question.most_fj_per_cycle < math.inf:
        return math.inf
    beside = 0.0 if question.platform.vector_unit.overlapped else offsets.cycles
    above = limit * (1 + RESOLUTION)
    match question.objective:
        case MachineObjective.ENERGY:
            return above - offsets.energy_fj - weights[0] * beside
        case MachineObjective.LATENCY if weights == (1.0, 0.0):
            return above - beside
        case MachineObjective.THROUGHPUT_PER_AREA if weights == (1.0, 0.0):
            return above / offsets.area_um2 - beside
    return math.inf


def _next_weights(point: Lowest, solved: Sequence[Solved]) -> _Weights | None:
    """The direction in which the bound may rise: where the schedules beside its point tie.

    None if the bound cannot rise.
    """
    near = 1 + RESOLUTION
    before = [one for one in solved if one.cycles <= point.cycles * near]
    after = [one for one in solved if one.cycles > point.cycles * near]
    left = max(before, key=lambda one: (one.cycles, -one.energy_fj), default=None)
    right = min(after, key=lambda one: (one.cycles, one.energy_fj), default=None)
    if left is None:
        weights = 1.0, 0.0
    elif left.cycles * near >= point.cycles and left.energy_fj <= point.energy_fj * near:
        return None  # the point is this schedule
    elif right is None:
        weights = 0.0, 1.0
    elif right.energy_fj >= left.energy_fj:
        return None
    else:
        slope = (left.energy_fj - right.energy_fj) / (right.cycles - left.cycles)
        weights = slope, 1.0
    return None if any(weights == one.line[2:4] for one in solved) else weights


def heirs(box: Bounded, lines: tuple[Line, ...]) -> tuple[Solved, ...]:
    """The searches of a box that have given some lines, the last ones first."""
    return tuple(one for one in reversed(box.solved) if one.line in lines)[:_KEPT_SEARCHES]


def value_above(solver: Solver, low: Corner, high: Corner, lines: Sequence[Line]) -> float:
    """The least value of a box above lines."""
    least, operators = solver.parts.least(low, high), solver.operators(high)
    return _lowest(solver, _offsets(operators, least), lines).value


def nearest(solver: Solver, box: Bounded) -> tuple[Line, ...]:
    """The lines that pass the lowest point of a box the nearest: its halves take them over.

    As many as its bound needs, since the halves have it as well.
    """
    point = box.lowest

    def distance(line: Line) -> float:
        at = line.cycles_weight * point.cycles + line.energy_weight * point.energy_fj
        return at / line.least if line.least > 0 else math.inf

    lines = sorted(box.lines, key=distance)
    for count in range(1 if _is_linear(solver) else _KEPT_LINES, len(lines)):
        if _lowest(solver, box.offsets, lines[:count]).value >= box.lowest.value:
            return tuple(lines[:count])
    return tuple(lines)
