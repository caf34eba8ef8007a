"""Recommendation of one machine for a whole network, by a trained network and exactly."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from machine_networks import DESIGNS, untrained

from airchitect_jax.cost import Platform
from airchitect_jax.learning.whole_networks import (
    FAMILIES,
    MachineRecommender,
    MachineTraining,
    all_cycles,
    fit_threshold,
    from_arrays,
    members,
    regrets,
    risks_and_regrets,
    seeds,
    train,
    within,
)
from airchitect_jax.learning.whole_networks.walks import MAX_EXPONENT, walk
from airchitect_jax.oracle.joint import best_design, design_costs
from airchitect_jax.oracle.joint.survey import survey
from airchitect_jax.spaces import JointSpace
from airchitect_jax.types import Dataflow, Objective
from airchitect_jax.workloads import GemmCounts, Layer, Network, network_names

WORKLOAD = GemmCounts(
    gemms=((196, 512, 1024), (1, 4096, 300), (3136, 64, 9), (128, 128, 64)), counts=(3, 1, 7, 144)
)


@pytest.fixture(scope="module")
def recommender():
    return untrained(threshold=0.5)


@pytest.fixture(scope="module")
def cycles():
    return all_cycles(WORKLOAD, DESIGNS)


def layers_of(workload):
    return [
        Layer(name=f"layer{place}", m=m, n=n, k=k, count=count)
        for place, ((m, n, k), count) in enumerate(
            zip(workload.gemms, workload.counts, strict=True)
        )
    ]


def test_exact_cycles_are_those_of_the_survey(cycles):
    found = survey(WORKLOAD, DESIGNS.space, Platform(), Objective.CYCLES)
    np.testing.assert_array_equal(cycles, found.cycles[Objective.CYCLES])


@pytest.mark.parametrize(("mac_exponent", "sram_steps"), [(8, 30), (12, 7), (16, 3)])
def test_optimum_is_that_of_the_best_design(cycles, mac_exponent, sram_steps):
    space = JointSpace.within(1 << mac_exponent, sram_steps * 100 * 1024)
    found = survey(WORKLOAD, space, Platform(), Objective.CYCLES)
    optimum = within(cycles, [(mac_exponent, sram_steps)], DESIGNS)
    assert optimum.tolist() == [best_design(found, Objective.CYCLES).cost]


def test_larger_memories_never_cost_more(cycles):
    """Answers use the whole SRAM budget for that reason."""
    cube = cycles[:, DESIGNS.buffers.id_of_levels]
    for axis in (1, 2, 3):
        assert (np.diff(cube, axis=axis) <= 0).all()


def test_neither_order_nor_repetition_nor_padding_matters(recommender):
    layers = layers_of(WORKLOAD)
    repeated = [
        dataclasses.replace(layer, name=f"{layer.name}_{number}", count=1)
        for layer in layers[:3]
        for number in range(layer.count)
    ]
    expected = recommender.predict(layers, mac_budget=4096, sram_budget_kb=900)
    others = layers[::-1], [*repeated, layers[3]], Network(name="net", layers=tuple(layers))
    for other in others:
        answer = recommender.predict(other, mac_budget=4096, sram_budget_kb=900)
        assert answer.design == expected.design
        assert answer.dataflows == expected.dataflows
        assert answer.cycles == pytest.approx(expected.cycles, rel=1e-5)
    small = [Layer(name=f"{k}", m=1, n=1, k=k) for k in range(1, 9)]
    more = GemmCounts.of_layers([*layers, *small])
    padded = recommender.answers([WORKLOAD, more], [(12, 9), (12, 9)])  # to sixteen layers
    assert padded.log_cycles[0, 0] == pytest.approx(np.log(expected.cycles), rel=1e-5)


def test_runs_add_up(recommender):
    twice = GemmCounts(gemms=WORKLOAD.gemms, counts=tuple(2 * count for count in WORKLOAD.counts))
    once, double = (recommender.predict(of, mac_budget=4096) for of in (WORKLOAD, twice))
    assert double.cycles == pytest.approx(2 * once.cycles, rel=1e-4)


@pytest.mark.parametrize(
    ("mac_budget", "sram_budget_kb"), [(256, 300), (5000, 1234), (2**18, None)]
)
def test_answers_keep_the_budgets(recommender, mac_budget, sram_budget_kb):
    answer = recommender.predict(WORKLOAD, mac_budget=mac_budget, sram_budget_kb=sram_budget_kb)
    for design in answer.candidates:
        assert design.num_macs <= mac_budget
        assert design.sram_bytes <= (sram_budget_kb or 3000) * 1024
    assert len(set(answer.candidates)) == len(answer.candidates)
    # The risk does not cover the choice of sizes.
    is_risky = answer.risk > recommender.threshold
    assert answer.search_instead == (is_risky or sram_budget_kb is not None)


def test_certified_machine_is_the_best_candidate(recommender, cycles):
    answer = recommender.predict(WORKLOAD, mac_budget=4096, sram_budget_kb=1500)
    certified = recommender.certify(answer, WORKLOAD)
    costs = []
    for design in answer.candidates:
        tables = [
            design_costs(gemm, design.array, design.buffers, Platform())[0]
            for gemm in WORKLOAD.gemms
        ]
        costs.append(
            sum(
                count * int(table.min())
                for table, count in zip(tables, WORKLOAD.counts, strict=True)
            )
        )
    assert certified.cycles == min(costs)
    assert certified.design == answer.candidates[int(np.argmin(costs))]
    answers = recommender.answers([WORKLOAD], [(12, 15)])
    (row,) = regrets(recommender, answers, [cycles], [(12, 15)])
    assert row["reranked_regret"] == certified.cycles / row["optimum"] - 1
    assert row["regret"] == costs[0] / row["optimum"] - 1
    for gemm, flow in certified.dataflows.items():
        table = design_costs(gemm, certified.design.array, certified.design.buffers, Platform())[0]
        assert table[flow] == table.min()
        assert isinstance(answer.dataflows[gemm], Dataflow)


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"mac_budget": 255}, "mac_budget: 255 is not allowed"),
        ({"mac_budget": 2**18 + 1}, "mac_budget: 262,145 is not allowed"),
        ({"mac_budget": 4096, "sram_budget_kb": 299}, "sram_budget_kb"),
    ],
)
def test_budgets_out_of_range_are_refused(recommender, kwargs, message):
    with pytest.raises(ValueError, match=message):
        recommender.predict(WORKLOAD, **kwargs)


def test_workloads_out_of_range_are_refused(recommender):
    large = GemmCounts(gemms=((2**MAX_EXPONENT + 1, 1, 1),), counts=(1,))
    with pytest.raises(ValueError, match="262,145 is not allowed"):
        recommender.predict(large, mac_budget=4096)
    with pytest.raises(ValueError, match="expected layers"):
        recommender.predict([], mac_budget=4096)


def test_stored_weights_give_the_same_answers(recommender):
    arrays = recommender.arrays()  # in half precision
    first = from_arrays(arrays, hidden=8, memory_hidden=8, threshold=0.5)
    second = from_arrays(first.arrays(), hidden=8, memory_hidden=8, threshold=0.5)
    expected, answer, again = (
        one.predict(WORKLOAD, mac_budget=4096) for one in (recommender, first, second)
    )
    assert answer.cycles == pytest.approx(expected.cycles, rel=0.02)
    assert again == answer
    name = sorted(arrays)[0]
    with pytest.raises(ValueError, match=f"{name}: the shape None is not allowed"):
        from_arrays(
            {other: array for other, array in arrays.items() if other != name},
            hidden=8,
            memory_hidden=8,
            threshold=0.5,
        )


def test_every_packaged_network_has_one_family():
    names = [name for family in FAMILIES for name in members(family)]
    assert sorted(names) == list(network_names())


def test_walks_use_nothing_of_families_left_out():
    start = seeds(["recommendation", "decode"])
    names = np.array(network_names())
    assert set(names[start.probabilities > 0]) == {*members("recommendation"), *members("decode")}
    assert start.probabilities[names == "dlrm"] == 0.5
    with pytest.raises(ValueError, match="'transformers' is not allowed"):
        seeds(["transformers"])


def test_walks_are_networks():
    draw = jax.jit(walk, static_argnums=(2, 3))
    layers = draw(jax.random.key(0), seeds(list(FAMILIES)), 64, 8)
    dims, counts = np.asarray(layers.dims), np.asarray(layers.counts)
    assert dims.shape == (64, 8, 3)
    assert dims.min() == 1
    assert dims.max() <= 2**MAX_EXPONENT
    assert (counts >= 1).all()
    assert (counts == counts.round()).all()
    assert len(np.unique(dims.reshape(-1, 3), axis=0)) > 500  # of 512


def test_threshold_allows_the_stated_share():
    risks = np.array([0.1, 0.2, 0.3, 0.4, 0.5])
    found = np.array([0.0, 0.0, 0.02, 0.0, 0.05])  # the third and the fifth are above 1%
    assert fit_threshold(risks, found, 0.25) == 0.4
    assert fit_threshold(risks, found, 0.0) == 0.2
    assert fit_threshold(risks, np.full(5, 0.02), 0.1) == 0.0


@pytest.mark.slow
def test_training_finds_good_machines():
    families = [family for family in FAMILIES if family != "encoders"]
    config = MachineTraining(
        steps=100, networks_per_step=16, layers_per_network=4, hidden=32, memory_hidden=16
    )
    history = []
    with jax.numpy_dtype_promotion("standard"):  # as Optax needs it
        network = train(config, DESIGNS, families, history.append)
    assert history[-1]["arrays"] < 0.3 * history[0]["arrays"]
    trained = MachineRecommender(network=network, designs=DESIGNS, threshold=1.0)
    risks, found = risks_and_regrets(
        trained, seeds(["encoders"]), jax.random.key(1), num=64, num_layers=8
    )
    assert np.median(found) < 0.02
    assert (found >= -1e-6).all()
    assert (risks >= 0).all()
    assert jnp.isfinite(risks).all()
