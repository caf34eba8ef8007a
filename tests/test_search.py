"""Searchers on a toy: they find its optimum, keep to its budget, and count what they evaluate."""

import dataclasses
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from airchitect_jax.search import Tally, evaluate_points, evolution, local, repair, search, simple
from airchitect_jax.search.tpe import tpe
from airchitect_jax.spaces import Layout, within_sum

BUDGETS = np.array([[3], [6], [9], [12]], np.int32)  # the workloads; 11 is no limit


class Toy:
    """A bowl with its bottom at (4, 5), choice 2 and the fourth permutation; a budget for sizes."""

    layout = Layout(sizes=(6, 7), choices=(3,), permuted=3)

    def confine(self, workload, sizes):
        return within_sum(sizes, self.layout.sizes, workload[0])

    def cost(self, workload, point):
        row, col, choice, place = point.astype(jnp.float64)
        bowl = 10 + (row - 4) ** 2 + 2 * (col - 5) ** 2
        return bowl * (3 - choice) + jnp.where(place == 3, 0, 1 + place)


TOY = Toy()


def plain_cost(point):
    row, col, choice, place = map(int, point)
    bowl = 10 + (row - 4) ** 2 + 2 * (col - 5) ** 2
    return bowl * (3 - choice) + (0 if place == 3 else 1 + place)


def feasible(budget):
    points = itertools.product(*map(range, TOY.layout.cardinalities))
    return [point for point in points if point[0] + point[1] <= budget]


def repaired(points, budget):
    workload = jnp.array([budget])
    return np.asarray(repair(TOY, workload, jnp.array(points, jnp.int32))).tolist()


def test_a_layout_has_a_coordinate_for_the_permutation():
    assert TOY.layout.cardinalities == (6, 7, 3, 6)
    assert TOY.layout.num_points == 756
    sample = np.asarray(TOY.layout.sample(jax.random.key(0), 2000))
    assert sample.min(axis=0).tolist() == [0, 0, 0, 0]
    assert sample.max(axis=0).tolist() == [5, 6, 2, 5]


def test_repair_leaves_what_is_feasible():
    points = [list(point) for point in feasible(6)]
    assert repaired(points, 6) == points


def test_repair_by_hand():
    # 5 + 6 is 11: shrunk to 6/11 it is 2.7 and 3.3; rounded down 2 and 3; the rest to the first.
    assert repaired([[5, 6, 1, 4]], 6) == [[3, 3, 1, 4]]
    # Never above what was asked for: 0 stays 0.
    assert repaired([[0, 6, 0, 0]], 3) == [[0, 3, 0, 0]]
    assert repaired([[-2, 99, 2, 5]], 12) == [[0, 6, 2, 5]]


@given(st.integers(-9, 20), st.integers(-9, 20), st.integers(0, 12))
def test_repaired_points_are_feasible_and_use_the_budget_up(row, col, budget):
    (found,) = repaired([[row, col, 1, 1]], budget)
    asked = np.clip([row, col], 0, [5, 6])
    assert (found[:2] <= asked).all()
    assert sum(found[:2]) == min(budget, sum(asked))


def test_a_tally_counts_what_is_meant_and_keeps_the_first_of_equals():
    points = jnp.array([[4, 5, 2, 3], [3, 5, 2, 3], [5, 5, 2, 3], [0, 0, 2, 3]], jnp.int32)
    with jax.enable_x64(True):
        empty = Tally.empty(TOY.layout)
        assert np.isinf(empty.cost)
        counts = jnp.array([False, True, True, True])
        tally, costs = evaluate_points(TOY, jnp.array([12]), empty, points, counts)
        assert costs.tolist() == [np.inf, 11, 11, 76]
        assert (tally.point.tolist(), float(tally.cost)) == ([3, 5, 2, 3], 11)
        assert int(tally.evaluations) == 3
        again, _ = evaluate_points(TOY, jnp.array([12]), tally, points[2:])
        assert (again.point.tolist(), int(again.evaluations)) == ([3, 5, 2, 3], 5)
        best, _ = evaluate_points(TOY, jnp.array([12]), again, points)
        assert (best.point.tolist(), float(best.cost)) == ([4, 5, 2, 3], 10)
        assert (int(best.evaluations), int(best.gradients)) == (9, 0)


ALL_POINTS = np.array(list(itertools.product(*map(range, TOY.layout.cardinalities))), np.int32)
SEARCHERS = {  # and how many steps they are given
    "random": (lambda: simple.random(TOY), 1000),
    "exhaustive": (lambda: simple.exhaustive(TOY, ALL_POINTS), 95),
    "coordinate descent": (lambda: local.coordinate_descent(TOY), 60),
    "annealing": (lambda: local.annealing(TOY), 600),
    "genetic": (lambda: evolution.genetic(TOY), 80),
    "CMA-ES": (lambda: evolution.cma_es(TOY), 200),
    "TPE": (lambda: tpe(TOY), 150),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", SEARCHERS)
def test_a_searcher_finds_the_optimum_within_the_budget(name):
    make, steps = SEARCHERS[name]
    found = search(make(), BUDGETS, key=jax.random.key(1), num_steps=steps)
    for row, (budget,) in enumerate(BUDGETS):
        allowed = feasible(budget)
        assert tuple(found.points[row].tolist()) in allowed
        assert found.costs[row, -1] == plain_cost(found.points[row])
        assert found.costs[row, -1] == min(map(plain_cost, allowed)), budget
    assert (np.diff(found.costs, axis=1) <= 0).all()
    assert not found.gradients.any()
    each = {"random": 8, "CMA-ES": 8, "TPE": 1}.get(name)
    if each:
        assert (found.evaluations == each * np.arange(1, steps + 1)).all()
    if name == "exhaustive":
        assert found.evaluations[:, -1].tolist() == [len(feasible(b)) for (b,) in BUDGETS]


@pytest.mark.parametrize("name", ["random", "TPE"])
def test_the_same_key_finds_the_same(name):
    make, _ = SEARCHERS[name]
    first, again, other = (
        search(make(), BUDGETS[:2], key=jax.random.key(seed), num_steps=4) for seed in (2, 2, 3)
    )
    for field in ("points", "costs", "evaluations"):
        np.testing.assert_array_equal(getattr(first, field), getattr(again, field))
    assert (first.costs != other.costs).any()


def stepped(searcher, budget, steps, seed=0):
    """The states of a search, in plain numbers."""
    workload = jnp.array([budget])
    with jax.enable_x64(True):
        state = searcher.init(jax.random.key(seed), workload)
        step = jax.jit(searcher.step)
        states = [state]
        for _ in range(steps):
            states.append(step(workload, states[-1]))
    return [jax.tree.map(np.asarray, dataclasses.replace(s, key=None)) for s in states]


@pytest.mark.slow
def test_coordinate_descent_is_that_of_plain_python():
    states = stepped(local.coordinate_descent(TOY), 6, 40)
    assert sum(state.settled == 0 for state in states) > 3  # it began anew more than once
    for before, after in itertools.pairwise(states):
        coordinate = before.order[before.place]
        line = []
        for value in range(TOY.layout.cardinalities[coordinate]):
            point = before.point.tolist()
            point[coordinate] = value
            (point,) = repaired([point], 6)
            stands_there = np.isfinite(before.cost) and point == before.point.tolist()
            if point not in line and not stands_there:
                line.append(point)
        assert after.tally.evaluations - before.tally.evaluations == len(line)
        best = min(map(plain_cost, line), default=np.inf)
        assert after.tally.cost == min(before.tally.cost, best)
        improves = best < before.cost
        settled = 1 if improves else before.settled + 1
        if settled == len(before.order):
            assert np.isinf(after.cost)
            continue
        assert after.settled == settled
        assert after.cost == min(before.cost, best) == plain_cost(after.point)


@pytest.mark.slow
def test_a_population_keeps_the_best_and_evaluates_none_twice():
    states = stepped(evolution.genetic(TOY), 9, 30)
    assert states[1].tally.evaluations == len(np.unique(states[1].points, axis=0))
    for before, after in itertools.pairwise(states):
        known = before.points[np.isfinite(before.costs)].tolist()
        survivors = after.points[np.isfinite(after.costs)].tolist()
        assert len(survivors) == len({tuple(point) for point in survivors})
        assert after.costs[: len(survivors)].tolist() == [plain_cost(p) for p in survivors]
        assert (np.diff(after.costs[: len(survivors)]) >= 0).all()
        assert (after.costs <= before.costs).all()
        children = after.tally.evaluations - before.tally.evaluations
        assert sum(point not in known for point in survivors) <= children <= 8
        assert after.tally.cost == after.costs[0]


def test_annealing_counts_moves_and_cools():
    chains, starts, steps = 3, 4, 12
    searcher = local.annealing(
        TOY, chains=chains, starts=starts, steps=steps, hottest=1e-6, coldest=1e-7
    )
    states = stepped(searcher, 9, 2 * steps)
    assert states[1].tally.evaluations == chains
    for number, (before, after) in enumerate(itertools.pairwise(states)):
        assert after.costs.tolist() == [plain_cost(point) for point in after.points]
        assert before.steps == number % steps
        done = after.tally.evaluations - before.tally.evaluations
        moved = (before.points != after.points).any(axis=1).sum()
        assert moved <= done <= chains
        if before.steps:  # frozen: nothing that costs more is accepted
            assert (after.costs <= before.costs).all()
        assert after.tally.cost == min([before.tally.cost, *after.costs])


@pytest.mark.slow
def test_a_move_changes_a_size_or_two_a_choice_or_swaps():
    layout = Layout(sizes=(6, 7, 9), choices=(3,), permuted=4)
    point = np.array([3, 3, 4, 1, 9], np.int32)
    moves = jax.vmap(lambda key: local.move(layout, key, jnp.array(point)))
    moved = np.asarray(moves(jax.random.split(jax.random.key(0), 500)))
    assert (moved >= 0).all()
    assert (moved < layout.cardinalities).all()
    permutations = list(itertools.permutations(range(4)))
    kinds = set()
    for after in moved:
        changed = np.flatnonzero(after != point)
        kinds.add(tuple(changed.tolist()))
        if changed.tolist() == [4]:
            pairs = zip(permutations[9], permutations[after[4]], strict=True)
            assert sum(a != b for a, b in pairs) == 2
        elif len(changed) == 2:  # one up, another down
            assert np.prod(after[changed] - point[changed]) < 0
    assert kinds == {(0,), (1,), (2,), (3,), (4,), (0, 1), (0, 2), (1, 2)}


def test_real_numbers_decode_to_points():
    layout = Layout(sizes=(5,), choices=(3,), permuted=3)
    assert evolution.num_keys(layout) == 7
    decode = jax.jit(lambda keys: evolution.decode(layout, keys))
    for place, permutation in enumerate(itertools.permutations(range(3))):
        keys = [0.0, -1.0, 0.2, 0.1, *np.array(permutation, float)]
        assert decode(jnp.array(keys)).tolist() == [2, 1, place]
    for size, level in ((-9.0, 0), (-2.0, 0), (-0.8, 1), (0.8, 3), (2.0, 4), (9.0, 4)):
        assert decode(jnp.array([size, 3.0, 1.0, 2.0, 0.0, 1.0, 2.0])).tolist() == [level, 0, 0]


@pytest.mark.parametrize("module", ["evosax", "optuna"])
def test_a_missing_library_is_named_with_its_extra(module, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, module, None)
    makers = {"evosax": evolution.cma_es, "optuna": tpe}
    with pytest.raises(ValueError, match=rf"{module}: pip install 'airchitect-jax\[search\]'"):
        makers[module](TOY)
