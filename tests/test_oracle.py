"""The oracle equals a plain-Python brute force on every input, ties included."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import reference
from hypothesis import given, settings
from hypothesis import strategies as st

from airchitect_jax import (
    ArrayDataflowSpace,
    BudgetedGemm,
    BufferSizes,
    Gemm,
    Memory,
    Objective,
    RuntimeModel,
    evaluate,
    label,
)
from airchitect_jax.cost import EnergyTable, Platform
from airchitect_jax.oracle import array_dataflow, array_energy, batch, ranking

budgets = st.one_of(st.integers(4, 64), st.integers(4, 2**20))
dims = st.one_of(
    st.integers(1, 6),
    st.integers(1, 200),
    st.integers(1, 10_000),
    st.integers(1, 9_000_000),
    # Beside powers of two, where the number of folds jumps.
    st.builds(lambda e, d: max(1, 2**e + d), st.integers(0, 20), st.integers(-1, 1)),
)
models = st.sampled_from(list(RuntimeModel))


def check(rows, model):
    budget, m, n, k = (np.array(column) for column in zip(*rows, strict=True))
    workloads = BudgetedGemm(mac_budget=budget, m=m, n=n, k=k)
    expected = [reference.best(*row, model.value) for row in rows]
    if any(cycles >= 2**63 for _, cycles in expected):
        with pytest.raises(ValueError, match="limited to int64"):
            label(workloads, runtime_model=model)
        return
    labels = label(workloads, runtime_model=model)
    assert list(zip(labels.design_id.tolist(), labels.cost.tolist(), strict=True)) == expected


@given(st.lists(st.tuples(budgets, dims, dims, dims), min_size=1, max_size=12), models)
@settings(max_examples=80)
def test_brute_force(rows, model):
    check(rows, model)


@pytest.mark.parametrize("model", list(RuntimeModel))
def test_all_tiny_workloads_where_ties_abound(model):
    rows = [
        (budget, m, n, k)
        for budget in (4, 32, 2**18)
        for m in range(1, 6)
        for n in range(1, 6)
        for k in range(1, 6)
    ]
    check(rows, model)


def test_ties_go_to_fewer_macs_then_lower_id():
    space = ArrayDataflowSpace()
    designs = space.decode(np.arange(459))
    tied = 0
    for m in range(1, 30):
        workload = BudgetedGemm(mac_budget=2**10, m=m, n=7, k=3)
        costs = evaluate(workload.gemm, designs).compute_cycles[space.feasible(10)]
        tied += int((costs == costs.min()).sum() > 1)
        assert int(label(workload).design_id) == int(np.argmin(costs))
    assert tied > 0


@pytest.mark.parametrize("model", list(RuntimeModel))
def test_optima_around_the_limit_of_float64_are_exact(model):
    # The packed minimum is exact up to 2**42 cycles; past it Python integers take over.
    rng = np.random.default_rng(3)
    rows = [
        (int(2 ** rng.integers(2, 19)), *(int(2 ** rng.uniform(10, 21)) for _ in range(3)))
        for _ in range(150)
    ]
    optima = [reference.best(*row, model.value)[1] for row in rows]
    assert any(cost > 2**42 for cost in optima)
    assert any(cost < 2**42 for cost in optima)
    check(rows, model)


def test_optima_beyond_int64_are_refused():
    workload = BudgetedGemm(mac_budget=4, m=2**31 - 1, n=2**31 - 1, k=2**31 - 1)
    with pytest.raises(ValueError, match="limited to int64"):
        label(workload)


@pytest.mark.parametrize("exponent", [2, 3, 10, pytest.param(30, marks=pytest.mark.slow)])
def test_other_spaces(exponent):
    rng = np.random.default_rng(exponent)
    space = ArrayDataflowSpace(max_mac_exponent=exponent)
    rows = [(int(2 ** rng.integers(2, 31)), *map(int, rng.integers(1, 3000, 3))) for _ in range(20)]
    budget, m, n, k = (np.array(column) for column in zip(*rows, strict=True))
    labels = label(BudgetedGemm(mac_budget=budget, m=m, n=n, k=k), space)
    for row, design_id, cycles in zip(rows, labels.design_id, labels.cost, strict=True):
        assert (design_id, cycles) == reference.best(*row, "scalesim", exponent)


def test_a_larger_budget_never_costs_cycles():
    budgets = 2 ** np.arange(2, 19)
    labels = label(BudgetedGemm(mac_budget=budgets, m=777, n=1234, k=4321))
    assert (np.diff(labels.cost) <= 0).all()


def test_any_shape_any_number_and_chunks(monkeypatch):
    rng = np.random.default_rng(0)
    m = rng.integers(1, 500, (3, 1700))
    whole = label(BudgetedGemm(mac_budget=1024, m=m, n=100, k=77))
    assert whole.design_id.shape == (3, 1700)
    assert whole.design_id.dtype == np.int32
    assert whole.cost.dtype == np.int64
    monkeypatch.setattr(batch, "CHUNK", 2048)
    pieces = label(BudgetedGemm(mac_budget=1024, m=m, n=100, k=77))
    np.testing.assert_array_equal(whole.design_id, pieces.design_id)
    np.testing.assert_array_equal(whole.cost, pieces.cost)
    assert label(BudgetedGemm(mac_budget=8, m=m[:0], n=1, k=1)).design_id.shape == (0, 1700)


def test_inside_of_jit_and_vmap():
    m = np.array([5, 100, 0, 2**30, 640])
    workloads = BudgetedGemm(mac_budget=np.array([64, 2**18, 64, 4, 3]), m=m, n=m, k=m)
    with jax.enable_x64(True):
        traced, mapped = jax.jit(label)(workloads), jax.vmap(label)(workloads)
    # Row 2 is invalid, row 3 too large to be exact, row 4 has a budget below 2 x 2.
    good = BudgetedGemm(mac_budget=workloads.mac_budget[:2], m=m[:2], n=m[:2], k=m[:2])
    expected = [*label(good).design_id.tolist(), -1, -1, -1]
    assert traced.design_id.tolist() == expected
    assert mapped.design_id.tolist() == expected
    assert traced.cost.tolist() == [*label(good).cost.tolist(), -1, -1, -1]


def test_traced_fractions_are_refused():
    with pytest.raises(TypeError, match="k: float32 is not allowed"), jax.enable_x64(True):
        jax.jit(label)(BudgetedGemm(mac_budget=64, m=5, n=5, k=jnp.float32(2.5)))


def test_label_is_compiled_once_for_many_sizes():
    array_dataflow._packed_minimum_jit.clear_cache()
    for size in (1, 2, 100, 1000, 1024):
        label(BudgetedGemm(mac_budget=64, m=np.ones(size, int), n=1, k=1))
    assert array_dataflow._packed_minimum_jit._cache_size() == 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"mac_budget": 3}, "mac_budget: 3 is not allowed; expected a whole number in 4.."),
        ({"m": np.array([4, 0, 4])}, "m: 0 at row 1 is not allowed"),
        ({"k": 2**31}, "k: 2147483648 is not allowed"),
    ],
)
def test_bad_input_is_named(change, message):
    with pytest.raises(ValueError, match=message):
        label(BudgetedGemm(**({"mac_budget": 64, "m": 1, "n": 1, "k": 1} | change)))


def test_labels_agree_with_the_cost_model():
    rng = np.random.default_rng(1)
    m, n, k = rng.integers(1, 10_001, (3, 500))
    labels = label(BudgetedGemm(mac_budget=4096, m=m, n=n, k=k))
    designs = ArrayDataflowSpace().decode(labels.design_id)
    report = evaluate(Gemm(m=m, n=n, k=k), designs)
    np.testing.assert_array_equal(report.compute_cycles, labels.cost)
    assert (designs.rows * designs.cols <= 4096).all()


@pytest.mark.parametrize(
    "objective", [pytest.param(Objective.ENERGY, marks=pytest.mark.slow), Objective.EDP]
)
def test_energy_objectives_equal_brute_force(objective):
    exponent, sram = 6, (2048, 4096, 1024)
    rng = np.random.default_rng(8)
    rows = [
        [int(2 ** rng.integers(2, exponent + 1)), *(int(x) for x in rng.integers(1, 90, 3))]
        for _ in range(60)
    ]
    memory = Memory(
        buffers=BufferSizes(
            ifmap_sram_bytes=sram[0], filter_sram_bytes=sram[1], ofmap_sram_bytes=sram[2]
        ),
        bandwidth_bytes_per_cycle=1,
        element_bytes=2,
    )
    mac_budget, m, n, k = np.array(rows).T
    batch = BudgetedGemm(mac_budget=mac_budget, m=m, n=n, k=k)
    space = ArrayDataflowSpace(max_mac_exponent=exponent)
    labels = label(batch, space, objective=objective, memory=memory)
    expected = []
    for budget, *dims in rows:
        costs = []
        for design_id, design in enumerate(reference.designs(exponent)):
            if design[0] * design[1] <= budget:
                moved = reference.memory(*dims, *design, sram, 1, 2, "scalesim")[1]
                cost = reference.energy(*dims, *design, sram, moved, 2)
                if objective is Objective.EDP:
                    cost = float(cost * reference.cycles(*dims, *design, "scalesim"))
                costs.append((cost, design_id))
        expected.append(min(costs))
    assert list(zip(labels.cost.tolist(), labels.design_id.tolist(), strict=True)) == expected
    assert len({design_id for _, design_id in expected}) > 5
    with jax.enable_x64(True):
        traced = jax.jit(lambda w: label(w, space, objective=objective, memory=memory))(batch)
    np.testing.assert_array_equal(traced.design_id, labels.design_id)


@pytest.mark.parametrize("objective", [Objective.ENERGY, Objective.EDP])
def test_factored_energies_equal_a_comparison_of_all_designs(objective, monkeypatch):
    monkeypatch.setattr(array_energy, "_SHAPES", 10)  # two programs for the products
    space = ArrayDataflowSpace(max_mac_exponent=6)
    exponents, dims = np.meshgrid(np.arange(2, 10), [1, 7, 64, 1000, 9999])
    rng = np.random.default_rng(3)
    mac_budget = 2 ** exponents.reshape(-1)
    m, n, k = (rng.permutation(dims.reshape(-1)) for _ in range(3))
    free = EnergyTable(sram_pj_per_byte=0)  # where nothing spills, all numbers of rows tie
    # Half of the default buffers is no multiple of 3 bytes.
    for width, table in ((1, EnergyTable()), (2, EnergyTable()), (3, EnergyTable()), (2, free)):
        memory = dataclasses.replace(array_dataflow.DEFAULT_MEMORY, element_bytes=width)
        platform = Platform(energy_table=table).with_memory(memory)
        assert array_dataflow.is_factored(platform, objective) == (width != 3)
        settings = {"space": space, "platform": platform, "objective": objective}
        columns = [np.asarray(column) for column in (mac_budget, m, n, k)]
        found, valid = array_dataflow.label_columns(columns, **settings)
        expected, _ = array_dataflow.label_wide_columns(columns, **settings)
        exact = np.asarray(found.design_id) >= 0
        assert valid.all()
        assert exact.mean() > 0.9
        for name in ("design_id", "cost"):
            np.testing.assert_array_equal(
                np.asarray(getattr(found, name))[exact], np.asarray(getattr(expected, name))[exact]
            )


def test_ranks_and_ties_equal_a_comparison_of_all_designs():
    """Seven places, which takes two rounds; a budget of 4 MACs has three designs."""
    rng = np.random.default_rng(5)
    columns = [2 ** rng.integers(2, 6, 400), *rng.choice([1, 2, 5, 8, 33, 1000], (3, 400))]
    settings = {"space": ArrayDataflowSpace(max_mac_exponent=5), "platform": Platform()}
    _, found, num_ties, _ = array_dataflow.ranked_columns(columns, count=7, **settings)
    with jax.enable_x64(True):
        wide = [jnp.asarray(column, jnp.int64) for column in columns]
        ids, costs, expected_ties = ranking.best_designs(wide, count=7, **settings)
    np.testing.assert_array_equal(np.stack(found.design_id, axis=1), ids)
    np.testing.assert_array_equal(np.stack(found.cost, axis=1), costs)
    np.testing.assert_array_equal(num_ties, expected_ties)
    assert (np.asarray(ids) < 0).any()
    assert expected_ties.max() >= 3


def test_products_of_energies_beyond_float64_are_rounded_once():
    space = ArrayDataflowSpace(max_mac_exponent=3)
    rng = np.random.default_rng(9)
    mac_budget, dims = rng.integers(4, 9, 60), rng.integers(20_000, 30_000, (3, 60))
    batch = BudgetedGemm(mac_budget=mac_budget, m=dims[0], n=dims[1], k=dims[2])
    labels = label(batch, space, objective=Objective.EDP)
    rows = np.stack([mac_budget, *dims], axis=1).tolist()
    settings = {"space": space, "platform": Platform()}
    least, expected = (
        [array_dataflow.label_in_python(*row, objective=objective, **settings) for row in rows]
        for objective in (Objective.ENERGY, Objective.EDP)
    )
    assert all(energy > 2**53 for _, energy in least)
    assert list(zip(labels.design_id.tolist(), labels.cost.tolist(), strict=True)) == expected


def test_energy_beyond_int64_is_refused():
    huge = BudgetedGemm(mac_budget=64, m=2**31 - 1, n=2**20, k=2**14)
    space = ArrayDataflowSpace(max_mac_exponent=6)
    assert int(label(huge, space).cost) > 0
    with pytest.raises(ValueError, match="fJ; labels are limited to int64"):
        label(huge, space, objective=Objective.ENERGY)
