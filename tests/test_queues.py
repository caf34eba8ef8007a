"""Queues of workloads on arrays: exact against brute force, bounded where it is not exact."""

import itertools

import numpy as np
import pytest
import reference

from airchitect_jax import ArrayShape, Dataflow, Gemm, RuntimeModel
from airchitect_jax.oracle import queues, schedule_queues
from airchitect_jax.spaces import DEFAULT_ARRAYS


def random_gemms(num, high, seed=0):
    m, n, k = np.random.default_rng(seed).integers(1, high + 1, (3, num))
    return Gemm(m=m, n=n, k=k)


def table(gemms, arrays, model="scalesim"):
    """Fewest cycles of each workload on each array."""
    return [
        [
            min(
                reference.cycles(*gemm, array.rows, array.cols, flow, model)
                for flow in ("OS", "WS", "IS")
            )
            for array in arrays
        ]
        for gemm in zip(gemms.m.tolist(), gemms.n.tolist(), gemms.k.tolist(), strict=True)
    ]


def least_makespan(costs):
    num_arrays = len(costs[0])
    best = None
    for assigned in itertools.product(range(num_arrays), repeat=len(costs)):
        loads = [0] * num_arrays
        for row, array in zip(costs, assigned, strict=True):
            loads[array] += row[array]
        best = max(loads) if best is None else min(best, max(loads))
    return best


def check_consistent(found, gemms, arrays, model="scalesim"):
    """The schedule is what it says, by the reference."""
    costs = table(gemms, arrays, model)
    loads = [0] * len(arrays)
    for workload, array in enumerate(found.array.tolist()):
        assert found.cycles[workload] == costs[workload][array]
        flow = Dataflow(int(found.dataflow[workload])).name
        gemm = (int(getattr(gemms, dim)[workload]) for dim in "mnk")
        shape = arrays[array].rows, arrays[array].cols
        assert reference.cycles(*gemm, *shape, flow, model) == costs[workload][array]
        loads[array] += costs[workload][array]
    assert found.loads.tolist() == loads
    assert found.makespan == max(loads) >= found.lower_bound
    assert found.lower_bound >= max(min(row) for row in costs)
    assert found.lower_bound * len(arrays) >= sum(min(row) for row in costs)
    assert found.is_exact == (found.gap == 0)


def test_a_queue_by_hand():
    # A 1 x n x 1 product on 1 x 1 takes OS n (1 + 1 + 1 - 2) - 1 = n - 1 cycles, IS and WS more.
    # Of 9, 5, 4, 3 and 1 no queue adds up to 11, half of all, so the longer one takes 12.
    gemms = Gemm(m=np.ones(5, int), n=np.array([10, 6, 5, 4, 2]), k=np.ones(5, int))
    found = schedule_queues(gemms, [ArrayShape(rows=1, cols=1)] * 2)
    assert found.cycles.tolist() == [9, 5, 4, 3, 1]
    assert found.makespan == 12
    assert found.lower_bound == 12
    assert found.is_exact
    assert found.array[0] != found.array[1] == found.array[2]


@pytest.mark.parametrize("model", list(RuntimeModel))
@pytest.mark.parametrize(("num_arrays", "num"), [(1, 3), (2, 9), (3, 8), (4, 6), (6, 4)])
def test_brute_force(num_arrays, num, model):
    arrays = DEFAULT_ARRAYS[:num_arrays]
    for seed, high in enumerate((3, 60, 300, 10_000)):
        gemms = random_gemms(num, high, seed)
        found = schedule_queues(gemms, arrays, runtime_model=model)
        check_consistent(found, gemms, arrays, model.value)
        assert found.is_exact
        assert found.makespan == least_makespan(table(gemms, arrays, model.value))


def test_sixteen_workloads_are_solved_exactly_and_agree_with_highs():
    gemms, arrays = random_gemms(16, 10_000), DEFAULT_ARRAYS[:4]
    found = schedule_queues(gemms, arrays)
    check_consistent(found, gemms, arrays)
    assert found.is_exact
    costs = np.array(table(gemms, arrays))
    solved = queues._highs(costs, 60.0)
    loads = np.zeros(4, int)
    np.add.at(loads, solved, costs[np.arange(16), solved])
    assert found.makespan <= loads.max() <= found.makespan * (1 + 1e-4)
    limit = found.makespan - 1
    bound = queues._priced_bound(costs, queues._prices(costs, limit, 60.0), limit)
    assert 0.98 * found.makespan < bound <= found.makespan


def test_many_workloads_come_with_a_bound():
    gemms, arrays = random_gemms(60, 10_000), DEFAULT_ARRAYS[:4]
    found = schedule_queues(gemms, arrays, time_limit_s=1.0)
    check_consistent(found, gemms, arrays)
    assert found.gap < 0.01


def test_without_a_solution_in_time_the_list_schedule_stands(monkeypatch):
    monkeypatch.setattr(queues, "_highs", lambda cycles, time_limit_s: None)
    monkeypatch.setattr(queues, "_MAX_STATES", 10)
    gemms, arrays = random_gemms(30, 10_000), DEFAULT_ARRAYS[:4]
    found = schedule_queues(gemms, arrays)
    check_consistent(found, gemms, arrays)
    assert not found.is_exact
    assert 0 < found.gap < 1


def test_no_prices_prove_too_much():
    """Whatever a solver says, brute force is never below the bound."""
    rng = np.random.default_rng(5)
    tight = 0
    for _ in range(50):
        num, num_arrays = rng.integers(2, 6), rng.integers(2, 4)
        costs = rng.integers(1, 10 ** rng.integers(1, 8), (num, num_arrays))
        least = least_makespan(costs.tolist())
        for limit in (least - 1, least, 2 * least):
            for prices in (
                queues._prices(costs, limit, 60.0),
                10.0 ** rng.uniform(-9, 9, num_arrays),
                rng.normal(size=num_arrays),
                rng.choice([0.0, 1.0, -1.0, np.nan, np.inf], num_arrays),
            ):
                bound = queues._priced_bound(costs, prices, limit)
                assert bound <= min(least, limit + 1)
                tight += bound == least
    assert tight > 20


@pytest.mark.parametrize("claim", [[1e30, 1.0, 1.0], [-5.0, np.nan, np.inf], [0.0, 0.0, 0.0]])
def test_a_wrong_solver_proves_nothing_false(monkeypatch, claim):
    monkeypatch.setattr(queues, "_MAX_STATES", 1)
    monkeypatch.setattr(queues, "_prices", lambda cycles, limit, time_limit_s: np.array(claim))
    monkeypatch.setattr(queues, "_highs", lambda cycles, time_limit_s: np.zeros(len(cycles), int))
    for seed in range(10):
        gemms, arrays = random_gemms(7, 300, seed), DEFAULT_ARRAYS[:3]
        found = schedule_queues(gemms, arrays)
        check_consistent(found, gemms, arrays)
        least = least_makespan(table(gemms, arrays))
        assert found.lower_bound <= least <= found.makespan
        assert not found.is_exact or found.makespan == least


def test_workloads_of_no_cycles_leave_no_gap():
    ones = np.ones(2, int)
    found = schedule_queues(Gemm(m=ones, n=ones, k=ones), [ArrayShape(rows=1, cols=1)] * 2)
    assert (found.makespan, found.lower_bound, found.gap) == (0, 0, 0)


def test_local_search_ends_where_no_move_or_swap_from_the_longest_queue_helps():
    costs = np.array(table(random_gemms(25, 10_000), DEFAULT_ARRAYS[:3]))
    everyone = np.arange(25)
    start = np.zeros(25, int)  # all on one array
    ended = queues._improve(costs, start)

    def makespan(assigned):
        loads = np.zeros(3, int)
        np.add.at(loads, assigned, costs[everyone, assigned])
        return loads.max()

    assert makespan(ended) < 0.7 * makespan(start)
    for workload, array in itertools.product(everyone, range(3)):
        other = ended.copy()
        other[workload] = array
        assert makespan(other) >= makespan(ended)
    for first, second in itertools.combinations(everyone, 2):
        other = ended.copy()
        other[[first, second]] = ended[[second, first]]
        assert makespan(other) >= makespan(ended)


def test_another_array_never_hurts():
    gemms = random_gemms(10, 5000)
    makespans = [schedule_queues(gemms, DEFAULT_ARRAYS[:num]).makespan for num in range(1, 7)]
    assert makespans == sorted(makespans, reverse=True)
    assert makespans[-1] < makespans[0]


@pytest.mark.parametrize(
    ("gemms", "arrays", "message"),
    [
        (random_gemms(3, 9), (), "arrays: none are given"),
        (random_gemms(2001, 9), DEFAULT_ARRAYS, r"workloads: the shapes \(2001,\) are not allowed"),
        (random_gemms(0, 9), DEFAULT_ARRAYS, r"workloads: the shapes \(0,\) are not allowed"),
        (Gemm(m=np.ones(2, int), n=1, k=1), DEFAULT_ARRAYS, "workloads: the shapes"),
        (
            Gemm(m=np.array([1, 0]), n=np.ones(2, int), k=np.ones(2, int)),
            DEFAULT_ARRAYS,
            "m: 0 at row 1 is not allowed",
        ),
        (random_gemms(3, 2**31 - 1), DEFAULT_ARRAYS, r"take .* cycles in all; queues are exact"),
    ],
)
def test_bad_input_is_named(gemms, arrays, message):
    with pytest.raises(ValueError, match=message) as error:
        schedule_queues(gemms, arrays)
    assert "\n" not in str(error.value)
