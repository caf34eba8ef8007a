"""The recommender of machines, released and asked; its weights are small and random."""

import json

import numpy as np
import pytest
from machine_networks import DESIGNS, untrained

from airchitect_jax import load_pretrained
from airchitect_jax._support.files import write_json
from airchitect_jax._support.workdir import write_config
from airchitect_jax.learning.whole_networks import MachineRecommender
from airchitect_jax.oracle.joint import design_costs
from airchitect_jax.pretrained import Precision, release
from airchitect_jax.pretrained.store import rounded
from airchitect_jax.pretrained.whole_networks import pack, restore
from airchitect_jax.recommendation import recommend
from airchitect_jax.workloads import Layer, Network

NETWORK = Network(
    name="three",
    layers=(
        Layer(name="wide", m=196, n=512, k=1024, count=3),
        Layer(name="thin", m=1, n=4096, k=300),
        Layer(name="tall", m=3136, n=64, k=9, count=7),
    ),
)


@pytest.fixture(scope="module")
def trained():
    return untrained(threshold=1e9)


@pytest.fixture(scope="module")
def run(trained, tmp_path_factory):
    """What `experiments.learn_networks` leaves of it."""
    folder = tmp_path_factory.mktemp("finished")
    write_config(folder, "learn_networks", {"seed": 0, "preset": "smoke", "workdir": "a folder"})
    np.savez(folder / "weights.npz", **trained.arrays())
    settings = {"hidden": 8, "memory_hidden": 8, "threshold": trained.threshold}
    write_json(folder / "weights.json", {**settings, "environment": {"device": "here"}})
    return folder


@pytest.fixture(scope="module")
def tiny(run):
    """As it is loaded when it is stored in half precision."""
    arrays, settings = pack(run)
    return restore(rounded(arrays, Precision.FLOAT16), {"settings": settings})


def cycles_on(design):
    tables = [
        design_costs((layer.m, layer.n, layer.k), design.array, design.buffers, DESIGNS.platform)[0]
        for layer in NETWORK.layers
    ]
    return sum(
        layer.count * int(table.min()) for layer, table in zip(NETWORK.layers, tables, strict=True)
    )


def test_what_is_loaded_is_the_network_of_the_run(trained, tiny):
    expected = trained.predict(NETWORK, mac_budget=4096)
    answer = tiny.predict(NETWORK, mac_budget=4096, certify=False)
    assert not answer.from_search
    assert answer.cycles == pytest.approx(expected.cycles, rel=0.02)  # in half precision
    best = tiny.predict(NETWORK.layers, mac_budget=4096)
    assert not best.from_search
    assert best.cycles == cycles_on(best.design) <= cycles_on(answer.design)
    assert best.dataflows.keys() == answer.dataflows.keys()
    assert best.risk == answer.risk


@pytest.mark.parametrize(
    ("change", "budgets"),
    [
        ({}, {"mac_budget": 255}),
        ({}, {"mac_budget": 4096, "sram_budget_kb": 800}),  # the risk does not cover sizes
        ({"m": 2**18 + 1}, {"mac_budget": 1024}),
    ],
)
def test_exact_search_answers_what_the_network_does_not_know(tiny, change, budgets):
    layers = (Layer(**{"name": "one", "m": 100, "n": 200, "k": 300, "count": 2} | change),)
    answer = tiny.predict(layers, **budgets)
    exact = recommend(Network(name="net", layers=layers), **budgets)
    assert answer.from_search
    assert (answer.design, answer.cycles) == (exact.design, exact.cycles)
    assert answer.dataflows == {plan.gemm: plan.dataflow for plan in exact.layers}
    assert answer.risk == 0


def test_doubt_is_searched(tiny):
    doubting = type(tiny)(
        MachineRecommender(network=tiny.recommender.network, designs=DESIGNS, threshold=-1.0), {}
    )
    answer = doubting.predict(NETWORK, mac_budget=1024)
    assert answer.from_search
    assert answer.cycles == recommend(NETWORK, mac_budget=1024).cycles


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"mac_budget": 2**18 + 1}, "mac_budget: 262,145 is not allowed; the network was trained"),
        ({"out_of_range": "guess"}, "out_of_range: 'guess' is not allowed; expected search or"),
        ({"sram_budget_kb": 200}, "sram_budget_kb: 200 is not allowed"),
        ({"mac_budget": 0, "out_of_range": "search"}, "mac_budget: 0 is not allowed"),
        ({"workload": "no_such"}, "no_such"),
        ({"workload": []}, "workload: .* expected layers"),
    ],
)
def test_refusals(tiny, given, message):
    with pytest.raises(ValueError, match=message):
        tiny.predict(**{"workload": NETWORK, "mac_budget": 4096, "out_of_range": "refuse"} | given)


def test_a_folder_that_holds_no_run(tmp_path):
    with pytest.raises(ValueError, match=r"weights\.json: not there; expected a finished run"):
        release(tmp_path, tmp_path / "out", name="none", kind="machines")


def test_the_packaged_weights_are_those_of_its_run():
    config = load_pretrained("machines").config
    assert config["command"] == "python -m experiments.learn_networks --preset=default"
    assert config["settings"]["told"] == ["costs", "formula factors"]


@pytest.mark.slow
def test_released_weights_are_measured(run, trained, tmp_path):
    release(run, tmp_path, name="tiny", kind="machines", precision="float16")
    text = (tmp_path / "config.json").read_text()
    assert "a folder" not in text
    metrics = json.loads(text)["metrics"]
    assert metrics["num_test"] == 104
    assert metrics["infeasible_share"] == metrics["searched_share"] == 0
    for name in ("optimal_set_accuracy", "min_normalized_performance"):
        assert metrics[name] <= metrics[f"reranked_{name}"] <= 1
    answer = load_pretrained(tmp_path).predict(NETWORK, mac_budget=4096, certify=False)
    expected = trained.predict(NETWORK, mac_budget=4096)
    assert answer.cycles == pytest.approx(expected.cycles, rel=0.02)


@pytest.mark.slow
def test_the_packaged_recommender_finds_good_machines():
    answer = load_pretrained("machines").predict("bert_base", mac_budget=16384)
    assert not answer.from_search
    assert answer.cycles <= 1.01 * recommend("bert_base", mac_budget=16384).cycles
