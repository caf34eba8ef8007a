"""Costs with the dataflows stacked: equal to those of each dataflow, in float64 exactly."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from airchitect_jax import BufferSizes, Dataflow, EnergyTable, Gemm, Interface, Memory, RuntimeModel
from airchitect_jax.cost import Platform, arithmetic, by_dataflow, compute, energy, memory
from airchitect_jax.types import ArrayShape

COUNT = 200


def whole_numbers(seed):
    """GEMMs, arrays and memories of whole numbers, small ones often."""
    draw = np.random.default_rng(seed)

    def sizes(largest, smallest=1):
        return np.exp2(draw.uniform(np.log2(smallest), np.log2(largest), COUNT)).astype(np.int64)

    buffers = BufferSizes(
        ifmap_sram_bytes=sizes(1e6, 2),
        filter_sram_bytes=sizes(1e6, 2),
        ofmap_sram_bytes=sizes(1e6, 2),
    )
    return (
        Gemm(m=sizes(5000), n=sizes(5000), k=sizes(5000)),
        ArrayShape(rows=sizes(300), cols=sizes(300)),
        Memory(buffers=buffers, bandwidth_bytes_per_cycle=sizes(200), element_bytes=sizes(5)),
    )


def one_by_one(function, gemm, array, place):
    """By dataflow, of Python integers."""
    rows = []
    for i in range(COUNT):
        at = [jax.tree.map(lambda x, i=i: int(x[i]), part) for part in (gemm, array, place)]
        rows.append([function(*at, flow) for flow in Dataflow])
    return np.array(rows)


def stacked(function, *parts):
    with jax.enable_x64(True):
        floats = jax.tree.map(lambda x: jnp.asarray(x, jnp.float64), parts)
        return np.asarray(jax.vmap(function)(*floats))


@pytest.mark.parametrize("model", RuntimeModel)
def test_compute_cycles(model):
    parts, platform = whole_numbers(0), Platform(runtime_model=model)
    result = stacked(lambda g, a, _: by_dataflow.compute_cycles(g, a, platform), *parts)
    expected = one_by_one(lambda g, a, _, flow: compute.compute_cycles(g, a, flow, model), *parts)
    np.testing.assert_array_equal(result, expected)


@pytest.mark.parametrize("model", RuntimeModel)
@pytest.mark.parametrize("interface", Interface)
def test_total_cycles(model, interface):
    def expected(gemm, array, place, flow):
        folds = memory.tiling_of(gemm, array, flow, place.element_bytes, model)
        bandwidth = place.bandwidth_bytes_per_cycle
        return memory.total_cycles(folds, place.buffers, flow, bandwidth, interface)

    parts, platform = whole_numbers(1), Platform(runtime_model=model, interface=interface)
    result = stacked(lambda *p: by_dataflow.total_cycles(*p, platform), *parts)
    np.testing.assert_array_equal(result, one_by_one(expected, *parts))


def test_energy():
    table, model = EnergyTable(), RuntimeModel.SCALESIM
    gemm, array, place = whole_numbers(2)
    prices = table.of_buffers(place.buffers)

    def expected(gemm, array, both, flow):
        place, prices = both
        folds = memory.tiling_of(gemm, array, flow, place.element_bytes, model)
        moved = memory.traffic(folds, place.buffers, flow)
        return energy.energy_fj(gemm, moved, place, table, prices)

    def result(gemm, array, both):
        return by_dataflow.energy_fj(gemm, array, both[0], Platform(), both[1])

    parts = gemm, array, (place, prices)
    exact = one_by_one(expected, *parts)
    small = exact < 2**53
    assert small.mean() > 0.9
    np.testing.assert_array_equal(stacked(result, *parts)[small], exact[small])


def test_floats_divide_exactly_where_one_divisor_serves_many():
    """XLA multiplies by the divisor's rounded reciprocal there."""
    rng = np.random.default_rng(0)
    quotients = rng.integers(1, 2**30, (3, 20_000))
    with jax.enable_x64(True):
        for divisor in (3, 49, 93, 187):
            dividends = jnp.asarray(quotients * divisor, jnp.float64)

            def both(a, b):
                return arithmetic.floor_div(a, b), arithmetic.ceil_div(a, b)

            over_many = jax.jit(jax.vmap(both, in_axes=(0, None)))
            whole = over_many(dividends[0], jnp.float64(divisor))
            more = over_many(dividends[1] + 1, jnp.float64(divisor))
            less = over_many(dividends[2] - 1, jnp.float64(divisor))
            for found, expected in (
                (whole, (quotients[0], quotients[0])),
                (more, (quotients[1], quotients[1] + 1)),
                (less, (quotients[2] - 1, quotients[2])),
            ):
                np.testing.assert_array_equal(found[0], expected[0])
                np.testing.assert_array_equal(found[1], expected[1])
