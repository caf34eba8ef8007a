"""Confidence, and when not to answer, against numbers worked by hand."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from airchitect_jax.case_studies import ScheduleCase
from airchitect_jax.learning import (
    Recommender,
    Split,
    answer,
    confidences,
    fit_temperature,
    reliability,
    risk_coverage,
    sample_dataset,
    threshold_for,
)
from airchitect_jax.learning.calibration import label_nats
from airchitect_jax.spaces import DEFAULT_ARRAYS

CASE = ScheduleCase(arrays=DEFAULT_ARRAYS[:2], max_dim=200)


class SureOfLarge(nnx.Module):
    """Always says design 3: the surer, the larger the first m."""

    def __call__(self, workloads):
        sure = workloads[0].astype(jnp.float32) / 50
        return sure[:, None] * jax.nn.one_hot(jnp.array([3]), CASE.space.num_designs)


def test_risk_and_coverage_by_hand():
    confidence = np.array([0.9, 0.5, 0.7, 0.5, 0.2])
    is_wrong = np.array([False, True, False, False, True])
    curve = risk_coverage(confidence, is_wrong)
    np.testing.assert_allclose(curve.threshold, [0.9, 0.7, 0.5, 0.2])
    np.testing.assert_allclose(curve.coverage, [0.2, 0.4, 0.8, 1.0])  # both 0.5 together
    np.testing.assert_allclose(curve.risk, [0, 0, 1 / 4, 2 / 5])
    assert curve.area == pytest.approx(0.4 * 1 / 4 + 0.2 * 2 / 5)


@pytest.mark.parametrize(
    ("max_risk", "threshold"), [(0.0, 0.7), (0.2, 0.7), (0.25, 0.5), (0.4, 0.2), (1.0, 0.2)]
)
def test_the_threshold_of_most_coverage(max_risk, threshold):
    curve = risk_coverage(
        np.array([0.9, 0.5, 0.7, 0.5, 0.2]), np.array([False, True, False, False, True])
    )
    assert threshold_for(curve, max_risk) == threshold


def test_a_network_that_is_wrong_where_it_is_sure_answers_nothing():
    curve = risk_coverage(np.array([0.9, 0.5]), np.array([True, True]))
    assert threshold_for(curve, 0.5) == math.inf


def test_risk_may_fall_again_and_the_later_threshold_counts():
    curve = risk_coverage(np.array([0.9, 0.8, 0.7, 0.6]), np.array([True, False, False, False]))
    assert threshold_for(curve, 0.25) == 0.6


def test_reliability_by_hand():
    confidence = np.array([0.05, 0.5, 0.55, 0.6, 1.0])
    bins = reliability(confidence, np.array([False, True, False, True, True]), bins=2)
    np.testing.assert_allclose(bins.confidence, [0.55 / 2, 2.15 / 3])  # 0.5 is in the lower bin
    np.testing.assert_allclose(bins.accuracy, [1 / 2, 2 / 3])
    np.testing.assert_array_equal(bins.count, [2, 3])
    assert bins.expected_calibration_error == pytest.approx(
        (2 * (1 / 2 - 0.55 / 2) + 3 * (2.15 / 3 - 2 / 3)) / 5
    )


def test_the_temperature_undoes_a_factor_and_infeasible_designs_do_not_count():
    rng = np.random.default_rng(0)
    true_logits = rng.normal(size=(20_000, 6)) * 2
    true_logits[:, 5] = -np.inf
    labels = (true_logits + rng.gumbel(size=true_logits.shape)).argmax(axis=1)
    temperature = fit_temperature(3 * true_logits, labels)
    assert temperature == pytest.approx(3, rel=0.05)
    nats = [label_nats(3 * true_logits, labels, t) for t in (0.9 * temperature, temperature)]
    assert nats[1] < nats[0]


def test_label_nats_by_hand():
    logits = np.array([[0.0, math.log(9)], [0.0, 0.0]])
    expected = (math.log(4) - math.log(3) + math.log(2)) / 2  # 9 ** (1 / 2) = 3 against 1
    assert label_nats(logits, np.array([1, 0]), 2.0) == pytest.approx(expected)


def test_confidences_are_those_of_a_softmax():
    workloads = np.array([[50, 100], *[[10, 10]] * 5])
    chosen, confidence = confidences(Recommender(CASE, SureOfLarge()), workloads, 2.0)
    np.testing.assert_array_equal(chosen, [3, 3])
    others = CASE.space.num_designs - 1
    expected = [math.exp(m) / (math.exp(m) + others) for m in (0.5, 1.0)]
    np.testing.assert_allclose(confidence, expected, rtol=1e-5)


def test_doubtful_and_unknown_workloads_are_handed_over():
    test = sample_dataset(CASE, seed=0, num=300, split=Split.TEST)
    workloads = test.workloads.copy()
    workloads[1, :10] = 201  # beyond what the network knows
    recommender = Recommender(CASE, SureOfLarge(), any_value=True)
    _, confidence = confidences(recommender, workloads, 1.0)
    threshold = float(np.median(confidence))
    design_ids, own = answer(CASE, recommender, workloads, temperature=1.0, threshold=threshold)
    expected = (confidence >= threshold) & (np.arange(300) >= 10)
    np.testing.assert_array_equal(own, expected)
    assert 100 < own.sum() < 200
    np.testing.assert_array_equal(design_ids[own], 3)
    np.testing.assert_array_equal(design_ids[~own], CASE.exact(workloads[:, ~own]).design_id)


@pytest.mark.parametrize("threshold", [0.0, math.inf])
def test_all_or_nothing_may_be_handed_over(threshold):
    workloads = np.asarray(CASE.sample(jax.random.key(0), 20))
    recommender = Recommender(CASE, SureOfLarge())
    design_ids, own = answer(CASE, recommender, workloads, temperature=1.0, threshold=threshold)
    np.testing.assert_array_equal(own, threshold == 0.0)
    exact = CASE.exact(workloads).design_id
    np.testing.assert_array_equal(design_ids, 3 if threshold == 0.0 else exact)
