"""The labellers inside a caller's `jit` and `vmap`: exact in 64-bit mode, else refused."""

import dataclasses
import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from airchitect_jax import (
    ArrayDataflowSpace,
    BudgetedGemm,
    BufferedGemm,
    BufferSpace,
    Gemm,
    Objective,
    label,
    label_buffers,
    label_schedules,
)

SHAPES = ArrayDataflowSpace(max_mac_exponent=4)
SIZINGS = BufferSpace(num_levels=2)
NUM = 4


def random_fields(**ranges):
    rng = np.random.default_rng(len(ranges))
    return {name: rng.integers(low, high, NUM) for name, (low, high) in ranges.items()}


DIMS = {"m": (1, 9000), "n": (1, 9000), "k": (1, 9000)}
BUDGETED = BudgetedGemm(**random_fields(mac_budget=(4, 17), **DIMS))
BUFFERED = BufferedGemm(
    **random_fields(
        sram_budget_bytes=(SIZINGS.smallest_bytes, 7 * SIZINGS.step_bytes),
        rows=(1, 99),
        cols=(1, 99),
        dataflow=(0, 3),
        bandwidth_bytes_per_cycle=(1, 99),
        **DIMS,
    )
)
SETS = Gemm(**{name: np.random.default_rng(3).integers(1, 9000, (4, NUM)) for name in DIMS})
# Each labeller with workloads, and the axis of theirs that is the batch.
CASES = {
    **{
        f"label, {objective.value}": (
            functools.partial(label, space=SHAPES, objective=objective),
            BUDGETED,
            0,
        )
        for objective in Objective
    },
    **{
        f"label_buffers, {objective.value}": (
            functools.partial(label_buffers, space=SIZINGS, objective=objective),
            BUFFERED,
            0,
        )
        for objective in Objective
    },
    "label_schedules": (label_schedules, SETS, 1),
}
TRANSFORMS = {
    "vmap": lambda function, axis: jax.vmap(function, in_axes=axis),
    "jit": lambda function, axis: jax.jit(function),
    "jit of vmap": lambda function, axis: jax.jit(jax.vmap(function, in_axes=axis)),
}
# Each transform with inputs of another kind.
KINDS = {
    "vmap": lambda field: field.astype(np.int64),
    "jit": jnp.asarray,
    "jit of vmap": lambda field: field.astype(np.int32),
}
FAST = {("vmap", case) for case in ("label, cycles", "label_buffers, energy", "label_schedules")}


def check_equal(found, expected):
    for ours, theirs in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        assert ours.dtype == theirs.dtype
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize(
    ("transform", "case"),
    [
        pytest.param(*pair, marks=() if pair in FAST else pytest.mark.slow)
        for pair in itertools.product(TRANSFORMS, CASES)
    ],
)
def test_traced_calls_equal_plain_ones(transform, case):
    labeller, workloads, axis = CASES[case]
    with jax.enable_x64(True):
        traced = TRANSFORMS[transform](labeller, axis)(jax.tree.map(KINDS[transform], workloads))
    check_equal(traced, labeller(workloads))


@pytest.mark.parametrize(
    "case",
    [
        "label, cycles",
        *(
            pytest.param(case, marks=pytest.mark.slow)
            for case in ("label_buffers, cycles", "label_schedules")
        ),
    ],
)
def test_nested_vmap_over_single_fields(case):
    labeller, workloads, axis = CASES[case]

    def one(m, n):
        return labeller(dataclasses.replace(first, m=m, n=n))

    first = jax.tree.map(lambda field: field[..., 0], workloads)
    with jax.enable_x64(True):
        over_m = jax.vmap(one, in_axes=(axis, None))
        found = jax.vmap(over_m, in_axes=(None, axis))(workloads.m, workloads.n)
    for column, row in itertools.product(range(NUM), repeat=2):
        m, n = workloads.m[..., row], workloads.n[..., column]
        expected = labeller(dataclasses.replace(first, m=m, n=n))
        assert int(found.design_id[column, row]) == expected.design_id
        assert int(found.cost[column, row]) == expected.cost


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("transform", TRANSFORMS)
def test_traced_calls_in_32_bit_mode_are_refused(case, transform):
    labeller, workloads, axis = CASES[case]
    name = case.split(",")[0]
    with pytest.raises(TypeError, match=rf"^{name}: .*`with jax\.enable_x64\(True\):`"):
        TRANSFORMS[transform](labeller, axis)(workloads)


def test_costs_beyond_32_bits_can_be_computed_with():
    large = dataclasses.replace(BUDGETED, m=np.full(NUM, 8191), n=np.full(NUM, 8191))
    plain = label(large, SHAPES).cost
    assert (plain > 2**31).any()
    with jax.enable_x64(True):
        costs = jax.vmap(functools.partial(label, space=SHAPES))(large).cost
        assert (costs + 1).tolist() == (plain + 1).tolist()
        assert int(costs.max()) == plain.max()
        assert int(costs.argmin()) == plain.argmin()


def test_a_dimension_beyond_32_bits_is_invalid_and_not_truncated():
    large = dataclasses.replace(BUDGETED, m=BUDGETED.m + 2**32)
    with jax.enable_x64(True):
        traced = jax.vmap(functools.partial(label, space=SHAPES))(large)
    assert np.asarray(traced.design_id).tolist() == [-1] * NUM
