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
from airchitect_jax.training import Optimizer, TrainConfig, fit

CASE = ScheduleCase(arrays=DEFAULT_ARRAYS[:3], max_dim=600)


def network(case=CASE, seed=0):
    """A network that knows nothing, but does not take all for the same."""
    model = SymmetricScheduler(case, key=jax.random.key(seed))
    shape = model.loads.kernel[...].shape
    model.loads.kernel[...] = 0.1 * jax.random.normal(jax.random.key(seed), shape)
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
        np.testing.assert_allclose(model(jnp.asarray(moved))[:, ids], logits, rtol=1e-4, atol=1)


def test_a_load_depends_on_its_own_workload_only():
    model = network()
    workloads = np.asarray(CASE.sample(jax.random.key(1), 20))
    changed = workloads.copy()
    changed[3:6] = 7
    before, after = (np.asarray(model.log_terms(jnp.asarray(x))) for x in (workloads, changed))
    np.testing.assert_array_equal(before[[0, 2]], after[[0, 2]])
    assert (before[1] != after[1]).any()


def test_exact_loads_make_exact_schedules(monkeypatch):
    """Makespan first, then the sum of the loads: what the network adds to its loads is right."""
    workloads = CASE.sample(jax.random.key(2), 500)
    exact = CASE.log_terms(workloads)
    monkeypatch.setattr(SymmetricScheduler, "log_terms", lambda *_: exact)
    chosen = np.asarray(network()(workloads)).argmax(axis=1)
    labels = CASE.exact(np.asarray(workloads))
    assert np.mean(CASE.costs(np.asarray(workloads), chosen) == labels.cost) > 0.99
    assert np.mean(chosen == labels.design_id) > 0.97


def test_it_learns_schedules_from_the_cycles_of_single_workloads():
    model = SymmetricScheduler(CASE, key=jax.random.key(0))
    validation = sample_dataset(CASE, seed=0, num=2000, split=Split.VALIDATION)
    source = StreamedBatches(case=CASE, batch_size=1024, steps_per_epoch=256, seed=0)
    config = TrainConfig(epochs=1, learning_rate=0.02, optimizer=Optimizer.MOMENTUM)
    with jax.numpy_dtype_promotion("standard"):  # as Optax needs it
        fitted = fit(model, source, validation, config, loss_fn(CASE, Loss.COST))
    metrics = evaluate_recommender(CASE, Recommender(CASE, fitted.model), validation).metrics
    assert metrics["optimal_set_accuracy"] > 0.95
    assert metrics["geomean_normalized_performance"] > 0.999
