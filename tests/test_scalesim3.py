"""The exact replay: golden rows of the package, hand-worked runs, a word-by-word reference."""

import csv
import functools
import pathlib

import jax
import numpy as np
import pytest
import scalesim3_reference
from hypothesis import given, settings
from hypothesis import strategies as st

from airchitect_jax import ArrayShape, BufferSizes, Dataflow, Gemm
from airchitect_jax.scalesim import replay as scalesim3
from airchitect_jax.scalesim.replay import replay
from airchitect_jax.scalesim.replay_counts import Setup, replay_counts

GOLDEN = pathlib.Path(__file__).parent / "testdata" / "scalesim_3_0_0.csv"
COUNTS = [
    "total_cycles",
    "stall_cycles",
    "compute_cycles",
    "ifmap_sram_reads",
    "filter_sram_reads",
    "ofmap_sram_writes",
    "ifmap_dram_reads",
    "filter_dram_reads",
    "ofmap_dram_writes",
]
UTILIZATIONS = {
    "overall_utilization": "overall_util",
    "mapping_efficiency": "mapping_eff",
    "compute_utilization": "compute_util",
}


def lines(m, n, k, rows, cols, dataflow):
    """About how many lines a run has."""
    s_r, s_c, t = {"OS": (m, n, k), "WS": (k, n, m), "IS": (k, m, n)}[dataflow.name]
    return -(-s_r // rows) * -(-s_c // cols) * (2 * rows + cols + t)


small = st.one_of(st.integers(1, 4), st.integers(1, 70))
sides = st.one_of(st.integers(1, 12), st.sampled_from([16, 40]))
dataflows = st.sampled_from(list(Dataflow))
sizes = st.integers(1, 3)
bandwidths = st.one_of(
    st.none(), st.integers(1, 12), st.sampled_from([100, 255, 256, 511, 512, 513, 3000])
)
runs = st.tuples(
    small, small, small, sides, sides, dataflows, sizes, sizes, sizes, bandwidths
).filter(lambda run: lines(*run[:6]) * (run[3] + run[4]) < 100_000)


def replay_all(batch):
    """The replay of tuples as `runs` draws them."""
    rows = [(*run[:9], run[9] or 0) for run in batch]
    m, n, k, array_rows, cols, dataflow, ifmap, filters, ofmap, bandwidth = np.transpose(rows)
    return replay(
        Gemm(m=m, n=n, k=k),
        ArrayShape(rows=array_rows, cols=cols),
        dataflow,
        ifmap_sram_kb=ifmap,
        filter_sram_kb=filters,
        ofmap_sram_kb=ofmap,
        bandwidth_words_per_cycle=bandwidth,
    )


def reference(run):
    m, n, k, rows, cols, dataflow, *memory = run
    return scalesim3_reference.run(m, n, k, rows, cols, dataflow.name, *memory)


def assert_equals_the_reference(batch):
    report = replay_all(batch)
    for row, run in enumerate(batch):
        expected = reference(run)
        assert {name: int(getattr(report, name)[row]) for name in expected} == expected, run


def test_golden_rows_match_in_every_column():
    with GOLDEN.open() as file:
        rows = list(csv.DictReader(file))
    names = ["M", "N", "K", "rows", "cols"]
    memory = ["ifmap_sram_kb", "filter_sram_kb", "ofmap_sram_kb", "bandwidth_words_per_cycle"]
    batch = [
        (
            *(int(row[name]) for name in names),
            Dataflow[row["dataflow"].upper()],
            *(int(row[name]) for name in memory),
        )
        for row in rows
    ]
    report = replay_all(batch)
    assert len(rows) == 100
    for name in COUNTS:
        assert getattr(report, name).dtype == np.int64
        assert getattr(report, name).tolist() == [int(row[name]) for row in rows], name
    for name, column in UTILIZATIONS.items():
        expected = [float(row[column]) / 100 for row in rows]
        np.testing.assert_allclose(getattr(report, name), expected, rtol=1e-12)


@pytest.mark.parametrize(("bandwidth", "stall"), [(512, 4), (64, 32 + 0 + 2 + 5 + 4)])
def test_hand_worked(bandwidth, stall):
    # WS, 1 x 20 by 100 x 20 on 100 x 20: one fold of 2 * 100 + 20 + 1 - 2 = 219 lines. The filter
    # of 2000 words has sets of 11, 182 of them, and 512 words are resident: 47 sets, [0, 47).
    # Its rows come bottom first. Row 99 lies in sets 180 and 181: 3 swaps, [141, 188) mod 182.
    # Row 77 is the next outside, on line 22, with set 140: a whole turn of 3 swaps to [100, 147).
    # So are row 54 on line 45 ([59, 106)), row 32 on line 67 ([18, 65)), row 9 on line 90.
    #
    # 512 words a cycle: a swap takes 2 cycles, so those of line 0 are complete at 1, 3 and 5. The
    # first is in time for the answer at 1. The second is 2 late, which counts twice: 5. So is the
    # third in time, and the others are long complete.
    #
    # 64 words: 9 cycles a swap. At 8, 17, 26: 7 late, then 2, then 7, each twice: 32. On line 22,
    # cycle 54, the swaps complete at 35, 44, 53. On line 45, cycle 77, at 62, 71, 80: early by 16,
    # which is credited; then late by 9 twice, which leaves 2. On line 67, cycle 101, at 89, 98,
    # 107: early by 13, late by 9 twice: 5. On line 90, cycle 129, at 116, 125, 134: by 14: 4.
    report = replay_all([(1, 20, 100, 100, 20, Dataflow.WS, 1, 1, 1, bandwidth)])
    assert report.compute_cycles == 218
    assert report.stall_cycles == stall
    assert report.total_cycles == 218 + stall
    assert report.filter_dram_reads == 512 + 15 * 512
    assert report.ifmap_sram_reads == 100
    assert report.ofmap_sram_writes == 20


def test_hand_worked_drain():
    # OS, 1 x 1 by 1 x 2000 on 1 x 1: an output a line. Half of 1 kB is drained in 512 rows of one
    # word, once 513 words wait: on line 512, which ends the first drain at 512 + 511 = 1023. The
    # next is due on line 1024, when again 513 words are in the buffer, and so on: never full.
    report = replay_all([(1, 2000, 1, 1, 1, Dataflow.OS, 4, 4, 1, 1)])
    assert report.total_cycles == 1999
    assert report.stall_cycles == 0
    assert report.ofmap_dram_writes == 2000
    assert report.ofmap_sram_writes == 2000 + 2000 * (1 + 1)  # the package's extra words


@given(st.lists(runs, min_size=20, max_size=20))
@settings(max_examples=15)
def test_random_runs_match_the_reference(batch):
    assert_equals_the_reference(batch)


@pytest.mark.parametrize(
    "run",
    [
        # The buffer of outputs is full while it drains, several times a line.
        (3, 1200, 2, 2, 1100, Dataflow.OS, 1, 1, 1, 100),
        (40, 1200, 1, 1, 1100, Dataflow.WS, 1, 1, 1, 300),
        # Partial rows pile up, and the last one ends the last drain.
        (70, 60, 45, 3, 40, Dataflow.WS, 1, 1, 1, 500),
        (70, 60, 45, 3, 40, Dataflow.IS, 1, 1, 1, 511),
        # A wait on the very last line, which the total leaves out.
        (65, 1, 65, 5, 1, Dataflow.OS, 1, 1, 1, 1),
        # Two operands of exactly as many words as are remembered, and as fit.
        (50, 20, 10, 10, 10, Dataflow.OS, 1, 1, 1, None),
        (25, 60, 20, 5, 10, Dataflow.OS, 1, 1, 1, None),
        (47, 3, 11, 4, 2, Dataflow.WS, 1, 1, 1, 3),
    ],
)
def test_corner_cases_match_the_reference(run):
    assert_equals_the_reference([run])


def test_no_stall_when_everything_fits():
    batch = [(60, 50, 40, 8, 8, dataflow, 64, 64, 1024, 1) for dataflow in Dataflow]
    report = replay_all(batch)
    assert report.stall_cycles.tolist() == [0, 0, 0]
    assert report.total_cycles.tolist() == report.compute_cycles.tolist()


def test_fields_broadcast():
    report = replay(
        Gemm(m=np.array([[30], [60]]), n=50, k=40),
        ArrayShape(rows=4, cols=8),
        np.array(list(Dataflow)),
        ifmap_sram_kb=1,
        filter_sram_kb=1,
        ofmap_sram_kb=1,
        bandwidth_words_per_cycle=2,
    )
    assert report.total_cycles.shape == report.compute_utilization.shape == (2, 3)
    run = (60, 50, 40, 4, 8, Dataflow.IS, 1, 1, 1, 2)
    assert report.total_cycles[1, 2] == reference(run)["total_cycles"]


def test_nothing_is_nothing():
    empty = np.zeros(0, np.int64)
    assert call(m=empty).total_cycles.shape == (0,)


def test_one_run_is_a_scalar_and_calc_mode_is_the_default():
    report = call(m=7)
    assert report.total_cycles.shape == ()
    assert report.stall_cycles == 0
    assert report.ifmap_dram_reads == 7 * 5


def test_core_is_pure_and_maps():
    batch = [
        (60, 50, 40, 8, 4, Dataflow.OS, 1, 1, 1, 3),
        (20, 70, 50, 4, 8, Dataflow.WS, 1, 1, 1, 2),
        (20, 70, 50, 4, 8, Dataflow.IS, 1, 1, 1, 0),
    ]
    expected = replay_all(batch)
    core = functools.partial(replay_counts, slots=64)
    with jax.enable_x64(True):
        m, n, k, rows, cols, dataflow, *memory, bandwidth = np.transpose(batch)
        setup = Setup(m, n, k, rows, cols, *memory, dataflow, bandwidth)
        counts = jax.jit(jax.vmap(core))(setup)
    for name, column in counts._asdict().items():
        assert column.tolist() == getattr(expected, name).tolist(), name


def test_many_waiting_rows_take_a_larger_program(monkeypatch):
    run = (70, 60, 45, 3, 40, Dataflow.WS, 1, 1, 1, 300)
    expected = replay_all([run])
    monkeypatch.setattr(scalesim3, "SLOTS", (8, 16, 32))
    monkeypatch.setattr(scalesim3, "SLOTS_IN_KERNEL", 0)
    with pytest.raises(ValueError, match="ofmap_sram_kb: 1 at row 0 is too small"):
        replay_all([run])
    monkeypatch.setattr(scalesim3, "SLOTS", (8, 1 << 13))
    assert jax.tree.map(np.ndarray.tolist, replay_all([run])) == jax.tree.map(
        np.ndarray.tolist, expected
    )


def test_chunks_join(monkeypatch):
    batch = [(20 + row, 60, 40, 4, 4, Dataflow.OS, 1, 1, 1, 1) for row in range(7)]
    expected = replay_all(batch)
    monkeypatch.setattr(scalesim3, "CHUNK", 3)
    assert replay_all(batch).total_cycles.tolist() == expected.total_cycles.tolist()
    assert expected.stall_cycles[-1] > 0


def call(**change):
    fields = {"m": 6, "n": 6, "k": 5, "rows": 4, "cols": 4, "dataflow": Dataflow.OS}
    fields |= {"ifmap_sram_kb": 1, "filter_sram_kb": 1, "ofmap_sram_kb": 1}
    fields |= {"bandwidth_words_per_cycle": None} | change
    m, n, k, rows, cols = (fields.pop(name) for name in ("m", "n", "k", "rows", "cols"))
    dataflow = fields.pop("dataflow")
    return replay(Gemm(m=m, n=n, k=k), ArrayShape(rows=rows, cols=cols), dataflow, **fields)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"m": 0}, "m: 0 is not allowed"),
        ({"rows": 2.5}, "rows: 2.5 is not allowed"),
        ({"dataflow": 3}, "dataflow: 3 is not allowed"),
        ({"ifmap_sram_kb": 0}, "ifmap_sram_kb: 0 is not allowed"),
        ({"filter_sram_kb": [1, -1]}, "filter_sram_kb: -1 at row 1 is not allowed"),
        ({"ofmap_sram_kb": 0.5}, "ofmap_sram_kb: 0.5 is not allowed"),
        ({"bandwidth_words_per_cycle": -1}, "bandwidth_words_per_cycle: -1 is not allowed"),
        ({"m": 2**31 - 1, "n": 2**31 - 1}, "may exceed int64: m=2147483647"),
    ],
)
def test_bad_fields_are_named_in_one_line(change, message):
    with pytest.raises(ValueError, match=message) as caught:
        call(**change)
    assert "\n" not in str(caught.value)


def test_the_steps_of_a_replay_are_infinite_where_it_is_refused():
    sizes = BufferSizes(
        ifmap_sram_bytes=1024, filter_sram_bytes=1024, ofmap_sram_bytes=np.array([1024, 4096])
    )
    array = ArrayShape(rows=4, cols=4)
    huge = Gemm(m=2**31 - 1, n=2**31 - 1, k=5)
    assert scalesim3.replay_steps(huge, array, Dataflow.OS, sizes, 4).tolist() == [np.inf] * 2
    small = Gemm(m=64, n=64, k=64)  # 256 folds; 16 sweeps of operands of 8 half buffers
    steps = scalesim3.replay_steps(small, array, Dataflow.OS, sizes, 4)
    assert steps.tolist() == [4 * (256 + 2 * 16 * 8 + 8), 4 * (256 + 2 * 16 * 8 + 2)]
