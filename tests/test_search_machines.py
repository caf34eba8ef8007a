"""Searches of spaces of machines: costs, budgets, smooth costs, proposals, and the script."""

import dataclasses
import functools
import json
import math
import types

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scripts

from airchitect_jax import search
from airchitect_jax.case_studies import ArrayDataflowCase
from airchitect_jax.cost import MachinePrices, Platform, area_um2, machine_prices
from airchitect_jax.cost.relaxed_tiled import relaxed_tiled_costs
from airchitect_jax.oracle.machines import Budgets, Question
from airchitect_jax.oracle.mappings import best_mapping, compulsory, network_optimum
from airchitect_jax.search import MachineProblem, batch_questions, proposals, repair, simple
from airchitect_jax.spaces import HardwareSpace, RelaxedPoint
from airchitect_jax.studies.search import optima, train_machine_network
from airchitect_jax.types import BufferSizes, Gemm, Hardware, Objective, OperatorKind
from airchitect_jax.workloads import GemmCounts, Operator

SPACE = HardwareSpace(
    rows=(4, 8, 16),
    cols=(4, 12),
    num_cores=(1, 2),
    ifmap_sram_bytes=(512, 4096),
    filter_sram_bytes=(1024, 2048),
    ofmap_sram_bytes=(1024, 8192),
    bandwidth_bytes_per_second=(10**9, 8 * 10**9),
)
SHARED = HardwareSpace(
    rows=(4, 8), cols=(4, 8), scratchpad_bytes=(512, 2048, 8192), accumulator_bytes=(512, 1024)
)
WORK = (
    GemmCounts(gemms=((40, 30, 70), (5, 90, 64)), counts=(2, 1)),
    GemmCounts(gemms=((64, 64, 64),), counts=(3,)),
)
SOFTMAX = Operator(
    name="softmax",
    kind=OperatorKind.SOFTMAX,
    operations=5000,
    input_elements=1000,
    output_elements=1000,
)


@functools.cache
def problem_of(space=SPACE, **budgets):
    platform = Platform(name="little", hardware=space)
    questions = [
        Question(
            platform=platform,
            gemms=gemms,
            operators=((SOFTMAX, 2),),
            objective="latency",
            budgets=Budgets(**budgets),
        )
        for gemms in WORK
    ]
    return MachineProblem(questions=tuple(questions))


@functools.cache
def every_point(problem):
    grids = np.meshgrid(*map(np.arange, problem.layout.sizes), indexing="ij")
    return np.stack([grid.ravel() for grid in grids], axis=1).astype(np.int32)


def hardware_of(problem, points):
    axes = problem.platform.hardware.axes
    return problem.platform.hardware_of(
        **{name: np.array(x)[points[:, axis]] for axis, (name, x) in enumerate(axes.items())}
    )


def areas_of(problem):
    machines = hardware_of(problem, every_point(problem))
    return area_um2(machines, problem.platform).total_um2


MIDDLE_AREA = int(np.median(areas_of(problem_of())))


def test_costs_are_those_of_the_best_mappings():
    problem = problem_of(area_budget_um2=MIDDLE_AREA)
    points = every_point(problem)[::7]
    for number, gemms in enumerate(WORK):
        found = problem.costs(np.full(len(points), number), points)
        for point, cost in zip(points, found, strict=True):
            machine = jax.tree.map(int, jax.tree.map(np.squeeze, hardware_of(problem, point[None])))
            prices = machine_prices(machine, problem.platform)
            if area_um2(machine, problem.platform).total_um2 > MIDDLE_AREA:
                assert cost == math.inf
                continue
            best = network_optimum(gemms, machine, problem.platform, Objective.CYCLES, prices)
            workload = batch_questions(problem)
            beside = workload.operator_cycles[number, point[2], point[-1]]
            assert cost == best.total_cycles + beside


def test_a_traced_cost_has_all_its_bits():
    problem = problem_of()
    points = every_point(problem)[:3]
    workloads = jax.tree.map(jnp.asarray, batch_questions(problem))
    with jax.enable_x64(True):
        each = jax.vmap(jax.vmap(problem.cost, in_axes=(None, 0)), in_axes=(0, None))
        found = jax.jit(each)(workloads, jnp.asarray(points))
    expected = [problem.costs(np.full(3, number), points) for number in range(2)]
    np.testing.assert_array_equal(np.asarray(found), expected)
    assert found.dtype == np.float64


def are_within(problem, budgets):
    """Whether each machine is within budgets of parts."""
    machines = hardware_of(problem, every_point(problem))
    used = {
        "area_budget_um2": areas_of(problem),
        "mac_budget": machines.rows * machines.cols * machines.num_cores,
        "sram_budget_bytes": sum(vars(machines.memory).values()) * machines.num_cores,
    }
    return np.all([used[name] <= limit for name, limit in budgets.items()], axis=0)


BUDGETS = {"area_budget_um2": MIDDLE_AREA, "sram_budget_bytes": 16_000, "mac_budget": 150}


def test_what_is_within_the_budgets_stays():
    problem = problem_of(**BUDGETS)
    points, within = every_point(problem), are_within(problem, BUDGETS)
    assert 0.1 < within.mean() < 0.6
    with jax.enable_x64(True):
        confine = jax.jit(jax.vmap(lambda sizes: problem.confine(None, sizes)))
        found = np.asarray(confine(jnp.asarray(points, jnp.float32)))
    np.testing.assert_array_equal((found == points).all(axis=1), within)
    down = np.ravel_multi_index(tuple(np.floor(found + 1e-4).astype(int).T), problem.layout.sizes)
    assert within[down].all()


@pytest.mark.slow
def test_repair_ends_within_the_budgets():
    problem = problem_of(**BUDGETS)
    points, within = every_point(problem), are_within(problem, BUDGETS)
    with jax.enable_x64(True):
        repaired = jax.jit(lambda points: repair(problem, None, points))(jnp.asarray(points))
    np.testing.assert_array_equal((np.asarray(repaired) == points).all(axis=1), within)
    assert within[np.ravel_multi_index(tuple(np.asarray(repaired).T), problem.layout.sizes)].all()


@pytest.mark.slow
def test_slopes_run_along_the_budget():
    problem = problem_of(area_budget_um2=MIDDLE_AREA)
    with jax.enable_x64(True):
        confine = jax.jit(lambda sizes: problem.confine(None, sizes))
        start = jnp.asarray([1.6, 0.9, 0.8, 0.9, 0.7, 0.9, 0.4])
        assert (confine(start) < start - 0.01)[:-1].all()
        slopes = np.asarray(jax.jacobian(confine)(start))
        for axis in range(len(start)):
            change = jnp.zeros_like(start).at[axis].set(1e-3)
            numeric = (confine(start + change) - confine(start - change)) / 2e-3
            np.testing.assert_allclose(slopes[:, axis], numeric, rtol=0.02, atol=2e-3)


@pytest.mark.slow
def test_smooth_costs_of_what_fits_whole_are_exact_up_to_the_ends():
    """All operands fit, so each comes once; a mapping adds its first fill and last drain."""
    platform = Platform()
    size = jnp.float32(64)
    gemm, sides = Gemm(m=size, n=size, k=size), {"rows": 16, "cols": 16, "num_cores": 1}
    sizes = BufferSizes(ifmap_sram_bytes=2**15, filter_sram_bytes=2**15, ofmap_sram_bytes=2**16)
    prices = MachinePrices(1, 2, 3, 4, 5, 0, 0)
    for bandwidth in (1, 64):
        whole = Hardware(**sides, memory=sizes, bandwidth_bytes=bandwidth, bandwidth_cycles=1)
        real = jax.tree.map(jnp.float32, dataclasses.replace(whole, num_cores=1))
        real = dataclasses.replace(real, num_cores=1, bandwidth_cycles=1)
        cycles, energy = relaxed_tiled_costs(gemm, real, platform, prices, jnp.float32(1e-4))
        needed = compulsory(Gemm(m=64, n=64, k=64), whole, platform)
        assert float(cycles.min()) == pytest.approx(needed.cycles, rel=2e-3)
        _, _, least = best_mapping(
            Gemm(m=64, n=64, k=64), whole, platform, Objective.ENERGY, prices
        )
        assert float(energy.min()) == pytest.approx(least, rel=2e-2)


@pytest.mark.slow
@pytest.mark.parametrize("space", [SPACE, SHARED], ids=["srams", "scratchpad"])
def test_smooth_costs_rank_machines_and_have_slopes(space):
    problem = problem_of(space)
    points = every_point(problem)
    workload = jax.tree.map(lambda leaf: jnp.asarray(leaf[0]), batch_questions(problem))

    def smooth(sizes):
        point = RelaxedPoint(sizes=sizes, choices=(), assignment=None)
        return problem.log_relaxed_cost(workload, point, jnp.float32(0.03))

    with jax.enable_x64(True):
        found, slopes = jax.jit(jax.vmap(jax.value_and_grad(smooth)))(
            jnp.asarray(points, jnp.float32)
        )
    assert np.isfinite(slopes).all()
    exact = np.log(problem.costs(np.zeros(len(points), int), points))
    assert np.corrcoef(found, exact)[0, 1] > 0.9
    assert abs(np.asarray(found) - exact).mean() < 0.5


@pytest.mark.slow
def test_the_likeliest_machine_is_evaluated_first_and_none_twice():
    problem = problem_of()
    best = (2, 1, 0, 1, 1, 0, 1)
    heads = tuple(
        3.0 * jax.nn.one_hot(place, number, dtype=jnp.float32)
        for place, number in zip(best, problem.layout.sizes, strict=True)
    )
    searcher = proposals.sampled(problem, lambda _: heads, batch=1, most=16)
    workload = jax.tree.map(lambda leaf: jnp.asarray(leaf[0]), batch_questions(problem))
    with jax.enable_x64(True):
        state = jax.jit(searcher.init)(jax.random.key(0), workload)
        after = jax.jit(searcher.step)(workload, state)
    assert tuple(np.asarray(after.tally.point)) == best
    points = np.asarray(state.points).tolist()
    distinct = len({tuple(point) for point in points})
    assert len({tuple(point) for point in points[:distinct]}) == distinct


@pytest.mark.slow
def test_steps_one_by_one_are_those_of_a_whole_search():
    case = ArrayDataflowCase(max_dim=100)
    subject = search.case_subject(case, np.asarray(case.sample(jax.random.key(0), 8)))
    searcher = simple.random(subject.problem, batch=8)
    whole = search.search(
        searcher, subject.workloads, key=jax.random.key(1), num_steps=3, budget=30
    )
    run = search.prepare_steps(searcher, subject.workloads, budget=30)
    steps = run(jax.random.key(1))
    np.testing.assert_array_equal(steps.points, whole.points)
    np.testing.assert_array_equal(steps.costs[:, :3], whole.costs)
    assert steps.evaluations.max() == 24


@pytest.mark.slow
def test_a_network_learns_from_labels_of_its_own():
    problem = problem_of(area_budget_um2=MIDDLE_AREA)
    with jax.numpy_dtype_promotion("standard"):
        network = train_machine_network(problem, seed=0, seconds=3.0)
    workload = jax.tree.map(lambda leaf: leaf[0], batch_questions(problem))
    heads = network.logits(workload)
    assert tuple(map(len, heads)) == problem.layout.sizes
    assert network.train_seconds >= 3
    # With these labels, the fastest bandwidth is always the best.
    assert int(heads[-1].argmax()) == 1


YAML = """
name: little
clock: 1GHz
array: {rows: [4, 12, 4], cols: [4, 12, 4], dataflows: [OS, WS]}
memory:
  ifmap_sram: [1KB, 4KB, x2]
  filter_sram: [1KB, 4KB, x2]
  ofmap_sram: [1KB, 4KB, x2]
dram: {bandwidth: [1GB/s, 4GB/s, x2]}
"""


@pytest.mark.slow
def test_the_script_on_a_space_of_machines(tmp_path):
    (tmp_path / "little.yaml").write_text(YAML)
    arguments = [f"--space={tmp_path / 'little.yaml'}", "--networks=dlrm,bert_base", "--seeds=1"]
    arguments += ["--area_budget=1mm2", "--evaluations=16", "--train_seconds=2"]
    arguments += ["--tpe_workloads=1", f"--workdir={tmp_path / 'run'}"]
    result = scripts.run("experiments.compare_search", *arguments, "--searchers=random,rerank")
    assert result.returncode == 0, result.stderr
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert set(summary["optima"]) == {"dlrm", "bert_base"}
    assert all(row["certified_gap"] == 0 for row in summary["optima"].values())
    assert summary["grid_points"] == 3**6
    assert all(0 < x <= 1 for x in summary["geomean_normalized_performance"].values())
    assert list(summary["optimal_set_accuracy"]) == ["random", "rerank"]
    error = scripts.error_of("experiments.compare_search", *arguments, "--joint")
    assert "--joint: not with --space" in error
    error = scripts.error_of(
        "experiments.compare_search", *arguments, "--searchers=exhaustive", "--resume"
    )
    assert "searchers: 'exhaustive' is not allowed" in error


def test_what_machines_can_be_searched_with():
    subject = search.machine_subject(problem_of())
    assert "exhaustive" not in search.entries(subject)
    assert {"rerank", "surrogate", "gradient"} <= set(search.entries(subject))


def test_an_optimum_without_a_bound_is_refused(monkeypatch):
    found = types.SimpleNamespace(
        is_interrupted=False, machine={"rows": 4}, is_finished=False, certified_gap=math.inf
    )
    monkeypatch.setattr(optima, "best_machine", lambda question, time_limit: found)
    with pytest.raises(ValueError, match=r"0\.5 s of search prove no bound of the optimum"):
        optima.optimal_cost(None, seconds=0.5)
