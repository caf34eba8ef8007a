"""All schedules of one machine that could have a value below a bound."""

from __future__ import annotations

import bisect
import functools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from airchitect_jax._support import compiled
from airchitect_jax.verification import mappings, tilings
from airchitect_jax.verification.machines import Figures
from airchitect_jax.verification.mappings import Choices, Machine
from airchitect_jax.verification.values import Rules

_PARTS, _HALVINGS, _MOST_WEIGHTS = 4096, 64, 10
_AT_A_TIME, _MOST_SUMS = 2**20, 200_000
_ROUNDING = 1e-12  # relative, of sums in float64
_compiled = functools.partial(compiled, reads=(tilings, mappings), error_model="numpy")


def least_below(
    rules: Rules,
    figures: Figures,
    machine: Machine,
    gemms: Sequence[Choices],
    runs: Sequence[int],
    bound: float,
) -> float:
    """The value of a schedule of a machine below a bound; infinite if there is none.

    Args:
      rules: how schedules have values.
      figures: of the machine.
      machine: the machine.
      gemms: their mappings.
      runs: of each GEMM.
      bound: may be infinite: then the value of a schedule within the budgets is looked for.
    """
    counts, founds = np.array(runs, float), np.zeros((len(gemms), 8), np.int64)
    scratch = np.empty((3, 3), np.int64)
    weights: list[tuple[float, float]] = []
    leasts: list[Any] = []  # of each GEMM, by weights
    costs: list[Any] = []  # cycles and energy of each GEMM with these least sums
    points: list[tuple[float, float]] = []  # their sums: ascending cycles, falling energy

    def search(pair: tuple[float, float]) -> None:
        pairs = zip(gemms, founds, strict=True)
        leasts.append([mappings.least(machine, one, np.array(pair), True, at) for one, at in pairs])
        pairs = zip(gemms, founds, strict=True)
        costs.append([mappings.costs(machine, one, at, True, scratch) for one, at in pairs])
        weights.append(pair)
        cycles, energy = counts @ costs[-1]
        bisect.insort(points, (cycles, energy))

    for pair in ((1.0, 0.0), (0.0, 1.0)):
        search(pair)
        if math.inf in leasts[-1]:
            return math.inf  # a GEMM has no mapping
    fewest, least = counts @ leasts[0], counts @ leasts[1]
    # A schedule below the bound has less energy than that with the fewest cycles, and fewer
    # cycles than that with the least energy: otherwise this one is below it too.
    grid = np.linspace(fewest, points[-1][0], _PARTS + 1)
    most = _most_energy(rules, figures, grid, least, points[0][1], bound)
    while (found := rules.cost(figures, *np.transpose(points)).min()) >= bound:
        # In each part of the grid: the least energy by the lines, at the end of the part.
        totals = leasts @ counts
        lines = [(a, b, s) for (a, b), s in zip(weights, totals, strict=True) if b > 0]
        lower = np.max([(s - a * grid[1:]) / b for a, b, s in lines], axis=0)
        space = most[:-1] - lower * (1 - _ROUNDING)
        widest = int(np.argmax(space))
        if space[widest] < 0:
            return math.inf
        place = min(max(bisect.bisect(points, (grid[widest], math.inf)), 1), len(points) - 1)
        (x, y), (last_x, last_y) = points[place - 1], points[place]
        pair = (y - last_y, last_x - x)
        if min(pair) <= 0 or pair in weights or len(weights) == _MOST_WEIGHTS:
            break
        search(pair)
    if found < bound:
        return float(found)
    slopes, is_open = np.array(weights), space >= 0
    ends = np.stack([grid[1:], most[:-1]])[:, is_open]
    limits = np.max(slopes @ ends, axis=1) + _ROUNDING * totals
    own = np.transpose(leasts)
    fronts = [
        _front(machine, one, slopes, each + (limits - totals) / count, np.array(known))
        for one, each, count, *known in zip(gemms, own, counts, *costs, strict=True)
    ]
    sums = _sums(fronts, counts, slopes, own, limits)
    values = rules.cost(figures, *sums.T)
    return float(np.min(values[values < bound], initial=math.inf))


def _most_energy(
    rules: Rules, figures: Figures, cycles: Any, least: float, most: float, bound: float
) -> Any:
    """The energy up to which schedules with these cycles may have values below a bound.

    At most `most`; less than all where `least` is too much.
    """
    low, high = np.full_like(cycles, least), np.full_like(cycles, most)
    high[rules.cost(figures, cycles, low) >= bound] = -math.inf
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        is_below = rules.cost(figures, cycles, middle) < bound
        low, high = np.where(is_below, middle, low), np.where(is_below, high, middle)
    return high


@_compiled
def _is_dominated(front: Any, count: int, cycles: float, energy: float) -> bool:
    """Whether an entry has no more cycles and no more energy."""
    place = np.searchsorted(front[:count, 0], cycles, "right")
    return bool(place > 0 and front[place - 1, 1] <= energy)


@_compiled
def _inserted(front: Any, count: int, cycles: float, energy: float) -> int:
    """Puts an entry in place of those that it dominates; returns the number of all."""
    first = int(np.searchsorted(front[:count, 0], cycles))
    last = first
    while last < count and front[last, 1] >= energy:
        last += 1
    front[first + 1 : count - last + first + 1] = front[last:count].copy()
    front[first] = cycles, energy
    return count - (last - first) + 1


@functools.partial(_compiled, nogil=True)
def _front(machine: Machine, choices: Choices, slopes: Any, limits: Any, known: Any) -> Any:
    """The Pareto front of the mappings of a GEMM within limits.

    Args:
      machine: the machine.
      choices: the mappings.
      slopes: float64 [weights, 2], of cycles and energy.
      limits: float64 [weights], of the weighted sums.
      known: float64 [mappings, 2], cycles and energy of some mappings.

    Returns:
      float64 [front, 2]: cycles, which ascend, and energy.
    """
    front, count = np.empty((len(known) + 64, 2)), 0
    for place in range(len(known)):
        if not _is_dominated(front, count, known[place, 0], known[place, 1]):
            count = _inserted(front, count, known[place, 0], known[place, 1])
    stack, scratch = np.empty((128, 8), np.int64), np.empty((3, 3), np.int64)
    for root in mappings.roots(choices):
        stack[0], height = root, 1
        while height:
            height -= 1
            node = stack[height].copy()
            split = mappings.widest(choices, node)
            if split >= 0:
                node[5 + split] *= 2
            for _ in range(2):  # parts of the node, or the two orders of a mapping
                cycles, energy = mappings.costs(machine, choices, node, split < 0, scratch)
                is_within = not _is_dominated(front, count, cycles, energy)
                for number in range(len(limits)):
                    value = slopes[number, 0] * cycles + slopes[number, 1] * energy
                    is_within = is_within and value <= limits[number]
                if is_within and split >= 0:
                    stack[height] = node
                    height += 1
                elif is_within:
                    if count == len(front):
                        front = np.concatenate((front, front))
                    count = _inserted(front, count, cycles, energy)
                if split >= 0:
                    node[5 + split] += 1
                else:
                    mappings.swap(node)
    return front[:count]


def _sums(fronts: Sequence[Any], counts: Any, slopes: Any, leasts: Any, limits: Any) -> Any:
    """The Pareto front of the sums over all GEMMs within limits; leasts are by GEMM and weights."""
    sums, left = np.zeros((1, 2)), counts @ leasts
    for place in sorted(range(len(fronts)), key=lambda place: len(fronts[place])):
        left = left - counts[place] * leasts[place]
        added, kept = counts[place] * fronts[place], [np.empty((0, 2))]
        rows = max(_AT_A_TIME // len(added), 1)
        for first in range(0, len(sums), rows):
            some = (sums[first : first + rows, None] + added).reshape(-1, 2)
            kept.append(_pareto(some[np.all(some @ slopes.T + left <= limits, axis=1)]))
        sums = _pareto(np.concatenate(kept))
        if len(sums) > _MOST_SUMS:
            raise ValueError("a machine has too many schedules near its bound to be checked")
    return sums


def _pareto(sums: Any) -> Any:
    """The sums that no other one dominates, by cycles."""
    sums = sums[np.lexsort(sums.T[::-1])]
    before = np.minimum.accumulate(np.concatenate(([math.inf], sums[:, 1])))[:-1]
    return sums[sums[:, 1] < before]
