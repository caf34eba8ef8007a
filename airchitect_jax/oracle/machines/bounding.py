"""The bound of a box: searches of mappings by weights, and the least value above their lines."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from airchitect_jax.oracle.machines.answer import ClosedBox, Corner, Line
from airchitect_jax.oracle.machines.parts import Least
from airchitect_jax.oracle.machines.polygon import Lowest, Offsets, lowest, value_at
from airchitect_jax.oracle.machines.question import MachineObjective
from airchitect_jax.oracle.machines.solver import Solved, Solver

# Values are sums in float64: what differs by less is equal.
RESOLUTION = 1e-11
_MOST_LINES, _MOST_OF_ONE = 8, 64  # searches of mappings per box, and per machine
_KEPT_LINES = 4  # that the halves of a box take over
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
    parent: Solved | None = None,
) -> Bounded:
    """Searches mappings by weights until the bound is exact, or not below the limit.

    Args:
      solver: of the question.
      low: the low corner of the box.
      high: its high corner.
      limit: a higher bound is not needed.
      lines: of boxes around this one.
      parent: a search of the box that was split into this one and another.
    """
    least, question = solver.parts.least(low, high), solver.question
    operators = solver.operators(high)
    offsets = Offsets(
        float(operators.cycles),
        float(operators.energy_fj),
        float(least.leakage),
        float(least.area.total_um2),
    )
    if question.objective is MachineObjective.ENERGY:
        weights: _Weights | None = (float(least.leakage), 1.0)
    else:  # the mappings of the parent may serve again
        weights = (1.0, 0.0) if parent is None else parent.line[2:4]
    solved: list[Solved] = []
    point = Lowest(0.0, 0.0, 0.0)
    most = _MOST_LINES if low != high else _MOST_OF_ONE
    while weights is not None:
        cutoff = _cutoff(solver, offsets, weights, limit)
        one = solver.solve(low, high, least, weights, parent, cutoff)
        parent = None
        solved.append(one)
        lines = (*(line for line in lines if line[2:4] != one.line[2:4]), one.line)
        point = _lowest(solver, offsets, lines)
        attained = value_at(question, offsets, one.cycles, one.energy_fj)
        if point.value >= min(limit, attained * (1 - RESOLUTION)) or not one.is_whole:
            break
        weights = _next_weights(point, solved) if len(solved) < most else None
    return Bounded(least, offsets, point, lines, tuple(solved))


def closed(solver: Solver, low: Corner, high: Corner, box: Bounded, limit: float) -> ClosedBox:
    """A box with as few lines as its bound, or the limit, needs."""
    own = tuple(one.line for one in box.solved)
    for lines in (own[-1:], nearest(box), own):
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
    near = 1 + 1e-11
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


def nearest(box: Bounded) -> tuple[Line, ...]:
    """The lines that pass the lowest point of a box the nearest: its halves take them over."""
    point = box.lowest

    def distance(line: Line) -> float:
        at = line.cycles_weight * point.cycles + line.energy_weight * point.energy_fj
        return at / line.least if line.least > 0 else math.inf

    return tuple(sorted(box.lines, key=distance)[:_KEPT_LINES])
