"""The case studies as search problems: exact costs, points for ids, feasible repairs."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airchitect_jax import ArrayShape, MemoryModel, Objective, RuntimeModel
from airchitect_jax.case_studies import ArrayDataflowCase, BufferCase, ScheduleCase
from airchitect_jax.search import repair
from airchitect_jax.search.case_problem import CaseProblem, design_ids
from airchitect_jax.spaces import Layout, within_sum
from airchitect_jax.types import Interface

CASES = {
    "1": ArrayDataflowCase(),
    "1 of ISPASS": ArrayDataflowCase(runtime_model=RuntimeModel.ISPASS2020),
    "2": BufferCase(),
    "2 with ports": BufferCase(interface=Interface.PORTS, element_bytes=2),
    "3": ScheduleCase(),
    "3 of two": ScheduleCase(arrays=(ArrayShape(rows=8, cols=4), ArrayShape(rows=32, cols=2))),
}
LARGE = 30_000  # beyond the trained range: cycles that 32 bits cannot hold, below 2**53


@functools.cache
def costs_of(name):
    """The problem of a case study and its costs, compiled once."""
    problem = CaseProblem(case=CASES[name])
    return problem, jax.jit(jax.vmap(problem.cost))


def workloads_of(case, count, seed=3):
    """Random ones, and the same with large dimensions."""
    columns = np.asarray(case.sample(jax.random.key(seed), count), np.int64)
    large = columns.copy()
    for row, feature in enumerate(case.features):
        if feature.high >= 10_000:
            large[row] = LARGE - 2 * columns[row]
    return np.concatenate([columns, large], axis=1)


@pytest.mark.parametrize("name", CASES)
def test_costs_are_those_of_the_case_study(name):
    case = CASES[name]
    problem, costs = costs_of(name)
    columns = workloads_of(case, 300)
    ids = np.random.default_rng(0).integers(0, len(problem.points), columns.shape[1])
    with jax.enable_x64(True):
        found = costs(jnp.asarray(columns.T), jnp.asarray(problem.points[ids]))
    expected = case.costs(columns, ids)
    assert expected.max() > 2**31  # where 32 bits overflow
    np.testing.assert_array_equal(np.asarray(found), expected)


@pytest.mark.parametrize("name", CASES)
def test_points_and_ids_are_one_to_one(name):
    problem, _ = costs_of(name)
    ids = np.arange(CASES[name].space.num_designs)
    assert len(np.unique(problem.points, axis=0)) == len(ids)
    assert (problem.points >= 0).all()
    assert (problem.points < problem.layout.cardinalities).all()
    np.testing.assert_array_equal(design_ids(problem, problem.points), ids)


@pytest.mark.parametrize("name", ["1", "2", "3"])
def test_repair_leaves_exactly_what_is_feasible(name):
    case = CASES[name]
    problem, _ = costs_of(name)
    columns = np.asarray(case.sample(jax.random.key(4), 40))
    everything = jnp.asarray(problem.points)
    repaired = jax.jit(
        jax.vmap(lambda workload: repair(problem, workload, everything)),
    )(columns.T)
    stays = (np.asarray(repaired) == problem.points).all(axis=2)
    feasible = np.asarray(case.feasible(columns))
    np.testing.assert_array_equal(stays, feasible)
    ids = design_ids(problem, np.asarray(repaired).reshape(-1, problem.points.shape[1]))
    rows = np.repeat(np.arange(len(stays)), stays.shape[1])
    assert (ids >= 0).all()
    assert feasible[rows, ids].all()


sizes = st.lists(st.floats(-20, 40, width=32), min_size=1, max_size=5)


@settings(max_examples=60)
@given(sizes, st.integers(0, 60))
def test_sizes_within_a_sum(asked, most):
    levels = tuple(range(9, 9 + len(asked)))
    confined = np.asarray(within_sum(jnp.array(asked, jnp.float32), levels, jnp.array(most)))
    inside = np.clip(asked, 0, np.array(levels) - 1)
    assert (confined <= inside + 1e-5).all()
    assert (confined >= 0).all()
    assert confined.sum() <= most + 1e-4
    assert np.floor(confined + 1e-4).sum() <= most  # rounding down violates nothing
    if inside.sum() <= most:
        np.testing.assert_allclose(confined, inside, rtol=1e-6, atol=1e-30)


def test_sizes_shrink_in_proportion_and_with_a_slope():
    def first(size):
        return within_sum(jnp.stack([size, jnp.float32(6)]), (10, 10), jnp.float32(6))[0]

    assert first(jnp.float32(3)) == 2  # a third of six
    assert jax.grad(first)(jnp.float32(3)) > 0


def test_a_layout_knows_its_permutations():
    assert CaseProblem(case=CASES["3"]).layout == Layout(choices=(3, 3, 3, 3), permuted=4)


@pytest.mark.parametrize(
    ("case", "message"),
    [
        (ArrayDataflowCase(objective=Objective.ENERGY), "objective: energy"),
        (
            BufferCase(memory_model=MemoryModel.SCALESIM3, interface=Interface.PORTS),
            "memory_model: scalesim3",
        ),
    ],
)
def test_what_searchers_do_not_serve_is_refused(case, message):
    with pytest.raises(ValueError, match=message):
        CaseProblem(case=case)
