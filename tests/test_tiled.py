"""The TILED model: hand-worked cases, a step-by-step reference, batches, slopes, energy."""

import dataclasses
from fractions import Fraction

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tiled_reference
from hypothesis import given, settings
from hypothesis import strategies as st

from airchitect_jax.cost import (
    CostTerm,
    MachinePrices,
    Platform,
    Soft,
    Widths,
    evaluate_mappings,
    mapping_fits,
    tiled_costs,
    tiled_energy_fj,
)
from airchitect_jax.types import (
    BufferSizes,
    Dataflow,
    Gemm,
    Hardware,
    LoopOrder,
    Mapping,
    RuntimeModel,
    Scratchpad,
)

OPERANDS = ("ifmap", "filter", "ofmap")
SRAMS = BufferSizes(ifmap_sram_bytes=64, filter_sram_bytes=64, ofmap_sram_bytes=256)
BYTES = Widths(input_bits=8, weight_bits=8, accumulator_bits=32, output_bits=8)


def machine(rows=2, cols=2, bandwidth=(1, 1), memory=SRAMS, num_cores=64):
    return Hardware(
        rows=rows,
        cols=cols,
        num_cores=num_cores,
        memory=memory,
        bandwidth_bytes=bandwidth[0],
        bandwidth_cycles=bandwidth[1],
    )


def mapping(order, dataflow, tiles, cores=(1, 1, 1)):
    return Mapping(
        dataflow=dataflow,
        order=order,
        **dict(zip(("tile_m", "tile_n", "tile_k"), tiles, strict=True)),
        **dict(zip(("cores_m", "cores_n", "cores_k"), cores, strict=True)),
    )


def by_hand(order, dataflow=Dataflow.OS, tiles=(2, 2, 3), cores=(1, 1, 1), **hardware):
    gemm = Gemm(m=4, n=4, k=6)
    return tiled_costs(
        gemm, mapping(order, dataflow, tiles, cores), machine(**hardware), Platform(widths=BYTES)
    )


def test_outputs_stay_while_k_is_summed():
    # 2 x 2 x 2 steps of 2 + 2 + 3 - 2 = 5 cycles; a block of A or B has 6 bytes. Order m, n, k:
    # each step brings both (12 bytes), and every second takes the 4 bytes of the block before.
    # Fill 12; slots: 0 to 6 bring 12, of which 2, 4 and 6 take 4; the last brings none; drain 4.
    costs = by_hand(LoopOrder.MNK)
    assert costs.total_cycles == 12 + 4 * 12 + 3 * 16 + 5 + 4
    assert costs.compute_cycles == 8 * 5 - 1
    assert costs.traffic.ifmap_dram_read_bytes == costs.traffic.filter_dram_read_bytes == 48
    assert costs.traffic.ofmap_dram_read_bytes == 0
    assert costs.traffic.ofmap_dram_write_bytes == 16
    # A core writes its outputs in each step, reads them in the second to add, and once to send.
    assert costs.traffic.ofmap_sram_writes == 32
    assert costs.traffic.ofmap_sram_reads == 32


def test_partial_sums_leave_and_return():
    # Order k, m, n: the blocks of A stay for two steps. Partial sums of 16 bytes leave in the first
    # half and return in the second; outputs of 4 bytes leave.
    # Slots bring B 6, and A 6 with every second; C 16 from step 4 on. Slot s takes step s - 1.
    brought = [12, 6, 12, 6, 28, 22, 28, 22]
    taken = [16] * 4 + [4] * 4
    slots = [b + t for b, t in zip([*brought[1:], 0], [0, *taken[:-1]], strict=True)]
    costs = by_hand(LoopOrder.KMN)
    assert costs.total_cycles == brought[0] + sum(max(5, slot) for slot in slots) + taken[-1]
    assert costs.traffic.ifmap_dram_read_bytes == 24
    assert costs.traffic.filter_dram_read_bytes == 48
    assert costs.traffic.ofmap_dram_read_bytes == 64
    assert costs.traffic.ofmap_dram_write_bytes == 64 + 16


def test_cores_share_what_comes():
    # Two cores along n: 2 x 1 x 2 steps that bring A 6 and B 12 bytes.
    costs = by_hand(LoopOrder.MNK, cores=(1, 2, 1))
    assert costs.total_cycles == 18 + 18 + 18 + (18 + 8) + 5 + 8
    assert costs.compute_cycles == 4 * 5 - 1
    assert costs.traffic.ifmap_dram_read_bytes == 24
    assert costs.traffic.ifmap_sram_writes == 2 * 24
    assert costs.traffic.ifmap_sram_reads == 2 * 24


def test_a_fraction_of_a_byte_per_cycle():
    # 3 bytes in 7 cycles: fill ceil(12 * 7 / 3), drain ceil(4 * 7 / 3), slots of 12 and 16 bytes.
    costs = by_hand(LoopOrder.MNK, bandwidth=(3, 7))
    assert costs.total_cycles == 28 + 4 * 28 + 3 * 38 + 5 + 10


sizes = st.one_of(st.integers(1, 5), st.integers(1, 14))


@settings(max_examples=300)
@given(
    dims=st.tuples(sizes, sizes, sizes),
    tiles=st.tuples(*[st.integers(1, 6)] * 3),
    cores=st.tuples(*[st.sampled_from([1, 1, 2, 3])] * 3),
    order=st.sampled_from(LoopOrder),
    flow=st.sampled_from(Dataflow),
    array=st.tuples(*[st.integers(1, 4)] * 2),
    bandwidth=st.tuples(st.sampled_from([1, 2, 7, 50]), st.sampled_from([1, 3, 10])),
    bits=st.tuples(*[st.sampled_from([4, 8, 16, 32])] * 4),
    model=st.sampled_from(RuntimeModel),
)
def test_equals_the_reference(dims, tiles, cores, order, flow, array, bandwidth, bits, model):
    by_dim = [dict(zip("mnk", values, strict=True)) for values in (dims, tiles, cores)]
    kinds = ("input", "weight", "accumulator", "output")
    expected = tiled_reference.tiled(
        *by_dim,
        order.name.lower(),
        flow.name,
        array,
        Fraction(*bandwidth),
        dict(zip(kinds, bits, strict=True)),
        offset=1 if model is RuntimeModel.SCALESIM else 0,
        passes=None if model is RuntimeModel.SCALESIM else 2,
    )
    widths = Widths(**{f"{kind}_bits": own for kind, own in zip(kinds, bits, strict=True)})
    costs = tiled_costs(
        Gemm(m=dims[0], n=dims[1], k=dims[2]),
        mapping(order, flow, tiles, cores),
        machine(*array, bandwidth),
        Platform(widths=widths, runtime_model=model),
    )
    assert figures(costs) == figures_of_reference(*expected)


def figures(costs):
    moved = costs.traffic
    return {
        "compute": costs.compute_cycles,
        "total": costs.total_cycles,
        **{(x, "read"): getattr(moved, f"{x}_sram_reads") for x in OPERANDS},
        **{(x, "write"): getattr(moved, f"{x}_sram_writes") for x in OPERANDS},
        "ifmap": moved.ifmap_dram_read_bytes,
        "filter": moved.filter_dram_read_bytes,
        "partial sums": moved.ofmap_dram_read_bytes,
        "outputs": moved.ofmap_dram_write_bytes,
    }


def figures_of_reference(compute, total, sram, dram):
    return {
        "compute": compute,
        "total": total,
        **{(x, way): sram[x, way] for x in OPERANDS for way in ("read", "write")},
        "ifmap": -(-dram["ifmap", "read"] // 8),
        "filter": -(-dram["filter", "read"] // 8),
        "partial sums": -(-dram["ofmap", "read"] // 8),
        "outputs": -(-dram["ofmap", "write"] // 8),
    }


PRICES = MachinePrices(230, 1250, 1300, 1400, 162_500, 0, 5000)


def random_batch(seed, count):
    """GEMMs, mappings and machines with arrays in all fields."""
    draw = np.random.default_rng(seed)

    def whole(low, high):
        return draw.integers(low, high + 1, count)

    gemms = Gemm(m=whole(1, 40), n=whole(1, 40), k=whole(1, 40))
    mappings = mapping(
        whole(0, 5),
        whole(0, 2),
        (whole(1, 9), whole(1, 9), whole(1, 9)),
        (whole(1, 3), whole(1, 2), whole(1, 2)),
    )
    memory = Scratchpad(scratchpad_bytes=whole(300, 999), accumulator_bytes=whole(700, 999))
    machines = machine(whole(1, 6), whole(1, 6), (whole(1, 50), whole(1, 10)), memory)
    return gemms, mappings, machines


def row_of(tree, row):
    """One row of a batch in Python integers."""
    return jax.tree.map(lambda field: int(field[row]) if np.ndim(field) else field, tree)


TERM = CostTerm(
    name="start",
    cycles=lambda gemm, array, flow: 3 * (1 + flow) + gemm.m,
    energy_fj=lambda gemm, array, flow: array.rows * (2 - flow),
)


def test_batches_equal_single_mappings():
    gemms, mappings, machines = random_batch(0, 200)
    platform = Platform(terms=(TERM,))
    report = evaluate_mappings(gemms, mappings, machines, platform, PRICES)
    for row in range(200):
        gemm, own, hardware = (row_of(tree, row) for tree in (gemms, mappings, machines))
        costs = tiled_costs(gemm, own, hardware, platform)
        energy = tiled_energy_fj(gemm, costs, platform, PRICES)
        assert costs.traffic == row_of(report.traffic, row)
        expected = (costs.compute_cycles, costs.total_cycles, energy)
        assert all(type(value) is int for value in jax.tree.leaves((costs, energy)))
        own = (report.compute_cycles, report.total_cycles, report.energy_fj)
        assert tuple(field[row] for field in own) == expected
        busy = gemm.m * gemm.n * gemm.k / (hardware.rows * hardware.cols * 64)
        assert report.overall_utilization[row] == pytest.approx(busy / costs.total_cycles)


def test_traced_integers_and_floats_are_exact():
    gemms, mappings, machines = random_batch(1, 300)
    platform = Platform()
    expected = tiled_costs(gemms, mappings, machines, platform)
    traced = jax.jit(lambda *given: tiled_costs(*given, platform))
    with jax.enable_x64(True):
        for as_dtype in (jnp.int64, jnp.float64):
            gemm, own, hardware = jax.tree.map(as_dtype, (gemms, mappings, machines))
            own = dataclasses.replace(own, order=mappings.order, dataflow=mappings.dataflow)
            result = traced(gemm, own, hardware)
            jax.tree.map(np.testing.assert_array_equal, result, expected)


def test_energy_counts_every_event():
    costs = by_hand(LoopOrder.MNK)
    moved, gemm = costs.traffic, Gemm(m=4, n=4, k=6)
    energy = tiled_energy_fj(gemm, costs, Platform(widths=BYTES), PRICES)
    assert energy == (
        96 * 230
        + (moved.ifmap_sram_reads + moved.ifmap_sram_writes) * 1250
        + (moved.filter_sram_reads + moved.filter_sram_writes) * 1300
        + (moved.ofmap_sram_reads + moved.ofmap_sram_writes) * 4 * 1400
        + (48 + 48 + 16) * 162_500
        + costs.total_cycles * 5000
    )


def test_terms_come_on_top():
    costs = tiled_costs(
        Gemm(m=4, n=4, k=6),
        mapping(LoopOrder.MNK, Dataflow.OS, (2, 2, 3)),
        machine(),
        Platform(widths=BYTES, terms=(TERM,)),
    )
    plain = by_hand(LoopOrder.MNK)
    assert costs.total_cycles - plain.total_cycles == 3 + 4
    assert costs.compute_cycles - plain.compute_cycles == 3 + 4
    assert costs.extra_energy_fj == 2 * 2


@pytest.mark.parametrize("memory", ["operands", "scratchpad"])
def test_tiles_fit_into_working_halves(memory):
    tiles, platform = (3, 5, 7), Platform(widths=Widths(input_bits=4, weight_bits=16))
    bits = (3 * 7 * 4, 7 * 5 * 16, 3 * 5 * 32)
    halves = bits if memory == "operands" else (bits[0] + bits[1], bits[2])
    least = [2 * -(-size // 8) for size in halves]

    def fits(sizes, num_cores):
        names = ("scratchpad_bytes", "accumulator_bytes")
        if memory == "operands":
            names = tuple(f"{operand}_sram_bytes" for operand in OPERANDS)
        kind = BufferSizes if memory == "operands" else Scratchpad
        own = kind(**dict(zip(names, sizes, strict=True)))
        cores = mapping(LoopOrder.MNK, Dataflow.OS, tiles, (2, 1, 3))
        return mapping_fits(cores, machine(memory=own, num_cores=num_cores), platform)

    assert fits(least, 6)
    assert not fits(least, 5)
    for number in range(len(least)):
        assert not fits([x - (place == number) for place, x in enumerate(least)], 6)


def test_what_does_not_fit_or_overflows_is_refused():
    gemms, mappings, machines = random_batch(2, 3)
    small = dataclasses.replace(machines, num_cores=np.array([12, 1, 12]))
    mappings = dataclasses.replace(mappings, cores_m=np.array([1, 3, 1]))
    with pytest.raises(ValueError, match="at row 1 is not allowed; expected tiles that fit"):
        evaluate_mappings(gemms, mappings, small, Platform(), PRICES)
    huge = dataclasses.replace(gemms, m=2**31 - 1, n=2**31 - 1)
    with pytest.raises(ValueError, match="exceed int64"):
        evaluate_mappings(huge, mappings, machines, Platform(), PRICES)
    wrong = dataclasses.replace(mappings, tile_k=np.array([1, 0, 1]))
    with pytest.raises(ValueError, match="tile_k: 0 at row 1"):
        evaluate_mappings(gemms, wrong, machines, Platform(), PRICES)


def relaxed_cycles(temperature, order, flow, numbers):
    """Total cycles with soft array sides, tiles and bandwidth."""
    dims, (rows, cols, bandwidth, *tiles) = numbers[:3], numbers[3:]

    def soften(size):
        return Soft(size, temperature * size)

    costs = tiled_costs(
        Gemm(m=dims[0], n=dims[1], k=dims[2]),
        mapping(order, flow, [soften(tile) for tile in tiles]),
        machine(soften(rows), soften(cols), (soften(bandwidth), 1)),
        Platform(widths=BYTES),
    )
    return costs.total_cycles.mean


# m, n, k, rows, cols, bandwidth, tiles of m, n and k.
RELAXED = np.array(
    [
        (64, 64, 64, 16, 16, 10, 32, 32, 16),
        (100, 30, 70, 8, 16, 3, 17, 30, 70),
        (7, 500, 300, 16, 4, 64, 7, 90, 41),
        (1, 1000, 1000, 32, 32, 16, 1, 100, 500),
        (3000, 64, 576, 128, 128, 20, 500, 64, 576),
        (512, 512, 512, 4, 4, 1, 512, 512, 512),
    ],
    float,
)


@pytest.mark.slow
def test_slopes():
    numbers = np.repeat(RELAXED, 2, axis=0)
    orders = np.tile([LoopOrder.MNK, LoopOrder.KNM], len(RELAXED))
    flows = np.tile([Dataflow.OS, Dataflow.WS], len(RELAXED))
    count, width = numbers.shape
    exact = [
        tiled_costs(
            Gemm(m=m, n=n, k=k),
            mapping(int(order), int(flow), tiles),
            machine(rows, cols, (bandwidth, 1)),
            Platform(widths=BYTES),
        ).total_cycles
        for order, flow, (m, n, k, rows, cols, bandwidth, *tiles) in zip(
            orders, flows, numbers.astype(int).tolist(), strict=True
        )
    ]
    # Warm, cold, and warm with one number more or less: one compiled program.
    steps = 1e-6 * numbers[None] * np.eye(width)[:, None]
    batch = np.concatenate([numbers[None], numbers[None], numbers + steps, numbers - steps])
    temperatures = np.full(batch.shape[:2], 0.3)
    temperatures[1] = 1e-6
    with jax.enable_x64(True):
        program = jax.jit(jax.vmap(jax.value_and_grad(relaxed_cycles, argnums=3)))
        costs, slopes = program(
            temperatures.ravel(),
            np.tile(orders, len(batch)),
            np.tile(flows, len(batch)),
            batch.reshape(-1, width),
        )
    costs = np.asarray(costs).reshape(-1, count)
    slopes = np.asarray(slopes).reshape(batch.shape)[0]
    np.testing.assert_allclose(costs[1], exact, rtol=1e-3)
    assert (costs > 0).all()
    rises = (costs[2 : 2 + width] - costs[2 + width :]) / (2 * steps.sum(axis=2))
    scale = abs(slopes).max(axis=1, keepdims=True)
    np.testing.assert_allclose(slopes / scale, rises.T / scale, atol=1e-3)
    # More bandwidth never costs cycles, and saves some where memory is slow.
    assert (slopes[:, 5] <= 0).all()
    assert (slopes[:, 5] < 0).any()
