"""python -m experiments.case_study3, as a user runs it."""

import io
import json

import jax
import numpy as np
import pytest
import rich.console
import scripts
from absl import flags
from absl.testing import flagsaver

from airchitect_jax import Gemm, Layer, Network
from airchitect_jax.case_studies import ScheduleCase
from airchitect_jax.case_studies.schedules import parse_arrays
from airchitect_jax.experiments import case_study3

SCRIPT = "experiments.case_study3"
TINY = [
    "--preset=smoke",
    "--num_train=4096",
    "--num_test=500",
    "--epochs=2",
    "--batch_size=64",
    "--num_arrays=2",
    "--max_dim=200",
]
CASE = ScheduleCase()


def summary_of(folder):
    return json.loads((folder / "summary.json").read_text())


@pytest.mark.slow
def test_the_networks_end_to_end_and_a_finished_run_resumes_to_itself(tmp_path):
    counts = {}
    for model in ("paper", "airchitect", "symmetric"):
        arguments = [*TINY, f"--model={model}", f"--workdir={tmp_path}/{model}"]
        if model == "paper":
            arguments.append("--embedding_dim=4")
        result = scripts.run(SCRIPT, *arguments)
        assert result.returncode == 0, result.stderr
        folder = tmp_path / model
        names = {path.name for path in (folder / "figures").iterdir()}
        assert names == {
            f"{name}.png"
            for name in (
                "training_curves",
                "design_histogram",
                "cost_above_optimum",
                "confusion",
                "gantt",
                "networks",
            )
        }
        assert {"report.html", "layers.csv", "networks.csv", "metrics.jsonl"} <= {
            path.name for path in folder.iterdir()
        }
        summary = summary_of(folder)
        assert summary["case_study"] == "case_study3"
        assert summary["model"] == model
        assert summary["num_designs"] == 18
        assert summary["arrays"] == "64x64,32x32"
        assert summary["objective"] == "makespan"
        assert summary["test_accuracy"] <= summary["optimal_set_accuracy"]
        assert summary["test_accuracy"] > summary["majority_class_accuracy"]
        assert len(summary["heuristics"]) == 2
        counts[model] = summary
    # What is built in need not be learnt.
    for model in ("airchitect", "symmetric"):
        assert counts[model]["test_accuracy"] > counts["paper"]["test_accuracy"]
    resumed = scripts.run(SCRIPT, *arguments, "--resume")
    assert resumed.returncode == 0, resumed.stderr
    timings = {key for key in summary if key.endswith(("per_second", "_seconds"))}
    ours = summary_of(folder)
    assert {k: v for k, v in ours.items() if k not in timings} == {
        k: v for k, v in summary.items() if k not in timings
    }


def test_queues_of_layers_of_several_networks(tmp_path):
    mine = tmp_path / "mine.csv"
    mine.write_text("Layer,M,N,K,\nlong,5000,5000,5000,\n=1+1,3,1,1,\n")
    result = scripts.run(
        SCRIPT,
        f"--workloads={mine}",
        "--workloads=resnet50",
        "--num_workloads=12",
        f"--workdir={tmp_path}/run",
    )
    assert result.returncode == 0, result.stderr
    summary = summary_of(tmp_path / "run")
    assert summary["num_workloads"] == 12
    assert summary["is_exact"] is True
    assert summary["gap"] == 0
    assert max(summary["array_cycles"]) == summary["makespan_cycles"]
    lines = (tmp_path / "run" / "schedule.csv").read_text().splitlines()
    assert len(lines) == 13
    assert lines[1].startswith("mine/long,5000,5000,5000,")
    assert lines[2].startswith("resnet50/")
    assert (tmp_path / "run" / "figures" / "gantt.png").stat().st_size > 1000
    assert f"makespan {summary['makespan_cycles']} cycles" in result.stdout
    assert "optimal" in result.stdout


def test_networks_take_turns_and_layers_come_as_often_as_they_occur():
    a = Network(name="a", layers=(Layer(name="x", m=1, n=1, k=1, count=3),))
    b = Network(
        name="b", layers=(Layer(name="y", m=2, n=1, k=1), Layer(name="z", m=3, n=1, k=1, count=2))
    )
    names = [layer.name for layer in case_study3.competing_layers([a, b], None)]
    assert names == ["a/x", "b/y", "a/x", "b/z", "a/x", "b/z"]
    assert len(case_study3.competing_layers([a, b], 4)) == 4


def test_real_networks_run_as_a_pipeline():
    gemms = Gemm(m=np.arange(1, 7), n=np.arange(11, 17), k=np.arange(21, 27))
    workloads = CASE.from_gemms(gemms, CASE.contexts[0])
    assert workloads.shape == (12, 6)
    assert workloads[:, 0].tolist() == [1, 11, 21, 2, 12, 22, 3, 13, 23, 4, 14, 24]
    assert workloads[:, 5].tolist() == [6, 16, 26, 1, 11, 21, 2, 12, 22, 3, 13, 23]


def test_costs_log_costs_labels_and_heuristics_agree():
    workloads = np.asarray(CASE.sample(jax.random.key(0), 300))
    exact = CASE.exact(workloads)
    np.testing.assert_array_equal(CASE.label(workloads), exact.design_id)
    everything = np.broadcast_to(np.arange(1944), (300, 1944))
    costs = CASE.costs(workloads, everything)
    np.testing.assert_array_equal(costs.min(axis=1), exact.cost)
    np.testing.assert_allclose(CASE.log_costs(workloads), np.log(costs), rtol=1e-6)
    np.testing.assert_array_equal(CASE.costs(workloads, exact.design_id), exact.cost)
    for ids in CASE.heuristics(workloads).values():
        performance = exact.cost / CASE.costs(workloads, ids)
        assert (performance <= 1).all()
        assert performance.mean() > 0.9


def test_costs_beyond_int64_are_refused():
    workloads = np.full((12, 3), 2**31 - 1)
    with pytest.raises(ValueError, match="a workload at row 0 on 64x64 exceed int64"):
        CASE.costs(workloads, np.zeros(3, int))


def test_shapes_of_arrays_are_read():
    assert [(a.rows, a.cols) for a in parse_arrays(" 64x64, 8x256")] == [(64, 64), (8, 256)]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--num_arrays=1"], "num_arrays"),
        (["--num_arrays=7"], "num_arrays"),
        (["--arrays=64x64"], "arrays: 1 of them are not allowed; expected 2..6"),
        (["--arrays=8x8,8x8,8x8,8x8,8x8,8x8,8x8"], "arrays: 7 of them are not allowed"),
        (["--arrays=64x64,32"], "arrays: '32' is not allowed; expected rows x cols"),
        (["--arrays=64x64,0x32"], "arrays: '0x32' is not allowed"),
        (["--arrays=64x64,-4x32"], "arrays: '-4x32' is not allowed"),
        (["--arrays=64x64,99999999999x2"], "rows of array 1: 99999999999 is not allowed"),
        (["--arrays=8x8,9x9", "--num_arrays=3"], "--num_arrays: 3 is not allowed"),
        (["--num_workloads=0"], "num_workloads"),
        (["--num_workloads=2001"], "num_workloads"),
        (["--workloads=resnet50", "--num_workloads=2000"], "--num_workloads: 2000 is not allowed"),
        (["--workloads=/nowhere/x.csv"], "/nowhere/x.csv: cannot be read"),
        (["--num_arrays=6"], "--batch_size: 1024 is not allowed; expected at most 255 for 524880"),
        (["--model=transformer"], "model"),
        (["--max_dim=1"], "max_dim"),
    ],
)
def test_bad_flags_are_named_before_anything_is_written(arguments, message, tmp_path):
    def parse_and_run():
        flags.FLAGS(["case_study3", *arguments])
        case_study3.main(rich.console.Console(file=io.StringIO()))

    with (
        flagsaver.flagsaver(workdir=str(tmp_path / "run")),
        pytest.raises((flags.IllegalFlagValueError, ValueError), match=message) as error,
    ):
        parse_and_run()
    assert "\n" not in str(error.value)
    assert list(tmp_path.iterdir()) == []
