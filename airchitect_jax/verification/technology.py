"""Energy, leakage and area of parts from the tables of `cost/tables`, read as data."""

from __future__ import annotations

import csv
import functools
import importlib.resources
import math
from collections.abc import Iterable, Mapping
from typing import Any

_GATE_LEAKAGE_W_PER_UM2 = 79.1e-9 / 4.522  # DFF_X1 of the NanGate Open Cell Library, 45 nm
_SMALLEST_SRAM_NODE = 22.0
_Points = tuple[tuple[float, float], ...]  # logarithms of x and y, ascending


@functools.cache
def rows(table: str) -> tuple[dict[str, str], ...]:
    """The rows of a table."""
    folder = importlib.resources.files("airchitect_jax") / "cost" / "tables"
    text = (folder / f"{table}.csv").read_text(encoding="utf-8")
    return tuple(csv.DictReader(text.splitlines()))


def _points(pairs: Iterable[tuple[float, float]]) -> _Points:
    return tuple(sorted((math.log(x), math.log(y)) for x, y in pairs))


def _line(a: tuple[float, float], b: tuple[float, float], x: float) -> float:
    return a[1] + (b[1] - a[1]) / (b[0] - a[0]) * (x - a[0])


def _extended(points: _Points, x: float) -> float:
    """Between points; beyond the ends the last segments go on."""
    last = next((i for i in range(1, len(points)) if x <= points[i][0]), len(points) - 1)
    return _line(points[last - 1], points[last], x)


def _neighbours(knots: Iterable[float], value: float) -> list[tuple[float, float]]:
    """The knots next to a value with their weights, which are linear in logarithms."""
    below = max((x for x in knots if x <= value), default=min(knots))
    above = min((x for x in knots if x >= value), default=max(knots))
    if below >= above:
        return [(above if value > above else below, 1.0)]
    share = math.log(value / below) / math.log(above / below)
    return [(below, 1 - share), (above, share)]


@functools.cache
def _node_points(quantity: str) -> _Points:
    found = [row for row in rows("nodes") if row["quantity"] == quantity]
    return _points((float(row["node_nm"]), float(row["value"])) for row in found)


@functools.cache
def scale(quantity: str, node_nm: float) -> float:
    """A quantity of `nodes.csv` on a node."""
    return math.exp(_extended(_node_points(quantity), math.log(node_nm)))


@functools.cache
def operation(name: str, bits: float, node_nm: float) -> tuple[float, float]:
    """Energy (pJ) and area (um2) of an operation on operands of a width."""
    found = [row for row in rows("operations") if row["operation"] == name]
    energy, area = (
        _points((float(row["bits"]), float(row[column])) for row in found)
        for column in ("pj", "um2")
    )
    at = math.log(bits)
    return (
        math.exp(_extended(energy, at)) * scale("logic_energy", node_nm),
        math.exp(_extended(area, at)) * scale("logic_area", node_nm),
    )


@functools.cache
def _sram_points() -> dict[float, dict[float, tuple[_Points, _Points, _Points]]]:
    """By node and width of a word, in bytes: energy per byte, leakage and area over size."""
    groups: dict[float, dict[float, list[dict[str, float]]]] = {}
    for row in rows("sram"):
        each = {name: float(value) for name, value in row.items()}
        groups.setdefault(each["node_nm"], {}).setdefault(each["word_bytes"], []).append(each)

    def curve(found: list[dict[str, float]], word: float) -> tuple[_Points, _Points, _Points]:
        energy = [(x["read_pj"] + x["write_pj"]) / 2 / word for x in found]
        sizes = [x["sram_bytes"] for x in found]
        return (
            _points(zip(sizes, energy, strict=True)),
            _points((x["sram_bytes"], x["leakage_mw"] / 1000) for x in found),
            _points((x["sram_bytes"], x["area_um2"]) for x in found),
        )

    return {
        node: {word: curve(found, word) for word, found in words.items()}
        for node, words in groups.items()
    }


@functools.cache
def sram(sram_bytes: int, word_bytes: float, node_nm: float) -> tuple[float, float, float]:
    """Energy of a byte (pJ), leakage (W) and area (um2) of an SRAM."""
    figures = [0.0, 0.0, 0.0]
    size = math.log(sram_bytes)
    for node, node_weight in _neighbours(_sram_points(), node_nm):
        words = _sram_points()[node]
        for word, word_weight in _neighbours(words, word_bytes):
            for place, slope in enumerate((0.5, 1.0, 1.0)):  # beyond the ends of the table
                points = words[word][place]
                inside = min(max(size, points[0][0]), points[-1][0])
                value = _extended(points, inside) + slope * (size - inside)
                figures[place] += node_weight * word_weight * value
    energy, leakage, area = map(math.exp, figures)
    if node_nm >= _SMALLEST_SRAM_NODE:
        return energy, leakage, area

    def ratio(quantity: str) -> float:
        return scale(quantity, node_nm) / scale(quantity, _SMALLEST_SRAM_NODE)

    switched = ratio("sram_cell_um2") ** 0.5 * ratio("supply_v") ** 2
    return energy * switched, leakage * switched, area * ratio("sram_cell_um2")


def dram_pj_per_byte(technology: Mapping[str, Any]) -> float:
    """The energy of a byte from or to DRAM."""
    if technology["dram_pj_per_byte"] is not None:
        return float(technology["dram_pj_per_byte"])
    found = [row for row in rows("dram") if row["kind"] == technology["dram"]]
    return 8 * float(found[0]["pj_per_bit"])


def gate_leakage_w_per_um2(node_nm: float) -> float:
    """Leakage of logic: that of a gate scales as its energy."""
    return _GATE_LEAKAGE_W_PER_UM2 * scale("logic_energy", node_nm) / scale("logic_area", node_nm)
