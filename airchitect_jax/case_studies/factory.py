"""Settings that case studies have in common, from flags or from config.json."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airchitect_jax.cost import EnergyTable
from airchitect_jax.types import RuntimeModel
from airchitect_jax.workloads import Distribution


def gemm_fields(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The fields that all case studies share: GEMM dimensions and the cycle count."""
    return {
        "max_dim": settings["max_dim"],
        "distribution": Distribution(settings["distribution"]),
        "runtime_model": RuntimeModel(settings["runtime_model"]),
    }


def energy_table(settings: Mapping[str, Any]) -> EnergyTable:
    """Prices of the operations.

    Raises:
      KeyError: a price is missing.
      ValueError: a price is not a number.
    """
    names = ("mac_pj", "sram_pj_per_byte", "dram_pj_per_byte")
    return EnergyTable(**{name: settings[name] for name in names})
