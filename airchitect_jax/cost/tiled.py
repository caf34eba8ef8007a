"""Cycles, traffic and energy of a GEMM that runs in tiles: `MemoryModel.TILED`.

* The cores work on one step at a time, each on its own tile. A step is at most
  `cores_m * tile_m` x `cores_n * tile_n` x `cores_k * tile_k`; the last step in each dimension is
  what is left. It computes as long as its largest tile.
* Memories are double buffers: tiles fit into half of them (`mapping_fits`).
* Steps follow each other in loop order. While a step computes, the DRAM interface brings the
  operands of the next step, unless the step works on the same block of them, and takes the results
  of the previous step, unless the step adds to them. Partial sums that leave come back later. The
  slot of a step lasts as long as the slower of the two.
* Before the first slot its operands have to come (fill); after the last its results go (drain).
* What cores share moves once. Partial sums of cores that split k are added on their way out.

The sum over slots is in closed form (`cost.tiled_steps`). One text for Python integers, NumPy
arrays, JAX tracers and soft numbers; it broadcasts.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import numpy as np

from airchitect_jax.cost import tiled_steps
from airchitect_jax.cost.arithmetic import Number, floor_div, select
from airchitect_jax.cost.compute import fold_cycles, last_cycle_offset
from airchitect_jax.cost.platform import Platform
from airchitect_jax.cost.prices import MachinePrices
from airchitect_jax.cost.soft import Soft
from airchitect_jax.cost.terms import add_cycles, add_energy_fj
from airchitect_jax.cost.tiled_loops import Halves, Wires, loop, tiles_fit
from airchitect_jax.types import (
    Dataflow,
    Gemm,
    Hardware,
    LoopOrder,
    Mapping,
    Scratchpad,
    Traffic,
)


class TiledCosts(NamedTuple):
    """The costs of a mapping; cycles include the cost terms.

    SRAM accesses are summed over the cores. `extra_energy_fj` is the energy of the cost terms.
    """

    compute_cycles: Number
    total_cycles: Number
    traffic: Traffic
    extra_energy_fj: Number


def tiled_costs(gemm: Gemm, mapping: Mapping, hardware: Hardware, platform: Platform) -> TiledCosts:
    """Cycles and traffic of a GEMM.

    Args:
      gemm: m, n, k.
      mapping: one that fits (`mapping_fits`). Dataflows and orders may differ along a batch.
      hardware: the array of a core and the bandwidth.
      platform: widths, runtime model and cost terms.
    """
    order, flow = order_of(mapping.order, gemm.m), flow_of(mapping.dataflow, hardware, platform)
    wires = wires_of(hardware, platform)
    rows, cols = hardware.rows, hardware.cols
    m = loop(gemm.m, mapping.tile_m, mapping.cores_m, rows, cols)
    n = loop(gemm.n, mapping.tile_n, mapping.cores_n, rows, cols)
    k = loop(gemm.k, mapping.tile_k, mapping.cores_k, rows, cols)
    moved = tiled_steps.moves(order, flow, m, n, k)
    compute = tiled_steps.step_cycles(flow, m, n, k) - last_cycle_offset(platform.runtime_model)
    total = tiled_steps.total_cycles(order, flow, wires, m, n, k)
    extra_cycles, extra_energy = term_costs(gemm, mapping.dataflow, hardware, platform)
    ifmap, filter_, partial_sums, ofmap = tiled_steps.dram_bytes(moved, wires)
    return TiledCosts(
        compute_cycles=compute + extra_cycles,
        total_cycles=total + extra_cycles,
        traffic=Traffic(
            ifmap_sram_reads=moved.ifmap_reads,
            ifmap_sram_writes=moved.ifmap_writes,
            filter_sram_reads=moved.filter_reads,
            filter_sram_writes=moved.filter_writes,
            ofmap_sram_reads=moved.ofmap_reads,
            ofmap_sram_writes=moved.ofmap_writes,
            ifmap_dram_read_bytes=ifmap,
            filter_dram_read_bytes=filter_,
            ofmap_dram_read_bytes=partial_sums,
            ofmap_dram_write_bytes=ofmap,
        ),
        extra_energy_fj=extra_energy,
    )


def tiled_energy_fj(
    gemm: Gemm, costs: TiledCosts, platform: Platform, prices: MachinePrices
) -> Number:
    """Energy in femtojoules: MACs, SRAM accesses, DRAM traffic, leakage and cost terms.

    Outputs have the width of partial sums in their SRAM.
    """
    moved = costs.traffic
    accesses = (
        moved.ifmap_sram_reads + moved.ifmap_sram_writes,
        moved.filter_sram_reads + moved.filter_sram_writes,
        moved.ofmap_sram_reads + moved.ofmap_sram_writes,
    )
    macs, widths = gemm.m * gemm.n * gemm.k, platform.widths
    energy = tiled_steps.events_fj(
        macs, accesses, moved.dram_bytes, costs.total_cycles, widths, prices
    )
    return energy + costs.extra_energy_fj


def mapping_fits(mapping: Mapping, hardware: Hardware, platform: Platform) -> Any:
    """Whether the tiles fit into the working halves and the machine has the cores.

    Returns:
      A bool, or an array of them.

    Example:
      >>> mapping = aj.Mapping(
      ...     dataflow=aj.Dataflow.WS, order=aj.LoopOrder.MNK, tile_m=64, tile_n=64, tile_k=64
      ... )
      >>> memory = aj.Scratchpad(scratchpad_bytes=2**18, accumulator_bytes=2**16)
      >>> machine = aj.Hardware(
      ...     rows=16, cols=16, num_cores=1, memory=memory, bandwidth_bytes=16, bandwidth_cycles=1
      ... )
      >>> bool(mapping_fits(mapping, machine, aj.read_platform("gemmini")))
      True
    """
    fits = tiles_fit(
        mapping.tile_m,
        mapping.tile_n,
        mapping.tile_k,
        wires_of(hardware, platform),
        halves_of(hardware),
    )
    return fits & (mapping.cores_m * mapping.cores_n * mapping.cores_k <= hardware.num_cores)


def halves_of(hardware: Hardware) -> Halves:
    """The working halves of a core's memory."""
    memory = hardware.memory
    if isinstance(memory, Scratchpad):
        inputs, outputs = (
            half_bits(x) for x in (memory.scratchpad_bytes, memory.accumulator_bytes)
        )
        return Halves(inputs, inputs, outputs, 1)
    return Halves(
        half_bits(memory.ifmap_sram_bytes),
        half_bits(memory.filter_sram_bytes),
        half_bits(memory.ofmap_sram_bytes),
        0,
    )


def half_bits(sram_bytes: Number) -> Number:
    """The working half of a double buffer."""
    return 8 * floor_div(sram_bytes, 2)


def order_of(order: Any, like: Any = 0) -> tiled_steps.Order:
    """The loop order in numbers, one or an array of them; floats if `like` is."""
    names = [value.name for value in LoopOrder]

    def inside(inner: str, outer: str) -> Number:
        return _looked_up([int(x.index(inner) > x.index(outer)) for x in names], order, like)

    return tiled_steps.Order(inside("M", "N"), inside("M", "K"), inside("N", "K"))


def flow_of(dataflow: Any, hardware: Hardware, platform: Platform) -> tiled_steps.Flow:
    """The dataflow in numbers, one or an array of them."""
    overheads = [fold_cycles(hardware.array, 0, flow, platform.runtime_model) for flow in Dataflow]
    return tiled_steps.Flow(
        is_os=_looked_up([1, 0, 0], dataflow, hardware.rows),
        is_is=_looked_up([0, 0, 1], dataflow, hardware.rows),
        fold_overhead=_chosen(overheads, dataflow),
    )


def wires_of(hardware: Hardware, platform: Platform) -> Wires:
    """Widths and bandwidth."""
    widths = platform.widths
    return Wires(
        widths.input_bits,
        widths.weight_bits,
        widths.accumulator_bits,
        widths.output_bits,
        8 * hardware.bandwidth_bytes,
        hardware.bandwidth_cycles,
    )


def term_costs(
    gemm: Gemm, dataflow: Any, hardware: Hardware, platform: Platform
) -> tuple[Number, Number]:
    """Cycles and energy of the cost terms."""
    if not platform.terms:
        return 0, 0
    flows = [dataflow] if isinstance(dataflow, Dataflow) else list(Dataflow)
    both = [
        [add(platform.terms, 0, gemm, hardware.array, flow) for flow in flows]
        for add in (add_cycles, add_energy_fj)
    ]
    cycles, energy = (
        values[0] if len(flows) == 1 else _chosen(values, dataflow) for values in both
    )
    return cycles, energy


def _looked_up(table: list[int], index: Any, like: Any) -> Number:
    """Entries of a table of small numbers, as floats if `like` has floats."""
    if isinstance(index, int):
        return table[index]
    namespace = jax.numpy if isinstance(index, jax.Array) else np
    entries = namespace.asarray(table)[index]
    dtype = getattr(like.mean if isinstance(like, Soft) else like, "dtype", entries.dtype)
    return entries.astype(dtype)


def _chosen(values: list[Number], index: Any) -> Number:
    """One of three numbers by dataflow."""
    if isinstance(index, int):
        return values[index]
    return select(index == 0, values[0], select(index == 1, values[1], values[2]))
