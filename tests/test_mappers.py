"""Counts of the TILED model against AccelForge's, and the files that are written for it."""

import csv
import dataclasses
import pathlib

import pytest

from airchitect_jax.cost import mapping_fits
from airchitect_jax.studies import mappers
from airchitect_jax.types import Dataflow, LoopOrder

GOLDEN = pathlib.Path(__file__).parent / "testdata" / "accelforge.csv"
ROWS = list(csv.DictReader(GOLDEN.read_text().splitlines()))


def outcomes():
    return [mappers.outcome(mappers.of_row(row), mappers.golden_counts(row)) for row in ROWS]


def test_counts_are_those_of_accelforge():
    assert len(ROWS) == 120
    for one in outcomes():
        assert one.differing == [], mappers.to_row(one.case)


def test_the_golden_rows_cover_the_model():
    """Every dataflow, order, memory and split by cores, with and without edges and spills."""
    cases = [one.case for one in outcomes()]
    assert {case.mapping.dataflow for case in cases} == set(Dataflow)
    assert {case.mapping.order for case in cases} == set(LoopOrder)
    assert {case.is_even for case in cases} == {True, False}
    assert sum(case.is_simple for case in cases) == 12
    for name in ("cores_m", "cores_n", "cores_k"):
        assert {getattr(case.mapping, name) for case in cases} >= {1, 2}
    assert {row["is_shared"] for row in ROWS} == {"0", "1"}
    assert sum(row["ofmap_dram_read_bytes"] != "0" for row in ROWS) > 20


def test_every_count_that_differs_is_named():
    one = next(one for one in outcomes() if "latency" in one.case.compared)
    for name in one.case.compared:
        off = one.theirs.value(name) + 1
        in_traffic = name not in one.theirs._fields
        theirs = one.theirs._replace(
            **{"traffic": dataclasses.replace(one.theirs.traffic, **{name: off})}
            if in_traffic
            else {name: off}
        )
        assert name in dataclasses.replace(one, theirs=theirs).differing
    low = dataclasses.replace(one, total_cycles=int(one.theirs.latency) - 1)
    assert low.differing == ["total_cycles"]


def test_drawn_mappings_fit_and_are_the_same_for_a_seed():
    cases = mappers.draw(3, 50)
    assert cases == mappers.draw(3, 50) != mappers.draw(4, 50)
    for case in cases:
        assert mapping_fits(case.mapping, case.hardware, case.platform)
        row = {name: str(cell) for name, cell in mappers.to_row(case).items()}
        assert mappers.of_row(row) == case


def test_a_refused_mapping_is_an_error():
    with pytest.raises(ValueError, match="AccelForge refuses a mapping: no: {'m': "):
        mappers.compare_counts(mappers.draw(0, 1), lambda _: {"error": "no"}, lambda _: None)
