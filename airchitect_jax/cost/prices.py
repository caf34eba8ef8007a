"""Energy of single events on a machine in physical units."""

from __future__ import annotations

from typing import NamedTuple

from airchitect_jax.cost.area import MachineArea, Srams, area_um2, cell, lane, srams_of, whole
from airchitect_jax.cost.arithmetic import Number
from airchitect_jax.cost.platform import Platform
from airchitect_jax.cost.technology import dram_pj_per_bit, logic_leakage_w_per_um2
from airchitect_jax.types import Hardware


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


def machine_prices(hardware: Hardware, platform: Platform) -> MachinePrices:
    """The energy of single events on a machine, from the tables of its technology.

    Args:
      hardware: the design; its fields broadcast.
      platform: for its clock, widths, vector unit and technology.

    Raises:
      ValueError: a field of the hardware is not a positive whole number.
      TypeError: an argument is of another type.
    """
    area = area_um2(hardware, platform)
    return prices_of(hardware.num_cores, srams_of(hardware, platform), area, platform)


def prices_of(
    num_cores: Number, srams: Srams, area: MachineArea, platform: Platform
) -> MachinePrices:
    """The prices of a machine with these SRAMs in each core; they rise with every figure."""
    widths, technology = platform.widths, platform.technology
    dram_pj = technology.dram_pj_per_byte
    if dram_pj is None:
        dram_pj = 8 * dram_pj_per_bit()[technology.dram]
    if technology.leakage_mw_per_mm2 is not None:
        leakage_w = technology.leakage_mw_per_mm2 * area.total_um2 / 1e9
    else:
        core_w = sum(sram.leakage_w for sram in (*srams.inputs, srams.ofmap))
        logic_um2 = area.array_um2 + area.vector_um2
        leakage_w = core_w * num_cores + logic_um2 * logic_leakage_w_per_um2(technology.node_nm)
    return MachinePrices(
        mac_fj=whole(1000 * cell(widths, technology)[0]),
        ifmap_fj_per_byte=whole(1000 * srams.ifmap.pj_per_byte),
        filter_fj_per_byte=whole(1000 * srams.filter.pj_per_byte),
        ofmap_fj_per_byte=whole(1000 * srams.ofmap.pj_per_byte),
        dram_fj_per_byte=whole(1000 * dram_pj),
        vector_fj=whole(1000 * lane(widths, technology)[0]),
        leakage_fj_per_cycle=whole(1e15 * leakage_w / platform.clock_hz),
    )
