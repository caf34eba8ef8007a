"""What our model and AccelForge's count of one mapping, in the same units."""

from __future__ import annotations

import math
from collections.abc import Mapping as Dict
from fractions import Fraction
from typing import Any, NamedTuple

from airchitect_jax.cost import (
    Platform,
    ceil_div,
    fold_cycles,
    last_cycle_offset,
    mapped_dims,
    tiled_costs,
)
from airchitect_jax.studies.mappers import accelforge_files
from airchitect_jax.types import Dataflow, Gemm, Hardware, Mapping, Traffic

DRAM = (
    "ifmap_dram_read_bytes",
    "filter_dram_read_bytes",
    "ofmap_dram_read_bytes",
    "ofmap_dram_write_bytes",
)
SRAM = tuple(
    f"{name}_sram_{way}" for name in ("ifmap", "filter", "ofmap") for way in ("reads", "writes")
)


class Counts(NamedTuple):
    """Counts of one model.

    Attributes:
      traffic: DRAM bytes, and accesses of the memories of the cores.
      parallel_cycles: of computing, as if operands reached all units of an array at once.
      latency: in AccelForge's terms: the longer of computing and of DRAM traffic.
    """

    traffic: Traffic
    parallel_cycles: Fraction
    latency: Fraction

    def value(self, name: str) -> Fraction:
        """A count by its name."""
        return Fraction(getattr(self if name in self._fields else self.traffic, name))


def our_counts(gemm: Gemm, mapping: Mapping, hardware: Hardware, platform: Platform) -> Counts:
    """Those of the TILED model."""
    costs, flow = tiled_costs(gemm, mapping, hardware, platform), Dataflow(int(mapping.dataflow))
    overhead = fold_cycles(hardware.array, 0, flow, platform.runtime_model)
    computing = costs.compute_cycles + last_cycle_offset(platform.runtime_model)
    parallel = Fraction(computing - _folds(gemm, mapping, hardware) * overhead)
    moving = Fraction(
        int(costs.traffic.dram_bytes * hardware.bandwidth_cycles), int(hardware.bandwidth_bytes)
    )
    return Counts(costs.traffic, parallel, max(parallel, moving))


def accelforge_counts(
    answer: Dict[str, Any], gemm: Gemm, mapping: Mapping, hardware: Hardware, platform: Platform
) -> Counts:
    """Those of an answer of AccelForge, which counts bits.

    Two of its counts are put into our terms. Partial sums that go to DRAM have the width of outputs
    there and their own here. Partial sums that come back are written to every core of those that
    split k there and to one here.
    """
    widths, holders = platform.widths, accelforge_files.holders(hardware)
    bits = {
        (component, operand, action): _exact(value)
        for component, operand, action, value in answer["bits"]
    }

    def moved(component: str, operand: str, action: str, width: int) -> Fraction:
        return bits.get((component, operand, action), Fraction()) / width

    def to_bytes(*parts: tuple[Fraction, int]) -> int:
        return math.ceil(sum(elements * width for elements, width in parts) / 8)

    dram, outputs = accelforge_files.DRAM, Fraction(int(gemm.m * gemm.n))
    partial_sums = moved(dram, "C", "write", widths.output_bits) - outputs
    accesses = {
        f"{name}_sram_{action}s": moved(holders[operand], operand, action, width)
        for name, operand, width in (
            ("ifmap", "A", widths.input_bits),
            ("filter", "B", widths.weight_bits),
            ("ofmap", "C", widths.accumulator_bits),
        )
        for action in ("read", "write")
    }
    returning = moved(dram, "C", "read", widths.output_bits)
    accesses["ofmap_sram_writes"] -= int(mapping.cores_k - 1) * returning
    return Counts(
        Traffic(
            **accesses,
            ifmap_dram_read_bytes=to_bytes((moved(dram, "A", "read", 1), 1)),
            filter_dram_read_bytes=to_bytes((moved(dram, "B", "read", 1), 1)),
            ofmap_dram_read_bytes=to_bytes((returning, widths.accumulator_bits)),
            ofmap_dram_write_bytes=to_bytes(
                (partial_sums, widths.accumulator_bits), (outputs, widths.output_bits)
            ),
        ),
        _exact(answer["component_latency"][accelforge_files.MAC]),
        _exact(answer["latency"]),
    )


def _exact(value: float) -> Fraction:
    """The fraction that stands behind a product of fractions, which is off in the last digits."""
    return Fraction(value).limit_denominator(2**20)


def _folds(gemm: Gemm, mapping: Mapping, hardware: Hardware) -> int:
    """Folds of all steps: a product over dimensions of sums over the steps of each."""
    dims = mapped_dims(Gemm(m="m", n="n", k="k"), Dataflow(int(mapping.dataflow)))
    folds = 1
    for dim, side in zip(dims, (hardware.rows, hardware.cols, None), strict=True):
        size, cores = getattr(gemm, dim), getattr(mapping, f"cores_{dim}")
        tile = getattr(mapping, f"tile_{dim}")
        full_steps, left = divmod(size, cores * tile)
        tiles = [tile] * full_steps + ([ceil_div(left, cores)] if left else [])
        folds *= sum(ceil_div(part, side) if side else 1 for part in tiles)
    return folds
