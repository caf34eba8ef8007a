"""The least value above some lines in the plane of cycles and energy.

All schedules of a box are above its lines. The value rises with both coordinates, and between its
kinks it is linear or a product of two linear functions, so along an edge it has no minimum between
kinks. Thus the least value is at a corner of the polygon or where an edge meets a kink.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import NamedTuple

from airchitect_jax.cost import network_cycles
from airchitect_jax.oracle.machines.question import Question
from airchitect_jax.oracle.machines.values import run_of, value_of

_Line = tuple[float, float, float]  # weights of cycles and energy, and what their sum has at least
_ABOVE = 1 - 1e-12  # corners are computed in float64


class Offsets(NamedTuple):
    """What is the same for all schedules of a box.

    Attributes:
      cycles, energy_fj: of operators.
      leakage: femtojoules per cycle.
      area_um2: of the machine.
    """

    cycles: float
    energy_fj: float
    leakage: float
    area_um2: float


class Lowest(NamedTuple):
    """The least value, rounded down, and where it is."""

    value: float
    cycles: float
    energy_fj: float


def value_at(question: Question, offsets: Offsets, cycles: float, energy_fj: float) -> float:
    """The value of a schedule with these totals over GEMMs; cycles of waiting are not rounded."""
    unit = question.platform.vector_unit
    busy = network_cycles(cycles, offsets.cycles, unit)
    run = run_of(question, busy, energy_fj + offsets.energy_fj, offsets.leakage, float)
    return float(value_of(question, run, offsets.area_um2))


def lowest(question: Question, offsets: Offsets, lines: Sequence[_Line]) -> Lowest:
    """The least value above the lines; infinite if nothing above them is within the budgets."""
    edges = [*lines, (1.0, 0.0, 0.0), (0.0, 1.0, 0.0)]
    best = Lowest(math.inf, math.inf, math.inf)
    for one, other in itertools.combinations([*edges, *_kinks(question, offsets)], 2):
        turn = one[0] * other[1] - one[1] * other[0]
        if abs(turn) <= 1e-14 * (abs(one[0] * other[1]) + abs(one[1] * other[0])):
            continue
        cycles = (one[2] * other[1] - other[2] * one[1]) / turn
        energy = (one[0] * other[2] - other[0] * one[2]) / turn
        if cycles >= best.cycles and energy >= best.energy_fj:
            continue
        if all(a * cycles + b * energy >= _ABOVE * least for a, b, least in edges):
            cycles, energy = max(cycles, 0.0), max(energy, 0.0)
            value = value_at(question, offsets, cycles * _ABOVE, energy * _ABOVE)
            if value < best.value:
                best = Lowest(value, cycles, energy)
    return best


def _kinks(question: Question, offsets: Offsets) -> list[_Line]:
    """Lines on which the value has a kink or ends."""
    kinks = []
    overlapped = question.platform.vector_unit.overlapped
    beside = 0.0 if overlapped else offsets.cycles  # on top of the cycles of arrays
    if overlapped and offsets.cycles:
        kinks.append((1.0, 0.0, float(offsets.cycles)))
    power, most = question.most_fj_per_cycle - offsets.leakage, question.most_cycles
    if 0 < power < math.inf:
        # Where the machine begins to wait.
        kinks.append((-power, 1.0, power * beside - offsets.energy_fj))
        if overlapped:
            kinks.append((0.0, 1.0, power * offsets.cycles - offsets.energy_fj))
        if most < math.inf:
            kinks.append((0.0, 1.0, power * most - offsets.energy_fj))
    if most < math.inf:
        kinks.append((1.0, 0.0, most - beside))
    return kinks
