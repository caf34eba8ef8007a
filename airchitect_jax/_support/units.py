"""Quantities with units, read and written exactly: `24MB`, `614.4GB/s`, `1.05GHz`, `3.9pJ/bit`.

Sizes count in powers of 1024 (`KB` is `KiB`), as memories are built; rates count in powers of 1000
(`GB/s` is 10**9 bytes per second), as vendors print them. A number without a unit is in the base
unit.
"""

from __future__ import annotations

import dataclasses
import numbers
import re
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from airchitect_jax._support.scalars import shown

_NUMBER = r"[0-9]{1,80}(?:\.[0-9]{1,80})?(?:e(?:-[0-9]{1,3}|\+?[0-9]{1,2}))?"
_QUANTITY = re.compile(rf"({_NUMBER}) *((?:[A-Za-z][A-Za-z0-9/]*)?)")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Unit:
    """The units of one kind of quantity.

    Attributes:
      kind: what messages call it.
      factors: the number of base units in each unit, by suffix, ascending.
    """

    kind: str
    factors: Mapping[str, Fraction | int]

    @property
    def base(self) -> str:
        """The suffix of the base unit."""
        return next(suffix for suffix, factor in self.factors.items() if factor == 1)

    @property
    def expected(self) -> str:
        """What messages say is allowed."""
        return " ".join([self.kind, *(["in", ", ".join(self.factors)] if self.base else [])])


COUNT = Unit(kind="a whole number", factors={"": 1})
SIZE = Unit(
    kind="a size",
    factors={
        "B": 1,
        "KB": 2**10,
        "MB": 2**20,
        "GB": 2**30,
        "KiB": 2**10,
        "MiB": 2**20,
        "GiB": 2**30,
    },
)
RATE = Unit(
    kind="a rate", factors={"B/s": 1, "KB/s": 10**3, "MB/s": 10**6, "GB/s": 10**9, "TB/s": 10**12}
)
FREQUENCY = Unit(kind="a frequency", factors={"Hz": 1, "kHz": 10**3, "MHz": 10**6, "GHz": 10**9})
LENGTH = Unit(kind="a length", factors={"nm": 1, "um": 10**3})
AREA = Unit(kind="an area", factors={"um2": 1, "mm2": 10**6})
POWER = Unit(kind="a power", factors={"mW": Fraction(1, 10**3), "W": 1})
TIME = Unit(
    kind="a time",
    factors={"ns": Fraction(1, 10**9), "us": Fraction(1, 10**6), "ms": Fraction(1, 10**3), "s": 1},
)
ENERGY = Unit(kind="an energy", factors={"fJ": Fraction(1, 10**3), "pJ": 1, "nJ": 10**3})
ENERGY_PER_BYTE = Unit(
    kind="an energy",
    factors={
        "fJ/byte": Fraction(1, 10**3),
        "fJ/bit": Fraction(8, 10**3),
        "pJ/byte": 1,
        "pJ/bit": 8,
    },
)

AREA_PER_BYTE = Unit(kind="an area", factors={"um2/byte": 1, "um2/bit": 8})
POWER_DENSITY = Unit(kind="a power", factors={"mW/mm2": 1, "W/mm2": 1000})


def quantity(name: str, value: Any, unit: Unit) -> int | Fraction:
    """A quantity in base units, at least zero and exact; an integer if it is whole.

    Args:
      name: of the field, for messages.
      value: a text such as "24MB", or a number in base units.
      unit: the units that are allowed.

    Raises:
      ValueError: it is no such quantity; names the field, the value and the units.
    """
    is_number = isinstance(value, numbers.Real) and not isinstance(value, bool)
    text = shown(value) if is_number else value
    found = _QUANTITY.fullmatch(text) if isinstance(text, str) else None
    if found is None or (found[2] or unit.base) not in unit.factors:
        raise ValueError(f"{name}: {shown(value)} is not allowed; expected {unit.expected}")
    exact = Fraction(found[1]) * unit.factors[found[2] or unit.base]
    return exact.numerator if exact.denominator == 1 else exact


def whole_quantity(name: str, value: Any, unit: Unit) -> int:
    """As `quantity`, of a whole number of base units.

    Raises:
      ValueError: it is no such quantity, or not whole; names the field, the value and the units.
    """
    number = quantity(name, value, unit)
    if isinstance(number, Fraction):
        whole = f"whole {unit.base}" if unit.base else unit.expected
        raise ValueError(f"{name}: {shown(value)} is not allowed; expected {whole}")
    return number


def quantity_text(value: float, unit: Unit) -> str:
    """The text of a quantity in base units; `quantity` reads it without loss."""
    exact = Fraction(str(value))
    for suffix, factor in sorted(unit.factors.items(), key=lambda item: item[1], reverse=True):
        number = exact / factor
        thousandths = number * 1000
        if number >= 1 and thousandths.denominator == 1:
            whole, rest = divmod(thousandths.numerator, 1000)
            return f"{whole}.{rest:03}".rstrip("0").rstrip(".") + suffix
    return f"{value}{unit.base}"
