"""Costs of operators: by hand, and against plain Python fractions, in Python, NumPy and JAX."""

import math
from fractions import Fraction

import hypothesis
import jax
import numpy as np
import pytest
from hypothesis import strategies as st

from airchitect_jax import Operator, OperatorKind, Platform
from airchitect_jax.cost import (
    MachinePrices,
    VectorUnit,
    Widths,
    network_cycles,
    operator_costs,
    vector_costs,
)
from airchitect_jax.types import BufferSizes, Hardware

BUFFERS = BufferSizes(ifmap_sram_bytes=2, filter_sram_bytes=2, ofmap_sram_bytes=2)
PRICES = MachinePrices(
    mac_fj=1,
    ifmap_fj_per_byte=1,
    filter_fj_per_byte=1,
    ofmap_fj_per_byte=1,
    dram_fj_per_byte=100,
    vector_fj=7,
    leakage_fj_per_cycle=1000,
)


def machine(cores, bandwidth_bytes, bandwidth_cycles):
    return Hardware(
        rows=8,
        cols=8,
        num_cores=cores,
        memory=BUFFERS,
        bandwidth_bytes=bandwidth_bytes,
        bandwidth_cycles=bandwidth_cycles,
    )


def test_a_softmax_by_hand():
    unit = VectorUnit(lanes=16, rates={OperatorKind.SOFTMAX: Fraction(1, 2)})
    platform = Platform(vector_unit=unit, widths=Widths(input_bits=16, output_bits=4))
    softmax = Operator(
        name="a", kind="softmax", operations=498, input_elements=100, output_elements=101
    )
    costs = operator_costs(softmax, machine(2, 3, 2), platform, PRICES)
    # 2 cores of 16 lanes take 16 operations per cycle; 1600 + 404 bits at 12 bits per cycle.
    assert costs.vector_cycles == math.ceil(498 / 16) == 32
    assert costs.transfer_cycles == costs.cycles == 167
    assert (costs.dram_read_bytes, costs.dram_write_bytes) == (200, 51)
    assert costs.energy_fj == 498 * 7 + 251 * 100


def test_moving_costs_time_and_energy():
    moved = Operator(
        name="a", kind="data_movement", operations=0, input_elements=64, output_elements=64
    )
    costs = operator_costs(moved, machine(1, 8, 1), Platform(), PRICES)
    assert (costs.vector_cycles, costs.cycles, costs.energy_fj) == (0, 16, 12800)


def expected(kind, fields, hardware, platform):
    """By fractions."""
    operations, inputs, outputs = fields
    unit, widths = platform.vector_unit, platform.widths
    per_cycle = hardware.num_cores * unit.lanes * dict(unit.rates).get(kind, 1)
    bits = inputs * widths.input_bits, outputs * widths.output_bits
    compute = math.ceil(operations / Fraction(per_cycle))
    move = math.ceil(
        Fraction(sum(bits), 8) / Fraction(hardware.bandwidth_bytes, hardware.bandwidth_cycles)
    )
    read, written = (math.ceil(Fraction(part, 8)) for part in bits)
    energy = operations * PRICES.vector_fj + (read + written) * PRICES.dram_fj_per_byte
    return compute, move, max(compute, move), read, written, energy


FIELDS = st.tuples(st.integers(0, 10**9), st.integers(0, 10**9), st.integers(1, 10**9))


@hypothesis.given(
    st.lists(FIELDS, min_size=3, max_size=3),
    st.lists(
        st.tuples(st.integers(1, 8), st.integers(1, 999), st.integers(1, 99)),
        min_size=3,
        max_size=3,
    ),
    st.integers(1, 256),
    st.fractions("1/16", 16, max_denominator=16),
    st.tuples(st.integers(1, 32), st.integers(1, 32)),
)
@hypothesis.settings(max_examples=50)
def test_costs_equal_fractions(fields, machines, lanes, rate, bits):
    kind = OperatorKind.ACTIVATION
    platform = Platform(
        vector_unit=VectorUnit(lanes=lanes, rates={kind: rate}),
        widths=Widths(input_bits=bits[0], output_bits=bits[1]),
    )
    each = [
        expected(kind, one, machine(*sides), platform)
        for one, sides in zip(fields, machines, strict=True)
    ]
    for one, sides, costs in zip(fields, machines, each, strict=True):
        assert vector_costs(kind, *one, machine(*sides), platform, PRICES) == costs
    columns, sides = np.array(fields).T, np.array(machines).T
    batch = vector_costs(kind, *columns, machine(*sides), platform, PRICES)
    np.testing.assert_array_equal(np.array(batch).T, each)
    with jax.enable_x64(True):
        traced = vector_costs(kind, *jax.numpy.asarray(columns), machine(*sides), platform, PRICES)
        np.testing.assert_array_equal(np.array(traced).T, each)


@pytest.mark.parametrize(("overlapped", "cycles"), [(False, 12), (True, 7)])
def test_the_vector_unit_waits_or_works_beside_the_array(overlapped, cycles):
    assert network_cycles(5, 7, VectorUnit(overlapped=overlapped)) == cycles


def test_fused_kinds_cause_no_traffic():
    platform = Platform(vector_unit=VectorUnit(lanes=2, fused=("activation",)))
    hardware = platform.hardware_of()
    fused, moved = (
        vector_costs(kind, 100, 4000, 4000, hardware, platform, MachinePrices(*range(1, 8)))
        for kind in (OperatorKind.ACTIVATION, OperatorKind.ELEMENTWISE)
    )
    assert (fused.cycles, fused.dram_read_bytes, fused.dram_write_bytes) == (50, 0, 0)
    assert fused.energy_fj == 100 * 6
    assert (moved.cycles, moved.dram_read_bytes) == (8000 // 64, 4000)
