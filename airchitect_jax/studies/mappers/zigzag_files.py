"""Our machines and GEMMs as ZigZag's accelerators and layers.

For the fewest cycles memories are double buffers of the whole size, in which ZigZag lets a whole
operand have both halves; for the least DRAM traffic they are working halves. The ports of SRAMs and
registers are so wide that only DRAM and the array bound the latency, as in our model.
"""

from __future__ import annotations

import math
from collections.abc import Mapping as Dict
from typing import Any

from airchitect_jax.cost import Platform, mapped_dims
from airchitect_jax.types import BufferSizes, Dataflow, Gemm, Hardware, IntLike

_DIMS = Gemm(m="M", n="N", k="K")
_STATIONARY = {Dataflow.OS: "O", Dataflow.WS: "I2", Dataflow.IS: "I1"}
_LOOP_LIMIT = 6  # the package permutes this many loops, its default; it merges further factors
_WIDE = 2**30  # bits per cycle
_INPUT_WAYS, _OUTPUT_WAYS = ("fh", "tl"), ("fh", "tl", "fl", "th")  # from or to, high or low


def request(
    gemm: Gemm, hardware: Hardware, platform: Platform, dataflow: Dataflow, objective: str
) -> dict[str, Any]:
    """A layer and a machine of one core with an SRAM per operand.

    Args:
      gemm: the layer.
      hardware: the machine.
      platform: its widths.
      dataflow: of the array.
      objective: "LATENCY" or "ENERGY".

    Raises:
      ValueError: the machine has no description there.
    """
    if not isinstance(hardware.memory, BufferSizes) or hardware.num_cores != 1:
        raise ValueError("hardware: expected one core with an SRAM per operand")
    bits, rest = divmod(8 * int(hardware.bandwidth_bytes), int(hardware.bandwidth_cycles))
    if rest:
        raise ValueError("hardware: bandwidth: expected whole bits per cycle")
    widths, memory, is_double = platform.widths, hardware.memory, objective == "LATENCY"
    stationary = _STATIONARY[dataflow]
    element_bits = {"I1": widths.input_bits, "I2": widths.weight_bits, "O": widths.accumulator_bits}
    s_r, s_c, _ = mapped_dims(_DIMS, dataflow)
    sides = {
        "D1": f"{s_c}, {min(hardware.cols, getattr(gemm, s_c.lower()))}",
        "D2": f"{s_r}, {min(hardware.rows, getattr(gemm, s_r.lower()))}",
    }
    return {
        "accelerator": {
            "name": "machine",
            "memories": {
                "register": _memory(element_bits[stationary], [stationary], _WIDE, [], False),
                "ifmap": _sram(memory.ifmap_sram_bytes, "I1", is_double),
                "filter": _sram(memory.filter_sram_bytes, "I2", is_double),
                "ofmap": _sram(memory.ofmap_sram_bytes, "O", is_double),
                "dram": _memory(2**50, ["I1", "I2", "O"], bits, ["D1", "D2"], False),
            },
            "operational_array": {
                "unit_energy": 0.0,
                "unit_area": 1.0,
                "dimensions": ["D1", "D2"],
                "sizes": [hardware.cols, hardware.rows],
                "systolic_dimensions": ["D1", "D2"],
            },
        },
        "workload": [
            {
                "id": 0,
                "operator_type": "Gemm",
                "equation": "O[m][n]+=I[m][k]*W[k][n]",
                "dimension_relations": [],
                "loop_dims": ["M", "N", "K"],
                "loop_sizes": [gemm.m, gemm.n, gemm.k],
                "operand_precision": {
                    "I": widths.input_bits,
                    "W": widths.weight_bits,
                    "O": widths.accumulator_bits,
                    "O_final": widths.output_bits,
                },
                "operand_source": {"I": 0, "W": 0},
            }
        ],
        "mapping": [
            {
                "name": "default",
                "spatial_mapping": {name: [side] for name, side in sides.items()},
                "memory_operand_links": {"O": "O", "W": "I2", "I": "I1"},
            }
        ],
        "loop_limit": _LOOP_LIMIT,
        "objective": objective,
    }


def tile_bits(
    loops: Dict[str, Any], gemm: Gemm, hardware: Hardware, platform: Platform, dataflow: Dataflow
) -> list[int]:
    """The bits of the tiles of I, W and O in their SRAMs, from the loops of an answer.

    Args:
      loops: of each operand, by memory, DRAM last.
      gemm: the layer.
      hardware: the machine.
      platform: its widths.
      dataflow: of the array.
    """
    widths = platform.widths
    s_r, s_c, _ = mapped_dims(_DIMS, dataflow)
    within = {s_r: hardware.rows, s_c: hardware.cols}
    bits = {"I": widths.input_bits, "W": widths.weight_bits, "O": widths.accumulator_bits}
    tiles = []
    for operand, dims in (("I", "MK"), ("W", "KN"), ("O", "MN")):
        size = bits[operand]
        for dim in dims:
            inside = [
                factor for level in loops[operand][:-1] for name, factor in level if name == dim
            ]
            whole = getattr(gemm, dim.lower())
            size *= min(whole, math.prod(inside) * within.get(dim, 1))
        tiles.append(size)
    return tiles


def _sram(size: IntLike, operand: str, is_double: bool) -> dict[str, Any]:
    bits = 8 * int(size if is_double else size // 2)
    return _memory(bits, [operand], _WIDE, ["D1", "D2"], is_double)


def _memory(
    bits: int, operands: list[str], bandwidth: int, served: list[str], double: bool
) -> dict[str, Any]:
    """A memory whose energy is that of DRAM alone."""
    is_dram = len(operands) > 1
    ways = [
        f"{operand}, {way}"
        for operand in operands
        for way in (_OUTPUT_WAYS if operand == "O" else _INPUT_WAYS)
    ]
    return {
        "size": bits,
        "r_cost": float(is_dram),
        "w_cost": float(is_dram),
        "area": 0.0,
        "latency": 1,
        "operands": operands,
        "ports": [
            {
                "name": "rw_port_1",
                "type": "read_write",
                "bandwidth_min": 1,
                "bandwidth_max": bandwidth,
                "allocation": ways,
            }
        ],
        "served_dimensions": served,
        "force_double_buffering": double,
    }
