"""The symmetric network: exchanging workloads exchanges their places; and it can learn."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from airchitect_jax import Schedule
from airchitect_jax.case_studies.schedule import ScheduleCase
from airchitect_jax.datasets import Split, StreamedBatches, sample_dataset
from airchitect_jax.evaluation import Recommender, evaluate_recommender
from airchitect_jax.losses import Loss, loss_fn
from airchitect_jax.models.symmetric import SymmetricScheduler
from airchitect_jax.schedule_space import DEFAULT_ARRAYS
from airchitect_jax.training import TrainConfig, fit

CASE = ScheduleCase(arrays=DEFAULT_ARRAYS[:3], max_dim=600)


def network(case=CASE, seed=0):
    model = SymmetricScheduler(case.features, case.space, embedding_dim=12, rngs=nnx.Rngs(seed))
    # Larger than at the start, where all logits are nearly the same.
    for table in model.embeddings:
        table.embedding[...] = 20 * table.embedding[...]
    return model


@pytest.mark.parametrize("num_arrays", [2, 3, 4])
def test_exchanging_workloads_exchanges_their_places(num_arrays):
    case = ScheduleCase(arrays=DEFAULT_ARRAYS[:num_arrays], max_dim=600)
    model, space = nnx.jit(network(case)), case.space
    workloads = np.asarray(case.sample(jax.random.key(0), 50))
    logits = np.asarray(model(jnp.asarray(workloads)))
    assert logits.shape == (50, space.num_designs)
    assert logits.std(axis=1).min() > 0.1  # they depend on the design
    schedule = space.decode(np.arange(space.num_designs))
    for order in itertools.permutations(range(num_arrays)):
        moved = workloads.reshape(num_arrays, 3, 50)[list(order)].reshape(-1, 50)
        # What was workload order[i] is now workload i.
        place = np.argsort(order)
        ids = space.encode(Schedule(workload=place[schedule.workload], dataflow=schedule.dataflow))
        np.testing.assert_allclose(model(jnp.asarray(moved))[:, ids], logits, rtol=1e-4, atol=1e-4)


def test_a_load_depends_on_its_own_workload_only():
    model = network()
    workloads = np.asarray(CASE.sample(jax.random.key(1), 20))
    changed = workloads.copy()
    changed[3:6] = 7
    before, after = (np.asarray(model.log_loads(jnp.asarray(x))) for x in (workloads, changed))
    np.testing.assert_array_equal(before[[0, 2]], after[[0, 2]])
    assert (before[1] != after[1]).any()


def test_a_longer_load_never_raises_a_logit(monkeypatch):
    model = network()
    workloads = CASE.sample(jax.random.key(2), 30)
    loads = np.asarray(model.log_loads(workloads))
    highest = loads.min(axis=(2, 3)).max(axis=0)
    # Raise the load of workload 1 on array 2 with dataflow 0, not below what all is relative to.
    longer = loads.copy()
    longer[1, :, 2, 0] = np.maximum(longer[1, :, 2, 0], highest) + 0.05
    schedule = CASE.space.decode(np.arange(CASE.space.num_designs))
    uses = (schedule.workload[:, 2] == 1) & (schedule.dataflow[:, 2] == 0)
    before = np.asarray(model(workloads))
    monkeypatch.setattr(SymmetricScheduler, "log_loads", lambda *_: jnp.asarray(longer))
    after = np.asarray(model(workloads))
    same_reference = longer.min(axis=(2, 3)).max(axis=0) == highest
    assert same_reference.sum() > 10
    assert (after[same_reference][:, uses] < before[same_reference][:, uses] + 1e-5).all()
    np.testing.assert_allclose(
        after[same_reference][:, ~uses], before[same_reference][:, ~uses], atol=1e-4
    )


def test_it_learns_what_no_single_answer_knows():
    model = SymmetricScheduler(CASE.features, CASE.space, embedding_dim=8, rngs=nnx.Rngs(0))
    validation = sample_dataset(CASE, seed=0, num=2000, split=Split.VALIDATION)
    source = StreamedBatches(case=CASE, batch_size=256, steps_per_epoch=300, seed=0)
    config = TrainConfig(epochs=1, learning_rate=0.02)
    with jax.numpy_dtype_promotion("standard"):  # as Optax's Adam needs it
        fitted = fit(model, source, validation, config, loss_fn(CASE, Loss.OPTIMAL_SET))
    metrics = evaluate_recommender(CASE, Recommender(CASE, fitted.model), validation).metrics
    assert metrics["optimal_set_accuracy"] > 0.7
    assert metrics["geomean_normalized_performance"] > 0.97


def test_features_must_be_those_of_the_workloads():
    with pytest.raises(AssertionError):
        SymmetricScheduler(CASE.features[:-1], CASE.space, rngs=nnx.Rngs(0))
