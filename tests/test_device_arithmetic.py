"""Devices without exact float64: found by a test of their arithmetic, and labelled in int64."""

import contextlib
import dataclasses
import functools

import jax
import jax.numpy as jnp
import lossy
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from airchitect_jax import (
    ArrayDataflowSpace,
    ArrayShape,
    BudgetedGemm,
    BufferedGemm,
    BufferSizes,
    BufferSpace,
    Dataflow,
    Gemm,
    Memory,
    Objective,
    ScheduleSpace,
    label,
    label_buffers,
    label_schedules,
)
from airchitect_jax._support import (
    device_arithmetic,
    float64_is_exact,
    map_chunks,
    on_exact_float64,
)
from airchitect_jax.cost import Platform, fold_cycles, ideal_costs, mapped_dims
from airchitect_jax.labelling import ArrayDataflowTask
from airchitect_jax.oracle import (
    array_cycles,
    array_dataflow,
    array_int64,
    buffers,
    label_exponents,
    schedules,
)
from airchitect_jax.oracle.batch import most_macs_of_energy

SHAPES = ArrayDataflowSpace(max_mac_exponent=5)
SIZINGS = BufferSpace(step_kb=1, num_levels=2)
ARRAYS = ScheduleSpace()
PLATFORM = Platform().with_memory(array_dataflow.DEFAULT_MEMORY)
ROWS = 48


@pytest.fixture
def plant(monkeypatch):
    yield functools.partial(lossy.plant, monkeypatch)
    monkeypatch.undo()
    device_arithmetic._tested.cache_clear()


def sizes_of(size):
    return BufferSizes(ifmap_sram_bytes=size, filter_sram_bytes=size, ofmap_sram_bytes=size)


def dims(seed, largest, count=3):
    """Log-uniform."""
    powers = np.random.default_rng(seed).uniform(0, np.log2(largest), (count, ROWS))
    return np.floor(2**powers).astype(np.int64)


def sizing_columns(seed, largest):
    rng = np.random.default_rng(seed)
    budgets = rng.integers(SIZINGS.smallest_bytes, 7 * SIZINGS.step_bytes, ROWS)
    sides = dims(seed + 1, min(largest, 2**20), 2)
    return [
        budgets,
        *dims(seed, largest),
        *sides,
        rng.integers(0, 3, ROWS),
        rng.integers(1, 99, ROWS),
    ]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Labeller:
    """A search in int64, columns for it by seed and largest dimension, and the public call."""

    in_int64: object
    in_python: object
    columns: object
    call: object


def array_labeller(objective):
    settings = {"space": SHAPES, "platform": PLATFORM, "objective": objective}
    return Labeller(
        in_int64=functools.partial(
            array_int64.label_in_int64, limits=array_dataflow.LIMITS, **settings
        ),
        in_python=functools.partial(array_dataflow.label_in_python, **settings),
        columns=lambda seed, largest: [
            np.random.default_rng(seed).integers(4, 40, ROWS),
            *dims(seed, largest),
        ],
        call=lambda columns: label(
            BudgetedGemm(**dict(zip(array_dataflow.LIMITS, columns, strict=True))),
            SHAPES,
            objective=objective,
        ),
    )


def sizing_labeller(objective):
    settings = {"space": SIZINGS, "platform": Platform(), "objective": objective}
    return Labeller(
        in_int64=functools.partial(buffers._in_int64, **settings),
        in_python=functools.partial(buffers.label_buffers_in_python, **settings),
        columns=sizing_columns,
        call=lambda columns: label_buffers(
            BufferedGemm(**dict(zip(buffers.buffer_limits(SIZINGS), columns, strict=True))),
            SIZINGS,
            objective=objective,
        ),
    )


def schedule_of(columns):
    m, n, k = (jnp.stack(columns[place::3]) for place in range(3))
    return label_schedules(Gemm(m=m, n=n, k=k), ARRAYS)


SCHEDULES = Labeller(
    in_int64=functools.partial(
        schedules._search, space=ARRAYS, platform=Platform(), kind=jnp.int64
    ),
    in_python=functools.partial(
        schedules.label_schedule_in_python, space=ARRAYS, platform=Platform()
    ),
    columns=lambda seed, largest: list(dims(seed, largest, 12)),
    call=schedule_of,
)
LABELLERS = {
    **{f"label, {one.value}": array_labeller(one) for one in Objective},
    **{f"label_buffers, {one.value}": sizing_labeller(one) for one in Objective},
    "label_schedules": SCHEDULES,
}
IN_INT64 = [name for name in LABELLERS if Objective.EDP.value not in name]


def expected(labeller, columns):
    return [labeller.in_python(*map(int, row)) for row in zip(*columns, strict=True)]


def pairs(labels):
    return list(zip(labels.design_id.tolist(), labels.cost.tolist(), strict=True))


def test_this_device_is_exact():
    assert float64_is_exact()
    assert isinstance(on_exact_float64(), contextlib.nullcontext)


@pytest.mark.parametrize("bits", [53, 52, 49, 48, 24])
def test_lost_bits_are_found(plant, bits):
    plant(floats=lossy.with_floats_of(bits))
    assert not float64_is_exact()  # 53 bits with the range of float32 are not enough either


def without(program):
    def run(*args):
        raise jax.errors.JaxRuntimeError("UNIMPLEMENTED: no such type")

    return run


def test_a_device_without_a_type(plant):
    plant(floats=without)
    assert not float64_is_exact()
    plant(integers=without)
    with pytest.raises(RuntimeError, match=r"^int64 .* cpu cannot be tested: UNIMPLEMENTED: no su"):
        float64_is_exact()


def test_the_answer_holds_while_tracing(plant):
    plant(floats=lossy.with_floats_of(48))
    answers = []
    jax.jit(lambda x: answers.append(float64_is_exact()))(1)
    device_arithmetic._tested.cache_clear()
    jax.vmap(lambda x: answers.append(float64_is_exact()))(np.arange(2))
    assert answers == [False, False]


@pytest.mark.parametrize("bits", [48, 24])
@pytest.mark.parametrize("name", LABELLERS)
def test_labels_are_exact_all_the_same(plant, name, bits):
    plant(floats=lossy.with_floats_of(bits))
    labeller = LABELLERS[name]
    columns = labeller.columns(7, 10_000)
    assert pairs(labeller.call(columns)) == expected(labeller, columns)


@pytest.mark.parametrize("name", IN_INT64)
def test_searches_in_int64_are_exact_or_say_that_they_are_not(name):
    labeller = LABELLERS[name]
    costs = []
    for seed, largest in enumerate((9, 10**4, 2**18, 2**31 - 1)):
        columns = labeller.columns(seed, largest)
        with jax.enable_x64(True):
            labels, valid = map_chunks(labeller.in_int64, columns)
        assert valid.all()
        for row, found in enumerate(pairs(labels)):
            if found[0] >= 0:
                assert found == labeller.in_python(*(int(column[row]) for column in columns))
                costs.append(found[1])
            else:
                assert found == (-1, -1)
    assert 2 * ROWS < len(costs) < 4 * ROWS
    assert max(costs) > 2**40


@pytest.mark.parametrize("name", IN_INT64)
def test_searches_in_int64_have_no_float64(name):
    labeller = LABELLERS[name]
    with jax.enable_x64(True):
        program = str(jax.make_jaxpr(labeller.in_int64)(labeller.columns(0, 9)))
    assert "i64" in program
    assert "f64" not in program


sides = st.one_of(st.integers(1, 9), st.integers(1, 5000), st.sampled_from([2**30, 2**31 - 1]))


@given(st.tuples(*[sides] * 5), st.sampled_from(Dataflow), st.integers(1, 99), st.integers(1, 8))
@example((2**31 - 1, 1, 1, 2**31 - 1, 1), Dataflow.OS, 1, 1)
@settings(max_examples=100)
def test_bounds_of_costs_hold(sizes, dataflow, bandwidth, width):
    m, n, k, rows, cols = sizes
    gemm, array, buffers = Gemm(m=m, n=n, k=k), ArrayShape(rows=rows, cols=cols), sizes_of(1024)
    memory = Memory(buffers=buffers, bandwidth_bytes_per_cycle=bandwidth, element_bytes=width)
    platform = Platform(element_bytes=width)
    table = platform.energy_table
    prices = table.of_buffers(buffers).in_python()
    costs = ideal_costs(gemm, array, dataflow, memory, platform, prices)
    s_r, s_c, t = mapped_dims(gemm, dataflow)
    fold = fold_cycles(array, t, dataflow, platform.runtime_model)
    folds = -(-s_r // rows) * -(-s_c // cols)
    # Case study 1: `array_int64._most_macs`.
    assert folds * fold <= 4 * m * n * k + 3 * max(rows, cols) * max(s_r, s_c)
    # Case study 2: `buffer_int64.cheapest_in_int64`.
    most_busy = folds * fold * bandwidth + 16 * width * m * n * k
    assert (costs.total_cycles - 1) * bandwidth < most_busy
    # Energies: `most_macs_of_energy`.
    price = max(jax.tree.leaves(prices))
    assert costs.energy_fj * most_macs_of_energy(table, price, width) <= 2**62 * m * n * k


@pytest.mark.slow
def test_the_search_in_float64_needs_exact_float64():
    labeller = LABELLERS["label, cycles"]
    budgets, *others = labeller.columns(7, 10_000)
    exponents = np.log2(budgets).astype(np.int32)
    columns = [exponents, *(column.astype(np.int32) for column in others)]

    def search(*columns):
        best = array_cycles.packed_minimum(*columns, space=SHAPES, platform=PLATFORM)
        return array_cycles.unpack(best, SHAPES, PLATFORM)

    right = expected(labeller, [budgets, *others])
    with jax.enable_x64(True):
        assert pairs(jax.jit(search)(*columns)) == right
        assert pairs(jax.jit(lossy.with_floats_of(24)(search))(*columns)) != right


@pytest.mark.parametrize("name", IN_INT64)
def test_without_exact_int64_labels_are_refused(plant, name):
    plant(floats=lossy.with_floats_of(48), integers=lossy.with_integers_of_53_bits)
    labeller = LABELLERS[name]
    with pytest.raises(
        RuntimeError, match=r"^int64 arithmetic on cpu is not exact; expected another default dev"
    ):
        labeller.call(labeller.columns(0, 9))


@pytest.mark.slow
def test_traced_labels_are_exact(plant):
    plant(floats=lossy.with_floats_of(24))
    labeller = LABELLERS["label_schedules"]
    columns = labeller.columns(8, 10_000)
    with jax.enable_x64(True):
        traced = jax.jit(labeller.call)(columns)
    assert pairs(traced) == expected(labeller, columns)


def test_design_ids_on_the_device_are_exact(plant):
    plant(floats=lossy.with_floats_of(48))
    labeller = LABELLERS["label, cycles"]
    budgets, *others = labeller.columns(9, 10_000)
    exponents = jnp.asarray(np.log2(budgets), jnp.int32)
    columns = [exponents, *(jnp.asarray(column, jnp.int32) for column in others)]
    found = label_exponents(*columns, space=SHAPES, platform=PLATFORM)
    assert found.tolist() == [label_id for label_id, _ in expected(labeller, [budgets, *others])]


@pytest.mark.slow
def test_ranks_are_exact(plant):
    task = ArrayDataflowTask(space=SHAPES, topk=3, runner_up=True)
    columns = LABELLERS["label, cycles"].columns(10, 10_000)
    right, valid = jax.device_get(task.compute(columns))
    assert valid.all()
    assert not task.inexact(right).any()
    plant(floats=lossy.with_floats_of(48))
    found, _ = jax.tree.map(np.array, task.compute(columns))
    assert task.inexact(found).all()
    task.retry(found, columns)
    jax.tree.map(np.testing.assert_array_equal, found, right)


def test_searches_that_have_only_float64_go_to_the_cpu(plant, monkeypatch):
    plant(floats=lossy.with_floats_of(48))
    with on_exact_float64():
        assert jax.config.jax_default_device.platform == "cpu"

    def no_cpu(backend=None):
        raise RuntimeError(f"Unknown backend {backend}")

    monkeypatch.setattr(jax, "local_devices", no_cpu)
    with pytest.raises(RuntimeError, match=r"^float64 arithmetic on cpu is not exact; .*,cpu$"):
        on_exact_float64()
