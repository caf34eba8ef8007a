"""Sizings of a run by the behaviours of their buffers, against the replay of each by itself."""

import itertools

import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airchitect_jax import ArrayShape, BufferedGemm, BufferSizes, BufferSpace, Dataflow, Gemm
from airchitect_jax.oracle import label_replayed, replayed_cycles
from airchitect_jax.scalesim import behaviours
from airchitect_jax.scalesim.behaviours import Behaviours
from airchitect_jax.scalesim.replay import replay
from airchitect_jax.scalesim.replay_counts import Setup, run_of
from airchitect_jax.scalesim.sizings import line_of_output, outputs_before

SIZES = np.array([1, 2, 3, 7])
ALL = np.array(list(itertools.product(range(len(SIZES)), repeat=3)))
SPACE = BufferSpace(step_kb=1, num_levels=4)

workloads = st.tuples(
    *[st.one_of(st.integers(1, 4), st.integers(1, 120))] * 3,
    *[st.one_of(st.integers(1, 12), st.sampled_from([16, 40]))] * 2,
    st.sampled_from(list(Dataflow)),
    st.one_of(st.integers(1, 12), st.sampled_from([40, 100, 255, 511, 512, 513, 3000])),
)


def setup_of(batch):
    m, n, k, rows, cols, dataflow, bandwidth = np.array(batch, np.int64).T
    none = np.ones_like(m)
    return Setup(m, n, k, rows, cols, none, none, none, dataflow, bandwidth)


def replayed_alone(batch, sizes_kb):
    """Total cycles of each workload in each sizing."""
    m, n, k, rows, cols, dataflow, bandwidth = np.array(batch, np.int64).T[:, :, None]
    ifmap, filters, ofmap = np.transpose(sizes_kb)
    return replay(
        Gemm(m=m, n=n, k=k),
        ArrayShape(rows=rows, cols=cols),
        dataflow,
        ifmap_sram_kb=ifmap,
        filter_sram_kb=filters,
        ofmap_sram_kb=ofmap,
        bandwidth_words_per_cycle=bandwidth,
    ).total_cycles


def assert_equals_the_replay(batch):
    used = np.ones((len(batch), len(SIZES)), bool)
    runs = Behaviours.of(setup_of(batch), [SIZES] * 3, [used] * 3)
    expected = replayed_alone(batch, SIZES[ALL])
    workload, sizing = np.nonzero(np.ones(expected.shape, bool) & runs.complete[:, None])
    totals = runs.totals(workload, list(ALL[sizing].T))
    np.testing.assert_array_equal(totals, expected[workload, sizing])
    for operand, earliest in enumerate(runs.earliest):
        bound = earliest[workload, ALL[sizing, operand]]
        assert (bound <= expected[workload, sizing]).all()
    return runs


@given(st.lists(workloads, min_size=8, max_size=8))
@settings(max_examples=25)
def test_all_sizings_cost_what_the_replay_says_and_no_less_than_their_bounds(batch):
    assert_equals_the_replay(batch)


@pytest.mark.parametrize(
    "workload",
    [
        (1, 2000, 1, 1, 1, Dataflow.OS, 1),  # one output a line, drained all the time
        (3, 1200, 2, 2, 1100, Dataflow.OS, 100),  # a buffer that is full several times a line
        (40, 1200, 1, 1, 1100, Dataflow.WS, 300),
        (70, 60, 45, 3, 40, Dataflow.IS, 511),  # partial rows pile up
        (65, 1, 65, 5, 1, Dataflow.OS, 1),  # a wait on the last line, which the total leaves out
        (1, 20, 100, 100, 20, Dataflow.WS, 64),  # several swaps on a line
    ],
)
def test_corner_cases(workload):
    assert assert_equals_the_replay([workload]).complete.all()


def test_a_buffer_that_never_waits_is_known_beforehand():
    # The operands fit into 7 KB only; but the filter, read once, comes in time with 3 KB.
    runs = assert_equals_the_replay([(50, 50, 50, 8, 8, Dataflow.WS, 1)])
    assert runs.late[0].tolist() == [[True, True, True, False]]
    assert runs.late[1].tolist() == [[True, True, False, False]]
    # Outputs leave no faster than they are drained.
    runs = assert_equals_the_replay([(90, 90, 90, 8, 8, Dataflow.WS, 8)])
    assert not runs.late[2].any()


def test_lists_that_are_too_long_are_left_to_the_replay(monkeypatch):
    monkeypatch.setattr(behaviours, "CAPACITY", 16)
    batch = [(100, 90, 80, 8, 8, Dataflow.OS, 8), (20, 10, 50, 8, 8, Dataflow.OS, 8)] * 4
    runs = assert_equals_the_replay(batch)
    assert runs.complete.tolist() == [False, True] * 4
    monkeypatch.setattr(behaviours, "LARGEST_POOL", 0)
    assert not assert_equals_the_replay(batch).complete.any()


@jax.jit
def outputs(setup, lines, words):
    """Words before each line, and the line of each word."""
    run = run_of(setup)
    before = jax.vmap(lambda line: outputs_before(run, line))(lines)
    return before, jax.vmap(lambda word: line_of_output(run, word))(words)


@pytest.mark.parametrize("dataflow", list(Dataflow))
def test_the_line_of_an_output_is_the_first_with_so_many(dataflow):
    setup = Setup(*(np.int64(x) for x in (13, 11, 9, 4, 5, 1, 1, 1, dataflow, 1)))
    row_folds, col_folds, lines = (int(x) for x in behaviours.folds_of(setup))
    num_lines = row_folds * col_folds * lines
    with jax.enable_x64(True):
        before, found = map(np.asarray, outputs(setup, np.arange(500), np.arange(1, 501)))
    words = 13 * 11 * (1 if dataflow is Dataflow.OS else row_folds)
    assert before[num_lines] == words
    expected = np.searchsorted(before[: num_lines + 1], np.arange(1, words + 1)) - 1
    np.testing.assert_array_equal(found[:words], expected)
    assert (found[words:] > num_lines).all()  # there are no such words


def drawn(seed, num):
    """Workloads whose buffers of 1 to 4 KB matter, with budgets in bytes."""
    rng = np.random.default_rng(seed)
    sides = 2 ** rng.integers(1, 6, (2, num))
    fields = [*rng.integers(1, 150, (3, num)), *sides, rng.integers(0, 3, num)]
    batch = np.stack([*fields, rng.integers(1, 40, num)], axis=1)
    return batch, rng.integers(3, 13, num) * 1024


def buffered(batch, budget):
    m, n, k, rows, cols, dataflow, bandwidth = batch.T
    return BufferedGemm(
        sram_budget_bytes=budget,
        m=m,
        n=n,
        k=k,
        rows=rows,
        cols=cols,
        dataflow=dataflow,
        bandwidth_bytes_per_cycle=bandwidth,
    )


def test_labels_and_costs_equal_brute_force():
    batch, budget = drawn(0, 100)
    # More waiting rows, and a wider array, than lists are made for.
    batch[0] = 200, 60, 45, 3, 40, Dataflow.WS, 300
    batch[1, 4] = 2 * behaviours.WIDEST
    budget[0] = 12 * 1024
    costs = replayed_alone(batch, SPACE.levels)
    allowed = SPACE.levels.sum(1) * 1024 <= budget[:, None]
    best = np.where(allowed, costs, np.iinfo(np.int64).max)
    labels = label_replayed(buffered(batch, budget), SPACE)
    np.testing.assert_array_equal(labels.design_id, best.argmin(axis=1))
    np.testing.assert_array_equal(labels.cost, best.min(axis=1))
    assert len(set(labels.design_id.tolist())) > 10

    rows = buffered(batch, budget)
    by_row = BufferedGemm(**{name: np.reshape(x, (-1, 1)) for name, x in vars(rows).items()})
    designs = SPACE.decode(np.arange(SPACE.num_designs))
    np.testing.assert_array_equal(replayed_cycles(by_row, designs), costs)
    one_each = replayed_cycles(rows, SPACE.decode(labels.design_id))
    np.testing.assert_array_equal(one_each, labels.cost)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"m": 0}, "m: 0 at row 0 is not allowed; expected a whole number"),
        ({"dataflow": 3}, "dataflow: 3 at row 0 is not allowed"),
        ({"bandwidth_bytes_per_cycle": 0}, "bandwidth_bytes_per_cycle: 0 at row 0 is not allowed"),
        ({"sram_budget_bytes": 3071}, "sram_budget_bytes: 3071 at row 0 is not allowed"),
    ],
)
def test_bad_workloads_are_named(change, message):
    batch, budget = drawn(1, 1)
    fields = vars(buffered(batch, budget)) | {name: np.array([x]) for name, x in change.items()}
    with pytest.raises(ValueError, match=message):
        label_replayed(BufferedGemm(**fields), SPACE)


def test_nothing_is_nothing():
    batch, budget = drawn(1, 0)
    labels = label_replayed(buffered(batch, budget), SPACE)
    assert labels.design_id.shape == labels.cost.shape == (0,)
    sizes = BufferSizes(ifmap_sram_bytes=1024, filter_sram_bytes=1024, ofmap_sram_bytes=1024)
    assert replayed_cycles(buffered(batch, budget), sizes).shape == (0,)
