"""Area of a machine in physical units.

Not modelled: control, clock tree, host and DRAM interfaces, and the space between blocks.
"""

from __future__ import annotations

import functools
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from airchitect_jax._support import INT64_SAFE, instance, int_field
from airchitect_jax.cost.arithmetic import Number
from airchitect_jax.cost.parts import Technology, Widths
from airchitect_jax.cost.platform import MAX_SRAM_BYTES, Platform
from airchitect_jax.cost.technology import Sram, operation, sram
from airchitect_jax.types import BufferSizes, Hardware, Scratchpad


class MachineArea(NamedTuple):
    """Whole square micrometres of all cores together.

    Attributes:
      array_um2: the MACs with their registers.
      input_srams_um2: the SRAMs of ifmap and filter, or the scratchpad.
      output_srams_um2: the SRAM of the ofmap, or the accumulator.
      vector_um2: the lanes of the vector unit.
      total_um2: of all that.
    """

    array_um2: Number
    input_srams_um2: Number
    output_srams_um2: Number
    vector_um2: Number
    total_um2: Number


class Srams(NamedTuple):
    """The SRAMs of one core. With a scratchpad, `ifmap` and `filter` are the same one."""

    ifmap: Sram
    filter: Sram
    ofmap: Sram

    @property
    def inputs(self) -> tuple[Sram, ...]:
        """The SRAMs of the inputs, each once."""
        return self[:1] if self.ifmap is self.filter else self[:2]


def whole(values: Number) -> Number:
    """The nearest whole numbers: int64 of any shape; a single one as a Python integer.

    Raises:
      ValueError: int64 does not hold them.
    """
    if not np.all(np.asarray(values) < INT64_SAFE):
        raise ValueError("hardware: an area or a price exceeds int64 (2**63 - 1)")
    rounded = np.rint(values).astype(np.int64)
    return rounded if rounded.ndim else int(rounded)


@functools.cache
def cell(widths: Widths, technology: Technology) -> tuple[float, float]:
    """Energy (pJ) and area (um2) of a MAC: a multiplication and addition with its registers.

    The registers hold an input, a weight and a partial sum.
    """
    kind = "float" if technology.floating_point else "integer"
    inputs, weights = widths.input_bits, widths.weight_bits
    pj, um2 = _sum(
        technology,
        (f"{kind} multiply", (inputs * weights) ** 0.5),
        (f"{kind} add", widths.accumulator_bits),
        ("register", inputs + weights + widths.accumulator_bits),
    )
    return _or(technology.mac_pj, pj), _or(technology.mac_um2, um2)


@functools.cache
def lane(widths: Widths, technology: Technology) -> tuple[float, float]:
    """Energy (pJ) of an operation and area (um2) of a lane of the vector unit.

    A lane has an adder, a multiplier and three registers, all as wide as an accumulator. An
    operation costs the mean of an addition and a multiplication, and the registers.
    """
    kind = "float" if technology.floating_point else "integer"
    bits = widths.accumulator_bits
    units = _sum(technology, (f"{kind} add", bits), (f"{kind} multiply", bits))
    registers = _sum(technology, ("register", 3 * bits))
    return units[0] / 2 + registers[0], units[1] + registers[1]


def _sum(technology: Technology, *operations: tuple[str, float]) -> tuple[float, float]:
    figures = [operation(name, bits, technology.node_nm) for name, bits in operations]
    return sum(pj for pj, _ in figures), sum(um2 for _, um2 in figures)


def _or(given: float | None, of_tables: float) -> float:
    return of_tables if given is None else given


def srams_of(hardware: Hardware, platform: Platform) -> Srams:
    """The SRAMs of a core.

    Raises:
      ValueError: a field of the hardware is not a positive whole number.
      TypeError: its memory is of another type.
    """
    rows, cols = (int_field(name, getattr(hardware, name), low=1) for name in ("rows", "cols"))
    if not (is_shared := isinstance(hardware.memory, Scratchpad)):
        instance("memory", hardware.memory, BufferSizes)
    words = word_bytes(rows, cols, platform.widths, is_shared)
    srams = [
        figures_of(int_field(name, size, low=1, high=MAX_SRAM_BYTES), word, platform.technology)
        for (name, size), word in zip(vars(hardware.memory).items(), words, strict=True)
    ]
    return Srams(*(srams[:1] if is_shared else ()), *srams)


def word_bytes(
    rows: Number, cols: Number, widths: Widths, is_shared: bool
) -> tuple[Float[np.ndarray, "*batch"], ...]:
    """The word of each memory of a core, as wide as the edge of the array that it serves."""
    ifmap, filter_ = rows * (widths.input_bits / 8), cols * (widths.weight_bits / 8)
    ofmap = cols * (widths.accumulator_bits / 8)
    if is_shared:  # as wide as the wider edge
        return np.maximum(ifmap, filter_), ofmap
    return ifmap, filter_, ofmap


def figures_of(
    sram_bytes: Int[np.ndarray, "*batch"],
    word_bytes: Float[np.ndarray, "*batch"],
    technology: Technology,
) -> Sram:
    """Energy, leakage and area of an SRAM; none of them less for a larger one."""
    pj, leakage, um2 = sram(sram_bytes, word_bytes, technology.node_nm)
    pj_per_byte, um2_per_byte = technology.sram_pj_per_byte, technology.sram_um2_per_byte
    return Sram(
        pj if pj_per_byte is None else np.full_like(pj, pj_per_byte),
        leakage,
        um2 if um2_per_byte is None else sram_bytes * um2_per_byte + 0 * um2,
    )


def area_um2(hardware: Hardware, platform: Platform) -> MachineArea:
    """The area of a machine, by part.

    Args:
      hardware: the design; its fields broadcast.
      platform: for its widths, vector unit and technology.

    Raises:
      ValueError: a field of the hardware is not a positive whole number.
      TypeError: an argument is of another type.
    """
    instance("hardware", hardware, Hardware)
    instance("platform", platform, Platform)
    rows, cols, cores = (
        int_field(name, getattr(hardware, name), low=1) for name in ("rows", "cols", "num_cores")
    )
    return area_of(rows, cols, cores, srams_of(hardware, platform), platform)


def area_of(
    rows: Number, cols: Number, num_cores: Number, srams: Srams, platform: Platform
) -> MachineArea:
    """The area of a machine with these SRAMs in each core; it rises with every figure."""
    widths, technology = platform.widths, platform.technology
    array, inputs, outputs, vector = (
        whole(num_cores * part)
        for part in (
            rows * cols * cell(widths, technology)[1],
            sum(one.um2 for one in srams.inputs),
            srams.ofmap.um2,
            platform.vector_unit.lanes * lane(widths, technology)[1],
        )
    )
    return MachineArea(array, inputs, outputs, vector, array + inputs + outputs + vector)
