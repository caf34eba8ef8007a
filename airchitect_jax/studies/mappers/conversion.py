"""Mappings of other tools in our model."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from collections.abc import Mapping as Dict
from typing import Any

from airchitect_jax.cost import Platform, mapped_dims, mapping_fits, tiled_costs
from airchitect_jax.types import Dataflow, Gemm, Hardware, LoopOrder, Mapping

# A loop over tiles: its dimension, and the size of a tile.
Loop = tuple[str, int]
_DIMS = Gemm(m="m", n="n", k="k")


def accelforge_loops(nodes: Sequence[Sequence[Any]]) -> list[Loop]:
    """The temporal loops of a mapping of AccelForge, the outermost first."""
    return [(node[1], node[2]) for node in nodes if node[0] == "Temporal"]


def zigzag_loops(
    loops: Dict[str, Any], gemm: Gemm, hardware: Hardware, dataflow: Dataflow
) -> list[Loop]:
    """The temporal loops of a mapping of ZigZag, which lists factors, the innermost first."""
    s_r, s_c, _ = mapped_dims(_DIMS, dataflow)
    tiles = {"m": 1, "n": 1, "k": 1, s_r: int(hardware.rows), s_c: int(hardware.cols)}
    found = []
    for level in loops["W"]:
        for name, factor in level:
            dim = name.lower()
            found.append((dim, min(tiles[dim], getattr(gemm, dim))))
            tiles[dim] *= factor
    return found[::-1]


def our_cycles(
    loops: Sequence[Loop],
    gemm: Gemm,
    hardware: Hardware,
    platform: Platform,
    dataflow: Dataflow,
    dram_bytes: float,
) -> int | None:
    """The fewest total cycles in our model of the mappings that stand for one of another tool.

    Operands have tiles of their own there, and their sizes cost nothing but space. Ours that have
    its outer loops, some number of them, the last with these or larger tiles, and no more DRAM
    traffic, stand for it.

    Args:
      loops: the temporal loops, the outermost first.
      gemm: the layer.
      hardware: the machine.
      platform: its widths.
      dataflow: of the array.
      dram_bytes: the traffic of the mapping.

    Returns:
      The cycles, or None if there is no such mapping.
    """
    fewest = None
    for mapping in _candidates(loops, gemm, dataflow):
        if not mapping_fits(mapping, hardware, platform):
            continue
        costs = tiled_costs(gemm, mapping, hardware, platform)
        if costs.traffic.dram_bytes <= dram_bytes:
            cycles = int(costs.total_cycles)
            fewest = cycles if fewest is None else min(fewest, cycles)
    return fewest


def _candidates(loops: Sequence[Loop], gemm: Gemm, dataflow: Dataflow) -> Iterator[Mapping]:
    """Mappings in the outer loops, the tiles of the last of them doubled and doubled again."""
    for num in range(len(loops) + 1):
        outer = list(loops[:num])
        while (mapping := _mapping(outer, gemm, dataflow)) is not None:
            yield mapping
            if not outer or outer[-1][1] >= getattr(gemm, outer[-1][0]):
                break
            dim, tile = outer.pop()
            outer.append((dim, 2 * tile))


def _mapping(loops: Sequence[Loop], gemm: Gemm, dataflow: Dataflow) -> Mapping | None:
    """Steps in these loops; None if there are loops between two over the same dimension."""
    order, tiles = "", {dim: int(getattr(gemm, dim)) for dim in "mnk"}
    for dim, tile in loops:
        if dim in order and not order.endswith(dim):
            return None
        order = order if dim in order else order + dim
        tiles[dim] = min(tile, tiles[dim])
    order += "".join(dim for dim in "mnk" if dim not in order)
    return Mapping(
        dataflow=dataflow,
        order=LoopOrder[order.upper()],
        **{f"tile_{dim}": tile for dim, tile in tiles.items()},
    )
