"""`optimize`: its answers, how it stops, and the script as it runs."""

import csv
import dataclasses
import json
import math
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import scripts

import airchitect_jax as aj
from airchitect_jax.cost import area_um2, machine_prices, read_platform
from airchitect_jax.oracle.machines import mapping_points
from airchitect_jax.recommendation.machines import headline, summary_of

NETWORK = aj.Network(
    name="two",
    layers=(
        aj.Layer(name="a", m=40, n=30, k=70, count=2),
        aj.Layer(name="b", m=5, n=90, k=64),
    ),
    operators=(
        aj.Operator(
            name="softmax",
            kind=aj.OperatorKind.SOFTMAX,
            operations=5000,
            input_elements=1000,
            output_elements=1000,
            count=3,
        ),
    ),
)
SIZES = tuple(1024 * 2**power for power in range(5))
SPACE = aj.HardwareSpace(
    rows=(4, 8, 12, 16),
    cols=(4, 8, 16),
    ifmap_sram_bytes=SIZES,
    filter_sram_bytes=SIZES,
    ofmap_sram_bytes=SIZES,
    bandwidth_bytes_per_second=(10**9, 8 * 10**9),
)
PLATFORM = aj.Platform(name="little", vector_unit=aj.VectorUnit(lanes=4))


@pytest.fixture(scope="module")
def best():
    return aj.optimize(NETWORK, SPACE, PLATFORM, "edp")


def test_the_answer_is_certified_and_adds_up(best):
    assert best.certified_gap == 0
    assert best.lower_bound == best.optimum.cost == best.cycles * sum(best.energy_fj.values())
    assert best.optimum.is_finished
    assert best.num_machines == SPACE.num_designs == 3000
    assert best.waiting_cycles == 0
    assert sum(best.energy_fj.values()) == best.totals.energy_fj
    rows = dict(headline(best))
    assert rows["machines"].startswith("3,000; 10^")
    assert rows["proof"].startswith("the best of all; ")
    assert "waits for the power budget" not in rows


def test_the_space_takes_the_place_of_the_platforms(best):
    whole = dataclasses.replace(PLATFORM, hardware=SPACE)
    assert best.platform == whole
    same = aj.recommend_machine(NETWORK, whole, objective="edp")
    assert (same.hardware, same.optimum.cost) == (best.hardware, best.optimum.cost)
    again = aj.optimize(NETWORK, None, best.fixed_platform, "edp")
    assert (again.num_machines, again.optimum.cost) == (1, best.optimum.cost)


def test_mapping_points_of_a_gemm():
    # Trips of 6: 1, 2, 3, 6 (4 numbers), of 1: one. Orders of loops with trips: 1 of none or of
    # one loop, 2 of two loops.
    assert mapping_points((6, 1, 1), 1, 1) == 4
    assert mapping_points((6, 6, 1), 1, 3) == 3 * (1 + 3 + 3 + 2 * 9)


@pytest.mark.parametrize("how", [{"time_limit": 0.0}, {"gap": 0.5}])
def test_a_search_that_ends_early_has_a_valid_bound(best, how):
    early = aj.optimize(NETWORK, SPACE, PLATFORM, "edp", **how)
    assert early.lower_bound <= best.optimum.cost <= early.optimum.cost
    assert early.optimum.boxes_opened < best.optimum.boxes_opened
    summary = summary_of(early)
    json.dumps(summary, allow_nan=False)
    if "gap" in how:
        assert early.optimum.is_finished
        assert early.certified_gap <= 0.5
        assert "above the best" in dict(headline(early))["proof"]
    else:
        assert not early.optimum.is_finished
        assert "stopped early" in dict(headline(early))["proof"]
        assert not summary["is_finished"]


def test_a_machine_waits_for_its_power_budget():
    free = aj.optimize(NETWORK, SPACE, PLATFORM)
    budgets = aj.Budgets(power_budget_w=free.physical.average_power_w / 2)
    cool = aj.optimize(NETWORK, SPACE, PLATFORM, "latency", budgets)
    assert cool.waiting_cycles > 0
    assert cool.physical.average_power_w <= budgets.power_budget_w
    # Without the last cycle of waiting it would be above, on its own leakage.
    prices = machine_prices(cool.hardware, cool.platform)
    leakage, energy = prices.leakage_fj_per_cycle, sum(cool.energy_fj.values())
    power = budgets.power_budget_w * 1e15 / cool.platform.clock_hz
    assert (energy - leakage) / (cool.cycles - 1) > power
    assert cool.energy_fj["leakage"] == leakage * cool.cycles
    share = cool.waiting_cycles / cool.cycles
    assert dict(headline(cool))["waits for the power budget"] == f"{share:.1%} of the cycles"
    assert summary_of(cool)["waiting_cycles"] == cool.waiting_cycles


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"constraints": aj.Budgets(area_budget_um2=1)}, "no machine of little is within the bud"),
        ({"constraints": aj.Budgets(mac_budget=15)}, "the least of these are 16 MAC units, 3 KB"),
        ({"constraints": aj.Budgets(latency_budget_s=1e-8)}, "and no mapping keeps latency and"),
        ({"gap": -0.1}, "gap: -0.1 is not allowed"),
        ({"time_limit": -1}, "time_limit: -1"),
        ({"objective": "speed"}, "objective: 'speed' is not allowed"),
    ],
)
def test_bad_questions_are_one_line(arguments, message):
    with pytest.raises(ValueError, match=message) as caught:
        aj.optimize(**{"workload": NETWORK, "space": SPACE, "platform": PLATFORM} | arguments)
    assert "\n" not in str(caught.value)


def test_a_search_that_is_stopped_before_it_found_a_machine_says_so():
    # Of this space, only the smallest machines are within the budget.
    least = {name: values[0] for name, values in SPACE.axes.items()}
    whole = dataclasses.replace(PLATFORM, hardware=SPACE)
    smallest = int(area_um2(whole.hardware_of(**least), whole).total_um2)
    budgets = aj.Budgets(area_budget_um2=smallest)
    found = aj.optimize(NETWORK, SPACE, PLATFORM, "latency", budgets)
    assert found.area.total_um2 <= smallest
    with pytest.raises(ValueError, match=r"time_limit: no machine within the budgets was found in"):
        aj.optimize(NETWORK, SPACE, PLATFORM, "latency", budgets, time_limit=0.0)


# --- The script ------------------------------------------------------------------------------


YAML = """\
name: little
clock: 1GHz
array: {rows: [4, 64, x1.5], cols: [4, 64, 4]}
memory:
  ifmap_sram: [2KB, 64KB, x1.5]
  filter_sram: [2KB, 64KB, x1.5]
  ofmap_sram: [2KB, 64KB, x1.5]
dram: {bandwidth: [1GB/s, 16GB/s, x2]}
vector_unit: {lanes: 4}
"""
TOPOLOGY = "Layer,M,N,K,Count,\n<b>one,100,64,300,2,\ntwo,7,1000,512,1,\nthree,33,65,17,9,\n"


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("inputs")
    (folder / "net.csv").write_text(TOPOLOGY)
    (folder / "little.yaml").write_text(YAML)
    return [f"--workload={folder}/net.csv", f"--platform={folder}/little.yaml"]


def run(*arguments):
    return scripts.run("experiments.optimize", *arguments)


@pytest.fixture(scope="module")
def finished(inputs, tmp_path_factory):
    folder = tmp_path_factory.mktemp("optimize") / "run"
    arguments = [*inputs, "--area_budget=1.5mm2", "--objective=edp", f"--workdir={folder}"]
    result = run(*arguments)
    assert result.returncode == 0, result.stderr
    return folder, result, arguments


def loaded(folder):
    return json.loads((folder / "summary.json").read_text())


def test_everything_is_written(finished):
    folder, result, _ = finished
    summary = loaded(folder)
    assert summary["cost"] == summary["lower_bound"] == summary["edp_fj_cycles"]
    assert summary["certified_gap"] == 0
    assert summary["num_hardware_points"] == 7 * 16 * 9**3 * 5
    assert summary["num_joint_points"] == summary["log10_joint_points"] > 10
    assert summary["boxes_opened"] > 0
    assert summary["wall_seconds"] >= summary["search_seconds"] > 0
    assert summary["area_mm2"] <= 1.5
    gemms = [(row["m"], row["n"], row["k"]) for row in summary["mapping_points"]]
    assert gemms == [(100, 64, 300), (7, 1000, 512), (33, 65, 17)]
    points = math.prod(row["points"] for row in summary["mapping_points"])
    joint = np.log10(summary["num_hardware_points"]) + math.log10(points)
    assert summary["log10_joint_points"] == pytest.approx(joint)
    with (folder / "layers.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert sum(int(row["total_cycles"]) * int(row["runs"]) for row in rows) == summary["cycles"]
    fixed = read_platform(folder / "platform.yaml").hardware
    assert fixed.is_fixed
    assert fixed.rows == (summary["design"]["rows"],)
    page = (folder / "report.html").read_text()
    assert "&lt;b&gt;one" in page
    assert "the best of all; " in page
    assert (folder / "figures" / "roofline.png").exists()
    assert "the best of all; " in result.stdout
    certificate = json.loads((folder / "certificate.json").read_text())
    assert certificate["lower_bound"] == summary["lower_bound"]


def test_a_second_run_resumes_or_is_refused(finished):
    folder, _, arguments = finished
    first = loaded(folder)
    assert "holds a run already; give --resume" in scripts.error_of(
        "experiments.optimize", *arguments
    )
    other = [*arguments, "--resume", "--objective=energy"]
    assert "--objective: energy is not allowed; expected edp" in scripts.error_of(
        "experiments.optimize", *other
    )
    assert run(*arguments, "--resume", "--time_limit=100").returncode == 0
    again = loaded(folder)
    for name in ("cost", "lower_bound", "design", "mapping_points", "cycles", "energy_fj"):
        assert again[name] == first[name]


@pytest.mark.slow
def test_a_stopped_run_resumes_to_the_same_answer(finished, tmp_path):
    folder, _, arguments = finished
    arguments = [*arguments[:-1], f"--workdir={tmp_path}"]
    result = run(*arguments, "--time_limit=0.01")
    assert result.returncode == 0, result.stderr
    early, whole = loaded(tmp_path), loaded(folder)
    assert not early["is_finished"]
    assert early["lower_bound"] <= whole["cost"] <= early["cost"]
    assert run(*arguments, "--resume").returncode == 0
    resumed = loaded(tmp_path)
    assert {name: x for name, x in resumed.items() if "seconds" not in name} == {
        name: x for name, x in whole.items() if "seconds" not in name
    }
    assert (tmp_path / "certificate.json").read_text() == (folder / "certificate.json").read_text()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--area_budget=3acres"], "--area_budget: '3acres' is not allowed"),
        (["--platform=none.yaml"], "none.yaml"),
        (["--array=8"], "--array: '8' is not allowed"),
        (["--compare=gemmini"], "--compare: not allowed here"),
        (["--gap=-1"], "--gap"),
        (["--dim=batch"], "--dim: 'batch' is not allowed"),
        (["--area_budget=1um2"], "budgets: no machine of large is within the budgets"),
    ],
)
def test_bad_flags_are_one_line(arguments, message, tmp_path):
    error = scripts.error_of("experiments.optimize", *arguments, f"--workdir={tmp_path}/run")
    assert message in error


def started(arguments):
    return subprocess.Popen(
        [sys.executable, "-m", "experiments.optimize", *arguments],
        cwd=scripts.ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A test run in the background of a shell ignores SIGINT, and its children would.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


LONG = ("--workload=mobilenet_v2", "--objective=energy", "--area_budget=40mm2")  # takes minutes


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "word"), [(signal.SIGINT, "interrupted"), (signal.SIGTERM, "terminated")]
)
def test_an_interrupted_search_writes_its_best_machine(number, word, tmp_path):
    process = started([*LONG, f"--workdir={tmp_path}"])
    while not (tmp_path / "config.json").exists():
        time.sleep(0.05)
    time.sleep(6)  # of the search
    process.send_signal(number)
    _, stderr = process.communicate(timeout=60)
    assert stderr == f"{word}; give the same command with --resume to go on\n"
    assert process.returncode == 128 + number
    summary = loaded(tmp_path)
    assert not summary["is_finished"]
    assert summary["lower_bound"] < summary["cost"]
    for name in ("report.html", "layers.csv", "certificate.json", "platform.yaml"):
        assert (tmp_path / name).exists()
    assert run(*LONG, f"--workdir={tmp_path}", "--resume", "--time_limit=15").returncode == 0
    later = loaded(tmp_path)
    assert later["boxes_opened"] > summary["boxes_opened"]
    assert later["search_seconds"] > summary["search_seconds"]
    assert later["certified_gap"] < summary["certified_gap"]


def test_the_front_is_a_table_a_figure_and_a_page(tmp_path):
    (tmp_path / "net.csv").write_text("Layer,M,N,K,\n<b>one,10,6,30,\n")
    folder = tmp_path / "run"
    found = run(
        f"--workload={tmp_path}/net.csv", "--platform=gemmini", "--pareto", f"--workdir={folder}"
    )
    assert found.returncode == 0, found.stderr
    points = len((folder / "pareto.csv").read_text().splitlines()) - 1
    assert f"{points} points of the front in pareto.csv" in found.stdout
    assert (folder / "figures" / "front.png").read_bytes().startswith(b"\x89PNG")
    page = (folder / "front.html").read_text()
    assert page.count('scope="row"') >= points
    assert "<svg" in page
