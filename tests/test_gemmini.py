"""Gemmini: its equations, measured cycles, calibration with intervals, and the script."""

import csv
import dataclasses
import json
import math

import numpy as np
import pytest
import scripts
from hypothesis import given, settings
from hypothesis import strategies as st

from airchitect_jax.cost import (
    Convolution,
    GemminiTiming,
    gemmini_cycles,
    gemmini_mapping_steps,
    gemmini_steps,
)
from airchitect_jax.learning import (
    calibrated_cycles,
    fit_calibration,
    gemmini_calibration,
    is_calibrated,
    read_calibration,
    stacked,
)
from airchitect_jax.reporting.style import to_png
from airchitect_jax.studies.gemmini import (
    calibration_json,
    markdown,
    packaged_measurements,
    predict,
    predictions,
    predictions_csv,
    read_measurements,
    summarize,
)
from airchitect_jax.studies.gemmini.figure import measured_figure
from airchitect_jax.types import (
    BufferSizes,
    Dataflow,
    Gemm,
    Hardware,
    LoopOrder,
    Mapping,
    Scratchpad,
)

DATA = scripts.ROOT / "tests" / "testdata" / "gemmini"
TIMING = GemminiTiming(
    bytes_per_cycle=9.0, cycles_per_request=0.1, exposed_share=0.1, startup_cycles=300.0
)


def slow_run_cycles(pixels, block):
    return max(pixels, 4, (2 * block + pixels - 2) / 5)


def slow_step(tile, stride, block, writes):
    """Cycles to compute, and bytes and requests to read and to write, counted one by one."""
    compute = 0.0
    for _ in range(math.ceil(tile.k / block) * math.ceil(tile.c / block) * tile.r * tile.s):
        runs = []
        for _ in range(tile.n * tile.q):
            left = tile.p
            while left:
                runs.append(min(left, block))
                left -= runs[-1]
        compute += slow_run_cycles(block, block) + sum(slow_run_cycles(x, block) for x in runs[1:])
    pixels = tile.n * ((tile.q - 1) * stride + tile.r) * ((tile.p - 1) * stride + tile.s)
    weights = tile.r * tile.s * tile.c
    read = (
        pixels * tile.c + weights * tile.k,
        pixels * math.ceil(tile.c / 64) + weights * math.ceil(tile.k / 64),
    )
    outputs = tile.n * tile.q * tile.p
    written = (outputs * tile.k, outputs * math.ceil(tile.k / min(block, 64)))
    return compute, read, written if writes else (0, 0)


def slow_cycles(layer, tile, stride, block, timing):
    """All steps one after the other, with their own sizes."""

    def moving(moved):
        return moved[0] / timing.bytes_per_cycle + moved[1] * timing.cycles_per_request

    steps = [()]
    for whole, part in zip(layer, tile, strict=True):
        sizes = [min(part, whole - start) for start in range(0, whole, part)]
        ends = [place == len(sizes) - 1 for place in range(len(sizes))]
        steps = [(*step, pair) for step in steps for pair in zip(sizes, ends, strict=True)]
    costs = []
    for step in steps:
        sizes, ends = zip(*step, strict=True)
        costs.append(slow_step(Convolution(*sizes), stride, block, all(ends[4:])))
    cycles = timing.startup_cycles + moving(costs[0][1])
    for compute, read, written in costs[:-1]:
        moved = moving(read) + moving(written)
        cycles += max(compute, moved) + timing.exposed_share * min(compute, moved)
    return cycles + costs[-1][0] + moving(costs[-1][2])


def test_one_step_by_hand():
    # 16 weights per column and 16 pixels: one run of 16 cycles that brings its weights.
    one = Convolution(p=16, k=16, c=16)
    steps = gemmini_steps(one, one, 1, 16)
    assert steps.kinds == ()
    assert steps.last == (16, 512, 32, 256, 16)
    assert gemmini_cycles(steps, GemminiTiming()) == 512 / 8 + 16 + 256 / 8
    timing = GemminiTiming(bytes_per_cycle=16, cycles_per_request=2, startup_cycles=5)
    assert gemmini_cycles(steps, timing) == 5 + (32 + 64) + 16 + (16 + 32)


def test_two_steps_by_hand():
    # Two tiles over input channels: only the second writes, and reads while the first computes.
    layer, tile = Convolution(p=160, k=16, c=32), Convolution(p=160, k=16, c=16)
    steps = gemmini_steps(layer, tile, 1, 16)
    read = 160 * 16 + 16 * 16
    assert gemmini_cycles(steps, GemminiTiming()) == read / 8 + max(160, read / 8) + 160 + 320


def test_short_rows_start_every_fifth_of_their_time_in_the_array():
    # 14 rows of 4 pixels: 16 cycles with the weights, then (2 x 16 + 4 - 2) / 5 = 6.8 each.
    layer = Convolution(q=14, p=4, k=16, c=16)
    assert gemmini_steps(layer, layer, 1, 16).last.compute_cycles == pytest.approx(16 + 13 * 6.8)
    # A GEMM has one row: three runs of 16 and one of 8.
    gemm, mapping = Gemm(m=56, n=16, k=16), tiles(56, 16, 16)
    assert gemmini_mapping_steps(gemm, mapping, 16).last.compute_cycles == 56


def tiles(m, n, k):
    return Mapping(dataflow=Dataflow.WS, order=LoopOrder.MNK, tile_m=m, tile_n=n, tile_k=k)


loops = st.tuples(*(st.integers(1, high) for high in (2, 5, 40, 70, 3, 3, 70)))


@settings(max_examples=30, deadline=None)
@given(loops, st.lists(st.floats(0, 1), min_size=7, max_size=7), st.integers(1, 2))
def test_equations_are_those_of_single_steps(sizes, shares, stride):
    layer = Convolution(*sizes)
    tile = Convolution(
        *(
            max(1, math.ceil(size * max(share, 0.3)))
            for size, share in zip(sizes, shares, strict=True)
        )
    )
    steps = gemmini_steps(layer, tile, stride, 16)
    for timing in (GemminiTiming(), TIMING):
        slow = slow_cycles(layer, tile, stride, 16, timing)
        assert gemmini_cycles(steps, timing) == pytest.approx(slow, rel=1e-12)
    arrays = gemmini_steps(
        *(Convolution(*(np.array([x, x]) for x in loops)) for loops in (layer, tile)), stride, 16
    )
    np.testing.assert_allclose(gemmini_cycles(arrays, TIMING), [slow, slow], rtol=1e-12)
    np.testing.assert_allclose(gemmini_cycles(stacked([steps]), TIMING), [slow], rtol=1e-12)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("bytes_per_cycle", 0),
        ("exposed_share", 1.5),
        ("startup_cycles", -1),
        ("cycles_per_request", "1"),
    ],
)
def test_timing_is_checked(field, value):
    with pytest.raises(ValueError, match=f"^{field}: .* is not allowed; expected a number in"):
        GemminiTiming(**{field: value})


def test_rows_are_read():
    layers, mappings = (read_measurements(DATA / f"{name}.csv") for name in ("layers", "mappings"))
    first = layers[0]
    # L3[WIO] K48 - L2[WI] N1 K16X - L1[O] C48 P16 C16X - L0[W] P8
    assert first.layer == Convolution(p=128, k=768, c=768)
    assert first.tile == Convolution(p=128, k=16, c=768)
    assert (first.order, first.block, first.stride) == ("k", 16, 1)
    assert (first.cycles, first.timeloop_cycles) == (566626, 294912)
    assert (first.machine.scratchpad_bytes, first.machine.accumulator_bytes) == (110592, 16384)
    assert first.machine.name == "16 x 16, 108 + 16 KB"
    assert (first.auto_tile, first.auto_cycles) == (Convolution(p=80, k=80, c=768), 370440)
    # L3[WIO] K8 Q28 - L2[WI] N1 K4X - L1[O] K2 S7 R7 Q4 P7 C3X - L0[W] P16
    other = mappings[0]
    assert other.layer == Convolution(q=112, p=112, k=64, r=7, s=7, c=3)
    assert other.tile == Convolution(q=4, p=112, k=8, r=7, s=7, c=3)
    assert (other.order, other.block, other.stride, other.machine.side) == ("kq", 4, 2, 128)
    assert other.timeloop_cycles is None  # that column repeats the measurement there
    assert other.auto_steps is None


@pytest.mark.parametrize(
    ("column", "value", "allowed"),
    [
        ("prob.C", "0", "a whole number of at least 1"),
        ("prob.Wstride", "2", "prob.Hstride, 1"),
        ("target.gemmini_cycle", "", "a whole number of at least 1"),
        ("target.gemmini_cycle", "nan", "a whole number of at least 1"),
        ("arch.meshX", "8", "at least 16, a spatial factor"),
        ("mapping.mapping", "K48", "levels L3 to L0 like"),
        (
            "mapping.mapping",
            "L3[WIO] K2 - L2[WI] N1 - L1[O] N1 - L0[W] N1",
            "factors of P that cover",
        ),
        ("dse.auto_tiling", "1_1_80_1", "seven whole numbers joined by _"),
    ],
)
def test_bad_entries_are_named(column, value, allowed, tmp_path):
    header, *lines = (DATA / "layers.csv").read_text().splitlines()
    cells = lines[0].split(",")
    cells[header.split(",").index(column)] = value
    path = tmp_path / "bad.csv"
    path.write_text("\n".join([header, lines[1], ",".join(cells)]))
    with pytest.raises(ValueError, match=r"bad.csv, line 3: ") as error:
        read_measurements(path)
    assert f": {column}: {value!r} " in str(error.value)
    assert f"is not allowed; expected {allowed}" in str(error.value)


def test_files_without_measurements_are_refused(tmp_path):
    path = tmp_path / "bad.csv"
    header = (DATA / "layers.csv").read_text().splitlines()[0]
    path.write_text(header.replace("prob.Q", "prob.X"))
    with pytest.raises(ValueError, match=r"bad\.csv: column prob\.Q is missing$"):
        read_measurements(path)
    path.write_text(header)
    with pytest.raises(ValueError, match=r"bad\.csv: no measurements$"):
        read_measurements(path)
    path.write_bytes(b"\xff\xfe\xff")
    with pytest.raises(ValueError, match=r"bad\.csv: not a CSV file"):
        read_measurements(path)


def noisy(num, deviation, seed=0):
    """Steps, and cycles that follow TIMING but for noise."""
    rng = np.random.default_rng(seed)
    steps = []
    for _ in range(num):
        tile = Convolution(*map(int, rng.integers(1, [2, 9, 40, 256, 4, 4, 256])))
        trips = rng.integers(1, [2, 2, 4, 4, 2, 2, 4])
        layer = Convolution(*(int(size * trip) for size, trip in zip(tile, trips, strict=True)))
        steps.append(gemmini_steps(layer, tile, 1, 16))
    exact = gemmini_cycles(stacked(steps), TIMING)
    return steps, exact * np.exp(rng.normal(0, deviation, num))


def test_a_calibration_finds_the_timing_and_covers():
    steps, cycles = noisy(100, 0.05)
    found = fit_calibration(steps, cycles, range(len(steps)))
    assert found.timing.bytes_per_cycle == pytest.approx(TIMING.bytes_per_cycle, rel=0.05)
    assert found.timing.exposed_share == pytest.approx(TIMING.exposed_share, abs=0.05)
    assert found == fit_calibration(steps, cycles, range(len(steps)))
    others, unseen = noisy(1000, 0.05, seed=1)
    low, middle, high = found.interval(stacked(others))
    assert np.all((low < middle) & (middle < high))
    assert 0.84 <= np.mean((low <= unseen) & (unseen <= high)) <= 0.96
    assert np.median(np.abs(middle / unseen - 1)) < 0.05


def test_few_layers_make_no_calibration():
    steps, cycles = noisy(20, 0.05)
    with pytest.raises(
        ValueError, match=r"^calibration: 5 layers are measured; expected at least 10"
    ):
        fit_calibration(steps, cycles, [place % 5 for place in range(20)])


def test_the_packaged_calibration_is_that_of_the_packaged_measurements():
    rows = packaged_measurements()
    found, packaged = calibration_json(rows), gemmini_calibration()
    assert (found["rows"], found["layers"], len(found["machines"])) == (148, 71, 8)
    for name, value in dataclasses.asdict(packaged.timing).items():
        assert found["timing"][name] == pytest.approx(value, rel=1e-3)
    assert found["spread"] == pytest.approx(packaged.spread, rel=1e-2)
    assert (found["low"], found["high"]) == pytest.approx((packaged.low, packaged.high), rel=0.05)


def test_gemms_have_calibrated_intervals():
    gemm = Gemm(m=128, n=768, k=768)
    low, middle, high = calibrated_cycles(gemm, tiles(128, 16, 768))
    assert low < middle < high
    assert low < 566626 < high  # measured
    row = read_measurements(DATA / "layers.csv")[0]
    assert middle == pytest.approx(gemmini_calibration().interval(stacked([row.steps]))[1][0])
    one = Hardware(
        rows=16,
        cols=16,
        num_cores=1,
        memory=Scratchpad(scratchpad_bytes=2**18, accumulator_bytes=2**16),
        bandwidth_bytes=8,
        bandwidth_cycles=1,
    )
    sizes = BufferSizes(ifmap_sram_bytes=1, filter_sram_bytes=1, ofmap_sram_bytes=1)
    assert is_calibrated(one)
    for change in ({"rows": 32}, {"num_cores": 2}, {"memory": sizes}):
        assert not is_calibrated(dataclasses.replace(one, **change))


@pytest.mark.parametrize(
    ("text", "reason"),
    [("[]", ""), ("{}", "'timing'"), ('{"timing": {"x": 1}}', ""), ("{", "valid JSON")],
)
def test_files_that_are_no_calibration_are_named(text, reason, tmp_path):
    path = tmp_path / "calibration.json"
    path.write_text(text)
    with pytest.raises(ValueError, match=rf"calibration\.json: not .*{reason}"):
        read_calibration(path)


@pytest.fixture
def predicted(monkeypatch):
    """Predictions of a few rows, and what each calibration was fitted to."""
    fitted = []

    def fit(rows):
        fitted.append(rows)
        return gemmini_calibration()

    monkeypatch.setattr(predictions, "fit_rows", fit)
    rows = [
        row for name in ("layers", "mappings") for row in read_measurements(DATA / f"{name}.csv")
    ]
    return predict(rows, packaged_measurements(), seed=0), fitted


def test_no_calibration_has_seen_what_it_predicts(predicted):
    result, fitted = predicted
    machines = sorted({row.machine for row in result.rows}, key=dataclasses.astuple)
    for machine, rows in zip(machines, fitted, strict=False):
        assert machine not in {row.machine for row in rows}
        # Of the 148 packaged, all on other machines; where the array has no other, all the same.
        assert len(rows) == 148 - sum(row.machine == machine for row in packaged_measurements())
    layers = {row.layer_key for row in result.rows}
    left_out = set()
    for rows in fitted[len(machines) :]:
        sides = {row.machine.side for row in rows}
        assert len(sides) == 1
        left_out |= layers - {row.layer_key for row in rows}
    assert left_out == layers


def test_summary_report_and_figure(predicted):
    result, _ = predicted
    summary = summarize(result)
    layers = sum(row.timeloop_cycles is not None for row in result.rows)
    assert summary["num_rows"] == layers == 9
    assert set(summary["spearman"]) == {"uncalibrated", "calibrated", "timeloop", "tiled"}
    measured = np.array([row.cycles for row in result.rows[:layers]])
    timeloop = np.array([row.timeloop_cycles for row in result.rows[:layers]])
    errors = np.abs(timeloop / measured - 1)
    assert summary["median_error"]["timeloop"] == pytest.approx(np.median(errors))
    inside = (result.by_layer.low[:layers] <= measured) & (
        measured <= result.by_layer.high[:layers]
    )
    assert summary["by_layer"]["coverage_90"]["calibrated"] == pytest.approx(inside.mean())
    assert summary["arrays"]["128 x 128"]["by_machine"]["median_error"]["timeloop"] is None
    assert summary["auto"]["num_rows"] == layers
    json.dumps(summary, allow_nan=False)
    page = markdown(summary, ["one"])
    assert "| Timeloop |" in page
    assert "![one](figures/one.png)" in page
    lines = list(csv.DictReader(predictions_csv(result).splitlines()))
    assert [float(line["measured"]) for line in lines] == [row.cycles for row in result.rows]
    assert {line["timeloop"] for line in lines[layers:]} == {""}
    assert to_png(measured_figure(result)).startswith(b"\x89PNG")


def test_a_bad_file_takes_one_line(tmp_path):
    path = tmp_path / "bad.csv"
    path.write_text((DATA / "layers.csv").read_text().replace(",16,", ",16x,", 1))
    error = scripts.error_of(
        "experiments.validate_gemmini", f"--data={path}", f"--workdir={tmp_path}"
    )
    assert "bad.csv, line 2: arch.meshX: '16x' is not allowed" in error


@pytest.mark.slow
def test_the_script_reaches_the_goals_on_the_packaged_measurements(tmp_path):
    folders = [tmp_path / "one", tmp_path / "two"]
    for folder in folders:
        result = scripts.run("experiments.validate_gemmini", f"--workdir={folder}")
        assert result.returncode == 0, result.stderr
    texts = [(folder / "summary.json").read_text() for folder in folders]
    assert texts[0] == texts[1]
    summary = json.loads(texts[0])
    assert summary["num_rows"] == 148
    assert summary["spearman"]["uncalibrated"] >= 0.985
    assert summary["median_error"]["uncalibrated"] <= 0.15
    for split, most in ((summary, 0.07), (summary["by_layer"], 0.12)):
        assert split["spearman"]["calibrated"] >= 0.985
        assert split["median_error"]["calibrated"] <= most
        assert 0.85 <= split["coverage_90"]["calibrated"] <= 0.95
    for name in ("predictions.csv", "validation.md", "figures/validate_gemmini.png"):
        assert (folders[0] / name).stat().st_size > 0
    assert read_calibration(folders[0] / "calibration.json").coverage == 0.9
