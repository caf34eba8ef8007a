"""Parts of a machine in physical units that all designs on a platform share."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from airchitect_jax._support import instance, member, real_number, settle, shown, whole_number
from airchitect_jax.cost.technology import dram_pj_per_bit, nodes_nm
from airchitect_jax.types import OperatorKind


@dataclasses.dataclass(frozen=True, kw_only=True)
class Widths:
    """Bits of one element of each kind. Partial sums have the width of the accumulator.

    Example:
      >>> aj.Widths(input_bits=4, weight_bits=4).accumulator_bits
      32
    """

    input_bits: int = 8
    weight_bits: int = 8
    accumulator_bits: int = 32
    output_bits: int = 8

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            name = field.name
            settle(self, **{name: whole_number(name, getattr(self, name), high=512)})


@dataclasses.dataclass(frozen=True, kw_only=True)
class VectorUnit:
    """The unit of a core for all work that is not matrix products.

    Attributes:
      lanes: elements that it works on at a time.
      rates: operations per lane and cycle, for kinds of operator that differ from 1.
      fused: kinds that run on results on their way from the array to DRAM, as activations often do:
        they cause no traffic of their own.
      overlapped: whether it works beside the array, so that the longer of both counts for a
        network; otherwise one waits for the other.

    Example:
      >>> aj.VectorUnit(lanes=64, fused=(aj.OperatorKind.ACTIVATION,)).lanes
      64
    """

    lanes: int = 128
    rates: Mapping[OperatorKind, Fraction] | tuple[tuple[OperatorKind, Fraction], ...] = ()
    fused: tuple[OperatorKind, ...] = ()
    overlapped: bool = False

    def __post_init__(self) -> None:
        pairs = tuple(self.rates.items()) if isinstance(self.rates, Mapping) else self.rates
        if not isinstance(pairs, (tuple, list)) or not all(
            isinstance(pair, tuple) and len(pair) == 2 for pair in pairs
        ):
            raise TypeError(
                f"rates: {shown(self.rates)} is not allowed; expected a mapping of kinds to numbers"
            )
        rates = {member("rates", kind, OperatorKind): rate for kind, rate in pairs}
        settle(
            self,
            lanes=whole_number("lanes", self.lanes, high=2**20),
            rates=tuple(
                (kind, _rate(f"rates: {kind.value}", rates[kind]))
                for kind in sorted(rates, key=lambda kind: kind.value)
            ),
        )
        if not isinstance(self.fused, (tuple, list)):
            raise TypeError(f"fused: {shown(self.fused)} is not allowed; expected a tuple of kinds")
        fused = {member("fused", kind, OperatorKind) for kind in self.fused}
        settle(self, fused=tuple(sorted(fused, key=lambda kind: kind.value)))
        instance("overlapped", self.overlapped, bool)

    def rate(self, kind: OperatorKind) -> Fraction:
        """Operations per lane and cycle."""
        return dict(self.rates).get(kind, Fraction(1))


def _rate(name: str, value: Any) -> Fraction:
    number = float(value) if isinstance(value, Fraction) else value
    real_number(name, number, low=1e-6, high=1e6)
    exact = value if isinstance(value, Fraction) else Fraction(float(value))
    return exact.limit_denominator(10**6)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Technology:
    """The process and the DRAM, from which energy, leakage and area follow.

    Attributes:
      node_nm: of the logic and the SRAMs, in nanometres.
      dram: the kind of DRAM, for example "DDR4" or "HBM2".
      floating_point: whether the arithmetic is in floating point; otherwise it is in integers.
      mac_pj, mac_um2, sram_pj_per_byte, sram_um2_per_byte, dram_pj_per_byte, leakage_mw_per_mm2: in
        place of those of the tables. A MAC is one with its registers; leakage is that of the
        modelled area.

    Raises:
      ValueError: a value is out of range, or the tables do not have the node or the kind of DRAM.
      TypeError: a field is of another type.

    Example:
      >>> aj.Technology(node_nm=7, dram="HBM2").node_nm
      7.0
    """

    node_nm: float = 45.0
    dram: str = "DDR4"
    floating_point: bool = False
    mac_pj: float | None = None
    mac_um2: float | None = None
    sram_pj_per_byte: float | None = None
    sram_um2_per_byte: float | None = None
    dram_pj_per_byte: float | None = None
    leakage_mw_per_mm2: float | None = None

    def __post_init__(self) -> None:
        instance("dram", self.dram, str)
        smallest, largest = nodes_nm()
        settle(self, node_nm=real_number("node_nm", self.node_nm, low=smallest, high=largest))
        if self.dram_pj_per_byte is None and self.dram not in dram_pj_per_bit():
            raise ValueError(
                f"dram: {shown(self.dram)} is not allowed without dram_pj_per_byte; expected"
                f" {', '.join(dram_pj_per_bit())}"
            )
        instance("floating_point", self.floating_point, bool)
        for name in OVERRIDES:
            value = getattr(self, name)
            if value is not None:
                settle(self, **{name: real_number(name, value, low=0, high=1e9)})


OVERRIDES = tuple(field.name for field in dataclasses.fields(Technology) if field.default is None)
