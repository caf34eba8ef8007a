"""Networks of schedules: exchanging workloads exchanges their places; and they can learn."""

import itertools

import jax
import jax.numpy as jnp
import lessons
import numpy as np
import pytest
from flax import nnx

from airchitect_jax import Schedule
from airchitect_jax.case_studies import ScheduleCase
from airchitect_jax.learning.models import (
    FactoredScheduler,
    SymmetricScheduler,
    factored,
    symmetric,
)
from airchitect_jax.spaces import DEFAULT_ARRAYS

CASE = ScheduleCase(arrays=DEFAULT_ARRAYS[:3], max_dim=600)


@pytest.fixture(autouse=True)
def _few_samples(monkeypatch):
    for module in (symmetric, factored):
        monkeypatch.setattr(module, "NUM_SAMPLES", 4096)


def workloads_of(case, num):
    return np.random.default_rng(0).integers(1, case.max_dim, (len(case.features), num), np.int32)


def network(case=CASE):
    """A network that knows nothing, but does not take all for the same."""
    model = SymmetricScheduler(case, key=jax.random.key(0))
    kernel = np.random.default_rng(0).normal(0, 0.1, model.loads.kernel[...].shape)
    model.loads.kernel[...] = jnp.asarray(kernel, jnp.float32)
    return model


def factored_network(case):
    model = FactoredScheduler(case, key=jax.random.key(0))
    model.kernel[...] = network(case).loads.kernel[...]
    return model


@pytest.mark.parametrize("num_arrays", [2, 3, 4])
@pytest.mark.parametrize("make", [network, factored_network])
def test_exchanging_workloads_exchanges_their_places(make, num_arrays):
    case = ScheduleCase(arrays=DEFAULT_ARRAYS[:num_arrays], max_dim=600)
    model, space = nnx.jit(make(case)), case.space
    workloads = workloads_of(case, 50)
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
    workloads = workloads_of(CASE, 20)
    changed = workloads.copy()
    changed[3:6] = 7
    log_terms = nnx.jit(SymmetricScheduler.log_terms)
    before, after = (np.asarray(log_terms(model, jnp.asarray(x))) for x in (workloads, changed))
    np.testing.assert_array_equal(before[[0, 2]], after[[0, 2]])
    assert (before[1] != after[1]).any()


def test_exact_loads_make_exact_schedules(monkeypatch):
    """Makespan first, then the sum of the loads: what the network adds to its loads is right."""
    workloads = workloads_of(CASE, 500)
    exact = jax.jit(CASE.log_terms)(jnp.asarray(workloads))
    monkeypatch.setattr(SymmetricScheduler, "log_terms", lambda *_: exact)
    logits = nnx.jit(SymmetricScheduler.__call__)(network(), jnp.asarray(workloads))
    chosen = np.asarray(logits).argmax(axis=1)
    labels = CASE.exact(workloads)
    assert np.mean(CASE.costs(workloads, chosen) == labels.cost) > 0.99
    assert np.mean(chosen == labels.design_id) > 0.97


@pytest.mark.slow
def test_it_learns_schedules_from_the_cycles_of_single_workloads():
    model = SymmetricScheduler(CASE, key=jax.random.key(0))
    _, metrics = lessons.learn(model, CASE, steps=192, batch_size=512)
    assert metrics["optimal_set_accuracy"] > 0.95
    assert metrics["geomean_normalized_performance"] > 0.999
