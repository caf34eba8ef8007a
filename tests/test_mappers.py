"""AccelForge and ZigZag: golden counts, the files that are written for them, their answers.

Neither package is needed: stand-ins answer for them.
"""

import csv
import dataclasses
import json
import pathlib
import sys

import mapper_stand_ins
import pytest
import scripts
from mapper_stand_ins import accelforge, zigzag

from airchitect_jax.cost import mapping_fits, tiled_costs
from airchitect_jax.studies import mappers
from airchitect_jax.studies.mappers import accelforge_files, zigzag_files
from airchitect_jax.studies.mappers.conversion import our_cycles, zigzag_loops
from airchitect_jax.studies.mappers.layers import PLATFORM, hardware
from airchitect_jax.types import Dataflow, Gemm, LoopOrder, Mapping

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
    with pytest.raises(ValueError, match=r"AccelForge refuses a mapping: no: \{'m': "):
        mappers.compare_counts(mappers.draw(0, 1), lambda _: {"error": "no"}, lambda _: None)


def test_loops_and_tiles_of_a_mapping_are_written_in_order():
    """k outermost: an operand is kept within the innermost loop that changes its block."""
    mapping = Mapping(dataflow=Dataflow.WS, order=LoopOrder.KNM, tile_m=16, tile_n=64, tile_k=32)
    text = accelforge_files.specification(
        Gemm(m=64, n=64, k=128), hardware(), PLATFORM, Dataflow.WS, mapping
    )
    nodes = [line.strip() for line in text.partition("mapping:")[2].splitlines()[2:]]
    assert [node.removeprefix("- !") for node in nodes] == [
        "Storage {tensors: [A, B, C], component: DRAM}",
        "Temporal {rank_variable: k, tile_shape: 32}",
        "Storage {tensors: [B], component: Filter}",
        "Temporal {rank_variable: m, tile_shape: 16}",
        "Storage {tensors: [A], component: Ifmap}",
        "Storage {tensors: [C], component: Ofmap}",
        "Temporal {rank_variable: n, tile_shape: 32}",
        "Storage {tensors: [B], component: Register}",
        "Temporal {rank_variable: m, tile_shape: 1}",
        "Spatial {rank_variable: n, tile_shape: 1, component: Array, name: cols}",
        "Spatial {rank_variable: k, tile_shape: 1, component: Array, name: rows}",
        "Compute {einsum: GEMM, component: MAC}",
    ]
    assert "name: Ifmap\n    size: 524288\n" in text  # the working half, in bits
    assert "{name: cols, fanout: 32, reuse: input}, {name: rows, fanout: 32, reuse: output}" in text


def test_tiles_of_zigzag_are_bounded_by_the_layer():
    """49 of m in tiles of 7, 2 x 32 of n of which there are 40, all of k."""
    tile = [["M", 7], ["N", 2], ["K", 4]]
    loops = {"I": [tile, [["M", 7]]], "W": [[], tile, [["M", 7]]], "O": [tile, [["M", 7]]]}
    bits = zigzag_files.tile_bits(loops, Gemm(m=49, n=40, k=128), hardware(), PLATFORM, Dataflow.WS)
    assert bits == [7 * 128 * 16, 128 * 40 * 16, 7 * 40 * 16]


def test_loops_of_zigzag_have_the_tiles_within_them():
    """Factors from the innermost: 4 of k in 32 rows, 2 of n in 32 columns, 49 of m."""
    loops = {"W": [[], [["K", 4], ["N", 2]], [["M", 7], ["M", 7]]]}
    found = zigzag_loops(loops, Gemm(m=49, n=40, k=128), hardware(), Dataflow.WS)
    assert found == [("m", 7), ("m", 1), ("n", 32), ("k", 32)]


def test_mappings_stand_for_those_of_no_less_traffic_only():
    """The loops over n twice with k between are not ours, those outside them are."""
    loops, gemm = [("n", 128), ("k", 64), ("n", 32)], Gemm(m=128, n=512, k=512)
    ours = Mapping(dataflow=Dataflow.WS, order=LoopOrder.NKM, tile_m=128, tile_n=128, tile_k=64)
    costs = tiled_costs(gemm, ours, hardware(), PLATFORM)
    for less, expected in ((0, costs.total_cycles), (1, None)):
        moved = costs.traffic.dram_bytes - less
        assert our_cycles(loops, gemm, hardware(), PLATFORM, Dataflow.WS, moved) == expected


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"num_cores": 2}, "one core"),
        ({"bandwidth_bytes": 1, "bandwidth_cycles": 3}, "whole bits"),
    ],
)
def test_machines_that_zigzag_cannot_have_are_refused(change, why):
    machine = dataclasses.replace(hardware(), **change)
    with pytest.raises(ValueError, match=why):
        zigzag_files.request(Gemm(m=8, n=8, k=8), machine, PLATFORM, Dataflow.OS, "LATENCY")


def test_best_mappings_are_compared_in_the_same_terms():
    layer = mappers.layers()[0]
    done = []
    cycles, traffic = mappers.compare_best([layer], accelforge, zigzag, done.append)
    assert done == [1, 2]
    assert (layer.name, cycles.goal.name, traffic.goal.name) == ("conv1", "CYCLES", "TRAFFIC")
    # Folds of 12544 x 64 x 147 on 32 x 32: OS 392 * 2 * 147; WS 5 * 2 * 12544; IS 5 * 392 * 64.
    assert cycles.accelforge.latency == 392 * 2 * 147
    assert cycles.accelforge.dataflow is Dataflow.OS
    assert cycles.accelforge.seconds == 6.0
    assert (cycles.zigzag.latency, cycles.zigzag.dataflow) == (7.0, Dataflow.WS)
    assert not cycles.zigzag.fits
    assert cycles.floor == 1e9 / 32
    # In steps of 128 x 64 x 147, which need fewer cycles than those of 128 x 8 x 147.
    assert (
        cycles.accelforge.our_cycles
        == tiled_costs(
            layer.gemm,
            Mapping(dataflow=Dataflow.OS, order=LoopOrder.MNK, tile_m=128, tile_n=64, tile_k=147),
            hardware(),
            PLATFORM,
        ).total_cycles
    )
    assert cycles.zigzag.our_cycles is None  # one step does not fit
    assert traffic.accelforge.dram_bytes == 1e9
    # All operands move once: 16 bits each.
    assert traffic.ours.dram_bytes == 2 * (12544 * 147 + 147 * 64 + 12544 * 64)
    assert cycles.ours.latency <= cycles.ours.reported_cycles
    # The stand-in says that our mapping moves nothing but outputs at their width.
    assert set(cycles.differing) >= {"ifmap_dram_read_bytes", "filter_dram_read_bytes"}


def interpreter(folder, package):
    """An interpreter that runs a stand-in for a package whatever it is given."""
    shell = folder / package
    shell.write_text(f"#!/bin/sh\nexec {sys.executable} {mapper_stand_ins.__file__} {package}\n")
    shell.chmod(0o755)
    return shell


def test_the_script_ends_with_status_1_if_counts_differ(tmp_path):
    accelforge_python = interpreter(tmp_path, "accelforge")
    zigzag_python = interpreter(tmp_path, "zigzag")
    workdir = tmp_path / "run"
    result = scripts.run(
        "experiments.validate_mappings",
        f"--accelforge_python={accelforge_python}",
        f"--zigzag_python={zigzag_python}",
        "--num_mappings=3",
        "--num_layers=1",
        f"--workdir={workdir}",
        PYTHONPATH=scripts.PYTHONPATH,
        COLUMNS="200",
    )
    assert result.returncode == 1, result.stderr
    assert f"counts differ from AccelForge's in 5 mappings: {workdir}" in result.stderr
    summary = json.loads((workdir / "summary.json").read_text())
    assert summary["versions"] == {"accelforge": "9.9", "zigzag-dse": "9.9"}
    assert summary["best"]["cycles"]["accelforge"]["layers"] == 1
    assert summary["best"]["cycles"]["zigzag"]["larger_tiles"] == 1
    assert len((workdir / "accelforge.csv").read_text().splitlines()) == 4
    assert len((workdir / "best.csv").read_text().splitlines()) == 3
    assert "resnet50: conv1" in (workdir / "index.html").read_text()
    assert "| resnet50: conv1 |" in (workdir / "mappings.md").read_text()


def test_an_interpreter_without_the_package_is_refused(tmp_path):
    error = scripts.error_of(
        "experiments.validate_mappings",
        f"--zigzag_python={sys.executable}",
        f"--workdir={tmp_path / 'run'}",
    )
    assert error == (
        f"error: the zigzag-dse package cannot be used by {sys.executable}: No module named"
        " 'zigzag': pip install zigzag-dse six\n"
    )
    error = scripts.error_of("experiments.validate_mappings", f"--workdir={tmp_path / 'run'}")
    assert "neither is given; expected at least one" in error
