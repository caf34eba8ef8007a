"""Energy, leakage and area: tables, interpolation, prices and areas of machines."""

import csv
import dataclasses
import itertools
import math
import pathlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airchitect_jax.cost import (
    MachineArea,
    Platform,
    Technology,
    VectorUnit,
    Widths,
    area_um2,
    machine_prices,
    physical_report,
)
from airchitect_jax.cost.technology import dram_pj_per_bit, nodes_nm, operation, sram
from airchitect_jax.types import BufferSizes, Hardware, Scratchpad

TABLES = pathlib.Path(__file__).parent.parent / "airchitect_jax" / "cost" / "tables"
NODES = (90, 65, 45, 32, 28, 22, 16, 14, 10, 7, 5, 3)


def rows(name):
    with (TABLES / name).open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


SRAMS = {
    (int(row["node_nm"]), int(row["word_bytes"]), int(row["sram_bytes"])): (
        (float(row["read_pj"]) + float(row["write_pj"])) / 2 / int(row["word_bytes"]),
        float(row["leakage_mw"]) / 1000,
        float(row["area_um2"]),
    )
    for row in rows("sram.csv")
}


def machine(rows=2, cols=2, num_cores=1, memory=None):
    return Hardware(
        rows=rows,
        cols=cols,
        num_cores=num_cores,
        memory=memory
        or BufferSizes(ifmap_sram_bytes=2**16, filter_sram_bytes=2**17, ofmap_sram_bytes=2**18),
        bandwidth_bytes=1,
        bandwidth_cycles=1,
    )


def platform(clock_hz=10**9, lanes=1, widths=None, **technology):
    return Platform(
        clock_hz=clock_hz,
        vector_unit=VectorUnit(lanes=lanes),
        widths=widths or Widths(),
        technology=Technology(**technology),
    )


def test_every_row_has_a_source_and_the_grid_is_whole():
    for name in ("operations.csv", "nodes.csv", "dram.csv"):
        assert all(
            len(row["source"]) > 10 or row["source"] == "by definition" for row in rows(name)
        )
    nodes, words, sizes = (sorted({key[i] for key in SRAMS}) for i in range(3))
    assert len(SRAMS) == len(nodes) * len(words) * len(sizes) == 5 * 4 * 17


def test_an_sram_of_the_table_is_that_of_the_table():
    for (node, word, size), figures in SRAMS.items():
        assert np.allclose(np.ravel(sram(size, word, node)), figures, rtol=1e-9)


@settings(max_examples=60, deadline=None)
@given(
    size=st.integers(2**11, 2**27),
    word=st.floats(4, 100),
    node=st.floats(22, 90),
)
def test_between_points_logarithms_are_linear(size, word, node):
    word = min(max(word, 8), 64)

    def between(x, knots, value):
        low = max(knot for knot in knots if knot <= x)
        high = min(knot for knot in knots if knot >= x)
        if low == high:
            return value(low)
        share = math.log(x / low) / math.log(high / low)
        return value(low) ** (1 - share) * value(high) ** share

    nodes, words, sizes = (sorted({key[i] for key in SRAMS}) for i in range(3))
    for figure in range(3):
        expected = between(
            node,
            nodes,
            lambda n: between(
                word,
                words,
                lambda w: between(size, sizes, lambda s: SRAMS[n, w, s][figure]),  # noqa: B023
            ),
        )
        assert sram(size, word, node)[figure] == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("node", NODES)
def test_larger_srams_cost_no_less(node):
    sizes = np.unique(np.geomspace(1, 2**40, 2000).astype(np.int64))
    for word in (1, 8, 12, 16, 32, 50, 64, 1000):
        for figure in sram(sizes, word, node):
            assert (np.diff(figure) > 0).all()


def test_srams_outside_of_the_table():
    inside, above, below = sram(2**27, 8, 22), sram(2**29, 8, 22), sram(2**9, 8, 22)
    for figure, power in enumerate((0.5, 1, 1)):
        assert above[figure] == pytest.approx(inside[figure] * 4**power)
        assert below[figure] == pytest.approx(sram(2**11, 8, 22)[figure] / 4**power)


def test_srams_below_22_nm_follow_cell_and_supply():
    at_22, at_7 = sram(2**20, 8, 22), sram(2**20, 8, 7)
    cell = 0.027 / 0.092
    switched = math.sqrt(cell) * (0.7 / 0.8) ** 2
    assert [b / a for a, b in zip(at_22, at_7, strict=True)] == pytest.approx(
        [switched, switched, cell]
    )


def test_operations_of_the_table_and_beside_it():
    assert operation("integer multiply", 8, 45) == pytest.approx((0.2, 282))
    assert operation("integer multiply", 8, 7) == pytest.approx((0.2 * 0.348, 282 * 0.059))
    pj, um2 = operation("integer multiply", 16, 45)
    assert (pj, um2) == pytest.approx(((0.2 * 3.1) ** 0.5, (282 * 3495) ** 0.5))
    assert operation("float add", 8, 45)[0] == pytest.approx(0.4 * 0.4 / 0.9)


def test_smaller_nodes_cost_less():
    chips = [
        (area_um2(machine(), chip).total_um2, machine_prices(machine(), chip)[:6])
        for chip in (platform(node_nm=node) for node in NODES)
    ]
    for (area, prices), (less_area, less) in itertools.pairwise(chips):
        assert less_area < area
        dram = 4  # has no node
        assert all(b < a or i == dram for i, (a, b) in enumerate(zip(prices, less, strict=True)))


def test_prices_and_area_by_hand():
    chip, hardware = platform(lanes=3, dram="HBM2"), machine(rows=16, cols=4, num_cores=2)
    mac_pj = 0.2 + 0.1 + (8 + 8 + 32) * 0.00375
    mac_um2 = 282 + 137 + 48 * 4.522
    lane_um2 = 137 + 3495 + 96 * 4.522
    # 16 bytes per cycle from the rows, 4 for the columns (8 at least), 16 of partial sums.
    srams = [SRAMS[45, 16, 2**16], SRAMS[45, 8, 2**17], SRAMS[45, 16, 2**18]]
    area = area_um2(hardware, chip)
    assert area[:4] == (
        round(2 * 64 * mac_um2),
        round(2 * (srams[0][2] + srams[1][2])),
        round(2 * srams[2][2]),
        round(2 * 3 * lane_um2),
    )
    assert area.total_um2 == sum(area[:4])
    prices = machine_prices(hardware, chip)
    assert prices[:6] == (
        round(1000 * mac_pj),
        *(round(1000 * figures[0]) for figures in srams),
        44000,
        round(1000 * (1.6 + 96 * 0.00375)),
    )
    logic_w = (area.array_um2 + area.vector_um2) * 79.1e-9 / 4.522
    leakage_w = 2 * sum(figures[1] for figures in srams) + logic_w
    assert prices.leakage_fj_per_cycle == pytest.approx(leakage_w * 1e15 / 1e9, abs=1)
    slow = dataclasses.replace(chip, clock_hz=5 * 10**8)
    assert machine_prices(hardware, slow).leakage_fj_per_cycle == pytest.approx(
        2 * prices.leakage_fj_per_cycle, abs=1
    )
    assert all(type(value) is int for value in (*area, *prices))


def test_a_scratchpad_counts_once():
    memory = Scratchpad(scratchpad_bytes=2**17, accumulator_bytes=2**16)
    hardware, chip = machine(rows=8, cols=16, memory=memory), platform()
    area, prices = area_um2(hardware, chip), machine_prices(hardware, chip)
    inputs, outputs = SRAMS[45, 16, 2**17], SRAMS[45, 64, 2**16]
    assert area[1:3] == (round(inputs[2]), round(outputs[2]))
    assert prices.ifmap_fj_per_byte == prices.filter_fj_per_byte == round(1000 * inputs[0])
    logic_w = (area.array_um2 + area.vector_um2) * 79.1e-9 / 4.522
    assert prices.leakage_fj_per_cycle == pytest.approx(
        1e6 * (inputs[1] + outputs[1] + logic_w), abs=1
    )


def test_floating_point_costs_more():
    widths = Widths(input_bits=16, weight_bits=16, output_bits=16)
    integers = platform(widths=widths)
    floats = platform(widths=widths, floating_point=True)
    assert machine_prices(machine(), floats).mac_fj == round(1000 * (1.1 + 0.9 + 64 * 0.00375))
    assert machine_prices(machine(), integers).mac_fj < machine_prices(machine(), floats).mac_fj
    assert area_um2(machine(), integers).array_um2 < area_um2(machine(), floats).array_um2


def test_overrides_win():
    chip = platform(
        dram="none",
        mac_pj=2,
        mac_um2=500,
        sram_pj_per_byte=3,
        sram_um2_per_byte=4,
        dram_pj_per_byte=50,
        leakage_mw_per_mm2=20,
    )
    area, prices = area_um2(machine(), chip), machine_prices(machine(), chip)
    assert area[:3] == (4 * 500, 4 * (2**16 + 2**17), 4 * 2**18)
    assert prices[:5] == (2000, 3000, 3000, 3000, 50000)
    assert prices.leakage_fj_per_cycle == round(20e-3 * area.total_um2 / 1e6 * 1e6)


def test_arrays_of_machines_are_the_machines_one_by_one():
    sides, sizes = np.array([[4], [32], [200]]), np.array([1000, 2**20])
    memory = BufferSizes(ifmap_sram_bytes=sizes, filter_sram_bytes=5000, ofmap_sram_bytes=sizes)
    chip = platform(node_nm=16)
    together = [f(machine(rows=sides, memory=memory), chip) for f in (area_um2, machine_prices)]
    for row, side in enumerate(sides[:, 0]):
        for column, size in enumerate(sizes):
            memory = BufferSizes(
                ifmap_sram_bytes=size, filter_sram_bytes=5000, ofmap_sram_bytes=size
            )
            alone = [f(machine(rows=side, memory=memory), chip) for f in (area_um2, machine_prices)]
            for many, one in zip(together, alone, strict=True):
                values = [np.broadcast_to(field, (3, 2))[row, column] for field in many]
                assert values == list(one)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"node_nm": 2}, "node_nm: 2 is not allowed; expected a number in 3..90"),
        ({"node_nm": 130}, "node_nm: 130 is not allowed; expected a number in 3..90"),
        (
            {"dram": "SDRAM"},
            "dram: 'SDRAM' is not allowed without dram_pj_per_byte; expected DDR3, DDR4, DDR5,"
            " LPDDR4, LPDDR5, GDDR5, GDDR6, HBM2, HBM2E, HBM3",
        ),
        ({"mac_pj": -1}, "mac_pj: -1 is not allowed; expected a number in 0..1e+09"),
    ],
)
def test_values_outside_of_the_tables(fields, message):
    with pytest.raises(ValueError, match=r"^") as error:
        Technology(**fields)
    assert str(error.value) == message
    assert nodes_nm() == (3, 90)
    assert set(dram_pj_per_bit()) == {row["kind"] for row in rows("dram.csv")}


def test_wrong_arguments():
    for fields in ({"dram": ["HBM2"]}, {"floating_point": 1}):
        with pytest.raises(TypeError, match=r"^(dram|floating_point): (list|int) is not allowed"):
            Technology(**fields)
    with pytest.raises(ValueError, match=r"^rows: 0 is not allowed"):
        area_um2(machine(rows=0), platform())
    with pytest.raises(ValueError, match=r"^scratchpad_bytes: 0 at row 1 is not allowed"):
        machine_prices(
            machine(memory=Scratchpad(scratchpad_bytes=[1, 0], accumulator_bytes=1)), platform()
        )
    with pytest.raises(TypeError, match=r"^memory: int is not allowed; expected BufferSizes"):
        area_um2(machine(memory=3), platform())
    with pytest.raises(ValueError, match=r"^hardware: an area or a price exceeds int64"):
        area_um2(machine(rows=2**20, cols=2**20), platform(mac_um2=1e9))
    with pytest.raises(TypeError, match=r"^platform: int is not allowed; expected Platform"):
        area_um2(machine(), 3)
    with pytest.raises(TypeError, match=r"^hardware: tuple is not allowed; expected Hardware"):
        machine_prices((), platform())


def test_report_by_hand():
    report = physical_report(
        cycles=2_000_000,
        energy_fj={"array": 3 * 10**12, "dram": 10**12},
        area=MachineArea(10**6, 2 * 10**6, 0, 0, 3 * 10**6),
        macs=10**9,
        macs_per_cycle=1000,
        clock_hz=10**9,
        inferences=4,
    )
    assert report.latency_ms == pytest.approx(2)
    assert report.throughput_per_second == pytest.approx(2000)
    assert report.energy_mj == pytest.approx(4)
    assert report.energy_mj_by_part == {"array": 3, "dram": 1}
    assert report.area_mm2 == 3
    assert report.area_mm2_by_part == {
        "array": 1,
        "input_srams": 2,
        "output_srams": 0,
        "vector": 0,
    }
    assert report.average_power_w == pytest.approx(2)
    assert report.tops == pytest.approx(1)
    assert report.tops_per_w == pytest.approx(0.5)
    assert report.utilization == pytest.approx(0.5)


def test_srams_beside_horowitz():
    """ISSCC 2014, figure 1.1.9: 64 bits from 8 KB, 32 KB and 1 MB at 45 nm."""
    for size, published_pj in ((2**13, 10), (2**15, 20), (2**20, 100)):
        assert 0.5 < 8 * sram(size, 8, 45).pj_per_byte / published_pj < 1


# Published chips: node, clock, bits, floating point, rows, cols, cores, bytes of scratchpad and
# accumulator per core, lanes; die (mm2), power (W). Sources: TPU v1, Jouppi et al., ISCA 2017
# (measured busy power of a die); TPU v4i, Jouppi et al., ISCA 2021 (thermal design power, die "<
# 400 mm2"); Eyeriss, Chen et al., JSSC 2017 (core 12.25 mm2, AlexNet at 1 V).
CHIPS = {
    "TPU v1": (28, 700e6, 8, False, 256, 256, 1, 24 * 2**20, 4 * 2**20, 256, 331, 40),
    "TPU v4i": (7, 1050e6, 16, True, 128, 128, 4, 32 * 2**20, 2**20, 256, 400, 175),
    "Eyeriss": (65, 200e6, 16, False, 12, 14, 1, 108 * 2**10, 2**10, 1, 12.25, 0.278),
}


@pytest.mark.parametrize("name", CHIPS)
def test_modelled_parts_are_a_plausible_share_of_published_chips(name):
    """Control, clock tree, interfaces and the registers of Eyeriss's cells are not modelled.

    Power at full use: every cell works in every cycle, and the SRAMs feed rows and columns.
    """
    node, clock, bits, floating, r, c, cores, inputs, outputs, lanes, die, power = CHIPS[name]
    widths = Widths(input_bits=bits, weight_bits=bits, output_bits=bits)
    chip = platform(
        clock_hz=int(clock), lanes=lanes, widths=widths, node_nm=node, floating_point=floating
    )
    memory = Scratchpad(scratchpad_bytes=inputs, accumulator_bytes=outputs)
    hardware = machine(rows=r, cols=c, num_cores=cores, memory=memory)
    area, prices = area_um2(hardware, chip), machine_prices(hardware, chip)
    per_cycle = prices.leakage_fj_per_cycle + cores * (
        r * c * prices.mac_fj
        + r * bits / 8 * prices.ifmap_fj_per_byte
        + c * 4 * prices.ofmap_fj_per_byte
    )
    assert 0.09 < area.total_um2 / 1e6 / die < 1
    assert 0.3 < per_cycle * clock / 1e15 / power < 1
