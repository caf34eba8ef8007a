"""The IDEAL memory model: hand-worked cases, a fold-by-fold reference, properties, energy."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import reference
from hypothesis import given, settings
from hypothesis import strategies as st

from airchitect_jax import (
    ArrayDesign,
    BufferSizes,
    Dataflow,
    EnergyTable,
    Gemm,
    Interface,
    Memory,
    Objective,
    RuntimeModel,
    evaluate,
    evaluate_memory,
)
from airchitect_jax.cost import memory as memory_model
from airchitect_jax.cost import objective_value
from airchitect_jax.types import ArrayShape

small = st.one_of(st.integers(1, 6), st.integers(1, 60))
gemms = st.tuples(small, small, small)
arrays = st.tuples(st.integers(1, 12), st.integers(1, 12))
srams = st.tuples(*[st.integers(2, 4000)] * 3)
bandwidths = st.sampled_from([1, 2, 7, 50, 100_000])
widths = st.sampled_from([1, 2, 4])


def sizes(ifmap, filter_, ofmap):
    return BufferSizes(ifmap_sram_bytes=ifmap, filter_sram_bytes=filter_, ofmap_sram_bytes=ofmap)


def report(gemm, array, flow, sram, bandwidth, width=1, **options):
    m, n, k = gemm
    rows, cols = array
    return evaluate_memory(
        Gemm(m=m, n=n, k=k),
        ArrayDesign(rows=rows, cols=cols, dataflow=flow),
        Memory(buffers=sizes(*sram), bandwidth_bytes_per_cycle=bandwidth, element_bytes=width),
        **options,
    )


def test_hand_worked():
    # OS, 4 x 4 x 3 on 2 x 2: 2 x 2 folds of 2 + 2 + 3 - 2 = 5 cycles; tiles of 6 bytes of ifmap and
    # filter, 4 of ofmap. Working halves of 6 bytes hold the first ifmap tile and a filter tile.
    # Fill 6 + 6. Slots: fold (0, 0) brings ifmap tile 1 and takes 4: 10 bytes; fold (1, 0) brings
    # filter tile 1 and takes 4: 10; fold (0, 1) brings ifmap tile 1 again: 10; the last takes 4.
    result = report((4, 4, 3), (2, 2), Dataflow.OS, (12, 12, 12), 1)
    assert int(result.total_cycles) == 12 + 10 + 10 + 10 + 5
    assert int(result.compute_cycles) == 4 * 5 - 1
    assert int(result.stall_cycles) == 47 - 19
    assert int(result.traffic.ifmap_dram_read_bytes) == 12 + 6
    assert int(result.traffic.filter_dram_read_bytes) == 12
    assert int(result.traffic.ofmap_dram_write_bytes) == 16
    assert int(result.traffic.ifmap_sram_reads) == 4 * 3 * 2
    assert float(result.overall_utilization) == pytest.approx(48 / (47 * 4))
    assert float(result.achieved_bandwidth_bytes_per_cycle) == pytest.approx(46 / 47)


def test_partial_sums_that_do_not_fit_are_written_and_read_back():
    # WS, k = 6 on 2 rows: three row folds; 10 x 2 outputs of which 8 fit into the working half.
    result = report((10, 2, 6), (2, 2), Dataflow.WS, (1000, 1000, 16), 1)
    assert int(result.traffic.ofmap_dram_write_bytes) == 20 + 2 * 12
    assert int(result.traffic.ofmap_dram_read_bytes) == 2 * 12
    fits = report((10, 2, 6), (2, 2), Dataflow.WS, (1000, 1000, 40), 1)
    assert int(fits.traffic.ofmap_dram_write_bytes) == 20
    assert int(fits.traffic.ofmap_dram_read_bytes) == 0


@settings(deadline=None, max_examples=150)
@given(
    gemms,
    arrays,
    st.sampled_from(list(Dataflow)),
    srams,
    bandwidths,
    widths,
    st.sampled_from(list(RuntimeModel)),
    st.sampled_from(list(Interface)),
)
def test_closed_form_equals_the_fold_by_fold_reference(
    gemm, array, flow, sram, bandwidth, width, runtime_model, interface
):
    expected, moved = reference.memory(
        *gemm,
        *array,
        flow.name,
        sram,
        bandwidth,
        width,
        runtime_model.value,
        interface is Interface.SHARED,
    )
    options = {"runtime_model": runtime_model, "interface": interface}
    result = report(gemm, array, flow, sram, bandwidth, width, **options)
    assert int(result.total_cycles) == expected
    for name in ("ifmap_read", "filter_read", "ofmap_read", "ofmap_write"):
        operand, way = name.split("_")
        assert int(getattr(result.traffic, f"{operand}_dram_{way}_bytes")) == moved[name]
    # The same equations on Python integers.
    m, n, k = gemm
    folds = memory_model.tiling_of(
        Gemm(m=m, n=n, k=k), ArrayShape(rows=array[0], cols=array[1]), flow, width, runtime_model
    )
    total = memory_model.total_cycles(folds, sizes(*sram), flow, bandwidth, interface)
    assert isinstance(total, int)
    assert total == expected


def random_grid(seed, count=4000):
    """Workloads up to 10000 a side, as the case studies have, whatever the dataflow."""
    rng = np.random.default_rng(seed)
    gemm = [np.ceil(10 ** rng.uniform(0, 4, count)).astype(int) for _ in range(3)]
    array = [rng.integers(1, 257, count) for _ in range(2)]
    sram = [rng.integers(2, 2**20, count) for _ in range(3)]
    return gemm, array, rng.integers(0, 3, count), sram, rng.integers(1, 200, count)


@pytest.mark.parametrize("interface", list(Interface))
def test_stalls_and_roofline(interface):
    gemm, array, flow, sram, bandwidth = random_grid(0)
    result = report(gemm, array, flow, sram, bandwidth, 2, interface=interface)
    m, n, k = gemm
    assert (result.stall_cycles >= 0).all()
    moved = result.traffic
    compulsory = np.array([m * k, k * n, m * n]) * 2
    assert (moved.ifmap_dram_read_bytes >= compulsory[0]).all()
    assert (moved.filter_dram_read_bytes >= compulsory[1]).all()
    assert (moved.ofmap_dram_write_bytes >= compulsory[2]).all()
    needed = compulsory.sum(0) if interface is Interface.SHARED else compulsory.max(0)
    assert (result.total_cycles >= needed / bandwidth).all()
    assert (result.total_cycles > result.compute_cycles).all()
    ports = 1 if interface is Interface.SHARED else 3
    assert (result.achieved_bandwidth_bytes_per_cycle <= ports * bandwidth).all()


@pytest.mark.parametrize("interface", list(Interface))
def test_more_sram_or_bandwidth_never_costs_cycles(interface):
    gemm, array, flow, sram, bandwidth = random_grid(1)
    before = report(gemm, array, flow, sram, bandwidth, interface=interface).total_cycles
    rng = np.random.default_rng(2)
    for operand in range(3):
        more = [size.copy() for size in sram]
        more[operand] += rng.integers(1, 2**18, len(before))
        after = report(gemm, array, flow, more, bandwidth, interface=interface).total_cycles
        assert (after <= before).all()
    wider = bandwidth + rng.integers(1, 50, len(before))
    assert (
        report(gemm, array, flow, sram, wider, interface=interface).total_cycles <= before
    ).all()


def test_unlimited_bandwidth_leaves_the_first_fill_only():
    gemm, array, flow, sram, _ = random_grid(3)
    small_gemm = [np.minimum(x, 300) for x in gemm]
    for model, cycles in ((RuntimeModel.SCALESIM, 2), (RuntimeModel.ISPASS2020, 1)):
        result = report(small_gemm, array, flow, sram, 2**20, runtime_model=model)
        # One cycle for the fill; one for the count from zero, which is the compute cycles'.
        assert (result.stall_cycles == cycles).all()


def test_an_operand_that_fits_is_fetched_once():
    gemm, array, flow, _, bandwidth = random_grid(4)
    m, n, k = gemm
    whole = [2 * x for x in (m * k, k * n, m * n)]
    moved = report(gemm, array, flow, [np.maximum(x, 2) for x in whole], bandwidth).traffic
    np.testing.assert_array_equal(moved.ifmap_dram_read_bytes, m * k)
    np.testing.assert_array_equal(moved.filter_dram_read_bytes, k * n)
    np.testing.assert_array_equal(moved.ofmap_dram_write_bytes, m * n)
    assert not moved.ofmap_dram_read_bytes.any()


def test_sram_accesses_are_scalesims_for_the_array():
    gemm, array, flow, _, bandwidth = random_grid(5)
    m, n, k = gemm
    big = [np.full(len(m), 2**39)] * 3
    moved = report(gemm, array, flow, big, bandwidth).traffic
    folds = evaluate(Gemm(m=m, n=n, k=k), ArrayDesign(rows=array[0], cols=array[1], dataflow=flow))
    ifmap = np.where(flow == Dataflow.IS, m * k, m * k * folds.col_folds)
    np.testing.assert_array_equal(moved.ifmap_sram_reads, ifmap)
    by_dataflow = [k * n * folds.row_folds, k * n, k * n * folds.col_folds]
    np.testing.assert_array_equal(moved.filter_sram_reads, np.choose(flow, by_dataflow))
    writes = np.where(flow == Dataflow.OS, m * n, m * n * folds.row_folds)
    np.testing.assert_array_equal(moved.ofmap_sram_writes, writes)


def test_energy_is_the_sum_of_what_happens():
    table = EnergyTable()
    assert (table.mac_fj, table.dram_fj_per_byte) == (230, 162_500)
    # Horowitz: 10 pJ and 100 pJ for 8 bytes of 8 KB and 1 MB; 20 pJ for those of 32 KB.
    assert table.sram_fj_per_byte([8192, 2**20]).tolist() == [1250, 12500]
    assert table.sram_fj_per_byte(32768) == pytest.approx(2500, rel=0.04)
    sram = (8192, 32768, 2**20)
    result = report((50, 60, 70), (8, 8), Dataflow.WS, sram, 4, width=2, energy_table=table)
    moved = result.traffic
    prices = table.sram_fj_per_byte(list(sram)).tolist()
    accesses = [
        int(moved.ifmap_sram_reads + moved.ifmap_sram_writes),
        int(moved.filter_sram_reads + moved.filter_sram_writes),
        int(moved.ofmap_sram_reads + moved.ofmap_sram_writes),
    ]
    expected = 50 * 60 * 70 * 230 + int(moved.dram_bytes) * 162_500
    expected += sum(2 * count * price for count, price in zip(accesses, prices, strict=True))
    assert int(result.energy_fj) == expected


def test_overridden_prices_count():
    free = EnergyTable(mac_pj=0, sram_pj_per_byte=0, dram_pj_per_byte=1)
    result = report((5, 6, 7), (2, 2), Dataflow.OS, (64, 64, 64), 4, energy_table=free)
    assert int(result.energy_fj) == 1000 * int(result.traffic.dram_bytes)
    with pytest.raises(ValueError, match="dram_pj_per_byte: nan is not allowed"):
        EnergyTable(dram_pj_per_byte=float("nan"))


def test_the_energy_delay_product_is_rounded_once():
    rng = np.random.default_rng(0)
    extremes = [
        0,
        1,
        3,
        2**32 - 1,
        2**32,
        2**53 - 1,
        2**53,
        2**53 + 1,
        2**62,
        2**63 - 513,
        2**63 - 1,
    ]
    # Odd numbers of 27 bits and powers of two: their products are halfway between two float64.
    ties = [*(2**26 + rng.integers(0, 2**25, 30) * 2 + 1), *(2 ** rng.integers(0, 36, 20))]
    numbers = np.array([*extremes, *ties, *(rng.integers(0, 2**63, 60) >> rng.integers(0, 63, 60))])
    cycles, energy = (numbers[place].ravel() for place in np.indices((len(numbers),) * 2))
    pairs = list(zip(cycles.tolist(), energy.tolist(), strict=True))
    expected = [float(a * b) for a, b in pairs]
    assert expected != [float(a) * float(b) for a, b in pairs]
    product = functools.partial(objective_value, Objective.EDP)
    assert [product(a, b) for a, b in pairs] == expected
    assert product(cycles, energy).tolist() == expected
    with jax.enable_x64(True):
        assert jax.jit(product)(cycles, energy).tolist() == expected
        small = cycles < 2**53
        mixed = jax.jit(product)(cycles[small].astype(float), energy[small])
        assert mixed.tolist() == np.array(expected)[small].tolist()


def test_free_accesses_are_refused_where_their_counts_exceed_int64():
    free = EnergyTable(mac_pj=0, sram_pj_per_byte=0, dram_pj_per_byte=0)
    at_most = {"flow": Dataflow.OS, "sram": (2**40,) * 3, "bandwidth": 1, "energy_table": free}
    n = 2**31 - 1
    fits = report((2**18, n, 2**13), (2**18, 1), **at_most)
    assert int(fits.traffic.ifmap_sram_reads) == 2**18 * n * 2**13
    assert int(fits.energy_fj) == 0
    with pytest.raises(ValueError, match="traffic or energy at row 0 exceed int64"):
        report((2**18, n, 2**15), (2**18, 1), **at_most)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"bandwidth": 0}, "bandwidth_bytes_per_cycle: 0 is not allowed; expected a whole number"),
        ({"sram": (1, 64, 64)}, "ifmap_sram_bytes: 1 is not allowed"),
        ({"flow": 3}, "dataflow: 3 is not allowed"),
        ({"width": 0}, "element_bytes: 0 is not allowed"),
        (
            {"gemm": (2**31 - 1,) * 3, "array": (1, 1)},
            "cycles, traffic or energy at row 0 exceed int64",
        ),
    ],
)
def test_bad_input_is_one_line(changes, message):
    arguments = {
        "gemm": (4, 4, 4),
        "array": (2, 2),
        "flow": Dataflow.OS,
        "sram": (64, 64, 64),
        "bandwidth": 1,
    }
    with pytest.raises(ValueError, match=message) as error:
        report(**(arguments | changes))
    assert "\n" not in str(error.value)


def test_equations_trace_and_differentiate():
    folds = memory_model.tiling_of(
        Gemm(m=100.0, n=200.0, k=300.0),
        ArrayShape(rows=8.0, cols=8.0),
        Dataflow.WS,
        1.0,
        RuntimeModel.SCALESIM,
    )

    def total(size, bandwidth):
        buffers = dataclasses.replace(sizes(1e4, 1e4, 1e4), ifmap_sram_bytes=size)
        folded = jax.tree.map(jnp.asarray, dataclasses.asdict(folds))
        return memory_model.total_cycles(
            memory_model.Tiling(**folded), buffers, Dataflow.WS, bandwidth, Interface.SHARED
        )

    batch = jax.vmap(jax.jit(total), in_axes=(0, None))(jnp.array([1e3, 1e4, 1e5]), 4.0)
    assert (jnp.diff(batch) <= 0).all()
