"""The audit of a network beyond its ranges, and python -m experiments.generalisation."""

import json
import pathlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scripts
from flax import nnx

from airchitect_jax import load_network
from airchitect_jax.case_studies import ScheduleCase, out_of_range
from airchitect_jax.learning import Split, sample_dataset
from airchitect_jax.spaces import DEFAULT_ARRAYS
from airchitect_jax.studies.generalisation import network_sets, one_token, plots, sampled_sets
from airchitect_jax.studies.generalisation.audit import TRAINED, Clamped, audit

ARRAYS = DEFAULT_ARRAYS[:2]
TRAINED_CASE = ScheduleCase(arrays=ARRAYS, max_dim=100)
WIDE = ScheduleCase(arrays=ARRAYS, max_dim=400)


class Knowing(nnx.Module):
    """Knows the optimum, and is sure of it, of small dimensions only; else says design 0."""

    def __call__(self, workloads):
        known = workloads.max(axis=0) <= 100
        ids = jnp.where(known, WIDE.label(workloads), 0)
        return jax.nn.one_hot(ids, WIDE.space.num_designs) * jnp.where(known, 20.0, 1.0)[:, None]


def test_there_is_no_figure_without_any_region():
    assert plots.regions({"paper": {"regions": []}}, {}) is None


def test_clamped_asks_about_the_nearest_known_values():
    class Echo(nnx.Module):
        def __call__(self, workloads):
            return workloads.T.astype(jnp.float32)

    workloads = jnp.array([[1, 101, 5000]] * 6, jnp.int32)
    seen = Clamped(Echo(), TRAINED_CASE.features)(workloads)
    np.testing.assert_array_equal(seen, [[1] * 6, [100] * 6, [100] * 6])


def test_sampled_sets_are_cut_by_how_many_features_lie_beyond():
    sets = list(sampled_sets(TRAINED_CASE, {"wide": WIDE}, seed=0, num=3000))
    assert [test.group for test in sets] == [TRAINED] + ["wide"] * (len(sets) - 1)
    assert len(sets) > 4
    for test in sets:
        beyond = (test.data.workloads > 100).sum(axis=0)
        assert len(set(beyond)) == 1
        assert test.name == f"{beyond[0]} features beyond"
    exact = WIDE.exact(sets[-1].data.workloads)
    np.testing.assert_array_equal(sets[-1].data.design_ids, exact.design_id)


def test_a_token_is_one_row():
    network = one_token(load_network("gpt2"))
    (test,) = network_sets(WIDE, [network], "m = 1")
    assert (test.data.workloads[::3] == 1).all()
    assert test.name == "gpt2"


def test_an_audit_of_a_network_that_knows_what_it_knows():
    validation = sample_dataset(TRAINED_CASE, seed=0, num=500, split=Split.VALIDATION)
    sets = list(sampled_sets(TRAINED_CASE, {"wide": WIDE}, seed=0, num=3000))
    result = audit(
        TRAINED_CASE,
        WIDE,
        Knowing(),
        validation,
        sets,
        any_value=True,
        max_risk=0.0,
        region_group="wide",
    )
    inside, *beyond = result["sets"]
    assert inside["accuracy"] == inside["by_range_coverage"] == 1.0
    assert inside["by_confidence_risk"] == 0.0
    for row in beyond[1:]:
        assert row["optimal_set_accuracy"] < 0.7
        assert row["by_confidence_coverage"] == row["by_range_coverage"] == 0.0
        assert row["by_range_risk"] is None
        assert row["by_range_geomean"] == 1.0
    populations = result["populations"]
    assert populations[TRAINED]["area_under_risk_coverage"] == 0.0
    assert populations["beyond"]["risk"][-1] > 0.5
    assert result["temperature"] < 1  # it is always right: the surer the better
    regions = [row for row in result["regions"] if row["feature"] == "m0"]
    assert [(row["low"], row["high"]) for row in regions][-2:] == [(128, 255), (256, 400)]
    values = np.concatenate([test.data.workloads for test in sets if test.group == "wide"], axis=1)
    assert regions[-1]["num"] == (values[0] >= 256).sum()


def test_a_clamped_network_answers_as_for_the_nearest_workload():
    validation = sample_dataset(TRAINED_CASE, seed=0, num=500, split=Split.VALIDATION)
    sets = list(sampled_sets(TRAINED_CASE, {"wide": WIDE}, seed=0, num=2000))[-1:]
    result = audit(
        TRAINED_CASE,
        WIDE,
        Knowing(),
        validation,
        [*sampled_sets(TRAINED_CASE, {}, seed=0, num=500), *sets],
        any_value=False,
        max_risk=0.0,
        region_group="wide",
    )
    data = sets[0].data
    assert out_of_range(TRAINED_CASE, data.workloads).all()
    clamped = TRAINED_CASE.exact(np.minimum(data.workloads, 100)).design_id
    assert result["sets"][1]["accuracy"] == np.mean(clamped == data.design_ids)
    assert result["sets"][1]["by_confidence_coverage"] == 1.0  # it is sure, and wrong
    assert result["sets"][1]["by_range_coverage"] == 0.0


TINY = [
    "--case_study=3",
    "--max_dim=300",
    "--trained_max_dim=100",
    "--budget_seconds=0.1",
    "--batch_size=16",
    "--num_test=400",
    "--num_validation=200",
    "--models=paper",
]


@pytest.mark.slow
def test_the_script_end_to_end_and_again(tmp_path):
    arguments = [*TINY, f"--workdir={tmp_path}"]
    result = scripts.run("experiments.generalisation", *arguments)
    assert result.returncode == 0, result.stderr
    written = json.loads((tmp_path / "generalisation.json").read_text())
    assert list(written["models"]) == ["paper"]
    groups = {row["group"] for row in written["models"]["paper"]["sets"]}
    assert groups == {
        TRAINED,
        "dimensions to 300",
        "dimensions to 3000",
        "log-uniform",
        "real networks",
        "networks, m = 1",
    }
    names = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    assert {"sets.csv", "regions.csv", "generalisation.md"} <= names
    assert {f"figures/{n}.png" for n in ("reliability", "risk_coverage", "regions")} <= names
    before = (tmp_path / "sets.csv").read_text()
    assert len(before.splitlines()) == 1 + len(written["models"]["paper"]["sets"])
    again = scripts.run("experiments.generalisation", *arguments, "--resume")
    assert again.returncode == 0, again.stderr
    assert "training" not in again.stdout
    assert (tmp_path / "sets.csv").read_text() == before


@pytest.mark.parametrize(
    ("flag", "message"),
    [
        ("--models=papr", "--models: 'papr' is not allowed; expected some of mlp1x128"),
        ("--trained_max_dim=300", "--trained_max_dim: 300 is not allowed; expected less than"),
    ],
)
def test_bad_flags_are_refused_before_anything_is_trained(tmp_path, flag, message):
    error = scripts.error_of("experiments.generalisation", *TINY, flag, f"--workdir={tmp_path}/run")
    assert message in error
    assert not pathlib.Path(tmp_path / "run").exists()
