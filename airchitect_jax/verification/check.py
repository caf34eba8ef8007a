"""The checks of a certificate, by equations and bounds that share nothing with the search."""

from __future__ import annotations

import dataclasses
import itertools
import math
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from airchitect_jax.verification import mappings, tilings
from airchitect_jax.verification.certificate import Certificate, Line
from airchitect_jax.verification.cover import uncovered
from airchitect_jax.verification.incumbent import cost_of
from airchitect_jax.verification.machines import Box

TOLERANCE = 1e-9  # of numbers that were computed in float64, relative
_MOST_ELEMENTS = 2.0**53


@dataclasses.dataclass(frozen=True, kw_only=True)
class Verified:
    """What a certificate proves.

    Attributes:
      cost: of the incumbent; infinite without one.
      lower_bound: no machine costs less, within `TOLERANCE`.
      num_boxes, num_lines: that were checked.
      seconds: that it took.
    """

    cost: float
    lower_bound: float
    num_boxes: int
    num_lines: int
    seconds: float

    @property
    def claim(self) -> str:
        """In words."""
        if self.cost == self.lower_bound == math.inf:
            return "no machine of the space is within the budgets"
        bound = f"no machine of the space costs less than {self.lower_bound:.12g}"
        if self.cost == math.inf:
            return f"{bound}; no machine within the budgets is named"
        gap = self.cost / self.lower_bound - 1 if self.lower_bound else math.inf
        return f"{bound}; the machine named costs {self.cost:.12g}, at most {gap:.3g} above the best"


def verify(
    certificate: Certificate, on_progress: Callable[[int, int], None] | None = None
) -> Verified:
    """Checks all claims of a certificate.

    Args:
      certificate: what is claimed.
      on_progress: called with the number of lines done, and that of all.

    Raises:
      ValueError: a claim does not hold; one line says which.
    """
    start = time.perf_counter()
    given = certificate
    for m, n, k in given.dims:
        if m * n * k >= _MOST_ELEMENTS:
            raise ValueError(f"gemms: {m} x {n} x {k} is too large to be checked")
    cost = cost_of(given)
    _check_cover(given)
    _check_bounds(given)
    lines = sorted(range(len(given.lines)), key=lambda number: _array_of(given.lines[number]))
    done = 0
    for _, group in itertools.groupby(lines, key=lambda number: _array_of(given.lines[number])):
        numbers = list(group)
        checker = _Lines(given, given.lines[numbers[0]].box)
        for number in numbers:
            checker.check(number, given.lines[number])
            done += 1
            if on_progress is not None:
                on_progress(done, len(lines))
    if given.lower_bound > cost:
        raise ValueError(f"lower_bound: {given.lower_bound} is above the cost of {cost}")
    gap = cost / given.lower_bound - 1 if 0 < given.lower_bound < math.inf else math.inf
    if not (given.gap == gap or abs(given.gap - gap) <= TOLERANCE * (1 + gap)):
        raise ValueError(f"gap: {given.gap} is not allowed; expected {gap}")
    return Verified(
        cost=cost,
        lower_bound=given.lower_bound,
        num_boxes=len(given.boxes),
        num_lines=len(given.lines),
        seconds=time.perf_counter() - start,
    )


def _check_cover(given: Certificate) -> None:
    axes = given.space.axes
    lows, highs = (np.array([box[end] for box in given.boxes]) for end in range(2))
    sizes = [len(values) for values in axes.values()]
    point = uncovered(sizes, *(x.reshape(-1, len(sizes)) for x in (lows, highs)))
    if point is not None:
        pairs = zip(axes.items(), point, strict=True)
        machine = ", ".join(f"{name} = {values[at]}" for (name, values), at in pairs)
        raise ValueError(f"boxes: no box holds the machine {machine}")


def _check_bounds(given: Certificate) -> None:
    """Each bound follows from the lines of the box, and is not below the lower bound."""
    for number, (box, bound, used) in enumerate(
        zip(given.boxes, given.bounds, given.used, strict=True)
    ):
        if bound < given.lower_bound * (1 - TOLERANCE):
            raise ValueError(
                f"boxes: box {number}: its bound {bound} is below the lower bound"
                f" {given.lower_bound}"
            )
        lines = [given.lines[line] for line in used]
        for line, place in zip(lines, used, strict=True):
            if not _is_inside(box, line.box):
                raise ValueError(f"boxes: box {number}: is not inside the box of line {place}")
        least = given.rules.least(
            given.space.figures(box),
            [(line.cycles_weight, line.energy_weight, line.least) for line in lines],
        )
        if least < bound * (1 - TOLERANCE):
            raise ValueError(
                f"boxes: box {number}: its bound {bound} does not follow from its lines;"
                f" expected at most {least}"
            )


def _is_inside(inner: Box, outer: Box) -> bool:
    return all(
        low <= first and last <= high
        for low, first, last, high in zip(outer[0], *inner, outer[1], strict=True)
    )


def _array_of(line: Line) -> tuple[Any, ...]:
    """What the tilings depend on, and then what makes lines similar."""
    low, high = line.box
    return low[:3], high[:3]


class _Lines:
    """Checks lines of boxes with the same arrays."""

    def __init__(self, given: Certificate, box: Box) -> None:
        self._given = given
        space = given.space
        rows, cols = space.at(box, "rows"), space.at(box, "cols")
        self._is_exact = rows[0] == rows[1] and cols[0] == cols[1]
        most = space.at(box, "num_cores")[1]
        self._partitions = np.array(
            [
                (m, n, k)
                for m in range(1, most + 1)
                for n in range(1, most // m + 1)
                for k in range(1, most // (m * n) + 1)
            ]
        )
        self._flows = np.array([mappings.DATAFLOWS.index(x) for x in space.platform["dataflows"]])
        self._trees: dict[int, list[Any]] = {}
        for dim in {dim for dims in given.dims for dim in dims}:
            self._trees[dim] = [
                tilings.tree(dim, cores, (rows[0], cols[0]), (rows[1], cols[1]))
                for cores in range(1, most + 1)
            ]
        self._forests = [self._forest(dims) for dims in given.dims]
        self._found = np.zeros((len(given.dims), 8), np.int64)

    def _forest(self, dims: tuple[int, int, int]) -> tuple[Any, Any]:
        """The trees of a GEMM in one array, and their numbers of leaves."""
        trees = [self._trees[dim] for dim in dims]
        longest = max(len(tree) for each in trees for tree in each)
        leaves = np.zeros((3, len(trees[0]) + 1), np.int64)
        forest = np.full((*leaves.shape, longest, tilings.COLUMNS), np.inf)
        for loop, cores in np.ndindex(3, len(trees[0])):
            tree = trees[loop][cores]
            forest[loop, cores + 1, : len(tree)] = tree
            leaves[loop, cores + 1] = len(tree) // 2
        return forest, leaves

    def check(self, number: int, line: Line) -> None:
        """Raises if a schedule could be below the line."""
        machine = self._given.space.machine(line.box)
        weights = np.array([line.cycles_weight, line.energy_weight])
        sums = []
        for place, (dims, runs) in enumerate(zip(self._given.dims, self._given.runs, strict=True)):
            value = mappings.least(
                machine,
                np.array(dims),
                weights,
                self._flows,
                self._partitions,
                *self._forests[place],
                self._is_exact,
                self._found[place],
            )
            sums.append(value * runs)
        least = math.fsum(sums)
        if least < line.least * (1 - TOLERANCE):
            raise ValueError(
                f"lines: line {number}: some schedule could have {least}; expected at least"
                f" {line.least}"
            )
