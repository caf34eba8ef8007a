"""The comparison with the scalesim package: statistics, files, and all of it with stand-ins."""

import csv
import dataclasses
import json
import math
import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest
import scripts

from airchitect_jax import Dataflow, Layer, Network
from airchitect_jax.scalesim import PackageRun, ScalesimConfig
from airchitect_jax.scalesim.replay import replay
from airchitect_jax.studies.scalesim_validation import (
    Settings,
    Source,
    TimedLayer,
    plan,
    sizing,
)
from airchitect_jax.studies.scalesim_validation import validate as steps
from airchitect_jax.studies.scalesim_validation.runs import (
    QUANTITIES,
    Ranges,
    Runs,
    affordable,
    agreement,
    distinct,
    draw,
    ideal,
)
from airchitect_jax.studies.scalesim_validation.validate import validate

ROOT = pathlib.Path(__file__).parent.parent
TINY = Settings(
    num_runs=12,
    num_checks=3,
    max_dim=60,
    max_run_seconds=0.2,
    num_workloads=4,
    max_workload_dim=200,
    grid=sizing.SizeGrid(levels_kb=(8, 32, 128)),
    layer=TimedLayer(side=20, array=8, replay_batch=8, ideal_batch=16),
)


def echo(gemm, array, dataflow, *, bandwidth_words_per_cycle, **sram_kb):
    """What the package should say, from the replay."""
    report = replay(
        gemm, array, dataflow, bandwidth_words_per_cycle=bandwidth_words_per_cycle, **sram_kb
    )
    return PackageRun(report=report, seconds=0.5)


def liar(gemm, array, dataflow, **memory):
    """Wrong by one word in runs that are output stationary."""
    run = echo(gemm, array, dataflow, **memory)
    wrong = int(dataflow is Dataflow.OS)
    report = dataclasses.replace(run.report, ofmap_dram_writes=run.report.ofmap_dram_writes + wrong)
    return dataclasses.replace(run, report=report)


def silent(*what):
    pass


def runs_of(*rows):
    """Runs of tuples: m, n, k, rows, cols, dataflow, three sizes in KB, bandwidth."""
    names = [field.name for field in dataclasses.fields(Runs)]
    return Runs(**dict(zip(names, np.transpose(rows), strict=True)))


RUNS = runs_of(
    (30, 40, 50, 8, 8, Dataflow.OS, 1, 1, 1, 3),
    (30, 40, 50, 8, 8, Dataflow.WS, 1, 1, 1, 3),
    (30, 40, 50, 8, 8, Dataflow.OS, 8, 8, 8, 0),
)


def test_equal_values_share_the_mean_of_their_ranks():
    ranks = sizing.average_ranks(np.array([30, 10, 20, 10, 30, 30]))
    assert ranks.tolist() == [5, 1.5, 3, 1.5, 5, 5]


@pytest.mark.parametrize(
    ("estimate", "truth", "expected"),
    [
        ([1, 2, 3], [10, 200, 3000], 1),
        ([3, 2, 1], [10, 200, 3000], -1),
        ([1, 2, 3, 4, 5], [2, 1, 4, 3, 5], 0.8),  # 1 - 6 * 4 / (5 * 24)
        # Ranks 1, 2.5, 2.5, 4 and 1, 2, 3, 4: 4.5 / sqrt(4.5 * 5).
        ([1, 2, 2, 3], [1, 2, 3, 4], 4.5 / math.sqrt(22.5)),
        ([7, 7, 7], [1, 2, 3], 0),
    ],
)
def test_rank_correlation_by_hand(estimate, truth, expected):
    got = sizing.rank_correlation(np.array(estimate), np.array(truth))
    assert got == pytest.approx(expected, abs=1e-12)


def test_a_constant_truth_has_no_order():
    assert math.isnan(sizing.rank_correlation(np.array([1, 2]), np.array([5, 5])))


def test_errors_and_ratios_by_hand():
    errors = sizing.error_summary(np.array([90, 100, 150]), np.array([100, 100, 100]))
    assert errors["median_error"] == pytest.approx(0.1)
    assert errors["p90_error"] == pytest.approx(0.1 + 0.8 * 0.4)
    assert errors["median_bias"] == pytest.approx(0)
    assert errors["mean_bias"] == pytest.approx(0.4 / 3)
    ratios = sizing.ratio_summary(np.array([1.0, 1, 8]))
    assert ratios == {
        "geomean": pytest.approx(2),
        "median": 1,
        "p90": pytest.approx(1 + 0.8 * 7),
        "max": 8,
    }


def test_the_grid_is_in_tie_order():
    grid = sizing.SizeGrid(levels_kb=(8, 16, 64))
    assert grid.sizes_kb[:4].tolist() == [[8, 8, 8], [8, 8, 16], [8, 16, 8], [16, 8, 8]]
    assert grid.sizes_kb[grid.id_of_levels[2, 0, 1]].tolist() == [64, 8, 16]
    assert grid.budgets_kb == (48, 96)
    assert grid.feasible()[0].sum() == 8
    rounded = grid.rounded_down(np.array([[3.0, 16, 63], [64, 15, 900]]))
    assert grid.sizes_kb[rounded].tolist() == [[8, 16, 16], [64, 8, 64]]


def test_rules_and_their_regret_by_hand():
    # Two sizes a buffer, one budget of 48 KB, which allows all eight sizings.
    grid = sizing.SizeGrid(levels_kb=(8, 16))
    workload = runs_of((10, 10, 990, 4, 4, Dataflow.OS, 8, 8, 8, 1))
    nothing = np.zeros((1, 8), np.int64)
    result = sizing.SizingResults(
        workloads=workload,
        grid=grid,
        #                  8+8+8 .. 16  ..16..  16.. | two of 16             | all 16
        ideal=np.array([[50, 50, 40, 40, 40, 50, 40, 45]]),
        package=np.array([[90, 80, 70, 60, 50, 40, 30, 100]]),
        package_stalls=nothing,
        package_reads=nothing,
        ideal_reads=nothing,
    )
    chosen = sizing.choices(result)
    # First of the four with 40, last of them; 8 + 24 * (0.497, 0.497, 0.005); 16 each.
    assert {rule: ids.tolist() for rule, ids in chosen.items()} == {
        sizing.IDEAL: [[2]],
        sizing.IDEAL_LARGEST: [[6]],
        sizing.PROPORTIONAL: [[int(grid.id_of_levels[1, 1, 0])]],
        sizing.THIRDS: [[7]],
    }
    ratios = sizing.ratios_to_best(result, chosen)
    assert ratios[sizing.IDEAL] == pytest.approx(70 / 30)
    assert ratios[sizing.IDEAL_LARGEST] == 1
    assert ratios[sizing.THIRDS] == pytest.approx(100 / 30)


def test_a_budget_keeps_rules_within_it():
    grid = sizing.SizeGrid(levels_kb=(8, 16, 64, 256))
    workloads = runs_of(
        (1, 2, 900, 4, 4, Dataflow.OS, 8, 8, 8, 1), (300, 300, 2, 4, 4, Dataflow.WS, 8, 8, 8, 1)
    )
    cycles = np.random.default_rng(0).integers(1, 9, (2, 64))
    names = ("ideal", "package", "package_stalls", "package_reads", "ideal_reads")
    result = sizing.SizingResults(workloads=workloads, grid=grid, **dict.fromkeys(names, cycles))
    for rule, chosen in sizing.choices(result).items():
        assert (grid.totals_kb[chosen] <= grid.budgets_kb).all(), rule
    ratios = sizing.ratios_to_best(result, sizing.choices(result))
    assert (ratios[sizing.IDEAL] == 1).all()
    assert (ratios[sizing.IDEAL_LARGEST] == 1).all()


NETWORK = Network(
    name="mine", layers=(Layer(name="a", m=3, n=4, k=5), Layer(name="b", m=70, n=8, k=9))
)
ACCELERATOR = ScalesimConfig(
    rows=4,
    cols=8,
    dataflow=Dataflow.IS,
    ifmap_sram_kb=1,
    filter_sram_kb=2,
    ofmap_sram_kb=3,
    bandwidth_words_per_cycle=None,
)


def test_the_same_seed_draws_the_same_runs_within_their_ranges():
    ranges = Ranges(dims=(2, 60), sides=(3, 9), bandwidths=(4, 20), small_eighths=4, calc_eighths=2)
    runs, again = draw(5, 300, ranges, Source()), draw(5, 300, ranges, Source())
    assert all((vars(runs)[name] == vars(again)[name]).all() for name in vars(runs))
    assert set(runs.dataflow.tolist()) == {0, 1, 2}
    assert (runs.m.min(), runs.m.max(), runs.rows.min(), runs.rows.max()) == (2, 60, 3, 9)
    assert set(runs.ifmap_sram_kb.tolist()) == {1, 2, 3, 4, 8, 16, 32, 64, 128, 256, 512, 1024}
    assert set(np.unique(runs.bandwidth)) <= {0, *range(4, 21)}
    assert 0.15 < (runs.bandwidth == 0).mean() < 0.35


def test_layers_and_accelerators_of_files_take_the_place_of_random_ones():
    source = Source(network=NETWORK, config=ACCELERATOR)
    runs = steps.package_runs(TINY, source)
    assert len(runs) == 2
    assert list(zip(runs.m, runs.n, runs.k, strict=True)) == [(3, 4, 5), (70, 8, 9)]
    assert (runs.dataflow == Dataflow.IS).all()
    assert (runs.bandwidth == 0).all()
    assert runs.filter_sram_kb.tolist() == [2, 2]
    assert (steps.sized_workloads(TINY, source).bandwidth > 0).all()
    too_long = dataclasses.replace(TINY, max_run_seconds=1e-9)
    with pytest.raises(
        ValueError, match=r"max_run_seconds: 1e-09 is not allowed; expected at least 0\.0"
    ):
        steps.package_runs(too_long, source)


def test_runs_of_one_cycle_and_long_ones_are_left_out():
    runs = runs_of(
        (1, 1, 1, 1, 1, Dataflow.OS, 1, 1, 1, 1),
        (30, 30, 30, 8, 8, Dataflow.OS, 1, 1, 1, 1),
        (9000, 9000, 9000, 8, 8, Dataflow.OS, 1, 1, 1, 1),
        (30, 30, 30, 8, 8, Dataflow.OS, 1, 1, 1, 1),
    )
    assert affordable(distinct(runs), 1.0).m.tolist() == [30]


def test_ideal_has_no_calc_mode():
    with pytest.raises(ValueError, match="bandwidth_bytes_per_cycle: 0 at row 0 is not allowed"):
        ideal(RUNS[2:])


def test_equal_reports_agree():
    result = agreement(RUNS, echo, silent)
    assert result.equal(*QUANTITIES).all()
    assert list(result.mismatches()) == []
    assert result.seconds.tolist() == [0.5] * 3


def test_a_difference_of_one_word_is_found():
    result = agreement(RUNS, liar, silent)
    assert result.equal(*QUANTITIES).tolist() == [False, True, False]
    assert result.equal("total_cycles", "stall_cycles").all()
    found = list(result.mismatches())
    assert [(row["run"], row["quantity"]) for row in found] == [
        (0, "ofmap_dram_writes"),
        (2, "ofmap_dram_writes"),
    ]
    assert all(row["package"] == row["replay"] + 1 for row in found)


@pytest.fixture(scope="module")
def validation(tmp_path_factory):
    folder = tmp_path_factory.mktemp("validation")
    told = []
    result = validate(TINY, plan(TINY, Source()), folder, echo, lambda *what: told.append(what))
    return folder, result, told


def test_all_outputs_are_written(validation):
    folder, result, told = validation
    assert {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()} == {
        "summary.json",
        "matches.csv",
        "runs.csv",
        "validation.md",
        "report.html",
        "figures/validate_scalesim.png",
    }
    summary = json.loads((folder / "summary.json").read_text())
    assert summary["runs_that_differ"] == result.differing == 0
    assert summary["mismatches"] == []
    rows = list(csv.DictReader((folder / "runs.csv").open()))
    assert len(rows) == result.runs == summary["runs_of_the_package"]
    assert {row["source"] for row in rows} == {"random", "sizing"}
    assert all(row["package_total_cycles"] == row["replay_total_cycles"] for row in rows)
    assert all((row["ideal_total_cycles"] == "") == (row["bandwidth"] == "0") for row in rows)
    matches = list(csv.DictReader((folder / "matches.csv").open()))
    assert {row["quantity"] for row in matches} == set(QUANTITIES)
    assert all(row["runs"] == row["matches"] for row in matches)
    text = (folder / "validation.md").read_text()
    assert f"The replay differs from the package in 0 of {result.runs} runs" in text
    assert all(table.title in text for table in result.tables)
    assert (folder / "figures" / "validate_scalesim.png").read_bytes().startswith(b"\x89PNG")
    assert told[-1] == ("timing", "layer", 1, 1)


def test_the_summary_adds_up(validation):
    _, result, _ = validation
    summary = result.summary
    everything = summary["agreement"]["all"]
    by_dataflow = [row for name, row in summary["agreement"].items() if name != "all"]
    assert everything["runs"] == result.runs == sum(row["runs"] for row in by_dataflow)
    assert everything["cycles"] == everything["DRAM"] == result.runs
    error = summary["ideal_error"]["all"]
    assert error["all"]["evaluations"] == 4 * 27
    assert summary["rank_correlation"]["all"]["workloads"] == 4
    for row in summary["regret"].values():
        assert row["choices"] == 4 * 2
        assert 1 <= row["median"] <= row["p90"] <= row["max"]
        assert set(row["geomean_by_budget_kb"]) == {"48", "192"}
    assert {(row["mode"], row["dataflow"]) for row in summary["speed"]} == {
        (mode, dataflow.name) for mode in ("CALC", "USER") for dataflow in Dataflow
    }
    assert all(row["package_seconds"] == 0.5 for row in summary["speed"])
    assert all(row["times_ideal"] > 0 for row in summary["speed"])


CONFIG = """
[architecture_presets]
ArrayHeight: 16
ArrayWidth: 8
IfmapSramSzkB: 64
FilterSramSzkB: 32
OfmapSramSzkB: 128
Dataflow: os
Bandwidth: 10
SparsitySupport: True
[run_presets]
InterfaceBandwidth: USER
"""


def script(code, *arguments):
    """The script in a process of its own."""
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=ROOT / "tests",  # code imports from here
        env=os.environ | {"JAX_PLATFORMS": "cpu", "PYTHONPATH": scripts.PYTHONPATH},
        capture_output=True,
        text=True,
        timeout=200,
    )


LYING = """
import sys
from airchitect_jax.experiments import runner, validate_scalesim
from test_validation import liar
runner.run_main(
    lambda console: sys.exit(validate_scalesim.compare(console, liar)), interrupted=""
)
"""


@pytest.mark.slow
def test_a_mismatch_ends_the_script_with_status_1(tmp_path):
    sizes = ("--num_runs=8", "--max_run_dim=20", "--num_workloads=1", "--max_workload_dim=20")
    arguments = (*sizes, "--timed_side=4", f"--workdir={tmp_path}/run")
    config = tmp_path / "scale.cfg"
    config.write_text(CONFIG)
    result = script(LYING, *arguments, f"--config={config}")
    assert result.returncode == 1, result.stderr
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    runs = summary["runs_of_the_package"]
    assert result.stderr == (
        f"error: the replay differs from the package in {runs} of {runs} runs:"
        f" {tmp_path}/run/summary.json lists them\n"
    )
    assert f"{config}: SparsitySupport: True is left out" in result.stdout
    assert "Replay against package" in result.stdout
    assert len(summary["mismatches"]) == runs
    settings = json.loads((tmp_path / "run" / "config.json").read_text())["flags"]
    assert settings["config"] == str(config)
    assert settings["num_runs"] == 8


def test_convolutions_of_overlapping_windows_are_refused(tmp_path):
    topology = ROOT / "tests" / "testdata" / "topologies" / "conv_bom.csv"
    result = script(LYING, f"--topology={topology}", f"--workdir={tmp_path}/run")
    assert result.returncode == 2
    assert result.stderr.startswith(
        f"error: --topology: {topology}: conv_bom: layer 'Conv1a': windows overlap"
    )
    assert not (tmp_path / "run").exists()


def test_without_the_package_the_script_names_what_to_install(tmp_path):
    without = tmp_path / "python"
    without.write_text(f'#!/bin/sh\nexec {sys.executable} -I -S "$@"\n')  # no installed packages
    without.chmod(0o755)
    workdir = tmp_path / "run"
    error = scripts.error_of(
        "experiments.validate_scalesim", f"--package_python={without}", f"--workdir={workdir}"
    )
    assert error == (
        f"error: the scalesim package cannot be used by {without}: No module named 'numpy':"
        " pip install 'airchitect-jax[scalesim]' 'numpy<2.4'\n"
    )
    assert not workdir.exists()
