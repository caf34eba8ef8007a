"""The factored scheduler: its loss is the cross-entropy of its logits, and labels suffice."""

import jax
import jax.numpy as jnp
import lessons
import numpy as np
import pytest
from flax import nnx

from airchitect_jax.case_studies import ScheduleCase
from airchitect_jax.learning import Loss, Optimizer, loss_fn
from airchitect_jax.learning.losses import cross_entropy
from airchitect_jax.learning.models import FactoredScheduler, factored, make_model, recipes
from airchitect_jax.spaces import DEFAULT_ARRAYS

CASE = ScheduleCase(arrays=DEFAULT_ARRAYS[:3], max_dim=600)


@pytest.fixture(autouse=True)
def _few_samples(monkeypatch):
    monkeypatch.setattr(factored, "NUM_SAMPLES", 4096)


def network(case):
    """A network with random loads."""
    model = FactoredScheduler(case, key=jax.random.key(0))
    kernel = np.random.default_rng(0).normal(0, 0.1, model.kernel[...].shape)
    model.kernel[...] = jnp.asarray(kernel, jnp.float32)
    model.log_scales[...] = jnp.array([0.2, 0.3, -0.1, -0.3])
    return model


@pytest.mark.parametrize("num_arrays", [2, 4])
def test_the_loss_is_the_cross_entropy_of_the_logits(num_arrays):
    case = ScheduleCase(arrays=DEFAULT_ARRAYS[:num_arrays], max_dim=600)
    model, rng = network(case), np.random.default_rng(1)
    workloads = jnp.asarray(rng.integers(1, 600, (3 * num_arrays, 200), np.int32))
    logits = lessons.logits(model, workloads)
    # Labels at random and those of the largest logits: some are right and some are wrong.
    labels = np.where(
        rng.random(200) < 0.5, logits.argmax(axis=1), rng.integers(0, case.space.num_designs, 200)
    )
    labels = jnp.asarray(labels, jnp.int32)
    loss, accuracy = nnx.jit(loss_fn(case, Loss.LABEL))(model, workloads, labels)
    expected_loss, expected_accuracy = jax.jit(cross_entropy)(logits, labels)
    np.testing.assert_allclose(loss, expected_loss, rtol=1e-5)
    assert float(accuracy) == pytest.approx(float(expected_accuracy))
    assert 0.4 < accuracy < 0.8
    np.testing.assert_allclose(jax.nn.logsumexp(logits, axis=1), 0, atol=1e-4)


def test_the_largest_workload_goes_to_the_fastest_array():
    """Before training a load is the number of multiplications, here times a factor of the pair."""
    model, space = FactoredScheduler(CASE, key=jax.random.key(0)), CASE.space
    # Array 1 is the fastest and runs IS best, then array 2 with WS, then array 0 with OS.
    model.bias[...] = jnp.log(jnp.array([4.0, 5, 6, 3, 2, 1, 5, 2, 3])) / 10
    workloads = jnp.array([[10, 20, 30, 50, 20, 30, 20, 20, 30]]).T  # 6000, 30000, 12000 MACs
    chosen = space.decode(np.asarray(lessons.logits(model, workloads)).argmax(axis=1))
    assert chosen.workload.tolist() == [[0, 1, 2]]
    assert chosen.dataflow.tolist() == [[0, 2, 1]]


def test_of_schedules_airchitect_is_this_network_and_is_told_no_costs():
    recipe = recipes(CASE)["airchitect"]
    assert isinstance(make_model(CASE, "airchitect", **_NO_WIDTHS), FactoredScheduler)
    assert "costs" not in recipe.told(recipe.loss_of(CASE))
    assert "a schedule takes as long as its slowest array" in recipe.knows


_NO_WIDTHS = {"embedding_dim": 0, "hidden_sizes": (), "seed": 0}


@pytest.mark.slow
def test_it_learns_schedules_from_labels():
    model = FactoredScheduler(CASE, key=jax.random.key(0))
    _, metrics = lessons.learn(
        model, CASE, steps=1024, batch_size=512, loss=Loss.LABEL, optimizer=Optimizer.MUON,
        learning_rate=0.01,
    )  # fmt: skip
    assert metrics["optimal_set_accuracy"] > 0.93
    assert metrics["geomean_normalized_performance"] > 0.998
