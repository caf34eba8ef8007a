"""Certificates of best machines, as files (docs/certificates.md)."""

from __future__ import annotations

import dataclasses
import math
import pathlib
from typing import Any

from airchitect_jax._support import read_json, shown, whole_number
from airchitect_jax.verification.machines import Box, Space
from airchitect_jax.verification.values import OBJECTIVES, Rules

FORMAT, VERSION = "airchitect_jax machine certificate", 1
_BUDGETS = (
    "mac_budget",
    "sram_budget_bytes",
    "area_budget_um2",
    "power_budget_w",
    "latency_budget_s",
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Line:
    """A lower bound of the weighted sum of cycles and energy of all schedules of a box."""

    box: Box
    cycles_weight: float
    energy_weight: float
    least: float


@dataclasses.dataclass(frozen=True, kw_only=True)
class Certificate:
    """What is asked, what was found, and what is claimed about all other machines.

    Attributes:
      space, rules: of the question.
      dims: m, n and k of each GEMM.
      runs: of each GEMM.
      incumbent: as in the file; None if there is none.
      lower_bound: of the cost of all machines.
      gap: `cost / lower_bound - 1`.
      lines, boxes, bounds: boxes with their bounds; `used` are numbers of their lines.
    """

    space: Space
    rules: Rules
    dims: list[tuple[int, int, int]]
    runs: list[int]
    incumbent: dict[str, Any] | None
    lower_bound: float
    gap: float
    lines: list[Line]
    boxes: list[Box]
    bounds: list[float]
    used: list[list[int]]


def read_certificate(path: pathlib.Path) -> Certificate:
    """Reads a certificate.

    Raises:
      ValueError: it is not one, or asks for what cannot be checked; names the file.
    """
    content = read_json(path)
    try:
        return parse_certificate(content)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def parse_certificate(content: Any) -> Certificate:
    """The certificate in the content of a file.

    Raises:
      ValueError: it is not one, or asks for what cannot be checked.
    """
    found = content.get("format") if isinstance(content, dict) else None
    if found != FORMAT:
        raise ValueError(f"format: {shown(found)} is not allowed; expected {FORMAT!r}")
    if content.get("version") != VERSION:
        raise ValueError(f"version: {shown(content.get('version'))} is not known; expected 1")
    try:
        return _parsed(content)
    except (KeyError, TypeError, IndexError, AttributeError, ZeroDivisionError) as error:
        raise ValueError(f"malformed: {type(error).__name__}: {error}") from None


def _parsed(content: dict[str, Any]) -> Certificate:
    question = content["question"]
    platform, objective = question["platform"], question["objective"]
    if platform["terms"]:
        raise ValueError("platform: terms: cost terms are not supported by the checker")
    if objective not in OBJECTIVES:
        raise ValueError(f"objective: {shown(objective)} is not allowed")
    for name, values in platform["axes"].items():
        if values != sorted({whole_number(name, value, high=2**50) for value in values}):
            raise ValueError(f"platform: axes: {name}: expected to ascend")
    gemms = [[whole_number("gemms", x, high=2**128) for x in row] for row in question["gemms"]]
    sizes = [len(values) for values in platform["axes"].values()]
    lines = [
        Line(
            box=_box(f"lines: line {number}", low, high, sizes),
            cycles_weight=_bound(cycles),
            energy_weight=_bound(energy),
            least=_bound(least),
        )
        for number, (low, high, cycles, energy, least) in enumerate(content["lines"])
    ]
    boxes, bounds, used = [], [], []
    for number, (low, high, bound, numbers) in enumerate(content["boxes"]):
        boxes.append(_box(f"boxes: box {number}", low, high, sizes))
        bounds.append(_bound(bound))
        used.append([whole_number("lines", x, low=0, high=len(lines) - 1) for x in numbers])
    return Certificate(
        space=Space(platform, question["operators"]),
        rules=Rules(
            objective=objective,
            budgets={name: question["budgets"][name] for name in _BUDGETS},
            clock_hz=platform["clock_hz"],
            overlapped=platform["vector_unit"]["overlapped"],
        ),
        dims=[(m, n, k) for m, n, k, _ in gemms],
        runs=[runs for *_, runs in gemms],
        incumbent=content["incumbent"],
        lower_bound=_bound(content["lower_bound"]),
        gap=_bound(content["gap"]),
        lines=lines,
        boxes=boxes,
        bounds=bounds,
        used=used,
    )


def _box(name: str, low: Any, high: Any, sizes: list[int]) -> Box:
    for first, last, size in zip(low, high, sizes, strict=True):
        if not 0 <= whole_number(name, first, low=0) <= whole_number(name, last, low=0) < size:
            raise ValueError(f"{name}: {low} to {high} is no box of the space")
    return tuple(low), tuple(high)


def _bound(value: Any) -> float:
    """A number that is not negative; null is infinite."""
    number = math.inf if value is None else float(value)
    if not number >= 0:
        raise ValueError(f"{shown(value)} is not allowed; expected a number not below zero")
    return number
