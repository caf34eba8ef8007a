"""Schedules: the space, the cost, and an oracle that equals brute force over all designs."""

import itertools

import jax
import numpy as np
import pytest
import reference
from hypothesis import given, settings
from hypothesis import strategies as st

from airchitect_jax import (
    ArrayShape,
    Dataflow,
    Gemm,
    RuntimeModel,
    Schedule,
    ScheduleSpace,
    label_schedules,
)
from airchitect_jax.cost import Platform, best_dataflow, makespan, sum_of_cycles
from airchitect_jax.oracle import schedules
from airchitect_jax.spaces import DEFAULT_ARRAYS

SPACE = ScheduleSpace()
models = st.sampled_from(list(RuntimeModel))
dims = st.one_of(
    st.integers(1, 3),  # where ties abound
    st.integers(1, 300),
    st.integers(1, 10_000),
    st.integers(1, 9_000_000),
    st.builds(lambda e, d: max(1, 2**e + d), st.integers(0, 20), st.integers(-1, 1)),
)


def space_of(*shapes):
    return ScheduleSpace(arrays=tuple(ArrayShape(rows=rows, cols=cols) for rows, cols in shapes))


def shapes_of(space):
    return [(array.rows, array.cols) for array in space.arrays]


def gemms(sets):
    """Sets of (m, n, k) triples to fields of shape [workloads, sets]."""
    m, n, k = np.moveaxis(np.array(sets), (2, 1), (0, 1))
    return Gemm(m=m, n=n, k=k)


def check(sets, space=SPACE, model=RuntimeModel.SCALESIM):
    labels = label_schedules(gemms(sets), space, runtime_model=model)
    expected = [reference.best_schedule(one, shapes_of(space), model.value) for one in sets]
    assert list(zip(labels.design_id.tolist(), labels.cost.tolist(), strict=True)) == expected


def random_sets(count, num, high, seed=0):
    return np.random.default_rng(seed).integers(1, high + 1, (count, num, 3))


def test_a_schedule_by_hand():
    space = space_of((1, 1), (2, 2))
    labels = label_schedules(gemms([[(1, 1, 9), (4, 4, 9)]]), space)
    schedule = space.decode(labels.design_id[0])
    # The small one on 1 x 1 takes 1 * (1 + 1 + 9 - 2) - 1 = 8; the large one on 2 x 2 takes
    # OS 4 * (2 + 2 + 9 - 2) - 1 = 43, WS and IS ceil(9/2) 2 (4 + 2 + 4 - 2) - 1 = 79.
    assert labels.cost.tolist() == [43]
    assert schedule.workload.tolist() == [0, 1]
    assert schedule.dataflow.tolist() == [Dataflow.OS, Dataflow.OS]
    assert space.describe(int(labels.design_id[0])) == "1x1 OS: 0, 2x2 OS: 1"


def test_the_equations_by_hand():
    assert makespan([3, 9, 4]) == 9
    assert sum_of_cycles([3, 9, 4]) == 16
    assert best_dataflow([5, 4, 4]) == (4, 1)
    assert best_dataflow([4, 4, 4]) == (4, 0)


def test_ids_ascend_as_documented():
    designs = reference.schedules(4)
    assert len(designs) == SPACE.num_designs == 1944
    schedule = SPACE.decode(np.arange(1944))
    assert schedule.workload.tolist() == [list(order) for order, _ in designs]
    names = [dataflow.name for dataflow in Dataflow]
    assert schedule.dataflow.tolist() == [[names.index(f) for f in flow] for _, flow in designs]
    np.testing.assert_array_equal(SPACE.encode(schedule), np.arange(1944))
    sizes = [ScheduleSpace(arrays=DEFAULT_ARRAYS[:num]).num_designs for num in range(2, 7)]
    assert sizes == [18, 162, 1944, 29160, 524880]


@given(st.lists(st.tuples(*[st.tuples(dims, dims, dims)] * 4), min_size=1, max_size=8), models)
@settings(max_examples=25)
def test_brute_force_over_all_designs(sets, model):
    check(sets, model=model)


@pytest.mark.parametrize("model", list(RuntimeModel))
def test_tiny_workloads_where_ties_abound(model):
    sets = random_sets(60, 4, 3)
    check(sets, model=model)
    check(sets, space_of((2, 2), (2, 2), (2, 2), (2, 2)), model)


@pytest.mark.parametrize(
    "shapes",
    [
        [(7, 5), (3, 100)],
        [(1, 1), (1, 1)],
        [(8, 8), (16, 4), (5, 5)],
        [(64, 64), (32, 32), (16, 128), (128, 16), (30, 9)],
    ],
)
def test_other_numbers_and_shapes_of_arrays(shapes):
    count = 3 if len(shapes) == 5 else 30
    for high in (4, 3000):
        check(random_sets(count, len(shapes), high), space_of(*shapes))


def test_six_arrays_against_the_search_in_python():
    # Brute force over 524880 designs is too slow; the search over 720 permutations is not.
    space = ScheduleSpace(arrays=DEFAULT_ARRAYS)
    sets = np.concatenate([random_sets(20, 6, 20), random_sets(20, 6, 10_000)])
    labels = label_schedules(gemms(sets), space)
    found = list(zip(labels.design_id.tolist(), labels.cost.tolist(), strict=True))
    assert found == [
        schedules.label_schedule_in_python(
            *one.reshape(-1).tolist(), space=space, platform=Platform()
        )
        for one in sets
    ]


def test_ties_of_the_makespan_go_to_the_smaller_sum_before_the_lower_id():
    # Without the rule of sums the first id of the least makespan would do; here it does not.
    later = 0
    for one in random_sets(50, 4, 2000).tolist():
        designs = reference.schedules(4)
        each = [
            [
                reference.cycles(*one[w], *shapes_of(SPACE)[a], flow, "scalesim")
                for a, (w, flow) in enumerate(zip(order, flows, strict=True))
            ]
            for order, flows in designs
        ]
        first = min(range(1944), key=lambda design_id: max(each[design_id]))
        labels = label_schedules(gemms([one]))
        assert max(each[int(labels.design_id[0])]) == max(each[first])
        later += first != labels.design_id[0]
    assert later > 0


def test_permuting_the_workloads_permutes_the_schedule():
    sets = random_sets(40, 4, 5000)
    before = label_schedules(gemms(sets))
    schedule = SPACE.decode(before.design_id)
    for order in itertools.permutations(range(4)):
        after = label_schedules(gemms(sets[:, list(order)]))
        np.testing.assert_array_equal(after.cost, before.cost)
        moved = SPACE.decode(after.design_id)
        # What was workload order[i] is now workload i; sizes this large leave no ties.
        np.testing.assert_array_equal(np.array(order)[moved.workload], schedule.workload)
        np.testing.assert_array_equal(moved.dataflow, schedule.dataflow)


def test_the_makespan_is_at_least_the_largest_best_time_and_the_average_load():
    for high in (5, 10_000):
        sets = random_sets(50, 4, high)
        labels = label_schedules(gemms(sets))
        for one, cost in zip(sets.tolist(), labels.cost.tolist(), strict=True):
            fewest = [
                min(
                    reference.cycles(*gemm, *shape, flow, "scalesim")
                    for shape in shapes_of(SPACE)
                    for flow in ("OS", "WS", "IS")
                )
                for gemm in one
            ]
            assert cost >= max(fewest)
            assert cost >= sum(fewest) / 4


def test_a_faster_array_never_hurts():
    # A larger array is not always faster (a fold takes longer): here it is, for every workload.
    slow = space_of((2, 2), (2, 2), (4, 4))
    fast = space_of((2, 2), (64, 64), (4, 4))
    sets = random_sets(200, 3, 2000) + 200
    before, after = label_schedules(gemms(sets), slow), label_schedules(gemms(sets), fast)
    assert (after.cost <= before.cost).all()
    assert (after.cost < before.cost).any()


def test_sums_around_the_limit_of_float64_are_exact():
    # Sums are exact up to 2**45 cycles for four arrays; past it Python integers take over.
    sets = (2 ** np.random.default_rng(5).uniform(8, 21, (60, 4, 3))).astype(np.int64)
    costs = label_schedules(gemms(sets)).cost
    assert (costs > 2**46).any()
    assert (costs < 2**43).any()
    check(sets)


def test_makespans_beyond_int64_are_refused():
    with pytest.raises(ValueError, match=r"take \d+ cycles; labels are limited to int64"):
        label_schedules(Gemm(m=np.full(4, 2**31 - 1), n=2**31 - 1, k=2**31 - 1))


def test_shapes_scalars_and_dtypes():
    m = np.random.default_rng(0).integers(1, 500, (4, 3, 50))
    labels = label_schedules(Gemm(m=m, n=100, k=77))
    assert labels.design_id.shape == labels.cost.shape == (3, 50)
    assert (labels.design_id.dtype, labels.cost.dtype) == (np.int32, np.int64)
    assert label_schedules(Gemm(m=m[..., 0, 0], n=100, k=77)).design_id == labels.design_id[0, 0]
    assert label_schedules(Gemm(m=m[:, :0], n=1, k=1)).design_id.shape == (0, 50)


def test_inside_of_jit():
    m = np.array([[5, 100, 0, 2**30], [9, 50, 4, 2**30], [8, 9000, 4, 2**30], [77, 1, 4, 2**30]])
    sets = Gemm(m=m, n=m + 1, k=2 * np.minimum(m, 9000))
    with jax.enable_x64(True):
        traced = jax.jit(label_schedules)(sets)
    good = m[:, :2]
    expected = label_schedules(Gemm(m=good, n=good + 1, k=2 * good))
    # Set 2 has an invalid workload, set 3 is too large to be exact.
    assert traced.design_id.tolist() == [*expected.design_id.tolist(), -1, -1]
    assert traced.cost.tolist() == [*expected.cost.tolist(), -1, -1]


def test_adding_an_array_needs_a_workload_more():
    with pytest.raises(ValueError, match="expected 5 workloads, one for each array"):
        label_schedules(gemms(random_sets(3, 4, 9)), ScheduleSpace(arrays=DEFAULT_ARRAYS[:5]))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: ScheduleSpace(arrays=DEFAULT_ARRAYS[:1]), "arrays: 1 of them are not allowed"),
        (lambda: ScheduleSpace(arrays=DEFAULT_ARRAYS * 2), "arrays: 12 of them are not allowed"),
        (lambda: space_of((0, 4), (4, 4)), "rows of array 0: 0 is not allowed"),
        (lambda: space_of((4, 4), (4, 2.5)), "cols of array 1: 2.5 is not allowed"),
        (lambda: label_schedules(Gemm(m=np.ones((4, 2), int), n=0, k=1)), "n0: 0 is not allowed"),
        (lambda: label_schedules(Gemm(m=np.ones(4, int), n=1, k=2**31)), "k0: 2147483648 is not"),
        (lambda: SPACE.decode(1944), "design_id: 1944 is not allowed"),
        (
            lambda: SPACE.encode(Schedule(workload=[0, 1, 1, 2], dataflow=[0, 0, 0, 0])),
            "expected each workload on one array",
        ),
        (
            lambda: SPACE.encode(Schedule(workload=[0, 1, 2], dataflow=[0, 0, 0])),
            "expected 4 arrays in the last axis",
        ),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message) as error:
        call()
    assert "\n" not in str(error.value)
