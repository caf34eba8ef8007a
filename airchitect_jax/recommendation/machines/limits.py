"""Budgets beside the smallest and the largest machine of a space."""

from __future__ import annotations

from typing import NamedTuple

from airchitect_jax.cost import area_um2
from airchitect_jax.cost.tiled import halves_of, wires_of
from airchitect_jax.cost.tiled_loops import tiles_fit
from airchitect_jax.oracle.machines import Question
from airchitect_jax.types import Hardware


class _Parts(NamedTuple):
    """What a machine has."""

    num_macs: int
    sram_bytes: int
    area_um2: int


def unused_budgets(question: Question) -> tuple[str, ...]:
    """What the budgets allow and no machine of the space reaches, one line each."""
    budgets, largest = question.budgets, _parts(question, -1)
    reached = (
        ("mac_budget", budgets.mac_budget, largest.num_macs, 1, "MAC units"),
        ("sram_budget", budgets.sram_budget_bytes, largest.sram_bytes, 1024, "KB"),
        ("area_budget", budgets.area_budget_um2, largest.area_um2, 10**6, "mm2"),
    )
    return tuple(
        f"{name}: {limit / unit:,g} {words}, but the largest machine of"
        f" {question.platform.name} has {most / unit:,.6g}"
        for name, limit, most, unit, words in reached
        if limit is not None and most < limit
    )


def why_none(question: Question) -> str:
    """Why no machine is within the budgets."""
    largest = _hardware(question, -1)
    wires, halves = wires_of(largest, question.platform), halves_of(largest)
    if not tiles_fit(1, 1, 1, wires, halves):
        return "hardware: not even a tile of one element fits into the working halves of its SRAMs"
    budgets, least = question.budgets, _parts(question, 0)
    limits = (budgets.mac_budget, budgets.sram_budget_bytes, budgets.area_budget_um2)
    is_within = all(limit is None or x <= limit for x, limit in zip(least, limits, strict=True))
    return (
        f"budgets: no machine of {question.platform.name} is within the budgets; the least of these"
        f" are {least.num_macs:,} MAC units, {least.sram_bytes / 1024:g} KB of SRAM and"
        f" {least.area_um2 / 1e6:.3g} mm2"
        + (", and no mapping keeps latency and power" if is_within else "")
    )


def _hardware(question: Question, place: int) -> Hardware:
    """The smallest (0) or the largest (-1) machine."""
    axes = question.platform.hardware.axes
    return question.platform.hardware_of(**{name: x[place] for name, x in axes.items()})


def _parts(question: Question, place: int) -> _Parts:
    """Of the smallest or the largest machine: each part rises along every axis."""
    hardware = _hardware(question, place)
    return _Parts(
        num_macs=int(hardware.rows * hardware.cols * hardware.num_cores),
        sram_bytes=hardware.num_cores * sum(vars(hardware.memory).values()),
        area_um2=int(area_um2(hardware, question.platform).total_um2),
    )
