"""Case study 2: the space, its exact oracle against brute force, and the case study on top."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import reference

from airchitect_jax import (
    ArrayShape,
    BufferedGemm,
    BufferSizes,
    BufferSpace,
    Dataflow,
    Gemm,
    Interface,
    MemoryModel,
    Objective,
    RuntimeModel,
    label_buffers,
)
from airchitect_jax.case_studies import BufferCase
from airchitect_jax.cost import Platform
from airchitect_jax.oracle import buffer_limits, buffers
from airchitect_jax.scalesim.replay import replay

SMALL = BufferSpace(step_kb=1, num_levels=3)  # few pairs to compile; small workloads exceed it
FIELDS = tuple(buffer_limits(SMALL))


def test_ids_are_in_tie_order():
    space = BufferSpace()
    assert space.num_designs == 1000
    sizes = list(itertools.product(range(100, 1001, 100), repeat=3))
    expected = sorted(sizes, key=lambda size: (sum(size), size))
    assert [tuple(row) for row in space.levels * 100] == expected
    assert space.describe(0) == "100+100+100 KB"
    assert space.describe(999) == "1000+1000+1000 KB"
    ids = np.arange(1000)
    np.testing.assert_array_equal(space.encode(space.decode(ids)), ids)
    for attribute in space.attributes:
        assert len(attribute.of_design) == 1000
        assert attribute.of_design.max() == len(attribute.categories) - 1


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: BufferSpace(num_levels=0),
            "num_levels: 0 is not allowed; expected a whole number in 1..32",
        ),
        (lambda: BufferSpace().decode(1000), "design_id: 1000 is not allowed"),
        (
            lambda: BufferSpace().encode(
                BufferSizes(
                    ifmap_sram_bytes=102_401, filter_sram_bytes=102_400, ofmap_sram_bytes=102_400
                )
            ),
            "ifmap_sram_bytes: 102401 is not allowed; expected multiples of 102400",
        ),
    ],
)
def test_the_space_refuses(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def workloads(seed, count, largest_dim, space=SMALL):
    rng = np.random.default_rng(seed)
    dims = [np.ceil(largest_dim ** rng.uniform(0, 1, count)).astype(int) for _ in range(3)]
    budget = rng.integers(space.smallest_bytes, 3.2 * space.num_levels * space.step_bytes, count)
    columns = [
        budget,
        *dims,
        *(rng.integers(1, 20, count) for _ in range(2)),
        rng.integers(0, 3, count),
        rng.choice([1, 3, 10, 200], count),
    ]
    return BufferedGemm(**dict(zip(FIELDS, columns, strict=True)))


def brute_force(row, space, objective, interface, width):
    """(design id, cost): the first of the cheapest sizings in the budget, looking at all."""
    best = None
    for design_id, levels in enumerate(space.levels.tolist()):
        sizes = [level * space.step_bytes for level in levels]
        if sum(sizes) > row[0]:
            continue
        name = Dataflow(row[6]).name
        cycles, moved = reference.memory(
            *row[1:6], name, sizes, row[7], width, "scalesim", interface is Interface.SHARED
        )
        joules = reference.energy(*row[1:6], name, sizes, moved, width)
        cost = {
            Objective.CYCLES: cycles,
            Objective.ENERGY: joules,
            Objective.EDP: float(cycles * joules),
        }[objective]
        if best is None or cost < best[1]:
            best = design_id, cost
    return best


@pytest.mark.parametrize(
    ("objective", "interface", "width"),
    [
        (Objective.CYCLES, Interface.SHARED, 1),
        (Objective.CYCLES, Interface.PORTS, 2),
        (Objective.ENERGY, Interface.SHARED, 4),
        pytest.param(Objective.EDP, Interface.SHARED, 2, marks=pytest.mark.slow),
    ],
)
def test_labels_equal_brute_force(objective, interface, width):
    batch = workloads(0, 120, 150)
    labels = label_buffers(
        batch, SMALL, objective=objective, interface=interface, element_bytes=width
    )
    rows = np.stack([getattr(batch, name) for name in FIELDS], axis=1).tolist()
    expected = [brute_force(row, SMALL, objective, interface, width) for row in rows]
    assert list(zip(labels.design_id.tolist(), labels.cost.tolist(), strict=True)) == expected
    assert len({design_id for design_id, _ in expected}) > 5  # the test sees more than one class


def test_products_of_energies_beyond_float64_are_rounded_once():
    rows = []
    for number in range(120):  # as many as in the test above, which compiles the same program
        dims = [20_000 - 7 * number, 19_999, 18_001 + number]
        rows.append([(3 + number % 7) * 1024, *dims, 11, 1 + number % 20, number % 3, 100])
    batch = BufferedGemm(**dict(zip(FIELDS, np.array(rows).T, strict=True)))
    labels = label_buffers(batch, SMALL, objective=Objective.EDP, element_bytes=2)
    settings = {"space": SMALL, "platform": Platform(element_bytes=2)}
    least, expected = (
        [buffers.label_buffers_in_python(*row, objective=objective, **settings) for row in rows]
        for objective in (Objective.ENERGY, Objective.EDP)
    )
    assert all(energy > 2**53 for _, energy in least)
    assert list(zip(labels.design_id.tolist(), labels.cost.tolist(), strict=True)) == expected


@pytest.mark.slow
def test_labels_equal_brute_force_over_all_1000():
    space = BufferSpace()
    rng = np.random.default_rng(1)
    columns = [rng.integers(3, 31, 12) * 102_400, *rng.integers(500, 3000, (3, 12))]
    columns += [np.full(12, 256), np.full(12, 128), np.arange(12) % 3, rng.integers(1, 40, 12)]
    batch = BufferedGemm(**dict(zip(FIELDS, columns, strict=True)))
    labels = label_buffers(batch)
    rows = np.stack(columns, axis=1).tolist()
    expected = [brute_force(row, space, Objective.CYCLES, Interface.SHARED, 1) for row in rows]
    assert list(zip(labels.design_id.tolist(), labels.cost.tolist(), strict=True)) == expected


def test_a_larger_budget_or_bandwidth_never_costs():
    batch = workloads(2, 2000, 400)
    for name, larger in (("sram_budget_bytes", 2000), ("bandwidth_bytes_per_cycle", 5)):
        more = BufferedGemm(**{f: getattr(batch, f) + (larger if f == name else 0) for f in FIELDS})
        assert (label_buffers(more, SMALL).cost <= label_buffers(batch, SMALL).cost).all()


def test_large_workloads_fall_back_to_python_or_are_refused():
    huge = {"m": 2**31 - 1, "n": 2**16, "k": 2**20, "rows": 8, "cols": 8, "dataflow": 0}
    rest = {"sram_budget_bytes": 9 * 1024, "bandwidth_bytes_per_cycle": 64}
    labels = label_buffers(BufferedGemm(**huge, **rest), SMALL)
    assert int(labels.cost) > 2**53
    with pytest.raises(ValueError, match="cycles; labels are limited to int64"):
        label_buffers(BufferedGemm(**{**huge, "n": 2**31 - 1, "k": 2**31 - 1}, **rest), SMALL)


def test_traced_labels():
    batch = workloads(3, 50, 100)
    plain = label_buffers(batch, SMALL)
    with jax.enable_x64(True):
        traced = jax.jit(lambda w: label_buffers(w, SMALL))(batch)
    np.testing.assert_array_equal(traced.design_id, plain.design_id)
    np.testing.assert_array_equal(traced.cost, plain.cost)
    bad = jax.jit(
        lambda b: (
            label_buffers(
                BufferedGemm(
                    sram_budget_bytes=b,
                    m=1,
                    n=1,
                    k=1,
                    rows=1,
                    cols=1,
                    dataflow=0,
                    bandwidth_bytes_per_cycle=1,
                ),
                SMALL,
            ).design_id
        )
    )
    with jax.enable_x64(True):
        assert bad(np.array([3071, 3072])).tolist() == [-1, 0]


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("sram_budget_bytes", 3071, "sram_budget_bytes: 3071 is not allowed; .* 3072.."),
        ("bandwidth_bytes_per_cycle", 0, "bandwidth_bytes_per_cycle: 0 is not allowed"),
        ("dataflow", 3, "dataflow: 3 is not allowed; expected a whole number in 0..2"),
        ("m", 1.5, "m: 1.5 is not allowed"),
    ],
)
def test_bad_workloads_are_refused(field, value, message):
    batch = jax.tree.map(lambda x: x[:1], workloads(4, 1, 10))
    fields = {name: getattr(batch, name)[0] for name in FIELDS} | {field: value}
    with pytest.raises(ValueError, match=message):
        label_buffers(BufferedGemm(**fields), SMALL)


@pytest.mark.slow
def test_the_case_agrees_with_itself():
    case = BufferCase(objective=Objective.ENERGY, runtime_model=RuntimeModel.ISPASS2020)
    batch = np.asarray(jax.jit(case.sample, static_argnums=1)(jax.random.key(0), 64))
    for row, feature in zip(batch, case.features, strict=True):
        assert feature.low <= row.min()
        assert row.max() <= feature.high
    labels = case.exact(batch)
    ids = np.broadcast_to(np.arange(1000), (64, 1000))
    costs = case.costs(batch, ids)
    feasible = np.asarray(case.feasible(jnp.asarray(batch)))
    np.testing.assert_array_equal(feasible, case.space.levels.sum(1)[None, :] <= batch[0][:, None])
    masked = np.where(feasible, costs, np.iinfo(np.int64).max)
    np.testing.assert_array_equal(masked.argmin(1), labels.design_id)
    np.testing.assert_array_equal(masked.min(1), labels.cost)
    np.testing.assert_array_equal(case.label(jnp.asarray(batch)), labels.design_id)
    log_costs = np.asarray(jax.jit(case.log_costs)(jnp.asarray(batch)))
    assert (np.isfinite(log_costs) == feasible).all()
    np.testing.assert_allclose(log_costs[feasible], np.log(costs)[feasible], atol=5e-5)
    for chosen in case.heuristics(batch).values():
        assert feasible[np.arange(64), chosen].all()


def test_heuristics_by_hand():
    case = BufferCase()
    #                  budget  m  n  k  rows cols flow bandwidth
    batch = np.array([[9, 3000, 1000, 2000, 5, 5, 0, 8]]).T
    rules = case.heuristics(batch)
    chosen = {name: case.space.describe(int(ids[0])) for name, ids in rules.items()}
    # 6 steps beyond one each; operands of 6, 2 and 3 million bytes get 3.3, 1.1 and 1.6 of them.
    assert chosen == {
        "a third each": "300+300+300 KB",
        "in proportion to the operands": "400+200+200 KB",
    }


def test_layers_of_networks():
    context = BufferCase().contexts[0]
    gemms = Gemm(m=np.array([10, 20]), n=np.array([30, 40]), k=np.array([50, 60]))
    batch = BufferCase().from_gemms(gemms, context)
    assert context.name == "32x32 OS, 600 KB"
    assert batch.T.tolist() == [
        [6, 10, 30, 50, 5, 5, Dataflow.OS, 16],
        [6, 20, 40, 60, 5, 5, Dataflow.OS, 16],
    ]


def test_labels_with_the_package_as_the_judge():
    case = BufferCase(
        memory_model=MemoryModel.SCALESIM3, interface=Interface.PORTS, max_dim=300, max_bandwidth=8
    )
    batch = np.asarray(jax.jit(case.sample, static_argnums=1)(jax.random.key(1), 6))
    labels = case.exact(batch)
    sizes = case.space.decode(np.arange(1000))
    for column, design_id, cost in zip(batch.T, labels.design_id, labels.cost, strict=True):
        budget, m, n, k, row_exponent, col_exponent, dataflow, bandwidth = map(int, column)
        cycles = replay(
            Gemm(m=m, n=n, k=k),
            ArrayShape(rows=2**row_exponent, cols=2**col_exponent),
            dataflow,
            ifmap_sram_kb=sizes.ifmap_sram_bytes // 1024,
            filter_sram_kb=sizes.filter_sram_bytes // 1024,
            ofmap_sram_kb=sizes.ofmap_sram_bytes // 1024,
            bandwidth_words_per_cycle=bandwidth,
        ).total_cycles
        cycles = np.where(case.space.levels.sum(1) <= budget, cycles, np.iinfo(np.int64).max)
        assert (design_id, cost) == (cycles.argmin(), cycles.min())
    np.testing.assert_array_equal(case.label(jnp.asarray(batch)), labels.design_id)
    np.testing.assert_array_equal(case.costs(batch, labels.design_id), labels.cost)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"min_budget_kb": 200}, "SRAM budgets: 200..3000 KB is not allowed; .* takes 300 KB"),
        ({"max_budget_kb": 200}, "SRAM budgets"),
        ({"min_side_exponent": 9}, "side exponents: 9..8 is not allowed"),
        ({"max_bandwidth": 0}, "max_bandwidth: 0 is not allowed; expected 1..10000"),
        (
            {"memory_model": MemoryModel.SCALESIM3},
            "interface: shared is not allowed with memory_model scalesim3; expected ports",
        ),
    ],
)
def test_the_case_refuses(changes, message):
    with pytest.raises(ValueError, match=message):
        BufferCase(**changes)
