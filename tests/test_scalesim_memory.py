"""The line-by-line memories against runs of the scalesim 3.0.0 package."""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
import json
import pathlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pytest

from airchitect_jax.scalesim.lines.memory import MemoryCounts, simulate
from airchitect_jax.scalesim.settings import Settings

_GOLDEN = json.loads(
    (pathlib.Path(__file__).parent / "testdata" / "scalesim_memory.json").read_text()
)
_OPERANDS = ("ifmap", "filter", "ofmap")


@dataclasses.dataclass(frozen=True)
class _Block:
    ifmap: np.ndarray
    filter: np.ndarray
    ofmap: np.ndarray


class _Traces:
    """Keeps the traces as the package's matrices."""

    def __init__(self) -> None:
        self._parts: dict[tuple[str, str], list[np.ndarray]] = {}

    def sram(self, operand: str, cycles: np.ndarray, lines: np.ndarray) -> None:
        self._parts.setdefault(("sram", operand), []).append(np.column_stack([cycles, lines]))

    def dram(self, operand: str, cycles: np.ndarray, rows: np.ndarray) -> None:
        self._parts.setdefault(("dram", operand), []).append(np.column_stack([cycles, rows]))

    def digests(self) -> list[str]:
        """As in the golden file."""
        matrices = [
            np.ascontiguousarray(np.concatenate(self._parts[memory, operand]), np.float64)
            for memory in ("sram", "dram")
            for operand in _OPERANDS
        ]
        return [hashlib.sha256(matrix.tobytes()).hexdigest()[:16] for matrix in matrices]


def _settings(case: Mapping[str, Any]) -> Settings:
    values = {**_GOLDEN["settings"], **case["settings"]}
    return Settings(**{**values, "bandwidths": tuple(values["bandwidths"])})


def _order(operand: Mapping[str, int]) -> np.ndarray:
    """Addresses of windows that may overlap, with a null word after every `nulls` - 1 words."""
    windows = np.arange(operand["rows"])[:, None] * operand["stride"]
    order = operand["offset"] + (windows + np.arange(operand["width"])).ravel()
    if not operand["nulls"]:
        return order
    return np.insert(order, np.arange(operand["nulls"], len(order), operand["nulls"]), -1)


def _lines(operand: Mapping[str, int], count: int) -> np.ndarray:
    """Lines that walk through the order in steps; every `idle`-th diagonal is idle."""
    words = _order(operand)
    words = words[words != -1]
    line, port = np.arange(count)[:, None], np.arange(operand["ports"])
    lines = words[(line * operand["step"] + port * operand["skip"]) % len(words)]
    if not operand["idle"]:
        return lines
    return np.where((line + port) % operand["idle"] == 0, -1, lines)


def _blocks(case: Mapping[str, Any], cuts: Sequence[int]) -> Iterator[_Block]:
    lines = [_lines(operand, case["lines"]) for operand in case["operands"]]
    edges = [0, *(cut for cut in cuts if cut < case["lines"]), case["lines"]]
    for first, last in itertools.pairwise(edges):
        yield _Block(*(matrix[first:last] for matrix in lines))


def _run(
    case: Mapping[str, Any], *, traces: _Traces | None = None, cuts: Sequence[int] = ()
) -> MemoryCounts:
    ifmap, weights, _ = (_order(operand) for operand in case["operands"])
    latencies = None
    if "latencies" in case:
        ifmap_l, filter_l, ofmap_l = (np.arange(n) * 7919 % top for n, top in case["latencies"])
        latencies = ifmap_l, filter_l, ofmap_l
    return simulate(
        _settings(case), (ifmap, weights), _blocks(case, cuts), latencies=latencies, traces=traces
    )


def _printed(counts: MemoryCounts) -> list[str]:
    operands = [counts.ifmap, counts.filter, counts.ofmap]
    numbers: list[Any] = [counts.total_cycles, counts.stall_cycles]
    for operand in operands:
        numbers += [operand.sram_start, operand.sram_stop]
    for operand in operands:
        numbers += [operand.dram_start, operand.dram_stop, operand.dram_words]
    return [str(number) for number in numbers]


@pytest.mark.parametrize(
    "case", [case for case in _GOLDEN["cases"] if "counts" in case], ids=lambda case: case["name"]
)
def test_counts_and_traces_equal_the_package(case: dict[str, Any]) -> None:
    traces = _Traces()
    # Blocks carry the state over: where they are cut does not matter.
    assert _printed(_run(case, traces=traces, cuts=(1, 37, 90))) == case["counts"]
    assert traces.digests() == case["traces"]
    assert _printed(_run(case)) == case["counts"]


@pytest.mark.parametrize(
    "case", [case for case in _GOLDEN["cases"] if "error" in case], ids=lambda case: case["name"]
)
def test_runs_on_which_the_package_crashes_are_refused(case: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"^(ifmap|ofmap).*; the scalesim package") as error:
        _run(case)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("words", "end"), [(2_000, "never ends"), (200, "crashes")], ids=["large", "small"]
)
def test_reads_beyond_the_prefetch_order_are_refused(words: int, end: str) -> None:
    case = _GOLDEN["cases"][0]
    order = np.arange(words)
    with pytest.raises(ValueError, match=f"^ifmap: address {words + 40} .*{end} there$"):
        simulate(
            _settings(case),
            (order, order),
            [_Block(*(np.array([[0, words + 40]]) for _ in _OPERANDS))],
        )
