"""The parts of the machines of a box: what they cost at least.

In a box no figure of an SRAM falls with its size, but energy per byte falls with its word, which is
as wide as the edge of the array. So the least figures of a box are those of its smallest sizes, at
the best of its words. Areas and prices follow from them by the equations of a machine, which rise
with every figure.
"""

from __future__ import annotations

import functools
import math
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int

from airchitect_jax.cost import MachineArea, MachinePrices
from airchitect_jax.cost.area import Srams, area_of, figures_of, whole, word_bytes
from airchitect_jax.cost.prices import prices_of
from airchitect_jax.cost.technology import Sram
from airchitect_jax.cost.tiled import half_bits
from airchitect_jax.oracle.machines.answer import Corner
from airchitect_jax.oracle.machines.question import Question
from airchitect_jax.oracle.mappings.bounds import SIZE_ROWS

ROWS, COLS, CORES, MEMORIES = 0, 1, 2, 3  # places of the axes; the bandwidth is the last


class Least(NamedTuple):
    """The least figures of the machines of a box.

    Attributes:
      prices: without leakage.
      leakage: femtojoules per cycle.
      area: by part.
    """

    prices: MachinePrices
    leakage: int
    area: MachineArea


class Parts:
    """The figures of all memories of a space."""

    def __init__(self, question: Question) -> None:
        self._question, platform = question, question.platform
        space = platform.hardware
        self.values = tuple(np.array(values, np.int64) for values in space.axes.values())
        self.is_shared = space.is_shared
        self._cached_least = functools.lru_cache(100_000)(self._least)
        self._cached_by_size = functools.lru_cache(10_000)(self._by_size)
        arrays = np.meshgrid(self.values[ROWS], self.values[COLS], indexing="ij")
        all_words = word_bytes(arrays[0], arrays[1], platform.widths, self.is_shared)
        self._words = [np.unique(words) for words in all_words]  # of each memory
        self._figures: list[Sram] = [
            figures_of(sizes[None, :], words[:, None], platform.technology)
            for words, sizes in zip(self._words, self.values[MEMORIES:-1], strict=True)
        ]
        self.halves = [half_bits(sizes) for sizes in self.values[MEMORIES:-1]]
        self._prices = [whole(1000 * figures.pj_per_byte) for figures in self._figures]

    def _word_ends(self, low: Any, high: Any) -> list[tuple[Any, Any]]:
        """The places of the first and the last word that each memory may have in a box.

        Corners may be arrays, [axes, boxes].
        """
        widths = self._question.platform.widths
        ends = [
            word_bytes(
                self.values[ROWS][at[ROWS]], self.values[COLS][at[COLS]], widths, self.is_shared
            )
            for at in (low, high)
        ]
        return [
            (np.searchsorted(words, first), np.searchsorted(words, last))
            for words, first, last in zip(self._words, *ends, strict=True)
        ]

    def _word_ranges(self, low: Corner, high: Corner) -> list[slice]:
        return [slice(int(first), int(last) + 1) for first, last in self._word_ends(low, high)]

    def least(self, low: Corner, high: Corner) -> Least:
        """The least figures of a box."""
        return self._cached_least(low[:-1], high[:CORES])

    def _least(self, low: Corner, arrays: Corner) -> Least:
        """From the low corner without bandwidth, and the highest rows and columns."""
        srams = [
            Sram(*(figure[words, size].min() for figure in figures))
            for figures, words, size in zip(
                self._figures, self._word_ranges(low, arrays), low[MEMORIES:], strict=True
            )
        ]
        of_core = Srams(*(srams[:1] if self.is_shared else ()), *srams)
        rows, cols, cores = (int(self.values[axis][low[axis]]) for axis in (ROWS, COLS, CORES))
        platform = self._question.platform
        area = area_of(rows, cols, cores, of_core, platform)
        prices = prices_of(cores, of_core, area, platform)
        return Least(prices._replace(leakage_fj_per_cycle=0), prices.leakage_fj_per_cycle, area)

    def memories(self, low: Corner, high: Corner) -> Int[np.ndarray, "rows sizes"]:
        """The least price of a byte by size of memory, as the search of mappings reads it."""
        sizes = [
            np.arange(first, last + 1)
            for first, last in zip(low[MEMORIES:-1], high[MEMORIES:-1], strict=True)
        ]
        table = np.empty((SIZE_ROWS, max(map(len, sizes))), np.int64)
        for operand in range(3):
            memory = self.memory_of(operand)
            # Shorter rows repeat their last size.
            at = np.minimum(low[MEMORIES + memory] + np.arange(table.shape[1]), sizes[memory][-1])
            table[operand] = self.halves[memory][at]
            table[3 + operand] = self.by_size(operand, low, high)[0][at]
        return table

    def memories_of_boxes(
        self, lows: Int[np.ndarray, "boxes axes"], highs: Int[np.ndarray, "boxes axes"], most: int
    ) -> Int[np.ndarray, "boxes rows most"]:
        """`memories` of many boxes, of each the `most` smallest sizes."""
        table = np.empty((len(lows), SIZE_ROWS, most), np.int64)
        words = self._word_ends(lows.T, highs.T)
        for operand in range(3):
            memory = self.memory_of(operand)
            prices, (firsts, lasts) = self._prices[memory], words[memory]
            # Many boxes have the same words.
            ends, row = np.unique(firsts * len(prices) + lasts, return_inverse=True)
            least = np.stack(
                [
                    prices[first : last + 1].min(axis=0)
                    for first, last in zip(*np.divmod(ends, len(prices)), strict=True)
                ]
            )
            low, high = lows[:, MEMORIES + memory], highs[:, MEMORIES + memory]
            at = np.minimum(low[:, None] + np.arange(most), high[:, None])
            table[:, operand] = self.halves[memory][at]
            table[:, 3 + operand] = least[row[:, None], at]
        return table

    def by_size(
        self, operand: int, low: Corner, high: Corner
    ) -> tuple[Float[np.ndarray, "sizes"], ...]:
        """Of the memory of an operand, by size: the least price of a byte, leakage and area.

        Leakage is in femtojoules per cycle and of all cores, as the area.
        """
        return self._cached_by_size(self.memory_of(operand), low[:MEMORIES], high[:CORES])

    def _by_size(
        self, memory: int, low: Corner, high: Corner
    ) -> tuple[Float[np.ndarray, "sizes"], ...]:
        words, figures = self._word_ranges(low, high)[memory], self._figures[memory]
        cores = int(self.values[CORES][low[CORES]])
        per_cycle = 1e15 / self._question.platform.clock_hz
        return (
            self._prices[memory][words].min(axis=0),
            figures.leakage_w[words].min(axis=0) * (cores * per_cycle),
            figures.um2[words].min(axis=0) * cores,
        )

    def memory_of(self, operand: int) -> int:
        """The memory that holds ifmap (0), filter (1) or ofmap (2)."""
        return operand - (1 if self.is_shared and operand else 0)

    def tightened(self, low: Corner, high: Corner) -> Corner | None:
        """The high corner of a box without what the budgets of parts exclude; None if all.

        Each axis by itself: its largest value with all others at the low corner.
        """
        budgets = self._question.budgets
        rows, cols, cores = (int(self.values[axis][low[axis]]) for axis in (ROWS, COLS, CORES))
        sizes = [
            int(values[at])
            for values, at in zip(self.values[MEMORIES:-1], low[MEMORIES:-1], strict=True)
        ]
        tops = [math.inf] * len(low)  # the largest value of each axis

        def at_most(axis: int, most: float) -> None:
            tops[axis] = min(tops[axis], most)

        if budgets.mac_budget is not None:
            at_most(ROWS, budgets.mac_budget // (cols * cores))
            at_most(COLS, budgets.mac_budget // (rows * cores))
            at_most(CORES, budgets.mac_budget // (rows * cols))
        if budgets.sram_budget_bytes is not None:
            of_core = budgets.sram_budget_bytes // cores
            at_most(CORES, budgets.sram_budget_bytes // sum(sizes))
            for memory, size in enumerate(sizes):
                at_most(MEMORIES + memory, of_core - sum(sizes) + size)
        result = list(high)
        if budgets.area_budget_um2 is not None:
            area = self.least(low, high).area
            spare = budgets.area_budget_um2 - area.total_um2
            if spare < 0:
                return None
            # Areas are rounded by part.
            spare += 4
            at_most(ROWS, rows * (1 + spare / max(area.array_um2 - 1, 1e-9)))
            at_most(COLS, cols * (1 + spare / max(area.array_um2 - 1, 1e-9)))
            at_most(CORES, cores * (1 + spare / max(area.total_um2 - 4, 1e-9)))
            for memory in range(len(sizes)):
                um2 = self._cached_by_size(memory, low[:MEMORIES], high[:CORES])[2]
                place = MEMORIES + memory
                most = um2[low[place]] + spare
                result[place] = min(result[place], int(np.searchsorted(um2, most, "right")) - 1)
        for axis, top in enumerate(tops):
            if top < math.inf:
                last = int(np.searchsorted(self.values[axis], top * (1 + 1e-12), "right")) - 1
                result[axis] = min(result[axis], last)
        if any(last < first for first, last in zip(low, result, strict=True)):
            return None
        return tuple(result)
