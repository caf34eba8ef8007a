"""Models that are compared: their inputs, their answers, and how much data they take."""

import dataclasses
import types

import jax.numpy as jnp
import numpy as np
import pytest
from sklearn.ensemble import RandomForestClassifier

from airchitect_jax.baselines import Task, classifiers, competitors, networks, off_the_shelf
from airchitect_jax.baselines.heuristics import Majority, heuristics
from airchitect_jax.baselines.scores import ScoreRanker
from airchitect_jax.case_studies import ArrayDataflowCase, BufferCase, ScheduleCase
from airchitect_jax.learning import Split, evaluate_recommender, sample_dataset
from airchitect_jax.learning.evaluation import majority_class_accuracy
from airchitect_jax.learning.models import StandardInputs
from airchitect_jax.spaces import DEFAULT_ARRAYS

CASE = ArrayDataflowCase(min_mac_exponent=5, max_mac_exponent=8, max_dim=300)
SCHEDULES = ScheduleCase(arrays=DEFAULT_ARRAYS[:2], max_dim=300)


def task(case=CASE, **changes):
    validation = sample_dataset(case, seed=0, num=400, split=Split.VALIDATION)
    given = {"seed": 0, "budget_seconds": 1.0, "num_test": 400, **changes}
    return Task(case=case, validation=validation, **given)


def test_inputs_are_raw_and_logarithmic_with_mean_0_and_deviation_1():
    inputs = StandardInputs.of(np.array([[1, 3], [7, 7]]))
    np.testing.assert_allclose(inputs.mean, [2, 7, 1.5, 3])
    np.testing.assert_allclose(inputs.scale, [1, 1, 0.5, 1])  # what never changes is not scaled
    workloads = np.array([[1, 3, 15], [7, 7, 7]], np.int32)
    expected = [[-1, 0, -1, 0], [1, 0, 1, 0], [13, 0, 5, 0]]
    np.testing.assert_allclose(inputs(workloads), expected)
    traced = inputs(jnp.asarray(workloads))
    assert traced.dtype == inputs(workloads).dtype == np.float32
    np.testing.assert_allclose(traced, expected)


def test_scores_rank_seen_before_unseen_and_never_the_infeasible():
    # Budget 2^5: the designs of up to 32 MACs. Id 458 takes 2^18.
    workloads = np.array([[5, 5], [10, 10], [10, 10], [10, 10]])
    scores = np.array([[0.0, 2.0, 2.0, 9.0], [-5.0, -6.0, -7.0, -8.0]])
    ranker = ScoreRanker(CASE, np.array([1, 4, 7, 458]), lambda rows: scores)
    ranked, masked = ranker.rank(workloads, 5)
    np.testing.assert_array_equal(ranked[0], [4, 7, 1, 0, 2])  # ties and the unseen by their ids
    np.testing.assert_array_equal(ranked[1], [1, 4, 7, 0, 2])
    np.testing.assert_array_equal(masked, [True, False])


def test_majority_is_that_of_the_evaluation_where_everything_is_feasible():
    test = sample_dataset(SCHEDULES, seed=0, num=2000, split=Split.TEST)
    train = sample_dataset(SCHEDULES, seed=0, num=1 << 16, split=Split.TRAIN)
    metrics = evaluate_recommender(SCHEDULES, Majority().fit(task(SCHEDULES)).ranker, test).metrics
    assert metrics["test_accuracy"] == majority_class_accuracy(train, test) > 0


def test_rules_answer_as_the_case_study_does_and_know_no_second_choice():
    test = sample_dataset(SCHEDULES, seed=0, num=300, split=Split.TEST)
    for rule in heuristics(SCHEDULES):
        ranker = rule.fit(task(SCHEDULES)).ranker
        np.testing.assert_array_equal(
            ranker.rank(test.workloads)[0][:, 0], SCHEDULES.heuristics(test.workloads)[rule.name]
        )
        assert "top5_accuracy" not in evaluate_recommender(SCHEDULES, ranker, test).metrics


def test_a_forest_votes_as_that_of_scikit_learn(monkeypatch):
    monkeypatch.setattr(off_the_shelf, "_TREES", 6)
    monkeypatch.setattr(off_the_shelf, "_cores", lambda: 2)
    data = sample_dataset(CASE, seed=1, num=600, split=Split.TRAIN)
    inputs = StandardInputs.of(data.workloads)(data.workloads)
    classes, labels = np.unique(data.design_ids, return_inverse=True)
    ours = off_the_shelf.RandomForest(seed=3)
    ours.fit(inputs[:500], np.append(labels[:499], len(classes) - 1))
    theirs = [
        RandomForestClassifier(2, random_state=18 + first).fit(
            inputs[:500], np.append(labels[:499], len(classes) - 1)
        )
        for first in (0, 2, 4)
    ]
    votes = sum(2 * forest.predict_proba(inputs[500:]) for forest in theirs)
    known = theirs[0].classes_
    np.testing.assert_allclose(ours.scores(inputs[500:])[:, known], votes, atol=1e-6)
    nodes = [tree.tree_.node_count for forest in theirs for tree in forest.estimators_]
    assert ours.num_parameters == sum(2 * (n // 2) + n // 2 + 1 for n in nodes)


def test_a_next_size_doubles_or_fills_the_budget():
    next_size = classifiers._next_size
    assert next_size([256], [1.0], 60.0, 1 << 20) == 512
    assert next_size([256], [1.0], 60.0, 400) == 400
    # Quadratic growth: 0.9 * 10 / 4 = 2.25 times the time is 1.5 times the size.
    assert next_size([256, 512], [1.0, 4.0], 10.0, 1 << 20) == 768
    assert next_size([256, 512], [1.0, 4.0], 6.0, 1 << 20) == 0  # hardly more: not worth a fit
    assert next_size([256], [9.0], 1.0, 1 << 20) == 0


class Slow:
    """An estimator that takes a hundredth of a second an example, by the clock that it owns."""

    def __init__(self, clock):
        self.clock, self.num_parameters = clock, 1

    def fit(self, inputs, classes):
        self.clock.now += len(inputs) / 100
        self.num_classes = classes.max() + 1

    def scores(self, inputs):
        return np.zeros((len(inputs), self.num_classes))


@pytest.mark.parametrize(
    ("budget", "largest", "sizes"),
    [
        (25, 1 << 20, [256, 512, 1024, 2048]),
        (12, 1 << 20, [256, 512, 1024]),
        (60, 700, [256, 512, 700]),
        (1, 9, [256]),
    ],
)
def test_examples_double_as_long_as_time_and_memory_allow(monkeypatch, budget, largest, sizes):
    clock = types.SimpleNamespace(now=0.0)
    monkeypatch.setattr(classifiers.time, "perf_counter", lambda: clock.now)
    slow = classifiers.Classifier("slow", lambda seed: Slow(clock), lambda num: largest)
    fitted = slow.fit(task(budget_seconds=budget))
    assert [point["examples"] for point in fitted.curve][: len(sizes)] == sizes
    assert fitted.examples == fitted.curve[-1]["examples"]
    assert fitted.train_seconds == pytest.approx(fitted.examples / 100)
    assert fitted.train_seconds <= budget or len(fitted.curve) == 1


def test_labels_of_two_designs_are_refused():
    data = sample_dataset(CASE, seed=0, num=200, split=Split.TRAIN)
    two = dataclasses.replace(data, design_ids=data.design_ids % 2)
    model = classifiers.Classifier("linear_svc", off_the_shelf.LinearSvc)
    with pytest.raises(ValueError, match="linear_svc: only 2 designs are optimal for 200"):
        model._fit(task(), two)


def test_blocks_fill_the_budget_that_compilation_and_validation_leave():
    history = [{"seconds": s} for s in (5.0, 7.0, 9.0, 11.0)]
    timed = types.SimpleNamespace(history=history, seconds=12.0)
    # Blocks of 2 s; 3 s of compilation before and 1 s of validation after them.
    assert networks._blocks_in(24.5, timed) == 10
    assert networks._blocks_in(1.0, timed) == 1


def test_every_case_study_has_the_models_of_the_comparison():
    common = ["majority", "heuristics", "linear_svc", "rbf_svc", "random_forest", "xgboost"]
    common += ["mlp1x128", "mlp1x256", "mlp2x128", "mlp2x256", "paper", "airchitect"]
    for case in (CASE, BufferCase(max_dim=300), SCHEDULES):
        assert list(competitors(case))[: len(common)] == common
