"""Inputs at several resolutions, and the network that adds up log costs."""

import functools
import math

import jax
import jax.numpy as jnp
import lessons
import numpy as np
import pytest
from flax import nnx

from airchitect_jax.case_studies import ArrayDataflowCase, BufferCase
from airchitect_jax.learning import Recommender, Split, evaluate_recommender, sample_dataset
from airchitect_jax.learning.losses import of_costs
from airchitect_jax.learning.models import additive, make_model
from airchitect_jax.learning.models.additive import GAIN, Additive
from airchitect_jax.learning.models.resolutions import Resolutions, log_resolutions

log_terms = nnx.jit(Additive.log_terms)
CASE = ArrayDataflowCase(min_mac_exponent=6, max_mac_exponent=8, max_dim=500)


def some_workloads(num):
    rng = np.random.default_rng(0)
    budgets, dims = rng.integers(6, 9, (1, num)), rng.integers(1, 501, (3, num))
    return jnp.asarray(np.concatenate([budgets, dims]), jnp.int32)


@pytest.fixture(autouse=True)
def _few_samples(monkeypatch):
    monkeypatch.setattr(additive, "NUM_SAMPLES", 4096)


@pytest.fixture
def random_network():
    """A network that knows nothing, but does not take all for the same."""
    model = Additive(CASE, key=jax.random.key(0))
    kernel = np.random.default_rng(0).normal(size=model.terms.kernel[...].shape)
    model.terms.kernel[...] = jnp.asarray(kernel, jnp.float32)
    return model


def test_resolutions_are_folds_and_lengths_at_powers_of_two():
    values = [1, 2, 3, 16, 17, 9999]
    found = np.asarray(jax.jit(log_resolutions)(jnp.array([values, values[::-1]])))
    found = found.reshape(2, 6, -1)
    np.testing.assert_array_equal(found[0], found[1, ::-1])
    for value, row in zip(values, found[0], strict=True):
        folds = [math.log(-(-value // 2**power)) for power in range(19)]
        lengths = [math.log(value + 2**power) for power in range(19)]
        np.testing.assert_allclose(row, folds + lengths, rtol=1e-6, atol=1e-7)


def test_inputs_are_decorrelated():
    samples = np.random.default_rng(0).integers(1, 3000, (20_000, 2), np.int32)
    inputs = Resolutions(samples)
    rows = np.asarray(nnx.jit(inputs)(jnp.asarray(samples)), np.float64)
    covariance = np.cov(rows.T)
    variances = np.diag(covariance)
    np.testing.assert_allclose(rows.mean(axis=0), 0, atol=0.02)
    assert (variances < 1.01).all()
    assert (variances > 0.99).sum() > 20
    correlations = covariance - np.diag(variances)
    assert np.abs(correlations).max() < 0.05


def test_costs_are_sums_over_the_inputs(random_network):
    def term(m, n, k):
        return np.asarray(log_terms(random_network, jnp.array([[7], [m], [n], [k]])))[0]

    joint, base = term(30, 400, 5), term(1, 1, 1)
    apart = term(30, 1, 1) + term(1, 400, 1) + term(1, 1, 5)
    np.testing.assert_allclose(joint, apart - 2 * base, rtol=1e-3, atol=1e-2)


def test_a_budget_is_no_input(random_network):
    model = random_network
    low, high = (jnp.array([[budget], [3], [40], [500]]) for budget in (2, 18))
    np.testing.assert_array_equal(lessons.logits(model, low), lessons.logits(model, high))
    np.testing.assert_array_equal(lessons.logits(model, low), -GAIN * log_terms(model, low))


def test_loss_is_the_squared_error_and_shuts_out_the_infeasible():
    workloads = some_workloads(64)
    exact = jax.jit(CASE.log_terms)(workloads)

    class Off:
        """Wrong by 0.1 for one design of each workload, and else exact."""

        def log_terms(self, workloads):
            return exact.at[:, 5].add(0.1)

        def logits(self, log_terms):
            return -GAIN * exact

    loss_of = jax.jit(functools.partial(of_costs, Off(), CASE))
    loss, accuracy = loss_of(workloads, CASE.label(workloads))
    assert loss == pytest.approx(0.01, rel=0.01)
    assert accuracy > 0.95  # all but the ties that float32 does not see


def test_log_terms_are_the_costs_of_all_designs():
    workloads = some_workloads(64)
    terms, costs = (jax.jit(f)(workloads) for f in (CASE.log_terms, CASE.log_costs))
    feasible = np.asarray(CASE.feasible(workloads))
    np.testing.assert_array_equal(np.isfinite(costs), feasible)
    np.testing.assert_array_equal(np.asarray(terms)[feasible], np.asarray(costs)[feasible])
    ids = np.broadcast_to(np.arange(CASE.space.num_designs), terms.shape)
    exact = CASE.costs(np.asarray(workloads), ids)
    np.testing.assert_allclose(terms, np.log(exact.astype(float)), rtol=1e-5, atol=1e-5)


@pytest.mark.slow
def test_it_learns_within_seconds_and_holds_beyond_its_range():
    trained, metrics = lessons.learn(
        Additive(CASE, key=jax.random.key(0)), CASE, steps=192, batch_size=512
    )
    assert metrics["test_accuracy"] > 0.95
    assert metrics["geomean_normalized_performance"] > 0.9999
    # Twice the largest dimension and budget that it has seen. (Sides beyond the largest dimension
    # never made a fold in training, and are not known: a budget with none of these.)
    wider = ArrayDataflowCase(min_mac_exponent=9, max_mac_exponent=9, max_dim=1000)
    beyond = sample_dataset(wider, seed=1, num=2000, split=Split.TEST)
    metrics = evaluate_recommender(wider, Recommender(wider, trained), beyond).metrics
    assert metrics["geomean_normalized_performance"] > 0.99


def test_inputs_start_at_one():
    with pytest.raises(ValueError, match="dataflow: its lowest value must be at least 1"):
        Additive(BufferCase(), key=jax.random.key(0))


@pytest.mark.parametrize("name", ["symmetric", "transformer"])
def test_a_network_must_be_one_for_the_case_study(name):
    with pytest.raises(ValueError, match=rf"{name}'? is not allowed"):
        make_model(CASE, name, embedding_dim=4, hidden_sizes=(), seed=0)
