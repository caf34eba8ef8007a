import functools
import os
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx

from airchitect_jax.case_studies import ArrayDataflowCase
from airchitect_jax.learning import (
    Loss,
    Split,
    StoredBatches,
    StreamedBatches,
    TrainConfig,
    cross_entropy,
    fit,
    loss_fn,
    sample_dataset,
)
from airchitect_jax.learning.losses import with_optimal_set
from airchitect_jax.learning.models.paper import PaperNetwork

CASE = ArrayDataflowCase(min_mac_exponent=4, max_mac_exponent=6, max_dim=64)
VALIDATION = sample_dataset(CASE, seed=1, num=500, split=Split.VALIDATION)
CONFIG = TrainConfig(epochs=3, learning_rate=0.02)
LOSS = loss_fn(CASE, Loss.LABEL)


@pytest.fixture(autouse=True)
def _standard_promotion():
    # Optax's Adam raises a float to the power of an int32 count.
    with jax.numpy_dtype_promotion("standard"):
        yield


def model(seed=0):
    return PaperNetwork(
        CASE.features,
        CASE.space.num_designs,
        embedding_dim=4,
        hidden_sizes=(16,),
        rngs=nnx.Rngs(seed),
    )


def streamed():
    return StreamedBatches(case=CASE, batch_size=128, steps_per_epoch=70, seed=0)


def stored():
    dataset = sample_dataset(CASE, seed=0, num=9000, split=Split.TRAIN)
    return StoredBatches(dataset=dataset, batch_size=128, seed=0)


def test_network_is_the_papers_figure_1():
    network = PaperNetwork(CASE.features, 459, rngs=nnx.Rngs(0))
    sizes = {
        ".".join(map(str, path)): leaf[...].shape
        for path, leaf in nnx.to_flat_state(nnx.state(network, nnx.Param))
    }
    assert sizes == {
        "embeddings.0.embedding": (3, 16),
        "embeddings.1.embedding": (64, 16),
        "embeddings.2.embedding": (64, 16),
        "embeddings.3.embedding": (64, 16),
        "hidden.0.kernel": (64, 256),
        "hidden.0.bias": (256,),
        "logits.kernel": (256, 459),
        "logits.bias": (459,),
    }


def test_each_value_has_its_own_embedding():
    network = model()
    low = jnp.array([[4], [1], [1], [1]], jnp.int32)
    high = jnp.array([[6], [64], [64], [64]], jnp.int32)
    for workload, row in ((low, 0), (high, -1)):
        parts = [table.embedding[...][row] for table in network.embeddings]
        hidden = nnx.relu(network.hidden[0](jnp.concatenate(parts)))
        np.testing.assert_allclose(network(workload)[0], network.logits(hidden), rtol=1e-5)


def test_optimal_set_loss_counts_all_that_cost_as_little():
    logits = jnp.log(jnp.array([[0.1, 0.2, 0.3, 0.4], [0.7, 0.1, 0.1, 0.1]]))
    log_costs = jnp.log(jnp.array([[5.0, 3.0, 3.0, jnp.inf], [2.0, 4.0, 8.0, 16.0]]))
    # The infeasible design of the first is shut out of the softmax.
    of_label = -(np.log(0.3 / 0.6) + np.log(0.7)) / 2
    of_set = -(np.log((0.2 + 0.3) / 0.6) + np.log(0.7)) / 2
    nats, accuracy = with_optimal_set(logits, log_costs, jnp.array([2, 0]))
    np.testing.assert_allclose(nats, of_label + of_set, rtol=1e-6)
    assert accuracy == 1


def test_optimal_set_loss_shuts_out_the_infeasible_and_has_finite_gradients():
    loss = loss_fn(CASE, Loss.OPTIMAL_SET)
    workloads, ids = VALIDATION.workloads, VALIDATION.design_ids
    feasible = np.asarray(CASE.feasible(workloads))
    logits = jnp.where(feasible, 0.0, 100.0)  # would drown everything, were it not masked
    metrics = jax.jit(lambda x: loss(lambda _: x, workloads, ids))
    gradient = jax.grad(lambda x: metrics(x)[0])(logits)
    assert np.isfinite(gradient).all()
    assert (np.asarray(gradient)[~feasible] == 0).all()
    certain = jnp.where(jnp.arange(logits.shape[1])[None, :] == ids[:, None], 50.0, 0.0)
    nats, accuracy = metrics(certain)
    assert nats < 1e-6
    assert accuracy == 1


def test_cross_entropy_against_optax():
    rng = np.random.default_rng(0)
    logits = jnp.asarray(rng.normal(size=(50, 9)).astype(np.float32))
    labels = jnp.asarray(rng.integers(0, 9, 50).astype(np.int32))
    loss, accuracy = cross_entropy(logits, labels)
    expected = optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean()
    assert float(loss) == pytest.approx(float(expected), rel=1e-5)
    assert float(accuracy) == pytest.approx(np.mean(np.argmax(logits, 1) == labels))


@pytest.mark.slow
@pytest.mark.parametrize("make_source", [streamed, stored])
def test_training_learns_and_validates_each_epoch(make_source):
    result = undisturbed(make_source)
    steps = make_source().steps_per_epoch
    checked = [row for row in result.history if "validation_loss" in row]
    assert [row["step"] for row in checked] == [steps, 2 * steps, 3 * steps]
    assert checked[-1]["examples"] == 3 * steps * 128
    assert checked[-1]["validation_loss"] < checked[0]["validation_loss"]
    majority = np.bincount(VALIDATION.design_ids).max() / len(VALIDATION)
    assert checked[-1]["validation_accuracy"] > majority + 0.1


@functools.cache
def undisturbed(make_source):
    return fit(model(), make_source(), VALIDATION, CONFIG, LOSS)


def without_seconds(history):
    return [{key: value for key, value in row.items() if key != "seconds"} for row in history]


@pytest.mark.parametrize(
    ("make_source", "stop_at_step"),
    [
        pytest.param(stored, 64, marks=pytest.mark.slow),
        pytest.param(streamed, 70, marks=pytest.mark.slow),
        pytest.param(streamed, 134, marks=pytest.mark.slow),
        (stored, 210),
    ],
)
def test_an_interrupted_run_resumes_to_the_same_end(tmp_path, make_source, stop_at_step):
    class StopError(Exception):
        pass

    def stop(history, total_steps):
        if history[-1]["step"] >= stop_at_step:
            raise StopError

    with pytest.raises(StopError):
        fit(model(), make_source(), VALIDATION, CONFIG, LOSS, checkpoint_dir=tmp_path, on_rows=stop)
    resumed = fit(model(), make_source(), VALIDATION, CONFIG, LOSS, checkpoint_dir=tmp_path)
    expected = undisturbed(make_source)
    assert without_seconds(resumed.history) == without_seconds(expected.history)
    workloads = jnp.asarray(VALIDATION.workloads)
    np.testing.assert_array_equal(resumed.model(workloads), expected.model(workloads))
    # A finished run is not trained again, whatever the model that is given.
    again = fit(model(seed=9), make_source(), VALIDATION, CONFIG, LOSS, checkpoint_dir=tmp_path)
    assert again.history == resumed.history
    np.testing.assert_array_equal(again.model(workloads), resumed.model(workloads))


def test_training_stays_in_32_bits():
    for _, leaf in nnx.to_flat_state(nnx.state(undisturbed(streamed).model, nnx.Param)):
        assert leaf[...].dtype == jnp.float32


def test_a_source_without_a_full_batch_is_refused():
    source = StreamedBatches(case=CASE, batch_size=128, steps_per_epoch=0, seed=0)
    with pytest.raises(ValueError, match="batch_size"):
        fit(model(), source, VALIDATION, CONFIG, LOSS)


@pytest.mark.slow
def test_several_devices_share_each_batch():
    """Three virtual devices end where one does, and what was trained runs on all of them."""
    code = """
import sys

import jax
from flax import nnx

from airchitect_jax.case_studies import ArrayDataflowCase
from airchitect_jax.learning import (
    Loss,
    Recommender,
    Split,
    StreamedBatches,
    TrainConfig,
    fit,
    loss_fn,
    sample_dataset,
)
from airchitect_jax.learning.models.paper import PaperNetwork

assert jax.device_count() == int(sys.argv[1])
case = ArrayDataflowCase(min_mac_exponent=4, max_mac_exponent=6, max_dim=64)
data = sample_dataset(case, seed=1, num=99, split=Split.VALIDATION)
model = PaperNetwork(case.features, 459, embedding_dim=2, hidden_sizes=(), rngs=nnx.Rngs(0))
source = StreamedBatches(case=case, batch_size=96, steps_per_epoch=8, seed=0)
config = TrainConfig(epochs=1, learning_rate=0.02)
fitted = fit(model, source, data, config, loss_fn(case, Loss.LABEL))
ranked, _ = Recommender(case, fitted.model).rank(data.workloads)
print(fitted.history[-1]["validation_loss"], ranked.sum())
"""
    found = []
    for count in (1, 3):
        flags = f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count={count}"
        result = subprocess.run(
            [sys.executable, "-c", code, str(count)],
            env=os.environ | {"XLA_FLAGS": flags},
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert result.returncode == 0, result.stderr
        found.append([float(word) for word in result.stdout.split()])
    np.testing.assert_allclose(found[0], found[1], rtol=1e-4)
