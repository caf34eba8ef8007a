import jax
import jax.numpy as jnp
import numpy as np
import pytest
import reference
from flax import nnx

from airchitect_jax import Layer, Network
from airchitect_jax._support import files
from airchitect_jax.case_studies import ArrayDataflowCase
from airchitect_jax.learning import (
    Dataset,
    Recommender,
    Split,
    evaluate_choices,
    evaluate_recommender,
    first_argmax,
    performance_metrics,
    sample_dataset,
)
from airchitect_jax.learning.evaluation import evaluate_heuristics, majority_class_accuracy
from airchitect_jax.learning.real_networks import evaluate_networks, layers_csv, networks_csv

CASE = ArrayDataflowCase(min_mac_exponent=5, max_mac_exponent=8, max_dim=500)
TEST = sample_dataset(CASE, seed=0, num=3000, split=Split.TEST)


class Favourite(nnx.Module):
    """Prefers high design ids, feasible or not."""

    def __call__(self, workloads):
        # Depends on its input, so that the compiler does not fold it into a constant.
        zeros = 0.0 * workloads[0].astype(jnp.float32)
        return zeros[:, None] + jnp.arange(CASE.space.num_designs, dtype=jnp.float32)[None, :]


class Knowing(nnx.Module):
    """Gives the highest logit to the exact optimum."""

    def __call__(self, workloads):
        return jax.nn.one_hot(CASE.label(workloads), CASE.space.num_designs)


def test_perfect_choices_score_one():
    metrics = evaluate_recommender(CASE, Recommender(CASE, Knowing()), TEST).metrics
    assert metrics == {
        "test_accuracy": 1.0,
        "optimal_set_accuracy": 1.0,
        "test_accuracy_unmasked": 1.0,
        "optimal_set_accuracy_unmasked": 1.0,
        "geomean_normalized_performance": 1.0,
        "p01_normalized_performance": 1.0,
        "min_normalized_performance": 1.0,
        "top5_accuracy": 1.0,
        "infeasible_first_choice_share": 0.0,
    }


def test_infeasible_choices_are_masked_and_counted():
    recommender = Recommender(CASE, Favourite())
    evaluation = evaluate_recommender(CASE, recommender, TEST)
    # The highest feasible id: all MACs in one column pair, input stationary.
    for exponent, design_id in zip(TEST.workloads[0], evaluation.chosen, strict=True):
        assert CASE.space.describe(int(design_id)) == f"{2 ** (exponent - 1)}x2 IS"
    assert evaluation.metrics["infeasible_first_choice_share"] == 1.0
    assert evaluation.metrics["test_accuracy_unmasked"] == 0.0
    assert evaluation.metrics["optimal_set_accuracy_unmasked"] == 0.0
    ranked, _ = recommender.rank(TEST.workloads, 5)
    np.testing.assert_array_equal(ranked, evaluation.chosen[:, None] - np.arange(5))


def test_metrics_against_the_reference():
    rng = np.random.default_rng(0)
    small = Dataset(workloads=TEST.workloads[:, :300], design_ids=TEST.design_ids[:300])
    chosen = np.where(rng.random(300) < 0.5, small.design_ids, rng.integers(0, 30, 300))
    evaluation = evaluate_choices(CASE, small, chosen)
    designs = reference.designs()
    expected = []
    for (exponent, m, n, k), choice in zip(small.workloads.T.tolist(), chosen, strict=True):
        _, best = reference.best(2**exponent, m, n, k, "scalesim")
        expected.append(best / reference.cycles(m, n, k, *designs[choice], "scalesim"))
    np.testing.assert_allclose(evaluation.normalized_performance, expected)
    metrics = evaluation.metrics
    assert metrics["optimal_set_accuracy"] == np.mean(np.array(expected) == 1)
    assert metrics["test_accuracy"] == np.mean(chosen == small.design_ids)
    assert metrics["geomean_normalized_performance"] == pytest.approx(
        np.prod(np.array(expected) ** (1 / 300))
    )


def test_performance_metrics_by_hand():
    metrics = performance_metrics(np.array([1.0, 0.25]))
    assert metrics["geomean_normalized_performance"] == pytest.approx(0.5)
    assert metrics["min_normalized_performance"] == 0.25


def test_majority_class():
    def data(ids):
        return Dataset(workloads=np.zeros((4, len(ids)), np.int32), design_ids=np.array(ids))

    assert majority_class_accuracy(data([3, 3, 5]), data([3, 5, 5, 5])) == 0.25


def test_the_square_heuristic_is_feasible_and_best_of_three():
    evaluation = evaluate_heuristics(CASE, TEST)["square array, best dataflow"]
    designs = CASE.space.decode(evaluation.chosen)
    budget = 2 ** TEST.workloads[0].astype(np.int64)
    np.testing.assert_array_equal(designs.rows * designs.cols, budget)
    assert set((designs.cols // designs.rows).tolist()) <= {1, 2}
    assert 0.5 < evaluation.metrics["geomean_normalized_performance"] < 1
    _, m, n, k = TEST.workloads[:, 0].tolist()
    costs = [
        reference.cycles(m, n, k, int(designs.rows[0]), int(designs.cols[0]), flow, "scalesim")
        for flow in ("OS", "WS", "IS")
    ]
    assert min(costs) == CASE.costs(TEST.workloads[:, :1], evaluation.chosen[:1])[0]


NETWORK = Network(
    name="=net",
    layers=(
        Layer(name="inside", m=100, n=200, k=300, count=3),
        Layer(name="+outside", m=501, n=1, k=1),
        Layer(name="far outside", m=3_000_000, n=50_000, k=7),
    ),
)


def test_real_networks_against_the_reference():
    (results,) = evaluate_networks(CASE, Recommender(CASE, Favourite()), [NETWORK])
    assert [result.context for result in results] == [f"{2**e} MACs" for e in range(5, 9)]
    result = results[-1]
    for layer in result.layers:
        design_id, cycles = reference.best(256, layer.m, layer.n, layer.k, "scalesim")
        assert layer.optimal_cost == cycles
        assert layer.optimal_design == CASE.space.describe(design_id)
    inside, outside, far = result.layers
    assert inside.in_range
    assert inside.chosen_design == "128x2 IS"
    assert inside.chosen_cost == reference.cycles(100, 200, 300, 128, 2, "IS", "scalesim")
    for layer in (outside, far):
        assert not layer.in_range
        assert layer.chosen_design == layer.optimal_design
        assert layer.normalized_performance == 1
    assert result.num_out_of_range == 2
    assert result.optimal_cost == 3 * inside.optimal_cost + outside.optimal_cost + (
        far.optimal_cost
    )
    totals = {
        (rows, cols, flow): sum(
            layer.count * reference.cycles(layer.m, layer.n, layer.k, rows, cols, flow, "scalesim")
            for layer in NETWORK.layers
        )
        for rows, cols, flow in reference.designs()
        if rows * cols <= 256
    }
    best = min(totals, key=totals.get)
    assert result.single_cost == totals[best]
    assert result.single_design == f"{best[0]}x{best[1]} {best[2]}"


def test_no_networks():
    assert evaluate_networks(CASE, Recommender(CASE, Favourite()), []) == []


def test_csv_rows_are_inert_in_a_spreadsheet():
    (results,) = evaluate_networks(CASE, Recommender(CASE, Favourite()), [NETWORK])
    header, *rows = layers_csv(results[:1]).splitlines()
    assert header.startswith("network,context,layer,m,n,k,count,in_range,optimal_design")
    assert rows[0].startswith("'=net,32 MACs,inside,100,200,300,3,True,")
    assert ",'+outside," in rows[1]
    assert files.inert(-5) == -5


def test_the_networks_table_has_a_row_a_context():
    (results,) = evaluate_networks(CASE, Recommender(CASE, Favourite()), [NETWORK])
    header, *rows = networks_csv(results).splitlines()
    assert header == (
        "network,context,optimal_cost,chosen_cost,single_design,single_cost,"
        "normalized_performance,layers_out_of_range"
    )
    first = results[0]
    assert rows[0] == (
        f"'=net,32 MACs,{first.optimal_cost},{first.chosen_cost},{first.single_design},"
        f"{first.single_cost},{first.normalized_performance:.6f},2"
    )
    assert len(rows) == 4


def test_first_argmax_is_argmax_ties_included():
    values = jnp.asarray(np.random.default_rng(0).integers(0, 4, (100, 7)).astype(np.float32))
    values = values.at[3].set(-jnp.inf).at[3, 4].set(-5.0)
    np.testing.assert_array_equal(first_argmax(values), values.argmax(axis=-1))
