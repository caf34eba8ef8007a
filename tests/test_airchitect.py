"""The network with inputs at several resolutions, and its training under all budgets at once."""

import jax
import jax.numpy as jnp
import lessons
import numpy as np
import pytest
import scipy.special
from flax import nnx

from airchitect_jax.case_studies import ArrayDataflowCase, ScheduleCase
from airchitect_jax.learning import Split, cross_entropy, split_of, streamed
from airchitect_jax.learning.datasets import CrossedBatches, StreamedBatches
from airchitect_jax.learning.models.airchitect import Airchitect

CASE = ArrayDataflowCase(min_mac_exponent=4, max_mac_exponent=7, max_dim=300)
_DRAW = np.random.default_rng(3)
WORKLOADS = jnp.asarray(
    _DRAW.integers([[4], [1], [1], [1]], [[8], [301], [301], [301]], (4, 20)), jnp.int32
)


def network(hidden_sizes=()):
    made = Airchitect(CASE, hidden_sizes=hidden_sizes, key=jax.random.key(0))
    for path, leaf in jax.tree_util.tree_leaves_with_path(nnx.state(made, nnx.Param)):
        assert leaf.size > 0, path
    state = jax.tree.map(
        lambda leaf: leaf + jnp.asarray(_DRAW.normal(0, 0.01, leaf.shape), jnp.float32),
        nnx.state(made, nnx.Param),
    )
    nnx.update(made, state)
    return made


@pytest.mark.parametrize("hidden_sizes", [(), (8,)])
def test_logits_under_all_budgets_are_those_of_each(hidden_sizes):
    made = network(hidden_sizes)
    together = nnx.jit(Airchitect.under_all_budgets)(made, WORKLOADS)
    assert together.shape == (4, 20, CASE.space.num_designs)
    for place, exponent in enumerate(range(4, 8)):
        alone = lessons.logits(made, WORKLOADS.at[0].set(exponent))
        np.testing.assert_allclose(together[place], alone, rtol=2e-4, atol=1e-3)


def test_the_loss_is_that_of_the_logits():
    made = network()
    ids = CASE.label(WORKLOADS)
    label_loss = nnx.jit(Airchitect.label_loss)
    expected = jax.jit(cross_entropy)(lessons.logits(made, WORKLOADS), ids)
    for ours, plain in zip(label_loss(made, WORKLOADS, ids), expected, strict=True):
        assert float(ours) == pytest.approx(float(plain), rel=1e-5)
    crossed = jnp.stack([CASE.label(WORKLOADS.at[0].set(e)) for e in range(4, 8)])
    crossed = crossed.at[0, :5].set(-1)  # left out
    per_row = [
        float(scipy.special.logsumexp(logits) - logits[label])
        for exponent, labels in zip(range(4, 8), np.asarray(crossed), strict=True)
        for logits, label in zip(
            np.asarray(lessons.logits(made, WORKLOADS.at[0].set(exponent))), labels, strict=True
        )
        if label >= 0
    ]
    nats, accuracy = label_loss(made, WORKLOADS, crossed)
    assert len(per_row) == 75
    assert float(nats) == pytest.approx(np.mean(per_row), rel=1e-3)
    assert 0 <= float(accuracy) <= 1


def test_crossed_batches_have_the_label_of_every_budget_and_no_test_workload():
    source = CrossedBatches(case=CASE, row=0, batch_size=64, steps_per_epoch=3, seed=0)
    (workloads, design_ids), (last, _) = source.blocks(0, 2)
    assert workloads.shape == (2, 4, 16)
    assert design_ids.shape == (2, 4, 16)
    assert last.shape == (1, 4, 16)
    for place, exponent in enumerate(range(4, 8)):
        one = workloads[1].at[0].set(exponent)
        in_train = np.asarray(split_of(one) == Split.TRAIN)
        expected = np.where(in_train, CASE.label(one), -1)
        np.testing.assert_array_equal(design_ids[1, place], expected)
    again = next(
        CrossedBatches(case=CASE, row=0, batch_size=64, steps_per_epoch=3, seed=0).blocks(0, 2)
    )
    np.testing.assert_array_equal(again[0], workloads)
    assert (np.asarray(design_ids) == -1).mean() < 0.3


def test_a_share_of_the_dimensions_is_small():
    def smallest(share):
        source = CrossedBatches(
            case=CASE, row=0, batch_size=8192, steps_per_epoch=1, seed=0, small_share=share
        )
        return (np.asarray(next(source.blocks(0, 1))[0][0, 1:]) < 10).mean()

    assert smallest(0.0) < 0.06
    assert smallest(0.5) > 0.2


def test_networks_without_a_row_to_cross_get_plain_batches():
    fields = {"batch_size": 8, "steps_per_epoch": 1, "seed": 0}
    assert isinstance(streamed(CASE, network(), **fields), CrossedBatches)
    assert isinstance(streamed(CASE, object(), **fields), StreamedBatches)


def test_it_serves_case_studies_with_dimensions():
    assert Airchitect.serves(CASE)
    assert Airchitect.serves(ScheduleCase(max_dim=300))
    assert not Airchitect.serves(ArrayDataflowCase(max_dim=20))
