"""Energy of a GEMM in whole femtojoules: MACs, SRAM accesses, DRAM traffic.

The default costs are those of M. Horowitz, "Computing's energy problem (and what we can do about
it)", ISSCC 2014, figure 1.1.9 (45 nm, 0.9 V): 8-bit integer multiplication 0.2 pJ and addition
0.03 pJ; 64 bits from a memory of 8 KB 10 pJ, of 32 KB 20 pJ, of 1 MB 100 pJ; 64 bits from DRAM 1.3
to 2.6 nJ, of which the lower end is used. Between sizes a power law runs through the first and
the last of the three memories; it gives 19.3 pJ for the middle one. Leakage is not modelled.
"""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import jax
import numpy as np
from jaxtyping import Int

from airchitect_jax._support import (
    INT64_SAFE,
    instance,
    int_field,
    member,
    real_number,
    settle,
    whole_number,
)
from airchitect_jax.cost.arithmetic import Number, rounded_product
from airchitect_jax.types import BufferSizes, Gemm, Memory, Objective, Traffic


@dataclasses.dataclass(frozen=True, kw_only=True)
class EnergyTable:
    """Energy of single events, in picojoules; used in whole femtojoules.

    Attributes:
      mac_pj: one multiplication and addition.
      sram_pj_per_byte: a read or write of a byte of an SRAM of `sram_reference_bytes`.
      sram_reference_bytes: the size that this cost is for.
      sram_exponent: an SRAM of x times the size costs x**sram_exponent times as much.
      dram_pj_per_byte: a byte from or to DRAM.

    Raises:
      ValueError: a cost is negative or not finite, or a size is not a whole number.

    Example:
      >>> table = aj.EnergyTable(mac_pj=0.5)
      >>> table.mac_fj, table.dram_fj_per_byte
      (500, 162500)
    """

    mac_pj: float = 0.23
    sram_pj_per_byte: float = 10 / 8
    sram_reference_bytes: int = 8 * 1024
    sram_exponent: float = math.log(100 / 10) / math.log(1024 / 8)
    dram_pj_per_byte: float = 1300 / 8

    def __post_init__(self) -> None:
        size = whole_number("sram_reference_bytes", self.sram_reference_bytes, high=10**9)
        prices = {
            name: real_number(name, getattr(self, name), low=0, high=1e9)
            for name in ("mac_pj", "sram_pj_per_byte", "sram_exponent", "dram_pj_per_byte")
        }
        settle(self, sram_reference_bytes=size, **prices)

    @property
    def mac_fj(self) -> int:
        """A multiplication and addition, in femtojoules."""
        return round(self.mac_pj * 1000)

    @property
    def dram_fj_per_byte(self) -> int:
        """A byte from or to DRAM, in femtojoules."""
        return round(self.dram_pj_per_byte * 1000)

    def sram_fj_per_byte(self, sram_bytes: Any) -> Int[np.ndarray, "*batch"]:
        """A byte read from or written to an SRAM of a size, in whole femtojoules (int64).

        Raises:
          ValueError: a size is not a whole number of bytes, or int64 does not hold its price.
        """
        sizes = int_field("sram_bytes", sram_bytes, low=1, high=2**53)
        with np.errstate(over="ignore", invalid="ignore"):
            scale = (sizes / self.sram_reference_bytes) ** self.sram_exponent
            price = np.round(self.sram_pj_per_byte * 1000 * scale)
        if not np.all(price < INT64_SAFE):
            raise ValueError(
                f"sram_exponent: {self.sram_exponent} is not allowed with sram_bytes of"
                f" {sizes.max()}; the price of a byte is limited to int64 (2**63 - 1)"
            )
        return price.astype(np.int64)

    def of_buffers(self, buffers: BufferSizes) -> SramPrices:
        """`sram_fj_per_byte` of each of three buffers."""
        instance("buffers", buffers, BufferSizes)
        return SramPrices(
            ifmap_fj_per_byte=self.sram_fj_per_byte(buffers.ifmap_sram_bytes),
            filter_fj_per_byte=self.sram_fj_per_byte(buffers.filter_sram_bytes),
            ofmap_fj_per_byte=self.sram_fj_per_byte(buffers.ofmap_sram_bytes),
        )


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True, kw_only=True)
class SramPrices:
    """Energy of a read or write of a byte of each SRAM, in femtojoules."""

    ifmap_fj_per_byte: Int[np.ndarray, "*batch"] | Any
    filter_fj_per_byte: Int[np.ndarray, "*batch"] | Any
    ofmap_fj_per_byte: Int[np.ndarray, "*batch"] | Any

    def in_python(self) -> SramPrices:
        """The prices of one design as Python integers, which have no largest value."""
        return jax.tree.map(int, self)


def energy_fj(
    gemm: Gemm, moved: Traffic, memory: Memory, table: EnergyTable, prices: SramPrices
) -> Number:
    """Energy in femtojoules: MACs, accesses of each SRAM by its size, DRAM traffic.

    Args:
      gemm: m n k MACs.
      moved: accesses and traffic.
      memory: for the width of an element.
      table: the costs.
      prices: `table.of_buffers(memory.buffers)`, computed outside of any `jit`.
    """
    width = memory.element_bytes
    return (
        macs_fj(gemm, table)
        + operand_fj(
            moved.ifmap_sram_reads + moved.ifmap_sram_writes,
            moved.ifmap_dram_read_bytes,
            width,
            prices.ifmap_fj_per_byte,
            table,
        )
        + operand_fj(
            moved.filter_sram_reads + moved.filter_sram_writes,
            moved.filter_dram_read_bytes,
            width,
            prices.filter_fj_per_byte,
            table,
        )
        + operand_fj(
            moved.ofmap_sram_reads + moved.ofmap_sram_writes,
            moved.ofmap_dram_read_bytes + moved.ofmap_dram_write_bytes,
            width,
            prices.ofmap_fj_per_byte,
            table,
        )
    )


def macs_fj(gemm: Gemm, table: EnergyTable) -> Number:
    """Energy of the m n k MACs."""
    return gemm.m * gemm.n * gemm.k * table.mac_fj


def operand_fj(
    sram_accesses: Number,
    dram_bytes: Number,
    element_bytes: Number,
    sram_fj_per_byte: Number,
    table: EnergyTable,
) -> Number:
    """Energy of one operand: its SRAM accesses (in elements) and its DRAM traffic."""
    return sram_accesses * element_bytes * sram_fj_per_byte + dram_bytes * table.dram_fj_per_byte


def objective_value(objective: Objective, cycles: Number, energy: Number) -> Number:
    """The quantity to minimise: whole cycles, whole femtojoules, or their product.

    The product can exceed 64 bits: for whole numbers, also in float64, it is the exact product
    rounded once to the nearest float64, the same on every backend.
    """
    match member("objective", objective, Objective):
        case Objective.CYCLES:
            return cycles
        case Objective.ENERGY:
            return energy
        case Objective.EDP:
            return rounded_product(cycles, energy)
