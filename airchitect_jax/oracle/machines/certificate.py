"""Certificates: the proof of a best machine as JSON, for an independent check."""

from __future__ import annotations

import dataclasses
import json
import math
import pathlib
from collections.abc import Mapping
from typing import Any

from airchitect_jax._support import write_text
from airchitect_jax.cost import Platform
from airchitect_jax.oracle.machines.answer import Line, Optimum, Totals
from airchitect_jax.oracle.machines.question import Question
from airchitect_jax.types import Dataflow, LoopOrder

FORMAT, VERSION = "airchitect_jax machine certificate", 1


def certificate(question: Question, optimum: Optimum) -> dict[str, Any]:
    """A certificate (docs/certificates.md) as JSON holds it."""
    lines = {line: None for box in optimum.boxes for line in box.lines or ()}
    numbers = {line: number for number, line in enumerate(lines)}
    return {
        "format": FORMAT,
        "version": VERSION,
        "question": _question(question),
        "incumbent": _incumbent(optimum.machine, optimum.totals, optimum.cost),
        "lower_bound": _number(optimum.lower_bound),
        "gap": _number(optimum.certified_gap) if math.isfinite(optimum.cost) else None,
        "lines": [_line(line) for line in lines],
        "boxes": [
            [box.low, box.high, _number(box.bound), [numbers[line] for line in box.lines or ()]]
            for box in optimum.boxes
        ],
    }


def write_certificate(path: pathlib.Path, question: Question, optimum: Optimum) -> None:
    """Writes a certificate atomically."""
    content = certificate(question, optimum)
    # A line of text per entry of the long lists.
    lists = {name: content.pop(name) for name in ("lines", "boxes")}
    text = json.dumps(content, indent=1, allow_nan=False).removesuffix("\n}")
    for name, entries in lists.items():
        rows = ",\n".join(
            json.dumps(entry, separators=(",", ":"), allow_nan=False) for entry in entries
        )
        text += f',\n "{name}": [\n{rows}\n ]'
    write_text(path, text + "\n}\n")


def _question(question: Question) -> dict[str, Any]:
    return {
        "platform": _platform(question.platform),
        "gemms": [
            [*gemm, runs]
            for gemm, runs in zip(question.gemms.gemms, question.gemms.counts, strict=True)
        ],
        "operators": [
            [one.kind.value, one.operations, one.input_elements, one.output_elements, runs]
            for one, runs in question.operators
        ],
        "objective": question.objective.value,
        "budgets": dataclasses.asdict(question.budgets),
    }


def _platform(platform: Platform) -> dict[str, Any]:
    unit = platform.vector_unit
    return {
        "name": platform.name,
        "clock_hz": platform.clock_hz,
        "runtime_model": platform.runtime_model.value,
        "dataflows": [flow.name for flow in platform.dataflows],
        "axes": platform.hardware.axes,
        "widths": dataclasses.asdict(platform.widths),
        "vector_unit": {
            "lanes": unit.lanes,
            "rates": {
                kind.value: [rate.numerator, rate.denominator] for kind, rate in unit.rates
            },
            "fused": [kind.value for kind in unit.fused],
            "overlapped": unit.overlapped,
        },
        "technology": dataclasses.asdict(platform.technology),
        "terms": [term.name for term in platform.terms],
    }


def _incumbent(
    machine: Mapping[str, int] | None, totals: Totals | None, cost: float
) -> dict[str, Any] | None:
    if machine is None or totals is None:
        return None
    fields = dataclasses.asdict(totals.mappings.mappings)
    return {
        "machine": dict(machine),
        "mappings": [
            {name: _entry(name, value) for name, value in zip(fields, row, strict=True)}
            for row in zip(*fields.values(), strict=True)
        ],
        "array_cycles": totals.array_cycles,
        "operator_cycles": totals.operator_cycles,
        "busy_cycles": totals.busy_cycles,
        "waiting_cycles": totals.cycles - totals.busy_cycles,
        "cycles": totals.cycles,
        "energy_fj": totals.energy_fj,
        "cost": cost,
    }


def _entry(name: str, value: Any) -> int | str:
    match name:
        case "dataflow":
            return Dataflow(int(value)).name
        case "order":
            return LoopOrder(int(value)).name
        case _:
            return int(value)


def _line(line: Line) -> list[Any]:
    return [line.low, line.high, line.cycles_weight, line.energy_weight, _number(line.least)]


def _number(value: Any) -> Any:
    """JSON has no infinite numbers."""
    return value if math.isfinite(value) else None
