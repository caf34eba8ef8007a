"""Many boxes at a time, under jit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import jax
import numpy as np

from airchitect_jax._support import float64_is_exact
from airchitect_jax.oracle.machines.answer import Corner, Line
from airchitect_jax.oracle.machines.batched import boxes_of, screen, work_of
from airchitect_jax.oracle.machines.batched_search import search_boxes
from airchitect_jax.oracle.machines.parts import MEMORIES
from airchitect_jax.oracle.machines.solver import Solved, Solver

_Box = tuple[Corner, Corner]
_Item = TypeVar("_Item")


class Batches:
    """Boxes of a solver. Batches are filled up, so that one program serves all."""

    def __init__(self, solver: Solver, size: int) -> None:
        self._solver, self._size = solver, size
        self._work = work_of(solver)

    def screened(self, boxes: Sequence[_Box]) -> list[tuple[Line, Line]]:
        """The least cycles and energy of each of at most `size` boxes, by a cheap bound."""
        floors = screen(self._work, boxes_of(self._solver, self._filled(boxes), 1))
        return [
            (Line(*box, 1.0, 0.0, float(cycles)), Line(*box, 0.0, 1.0, float(energy)))
            for box, cycles, energy in zip(boxes, *floors, strict=False)
        ]

    def searched(
        self, boxes: Sequence[_Box], weights: Sequence[tuple[float, float]]
    ) -> list[Solved]:
        """As `Solver.solve` for each of at most `size` boxes; fast on accelerators only."""
        results: list[Solved | None] = [None] * len(boxes)
        relaxed = [low[:MEMORIES] != high[:MEMORIES] for low, high in boxes]
        for is_relaxed in set(relaxed):
            places = [place for place, kind in enumerate(relaxed) if kind == is_relaxed]
            chosen = [boxes[place] for place in places]
            asked = np.array([weights[place] for place in self._filled(places)])
            found = search_boxes(
                self._work,
                boxes_of(self._solver, self._filled(chosen)),
                asked,
                is_relaxed=is_relaxed,
            )
            for place, rows in zip(places, found, strict=False):
                results[place] = self._solver.solved(*boxes[place], weights[place], rows)
        return [one for one in results if one is not None]

    def _filled(self, items: Sequence[_Item]) -> list[_Item]:
        return [*items, *[items[-1]] * (self._size - len(items))]


def are_fast() -> bool:
    """Whether the default device is an accelerator with exact float64."""
    return bool(jax.default_backend() != "cpu") and float64_is_exact()
