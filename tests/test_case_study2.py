"""python -m experiments.case_study2, as a user runs it; what all share is in test_case_study1."""

import json
import pathlib

import pytest
import scripts

ROOT = pathlib.Path(__file__).parent.parent
SCRIPT = "experiments.case_study2"
TINY = [
    "--preset=smoke",
    "--num_train=16384",
    "--num_test=400",
    "--num_validation=400",
    "--epochs=2",
    "--batch_size=128",
    "--embedding_dim=4",
    "--hidden_sizes=16",
    "--max_dim=2000",
    "--max_budget_kb=900",
    "--objective=energy",  # compiles faster than cycles
    "--dram_pj_per_byte=100",
]


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    topology = folder / "mine.csv"
    topology.write_text("Layer,M,N,K,\nsmall,100,50,20,\nlarge,3000,30,10,\n")
    arguments = [*TINY, f"--workdir={folder}/run", f"--eval_workloads={topology}"]
    result = scripts.run(SCRIPT, *arguments, COLUMNS="200")
    assert result.returncode == 0, result.stderr
    return folder / "run", result


@pytest.mark.slow
def test_everything_is_written(finished):
    folder, result = finished
    figures = ["training_curves", "design_histogram", "cost_above_optimum", "confusion"]
    figures += ["sizes_by_budget", "networks"]
    expected = [f"figures/{name}.png" for name in figures]
    expected += ["config.json", "metrics.jsonl", "layers.csv", "networks.csv", "report.html"]
    for name in expected:
        assert (folder / name).stat().st_size > 0, name
    assert "a third each: geomean" in result.stdout
    page = (folder / "report.html").read_text()
    assert "32x32 WS, 600 KB" in page
    assert "http" not in page.replace("http-equiv", "")


@pytest.mark.slow
def test_the_summary_says_what_was_run(finished):
    summary = json.loads((finished[0] / "summary.json").read_text())
    assert summary["case_study"] == "case_study2"
    assert summary["num_designs"] == 1000
    assert summary["num_test"] == 400
    assert summary["objective"] == "energy"
    assert summary["memory_model"] == "ideal"
    assert summary["interface"] == "shared"
    assert summary["model"] == "airchitect"
    assert summary["loss"] == "label"
    assert summary["label_entropy_bits"] > 1
    assert 0 < summary["most_frequent_label_share"] < 0.8
    assert set(summary["heuristics"]) == {"a third each", "in proportion to the operands"}
    assert summary["networks"]["mine"]["layers"] == 2
    assert summary["networks"]["mine"]["layers_out_of_range"] == 1
    assert summary["test_accuracy"] > 1.2 * summary["majority_class_accuracy"]
    assert summary["optimal_set_accuracy"] >= summary["test_accuracy"]
    config = json.loads((finished[0] / "config.json").read_text())
    assert config["flags"]["dram_pj_per_byte"] == 100


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--max_budget_kb=200"], "expected 300 <= min_budget_kb <= max_budget_kb <= 3000"),
        (["--max_bandwidth=0"], "flag --max_bandwidth=0"),
        (["--interface=both"], "flag --interface=both"),
        (["--memory_model=scalesim3", "--loss=optimal_set"], "--loss: optimal_set is not allowed"),
        (["--memory_model=scalesim3", "--objective=energy"], "objective: energy is not allowed"),
        (["--memory_model=scalesim3", "--interface=shared"], "interface: shared is not allowed"),
        (["--sram_pj_per_byte=nan"], "sram_pj_per_byte: nan is not allowed"),
        (["--objectiv=energy"], "Unknown command line flag 'objectiv'"),
    ],
)
def test_bad_flags_end_with_one_line(tmp_path, arguments, message):
    assert message in scripts.error_of(SCRIPT, f"--workdir={tmp_path}/run", *arguments)
    assert not (tmp_path / "run").exists()


def test_the_replay_says_what_it_takes_for_gemms(tmp_path):
    topology = ROOT / "tests" / "testdata" / "topologies" / "conv_bom.csv"
    result = scripts.run(
        SCRIPT,
        "--memory_model=scalesim3",
        f"--workdir={tmp_path}/run",
        f"--eval_workloads={topology}",
        f"--eval_workloads={tmp_path}/missing.csv",
    )
    assert result.returncode == 2
    assert "warning: conv_bom: layer 'Conv1a': windows overlap" in result.stdout
    assert "missing.csv: cannot be read" in result.stderr
