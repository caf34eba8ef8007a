"""Case studies from their settings by name, as flags give them and as config.json keeps them."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from airchitect_jax.case_studies.array_dataflow import ArrayDataflowCase
from airchitect_jax.case_studies.buffers import BufferCase
from airchitect_jax.cost.energy import EnergyTable
from airchitect_jax.oracle.ranking import Goal
from airchitect_jax.types import (
    BufferSizes,
    Interface,
    Memory,
    MemoryModel,
    Objective,
    RuntimeModel,
)
from airchitect_jax.workloads.sampling import Distribution


def gemm_fields(settings: Mapping[str, Any]) -> dict[str, Any]:
    """What all case studies are told about GEMMs and their cycles, as their fields."""
    return {
        "max_dim": settings["max_dim"],
        "distribution": Distribution(settings["distribution"]),
        "runtime_model": RuntimeModel(settings["runtime_model"]),
    }


def array_case(settings: Mapping[str, Any]) -> ArrayDataflowCase:
    """Case study 1; its objective is cycles where no objective is set.

    Raises:
      KeyError: a setting is missing.
      ValueError: the ranges contradict each other, or a price is not a number.
    """
    case = ArrayDataflowCase(
        min_mac_exponent=settings["min_mac_exponent"],
        max_mac_exponent=settings["max_mac_exponent"],
        **gemm_fields(settings),
    )
    return dataclasses.replace(case, goal=_goal(settings)) if "objective" in settings else case


def _goal(settings: Mapping[str, Any]) -> Goal:
    size = settings["sram_kb"] * 1024
    return Goal(
        objective=Objective(settings["objective"]),
        memory=Memory(
            buffers=BufferSizes(
                ifmap_sram_bytes=size, filter_sram_bytes=size, ofmap_sram_bytes=size
            ),
            bandwidth_bytes_per_cycle=1,
            element_bytes=settings["element_bytes"],
        ),
        energy_table=energy_table(settings),
    )


def buffer_case(settings: Mapping[str, Any]) -> BufferCase:
    """Case study 2.

    Raises:
      KeyError: a setting is missing.
      ValueError: the ranges contradict each other, or a price is not a number.
    """
    return BufferCase(
        min_budget_kb=settings["min_budget_kb"],
        max_budget_kb=settings["max_budget_kb"],
        min_side_exponent=settings["min_side_exponent"],
        max_side_exponent=settings["max_side_exponent"],
        max_bandwidth=settings["max_bandwidth"],
        element_bytes=settings["element_bytes"],
        objective=Objective(settings["objective"]),
        memory_model=MemoryModel(settings["memory_model"]),
        interface=Interface(settings["interface"]),
        energy_table=energy_table(settings),
        **gemm_fields(settings),
    )


def energy_table(settings: Mapping[str, Any]) -> EnergyTable:
    """Prices of the operations.

    Raises:
      KeyError: a price is missing.
      ValueError: a price is not a number.
    """
    names = ("mac_pj", "sram_pj_per_byte", "dram_pj_per_byte")
    return EnergyTable(**{name: settings[name] for name in names})
