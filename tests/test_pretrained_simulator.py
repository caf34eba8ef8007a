"""The network of the scalesim package: released, loaded, and asked about anything."""

import json

import jax
import numpy as np
import pytest

from airchitect_jax import load_pretrained
from airchitect_jax._support.files import write_json
from airchitect_jax._support.workdir import write_config
from airchitect_jax.learning.replayed import Sizer, initial, replayed_case
from airchitect_jax.pretrained import release

CASE = replayed_case(max_dim=1024)
FLAGS = {"num_train": 256, "num_test": 4, "hidden_sizes": ["8", "4"], "max_dim": 1024, "seed": 3}
QUESTION = {"sram_budget_bytes": 1_250_000, "m": [1000, 64], "n": 800, "k": 900}
QUESTION |= {"rows": 8, "cols": 32, "dataflow": "ws", "bandwidth_bytes_per_cycle": 4}


@pytest.fixture(scope="module")
def sizer():
    space = CASE.space
    sizes_kb = tuple(space.step_kb * level for level in range(1, space.num_levels + 1))
    parameters = jax.tree.map(np.asarray, initial(jax.random.key(1), (8, 4), sizes_kb))
    return Sizer(case=CASE, parameters=parameters)


@pytest.fixture(scope="module")
def run(sizer, tmp_path_factory):
    """A run that ends with the first parameters of its network."""
    folder = tmp_path_factory.mktemp("finished")
    write_config(folder, "learn_simulator", FLAGS)
    write_json(folder / "summary.json", {})
    (folder / "networks").mkdir()
    sizer.save(folder / "networks" / "256.npz", {})
    return folder


@pytest.fixture(scope="module")
def folder(run, tmp_path_factory):
    folder = tmp_path_factory.mktemp("released") / "tiny"
    release(run, folder, name="tiny", kind="simulator")
    return folder


@pytest.fixture(scope="module")
def tiny(folder):
    return load_pretrained(folder)


def test_what_is_loaded_is_the_network_of_the_run(sizer, tiny):
    answer = tiny.predict(**QUESTION)
    workloads = np.array([(12, m, 800, 900, 3, 5, 1, 4) for m in (1000, 64)]).T
    np.testing.assert_array_equal(answer.design_id, sizer.rank(workloads)[0][:, 0])
    assert answer.design.ifmap_sram_bytes.shape == (2,)
    assert not answer.from_search.any()
    assert np.isnan(answer.confidence).all()


def test_no_choice_exceeds_the_budget(sizer, tiny):
    workloads = np.asarray(CASE.sample(jax.random.key(0), 300))
    budgets = 307_200 + 9_000 * np.arange(300)
    columns = CASE.columns(workloads.astype(np.int64))[1:]
    fields = dict(zip(tuple(CASE.limits)[1:], columns, strict=True))
    design = tiny.predict(sram_budget_bytes=budgets, **fields).design
    assert (sum(vars(design).values()) <= budgets).all()
    assert len(set(map(tuple, np.stack(list(vars(design).values())).T))) > 10


def test_out_of_range_is_searched_exactly_or_refused(tiny):
    question = QUESTION | {"m": [1000, 1025]}
    answer = tiny.predict(**question)
    np.testing.assert_array_equal(answer.from_search, [False, True])
    assert answer.confidence[1] == 1
    workload = np.array([[12, 1025, 800, 900, 3, 5, 1, 4]]).T
    assert answer.design_id[1] == CASE.exact(workload).design_id[0]
    message = r"^m: 1025 at row 1 is not allowed; expected 1\.\.1024, the"
    with pytest.raises(ValueError, match=message):
        tiny.predict(out_of_range="refuse", **question)


def test_half_precision_chooses_nearly_the_same(run, tiny, tmp_path):
    config = release(run, tmp_path, name="half", kind="simulator", precision="float16")
    assert config["num_bytes"] < 0.6 * tiny.config["num_bytes"]
    many = QUESTION | {"m": np.arange(1, 1025)}
    own, half = (weights.predict(**many) for weights in (tiny, load_pretrained(tmp_path)))
    assert np.mean(own.design_id == half.design_id) > 0.9


def test_the_config_says_what_the_network_was_told(folder):
    config = json.loads((folder / "config.json").read_text())
    assert config["settings"]["told"] == ["costs", "estimates of the delay of each buffer"]
    assert config["metrics"]["num_test"] == 4
    assert 0 < config["metrics"]["geomean_normalized_performance"] <= 1
    assert "--hidden_sizes=8,4" in config["command"]


def test_other_folders_are_refused(tmp_path, run):
    write_config(tmp_path, "learn_simulator", FLAGS)
    for folder in (tmp_path, tmp_path / "none"):
        with pytest.raises((ValueError, OSError), match=str(folder)):
            release(folder, tmp_path / "to", name="tiny", kind="simulator")
