"""Cost of operators without matrix work, on the vector units of a machine in physical units.

An operator reads its inputs from DRAM once and writes its outputs to DRAM once, unless the vector
unit works on results of its kind on their way to DRAM (`VectorUnit.fused`); results between the
primitives of one operator stay on chip (`airchitect_jax.workloads.fusion`). Computing and moving
overlap, so the slower of both counts. Inputs have the platform's input width and outputs its output
width; elements stream through the vector units and leave the SRAMs alone.
"""

from __future__ import annotations

from typing import NamedTuple

from airchitect_jax.cost.arithmetic import Number, ceil_div, larger
from airchitect_jax.cost.parts import VectorUnit
from airchitect_jax.cost.platform import Platform
from airchitect_jax.cost.prices import MachinePrices
from airchitect_jax.types import Hardware, OperatorKind
from airchitect_jax.workloads import Operator


class OperatorCosts(NamedTuple):
    """The cost of one run of an operator.

    Attributes:
      vector_cycles: of the vector units, `ceil(operations / (cores lanes rate))`.
      transfer_cycles: of the DRAM interface.
      cycles: the larger of both.
      dram_read_bytes, dram_write_bytes: DRAM traffic.
      energy_fj: of operations and DRAM traffic, without leakage, which the cycles of a whole
        network determine.
    """

    vector_cycles: Number
    transfer_cycles: Number
    cycles: Number
    dram_read_bytes: Number
    dram_write_bytes: Number
    energy_fj: Number


def operator_costs(
    operator: Operator, hardware: Hardware, platform: Platform, prices: MachinePrices
) -> OperatorCosts:
    """The cost of one run of an operator; `operator.count` is left to the caller.

    Args:
      operator: the operator.
      hardware: the machine; its fields may be batches.
      platform: its widths and vector unit are used.
      prices: energy of single events, of the same shapes as `hardware`.
    """
    return vector_costs(
        operator.kind,
        operator.operations,
        operator.input_elements,
        operator.output_elements,
        hardware,
        platform,
        prices,
    )


def vector_costs(
    kind: OperatorKind,
    operations: Number,
    input_elements: Number,
    output_elements: Number,
    hardware: Hardware,
    platform: Platform,
    prices: MachinePrices,
) -> OperatorCosts:
    """`operator_costs` from the fields of operators of one kind, which broadcast.

    Exact while `bits * bandwidth_cycles`, `operations * rate.denominator` and the energy fit the
    integers they come as.
    """
    unit, widths = platform.vector_unit, platform.widths
    rate = unit.rate(kind)
    vector_cycles = ceil_div(
        operations * rate.denominator, hardware.num_cores * (unit.lanes * rate.numerator)
    )
    moves = 0 if kind in unit.fused else 1
    read_bits = moves * input_elements * widths.input_bits
    written_bits = moves * output_elements * widths.output_bits
    transfer_cycles = ceil_div(
        (read_bits + written_bits) * hardware.bandwidth_cycles, 8 * hardware.bandwidth_bytes
    )
    read_bytes, written_bytes = ceil_div(read_bits, 8), ceil_div(written_bits, 8)
    return OperatorCosts(
        vector_cycles=vector_cycles,
        transfer_cycles=transfer_cycles,
        cycles=larger(vector_cycles, transfer_cycles),
        dram_read_bytes=read_bytes,
        dram_write_bytes=written_bytes,
        energy_fj=operations * prices.vector_fj
        + (read_bytes + written_bytes) * prices.dram_fj_per_byte,
    )


def network_cycles(array_cycles: Number, operator_cycles: Number, unit: VectorUnit) -> Number:
    """Cycles of a network from the sums over its GEMMs and over its operators.

    The larger sum where the vector unit works beside the array (`VectorUnit.overlapped`), which
    assumes that other samples keep both busy; else their sum.
    """
    if unit.overlapped:
        return larger(array_cycles, operator_cycles)
    return array_cycles + operator_cycles
