"""The network of case study 2: its inputs, its matrices by dataflow, the designs it can choose."""

import math

import jax
import jax.numpy as jnp
import lessons
import numpy as np
import pytest
from flax import nnx

from airchitect_jax.case_studies import BufferCase
from airchitect_jax.learning import (
    Loss,
    Recommender,
    Split,
    StreamedBatches,
    TrainConfig,
    evaluate_recommender,
    fit,
    loss_fn,
    sample_dataset,
)
from airchitect_jax.learning.models import make_model, sizing
from airchitect_jax.learning.models.sizing import BufferSizer
from airchitect_jax.types import Dataflow, Interface, MemoryModel, Objective

CASE = BufferCase()
# budget, m, n, k, row exponent, column exponent, dataflow, bandwidth
WORKLOADS = np.array(
    [
        [3, 1, 1, 1, 3, 3, 0, 1],
        [30, 10_000, 9_999, 7, 8, 4, 1, 100],
        [12, 100, 9, 640, 5, 8, 2, 16],
    ],
    np.int32,
).T


@pytest.fixture(scope="module")
def network():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sizing, "NUM_SAMPLES", 4096)
        model = BufferSizer(CASE, hidden_sizes=(8, 8), key=jax.random.key(0))
    kernel = np.random.default_rng(0).normal(0, 0.1, model.last.kernel[...].shape)
    model.last.kernel[...] = jnp.asarray(kernel, jnp.float32)
    return model


_label_logits = nnx.jit(BufferSizer.label_logits)


def label_logits(network, workloads):
    return np.asarray(_label_logits(network, jnp.asarray(workloads)))


def test_inputs_are_logarithms_of_folds_lengths_and_products(network):
    found = np.asarray(nnx.jit(BufferSizer.logs)(network, jnp.asarray(WORKLOADS)))
    for (_, m, n, k, row, col, _, bandwidth), logs in zip(WORKLOADS.T.tolist(), found, strict=True):
        sides = range(3, 10)
        expected = [m, n, k]
        expected += [math.ceil(dim / 2**side) for dim in (m, n, k) for side in sides]
        expected += [dim + 2**side for dim in (m, n, k) for side in sides]
        expected += [math.ceil(dim / 2**side) for dim in (m, n, k) for side in (row, col)]
        # Half an SRAM has 51200 .. 512000 bytes: 2**15 is below, 2**19 above.
        expected += [size + 2**e for size in (m * k, k * n, m * n) for e in range(15, 20)]
        expected += [bandwidth + 2**doubling for doubling in range(7)]
        np.testing.assert_allclose(logs, np.log(expected), rtol=1e-6, atol=1e-6)


def test_a_step_of_the_budget_changes_the_logits_of_all_larger_budgets(network):
    workloads = np.repeat(WORKLOADS[:, 2:], 3, axis=1)
    workloads[0] = [11, 12, 30]
    before = label_logits(network, workloads)
    np.testing.assert_array_equal(before[1:], before[:-1])
    kernel = network.allowed.kernel[...]
    network.allowed.kernel[...] = kernel.at[9, 4].set(0.5)  # the step to 12
    changes = label_logits(network, workloads) - before
    network.allowed.kernel[...] = kernel
    np.testing.assert_allclose(changes[1:, 4], 5.0, atol=1e-4)
    changes[1:, 4] = 0
    assert not changes.any()


def test_each_dataflow_has_a_matrix_of_its_own(network):
    workloads = np.repeat(WORKLOADS[:, 1:2], 3, axis=1)
    workloads[-2] = [Dataflow.OS, Dataflow.WS, Dataflow.IS]
    before = label_logits(network, workloads)
    layer = network.by_dataflow[Dataflow.WS]
    kernel = layer.kernel[...]
    layer.kernel[...] = 2 * kernel
    after = label_logits(network, workloads)
    layer.kernel[...] = kernel
    np.testing.assert_array_equal(after[[0, 2]], before[[0, 2]])
    assert not np.allclose(after[1], before[1])


def test_only_designs_that_occur_as_labels_are_chosen(network):
    logits = np.asarray(lessons.logits(network, jnp.asarray(WORKLOADS)))
    few = label_logits(network, WORKLOADS)
    np.testing.assert_array_equal(logits[:, CASE.label_ids], few)
    others = np.setdiff1d(np.arange(1000), CASE.label_ids)
    assert logits[:, others].max() < few.min()


@pytest.mark.parametrize("objective", list(Objective))
def test_the_reference_labels_only_with_ids_that_occur(objective):
    case = BufferCase(objective=objective)
    for row in np.stack(case.columns(WORKLOADS)).T.tolist():
        assert case.label_in_python(*row)[0] in case.label_ids
    assert len(case.label_ids) == 1000 - 9**3


def test_all_ids_may_occur_where_costs_are_replayed():
    case = BufferCase(memory_model=MemoryModel.SCALESIM3, interface=Interface.PORTS)
    np.testing.assert_array_equal(case.label_ids, np.arange(1000))


def test_the_loss_of_labels_does_not_need_the_other_designs(network):
    workloads, ids = jnp.asarray(WORKLOADS), jnp.asarray(CASE.label_ids[[5, 0, 270]])
    nats, accuracy = nnx.jit(loss_fn(CASE, Loss.LABEL))(network, workloads, ids)
    logits = np.asarray(lessons.logits(network, workloads), np.float64)
    expected = np.log(np.exp(logits).sum(axis=1)) - logits[np.arange(3), ids]
    np.testing.assert_allclose(nats, expected.mean(), rtol=1e-5)
    np.testing.assert_allclose(accuracy, (logits.argmax(axis=1) == ids).mean())


@pytest.mark.slow
def test_it_learns_labels():
    model = make_model(CASE, "airchitect", embedding_dim=0, hidden_sizes=(32, 48), seed=0)
    unseen = sample_dataset(CASE, seed=0, num=2000, split=Split.VALIDATION)
    source = StreamedBatches(case=CASE, batch_size=512, steps_per_epoch=512, seed=0)
    config = TrainConfig(epochs=1, learning_rate=0.004)
    with jax.numpy_dtype_promotion("standard"):  # as Optax needs it
        trained = fit(model, source, unseen, config, loss_fn(CASE, Loss.LABEL)).model
    metrics = evaluate_recommender(CASE, Recommender(CASE, trained), unseen).metrics
    assert metrics["optimal_set_accuracy_unmasked"] > 0.75
