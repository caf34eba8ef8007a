"""Cost terms: they reach labels, searchers and recommendations, and results name them."""

import dataclasses
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import reference

import airchitect_jax as aj
from airchitect_jax import CostTerm, Objective, Platform
from airchitect_jax._support import register
from airchitect_jax.case_studies import ArrayDataflowCase
from airchitect_jax.search import driver, simple
from airchitect_jax.search.case_problem import CaseProblem, design_ids
from airchitect_jax.search.joint import JointProblem, batch_networks, exact_cycles, optimal_cycles
from airchitect_jax.spaces import BufferSpace
from airchitect_jax.workloads import GemmCounts

# A delay that grows with the sides of the array; a current that every MAC unit leaks.
WIRES = CostTerm(name="wires", cycles=lambda gemm, array, _: (array.rows + array.cols) * gemm.m)
LEAKAGE = CostTerm(
    name="leakage", energy_fj=lambda gemm, array, _: 1_000_000 * array.rows * array.cols
)
TERMS = (WIRES, LEAKAGE)


def workloads(count, max_dim=300):
    rng = np.random.default_rng(0)
    return np.concatenate([rng.integers(5, 19, (1, count)), rng.integers(1, max_dim, (3, count))])


def best_in_python(column, objective):
    """(design id, cost) in Python integers; energy with half a megabyte for each operand."""
    exponent, m, n, k = column
    costs = []
    for design_id, (rows, cols, flow) in enumerate(reference.designs()):
        if rows * cols <= 2**exponent:
            cost = reference.cycles(m, n, k, rows, cols, flow, "scalesim") + (rows + cols) * m
            if objective is Objective.ENERGY:
                sram = (2**19,) * 3
                moved = reference.memory(m, n, k, rows, cols, flow, sram, 1, 1, "scalesim")[1]
                cost = reference.energy(m, n, k, rows, cols, flow, sram, moved, 1)
                cost += 1_000_000 * rows * cols
            costs.append((cost, design_id))
    cost, design_id = min(costs)
    return design_id, cost


@pytest.mark.parametrize("objective", [Objective.CYCLES, Objective.ENERGY])
def test_labels_of_case_study_1_are_those_of_brute_force(objective):
    case = ArrayDataflowCase(terms=TERMS, objective=objective)
    columns = workloads(*((24,) if objective is Objective.CYCLES else (6, 40)))
    labels = case.exact(columns)
    expected = [best_in_python(column, objective) for column in columns.T.tolist()]
    assert list(zip(labels.design_id.tolist(), labels.cost.tolist(), strict=True)) == expected
    assert case.label_in_python(*(int(x[0]) for x in case.columns(columns))) == expected[0]
    np.testing.assert_array_equal(case.costs(columns, labels.design_id), labels.cost)
    without = dataclasses.replace(case, terms=()).exact(columns).design_id
    assert (labels.design_id != without).any()


def test_a_searcher_finds_the_optimum():
    case = ArrayDataflowCase(terms=TERMS)
    columns = workloads(8)
    problem = CaseProblem(case=case)
    searcher = simple.exhaustive(problem, problem.points)
    steps = -(-len(problem.points) // 8)  # eight points per step
    found = driver.search(searcher, columns.T, key=jax.random.key(0), num_steps=steps)
    labels = case.exact(columns)
    np.testing.assert_array_equal(found.costs[:, -1], labels.cost)
    np.testing.assert_array_equal(
        case.costs(columns, design_ids(problem, found.points)), labels.cost
    )


@pytest.mark.parametrize("objective", [Objective.CYCLES, Objective.EDP])
def test_a_recommendation_adds_the_terms_of_its_layers(objective):
    layers = (aj.Layer(name="a", m=30, n=20, k=10, count=3), aj.Layer(name="b", m=5, n=9, k=40))
    network = aj.Network(name="net", layers=layers)
    budgets = {"mac_budget": 64, "sram_budget_kb": 12, "bandwidth_bytes_per_cycle": 4}
    budgets |= {"buffers": BufferSpace(step_kb=2, num_levels=3), "objective": objective}
    found, plain = (
        aj.recommend(network, **budgets, terms=terms, on_progress=None) for terms in (TERMS, ())
    )
    # Neither term depends on the dataflow, so each design costs what its own terms add.
    space = found.survey.space
    sides, macs = (space.rows + space.cols)[:, None], (space.rows * space.cols)[:, None]
    for policy in (Objective.CYCLES, Objective.ENERGY):
        cycles, energy = plain.survey.cycles[policy], plain.survey.energy_fj[policy]
        more_cycles = sides * sum(layer.m * layer.count for layer in layers)
        more_energy = 1_000_000 * macs * sum(layer.count for layer in layers)
        np.testing.assert_array_equal(found.survey.cycles[policy], cycles + more_cycles)
        np.testing.assert_array_equal(found.survey.energy_fj[policy], energy + more_energy)
    assert found.design != plain.design
    total_cycles = total_energy = 0
    for plan in found.layers:
        report = aj.evaluate_memory(
            aj.Gemm(m=plan.layer.m, n=plan.layer.n, k=plan.layer.k),
            aj.ArrayDesign(rows=found.design.rows, cols=found.design.cols, dataflow=plan.dataflow),
            aj.Memory(buffers=found.design.buffers, bandwidth_bytes_per_cycle=4),
        )
        more = (found.design.rows + found.design.cols) * plan.layer.m
        assert plan.stall_cycles == report.stall_cycles
        assert plan.total_cycles == report.total_cycles + more
        total_cycles += plan.layer.count * (int(report.total_cycles) + more)
        total_energy += plan.layer.count * (
            int(report.energy_fj) + 1_000_000 * found.design.num_macs
        )
    assert (found.cycles, found.energy_fj) == (total_cycles, total_energy)
    if objective is Objective.CYCLES:
        assert found.cycles == found.survey.cycles[Objective.CYCLES].min()


def test_the_joint_search_adds_the_terms():
    problem = JointProblem(
        max_mac_exponent=4,
        buffers=BufferSpace(step_kb=1, num_levels=2),
        platform=Platform(terms=TERMS, bandwidth_bytes_per_cycle=4),
    )
    network = GemmCounts.of([(30, 20, 10), (5, 9, 40)], [3, 1])
    one = jax.tree.map(lambda leaf: leaf[0], batch_networks(problem, [network], [(4, 6)]))
    points = np.array(list(itertools.product(*map(range, problem.layout.sizes))))
    points = points[points[:, :2].sum(axis=1) <= 2]
    with jax.enable_x64(True):
        costs = np.asarray(jax.vmap(problem.cost, in_axes=(None, 0))(one, jnp.asarray(points)))
    expected = [exact_cycles(problem, network, point) for point in points]
    np.testing.assert_array_equal(costs, expected)
    assert optimal_cycles(problem, [network], [(4, 6)]).item() == min(expected)


def test_terms_are_found_by_name_and_results_name_them():
    register("cost_term", "wires", WIRES)
    case = ArrayDataflowCase(terms=("wires", LEAKAGE))
    assert case.terms == case.platform.terms == TERMS
    assert case.settings["cost_terms"] == "wires,leakage"
    assert "cost_terms" not in ArrayDataflowCase().settings
    with pytest.raises(ValueError, match="terms: wires, wires is not allowed"):
        Platform(terms=("wires", WIRES))
