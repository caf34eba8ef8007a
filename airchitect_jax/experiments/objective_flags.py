"""Flags for the objective and for the prices that energy is computed from."""

from __future__ import annotations

import dataclasses
from typing import Any

from absl import flags

from airchitect_jax.case_studies import factory
from airchitect_jax.cost import EnergyTable
from airchitect_jax.experiments import runner
from airchitect_jax.oracle import DEFAULT_MEMORY
from airchitect_jax.types import Objective

_TABLE = EnergyTable()

OBJECTIVE = flags.DEFINE_enum(
    "objective",
    Objective.CYCLES.value,
    [objective.value for objective in Objective],
    "The quantity to minimise: cycles, energy in femtojoules, or their product.",
)
ELEMENT_BYTES = flags.DEFINE_integer(
    "element_bytes", 1, "Bytes per element.", lower_bound=1, upper_bound=8
)
_PRICES = tuple(
    flags.DEFINE_float(
        name,
        getattr(_TABLE, name),
        f"{meaning}; by default from Horowitz, ISSCC 2014.",
        lower_bound=0,
        upper_bound=1e9,
    )
    for name, meaning in (
        ("mac_pj", "Picojoules of a multiplication and addition"),
        ("sram_pj_per_byte", "Picojoules of a byte of an SRAM of 8 KB; larger ones cost more"),
        ("dram_pj_per_byte", "Picojoules of a byte from or to DRAM"),
    )
)

ALL = (OBJECTIVE, ELEMENT_BYTES, *_PRICES)


def fields() -> dict[str, Any]:
    """The flag values as fields of a case study."""
    width = ELEMENT_BYTES.value
    return {
        "objective": OBJECTIVE.value,
        "energy_table": energy_table(),
        "element_bytes": width,
        "memory": dataclasses.replace(DEFAULT_MEMORY, element_bytes=width),
    }


def energy_table() -> EnergyTable:
    """The energy table that the flags set.

    Raises:
      ValueError: a cost is not a number.
    """
    return factory.energy_table(runner.values(*_PRICES))
