"""What needs the scalesim package itself: `make test_package`, in an environment of its own."""

import functools
import pathlib
import sys

import numpy as np
import pytest
import scripts
import test_scalesim_runs
import test_validation

from airchitect_jax import ArrayShape, Dataflow, Gemm
from airchitect_jax.scalesim import ReplayReport, run_gemm
from airchitect_jax.scalesim.package_process import TOO_LONG, Package
from airchitect_jax.scalesim.replay import replay
from airchitect_jax.studies.scalesim_validation import (
    KINDS,
    compare_files,
    our_files,
)
from airchitect_jax.studies.scalesim_validation.byte_comparison import Status
from airchitect_jax.studies.scalesim_validation.random_files import random_files
from airchitect_jax.studies.scalesim_validation.runs import agreement

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:scalesim")


@pytest.fixture(scope="module")
def package():
    with Package(sys.executable) as process:
        yield process


@pytest.mark.parametrize("kind", test_scalesim_runs.RUNS)
def test_the_package_writes_what_is_stored(kind, package, tmp_path):
    for record in test_scalesim_runs.RUNS[kind]:
        inputs = test_scalesim_runs.written(record, tmp_path / str(record["seed"]))
        output = package.run(inputs)
        assert output.error == record["error"]
        assert test_scalesim_runs.kept(output.files) == record["files"]


@pytest.mark.parametrize("kind", KINDS)
def test_ours_writes_the_bytes_of_the_package_on_random_files(kind, package, tmp_path):
    outcomes = list(
        compare_files([(kind, seed) for seed in range(8)], tmp_path, package, our_files)
    )
    assert [outcome.difference for outcome in outcomes] == [""] * 8
    assert any(outcome.status is Status.EQUAL for outcome in outcomes)


def test_a_run_is_given_up_after_its_time(tmp_path):
    inputs = random_files("gemm", 3).write(tmp_path / "run")
    with Package(sys.executable, seconds=1e-3) as process:
        assert process.run(inputs).error == TOO_LONG


def test_the_replay_agrees(package):
    result = agreement(
        test_validation.RUNS, functools.partial(run_gemm, package), test_validation.silent
    )
    assert list(result.mismatches()) == []
    assert isinstance(result.package, ReplayReport)


@pytest.mark.parametrize("dataflow", list(Dataflow))
@pytest.mark.parametrize("bandwidth", [None, 4])
def test_the_package_reports_what_the_replay_does(dataflow, bandwidth, package):
    gemm, array = Gemm(m=30, n=33, k=40), ArrayShape(rows=4, cols=9)
    memory = {"ifmap_sram_kb": 1, "filter_sram_kb": 2, "ofmap_sram_kb": 1}
    memory["bandwidth_words_per_cycle"] = bandwidth
    run = run_gemm(package, gemm, array, dataflow, **memory)
    report = replay(gemm, array, dataflow, **memory)
    assert run.seconds > 0
    for name, value in vars(run.report).items():
        np.testing.assert_allclose(getattr(report, name), value, rtol=1e-12, err_msg=name)


def test_the_script_ends_well(tmp_path):
    result = scripts.run(
        "experiments.validate_scalesim",
        "--num_files=1",
        "--num_runs=4",
        "--max_run_dim=20",
        "--num_workloads=1",
        "--max_workload_dim=20",
        "--timed_side=4",
        f"--workdir={tmp_path}/run",
    )
    assert result.returncode == 0, result.stderr
    assert "byte for byte" in result.stdout
    assert pathlib.Path(tmp_path, "run", "summary.json").exists()
