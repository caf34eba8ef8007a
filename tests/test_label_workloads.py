"""python -m experiments.label_workloads, as a user runs it."""

import json
import os
import signal
import subprocess
import sys
import time

import pyarrow.parquet as pq
import pytest
import scripts

SCRIPT = "experiments.label_workloads"
SAMPLE = ["--sample=400000", "--shard_rows=20000", "--seed=3", "--max_dim=500"]


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    # A compilation cache of its own: nothing is written to the user's.
    return {"HOME": str(tmp_path_factory.mktemp("home"))}


def command(*arguments):
    return [sys.executable, "-m", SCRIPT, *arguments]


def run(environment, *arguments):
    return scripts.run(SCRIPT, *arguments, **environment)


@pytest.fixture(scope="module")
def undisturbed(environment, tmp_path_factory):
    folder = tmp_path_factory.mktemp("undisturbed")
    result = run(environment, *SAMPLE, f"--workdir={folder}")
    assert result.returncode == 0, result.stderr
    return folder, result


def assert_same_results(ours, theirs):
    names = {str(path.relative_to(theirs)) for path in theirs.rglob("*") if path.is_file()}
    assert {str(path.relative_to(ours)) for path in ours.rglob("*") if path.is_file()} == names
    for name in names - {"config.json", "summary.json"}:
        assert (ours / name).read_bytes() == (theirs / name).read_bytes(), name


def test_summary_and_output(undisturbed):
    folder, result = undisturbed
    summary = json.loads((folder / "summary.json").read_text())
    assert summary["rows_labelled"] == 400_000
    assert summary["rows_rejected"] == 0
    assert summary["shards"] == 20
    assert summary["seed"] == 3
    assert summary["case_study"] == "case_study1"
    assert result.stdout.splitlines()[-1].startswith("400000 workloads labelled in 20 shards")
    assert result.stderr == ""
    metadata = pq.read_schema(folder / "labels" / "part-00000-000000.parquet").metadata
    assert metadata[b"seed"] == b"3"


@pytest.mark.slow
def test_killed_and_started_again_it_makes_the_same_bytes(undisturbed, environment, tmp_path):
    process = subprocess.Popen(
        command(*SAMPLE, f"--workdir={tmp_path}"),
        cwd=scripts.ROOT,
        env=os.environ | environment,
        stdout=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 100
    while not list((tmp_path / "manifest").glob("part-*.json")):
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (tmp_path / "summary.json").exists()
    names = [path.stem for path in (tmp_path / "manifest").glob("part-*.json")]
    labels = [tmp_path / "labels" / f"{name}.parquet" for name in names]
    finished = {path: path.stat().st_mtime_ns for path in labels}
    assert len(finished) < 20
    again = run(environment, *SAMPLE, f"--workdir={tmp_path}")
    assert again.returncode == 0, again.stderr
    assert_same_results(tmp_path, undisturbed[0])
    assert {path: path.stat().st_mtime_ns for path in finished} == finished


def test_other_flags_need_another_workdir(undisturbed, environment):
    folder, _ = undisturbed
    result = run(environment, *SAMPLE, "--runtime_model=ispass2020", f"--workdir={folder}")
    assert result.returncode == 2
    assert "--runtime_model: ispass2020 is not allowed; expected scalesim" in result.stderr


def test_a_changed_input_needs_another_workdir(environment, tmp_path):
    path = tmp_path / "in.csv"
    path.write_text("m,n,k,mac_budget\n1,2,3,64\n0,2,3,64\n")
    arguments = [f"--input={path}", f"--workdir={tmp_path}/run"]
    assert run(environment, *arguments).returncode == 0
    assert len((tmp_path / "run" / "rejects.csv").read_text().splitlines()) == 2
    path.write_text("m,n,k,mac_budget\n1,2,3,64\n0,2,3,64\n5,5,5,64\n")
    result = run(environment, *arguments)
    assert result.returncode == 2
    assert "--input_bytes" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "--sample or --input: give one of them"),
        (["--sample=5", "--input=a.csv"], "--sample or --input: give one of them"),
        (["--sample=0"], "sample"),
        (["--input=/nowhere.parquet"], "/nowhere.parquet: cannot be read"),
        (["--sample=5", "--topk=0"], "topk"),
        (["--sample=2000000", "--report=costs"], "--report=costs: 2000000 rows are too many"),
        (["--sample=5", "--process_id=1"], "--process_id: needs --distributed"),
        (["--sample=5", "--workdir=/dev/null/run"], "/dev/null/run cannot be written"),
    ],
)
def test_bad_flags_end_with_one_line(environment, arguments, message, tmp_path):
    workdir = [] if "--workdir=/dev/null/run" in arguments else [f"--workdir={tmp_path}/run"]
    result = run(environment, *workdir, *arguments)
    assert result.returncode == 2
    assert message in result.stderr
    assert result.stderr.count("\n") == 1
    assert not (tmp_path / "run").exists()


def test_strict_names_the_row(environment, tmp_path):
    path = tmp_path / "in.csv"
    path.write_text("m,n,k,mac_budget\n1,2,3,64\n1,2,x,64\n")
    result = run(environment, f"--input={path}", "--strict", f"--workdir={tmp_path}/run")
    assert result.returncode == 2
    assert result.stderr == (
        f"error: {path}: row 2: k: x is not allowed; expected a whole number in 1..2147483647\n"
    )
