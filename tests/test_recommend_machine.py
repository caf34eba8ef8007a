"""The best machine of a platform: against all machines one by one, and the script as it runs."""

import csv
import dataclasses
import json

import pytest
import scripts

from airchitect_jax import Layer, Network, Operator, OperatorKind
from airchitect_jax.cost import (
    CostTerm,
    Platform,
    VectorUnit,
    Widths,
    area_um2,
    machine_prices,
    operator_costs,
    read_platform,
)
from airchitect_jax.oracle.mappings import network_optimum
from airchitect_jax.recommendation.machines import Budgets, MachineObjective, recommend_machine
from airchitect_jax.spaces import HardwareSpace
from airchitect_jax.workloads import GemmCounts

SMALL = Network(
    name="small",
    layers=(
        Layer(name="a", m=40, n=30, k=70, count=2),
        Layer(name="b", m=5, n=90, k=64),
    ),
    operators=(
        Operator(
            name="softmax",
            kind=OperatorKind.SOFTMAX,
            operations=5000,
            input_elements=1000,
            output_elements=1000,
            count=3,
        ),
    ),
)
SPACE = HardwareSpace(
    rows=(4, 12),
    cols=(4, 8),
    num_cores=(1, 2),
    ifmap_sram_bytes=(512, 4096),
    filter_sram_bytes=(2048,),
    ofmap_sram_bytes=(1024, 8192),
    bandwidth_bytes_per_second=(10**9, 8 * 10**9),
)
PLATFORM = Platform(name="little", hardware=SPACE, vector_unit=VectorUnit(lanes=4))


def every_machine(platform, network):
    """(cycles, energy, area, MACs, SRAM) of each machine with its best mappings by objective."""
    gemms = GemmCounts.of_layers(network.layers)
    columns = platform.hardware.columns()
    rows = []
    for index in range(platform.hardware.num_designs):
        values = {name: int(column[index]) for name, column in columns.items()}
        hardware = platform.hardware_of(**values)
        prices = machine_prices(hardware, platform)
        costs = [operator_costs(o, hardware, platform, prices) for o in network.operators]
        counts = [operator.count for operator in network.operators]
        vector_cycles = sum(c.cycles * n for c, n in zip(costs, counts, strict=True))
        vector_fj = sum(c.energy_fj * n for c, n in zip(costs, counts, strict=True))
        by_objective = {}
        for objective in MachineObjective:
            best = network_optimum(
                gemms,
                hardware,
                platform,
                objective.of_mappings,
                prices,
                extra_cycles=vector_cycles,
                extra_energy_fj=vector_fj + prices.leakage_fj_per_cycle * vector_cycles,
            )
            by_objective[objective] = (best.total_cycles, best.energy_fj)
        area = int(area_um2(hardware, platform).total_um2)
        macs = values["rows"] * values["cols"] * values["num_cores"]
        sram = values["num_cores"] * sum(values[name] for name in SPACE.memory_fields)
        rows.append((by_objective, area, macs, sram))
    return rows


@pytest.fixture(scope="module")
def machines():
    return every_machine(PLATFORM, SMALL)


def cost(objective, cycles, energy, area):
    return {
        MachineObjective.LATENCY: cycles,
        MachineObjective.ENERGY: energy,
        MachineObjective.EDP: cycles * energy,
        MachineObjective.THROUGHPUT_PER_AREA: cycles * area,
    }[objective]


@pytest.mark.parametrize("objective", MachineObjective)
@pytest.mark.parametrize("share", [1.0, 0.5])
def test_the_answer_is_the_best_of_all_machines(machines, objective, share):
    areas = sorted(area for _, area, _, _ in machines)
    budget = areas[int(share * (len(areas) - 1))]
    found = recommend_machine(
        SMALL, PLATFORM, objective=objective.value, budgets=Budgets(area_budget_um2=budget)
    )
    best = min(
        (cost(objective, *totals[objective], area), macs, sram)
        for totals, area, macs, sram in machines
        if area <= budget
    )
    energy = sum(found.energy_fj.values())
    hardware = found.hardware
    macs = hardware.rows * hardware.cols * hardware.num_cores
    sram = hardware.num_cores * sum(vars(hardware.memory).values())
    area = found.area.total_um2
    assert (cost(objective, found.cycles, energy, area), macs, sram) == best
    assert found.num_machines == len(machines)
    assert found.certified_gap == 0


def test_totals_are_those_of_layers_and_operators():
    found = recommend_machine([SMALL, SMALL], PLATFORM, weights=[2, 1])
    gemm_cycles = sum(plan.total_cycles * plan.runs for plan in found.layers)
    vector_cycles = sum(plan.cycles * plan.runs for plan in found.operators)
    assert found.cycles == gemm_cycles + vector_cycles
    assert [plan.runs for plan in found.layers] == [4, 2, 2, 1]
    assert [plan.runs for plan in found.operators] == [6, 3]
    physical = found.physical
    assert physical.latency_ms == pytest.approx(1e3 * found.cycles / PLATFORM.clock_hz)
    assert physical.energy_mj == pytest.approx(sum(found.energy_fj.values()) / 1e12)
    assert physical.average_power_w == pytest.approx(physical.energy_mj / physical.latency_ms)
    assert physical.area_mm2 == pytest.approx(found.area.total_um2 / 1e6)
    # Work beside the arrays: the longer of both.
    beside = dataclasses.replace(PLATFORM, vector_unit=VectorUnit(lanes=4, overlapped=True))
    both = recommend_machine(SMALL, beside)
    gemm_cycles = sum(plan.total_cycles * plan.runs for plan in both.layers)
    vector_cycles = sum(plan.cycles * plan.runs for plan in both.operators)
    assert both.cycles == max(gemm_cycles, vector_cycles)


def test_energy_adds_up_with_cost_terms_and_odd_widths():
    term = CostTerm(name="switch", energy_fj=lambda gemm, array, dataflow: 1000 * gemm.m)
    odd = Widths(input_bits=5, weight_bits=3, accumulator_bits=19, output_bits=7)
    platform = dataclasses.replace(
        PLATFORM,
        terms=(term,),
        widths=odd,
        hardware=HardwareSpace(**{name: values[-1:] for name, values in SPACE.axes.items()}),
    )
    found = recommend_machine(SMALL, platform, objective="energy")
    ((totals, *_),) = every_machine(platform, SMALL)
    assert sum(found.energy_fj.values()) == totals[MachineObjective.ENERGY][1]


def test_budgets_that_no_machine_reaches_are_said():
    budgets = Budgets(mac_budget=9216, sram_budget_bytes=24 * 2**20, area_budget_um2=10**9)
    assert recommend_machine(SMALL, "gemmini", budgets=budgets).notes[:2] == (
        "mac_budget: 9,216 MAC units, but the largest machine of gemmini has 256",
        "sram_budget: 24,576 KB, but the largest machine of gemmini has 320",
    )
    assert recommend_machine(SMALL, "gemmini", budgets=Budgets(mac_budget=256)).notes == ()


def test_operators_take_time_and_energy():
    bare = dataclasses.replace(SMALL, operators=())
    with_work = recommend_machine(SMALL, "gemmini")
    without = recommend_machine(bare, "gemmini")
    assert with_work.cycles > without.cycles
    assert sum(with_work.energy_fj.values()) > sum(without.energy_fj.values())


def test_budgets_of_latency_and_power_hold(machines):
    least_energy = recommend_machine(SMALL, PLATFORM, objective="energy")
    fastest = recommend_machine(SMALL, PLATFORM)
    assert fastest.physical.latency_ms < least_energy.physical.latency_ms
    middle = (fastest.physical.latency_ms + least_energy.physical.latency_ms) / 2
    within = recommend_machine(
        SMALL, PLATFORM, objective="energy", budgets=Budgets(latency_budget_s=middle / 1e3)
    )
    assert within.physical.latency_ms <= middle
    assert (
        least_energy.physical.energy_mj <= within.physical.energy_mj <= fastest.physical.energy_mj
    )
    power = (fastest.physical.average_power_w + least_energy.physical.average_power_w) / 2
    cool = recommend_machine(SMALL, PLATFORM, budgets=Budgets(power_budget_w=power))
    assert cool.physical.average_power_w <= power
    assert cool.cycles >= fastest.cycles


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"objective": "speed"}, "objective: 'speed' is not allowed; expected latency, energy"),
        ({"platform": "tpu_v5"}, "platform: 'tpu_v5'"),
        ({"budgets": Budgets(area_budget_um2=1)}, "no machine of little is within the budgets"),
        ({"budgets": Budgets(latency_budget_s=1e-9)}, "no machine of little is within the budgets"),
        ({"budgets": Budgets(mac_budget=1)}, "the least of these are 16 MAC units"),
    ],
)
def test_bad_questions_are_one_line(arguments, message):
    with pytest.raises(ValueError, match=message) as caught:
        recommend_machine(**{"workload": SMALL, "platform": PLATFORM} | arguments)
    assert "\n" not in str(caught.value)


def test_memory_that_no_tile_fits_is_said():
    tiny = HardwareSpace(scratchpad_bytes=2, accumulator_bytes=4)
    with pytest.raises(ValueError, match="not even a tile of one element fits"):
        recommend_machine(SMALL, dataclasses.replace(PLATFORM, hardware=tiny))


def run(*arguments):
    return scripts.run("experiments.recommend", *arguments)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("machine")
    topology = folder / "net.csv"
    topology.write_text("Layer,M,N,K,Count,\n<b>one,100,64,300,2,\ntwo,7,1000,512,1,\n")
    platform = folder / "mine.yaml"
    platform.write_text(
        "name: mine\nclock: 500MHz\narray: {rows: [8, 24, 8], cols: 16, cores: 2}\n"
        "memory: {scratchpad: 64KB, accumulator: 16KB}\ndram: {bandwidth: 12.8GB/s}\n"
    )
    arguments = [
        f"--workload={topology}",
        f"--platform={platform}",
        "--compare=gemmini",
        "--area_budget=50mm2",
        f"--workdir={folder}/run",
    ]
    result = run(*arguments)
    assert result.returncode == 0, result.stderr
    return folder / "run", result, arguments


def test_everything_is_written(finished):
    folder, result, _ = finished
    summary = json.loads((folder / "summary.json").read_text())
    for name in (
        "latency_ms",
        "throughput_per_second",
        "energy_mj",
        "area_mm2",
        "average_power_w",
        "tops",
        "utilization",
    ):
        assert summary[name] > 0
    assert summary["design"]["cols"] == 16
    assert summary["design"]["rows"] in (8, 16, 24)
    assert summary["memory_model"] == "tiled"
    assert [other["platform"] for other in summary["compared"]] == ["gemmini"]
    with (folder / "layers.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["layer"] for row in rows] == ["<b>one", "two"]
    assert sum(int(row["total_cycles"]) * int(row["runs"]) for row in rows) == summary["cycles"]
    fixed = read_platform(folder / "platform.yaml")
    assert fixed.hardware.rows == (summary["design"]["rows"],)
    for name in ("report.html", "comparison.html"):
        page = (folder / name).read_text()
        assert "&lt;b&gt;one" in page
        assert "<b>one" not in page
    assert "mine" in result.stdout
    assert "50 mm2" in result.stdout


def test_a_machine_of_its_own_file_gives_the_same_answer(finished, tmp_path):
    folder, _, arguments = finished
    result = run(arguments[0], f"--platform={folder}/platform.yaml", f"--workdir={tmp_path}/again")
    assert result.returncode == 0, result.stderr
    first, again = (
        json.loads((path / "summary.json").read_text()) for path in (folder, tmp_path / "again")
    )
    assert again["cycles"] == first["cycles"]
    assert again["energy_fj"] == first["energy_fj"]
    assert again["num_machines"] == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--area_budget=3mm2"], "--area_budget: needs --platform"),
        (["--platform=gemmini", "--area_budget=3acres"], "--area_budget: '3acres' is not allowed"),
        (["--platform=gemmini", "--interface=ports"], "--interface: not with --platform"),
        (["--objective=latency"], "--objective: latency needs --platform"),
        (["--bandwidth=900GB/s"], "--bandwidth: '900GB/s' is not allowed"),
        (["--platform=none.yaml"], "none.yaml"),
        (["--platform=gemmini", "--array=8"], "--array: '8' is not allowed"),
    ],
)
def test_bad_flags_are_one_line(arguments, message, tmp_path):
    result = run(*arguments, f"--workdir={tmp_path}/run")
    assert result.returncode == 2
    assert message in result.stderr
    assert "Traceback" not in result.stderr
    assert not (tmp_path / "run").exists()


def test_flags_override_the_file(tmp_path):
    result = run(
        "--workload=dlrm",
        "--platform=gemmini",
        "--array=8x24",
        "--cores=2",
        "--clock=2GHz",
        "--bandwidth=32GB/s",
        "--area_budget=0.95mm2",
        "--power_budget=19.5W",
        "--latency_budget=10.5ms",
        f"--workdir={tmp_path}/run",
    )
    assert result.returncode == 0, result.stderr
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert (summary["design"]["rows"], summary["design"]["cols"]) == (8, 24)
    assert summary["design"]["num_cores"] == 2
    assert summary["clock_hz"] == 2 * 10**9
    assert summary["bandwidth_bytes_per_second"] == 32 * 10**9
    assert summary["budgets"] == {
        "area_budget_um2": 950_000,
        "power_budget_w": 19.5,
        "latency_budget_s": 0.0105,
    }
