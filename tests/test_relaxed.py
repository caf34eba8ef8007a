"""The relaxed cost model: exact in the limit, positive, with slopes everywhere that are right."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads

from airchitect_jax import BufferSizes, Gemm, Interface, Memory, RuntimeModel
from airchitect_jax.cost import (
    Platform,
    Relaxation,
    RelaxedArray,
    SramPrices,
    by_dataflow,
    schedule,
    sensitivity,
)
from airchitect_jax.types import ArrayShape

COSTS = ["compute_cycles", "total_cycles", "stall_cycles", "energy_fj"]
# m, n, k, rows, cols, ifmap, filter, ofmap SRAM, bandwidth, width: what a step may trip over.
EDGES = [
    (1, 1, 1, 2, 2, 2, 2, 2, 1, 1),
    (64, 64, 64, 16, 16, 4096, 4096, 4096, 10, 1),  # divides, fits exactly twice over
    (3, 5, 7, 256, 256, 1e9, 1e9, 1e9, 100, 1),  # an array and buffers larger than all
    (3000, 2000, 1000, 2, 512, 2, 2, 2, 3, 2),  # hardly any buffers
    (1, 3000, 1, 4, 4, 100, 1e6, 100, 1, 4),
    (10000, 10000, 10000, 8, 4, 1e6, 10, 1e4, 50, 1),
    (17, 16, 15, 16, 16, 480, 512, 544, 7, 1),
]


def split(numbers, dataflow=(1 / 3, 1 / 3, 1 / 3)):
    """The GEMM, relaxed array and memory of a row of numbers such as in `EDGES`."""
    m, n, k, rows, cols, ifmap, filter_, ofmap, bandwidth, width = numbers
    buffers = BufferSizes(ifmap_sram_bytes=ifmap, filter_sram_bytes=filter_, ofmap_sram_bytes=ofmap)
    return (
        Gemm(m=m, n=n, k=k),
        RelaxedArray(
            log2_rows=jnp.log2(rows),
            log2_cols=jnp.log2(cols),
            dataflow=jnp.asarray(dataflow, m.dtype),
        ),
        Memory(buffers=buffers, bandwidth_bytes_per_cycle=bandwidth, element_bytes=width),
    )


def relaxed(cost, numbers, temperature, dataflow=(1 / 3, 1 / 3, 1 / 3), **options):
    gemm, array, memory = split(numbers, dataflow)
    function = getattr(Relaxation(temperature=temperature, platform=Platform(**options)), cost)
    return function(gemm, array) if cost == "compute_cycles" else function(gemm, array, memory)


def exact(cost, numbers, dataflow=(1 / 3, 1 / 3, 1 / 3), **options):
    """The exact model; energy with the exact prices."""
    gemm, _, memory = split(numbers, dataflow)
    array = ArrayShape(rows=numbers[3], cols=numbers[4])
    platform = Platform(**options)
    compute = by_dataflow.compute_cycles(gemm, array, platform)
    total = by_dataflow.total_cycles(gemm, array, memory, platform)
    match cost:
        case "compute_cycles":
            costs = compute
        case "total_cycles":
            costs = total
        case "stall_cycles":
            costs = total - compute
        case "energy_fj":
            table, names = platform.energy_table, ("ifmap", "filter", "ofmap")
            scales = {
                name: getattr(memory.buffers, f"{name}_sram_bytes") / table.sram_reference_bytes
                for name in names
            }
            prices = SramPrices(
                **{
                    f"{name}_fj_per_byte": jnp.round(
                        table.sram_pj_per_byte * 1000 * scale**table.sram_exponent
                    )
                    for name, scale in scales.items()
                }
            )
            costs = by_dataflow.energy_fj(gemm, array, memory, platform, prices)
    return jnp.asarray(dataflow, costs.dtype) @ costs


def designs(seed, count):
    """Random rows of numbers such as in `EDGES`."""
    draw = np.random.default_rng(seed)
    dims = np.exp(draw.uniform(0, np.log(3000), (count, 3))).astype(int)
    sides = 2 ** draw.integers(1, 9, (count, 2))
    srams = np.exp(draw.uniform(np.log(2), np.log(1e6), (count, 3))).astype(int)
    rest = np.stack([draw.integers(1, 100, count), draw.choice([1, 2, 4], count)], axis=1)
    return np.concatenate([dims, sides, srams, rest], axis=1).astype(float)


def crossed(rows, temperatures, dtype):
    """Each row at each temperature: columns of the rows, and the temperatures, as one batch."""
    numbers = np.repeat(rows, len(temperatures), axis=0)
    batch = np.tile(temperatures, len(rows))
    return tuple(jnp.asarray(x, dtype) for x in numbers.T), jnp.asarray(batch, dtype)


@pytest.mark.parametrize("cost", COSTS)
@pytest.mark.parametrize(
    "settings",
    [{}, {"interface": Interface.PORTS, "runtime_model": RuntimeModel.ISPASS2020}],
    ids=["default", "ports"],
)
def test_exact_in_the_limit(cost, settings):
    rows = np.concatenate([np.array(EDGES), designs(0, 60)])
    temperatures = [1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-7]
    with jax.enable_x64(True):
        numbers, batch = crossed(rows, temperatures, "float64")
        expected = jax.vmap(functools.partial(exact, cost, **settings))(numbers)
        # Stalls are a difference, and as good as what they are a difference of.
        scale = expected
        if cost == "stall_cycles":
            scale = jax.vmap(functools.partial(exact, "total_cycles", **settings))(numbers)
        found = jax.vmap(functools.partial(relaxed, cost, **settings))(numbers, batch)
        errors = np.asarray(abs(found - expected) / jnp.maximum(scale, 1))
    errors = errors.reshape(len(rows), len(temperatures))
    means = errors.mean(axis=0)
    assert (np.diff(means) < 0).all(), means
    assert means[0] < 0.2
    assert means[2] < 0.02
    assert errors[:, -1].max() < 1e-4


def test_makespan_is_exact_in_the_limit():
    draw = np.random.default_rng(0)
    cycles = draw.integers(1, 10_000, (4, 4, 3)).astype(float)
    order, flows = np.array([2, 0, 3, 1]), np.array([0, 2, 2, 1])
    expected = schedule.makespan([cycles[w, a, flows[a]] for a, w in enumerate(order)])
    with jax.enable_x64(True):
        arguments = jnp.asarray(cycles), jnp.eye(4)[order], jnp.eye(3)[flows]
        makespan = jax.jit(lambda t, *x: Relaxation(temperature=t).makespan(*x))
        errors = [
            float(makespan(t, *arguments)) / expected - 1 for t in (1.0, 1e-1, 1e-2, 1e-3, 1e-7)
        ]
        assert errors == sorted(errors, reverse=True)  # from above: a mean of maxima
        assert -1e-12 < errors[-1] < 1e-6
        at_a_tenth = functools.partial(makespan, 0.1)
        check_grads(at_a_tenth, arguments, order=1, rtol=1e-6)
        tied = jnp.ones((4, 4, 3)), jnp.full((4, 4), 0.25), jnp.full((4, 3), 1 / 3)
        slopes = jax.jit(jax.grad(at_a_tenth, argnums=(0, 1, 2)))(*tied)
        assert all(np.isfinite(slope).all() for slope in slopes)
        assert (slopes[1] > 0).all()  # every array has a slope, not the last alone


@pytest.mark.parametrize("cost", ["compute_cycles", "total_cycles", "energy_fj"])
def test_costs_are_positive(cost):
    numbers, batch = crossed(designs(1, 1000), [1e-6, 1e-2, 0.1, 0.5, 1.0], "float32")
    function = jax.vmap(functools.partial(relaxed, cost), (0, 0, None))
    for flow in np.eye(3, dtype=np.float32):
        assert (function(numbers, batch, flow) > 0).all()


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("cost", ["compute_cycles", "total_cycles", "energy_fj"])
def test_slopes_are_finite_at_every_edge(cost, dtype):
    rows = np.repeat(np.array(EDGES), 2, axis=0)
    flows = np.tile([[1 / 3, 1 / 3, 1 / 3], [0, 1, 0]], (len(EDGES), 1))
    with jax.enable_x64(dtype == "float64"):
        numbers, batch = crossed(rows, [1e-6, 1e-3, 0.1, 1.0], dtype)
        function = jax.value_and_grad(functools.partial(relaxed, cost), argnums=(0, 1, 2))
        found = jax.vmap(function)(numbers, batch, jnp.asarray(flows.repeat(4, axis=0), dtype))
        assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(found))


@pytest.mark.parametrize(
    "cost",
    [pytest.param(c, marks=[] if c == "compute_cycles" else pytest.mark.slow) for c in COSTS],
)
def test_slopes_are_those_of_finite_differences(cost):
    rows = [(50, 70, 90, 16, 8, 1000, 2000, 1500, 7, 1), (13, 300, 9, 8, 32, 90, 400, 64, 3, 2)]

    @jax.jit
    def value(numbers, flow):
        # By parts, so that slopes of unlike sizes are told apart: in logarithms.
        return jnp.log(relaxed(cost, jax.tree.map(jnp.exp, numbers), 0.1, flow))

    for row in rows:
        with jax.enable_x64(True):
            logs = tuple(jnp.log(jnp.asarray(number, jnp.float64)) for number in row)
            flow = jnp.array([0.2, 0.5, 0.3])
            # A step so small that it does not average over the last ripple of the final ceiling.
            check_grads(value, (logs, flow), order=1, modes=["rev"], eps=1e-7, rtol=1e-3, atol=1e-5)


@pytest.mark.slow
def test_vmap_over_workloads_and_starts_is_one_by_one():
    rows = designs(2, 3)

    def value(gemm, design):
        return relaxed("total_cycles", (*gemm, *design), 0.1)

    with jax.enable_x64(True):
        columns = [jnp.asarray(column) for column in rows.T]
        gemms, starts = tuple(columns[:3]), tuple(columns[3:])
        table = jax.vmap(jax.vmap(value, (None, 0)), (0, None))(gemms, starts)
        assert table.shape == (3, 3)
        for i, j in np.ndindex(3, 3):
            one = value(tuple(x[i] for x in gemms), tuple(x[j] for x in starts))
            np.testing.assert_allclose(table[i, j], one, rtol=1e-10)


def test_sensitivity_of_a_long_gemm_on_a_small_array():
    # OS, (m / 4) (n / 4) (k + 6) cycles: all but proportional to each of the dimensions.
    array = RelaxedArray(log2_rows=2.0, log2_cols=2.0, dataflow=jnp.array([1.0, 0, 0]))
    gemm = Gemm(m=4000.0, n=4000.0, k=6000.0)
    result = sensitivity(lambda g: Relaxation(temperature=0.1).compute_cycles(g, array), gemm)
    np.testing.assert_allclose(result.k, 6000 / 6006, rtol=1e-3)
    np.testing.assert_allclose([result.m, result.n], 1, rtol=1e-2)


def test_sensitivity_of_a_short_gemm_on_a_large_array():
    # OS, one fold of 128 + 128 + k - 2 cycles: more rows or columns of work are free.
    array = RelaxedArray(log2_rows=7.0, log2_cols=7.0, dataflow=jnp.array([1.0, 0, 0]))
    gemm = Gemm(m=16.0, n=16.0, k=10.0)
    result = sensitivity(lambda g: Relaxation(temperature=0.05).compute_cycles(g, array), gemm)
    np.testing.assert_allclose(result.k, 10 / 263, rtol=1e-2)
    np.testing.assert_allclose([result.m, result.n], 0, atol=1e-3)
