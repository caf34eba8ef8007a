"""Machines and boxes of machines: prices, leakage, area and work of operators.

The figures of a box are the least of its machines, and exact for a box of one machine.
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
import math
from collections.abc import Iterator, Mapping
from fractions import Fraction
from typing import Any

import numpy as np

from airchitect_jax.verification import technology as tables
from airchitect_jax.verification.mappings import Machine

Box = tuple[tuple[int, ...], tuple[int, ...]]  # indices of the values of its corners by axis
_MEMORIES = ("ifmap_sram_bytes", "filter_sram_bytes", "ofmap_sram_bytes")
_SHARED = ("scratchpad_bytes", "accumulator_bytes")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Figures:
    """The least of all machines of a box.

    Attributes:
      area_um2, leakage_fj: of the whole machine; leakage per cycle.
      num_macs, sram_bytes: of all cores.
      operator_cycles, operator_fj: of all runs of all operators.
    """

    area_um2: int
    leakage_fj: int
    num_macs: int
    sram_bytes: int
    operator_cycles: int
    operator_fj: int


class Space:
    """The machines of a platform, given as in a certificate."""

    def __init__(self, platform: Mapping[str, Any], operators: list[list[Any]]) -> None:
        self.platform, self.operators = platform, operators
        self.axes: dict[str, list[int]] = platform["axes"]
        self.is_shared = "scratchpad_bytes" in self.axes
        self.memories = _SHARED if self.is_shared else _MEMORIES
        self.technology, self.widths = platform["technology"], platform["widths"]
        self.figure = functools.cache(self._figure)
        bits = self.widths
        sides = (bits["input_bits"], bits["weight_bits"], bits["accumulator_bits"])
        is_float = self.technology["floating_point"]
        add, multiply = (f"{'float' if is_float else 'integer'} {x}" for x in ("add", "multiply"))
        cell = self._sum((multiply, (sides[0] * sides[1]) ** 0.5), (add, sides[2]), self._bits(sides))
        lane = self._sum((add, sides[2]), (multiply, sides[2]))
        registers = self._sum(self._bits((sides[2],) * 3))
        self.mac_um2 = self._given("mac_um2", cell[1])
        self.mac_fj = round(1000 * self._given("mac_pj", cell[0]))
        self.lane_um2 = lane[1] + registers[1]
        self.vector_fj = round(1000 * (lane[0] / 2 + registers[0]))
        self.dram_fj = round(1000 * tables.dram_pj_per_byte(self.technology))

    def _bits(self, sides: tuple[int, ...]) -> tuple[str, float]:
        return "register", sum(sides)

    def _sum(self, *operations: tuple[str, float]) -> tuple[float, float]:
        """Energy and area."""
        node = self.technology["node_nm"]
        found = [tables.operation(name, bits, node) for name, bits in operations]
        return sum(pj for pj, _ in found), sum(um2 for _, um2 in found)

    def _given(self, name: str, otherwise: float) -> float:
        value = self.technology[name]
        return otherwise if value is None else float(value)

    def at(self, box: Box, name: str) -> tuple[int, int]:
        """The least and the largest value of an axis in a box."""
        axis = list(self.axes).index(name)
        return self.axes[name][box[0][axis]], self.axes[name][box[1][axis]]

    def range(self, box: Box, name: str) -> list[int]:
        """The values of an axis in a box."""
        axis = list(self.axes).index(name)
        return self.axes[name][box[0][axis] : box[1][axis] + 1]

    def _words(self, memory: str, rows: range, cols: range) -> Iterator[float]:
        """Bytes of a word of a memory: as wide as the edge of the array that it serves."""
        bits = self.widths
        on_rows = [row * bits["input_bits"] / 8 for row in self.axes["rows"][rows.start : rows.stop]]
        of_cols = self.axes["cols"][cols.start : cols.stop]
        on_cols = [col * bits["weight_bits"] / 8 for col in of_cols]
        match memory:
            case "ifmap_sram_bytes":
                yield from on_rows
            case "filter_sram_bytes":
                yield from on_cols
            case "scratchpad_bytes":
                yield from {max(pair) for pair in itertools.product(on_rows, on_cols)}
            case _:
                yield from (col * bits["accumulator_bits"] / 8 for col in of_cols)

    def _figure(
        self, memory: str, size: int, rows: range, cols: range
    ) -> tuple[float, float, float]:
        """The least energy per byte, leakage and area of a memory, over the words of a box."""
        node = self.technology["node_nm"]
        found = [tables.sram(size, word, node) for word in self._words(memory, rows, cols)]
        energy, leakage, area = (min(each) for each in zip(*found, strict=True))
        per_byte = self.technology["sram_um2_per_byte"]
        return (
            self._given("sram_pj_per_byte", energy),
            leakage,
            area if per_byte is None else size * per_byte,
        )

    def _edges(self, box: Box) -> tuple[range, range]:
        """The indices of rows and columns."""
        axes = list(self.axes)
        rows, cols = axes.index("rows"), axes.index("cols")
        return range(box[0][rows], box[1][rows] + 1), range(box[0][cols], box[1][cols] + 1)

    def figures(self, box: Box) -> Figures:
        """The least of all machines of a box."""
        rows, cols, cores = (self.at(box, x)[0] for x in ("rows", "cols", "num_cores"))
        sizes = [self.at(box, memory)[0] for memory in self.memories]
        srams = [
            self.figure(memory, size, *self._edges(box))
            for memory, size in zip(self.memories, sizes, strict=True)
        ]
        array = round(cores * (rows * cols * self.mac_um2))
        vector = round(cores * (self.platform["vector_unit"]["lanes"] * self.lane_um2))
        memory = round(cores * sum(x[2] for x in srams[:-1])) + round(cores * srams[-1][2])
        area = array + memory + vector
        if self.technology["leakage_mw_per_mm2"] is not None:
            leakage_w = self.technology["leakage_mw_per_mm2"] * area / 1e9
        else:
            logic = tables.gate_leakage_w_per_um2(self.technology["node_nm"])
            leakage_w = sum(x[1] for x in srams) * cores + (array + vector) * logic
        cycles, energy = self._operators(box)
        return Figures(
            area_um2=area,
            leakage_fj=round(1e15 * leakage_w / self.platform["clock_hz"]),
            num_macs=rows * cols * cores,
            sram_bytes=cores * sum(sizes),
            operator_cycles=cycles,
            operator_fj=energy,
        )

    def _operators(self, box: Box) -> tuple[int, int]:
        """Cycles and energy of all runs of all operators, on most cores and bandwidth."""
        unit, cores = self.platform["vector_unit"], self.at(box, "num_cores")[1]
        bytes_per_cycle = Fraction(self._rate(box), self.platform["clock_hz"])
        cycles = energy = 0
        for kind, operations, inputs, outputs, runs in self.operators:
            rate = Fraction(*unit["rates"].get(kind, (1, 1)))
            moves = kind not in unit["fused"]
            bits = [
                moves * inputs * self.widths["input_bits"],
                moves * outputs * self.widths["output_bits"],
            ]
            computing = math.ceil(operations / (cores * unit["lanes"] * rate))
            cycles += runs * max(computing, math.ceil(sum(bits) / (8 * bytes_per_cycle)))
            num_bytes = sum(-(-x // 8) for x in bits)
            energy += runs * (operations * self.vector_fj + num_bytes * self.dram_fj)
        return cycles, energy

    def _rate(self, box: Box) -> int:
        return self.at(box, "bandwidth_bytes_per_second")[1]

    def machine(self, box: Box) -> Machine:
        """What bounds the mappings of all machines of a box."""
        rows, cols = self.at(box, "rows")[0], self.at(box, "cols")[0]
        is_scalesim = self.platform["runtime_model"] == "scalesim"
        passes = (1 if is_scalesim else 2, 2, 2)
        sizes = [self.range(box, memory) for memory in self.memories]
        prices = [
            [round(1000 * self.figure(memory, size, *self._edges(box))[0]) for size in each]
            for memory, each in zip(self.memories, sizes, strict=True)
        ]
        if self.is_shared:
            sizes, prices = sizes[:1] + sizes, prices[:1] + prices
        most = max(map(len, sizes))
        halves, least = np.zeros((3, most), np.int64), np.full((3, most), np.inf)
        for place, (each, price) in enumerate(zip(sizes, prices, strict=True)):
            halves[place, : len(each)] = [8 * (size // 2) for size in each]
            least[place, : len(each)] = np.minimum.accumulate(price[::-1])[::-1]
        per_cycle = Fraction(8 * self._rate(box), self.platform["clock_hz"])
        return Machine(
            overheads=np.array([rows * number + cols - 2 for number in passes]),
            widths=np.array(
                [self.widths[f"{x}_bits"] for x in ("input", "weight", "accumulator", "output")]
            ),
            bandwidth=np.array([per_cycle.numerator, per_cycle.denominator]),
            is_shared=self.is_shared,
            halves=halves,
            prices=least,
            num_sizes=np.array([len(each) for each in sizes]),
            event_prices=np.array([self.mac_fj, self.dram_fj], float),
        )
