"""Branch and bound over boxes of machines.

The box with the least bound is opened first: its bound is computed, and it is closed if that is not
below the cost of the best machine so far, or split. A schedule that has the least of a box runs on
some machine; its cost may be the best so far.
"""

from __future__ import annotations

import functools
import heapq
import math
from collections.abc import Sequence
from typing import NamedTuple

from airchitect_jax.oracle.machines.answer import ClosedBox, Corner, Line
from airchitect_jax.oracle.machines.batches import Batches, are_fast
from airchitect_jax.oracle.machines.bounding import (
    RESOLUTION,
    bounded,
    closed,
    first_weights,
    gradient,
    heirs,
    nearest,
    value_above,
)
from airchitect_jax.oracle.machines.branching import Brancher, Halves, halves
from airchitect_jax.oracle.machines.candidates import Candidates
from airchitect_jax.oracle.machines.parts import COLS, CORES, MEMORIES, ROWS
from airchitect_jax.oracle.machines.question import Question
from airchitect_jax.oracle.machines.solver import Solved, Solver

_BATCH = 8  # boxes that are opened at a time
_SCREENED_FROM = 256  # boxes: shorter searches do without the compilation
_Half = tuple[float, Corner, Corner, tuple[Line, ...], tuple[Solved, ...]]


class OpenBox(NamedTuple):
    """A box that may hold a better machine.

    Attributes:
      bound: from the box that was split.
      number: boxes of equal bound are opened in this order.
      low, high: its corners; both included.
      lines: of boxes around it.
      parents: searches of the box that was split.
    """

    bound: float
    number: int
    low: Corner
    high: Corner
    lines: tuple[Line, ...]
    parents: tuple[Solved, ...]


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
        self.frontier = Frontier([OpenBox(0.0, 0, *self.root, (), ())], 0, 0, 1)

    @functools.cached_property
    def _batches(self) -> Batches:
        return Batches(self.solver, 2 * _BATCH)

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
        """Opens the boxes of the least bounds."""
        frontier = self.frontier
        boxes = frontier.boxes.copy()
        # Few at first: each result may close the next ones.
        most = min(_BATCH, 1 + frontier.opened // _BATCH)
        batch = [heapq.heappop(boxes) for _ in range(min(most, len(boxes)))]
        done: list[ClosedBox] = []
        parts: list[_Half] = []
        left = self._tightened(batch, done)
        for box, first in zip(left, self._first_searches(left), strict=True):
            parts += self._opened(box, first, done)
        numbered = frontier.numbered
        for half in self._screened(parts, done):
            heapq.heappush(boxes, OpenBox(half[0], numbered, *half[1:]))
            numbered += 1
        self._closed[frontier.num_closed :] = done
        self.frontier = Frontier(
            boxes, frontier.num_closed + len(done), frontier.opened + len(batch), numbered
        )

    def _tightened(self, batch: list[OpenBox], done: list[ClosedBox]) -> list[OpenBox]:
        """Boxes without what the budgets of parts exclude, which is closed."""
        left = []
        for box in batch:
            high = self.solver.parts.tightened(box.low, box.high)
            if high is None:
                done.append(ClosedBox(box.low, box.high, math.inf, ()))
            else:
                done += _excluded(box.low, high, box.high)
                left.append(box._replace(high=high))
        return left

    def _first_searches(self, boxes: list[OpenBox]) -> Sequence[Solved | None]:
        """The first search of mappings in each box, all at once where that is faster."""
        if not boxes or not are_fast():
            return [None] * len(boxes)
        weights = [
            first_weights(self.solver, self.solver.parts.least(box.low, box.high), box.parents)
            for box in boxes
        ]
        return self._batches.searched([(box.low, box.high) for box in boxes], weights)

    def _opened(self, box: OpenBox, first: Solved | None, done: list[ClosedBox]) -> list[_Half]:
        """The halves of a box, unless it is closed."""
        solver, low, high = self.solver, box.low, box.high
        bound = bounded(solver, low, high, self.limit, box.lines, box.parents, first)
        if bound.lowest.value < self.limit and low == high:
            done.append(ClosedBox(low, high, self.candidates.attempt(low).least, ()))
            return []
        if bound.lowest.value < self.limit:
            last, brancher = bound.solved[-1], self._brancher
            split = brancher.split(low, high, bound.least, last, gradient(solver, bound))
            if bound.lowest.value + split.needed_more < self.limit:
                self.candidates.attempt(brancher.needed(low, high, last))
            if bound.lowest.value < self.limit:
                lines = nearest(solver, bound)
                kept = lines, heirs(bound, lines)
                return [(bound.lowest.value, *half, *kept) for half in split.halves]
        done.append(closed(solver, low, high, bound, self.limit))
        return []

    def _screened(self, parts: list[_Half], done: list[ClosedBox]) -> list[_Half]:
        """Halves of boxes that a cheap bound does not close."""
        if not parts or self.frontier.opened < _SCREENED_FROM:
            return parts
        left = []
        floors = self._batches.screened([(low, high) for _, low, high, *_ in parts])
        for (bound, low, high, lines, parents), own in zip(parts, floors, strict=True):
            value = value_above(self.solver, low, high, (*lines, *own))
            if value >= self.limit:
                done.append(ClosedBox(low, high, value, (*lines, *own)))
            elif value > bound:
                left.append((value, low, high, (*lines, *own), parents))
            else:
                left.append((bound, low, high, lines, parents))
        return left

    def prefer_small(self, most_boxes: int) -> None:
        """Looks for a machine of the same cost with fewer MAC units, then with less memory.

        Args:
          most_boxes: it ends after so many, with the best so far.
        """
        best = self.candidates.best
        if best.schedule is None:
            return
        limit = float(best.cost) * (1 + RESOLUTION)
        size = self._size(best.machine)
        boxes = [box for box in self.boxes if box.bound <= limit]
        heap = [(self._size(box.low), place, *box[:2]) for place, box in enumerate(boxes)]
        heapq.heapify(heap)
        number = len(boxes)
        while heap and number < len(boxes) + most_boxes:
            least, _, low, given = heapq.heappop(heap)
            if least >= size:
                break
            high = self.solver.parts.tightened(low, given)
            if high is None:
                continue
            found = self.candidates.attempt(low)
            if found.cost <= limit:
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

    def _halves(self, low: Corner, high: Corner) -> Halves:
        """A box split along its first wide axis: first arrays, then memories, then bandwidth."""
        values = self.solver.parts.values
        groups = ((ROWS, COLS, CORES), range(MEMORIES, len(values) - 1), (len(values) - 1,))
        for group in groups:
            axis = max(group, key=lambda one: high[one] - low[one])
            if high[axis] > low[axis]:
                break
        return halves(low, high, axis, (low[axis] + high[axis] + 1) // 2)


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
