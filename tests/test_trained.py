"""Networks of finished runs, restored, and what they propose beside the exact answer."""

import json
import pathlib
import shutil

import numpy as np
import pytest
import scripts
from flax import nnx

from airchitect_jax import recommend
from airchitect_jax.case_studies import BufferCase
from airchitect_jax.learning import Recommender, Split, Trained, load_trained, sample_dataset
from airchitect_jax.learning.models.paper import PaperNetwork
from airchitect_jax.recommendation.proposal import propose

TINY = [
    "--model=additive",
    "--preset=smoke",
    "--num_train=16384",
    "--num_test=400",
    "--num_validation=400",
    "--epochs=1",
    "--batch_size=512",
    "--max_dim=3000",
    "--seed=3",
]


def run(script, folder, *arguments):
    result = scripts.run(f"experiments.{script}", *arguments, f"--workdir={folder}", COLUMNS="200")
    assert result.returncode == 0, result.stderr
    return result


@pytest.fixture(scope="module")
def arrays(tmp_path_factory):
    folder = tmp_path_factory.mktemp("arrays") / "run"
    run("case_study1", folder, *TINY)
    return folder


@pytest.fixture(scope="module")
def trained(arrays):
    return load_trained(arrays)


@pytest.mark.slow
def test_a_restored_network_is_the_one_that_was_trained(arrays, trained):
    """It chooses for the test set what the run's summary says that it chose."""
    test = sample_dataset(trained.case, seed=3, num=400, split=Split.TEST)
    chosen = trained.recommender.rank(test.workloads)[0][:, 0]
    summary = json.loads((arrays / "summary.json").read_text())
    assert np.mean(chosen == test.design_ids) == pytest.approx(summary["test_accuracy"])


@pytest.mark.slow
@pytest.mark.parametrize("objective", ["cycles", "edp"])
def test_a_proposal_is_certified(trained, objective):
    found = recommend("vit_b16", mac_budget=5000, objective=objective)
    proposal = propose(found, [trained])
    assert proposal.regret == proposal.cost / found.cost - 1 >= 0
    assert proposal.num_candidates % len(found.survey.space.sizings) == 0
    assert proposal.design.num_macs <= 5000
    if objective == "cycles":
        space = found.survey.space
        shape = (space.rows == proposal.design.rows) & (space.cols == proposal.design.cols)
        assert proposal.cost == min(
            table[shape].min()
            for policy, table in found.survey.cycles.items()
            if policy.value == "cycles"
        )


@pytest.mark.slow
def test_a_second_network_adds_candidates(trained):
    found = recommend("resnet50", mac_budget=256)
    once, twice = (propose(found, [trained] * number) for number in (1, 2))
    assert once.num_candidates == twice.num_candidates
    assert once.design == twice.design


@pytest.mark.slow
def test_layers_out_of_range_are_counted(trained):
    found = recommend("gpt2", mac_budget=256)
    assert propose(found, [trained]).num_out_of_range == 3


@pytest.mark.slow
def test_the_script_shows_it(arrays, tmp_path):
    result = run("recommend", tmp_path / "run", "--mac_budget=256", f"--trained={arrays}")
    assert "certified regret" in result.stdout
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert summary["trained"]["certified_regret"] >= 0
    assert "its certified regret" in (tmp_path / "run" / "report.html").read_text()


@pytest.mark.slow
def test_sizings_are_proposed_as_well(trained):
    """By a network that was never trained: certified all the same."""
    case = BufferCase()
    model = PaperNetwork(
        case.features, case.space.num_designs, embedding_dim=2, hidden_sizes=(4,), rngs=nnx.Rngs(0)
    )
    sizings = Trained(
        case=case,
        recommender=Recommender(case, model),
        model=model,
        workdir=pathlib.Path("untrained"),
    )
    found = recommend("resnet50", mac_budget=1024, sram_budget_kb=1500)
    proposal = propose(found, [trained, sizings])
    assert proposal.num_candidates < 1000
    assert proposal.design.sram_bytes <= 1500 * 1024
    assert proposal.regret >= 0
    wide = recommend("resnet50", mac_budget=1024, bandwidth_bytes_per_cycle=1000)
    with pytest.raises(ValueError, match="no layer is within the ranges"):
        propose(wide, [sizings])


@pytest.mark.slow
def test_what_is_no_run_is_refused(arrays, tmp_path):
    with pytest.raises(ValueError, match="no finished run"):
        load_trained(tmp_path)
    for name in ("config.json", "summary.json"):
        (tmp_path / name).write_text((arrays / name).read_text())
    with pytest.raises(ValueError, match="no checkpoint"):
        load_trained(tmp_path)
    config = json.loads((arrays / "config.json").read_text())
    del config["experiment"], config["sha256"]  # as older runs wrote it
    del config["flags"]["max_dim"]
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(ValueError, match="not a known run of a case study: 'max_dim'"):
        load_trained(tmp_path)
    # The same flags with those that only case study 2 has: read, and then there is no checkpoint.
    sizes = {"min_budget_kb": 300, "max_budget_kb": 3000, "max_dim": 100, "max_bandwidth": 9}
    sides = {"min_side_exponent": 3, "max_side_exponent": 8}
    network = {"model": "paper", "embedding_dim": 4, "hidden_sizes": [16]}
    config["flags"] |= sizes | sides | {"memory_model": "ideal", "interface": "shared"} | network
    (tmp_path / "config.json").write_text(json.dumps(config))
    (tmp_path / "summary.json").write_text('{"case_study": "case_study2"}')
    with pytest.raises(ValueError, match="no checkpoint"):
        load_trained(tmp_path)
    (tmp_path / "summary.json").write_text('{"case_study": "case_study3"}')
    with pytest.raises(ValueError, match="not a known run of a case study"):
        load_trained(tmp_path)


@pytest.mark.slow
def test_a_run_is_read_and_never_written(arrays, trained):
    before = {path: path.lstat().st_mtime_ns for path in arrays.rglob("*")}
    load_trained(arrays)
    assert {path: path.lstat().st_mtime_ns for path in arrays.rglob("*")} == before


def copied(arrays, tmp_path):
    shutil.copytree(arrays, tmp_path / "run")
    return tmp_path / "run"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        (
            {"embedding_dim": 10**9},
            r"embedding.* no array is not allowed; expected float32 of shape \(14, 1000000000\)",
        ),
        ({"embedding_dim": 10**30}, ""),
        ({"embedding_dim": "x"}, ""),
        ({"hidden_sizes": [10**9, 10**9]}, "expected float32 of shape"),
        ({"hidden_sizes": [1] * 10**6}, "hidden_sizes: 1000000 layers are not allowed"),
        ({"max_dim": 10**6}, r"embeddings\.0\.embedding.* no array is not allowed"),
    ],
)
def test_sizes_that_are_not_the_checkpoints_are_refused(arrays, tmp_path, sizes, message):
    folder = copied(arrays, tmp_path)
    config = json.loads((folder / "config.json").read_text())
    network = {"model": "paper", "embedding_dim": 4, "hidden_sizes": [16]}
    config = {"flags": config["flags"] | network | sizes}
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(ValueError, match=f"not a known run of a case study: .*{message}"):
        load_trained(folder)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:checkpoint")
@pytest.mark.parametrize("name", ["config.json", "checkpoints/32/state/_METADATA"])
def test_damage_is_refused(arrays, tmp_path, name):
    folder = copied(arrays, tmp_path)
    content = bytearray((folder / name).read_bytes())
    content[50] ^= 1
    (folder / name).write_bytes(content)
    message = f"{name.split('/')[0]}.*(checksum differs|not valid JSON)"
    with pytest.raises(ValueError, match=message) as error:
        load_trained(folder)
    assert "\n" not in str(error.value)
