"""Where to split a box: the axis along which its bound is most likely too low.

Only the speed of the search depends on it.
"""

from __future__ import annotations

import functools
from typing import NamedTuple

import numpy as np
from jaxtyping import Int

from airchitect_jax.cost.tiled import flow_of, order_of
from airchitect_jax.cost.tiled_loops import loop
from airchitect_jax.cost.tiled_steps import moves
from airchitect_jax.oracle.machines.answer import Corner
from airchitect_jax.oracle.machines.parts import COLS, CORES, MEMORIES, ROWS, Least
from airchitect_jax.oracle.machines.solver import Solved, Solver
from airchitect_jax.types import LoopOrder

Halves = tuple[tuple[Corner, Corner], tuple[Corner, Corner]]


class Split(NamedTuple):
    """A box that is split.

    Attributes:
      halves: their corners.
      needed_more: about what the machine that the schedule needs costs above the bound.
    """

    halves: Halves
    needed_more: float


def halves(low: Corner, high: Corner, axis: int, place: int) -> Halves:
    """A box up to a place of an axis, without it, and the rest."""
    left, right = list(high), list(low)
    left[axis], right[axis] = place - 1, place
    return (low, tuple(left)), (tuple(right), high)


class Brancher:
    """Chooses splits of the boxes of a solver."""

    def __init__(self, solver: Solver) -> None:
        self._solver = solver
        self._accesses = functools.lru_cache(1024)(self._least_accesses)

    def split(
        self,
        low: Corner,
        high: Corner,
        least: Least,
        solved: Solved,
        weights: tuple[float, float, float],
    ) -> Split:
        """The two halves of a box of several machines.

        Args:
          low: its low corner.
          high: its high corner.
          least: its figures.
          solved: the schedule that has the least.
          weights: how the value rises with cycles, with energy and with area.
        """
        losses, places = self._losses(low, high, least, solved, weights)
        needed_more = sum(losses[MEMORIES:-1])
        if max(losses) <= 0:  # the machine is too large only
            losses = self._spare_areas(low, high, solved)
        several = [axis for axis in range(len(low)) if high[axis] > low[axis]]
        axis = max(several, key=lambda one: (losses[one], high[one] - low[one]))
        place = min(max(places[axis], low[axis] + 1), high[axis])
        return Split(halves(low, high, axis, place), needed_more)

    def needed(self, low: Corner, high: Corner, solved: Solved) -> Corner:
        """The machine with the smallest memories that hold the tiles, and the most of the rest."""
        needs, machine = self._solver.needs(solved, low), list(high)
        for memory in range(MEMORIES, len(low) - 1):
            machine[memory] = low[memory]
        for operand in range(3):
            axis = MEMORIES + self._solver.parts.memory_of(operand)
            machine[axis] = max(machine[axis], int(needs[operand].max()))
        return tuple(machine)

    def _losses(
        self,
        low: Corner,
        high: Corner,
        least: Least,
        solved: Solved,
        weights: tuple[float, float, float],
    ) -> tuple[list[float], list[int]]:
        """For each axis, how much a machine may cost above the bound because of it; and a place."""
        solver, parts = self._solver, self._solver.parts
        of_cycles, of_energy, of_area = weights
        cycles, runs = solved.cycles, solver.runs
        accesses = self._accesses(*(int(parts.values[axis][high[axis]]) for axis in (ROWS, COLS)))
        prices = least.prices
        ifmap_fj = float(runs @ accesses[0]) * prices.ifmap_fj_per_byte
        filter_fj = float(runs @ accesses[1]) * prices.filter_fj_per_byte
        losses = [0.0] * len(low)
        places = [(first + last + 1) // 2 for first, last in zip(low, high, strict=True)]
        busy = (of_cycles + of_energy * least.leakage) * cycles
        of_array = of_area + of_energy * cycles * least.leakage / least.area.total_um2
        for axis, moved in ((ROWS, filter_fj), (COLS, ifmap_fj), (CORES, 0.0)):
            share = 1 - float(parts.values[axis][low[axis]] / parts.values[axis][high[axis]])
            grown = least.area.total_um2 if axis == CORES else least.area.array_um2
            losses[axis] = share * (
                0.5 * (busy + of_energy * moved) + of_array * grown * share / (1 - share)
                if share
                else 0.0
            )
        needs = solver.needs(solved, low)
        for operand in range(3):
            axis = MEMORIES + parts.memory_of(operand)
            if high[axis] == low[axis]:
                continue
            own = needs[operand]
            most = int(own.max())
            of_byte, leakage, um2 = parts.by_size(operand, low, high)
            paid = accesses[operand] * (of_byte[most] - of_byte[own])
            extra = runs * of_energy * paid
            held = (leakage[most] - leakage[low[axis]]) * of_energy * cycles
            held += (um2[most] - um2[low[axis]]) * of_area
            losses[axis] += float(extra.sum()) + float(held)
            places[axis] = (low[axis] + most + 1) // 2
            if extra.sum() > 0:
                order = np.argsort(own, kind="stable")
                half = np.searchsorted(np.cumsum(extra[order]), extra.sum() / 2)
                places[axis] = int(own[order[half]]) + 1
            places[axis] = min(places[axis], max(most, low[axis] + 1))
        return losses, places

    def _spare_areas(self, low: Corner, high: Corner, solved: Solved) -> list[float]:
        """For each memory, the area that the schedule needs more than the low corner has."""
        parts, needs = self._solver.parts, self._solver.needs(solved, low)
        areas = [0.0] * len(low)
        for memory in range(len(parts.values) - 1 - MEMORIES):
            operand = memory if not parts.is_shared else 2 * memory
            _, _, um2 = parts.by_size(operand, low, high)
            axis = MEMORIES + memory
            areas[axis] = float(um2[int(needs[operand].max())] - um2[low[axis]])
        return areas

    def _least_accesses(self, rows: int, cols: int) -> Int[np.ndarray, "operands gemms"]:
        """SRAM accesses in bytes of a run of each GEMM in one tile, the least of all dataflows."""
        platform, found = self._solver.question.platform, []
        widths = platform.widths
        bits = widths.input_bits, widths.weight_bits, widths.accumulator_bits
        first = self._solver.hardware((0,) * len(self._solver.parts.values))
        for dataflow in platform.dataflows:
            m, n, k = (loop(dim, dim, 1, rows, cols) for dim in self._solver.dims.T)
            flow = flow_of(dataflow, first, platform)
            moved = moves(order_of(LoopOrder.MNK), flow, m, n, k)
            found.append(
                np.stack(
                    np.broadcast_arrays(
                        *(x * y // 8 for x, y in zip(moved.sram_accesses, bits, strict=True))
                    )
                )
            )
        return np.min(found, axis=0)
