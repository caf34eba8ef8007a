"""Gradient searchers, network proposals, and the joint space."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from airchitect_jax.case_studies import ArrayDataflowCase
from airchitect_jax.cost import Platform
from airchitect_jax.oracle.joint.fewest_cycles import fewest_cycles
from airchitect_jax.oracle.joint.survey import survey
from airchitect_jax.search import JointProblem, joint_subject, random, search
from airchitect_jax.search.case_problem import CaseProblem, design_ids
from airchitect_jax.search.gradient import Descent, gradient, gumbel, round_point, sinkhorn
from airchitect_jax.search.joint import batch_networks, exact_cycles
from airchitect_jax.search.proposals import rerank, surrogate
from airchitect_jax.spaces import (
    BufferSpace,
    JointSpace,
    Layout,
    RelaxedPoint,
    permutations,
    within_sum,
)
from airchitect_jax.types import Objective
from airchitect_jax.workloads import GemmCounts, Layer, Network


@pytest.fixture(autouse=True)
def _as_users_have_it():
    with jax.numpy_dtype_promotion("standard"):  # which Optax's Adam needs
        yield


BUDGETS = np.array([[3], [6], [9], [12]], np.int32)


class Toy:
    """A bowl with its bottom at (4, 5), choice 2 and the fourth permutation; a budget for sizes."""

    layout = Layout(sizes=(6, 7), choices=(3,), permuted=3)
    _places = np.where(np.arange(6) == 3, 0, 1 + np.arange(6))

    def confine(self, workload, sizes):
        return within_sum(sizes, self.layout.sizes, workload[0])

    def cost(self, workload, point):
        row, col = point[:2].astype(jnp.float64)
        bowl = 10 + (row - 4) ** 2 + 2 * (col - 5) ** 2
        place = jnp.asarray(self._places, jnp.float64)[point[3]]
        return bowl * (3 - point[2].astype(jnp.float64)) + place

    def log_relaxed_cost(self, workload, point, temperature):
        row, col = point.sizes
        bowl = 10 + (row - 4) ** 2 + 2 * (col - 5) ** 2
        factor = jnp.array([3.0, 2.0, 1.0], jnp.float32) @ point.choices[0]
        each = point.assignment[np.arange(3), permutations(3)].prod(axis=1)
        return jnp.log(bowl * factor + jnp.asarray(self._places, jnp.float32) @ each)


TOY = Toy()


# One with an optimiser that is given, one with its own.
DESCENTS = {
    "gradient": lambda: gradient(TOY, Descent(optimizer=optax.sgd(0.3, momentum=0.9))),
    "gumbel": lambda: gumbel(TOY),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", DESCENTS)
def test_descents_find_the_optimum_within_the_budget(name):
    steps = 40
    found = search(DESCENTS[name](), BUDGETS, key=jax.random.key(0), num_steps=steps)
    assert (found.evaluations == 4 * np.arange(1, steps + 1)).all()
    assert (found.gradients == found.evaluations).all()
    points = np.array(list(itertools.product(*map(range, TOY.layout.cardinalities))))
    with jax.enable_x64(True):
        costs = np.asarray(jax.vmap(lambda point: TOY.cost(None, point))(jnp.asarray(points)))
    for row, (budget,) in enumerate(BUDGETS):
        assert found.costs[row, -1] == costs[points[:, :2].sum(axis=1) <= budget].min()
        assert found.points[row, :2].sum() <= budget


def test_sinkhorn_makes_rows_and_columns_sum_to_one():
    scores = jax.random.normal(jax.random.key(0), (4, 4), jnp.float32)
    matrix = np.asarray(sinkhorn(scores))
    np.testing.assert_allclose(matrix.sum(axis=0), 1, atol=1e-5)
    np.testing.assert_allclose(matrix.sum(axis=1), 1, atol=1e-3)
    certain = np.asarray(sinkhorn(100 * jnp.eye(3)[jnp.array([1, 2, 0])]))
    np.testing.assert_allclose(certain, np.eye(3)[[1, 2, 0]], atol=1e-6)


def test_rounding_goes_up_where_that_is_feasible():
    def rounded(sizes, threshold, budget):
        point = RelaxedPoint(
            sizes=jnp.array(sizes, jnp.float32),
            choices=(jnp.array([0.2, 0.5, 0.3], jnp.float32),),
            assignment=jnp.array([[0.1, 0.1, 0.8], [0.7, 0.2, 0.1], [0.2, 0.7, 0.1]]),
        )
        found = round_point(TOY, jnp.array([budget]), point, jnp.float32(threshold))
        return found.tolist()

    # Largest fraction first; the permutation (2, 0, 1) is the fifth.
    assert rounded([2.4, 3.6], 0.5, 12) == [2, 4, 1, 4]
    assert rounded([2.4, 3.6], 0.1, 12) == [3, 4, 1, 4]
    assert rounded([2.4, 3.6], 0.1, 6) == [2, 4, 1, 4]
    assert rounded([2.4, 3.6], 0.9, 6) == [2, 3, 1, 4]


@pytest.fixture(scope="module")
def arrays():
    case = ArrayDataflowCase(max_dim=500)
    return case, CaseProblem(case=case), np.asarray(case.sample(jax.random.key(5), 20))


def told(case):
    """What a perfect network would say."""

    def logits(workload):
        costs = case.log_costs(workload.astype(jnp.int32)[:, None])[0]
        return jnp.where(jnp.isfinite(costs), -costs, -99.0).astype(jnp.float32)

    return logits


@pytest.mark.slow
def test_a_ranking_is_gone_through_from_the_top(arrays):
    case, problem, workloads = arrays
    searcher = rerank(problem, told(case), batch=1)
    found = search(searcher, workloads.T, key=jax.random.key(0), num_steps=8)
    ids = design_ids(problem, found.points)
    # Float32 cannot tell near ties apart; the exact model can, a few places down.
    assert (case.costs(workloads, ids) == case.exact(workloads).cost).all()
    assert (found.evaluations == np.arange(1, 9)).all()
    assert not found.gradients.any()


@pytest.mark.slow
def test_a_surrogate_is_descended(arrays):
    case, problem, workloads = arrays
    searcher = surrogate(problem, told(case))
    found = search(searcher, workloads.T, key=jax.random.key(0), num_steps=25)
    ids = design_ids(problem, found.points)
    solved = case.exact(workloads).cost == case.costs(workloads, ids)
    assert solved.mean() >= 0.9
    assert np.asarray(case.feasible(workloads))[np.arange(20), ids].all()


SMALL = JointProblem(max_mac_exponent=6, buffers=BufferSpace(step_kb=1, num_levels=4))
NETWORKS = [
    Network(name="a", layers=(Layer(name="x", m=70, n=90, k=50, count=3),)),
    Network(
        name="b",
        layers=(
            Layer(name="x", m=9, n=300, k=33, count=1),
            Layer(name="y", m=200, n=7, k=120, count=2),
        ),
    ),
]
SMALL_BUDGETS = [(4, 5), (6, 12)]


def test_the_cube_is_the_survey():
    platform = Platform(bandwidth_bytes_per_cycle=3)
    for network in NETWORKS:
        workload = GemmCounts.of_layers(network.layers)
        budgets = [(1 << exponent, steps * 1024) for exponent, steps in SMALL_BUDGETS]
        found = fewest_cycles(workload, SMALL.space, platform, budgets)
        for (macs, sram), fewest in zip(budgets, found, strict=True):
            space = JointSpace.within(macs, sram, SMALL.buffers)
            costs = survey(workload, space, platform, Objective.CYCLES).cycles[Objective.CYCLES]
            assert fewest == costs.min()


def test_costs_of_the_joint_space_are_exact():
    workloads = [GemmCounts.of_layers(network.layers) for network in NETWORKS]
    searches = batch_networks(SMALL, workloads, SMALL_BUDGETS)
    points = np.asarray(SMALL.layout.sample(jax.random.key(0), 4))
    with jax.enable_x64(True):
        costs = jax.vmap(SMALL.cost)(jax.tree.map(jnp.asarray, searches), jnp.asarray(points))
    expected = [exact_cycles(SMALL, workloads[row // 2], points[row]) for row in range(4)]
    assert costs.tolist() == expected


@pytest.mark.slow
def test_answers_are_scored_anew_and_have_to_be_feasible():
    subject = joint_subject(SMALL, NETWORKS, SMALL_BUDGETS)
    found = search(random(SMALL), subject.workloads, key=jax.random.key(0), num_steps=60)
    costs = subject.exact_costs(subject.workloads, found.points)
    assert (costs == found.costs[:, -1]).all()
    assert (costs >= subject.optimal_costs).all()
    assert (subject.optimal_costs / costs).min() > 0.9
    too_large = found.points.copy()
    too_large[1] = [4, 4, 0, 0, 0]
    with pytest.raises(ValueError, match=r"point \[4, 4, 0, 0, 0\] at row 1 is not feasible"):
        subject.exact_costs(subject.workloads, too_large)


@pytest.mark.slow
def test_the_relaxed_cost_of_a_network_goes_to_the_exact_one():
    workloads = [GemmCounts.of_layers(network.layers) for network in NETWORKS]
    searches = jax.tree.map(jnp.asarray, batch_networks(SMALL, workloads, SMALL_BUDGETS))
    points = jnp.array([[1, 2, 3, 0, 1], [2, 1, 2, 2, 2], [0, 0, 0, 3, 0], [4, 0, 1, 1, 1]])

    def relaxed(search, point, temperature):
        point = RelaxedPoint(sizes=point.astype(jnp.float32), choices=(), assignment=None)
        return SMALL.log_relaxed_cost(search, point, temperature)

    relaxed = jax.jit(jax.vmap(relaxed, in_axes=(0, 0, None)))
    errors = []
    for temperature in (0.3, 1e-2, 1e-4):
        costs = np.exp(relaxed(searches, points, jnp.float32(temperature)))
        exact = [exact_cycles(SMALL, workloads[row // 2], points[row]) for row in range(4)]
        errors.append(np.abs(costs / exact - 1).max())
    assert errors[0] > errors[1] > errors[2]
    assert errors[2] < 2e-3


def test_what_float64_cannot_count_is_refused():
    huge = GemmCounts.of([(10**4, 10**4, 10**4)], [10**5])
    with pytest.raises(ValueError, match=r"in sum; both are limited to 2\*\*53"):
        batch_networks(SMALL, [huge], SMALL_BUDGETS)


def test_a_ranking_is_gone_through_without_infeasible_designs(arrays):
    """A network that puts them first costs no steps: the best feasible design is the first."""
    case, problem, workloads = arrays
    perfect = told(case)

    def logits(workload):
        costs = perfect(workload)
        return jnp.where(costs == -99.0, 99.0, costs)

    searcher = rerank(problem, logits, batch=1)
    found = search(searcher, workloads.T, key=jax.random.key(0), num_steps=1)
    ids = design_ids(problem, found.points)
    assert (found.costs[:, 0] == case.costs(workloads, ids)).all()
    assert (found.evaluations == 1).all()
