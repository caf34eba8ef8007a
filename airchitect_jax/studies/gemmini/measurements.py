"""Reads measured cycles of Gemmini in the format of DOSA's data (`docs/results_gemmini.md`).

A row is a layer, a machine, a mapping and its cycles. A mapping reads from the outside in:
`L3[WIO] K8 Q28 - L2[WI] N1 K4X - L1[O] K2 C3X - L0[W] P16` has the loops over steps in L3; the
factors of the other levels make the tile of a step. X marks a spatial factor.
"""

from __future__ import annotations

import csv
import dataclasses
import functools
import importlib.resources
import math
import pathlib
import re
from collections.abc import Mapping

from airchitect_jax._support import check_regular, shown
from airchitect_jax.cost import Convolution, GemminiSteps, gemmini_steps

_LEVEL = re.compile(r"L([0-3])\[[WIO]+\]((?: [NKCPQRS][1-9][0-9]{0,9}X?)+)")
_AUTO_TILE = "RSPQCKN"  # the order of `dse.auto_tiling`
_SIZES = re.compile(r"[1-9][0-9]{0,9}(_[1-9][0-9]{0,9}){6}")
_LARGEST = 2**53
_COLUMNS = (
    "mapping.mapping",
    "arch.meshX",
    "arch.mem1_entries",
    "arch.mem1_instances",
    "arch.mem2_entries",
    "arch.mem2_word-bits",
    *(f"prob.{name}" for name in ("N", "K", "C", "P", "Q", "R", "S", "Hstride", "Wstride")),
    "target.cycle",
    "target.gemmini_cycle",
)
_ACCUMULATOR_BYTES = 4
_PACKAGED = "gemmini_16x16.csv"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Machine:
    """An array of `side` x `side` with its memories."""

    side: int
    scratchpad_bytes: int
    accumulator_bytes: int

    @property
    def name(self) -> str:
        """Side and kilobytes."""
        sizes = f"{self.scratchpad_bytes / 1024:g} + {self.accumulator_bytes / 1024:g} KB"
        return f"{self.side} x {self.side}, {sizes}"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Measurement:
    """A row.

    Attributes:
      machine: the array and the memories.
      layer, stride: the whole loops.
      tile: the loops of a step.
      order: the loops over steps, outermost first, by their letters.
      block: the largest spatial factor, the part of the array that the mapping uses.
      cycles: measured with this mapping.
      timeloop_cycles: what Timeloop predicts, or None where the file repeats the measurement.
      auto_tile, auto_cycles: the tile that Gemmini's library chooses, and its cycles; or None.
    """

    machine: Machine
    layer: Convolution
    stride: int
    tile: Convolution
    order: str
    block: int
    cycles: float
    timeloop_cycles: float | None
    auto_tile: Convolution | None = None
    auto_cycles: float | None = None

    @property
    def layer_key(self) -> tuple[int, ...]:
        """Equal for the same layer."""
        return (*self.layer, self.stride)

    @functools.cached_property
    def steps(self) -> GemminiSteps:
        """The steps of its mapping."""
        return gemmini_steps(self.layer, self.tile, self.stride, self.block)

    @functools.cached_property
    def auto_steps(self) -> GemminiSteps | None:
        """The steps of the tile of Gemmini's library."""
        if self.auto_tile is None:
            return None
        return gemmini_steps(self.layer, self.auto_tile, self.stride, self.machine.side)


def packaged_measurements() -> list[Measurement]:
    """Those that the packaged calibration is fitted to: 148 layers on eight machines of 16 x 16."""
    folder = importlib.resources.files("airchitect_jax.learning") / "measured"
    return read_measurements(pathlib.Path(str(folder / _PACKAGED)))


def read_measurements(path: pathlib.Path) -> list[Measurement]:
    """Reads a file.

    Raises:
      ValueError: it lacks a column or has a bad entry; names file, line and column.
      OSError: it cannot be read.
    """
    check_regular(path)
    found = []
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            for name in _COLUMNS:
                if name not in (reader.fieldnames or ()):
                    raise ValueError(f"{path}: column {name} is missing")
            for row in reader:
                found.append(_Row(row, f"{path}, line {reader.line_num}").measurement())
    except (csv.Error, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: not a CSV file: {error}") from None
    if not found:
        raise ValueError(f"{path}: no measurements")
    if all(row.timeloop_cycles == row.cycles for row in found):
        return [dataclasses.replace(row, timeloop_cycles=None) for row in found]
    return found


class _Row:
    """One line of the file."""

    def __init__(self, row: Mapping[str, str | None], where: str) -> None:
        self._row, self._where = row, where

    def measurement(self) -> Measurement:
        layer = Convolution(**{name: self._whole(f"prob.{name.upper()}") for name in _LOOPS})
        stride = self._whole("prob.Hstride")
        if self._whole("prob.Wstride") != stride:
            self._refuse("prob.Wstride", f"prob.Hstride, {stride}")
        tile, order, block = self._mapping(layer)
        machine = Machine(
            side=self._whole("arch.meshX"),
            scratchpad_bytes=self._whole("arch.mem2_entries")
            * self._whole("arch.mem2_word-bits")
            // 8,
            accumulator_bytes=self._whole("arch.mem1_entries")
            * self._whole("arch.mem1_instances")
            * _ACCUMULATOR_BYTES,
        )
        if block > machine.side:
            self._refuse("arch.meshX", f"at least {block}, a spatial factor of the mapping")
        auto_tile, auto_cycles = self._auto(layer)
        return Measurement(
            machine=machine,
            layer=layer,
            stride=stride,
            tile=tile,
            order=order,
            block=block,
            cycles=self._whole("target.gemmini_cycle"),
            timeloop_cycles=self._whole("target.cycle"),
            auto_tile=auto_tile,
            auto_cycles=auto_cycles,
        )

    def _mapping(self, layer: Convolution) -> tuple[Convolution, str, int]:
        levels = [_LEVEL.fullmatch(part) for part in self._text("mapping.mapping").split(" - ")]
        if [match and match[1] for match in levels] != ["3", "2", "1", "0"]:
            self._refuse("mapping.mapping", "levels L3 to L0 like L3[WIO] K8 Q28, joined by ' - '")
        factors = [
            (match[1], text[0].lower(), int(text[1:].rstrip("X")), text.endswith("X"))
            for match in levels
            if match
            for text in match[2].split()
        ]
        tile = dict.fromkeys(_LOOPS, 1)
        for level, name, factor, _ in factors:
            if level != "3":
                tile[name] *= factor
        for name, dim in layer._asdict().items():
            trips = math.prod(f for level, loop, f, _ in factors if level == "3" and loop == name)
            if not tile[name] * (trips - 1) < dim <= tile[name] * trips:
                self._refuse("mapping.mapping", f"factors of {name.upper()} that cover {dim}")
        order = "".join(loop for level, loop, factor, _ in factors if level == "3" and factor > 1)
        block = max([1, *(factor for _, _, factor, is_spatial in factors if is_spatial)])
        return Convolution(**tile), order, block

    def _auto(self, layer: Convolution) -> tuple[Convolution | None, float | None]:
        """The tile of Gemmini's library; empty cells and columns that are not there are none."""
        if not (self._row.get("dse.auto_tiling") and self._row.get("target.gemmini_auto_cycle")):
            return None, None
        text = self._text("dse.auto_tiling")
        if not _SIZES.fullmatch(text):
            self._refuse("dse.auto_tiling", "seven whole numbers joined by _")
        sizes = text.split("_")
        tile = {name.lower(): int(size) for name, size in zip(_AUTO_TILE, sizes, strict=True)}
        limited = {name: min(size, getattr(layer, name)) for name, size in tile.items()}
        return Convolution(**limited), self._whole("target.gemmini_auto_cycle")

    def _whole(self, column: str) -> int:
        """A whole number, which may be written as a float."""
        try:
            number = float(self._text(column))
        except ValueError:
            number = math.nan
        if not 1 <= number <= _LARGEST or not number.is_integer():
            self._refuse(column, f"a whole number in 1..{_LARGEST}")
        return int(number)

    def _text(self, column: str) -> str:
        return (self._row[column] or "").strip()

    def _refuse(self, column: str, allowed: str) -> None:
        value = shown(self._row[column])
        raise ValueError(f"{self._where}: {column}: {value} is not allowed; expected {allowed}")


_LOOPS = Convolution._fields
