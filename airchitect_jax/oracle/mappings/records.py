"""Rows of mappings that the search has found, and fronts of them: compiled into the search."""

from __future__ import annotations

from typing import Any

from airchitect_jax.oracle.mappings.text import inlined

# Columns of a mapping that was found, in the order in which ties are broken; then what float64 has
# lost of its energy, and the least value of mappings that were skipped because they are too large.
VALUE, CYCLES, ENERGY, FLOW, ORDER, CORES, TILES = 0, 1, 2, 3, 4, 5, 8
LOST, SKIPPED, FOUND = 11, 12, 13


@inlined
def is_dominated(front: Any, size: Any, costs: Any) -> bool:
    """Whether a mapping of a front has neither more cycles nor more energy.

    Args:
      front: float64 [rows, FOUND].
      size: int64 [2], the mappings in the front, and 1 if others found no row.
      costs: a row, at least up to its energy.
    """
    for row in range(size[0]):
        if front[row, CYCLES] <= costs[CYCLES] and front[row, ENERGY] <= costs[ENERGY]:
            return True
    return False


@inlined
def record(front: Any, size: Any, found: Any) -> None:
    """Adds a mapping to a front, and removes those that it dominates."""
    if is_dominated(front, size, found):
        return
    kept = 0
    for row in range(size[0]):
        if front[row, CYCLES] < found[CYCLES] or front[row, ENERGY] < found[ENERGY]:
            for column in range(SKIPPED):
                front[kept, column] = front[row, column]
            kept += 1
    if kept == len(front):
        size[1] = 1
    else:
        for column in range(SKIPPED):
            front[kept, column] = found[column]
        kept += 1
    size[0] = kept
