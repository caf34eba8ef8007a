"""The TILED model: hand-worked cases, a step-by-step reference, batches, slopes, energy."""

from fractions import Fraction

import tiled_reference
from hypothesis import given, settings
from hypothesis import strategies as st

from airchitect_jax.cost import (
    Platform,
    Widths,
    tiled_costs,
)
from airchitect_jax.types import (
    BufferSizes,
    Dataflow,
    Gemm,
    Hardware,
    LoopOrder,
    Mapping,
    RuntimeModel,
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
