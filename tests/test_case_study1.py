"""python -m experiments.case_study1, as a user runs it."""

import io
import json
import signal
import subprocess
import sys
import time

import pytest
import rich.console
import scripts
from absl import flags
from absl.testing import flagsaver

from airchitect_jax.case_studies import ArrayDataflowCase
from airchitect_jax.experiments import case_study1, learning

SCRIPT = "experiments.case_study1"
TINY = [
    "--model=paper",
    "--preset=smoke",
    "--num_train=8192",
    "--num_test=500",
    "--epochs=2",
    "--batch_size=128",
    "--embedding_dim=4",
    "--hidden_sizes=16",
    "--max_mac_exponent=7",
    "--max_dim=200",
]
RULE = "square array, best dataflow"
SUMMARY_KEYS = {
    "case_study",
    "num_designs",
    "test_accuracy",
    "optimal_set_accuracy",
    "top5_accuracy",
    "geomean_normalized_performance",
    "p01_normalized_performance",
    "min_normalized_performance",
    "majority_class_accuracy",
    "num_train_examples_seen",
    "num_test",
    "labels_per_second",
    "train_examples_per_second",
    "inference_per_second",
    "wall_seconds",
    "seed",
    "runtime_model",
    "preset",
}
TIMINGS = {key for key in SUMMARY_KEYS if key.endswith(("per_second", "_seconds"))}


def run(*arguments):
    return scripts.run(SCRIPT, *arguments)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """An undisturbed run with a stored data set and a user's network with hostile names."""
    folder = tmp_path_factory.mktemp("run")
    topology = folder / "<b>net$.csv"
    topology.write_text("Layer,M,N,K,\n<script>1</script>,100,50,20,\n=1+1,3000,1,1,\n")
    result = run(*TINY, f"--workdir={folder}/run", f"--eval_workloads={topology}")
    assert result.returncode == 0, result.stderr
    return folder / "run", topology, result


def summary_of(folder):
    return json.loads((folder / "summary.json").read_text())


def test_everything_is_written(finished):
    folder, _, _ = finished
    found = {str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()}
    figures = ["training_curves", "design_histogram", "cost_above_optimum", "confusion"]
    figures += ["aspect_ratio", "networks"]
    expected = {f"figures/{name}.png" for name in figures}
    expected |= {"config.json", "metrics.jsonl", "layers.csv", "networks.csv"}
    expected |= {"report.html", "summary.json"}
    expected |= {"data/train.npz"}
    assert expected <= found
    assert not [name for name in found if "/." in name or name.startswith(".")]
    assert len(list((folder / "checkpoints").iterdir())) == 2


def test_the_summary_says_what_was_run(finished):
    folder, _, _ = finished
    summary = summary_of(folder)
    assert set(summary) >= SUMMARY_KEYS
    assert summary["case_study"] == "case_study1"
    assert summary["num_designs"] == 459
    assert summary["num_test"] == 500
    assert summary["num_train_examples_seen"] == 16384
    assert summary["runtime_model"] == "scalesim"
    assert summary["seed"] == 0
    assert 0 < summary["min_normalized_performance"] <= summary["p01_normalized_performance"]
    assert summary["test_accuracy"] <= summary["optimal_set_accuracy"]
    assert summary["test_accuracy"] <= summary["top5_accuracy"]
    # It has learnt something: far better than always giving one answer.
    assert summary["test_accuracy"] > 2 * summary["majority_class_accuracy"]
    assert summary["networks"]["<b>net$"] == {
        "min_normalized_performance": pytest.approx(1, abs=0.95),
        "min_at": summary["networks"]["<b>net$"]["min_at"],
        "layers": 2,
        "layers_out_of_range": 1,
    }


def test_the_config_holds_every_flag_and_the_versions(finished):
    folder, topology, _ = finished
    config = json.loads((folder / "config.json").read_text())
    assert config["flags"]["hidden_sizes"] == [16]
    assert config["flags"]["eval_workloads"] == [str(topology)]
    assert config["flags"]["distribution"] == "uniform"
    assert config["flags"]["stream"] is False
    assert config["flags"]["resume"] is False
    assert config["flags"]["workdir"] == str(folder)
    assert {"jax", "flax", "device", "airchitect_jax"} <= set(config["environment"])


def test_the_report_escapes_what_the_user_supplied(finished):
    folder, _, _ = finished
    page = (folder / "report.html").read_text()
    assert page.count("<script") == 1  # its own
    assert "<b>" not in page
    assert "&lt;script&gt;1&lt;/script&gt;" in page
    assert "out of range: exact search" in page
    assert ",'=1+1,3000,1,1,1,False," in (folder / "layers.csv").read_text()


def test_output_ends_with_a_small_table_beside_the_papers_claims(finished):
    _, _, result = finished
    lines = result.stdout.rstrip().splitlines()
    assert "\x1b" not in result.stdout
    assert any(line.startswith("step 128/128  epoch 2") for line in lines)
    table = "\n".join(lines[-23:])
    for text in ("this run", "paper", "test accuracy", "94.3%", "99.9%"):
        assert text in table
    assert result.stderr == ""


def test_metrics_have_a_row_a_block(finished):
    folder, _, _ = finished
    rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == [64, 128]
    assert all("validation_accuracy" in row for row in rows)


@pytest.mark.slow
def test_killed_and_resumed_it_ends_as_an_undisturbed_run(finished, tmp_path):
    folder, topology, _ = finished
    arguments = [*TINY, f"--workdir={tmp_path}/run", f"--eval_workloads={topology}"]
    command = [sys.executable, "-m", SCRIPT, *arguments]
    process = subprocess.Popen(command, cwd=scripts.ROOT, stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 200
    while not (tmp_path / "run" / "metrics.jsonl").exists():  # the first epoch is saved
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (tmp_path / "run" / "summary.json").exists()
    refused = run(*arguments)
    assert refused.returncode == 2
    assert "holds a run already; give --resume" in refused.stderr
    resumed = run(*arguments, "--resume")
    assert resumed.returncode == 0, resumed.stderr
    ours, theirs = summary_of(tmp_path / "run"), summary_of(folder)
    assert {k: v for k, v in ours.items() if k not in TIMINGS} == {
        k: v for k, v in theirs.items() if k not in TIMINGS
    }
    other = run(*arguments, "--resume", "--learning_rate=0.5")
    assert other.returncode == 2
    assert other.stderr == (
        f"error: --learning_rate: 0.5 is not allowed; expected 0.01, as in the run that"
        f" {tmp_path}/run holds\n"
    )


@pytest.mark.slow
def test_the_additive_network_streamed_log_uniform_by_the_other_runtime_model(tmp_path):
    arguments = ["--preset=smoke", "--num_train=32768", "--num_test=1000", "--max_mac_exponent=8"]
    arguments += ["--max_dim=1000", "--stream", "--distribution=log_uniform", "--seed=7"]
    arguments += ["--model=additive"]
    result = run(*arguments, "--runtime_model=ispass2020", f"--workdir={tmp_path}/run")
    assert result.returncode == 0, result.stderr
    summary = summary_of(tmp_path / "run")
    assert (summary["model"], summary["loss"]) == ("additive", "cost")
    assert summary["geomean_normalized_performance"] > 0.99
    assert summary["optimal_set_accuracy"] > summary["heuristics"][RULE]["optimal_set_accuracy"]
    assert summary["runtime_model"] == "ispass2020"
    assert summary["distribution"] == "log_uniform"
    assert not (tmp_path / "run" / "data").exists()


def test_a_network_may_have_no_hidden_layer():
    with flagsaver.flagsaver(model="paper", hidden_sizes=[]):
        flags.FLAGS.mark_as_parsed()
        presets = learning.presets(ArrayDataflowCase(), {})
        assert learning.run_config(presets, "additive").hidden_sizes == ()


def test_help_reads_well():
    result = run("--help")
    for flag in ("workdir", "preset", "resume", "hidden_sizes", "max_dim", "eval_workloads"):
        assert f"--{flag}" in result.stdout or f"--[no]{flag}" in result.stdout
    assert "Case study 1: learn the best array shape and dataflow" in result.stdout


def test_networks_of_one_name_are_kept_apart(tmp_path):
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        for name in ("resnet50", "mine (new)"):
            (tmp_path / folder / f"{name}.csv").write_text("Layer,M,N,K,\nx,1,2,3,\n")
    files = ("a/resnet50.csv", "b/resnet50.csv", "a/mine (new).csv", "b/mine (new).csv")
    paths = [str(tmp_path / file) for file in files]
    with flagsaver.flagsaver(eval_workloads=paths):
        flags.FLAGS.mark_as_parsed()
        names = [network.name for network in learning.networks(ArrayDataflowCase())]
    assert names[-4:] == ["resnet50 (2)", "resnet50 (3)", "mine (new)", "mine (new) (2)"]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--num_train=0"], "num_train"),
        (["--num_test=-5"], "num_test"),
        (["--epochs=0"], "epochs"),
        (["--batch_size=0"], "batch_size"),
        (["--learning_rate=0"], "learning_rate"),
        (["--embedding_dim=0"], "embedding_dim"),
        (["--hidden_sizes=16,x"], "--hidden_sizes: 'x' is not allowed"),
        (["--hidden_sizes=0"], "--hidden_sizes: '0' is not allowed"),
        (["--max_dim=1"], "max_dim"),
        (["--min_mac_exponent=1"], "min_mac_exponent"),
        (["--max_mac_exponent=19"], "max_mac_exponent"),
        (["--min_mac_exponent=9", "--max_mac_exponent=8"], "mac exponents: 9..8 is not allowed"),
        (["--distribution=normal"], "distribution"),
        (["--runtime_model=magic"], "runtime_model"),
        (["--model=magic"], "model"),
        (["--model=symmetric"], "--model: symmetric is not allowed in this case"),
        (["--model=paper", "--loss=cost"], "--loss: cost is not allowed with --model=paper"),
        (["--preset=huge"], "preset"),
        (["--seed=-1"], "seed"),
        (["--num_train=100", "--batch_size=128"], "--num_train: 100 is not allowed"),
        (["--eval_workloads=/nowhere/net.csv"], "/nowhere/net.csv: cannot be read"),
        (["--workdir=/dev/null/run"], "/dev/null/run cannot be written: Not a directory"),
    ],
)
def test_bad_flags_are_named_before_anything_is_written(arguments, message, tmp_path):
    refuses([*TINY, *arguments], message, tmp_path)


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("--hidden_sizes=9", "--hidden_sizes: not allowed with --model=additive, which has none"),
        ("--embedding_dim=9", "--embedding_dim: not allowed with --model=additive, which has none"),
        ("--loss=label", "--loss: label is not allowed with --model=additive"),
        ("--model=paper --loss=cost", "--loss: cost is not allowed with --model=paper"),
        ("--model=airchitect --loss=cost", "--loss: cost is not allowed with --model=airchitect"),
    ],
)
def test_what_the_additive_network_has_not_is_refused(argument, message, tmp_path):
    refuses(["--model=additive", *argument.split()], message, tmp_path)


def refuses(arguments, message, tmp_path):
    def parse_and_run():
        flags.FLAGS(["case_study1", *arguments])
        case_study1.main(rich.console.Console(file=io.StringIO()))

    with (
        flagsaver.flagsaver(workdir=str(tmp_path / "run")),
        pytest.raises((flags.IllegalFlagValueError, ValueError), match=message) as error,
    ):
        parse_and_run()
    assert "\n" not in str(error.value)
    assert list(tmp_path.iterdir()) == []


def test_errors_are_one_line_without_a_traceback(tmp_path):
    bad = tmp_path / "bad.csv"
    bad.write_text("Layer,M,N,K,\na,1,2,0,\n")
    result = run(f"--eval_workloads={bad}", f"--workdir={tmp_path}/run")
    assert result.returncode == 2
    assert result.stderr == (
        f"error: {bad}: row 2, column K: '0' is not allowed; expected a whole number in"
        " 1..2147483647\n"
    )
    assert not (tmp_path / "run").exists()
    bad.write_text("Layer,M,N,K,\nhuge,2000000000,2000000000,2000000000,\n")
    huge = run(f"--eval_workloads={bad}", f"--workdir={tmp_path}/run")
    assert huge.returncode == 2
    assert huge.stderr.startswith(
        "error: bad: the cost of a design for the workload at row 0 exceeds int64"
    )
    assert huge.stderr.count("\n") == 1
    assert not (tmp_path / "run").exists()
    typo = run("--epoch=3")
    assert typo.returncode == 2
    assert typo.stderr.startswith("error: Unknown command line flag 'epoch'. Did you mean: epochs")
    assert typo.stderr.count("\n") == 1
    stray = run("smoke")
    assert stray.returncode == 2
    assert stray.stderr.startswith("error: unexpected argument 'smoke'")
