"""Branch and bound over boxes of machines.

The box with the least bound is opened first: its bound is computed, and it is closed if that is not
below the cost of the best machine so far, or split. A schedule that has the least of a box runs on
some machine; its cost may be the best so far.
"""

from __future__ import annotations

import heapq
import math
from typing import NamedTuple

from airchitect_jax.oracle.machines.answer import ClosedBox, Corner, Line
from airchitect_jax.oracle.machines.bounding import (
    RESOLUTION,
    bounded,
    closed,
    gradient,
    nearest,
)
from airchitect_jax.oracle.machines.branching import Brancher
from airchitect_jax.oracle.machines.candidates import Candidates
from airchitect_jax.oracle.machines.parts import COLS, CORES, MEMORIES, ROWS
from airchitect_jax.oracle.machines.question import Question
from airchitect_jax.oracle.machines.solver import Solved, Solver


class OpenBox(NamedTuple):
    """A box that may hold a better machine.

    Attributes:
      bound: from the box that was split.
      number: boxes of equal bound are opened in this order.
      low, high: its corners; both included.
      lines: of boxes around it.
      parent: a search of the box that was split.
    """

    bound: float
    number: int
    low: Corner
    high: Corner
    lines: tuple[Line, ...]
    parent: Solved | None


class Frontier(NamedTuple):
    """Where a search stands: replaced as a whole, so that it can be stopped at any moment.

    Attributes:
      boxes: the open ones, a heap.
      num_closed: of the closed ones.
      opened: boxes that were opened.
      numbered: boxes that have a number.
    """

    boxes: list[OpenBox]
    num_closed: int
    opened: int
    numbered: int


class Search:
    """A search for the best machine."""

    def __init__(self, question: Question, gap: float) -> None:
        self._gap = gap
        self.solver = Solver(question)
        self.candidates = Candidates(self.solver)
        self._brancher = Brancher(self.solver)
        self._closed: list[ClosedBox] = []
        self.root = self._root()
        self.frontier = Frontier([OpenBox(0.0, 0, *self.root, (), None)], 0, 0, 1)

    def _root(self) -> tuple[Corner, Corner]:
        values = self.solver.parts.values
        return (0,) * len(values), tuple(len(one) - 1 for one in values)

    @property
    def limit(self) -> float:
        """Boxes with bounds from here on are closed."""
        return float(self.candidates.best.cost) / (1 + self._gap) * (1 - RESOLUTION)

    @property
    def is_finished(self) -> bool:
        """Whether no open box can hold a better machine."""
        boxes = self.frontier.boxes
        return not boxes or boxes[0].bound >= self.limit

    @property
    def closed(self) -> list[ClosedBox]:
        """The closed boxes."""
        return self._closed[: self.frontier.num_closed]

    @property
    def boxes(self) -> tuple[ClosedBox, ...]:
        """Boxes that cover the space, with their bounds so far."""
        left = [ClosedBox(box.low, box.high, box.bound, box.lines) for box in self.frontier.boxes]
        return (*self.closed, *left)

    @property
    def bound(self) -> float:
        """No machine costs less; the cost of the best if the rest is rounding."""
        best = self.candidates.best.cost
        least = min((box.bound for box in self.boxes), default=math.inf)
        return float(best) if least >= float(best) * (1 - RESOLUTION) else least

    def restore(self, frontier: Frontier, closed: list[ClosedBox]) -> None:
        """Goes on from where another search stood."""
        self._closed, self.frontier = closed, frontier

    def step(self) -> None:
        """Opens the box of the least bound."""
        frontier = self.frontier
        boxes = frontier.boxes.copy()
        box = heapq.heappop(boxes)
        halves, done = self._opened(box)
        numbered = frontier.numbered
        for bound, low, high, lines, solved in halves:
            heapq.heappush(boxes, OpenBox(bound, numbered, low, high, lines, solved))
            numbered += 1
        self._closed[frontier.num_closed :] = done
        self.frontier = Frontier(
            boxes, frontier.num_closed + len(done), frontier.opened + 1, numbered
        )

    def _opened(
        self, box: OpenBox
    ) -> tuple[list[tuple[float, Corner, Corner, tuple[Line, ...], Solved]], list[ClosedBox]]:
        """The halves of a box, and what is closed."""
        solver, low = self.solver, box.low
        high = solver.parts.tightened(low, box.high)
        if high is None:
            return [], [ClosedBox(low, box.high, math.inf, ())]
        excluded = _excluded(low, high, box.high)
        bound = bounded(solver, low, high, self.limit, box.lines, box.parent)
        if bound.lowest.value < self.limit:
            self.candidates.attempt(self._brancher.needed(low, high, bound.solved[-1]))
        if bound.lowest.value >= self.limit or low == high:
            return [], [*excluded, closed(solver, low, high, bound, self.limit)]
        last = bound.solved[-1]
        halves = self._brancher.split(low, high, bound.least, last, gradient(solver, bound))
        kept = nearest(bound)
        return [(bound.lowest.value, *half, kept, last) for half in halves], excluded

    def prefer_small(self, most_boxes: int) -> None:
        """Looks for a machine of the same cost with fewer MAC units, then with less memory.

        Args:
          most_boxes: it ends after so many, with the best so far.
        """
        best = self.candidates.best
        if best.solved is None:
            return
        limit = float(best.cost) * (1 + RESOLUTION)
        size = self._size(best.machine)
        heap = [
            (self._size(box.low), number, box.low, box.high)
            for number, box in enumerate(self.boxes)
            if box.bound <= limit
        ]
        heapq.heapify(heap)
        number = first_number = len(self.boxes)
        while heap and number < first_number + most_boxes:
            least, _, low, given = heapq.heappop(heap)
            if least >= size:
                break
            high = self.solver.parts.tightened(low, given)
            if high is None:
                continue
            found = self.candidates.attempt(low)
            if found.cost <= best.cost:
                best, size = found, least
                continue
            bound = bounded(self.solver, low, high, limit)
            if low == high or bound.lowest.value > limit:
                continue
            for first, last in self._halves(low, high):
                heapq.heappush(heap, (self._size(first), number, first, last))
                number += 1
        self.candidates.best = best

    def _size(self, machine: Corner) -> tuple[int, int, int]:
        """MAC units, bytes of memory and bandwidth of a machine."""
        values = [int(one[at]) for one, at in zip(self.solver.parts.values, machine, strict=True)]
        cores = values[CORES]
        return values[ROWS] * values[COLS] * cores, cores * sum(values[MEMORIES:-1]), values[-1]

    def _halves(self, low: Corner, high: Corner) -> list[tuple[Corner, Corner]]:
        """A box split along its first wide axis: first arrays, then memories, then bandwidth."""
        values = self.solver.parts.values
        groups = ((ROWS, COLS, CORES), range(MEMORIES, len(values) - 1), (len(values) - 1,))
        for group in groups:
            axis = max(group, key=lambda one: high[one] - low[one])
            if high[axis] > low[axis]:
                break
        place = (low[axis] + high[axis] + 1) // 2
        left, right = list(high), list(low)
        left[axis], right[axis] = place - 1, place
        return [(low, tuple(left)), (tuple(right), high)]


def _excluded(low: Corner, high: Corner, given: Corner) -> list[ClosedBox]:
    """What the budgets of parts exclude of a box, which now ends at `high`."""
    boxes, ends = [], list(given)
    for axis, (last, end) in enumerate(zip(high, given, strict=True)):
        if last < end:
            start = list(low)
            start[axis] = last + 1
            boxes.append(ClosedBox(tuple(start), tuple(ends), math.inf, ()))
            ends[axis] = last
    return boxes
