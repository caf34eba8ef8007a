"""The numbers behind the figures of a design space, against slow and obvious counterparts."""

import functools
import math

import numpy as np
import pytest

from airchitect_jax.case_studies import ArrayDataflowCase, ScheduleCase
from airchitect_jax.studies.design_space import (
    changes,
    exhibit,
    features,
    labels,
    neighbours,
    samples,
)
from airchitect_jax.types import RuntimeModel
from airchitect_jax.workloads import Distribution, load_network

CASE = ArrayDataflowCase(max_dim=300, distribution=Distribution.LOG_UNIFORM)


@functools.cache
def sample_of(num=3000, seed=0):
    return samples.draw("log-uniform", CASE, seed=seed, num=num)


def made_of(workloads, ids):
    workloads, ids = np.asarray(workloads, np.int32), np.asarray(ids, np.int32)
    return samples.Sample(name="made", case=CASE, workloads=workloads, design_ids=ids)


def test_a_sample_is_exact_and_repeatable():
    sample = sample_of()
    assert sample.workloads.shape == (4, 3000)
    np.testing.assert_array_equal(sample.design_ids, CASE.exact(sample.workloads).design_id)
    again = samples.draw("log-uniform", CASE, seed=0, num=3000)
    np.testing.assert_array_equal(again.workloads, sample.workloads)
    other = samples.draw("log-uniform", CASE, seed=1, num=3000)
    assert (other.workloads != sample.workloads).any()
    np.testing.assert_array_equal(sample.first(10).workloads, sample.workloads[:, :10])


def test_labels_that_the_device_cannot_prove_are_found_or_refused():
    case = ArrayDataflowCase(max_dim=1_000_000)
    workloads = np.array([[5, 18], [1_000_000, 10], [1_000_000, 10], [1_000_000, 10]])
    ids = samples.labels_of(case, workloads)
    np.testing.assert_array_equal(ids, case.exact(workloads).design_id)
    with pytest.raises(ValueError, match="max_dim: 1000000 is not allowed"):
        samples.labels_of(case, np.repeat(workloads[:, :1], 1001, axis=1))


def test_dimensions_of_all_gemms():
    case = ScheduleCase(max_dim=50)
    workloads = np.arange(24).reshape(12, 2) + 1
    gemms = samples.dims(case, workloads)
    assert gemms.tolist() == [
        [1, 2, 7, 8, 13, 14, 19, 20],
        [3, 4, 9, 10, 15, 16, 21, 22],
        [5, 6, 11, 12, 17, 18, 23, 24],
    ]
    x, y = samples.shape_axes(np.array([[8], [2], [16]]))
    assert (x.tolist(), y.tolist()) == ([2.0], [2.0])


def test_inputs_span_one():
    low, high = np.array([5, 1, 1, 1]), np.array([18, 300, 300, 300])
    ends = samples.inputs(CASE, np.stack([low, high], axis=1))
    np.testing.assert_allclose(ends, [[0] * 4, [1] * 4], atol=1e-6)
    assert samples.input_names(CASE) == ["mac_exponent", "log m", "log n", "log k"]


def test_frequencies_by_hand():
    order, shares = labels.ranked(np.array([7, 3, 3, 7, 3, 1, 3, 3, 7, 7]))
    assert order.tolist() == [3, 7, 1]
    assert shares.tolist() == [0.5, 0.4, 0.1]
    assert [labels.classes_covering(shares, c) for c in (0.5, 0.9, 0.99)] == [1, 2, 3]
    shown = labels.frequency([sample_of(), sample_of(seed=1)])
    statistics = shown.summary["log-uniform"]
    assert statistics["effective_classes"] == 2 ** statistics["label_entropy_bits"]


def test_overlap_equals_sets():
    rng = np.random.default_rng(0)
    sample = made_of(rng.integers(1, 4, (4, 900)), rng.zipf(1.5, 900) % 459)
    halves = np.split(sample.workloads.T, 2)
    ids = np.split(sample.design_ids, 2)
    for result in labels.overlaps(sample):
        known = set(map(tuple, halves[0][: result.size].tolist()))
        twins = [tuple(row) in known for row in halves[1].tolist()]
        assert result.workload_seen == pytest.approx(np.mean(twins))
        seen = np.isin(ids[1], ids[0][: result.size])
        assert result.label_seen == pytest.approx(seen.mean())
        sets = [set(half[: result.size].tolist()) for half in ids]
        assert result.jaccard == len(sets[0] & sets[1]) / len(sets[0] | sets[1])


def test_codes_are_equal_where_rows_are():
    rng = np.random.default_rng(1)
    rows = rng.integers(0, 3, (5, 400))
    codes = labels.row_codes(rows)
    assert len(set(codes.tolist())) == len(set(map(tuple, rows.T.tolist())))
    assert labels.first_indices(np.array([4, 9, 4]), np.array([9, 5, 4])).tolist() == [1, 3, 0]


def test_information_of_what_is_known():
    assert features.bits(np.diag([5, 5, 5, 5])) == pytest.approx(2)
    assert features.bits(np.ones((3, 7), int)) == pytest.approx(0)
    rng = np.random.default_rng(0)
    m = rng.integers(1, 301, 20_000)
    told = m * 8 // 301  # three bits, told by m alone
    sample = made_of(np.stack([rng.integers(5, 19, 20_000), m, m[::-1], m[::-1]]), told)
    shared = features.mutual_information(sample)[:, 0]
    assert shared[1] == pytest.approx(3, abs=0.2)
    assert shared[0] < 0.02
    assert features.binned(np.array([1, 1, 2])).max() <= 1


def test_importance_is_what_exchanging_does():
    fixed = ArrayDataflowCase(min_mac_exponent=9, max_mac_exponent=9, max_dim=300)
    changed = features.importance(samples.draw("uniform", fixed, seed=0, num=2000))
    assert changed[0] == 0  # there is one budget
    assert (changed[1:] > 0.05).all()
    assert (changed <= 1).all()


def test_steps_change_labels_where_exact_search_says():
    sample = sample_of()
    taken = changes.step(sample, 2)
    room = sample.workloads[2] < 300
    moved = sample.workloads[:, room] + np.array([[0], [0], [1], [0]])
    expected = CASE.exact(moved).design_id != sample.design_ids[room]
    np.testing.assert_array_equal(taken.changed, expected)
    assert (taken.stale >= 1).all()
    middle, share = changes.by_octave(np.repeat([1, 2, 5], [100, 200, 99]), np.arange(399) % 2 == 0)
    assert middle.tolist() == [2**0.5, 2**1.5]
    np.testing.assert_allclose(share, 0.5)


def test_relative_costs_have_the_label_first():
    sample = sample_of().first(300)
    ratio = labels.relative_costs(sample)
    assert ratio.shape == (300, 459)
    np.testing.assert_array_equal((ratio == 1).argmax(axis=1), sample.design_ids)
    assert (ratio >= 1).all()
    np.testing.assert_array_equal(np.isinf(ratio), ~np.asarray(CASE.feasible(sample.workloads)))
    costs = CASE.costs(sample.workloads, np.broadcast_to(np.arange(459), (300, 459)))
    best = CASE.exact(sample.workloads).cost[:, None]
    within = (costs <= 1.05 * best) & np.asarray(CASE.feasible(sample.workloads))
    np.testing.assert_array_equal((ratio <= np.float32(1.05)).sum(axis=1), within.sum(axis=1))


def test_neighbours_are_judged_on_what_they_have_not_seen():
    sample = sample_of(20_000)
    known, unseen = neighbours.held_out(sample)
    assert len(known) + len(unseen) == 20_000
    assert 20_000 / 64 < len(unseen) < 20_000 / 16
    rows = [set(map(tuple, part.workloads.T.tolist())) for part in (known, unseen)]
    assert not rows[0] & rows[1]
    np.testing.assert_array_equal(
        CASE.costs(known.workloads, neighbours.nearest_designs(known, known.workloads)),
        CASE.costs(known.workloads, known.design_ids),
    )
    scores, majority, tested = neighbours.growth(sample)
    assert scores[-1].size == len(known)
    assert tested == len(unseen)
    assert scores[-1].accuracy > scores[0].accuracy + 0.1
    assert scores[-1].accuracy > majority


def test_a_score_counts_no_design_beyond_the_budget():
    sample = sample_of().first(200)
    perfect = neighbours.score(CASE, sample, sample.design_ids, 1)
    assert (perfect.accuracy, perfect.near) == (1, 1)
    largest = np.full(200, CASE.space.num_designs - 1)
    assert neighbours.score(CASE, sample, largest, 1).near == 0


def test_agreement_with_oneself_and_with_others():
    other = ArrayDataflowCase(max_dim=300, runtime_model=RuntimeModel.ISPASS2020)
    sample = sample_of()
    equal, surplus = changes.agreement_of(sample, {"a": CASE, "b": other})
    assert np.diag(equal).tolist() == [1, 1]
    assert np.diag(surplus).tolist() == [0, 0]
    theirs = other.exact(sample.workloads).design_id
    assert equal[0, 1] == equal[1, 0] == (theirs == sample.design_ids).mean()
    ratio = CASE.costs(sample.workloads, theirs) / CASE.exact(sample.workloads).cost
    assert surplus[0, 1] == pytest.approx(np.exp(np.log(ratio).mean()) - 1)


def test_directions_part_what_differs():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(4000, 3))
    category = (x[:, 1] > 0).astype(int)
    weights, told, floor = features.parting_directions(x, category)
    assert weights.shape == (3, 1)
    assert abs(weights[1, 0]) > 0.95 * np.linalg.norm(weights)
    assert told > 0.98
    assert floor == pytest.approx(0.5, abs=0.05)
    assert features.parting_directions(x, np.zeros(4000, int))[0].shape == (3, 0)
    assert features.direction(["a", "b", "c"], np.array([-3.0, 4.0, 0.1])) == "0.80 b - 0.60 a"


def test_layers_of_networks_fall_where_they_do():
    network = load_network("dlrm")
    layers = samples.layers_of(CASE, [network])
    assert layers.workloads.shape == (4, 9 * 14)
    assert layers.in_range.sum() == 14  # only the interaction is small enough
    shown = neighbours.coverage([sample_of(), sample_of(seed=1)], layers)
    assert shown.summary["layers"] == 8  # two of the nine are alike
    assert 0 <= shown.summary["log-uniform"]["layers_right_label"] <= 1


def test_cells_by_hand():
    grid = exhibit.Grid(x=np.array([0.0, 1.0, 2.0]), y=np.array([0.0, 1.0, 2.0]))
    x, y = np.array([0.5, 0.5, 1.5, 1.5, 5.0]), np.array([0.5, 0.5, 0.5, 1.5, 0.5])
    assert grid.counts(x, y).tolist() == [[2, 1], [0, 1]]
    means = grid.mean(x, y, np.array([1, 3, 5, 7, 9]))
    np.testing.assert_array_equal(means, [[2, 5], [np.nan, 7]])
    found = grid.most_frequent(x, y, np.array([1, 1, 0, 2, 0]), 3)
    np.testing.assert_array_equal(found, [[1, 0], [np.nan, 2]])


def test_numbers_in_words():
    cases = (0, "0.0%"), (0.5, "50.0%"), (0.00042, "0.042%"), (0.9999, "99.990%"), (1, "100.0%")
    for value, text in (*cases, (1e-7, "<0.001%"), (0.9999999, ">99.999%")):
        assert exhibit.percent(value) == text
    numbers = {"a": {"x": 0.123}, "b": {"x": 1}}
    assert (
        exhibit.captioned("{x:.1%} of {y:,}", numbers, y=1000)
        == "a: 12.3% of 1,000. b: 100.0% of 1,000."
    )
    assert exhibit.geomean(np.array([1, 4])) == pytest.approx(2)
    assert math.isclose(exhibit.square_grid(3).x[24], -exhibit.square_grid(3).x[25])
