"""Smooth costs of a GEMM that runs in tiles (`MemoryModel.TILED`), for gradients.

In place of all mappings a few: for each dataflow, each loop that stands innermost and each of two
dimensions that the cores split, the tiles that fill the memories. Their folds are those of
`cost.tiled_loops` at soft numbers (`cost.soft`), and the rest follows from the means of these;
moving and computing overlap without a rest.
"""

from __future__ import annotations

import functools
import operator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from airchitect_jax.cost.arithmetic import larger
from airchitect_jax.cost.platform import Platform
from airchitect_jax.cost.prices import MachinePrices
from airchitect_jax.cost.relaxed import Relaxation
from airchitect_jax.cost.soft import Soft
from airchitect_jax.cost.tiled import flow_of, order_of, term_costs, wires_of
from airchitect_jax.cost.tiled_loops import Loop, loop
from airchitect_jax.cost.tiled_steps import (
    dram_bytes,
    events_fj,
    moves,
    step_cycles,
    transfer_cycles,
)
from airchitect_jax.types import Gemm, Hardware, LoopOrder, Scratchpad

_ORDERS = (LoopOrder.MNK, LoopOrder.NKM, LoopOrder.MKN)  # of the tiles in the order of `_log_tiles`
Costs = Float[Array, "mappings"]


def relaxed_tiled_costs(
    gemm: Gemm,
    hardware: Hardware,
    platform: Platform,
    prices: MachinePrices,
    temperature: Float[Array, ""],
) -> tuple[Costs, Costs]:
    """Cycles and energy in femtojoules of each of the mappings.

    Args:
      gemm: m, n, k as floats.
      hardware: real sizes; one core may be the number 1.
      platform: widths, dataflows, runtime model and cost terms.
      prices: as floats; the energy has leakage if they have.
      temperature: the spread of sizes as a share of them.
    """
    soften = Relaxation(temperature=temperature, platform=platform).soften
    wires, cores = wires_of(hardware, platform), hardware.num_cores
    splits = [(1.0, 1.0)] if isinstance(cores, int) and cores == 1 else [(cores, 1), (1, cores)]
    dims = jnp.stack([gemm.m, gemm.n, gemm.k])
    tiles, parts = [], []
    for cores_m, cores_n in splits:
        split = jnp.stack([jnp.asarray(x, dims.dtype) for x in (cores_m, cores_n, 1.0)])
        tiles += _log_tiles(dims / split, hardware, platform, temperature)
        parts += [split] * len(_ORDERS)
    # Each tile with each dataflow; m, n and k along the first axis.
    num = len(platform.dataflows)
    flows = np.tile(np.array(platform.dataflows), len(tiles))
    orders = np.repeat(np.tile(np.array(_ORDERS), len(splits)), num)
    each = [jnp.repeat(jnp.stack(rows, axis=1), num, axis=1) for rows in (tiles, parts)]
    loops = loop(
        dims[:, None],
        soften(jnp.exp(each[0])),
        soften(each[1]) if len(splits) > 1 else each[1],
        soften(hardware.rows),
        soften(hardware.cols),
    )
    m, n, k = (_means(loops, place) for place in range(3))
    flow = flow_of(flows, hardware, platform)
    moved = moves(order_of(orders, gemm.m), flow, m, n, k)
    moved_bytes = dram_bytes(jax.tree.map(soften, moved), wires)
    traffic = functools.reduce(operator.add, moved_bytes).mean
    extra_cycles, extra_fj = term_costs(gemm, flows, hardware, platform)
    transfer = transfer_cycles(soften(8 * traffic), wires).mean
    compute = step_cycles(flow, m, n, k)
    cycles = larger(soften(compute), soften(transfer)).mean + extra_cycles
    accesses = (
        moved.ifmap_reads + moved.ifmap_writes,
        moved.filter_reads + moved.filter_writes,
        soften(moved.ofmap_reads + moved.ofmap_writes),
    )
    macs = gemm.m * gemm.n * gemm.k
    return cycles, events_fj(macs, accesses, traffic, cycles, wires, prices).mean + extra_fj


def _means(loops: Loop, place: int) -> Loop:
    """One of several loops with means in place of soft numbers."""

    def mean(number: Any) -> Any:
        values = number.mean if isinstance(number, Soft) else number
        return values[place]

    return jax.tree.map(mean, loops, is_leaf=lambda number: isinstance(number, Soft))


def _log_tiles(
    dims: Float[Array, "3"],
    hardware: Hardware,
    platform: Platform,
    temperature: Float[Array, ""],
) -> list[Float[Array, "3"]]:
    """Logarithms of m, n, k of the tiles with k, m and n innermost: of what stays the largest."""
    wires, memory = wires_of(hardware, platform), hardware.memory
    sizes = list(vars(memory).values())
    if isinstance(memory, Scratchpad):  # the inputs get a half each
        sizes = [sizes[0] / 2, sizes[0] / 2, sizes[1]]
    bits = wires.input_bits, wires.weight_bits, wires.accumulator_bits
    # Elements in the working halves.
    ifmap, filter_, ofmap = (jnp.log(4 * x / width) for x, width in zip(sizes, bits, strict=True))
    m, n, k = jnp.log(dims)

    def least(*values: Float[Array, ""]) -> Float[Array, ""]:
        return -temperature * jax.nn.logsumexp(-jnp.stack(values) / temperature)

    def held(
        x: Float[Array, ""], y: Float[Array, ""], capacity: Float[Array, ""]
    ) -> tuple[Float[Array, ""], Float[Array, ""]]:
        """The sides of a block, square if neither dimension ends before."""
        first = least(x, capacity / 2)
        second = least(y, capacity - first)
        return least(x, capacity - second), second

    tiles = []
    tile_m, tile_n = held(least(m, ifmap), least(n, filter_), ofmap)
    tiles.append((tile_m, tile_n, least(k, ifmap - tile_m, filter_ - tile_n)))
    tile_k, tile_n = held(least(k, ifmap), least(n, ofmap), filter_)
    tiles.append((least(m, ifmap - tile_k, ofmap - tile_n), tile_n, tile_k))
    tile_m, tile_k = held(least(m, ofmap), least(k, filter_), ifmap)
    tiles.append((tile_m, least(n, filter_ - tile_k, ofmap - tile_m), tile_k))
    return [jnp.stack(tile) for tile in tiles]
