"""Recommendations: the library against brute force, and the script as a user runs it."""

import csv
import html.parser
import json
import re

import numpy as np
import pytest
import scripts
from onnx import TensorProto, helper

from airchitect_jax import (
    ArrayDesign,
    ArrayShape,
    BufferSpace,
    Dataflow,
    Gemm,
    Layer,
    Memory,
    Network,
    Objective,
    evaluate_memory,
    open_network,
    read_topology,
    recommend,
)
from airchitect_jax.recommendation import unused_budgets
from airchitect_jax.recommendation.tables import COMPUTE_REPORT
from airchitect_jax.scalesim import read_config

SMALL = Network(
    name="small",
    layers=(
        Layer(name="a", m=100, n=30, k=70, count=2),
        Layer(name="b", m=5, n=300, k=64),
        Layer(name="c", m=100, n=30, k=70),
    ),
)
BUFFERS = BufferSpace(step_kb=1, num_levels=3)


@pytest.mark.parametrize("objective", Objective)
def test_the_recommendation_is_the_cheapest_of_all_designs(objective):
    found = recommend(
        SMALL,
        mac_budget=64,
        sram_budget_kb=6,
        bandwidth_bytes_per_cycle=8,
        objective=objective.value,
        buffers=BUFFERS,
    )
    space = found.survey.space
    runs = np.array([2, 1, 1])[:, None, None, None]
    dims = SMALL.gemms
    report = evaluate_memory(
        Gemm(**{d: getattr(dims, d)[:, None, None, None] for d in "mnk"}),
        ArrayDesign(
            rows=space.rows[:, None],
            cols=space.cols[:, None],
            dataflow=np.array(Dataflow)[:, None, None],
        ),
        Memory(buffers=space.sizes(np.arange(len(space.sizings))), bandwidth_bytes_per_cycle=8),
    )
    cycles, energy = report.total_cycles * runs, report.energy_fj * runs
    if objective is Objective.EDP:
        # a and c are the same GEMM and so run the same dataflow.
        product = [
            (cycles[0, x] + cycles[1, y] + cycles[2, x]).astype(object)
            * (energy[0, x] + energy[1, y] + energy[2, x])
            for x in Dataflow
            for y in Dataflow
        ]
        assert found.cost == min(costs.min() for costs in product)
    else:
        costs = cycles if objective is Objective.CYCLES else energy
        assert found.cost == costs.min(axis=1).sum(axis=0).min()
    assert found.design.num_macs <= 64
    assert found.design.sram_bytes <= 6 * 1024
    place = (
        np.flatnonzero(
            (space.rows == found.design.rows) & (space.cols == found.design.cols)
        ).item(),
        BUFFERS.encode(found.design.buffers).item(),
    )
    for layer, plan in enumerate(found.layers):
        at = (layer, int(plan.dataflow), place[0], np.flatnonzero(space.sizings == place[1]).item())
        assert plan.total_cycles == report.total_cycles[at]
        assert plan.stall_cycles == report.stall_cycles[at]
        assert plan.energy_fj == report.energy_fj[at]
        assert plan.dram_bytes == report.traffic.dram_bytes[at]
        assert plan.overall_utilization == pytest.approx(report.overall_utilization[at])
        alone = (report.total_cycles, report.energy_fj)
        costs = {
            Objective.CYCLES: alone[0][layer],
            Objective.ENERGY: alone[1][layer],
            Objective.EDP: alone[0][layer].astype(float) * alone[1][layer],
        }[objective]
        own = {
            Objective.CYCLES: plan.own_cycles,
            Objective.ENERGY: plan.own_energy_fj,
            Objective.EDP: float(plan.own_cycles) * plan.own_energy_fj,
        }[objective]
        assert own == costs.min()
    assert found.cycles == sum(p.total_cycles * p.runs for p in found.layers)
    if objective is not Objective.EDP:
        assert found.own_cost <= found.cost


def test_weights_and_counts_are_the_same_thing():
    twice = Network(
        name="twice",
        layers=tuple(
            Layer(name=layer.name, m=layer.m, n=layer.n, k=layer.k, count=2 * layer.count)
            for layer in SMALL.layers
        ),
    )
    other = Network(name="other", layers=(Layer(name="x", m=900, n=9, k=9),))
    weighted = recommend([SMALL, other], mac_budget=256, weights=[2, 3])
    repeated = recommend([twice, other, other, other], mac_budget=256)
    assert weighted.design == repeated.design
    assert weighted.cost == repeated.cost


def test_several_networks_share_one_design():
    both = recommend(["mobilenet_v2", "bert_base"], mac_budget=4096)
    alone = [recommend(name, mac_budget=4096) for name in ("mobilenet_v2", "bert_base")]
    assert both.cost >= sum(one.cost for one in alone)
    assert [network.name for network in both.networks] == ["mobilenet_v2", "bert_base"]


def test_more_budget_never_costs():
    costs = [recommend("resnet50", mac_budget=budget).cost for budget in (64, 1000, 1024, 4096)]
    assert costs == sorted(costs, reverse=True)
    costs = [recommend("vit_b16", mac_budget=256, sram_budget_kb=kb).cost for kb in (300, 900)]
    assert costs == sorted(costs, reverse=True)


def test_an_array_of_any_sides_can_be_given():
    found = recommend(SMALL, mac_budget=200, array=ArrayShape(rows=9, cols=21), buffers=BUFFERS)
    assert (found.design.rows, found.design.cols) == (9, 21)
    assert found.survey.space.num_designs == BUFFERS.num_designs
    wider = recommend(SMALL, mac_budget=200, buffers=BUFFERS)
    assert wider.survey.space.num_designs > found.survey.space.num_designs
    with pytest.raises(ValueError, match="array: 9x21 has 189 MAC units; expected at most"):
        recommend(SMALL, mac_budget=188, array=ArrayShape(rows=9, cols=21))


def test_budgets_that_the_space_does_not_reach_are_said():
    found = recommend(SMALL, mac_budget=200, buffers=BUFFERS)
    assert unused_budgets(found, mac_budget=128, sram_budget_kb=9) == []
    assert unused_budgets(found, mac_budget=200, sram_budget_kb=9000) == [
        "mac_budget: 200, but the largest array has 128 MAC units",
        "sram_budget: 9,000 KB, but the largest sizing has 9 KB",
    ]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"mac_budget": 3}, "mac_budget: 3 is not allowed; expected a whole number in 4"),
        ({"sram_budget_kb": 299}, "sram_budget: 299 KB is not allowed; expected at least 300 KB"),
        (
            {"objective": "speed"},
            "objective: 'speed' is not allowed; expected cycles, energy or edp",
        ),
        ({"bandwidth_bytes_per_cycle": 0}, "bandwidth_bytes_per_cycle: 0 is not allowed"),
        (
            {"element_bytes": 65},
            "element_bytes: 65 is not allowed; expected a whole number in 1..64",
        ),
        ({"weights": [1, 2]}, r"weights: \[1, 2\] is not allowed; expected 1 whole numbers"),
        ({"weights": [0.5]}, r"weights: \[0.5\] is not allowed"),
        ({"workload": "resnet51"}, "'resnet51' is neither a file"),
        ({"workload": []}, "without layers"),
        ({"workload": Network(name="none", layers=())}, "without layers"),
        ({"dims": {"batch": 1}, "workload": "gpt2"}, "bound in .onnx and .pt2 files only"),
    ],
)
def test_bad_arguments_are_one_line(arguments, message):
    with pytest.raises(ValueError, match=message):
        recommend(**{"workload": SMALL, "mac_budget": 64} | arguments)


def test_workloads_open_by_what_they_are(tmp_path):
    path = tmp_path / "mine.CSV"
    path.write_text("Layer,M,N,K,\na,1,2,3,\n")
    assert open_network(path).layers == (Layer(name="a", m=1, n=2, k=3),)
    assert open_network("gpt2").name == "gpt2"
    with pytest.raises(ValueError, match="cannot be read"):
        open_network("none.onnx")


def test_an_onnx_model_with_its_batch_bound(tmp_path):
    weights = helper.make_tensor("w", TensorProto.FLOAT, [64, 10], bytes(4 * 640), raw=True)
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["h"], name="dense"),
        helper.make_node("Relu", ["h"], ["y"]),
    ]
    values = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", side])
        for name, side in (("x", 64), ("y", 10))
    ]
    graph = helper.make_graph(nodes, "g", values[:1], values[1:], [weights])
    path = tmp_path / "net.onnx"
    path.write_bytes(helper.make_model(graph).SerializeToString())
    found = recommend(path, mac_budget=64, dims={"batch": 7})
    assert [plan.layer for plan in found.layers] == [Layer(name="dense", m=7, n=10, k=64)]
    result = run(
        f"--workload={path}", "--dim=batch=7", "--mac_budget=64", f"--workdir={tmp_path}/run"
    )
    assert result.returncode == 0, result.stderr
    assert f"{found.cycles:,}" in result.stdout
    assert "net: no matrix work in activation (1)" in result.stdout


def run(*arguments, columns=200):
    return scripts.run("experiments.recommend", *arguments, COLUMNS=str(columns))


HOSTILE = "<script>alert(1)</script>"


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("recommend")
    topology = folder / "<b>net.csv"
    topology.write_text(
        f"Layer,M,N,K,Count,\n{HOSTILE},100,50,20,2,\n=1+2,3000,30,10,1,\n[red]x,7,8,900,5,\n"
    )
    result = run(
        f"--workload={topology}",
        "--mac_budget=1000",
        "--sram_budget=900",
        "--bandwidth=4",
        f"--workdir={folder}/run",
    )
    assert result.returncode == 0, result.stderr
    return folder / "run", result


def test_everything_is_written(finished):
    folder, result = finished
    names = ("roofline", "utilization", "pareto", "pareto_macs", "heatmap")
    expected = [f"figures/{name}.png" for name in names]
    expected += ["config.json", "report.html", "layers.csv", "pareto.csv", "COMPUTE_REPORT.csv"]
    for name in expected:
        assert (folder / name).stat().st_size > 0, name
    summary = json.loads((folder / "summary.json").read_text())
    assert summary["design"]["num_macs"] <= 1000
    assert summary["design"]["sram_kb"] <= 900
    assert f"{summary['cycles']:,}" in result.stdout
    assert summary["num_designs"] == 36 * 84
    assert "[red]x" in result.stdout


def test_the_tables_add_up(finished):
    folder, _ = finished
    summary = json.loads((folder / "summary.json").read_text())
    with (folder / "layers.csv").open() as stream:
        layers = list(csv.DictReader(stream))
    total = sum(int(row["total_cycles"]) * int(row["runs"]) for row in layers)
    assert total == summary["cycles"]
    assert [row["layer"] for row in layers] == [HOSTILE, "'=1+2", "[red]x"]
    judged = sum(int(row["scalesim3_cycles"]) * int(row["runs"]) for row in layers)
    assert judged == summary["scalesim3_cycles"]
    with (folder / "COMPUTE_REPORT.csv").open() as stream:
        header, *rows = csv.reader(stream)
    assert tuple(header[: len(COMPUTE_REPORT)]) == COMPUTE_REPORT
    assert [row[1] for row in rows] == [row["total_cycles"] for row in layers]
    with (folder / "pareto.csv").open() as stream:
        points = list(csv.DictReader(stream))
    assert min(int(point["cycles"]) for point in points) == summary["cycles"]


def test_the_simulator_gets_every_layer_with_its_dataflow(finished):
    folder, _ = finished
    summary = json.loads((folder / "summary.json").read_text())
    count = 0
    for path in (folder / "scalesim").glob("*.cfg"):
        config = read_config(path)
        assert config.dataflow.name.lower() == path.stem
        assert (config.rows, config.cols) == (summary["design"]["rows"], summary["design"]["cols"])
        assert config.ifmap_sram_kb == summary["design"]["ifmap_sram_kb"]
        assert config.bandwidth_words_per_cycle == 4
        assert config.notes == ()
        count += len(read_topology(path.with_suffix(".csv")).layers)
    assert count == 3


class Page(html.parser.HTMLParser):
    """Tags that are open, tags seen, and what they point to."""

    void = ("meta", "img", "br")

    def __init__(self):
        super().__init__()
        self.open, self.seen, self.links = [], [], []

    def handle_starttag(self, tag, attrs):
        self.seen.append(tag)
        self.links += [value for name, value in attrs if name in ("src", "href")]
        if tag not in self.void:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_the_report_is_one_file_with_names_escaped(finished):
    folder, _ = finished
    text = (folder / "report.html").read_text()
    page = Page()
    page.feed(text)
    assert page.open == []
    assert page.seen.count("script") == 1
    assert "b" not in page.seen
    assert page.seen.count("svg") == 5
    assert all(link.startswith(("#", "data:image/png;base64,")) for link in page.links)
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text
    assert "Recommended accelerator for &lt;b&gt;net" in text


@pytest.mark.slow
def test_a_later_answer_replaces_an_earlier_one_whole(tmp_path):
    folder = tmp_path / "run"
    first = run("--workload=dlrm", "--mac_budget=64", f"--workdir={folder}")
    assert first.returncode == 0, first.stderr
    (folder / "mine.txt").write_text("mine")
    for name in ("ws.cfg", "os.csv", "is.csv"):  # as of an answer with other dataflows
        (folder / "scalesim" / name).touch()
    for path in folder.rglob("*.*"):
        if path.name not in ("config.json", "mine.txt"):
            path.write_text("stale")
    second = run("--workload=dlrm", "--mac_budget=16", f"--workdir={folder}")
    assert second.returncode == 0, second.stderr
    assert json.loads((folder / "summary.json").read_text())["mac_budget"] == 16
    assert json.loads((folder / "config.json").read_text())["flags"]["mac_budget"] == 16
    contents = {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert b"stale" not in contents.values()
    assert contents["mine.txt"] == b"mine"


def test_a_folder_of_another_experiment_is_refused_before_any_work(tmp_path):
    config = json.dumps({"flags": {"seed": 0}})
    (tmp_path / "config.json").write_text(config)
    result = run("--workload=nothing", f"--workdir={tmp_path}")
    assert result.returncode == 2
    assert result.stderr == (
        f"error: --workdir: {tmp_path} holds a run of another experiment, not of recommend; give"
        " another --workdir\n"
    )
    assert result.stdout == ""
    assert [path.name for path in tmp_path.iterdir()] == ["config.json"]
    assert (tmp_path / "config.json").read_text() == config


def test_the_terminal_has_each_gemm_once_within_80_columns(tmp_path):
    topology = tmp_path / "net.csv"
    names = ["a_name_that_is_too_long_for_the_table", "again", "other"]
    sizes = ["65536,28672,4096", "65536,28672,4096", "1000,2000,3000"]
    rows = [f"{name},{size},9\n" for name, size in zip(names, sizes, strict=True)]
    topology.write_text("Layer,M,N,K,Count,\n" + "".join(rows))
    arguments = [f"--workload={topology}", "--objective=edp", f"--workdir={tmp_path}/run"]
    result = run(*arguments, columns=80)
    assert result.returncode == 0, result.stderr
    *lines, _ = result.stdout.splitlines()
    assert max(map(len, lines)) <= 80
    (merged,) = [line.split() for line in lines if "65536x28672x4096" in line]
    assert merged[0].endswith("…")
    assert merged[1:3] == ["2", "18"]
    assert "again" not in result.stdout
    (other,) = [line.split() for line in lines if "1000x2000x3000" in line]
    assert other[:3] == ["other", "1", "9"]
    assert len((tmp_path / "run" / "layers.csv").read_text().splitlines()) == 4


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--workload=nothing"], "neither a file (.csv, .mlir, .mlirbc, .onnx, .pt2, .stablehlo)"),
        (["--dim=batch=x"], "--dim: 'batch=x' is not allowed; expected name=size"),
        (["--mac_bugdet=4"], "Unknown command line flag 'mac_bugdet'"),
        (["--trained=/none"], "/none: no finished run"),
    ],
)
def test_bad_flags_are_one_line(arguments, message, tmp_path):
    result = run(*arguments, "--mac_budget=16", f"--workdir={tmp_path}/run")
    assert result.returncode == 2
    assert message in result.stderr
    assert len(re.findall("error:", result.stderr)) == 1
    assert "Traceback" not in result.stderr
    assert not (tmp_path / "run").exists()
