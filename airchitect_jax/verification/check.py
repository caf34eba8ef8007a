"""The checks of a certificate, by equations and bounds that share nothing with the search."""

from __future__ import annotations

import concurrent.futures
import dataclasses
import itertools
import math
import os
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from airchitect_jax.verification import mappings, schedules, tilings
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
      lower_bound: no machine costs less, but for rounding (docs/certificates.md).
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
        return (
            f"{bound}; the machine named costs {self.cost:.12g}, at most {gap:.3g} above the best"
        )


def verify(
    certificate: Certificate,
    on_progress: Callable[[int, int], None] | None = None,
    jobs: int | None = None,
) -> Verified:
    """Checks all claims of a certificate.

    Args:
      certificate: what is claimed.
      on_progress: called with the number of lines and boxes done, and that of all.
      jobs: threads; by default as many as cores.

    Raises:
      ValueError: a claim does not hold; one line says which.
    """
    start, given = time.perf_counter(), certificate
    jobs = jobs or os.cpu_count()
    for m, n, k in given.dims:
        if m * n * k >= _MOST_ELEMENTS:
            raise ValueError(f"gemms: {m} x {n} x {k} is too large to be checked")
    cost = cost_of(given)
    _check_cover(given)
    # Lines, and boxes of one machine that have none.
    claims = [
        *((line.box, False, number) for number, line in enumerate(given.lines)),
        *((given.boxes[number], True, number) for number in _check_bounds(given)),
    ]
    claims.sort(key=lambda claim: (_array_of(claim[0]), claim[1:]))
    groups = itertools.groupby(claims, key=lambda claim: _array_of(claim[0]))

    def check(group: list[tuple[Box, bool, int]]) -> int:
        checker = _Mappings(given, group[0][0])
        for _, is_alone, number in group:
            if is_alone:
                checker.check_alone(number)
            else:
                checker.check(number, given.lines[number])
        return len(group)

    done = 0
    with concurrent.futures.ThreadPoolExecutor(jobs) as threads:
        try:
            for count in threads.map(check, [list(group) for _, group in groups]):
                done += count
                if on_progress is not None:
                    on_progress(done, len(claims))
        finally:
            threads.shutdown(cancel_futures=True)
    if given.lower_bound > float(cost):
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


def _check_bounds(given: Certificate) -> list[int]:
    """Each bound follows from the lines of the box, and is not below the lower bound.

    Returns:
      The boxes of one machine without lines whose bounds can only follow from their schedules.
    """
    alone = []
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
        if least >= bound * (1 - TOLERANCE):
            continue
        if box[0] == box[1] and not used:
            alone.append(number)
        else:
            raise ValueError(
                f"boxes: box {number}: its bound {bound} does not follow from its lines;"
                f" expected at most {least}"
            )
    return alone


def _is_inside(inner: Box, outer: Box) -> bool:
    return all(
        low <= first and last <= high
        for low, first, last, high in zip(outer[0], *inner, outer[1], strict=True)
    )


def _array_of(box: Box) -> tuple[Any, ...]:
    """What the tilings depend on."""
    low, high = box
    return low[:3], high[:3]


class _Mappings:
    """Checks claims on the mappings of boxes with the same arrays."""

    def __init__(self, given: Certificate, box: Box) -> None:
        self._given = given
        space = given.space
        rows, cols = space.at(box, "rows"), space.at(box, "cols")
        self._is_exact = rows[0] == rows[1] and cols[0] == cols[1]
        most = space.at(box, "num_cores")[1]
        partitions = np.array(
            [
                (m, n, k)
                for m in range(1, most + 1)
                for n in range(1, most // m + 1)
                for k in range(1, most // (m * n) + 1)
            ]
        )
        flows = np.array([mappings.DATAFLOWS.index(x) for x in space.platform["dataflows"]])
        self._trees: dict[int, list[Any]] = {}
        for dim in {dim for dims in given.dims for dim in dims}:
            self._trees[dim] = [
                tilings.tree(dim, cores, (rows[0], cols[0]), (rows[1], cols[1]))
                for cores in range(1, most + 1)
            ]
        self.choices = [
            mappings.Choices(np.array(dims), flows, partitions, *self._forest(dims))
            for dims in given.dims
        ]
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
        weights = np.array([line.cycles_weight, line.energy_weight])
        least = self.least(self._given.space.machine(line.box), weights)
        if least < line.least * (1 - TOLERANCE):
            raise ValueError(
                f"lines: line {number}: some schedule could have {least}; expected at least"
                f" {line.least}"
            )

    def least(self, machine: mappings.Machine, weights: Any) -> float:
        """The least of the weighted sum of all schedules."""
        values = [
            runs * mappings.least(machine, choices, weights, self._is_exact, found)
            for choices, runs, found in zip(
                self.choices, self._given.runs, self._found, strict=True
            )
        ]
        return math.fsum(values)

    def check_alone(self, number: int) -> None:
        """Raises if a schedule of the one machine of a box could be below its bound."""
        given, box, bound = self._given, self._given.boxes[number], self._given.bounds[number]
        machine, figures = given.space.machine(box), given.space.figures(box)
        least = schedules.least_below(
            given.rules, figures, machine, self.choices, given.runs, bound * (1 - TOLERANCE)
        )
        if least < math.inf:
            raise ValueError(
                f"boxes: box {number}: its bound {bound} does not hold; some schedule has {least}"
            )
