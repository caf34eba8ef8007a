"""What only one case study shows; and python -m experiments.design_space, as a user runs it."""

import csv
import dataclasses
import json
import subprocess
import sys

import figure_checks
import numpy as np
import pyarrow.parquet as pq
import pytest
import scripts

from airchitect_jax.case_studies import ArrayDataflowCase, BufferCase, ScheduleCase
from airchitect_jax.studies.design_space import (
    array_dataflow,
    array_shapes,
    buffer_operands,
    buffers,
    changes,
    neighbours,
    report,
    samples,
    schedules,
)
from airchitect_jax.types import Dataflow
from airchitect_jax.workloads import Distribution, load_network, network_names

SCRIPT = "experiments.design_space"


def drawn(case, num):
    return samples.draw("some", case, seed=0, num=num)


def looks_made(made):
    """An exhibit that has everything, numbers in its caption."""
    assert made.figure.axes
    figure_checks.check(made.figure)
    assert len(made.rows) > 1
    assert len({len(row) for row in made.rows}) == 1
    assert any(letter.isdigit() for letter in made.caption)
    assert "nan" not in made.caption
    json.dumps(made.summary, allow_nan=False)


def test_mapped_dimensions_of_each_dataflow():
    gemms = np.array([[10, 10, 10], [20, 20, 20], [30, 30, 30]])
    dataflow = np.array([Dataflow.OS, Dataflow.WS, Dataflow.IS])
    expected = [[10, 20, 30], [30, 20, 10], [30, 10, 20]]
    assert array_shapes.mapped(gemms, dataflow).T.tolist() == expected


def test_more_budget_never_costs_cycles():
    case = ArrayDataflowCase(min_mac_exponent=6, max_mac_exponent=10)
    sample = drawn(case, 200)
    cycles = array_dataflow.best_by_budget(case, samples.dims(case, sample.workloads))
    assert cycles.shape == (5, 200)
    assert (np.diff(cycles, axis=0) <= 0).all()
    here = cycles[sample.feature("mac_exponent") - 6, np.arange(200)]
    np.testing.assert_array_equal(here, case.exact(sample.workloads).cost)


@pytest.mark.slow
def test_exhibits_of_arrays():
    case = ArrayDataflowCase(distribution=Distribution.LOG_UNIFORM)
    some = [drawn(case, 10_000), drawn(ArrayDataflowCase(), 10_000)]
    networks = [load_network("resnet50"), load_network("gpt2")]
    made = {name: make() for name, make in array_dataflow.exhibits(case, some, networks)}
    for one in made.values():
        looks_made(one)
    shares = made["best by shape"].summary["dataflow_shares"]
    assert sum(shares.values()) == pytest.approx(1)
    # The table of single workloads has all designs, and its best is the oracle's.
    _, *rows = made["landscapes"].rows
    assert len(rows) == 2 * 459
    for name, m, n, k in (
        ("resnet50 conv4_1_3x3", 196, 256, 2304),
        ("gpt2 mlp_up", 1024, 3072, 768),
    ):
        best = case.exact(np.array([[18], [m], [n], [k]]))
        of_layer = [row for row in rows if row[0] == name]
        assert min(row[5] for row in of_layer) == best.cost[0]
        assert made["landscapes"].summary[name]["best"] == case.space.describe(best.design_id[0])
    assert next(iter(changes.variants(case).values())) is case


@pytest.fixture(scope="module")
def packaged():
    return [load_network(name) for name in network_names()]


@pytest.mark.slow
def test_figures_of_all_packaged_networks(packaged):
    """As the script draws them, on fewer workloads."""
    case = ArrayDataflowCase(distribution=Distribution.LOG_UNIFORM)
    some = [
        samples.draw(name, one, seed=0, num=300)
        for name, one in (("log-uniform", case), ("uniform", ArrayDataflowCase()))
    ]
    returns = array_dataflow.returns(case, some, packaged)
    looks_made(returns)
    named = {label.get_text() for label in returns.figure.axes[1].get_yticklabels()}
    assert named == {*network_names(), "uniform", "log-uniform"}
    assert {row[0] for row in returns.rows[1:]} == named
    looks_made(array_dataflow.landscapes(case, packaged))
    covered = neighbours.coverage(some, samples.layers_of(case, packaged))
    looks_made(covered)
    shown = {text.get_text() for text in covered.figure.legends[0].get_texts()}
    assert shown == {"uniform", "log-uniform", "layers", "one layer, in range"}


@pytest.mark.slow
@pytest.mark.parametrize("case", [ArrayDataflowCase(), BufferCase(), ScheduleCase()])
def test_every_figure_of_a_case_study(case, packaged):
    """All that the script draws, on fewer workloads."""
    some = [
        samples.draw(name, dataclasses.replace(case, distribution=distribution), seed=0, num=10_000)
        for name, distribution in (
            ("uniform", Distribution.UNIFORM),
            ("log-uniform", Distribution.LOG_UNIFORM),
        )
    ]
    own = {"case_study1": array_dataflow, "case_study2": buffers, "case_study3": schedules}
    own = own[case.name]
    shown = own.exhibits(case, some, packaged)
    for _, makers in report.sections(some, changes.variants(case), packaged, shown):
        for _, make in makers:
            looks_made(make())


@pytest.fixture(scope="module")
def sized():
    return drawn(BufferCase(), 1000)


@pytest.mark.slow
def test_roles_of_operands(sized):
    case = sized.case
    levels = buffer_operands.role_levels(case, sized.design_ids, sized.feature("dataflow"))
    assert (levels[:, buffer_operands.TILE] == 1).all()
    sizes = case.space.levels[sized.design_ids]
    np.testing.assert_array_equal(levels.sum(axis=1), sizes.sum(axis=1))
    is_os = sized.feature("dataflow") == Dataflow.OS
    np.testing.assert_array_equal(levels[is_os], sizes[is_os])  # ifmap, filter, ofmap
    is_is = sized.feature("dataflow") == Dataflow.IS
    np.testing.assert_array_equal(levels[is_is], sizes[is_is][:, [1, 2, 0]])


def test_what_both_srams_gain(sized):
    gain = buffer_operands.least_gain(sized.case, sized)
    levels = buffer_operands.role_levels(sized.case, sized.design_ids, sized.feature("dataflow"))
    both = levels[:, :2].min(axis=1) > 1
    assert (gain[both] > 1).all()  # or a smaller sizing would have won the tie
    assert (gain[~both] == 1).all()


def test_exhibits_of_buffers(sized):
    made = {name: make() for name, make in buffers.exhibits(sized.case, [sized, sized], [])}
    for one in made.values():
        looks_made(one)
    for flow in made["stall surface"].summary.values():
        assert flow["stall_share_smallest"] > flow["stall_share_largest"] >= 0
        assert flow["tile_operand_cycles"] == 0
    assert len(made["stall surface"].rows) == 1 + 3 * 100
    assert made["returns"].summary["some"]["speedup"] >= 1


def test_each_gemm_runs_on_one_array():
    case = ScheduleCase()
    sample = drawn(case, 500)
    array = schedules.array_of_gemm(case, sample.design_ids)
    assert array.shape == (4, 500)
    for column, design in zip(array.T, sample.design_ids, strict=True):
        workload = case.space.decode(design).workload
        assert workload[column].tolist() == [0, 1, 2, 3]
    loads = schedules.loads(case, sample)
    np.testing.assert_array_equal(loads.max(axis=1), case.exact(sample.workloads).cost)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    arguments = ["--case_study=3", "--num_workloads=10000", "--max_dim=200"]
    result = scripts.run(SCRIPT, *arguments, f"--workdir={folder}", COLUMNS="200")
    assert result.returncode == 0, result.stderr
    return folder, result


@pytest.mark.slow
def test_everything_is_written(finished):
    folder, result = finished
    summary = json.loads((folder / "summary.json").read_text())
    assert len(summary["exhibits"]) == 13
    for name, text in summary["texts"].items():
        assert (folder / "figures" / f"{name}.png").read_bytes().startswith(b"\x89PNG")
        header, *rows = csv.reader((folder / "tables" / f"{name}.csv").open())
        assert rows
        assert all(len(row) == len(header) for row in rows)
        assert "nan" not in text
    page = (folder / "report.html").read_text()
    assert page.count("<figure>") == 13
    assert "http" not in page.replace("http-equiv", "")
    assert "Sensitivity" in page
    assert "label entropy" in result.stdout
    assert not list(folder.rglob("*.partial"))


@pytest.mark.slow
def test_the_summary_says_what_was_run(finished):
    summary = json.loads((finished[0] / "summary.json").read_text())
    assert summary["case_study"] == "case_study3"
    assert summary["num_workloads"] == 10_000
    assert summary["distributions"] == ["log-uniform", "uniform"]
    assert summary["runtime_model"] == "scalesim"
    for name in summary["distributions"]:
        frequency = summary["exhibits"]["frequency"][name]
        assert frequency["label_entropy_bits"] > 5
        table = pq.read_table(finished[0] / "tables" / f"workloads_{name}.parquet")
        assert table.num_rows == 10_000
        ids = table["design_id"].to_numpy()
        assert len(np.unique(ids)) == frequency["num_labels_seen"]
        workloads = np.stack([table[f.name].to_numpy() for f in ScheduleCase().features])
        labels = ScheduleCase().exact(workloads[:, :50])
        np.testing.assert_array_equal(labels.design_id, ids[:50])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--num_workloads=9999"], "flag --num_workloads=9999"),
        (["--num_workload=20000"], "Unknown command line flag 'num_workload'"),
    ],
)
def test_bad_flags_end_with_one_line(tmp_path, arguments, message):
    assert message in scripts.error_of(SCRIPT, f"--workdir={tmp_path}/run", *arguments)
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_an_interrupted_run_leaves_nothing_half_written(tmp_path):
    flags = ["--case_study=3", "--num_workloads=10000"]
    code = """
import numpy as np

from airchitect_jax.studies.design_space import report
from airchitect_jax.studies.design_space.samples import Sample
from airchitect_jax.experiments import design_space, runner


def interrupted(table, path):
    path.write_text("half")
    raise KeyboardInterrupt

report.pq.write_table = interrupted
report.make = lambda *_: []
design_space.draw = lambda name, case, **_: Sample(
    name=name,
    case=case,
    workloads=np.ones((12, 5), np.int32),
    design_ids=np.zeros(5, np.int32),
)
runner.run_main(design_space.main, interrupted="start again")
"""
    result = subprocess.run(
        [sys.executable, "-c", code, *flags, f"--workdir={tmp_path}/run"],
        cwd=scripts.ROOT,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert result.returncode == 130
    assert result.stderr.strip() == "interrupted; start again"
    files = [path.name for path in (tmp_path / "run").rglob("*") if path.is_file()]
    assert files == ["config.json"]
