"""Energy of single events on a machine in physical units."""

from __future__ import annotations

from typing import NamedTuple

from airchitect_jax.cost.arithmetic import Number


class MachinePrices(NamedTuple):
    """Whole femtojoules per event.

    Attributes:
      mac_fj: a multiplication and addition with its registers, at the platform's widths.
      ifmap_fj_per_byte, filter_fj_per_byte, ofmap_fj_per_byte: a read or write of the SRAM that
        holds the operand (the scratchpad, or the accumulator, where they are shared).
      dram_fj_per_byte: a byte from or to DRAM.
      vector_fj: an operation of the vector unit.
      leakage_fj_per_cycle: of the whole chip.
    """

    mac_fj: Number
    ifmap_fj_per_byte: Number
    filter_fj_per_byte: Number
    ofmap_fj_per_byte: Number
    dram_fj_per_byte: Number
    vector_fj: Number
    leakage_fj_per_cycle: Number
