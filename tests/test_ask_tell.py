"""A search problem as a black box: parameters by name, exact costs, counts, and what is refused."""

import dataclasses
import functools
import itertools
import math

import jax
import numpy as np
import pytest

from airchitect_jax.case_studies import (
    ArrayDataflowCase,
    BufferCase,
    CaseStudy,
    Feature,
    ScheduleCase,
)
from airchitect_jax.search import BlackBox, JointProblem, case_subject, joint_subject, parameters
from airchitect_jax.search.case_problem import CaseProblem
from airchitect_jax.spaces import DEFAULT_ARRAYS, Axis, BufferSpace, GridSpace, Layout
from airchitect_jax.types import Dataflow
from airchitect_jax.workloads import Layer, Network

CASE = ArrayDataflowCase()
WORKLOADS = np.array([[8, 11], [300, 9], [200, 700], [64, 55]])  # exponent of the budget; m, n, k


@functools.cache
def subject():
    return case_subject(CASE, WORKLOADS)


def named(problem):
    return {one.name: (one.values, one.is_ordered) for one in parameters(problem)}


def test_parameters_are_in_the_words_of_the_field():
    flows = ("OS", "WS", "IS"), False
    found = named(CaseProblem(case=CASE))
    sides = tuple(2**exponent for exponent in range(1, 18))
    assert found == {"rows": (sides, True), "cols": (sides, True), "dataflow": flows}
    found = named(CaseProblem(case=BufferCase()))
    assert list(found) == ["ifmap_sram_bytes", "filter_sram_bytes", "ofmap_sram_bytes"]
    assert found["ofmap_sram_bytes"] == (tuple(range(102400, 1024001, 102400)), True)
    found = named(CaseProblem(case=ScheduleCase(arrays=DEFAULT_ARRAYS[:3])))
    orders = tuple("".join(order) for order in itertools.permutations("012"))
    assert found == {f"dataflow{i}": flows for i in range(3)} | {"workload": (orders, False)}


def test_parameters_of_the_joint_space():
    found = named(JointProblem(max_mac_exponent=4, buffers=BufferSpace(step_kb=2, num_levels=3)))
    sizes = (2048, 4096, 6144), True
    assert found["rows"] == found["cols"] == ((2, 4, 8), True)
    assert [found[name] for name in list(found)[2:]] == [sizes] * 3


@dataclasses.dataclass(frozen=True)
class Custom(CaseStudy):
    """A choice with names, a size with one value."""

    name = "custom"
    title = "test"

    @property
    def space(self):
        return GridSpace(
            axes=(
                Axis(name="mode", values=tuple(Dataflow), is_choice=True),
                Axis(name="depth", values=(7,)),
                Axis(name="banks", values=(1, 3)),
            )
        )

    @property
    def features(self):
        return (Feature(name="m", low=1, high=9),)

    def cost(self, workload, design):
        return workload["m"] * design["banks"] + design["depth"]


def test_parameters_of_any_case_study_and_of_a_problem_without_names():
    expected = {"depth": ((7,), True), "banks": ((1, 3), True), "mode": (("OS", "WS", "IS"), False)}
    assert named(CaseProblem(case=Custom())) == expected

    class Unnamed:
        layout = Layout(sizes=(2,), choices=(3,))

    assert named(Unnamed()) == {"x0": ((0, 1), True), "x1": ((0, 1, 2), False)}


@pytest.mark.parametrize("number", [0, 1])
def test_costs_are_those_of_the_case_study_and_infinite_where_infeasible(number):
    box = BlackBox(subject(), number)
    rows, cols, flows = (one.values for one in box.parameters)
    designs = [
        {"rows": r, "cols": c, "dataflow": flow} for r in rows for c in cols for flow in flows
    ]
    budget, *gemm = WORKLOADS[:, number].tolist()
    costs = box.evaluate(designs)
    least = math.inf
    for design, cost, history in zip(designs, costs, box.history, strict=True):
        expected = math.inf
        if design["rows"] * design["cols"] <= 2**budget:
            values = dict(zip("mnk", gemm, strict=True))
            flow = Dataflow[design["dataflow"]]
            expected = CASE.cost(values, design | {"dataflow": flow})
        least = min(least, expected)
        assert (cost, history) == (expected, least)
    assert box.evaluations == len(designs)
    assert least == box.optimal_cost
    assert box.regret == 0
    assert box.best == designs[costs.index(least)]


def test_a_budget_is_kept():
    box = BlackBox(subject(), budget=3)
    assert (box.best, box.regret, box.remaining) == (None, math.inf, 3)
    poor = {"rows": 2, "cols": 2, "dataflow": "OS"}
    large = {"rows": 512, "cols": 2, "dataflow": "IS"}
    assert box.evaluate([]) == []
    costs = box.evaluate([large, poor])
    assert costs[0] == math.inf
    assert (box.evaluations, box.remaining, box.best) == (2, 1, poor)
    assert box.regret == costs[1] / box.optimal_cost - 1
    with pytest.raises(ValueError, match=r"designs: 2 are not allowed; 1 evaluations are left of"):
        box.evaluate([poor, poor])
    assert box.evaluate([poor]) == costs[1:]  # the same again counts
    assert box.remaining == 0
    assert box.repaired([large, poor]) == [{"rows": 128, "cols": 2, "dataflow": "IS"}, poor]
    assert box.evaluations == 3


def test_what_is_no_design_is_refused():
    box = BlackBox(subject())
    with pytest.raises(ValueError, match=r"designs: \['rows'\] at row 0 .* expected rows, cols, d"):
        box.evaluate([{"rows": 4}])
    wrong = {"rows": 4, "cols": 3, "dataflow": "OS"}
    with pytest.raises(ValueError, match=r"cols: 3 at row 1 is not allowed; expected one of 2, 4,"):
        box.evaluate([wrong | {"cols": 4}, wrong])
    with pytest.raises(ValueError, match=r"dataflow: 3 at row 0 .* whole number in 0\.\.2"):
        box.evaluate_places(np.array([[0, 0, 3]]))
    with pytest.raises(ValueError, match=r"places: the shape \(3,\) is not allowed; expected desi"):
        box.evaluate_places(np.array([0, 0, 2]))
    with pytest.raises(ValueError, match=r"number: 2 is not allowed; .* 0\.\.1"):
        BlackBox(subject(), 2)
    assert box.evaluations == 0


@pytest.mark.slow
def test_each_network_and_budget_of_the_joint_space_is_scored_as_itself():
    problem = JointProblem(max_mac_exponent=6, buffers=BufferSpace(step_kb=1, num_levels=3))
    networks = [
        Network(name=str(k), layers=(Layer(name="a", m=90, n=80, k=k, count=2),)) for k in (9, 70)
    ]
    found = joint_subject(problem, networks, ((4, 5), (6, 9)))
    points = np.array(list(itertools.product(*map(range, problem.layout.cardinalities))))
    for number in range(4):
        box = BlackBox(found, number)
        assert box.evaluate_places(points).min() == found.optimal_costs[number]
        assert box.regret == 0


def test_other_workloads_share_what_is_compiled():
    costs = subject().point_costs
    other = costs.on(WORKLOADS.T[::-1])
    points = np.array([[2, 2, 0], [3, 2, 1]])
    numbers = np.array([0, 1])
    for first, second in zip(costs(numbers, points), other(1 - numbers, points), strict=True):
        np.testing.assert_array_equal(first, second)
    assert other.compiled is costs.compiled


def test_a_row_does_not_depend_on_the_others():
    points = np.asarray(subject().problem.layout.sample(jax.random.key(0), 5))
    numbers = np.array([0, 1, 1, 0, 1])
    feasible, costs = subject().point_costs(numbers, points)
    for row in range(5):
        alone = subject().point_costs(numbers[row : row + 1], points[row : row + 1])
        np.testing.assert_array_equal(alone[0][0], feasible[row])
        assert alone[1][0] == costs[row]
