"""The front of latency, energy and area as tables."""

from __future__ import annotations

from collections.abc import Sequence

from airchitect_jax._support import csv_text
from airchitect_jax.oracle.machines import FrontPoint
from airchitect_jax.recommendation.machines.tables import machine_text
from airchitect_jax.reporting import number_text

FRONT_COLUMNS = (
    "latency_ms",
    "energy_mj",
    "area_mm2",
    "cycles",
    "energy_fj",
    "area_um2",
    "objective",
    "area_budget_um2",
    "latency_budget_s",
    "cost",
    "lower_bound",
    "certified_gap",
    "is_finished",
    "boxes_opened",
    "seconds",
)
FRONT_HEADER = (
    "latency (ms)",
    "energy (mJ)",
    "area (mm2)",
    "machine",
    "objective",
    "area at most (mm2)",
    "latency at most (ms)",
    "certified gap",
)


def figures(point: FrontPoint) -> tuple[float, float, float]:
    """Latency in milliseconds, energy in millijoules, area in square millimetres."""
    clock_hz = point.question.platform.clock_hz
    return 1e3 * point.cycles / clock_hz, point.energy_fj / 1e12, point.area_um2 / 1e6


def front_csv(points: Sequence[FrontPoint]) -> str:
    """One row per point: `FRONT_COLUMNS`, then the values of the machine by axis."""
    axes = tuple(points[0].question.platform.hardware.axes) if points else ()
    rows = [
        (
            *figures(point),
            *point.figures,
            point.question.objective.value,
            _or_empty(point.question.budgets.area_budget_um2),
            _or_empty(point.question.budgets.latency_budget_s),
            point.optimum.cost,
            point.optimum.lower_bound,
            point.optimum.certified_gap,
            point.optimum.is_finished,
            point.optimum.boxes_opened,
            round(point.optimum.seconds, 3),
            *((point.optimum.machine or {})[axis] for axis in axes),
        )
        for point in points
    ]
    return csv_text([(*FRONT_COLUMNS, *axes), *rows])


def front_rows(points: Sequence[FrontPoint]) -> list[list[str]]:
    """One row per point, as in `FRONT_HEADER`."""
    rows = []
    for point in points:
        budgets = point.question.budgets
        area, latency = budgets.area_budget_um2, budgets.latency_budget_s
        rows.append(
            [
                *map(number_text, figures(point)),
                machine_text(point.hardware),
                point.question.objective.value,
                "" if area is None else number_text(area / 1e6),
                "" if latency is None else number_text(latency * 1e3),
                f"{point.optimum.certified_gap:.3g}",
            ]
        )
    return rows


def _or_empty(limit: float | None) -> float | str:
    return "" if limit is None else limit
