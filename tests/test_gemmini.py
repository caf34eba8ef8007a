"""Gemmini: its equations against single steps, and their calibration with intervals."""

import dataclasses
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
from airchitect_jax.studies.gemmini import (
    calibration_json,
    packaged_measurements,
    read_measurements,
)
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
