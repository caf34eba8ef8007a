"""Tables of energy, leakage and area, interpolated in logarithms.

SRAMs from 90 to 22 nm are those of CACTI 7; for smaller nodes their figures are scaled by published
cell sizes and supplies. Operations are published at 45 nm and scaled by published factors. Every
row of `tables/*.csv` names its source; `tables/README.md` says how they are made.
"""

from __future__ import annotations

import collections
import csv
import functools
import importlib.resources
import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

_TABLES = importlib.resources.files("airchitect_jax.cost") / "tables"
_Curve = tuple[Float[np.ndarray, "points"], Float[np.ndarray, "points"]]
# Of logic at 45 nm: DFF_X1 of the NanGate Open Cell Library, typical, 79.1 nW on 4.522 um2.
_LEAKAGE_W_PER_UM2 = 79.1e-9 / 4.522
# CACTI's smallest node; smaller ones are scaled from it.
_SMALLEST_OF_CACTI = 22.0


class Sram(NamedTuple):
    """Figures of an SRAM.

    Attributes:
      pj_per_byte: a byte read or written, the mean of both.
      leakage_w: in watts.
      um2: area.
    """

    pj_per_byte: Float[np.ndarray, "*batch"]
    leakage_w: Float[np.ndarray, "*batch"]
    um2: Float[np.ndarray, "*batch"]


def _rows(name: str) -> list[dict[str, str]]:
    return list(csv.DictReader((_TABLES / name).read_text(encoding="utf-8").splitlines()))


def _logarithms(points: dict[float, float]) -> _Curve:
    """A curve through points, in logarithms."""
    xs = sorted(points)
    return np.log(xs), np.log([points[x] for x in xs])


def _along(curve: _Curve, x: Float[np.ndarray, "*batch"]) -> Float[np.ndarray, "*batch"]:
    """A curve at x, in logarithms; beyond its ends the last segments go on."""
    xs, ys = curve
    segment = np.clip(np.searchsorted(xs, x) - 1, 0, len(xs) - 2)
    slope = (ys[segment + 1] - ys[segment]) / (xs[segment + 1] - xs[segment])
    return ys[segment] + slope * (x - xs[segment])


@functools.cache
def dram_pj_per_bit() -> dict[str, float]:
    """Energy of a bit from or to DRAM, by kind."""
    return {row["kind"]: float(row["pj_per_bit"]) for row in _rows("dram.csv")}


@functools.cache
def _nodes() -> dict[str, _Curve]:
    points: dict[str, dict[float, float]] = collections.defaultdict(dict)
    for row in _rows("nodes.csv"):
        points[row["quantity"]][float(row["node_nm"])] = float(row["value"])
    return {name: _logarithms(values) for name, values in points.items()}


def nodes_nm() -> tuple[float, float]:
    """The smallest and the largest node of the tables."""
    nodes = np.exp(_nodes()["logic_area"][0])
    return round(float(nodes[0])), round(float(nodes[-1]))


def _of_node(quantity: str, node_nm: float) -> float:
    return math.exp(_along(_nodes()[quantity], np.log(node_nm)))


@functools.cache
def _operations() -> dict[str, tuple[_Curve, _Curve]]:
    rows = _rows("operations.csv")
    return {
        name: (
            _logarithms({float(r["bits"]): float(r["pj"]) for r in rows if r["operation"] == name}),
            _logarithms(
                {float(r["bits"]): float(r["um2"]) for r in rows if r["operation"] == name}
            ),
        )
        for name in {row["operation"] for row in rows}
    }


def operation(name: str, bits: float, node_nm: float) -> tuple[float, float]:
    """Energy (pJ) and area (um2) of an operation of `operations.csv` on operands of a width.

    A multiplication of a by b bits is one of sqrt(a b) bits: its energy and area grow with the
    product of both.
    """
    energy, area = (math.exp(_along(curve, np.log(bits))) for curve in _operations()[name])
    return energy * _of_node("logic_energy", node_nm), area * _of_node("logic_area", node_nm)


@functools.cache
def logic_leakage_w_per_um2(node_nm: float) -> float:
    """Leakage of logic; that of a gate scales as its energy."""
    scale = _of_node("logic_energy", node_nm) / _of_node("logic_area", node_nm)
    return _LEAKAGE_W_PER_UM2 * scale


@functools.cache
def _srams() -> dict[float, dict[float, list[_Curve]]]:
    """Curves over size of the three figures, by node and width of a word."""
    points: dict[float, dict[float, list[dict[float, float]]]] = collections.defaultdict(
        lambda: collections.defaultdict(lambda: [{}, {}, {}])
    )
    for row in _rows("sram.csv"):
        node, word, size, read, write, leakage_mw, um2 = (float(value) for value in row.values())
        figures = ((read + write) / 2 / word, leakage_mw / 1000, um2)
        for curve, figure in zip(points[node][word], figures, strict=True):
            curve[size] = figure
    return {
        node: {word: [_logarithms(curve) for curve in curves] for word, curves in words.items()}
        for node, words in points.items()
    }


def _hats(
    x: Float[np.ndarray, "*batch"], knots: Float[np.ndarray, "knots"]
) -> list[Float[np.ndarray, "*batch"]]:
    """Weights of linear interpolation between knots, the nearest beyond the ends."""
    return [np.interp(x, knots, unit) for unit in np.eye(len(knots))]


def sram(
    sram_bytes: Int[np.ndarray, "*batch"] | int,
    word_bytes: Float[np.ndarray, "*batch"] | float,
    node_nm: float,
) -> Sram:
    """Figures of an SRAM of `sram_bytes` with words of `word_bytes`, on a node.

    Never less for a larger SRAM. Outside of 2 KB to 128 MB energy goes with the square root of the
    size, leakage and area with the size. Words are taken to be of 8 to 64 bytes.
    """
    sizes, words = np.log(sram_bytes), np.log(word_bytes)
    node_weights = _hats(np.log(node_nm), np.log(sorted(_srams())))
    shape = np.broadcast_shapes(np.shape(sizes), np.shape(words))
    figures = [np.zeros(shape) for _ in Sram._fields]
    for node_weight, (_, by_word) in zip(node_weights, sorted(_srams().items()), strict=True):
        if node_weight:
            weights = _hats(words, np.log(sorted(by_word)))
            for weight, (_, curves) in zip(weights, sorted(by_word.items()), strict=True):
                for figure, (xs, ys), power in zip(figures, curves, (0.5, 1, 1), strict=True):
                    beyond = sizes - np.clip(sizes, xs[0], xs[-1])
                    figure += node_weight * weight * (np.interp(sizes, xs, ys) + power * beyond)
    energy, leakage, area = (np.exp(figure) for figure in figures)
    if node_nm < _SMALLEST_OF_CACTI:
        cell = _ratio("sram_cell_um2", node_nm)
        # Capacitances are those of wires whose length follows the cell; a gate's leakage is scaled
        # as its energy.
        switched = math.sqrt(cell) * _ratio("supply_v", node_nm) ** 2
        energy, leakage, area = energy * switched, leakage * switched, area * cell
    return Sram(energy, leakage, area)


def _ratio(quantity: str, node_nm: float) -> float:
    return _of_node(quantity, node_nm) / _of_node(quantity, _SMALLEST_OF_CACTI)
