"""Mappings of small GEMMs whose counts are compared, drawn at random, and as rows of a table."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Mapping as Dict
from typing import Any

from airchitect_jax.cost import Platform, Widths, mapped_dims
from airchitect_jax.studies.mappers.counts import DRAM, SRAM
from airchitect_jax.types import (
    BufferSizes,
    Dataflow,
    Gemm,
    Hardware,
    LoopOrder,
    Mapping,
    MemoryModel,
    Scratchpad,
)

_SRAM_BYTES = 2**16
_WIDTHS = (  # input, weight, accumulator, output
    (8, 8, 32, 8),
    (8, 8, 32, 32),
    (16, 16, 16, 16),
    (4, 8, 16, 16),
)
_SIDES = (1, 2, 4, 8)


# An interface so fast that every transfer takes one cycle.
_FAST_BYTES = 2**40


@dataclasses.dataclass(frozen=True, kw_only=True)
class Case:
    """A mapping of a GEMM on a machine, in whole numbers."""

    gemm: Gemm
    mapping: Mapping
    hardware: Hardware
    widths: Widths

    @property
    def platform(self) -> Platform:
        """The platform of the machine, as far as counts depend on it."""
        return Platform(memory_model=MemoryModel.TILED, widths=self.widths)

    @property
    def is_even(self) -> bool:
        """Whether all steps, tiles and folds are whole.

        Where they are not, AccelForge counts accesses and cycles of an average tile.
        """
        steps = all(
            getattr(self.gemm, dim)
            % (getattr(self.mapping, f"cores_{dim}") * getattr(self.mapping, f"tile_{dim}"))
            == 0
            for dim in "mnk"
        )
        tiles = Gemm(**{dim: getattr(self.mapping, f"tile_{dim}") for dim in "mnk"})
        s_r, s_c, _ = mapped_dims(tiles, Dataflow(int(self.mapping.dataflow)))
        sides = ((s_r, self.hardware.rows), (s_c, self.hardware.cols))
        return steps and all(tile <= side or tile % side == 0 for tile, side in sides)

    @property
    def is_simple(self) -> bool:
        """Whether nothing but computing, a cycle of fill and a cycle of drain takes time."""
        hardware, flow = self.hardware, self.mapping.dataflow
        is_single = hardware.rows == hardware.cols == 1 and flow is Dataflow.OS
        return bool(self.is_even and is_single and hardware.bandwidth_bytes == _FAST_BYTES)

    @property
    def compared(self) -> tuple[str, ...]:
        """The counts that must agree."""
        if not self.is_even:
            return DRAM
        # AccelForge has one width for what moves between DRAM and a memory, and no whole bytes.
        widths = self.widths
        is_same = widths.accumulator_bits == widths.output_bits and widths.input_bits % 8 == 0
        return (*DRAM, *SRAM, "parallel_cycles", *(("latency",) if is_same else ()))


def draw(seed: int, num: int) -> list[Case]:
    """Mappings that fit: most even, every tenth simple, some with cores or a scratchpad."""
    rng = random.Random(seed)  # noqa: S311 - not for secrets
    return [_draw(rng, is_simple=index % 10 == 9) for index in range(num)]


def _draw(rng: random.Random, is_simple: bool) -> Case:
    is_even = is_simple or rng.random() < 0.75
    cores = dict.fromkeys("mnk", 1)
    if is_even and rng.random() < 0.4:
        cores[rng.choice("mnk")] = rng.choice((2, 4))
    tiles = {dim: rng.choice((1, 2, 8, 16, 24, 32)) for dim in "mnk"}
    dims = {dim: tiles[dim] * cores[dim] * rng.choice((1, 1, 2, 3)) for dim in "mnk"}
    if not is_even:
        dims = {dim: size + rng.randrange(tiles[dim]) for dim, size in dims.items()}
    memory = (
        Scratchpad(scratchpad_bytes=_SRAM_BYTES, accumulator_bytes=_SRAM_BYTES)
        if rng.random() < 0.3
        else BufferSizes(
            ifmap_sram_bytes=_SRAM_BYTES,
            filter_sram_bytes=_SRAM_BYTES,
            ofmap_sram_bytes=_SRAM_BYTES,
        )
    )
    names = [field.name for field in dataclasses.fields(Widths)]
    return Case(
        gemm=Gemm(**dims),
        mapping=Mapping(
            dataflow=Dataflow.OS if is_simple else rng.choice(list(Dataflow)),
            order=rng.choice(list(LoopOrder)),
            **{f"tile_{dim}": tile for dim, tile in tiles.items()},
            **{f"cores_{dim}": number for dim, number in cores.items()},
        ),
        hardware=Hardware(
            rows=1 if is_simple else rng.choice(_SIDES),
            cols=1 if is_simple else rng.choice(_SIDES),
            num_cores=max(cores.values()),
            memory=memory,
            bandwidth_bytes=_FAST_BYTES if is_simple else rng.choice((1, 4, 16, 64)),
            bandwidth_cycles=rng.choice((1, 2)),
        ),
        widths=Widths(**dict(zip(names, rng.choice(_WIDTHS), strict=True))),
    )


def to_row(case: Case) -> dict[str, Any]:
    """The cells of a case by column; sizes of memories are those of all cases."""
    hardware = case.hardware
    return {
        **vars(case.gemm),
        **vars(case.mapping),
        "dataflow": Dataflow(int(case.mapping.dataflow)).name,
        "order": LoopOrder(int(case.mapping.order)).name,
        "rows": hardware.rows,
        "cols": hardware.cols,
        "num_cores": hardware.num_cores,
        "is_shared": int(isinstance(hardware.memory, Scratchpad)),
        "sram_bytes": _SRAM_BYTES,
        "bandwidth_bytes": hardware.bandwidth_bytes,
        "bandwidth_cycles": hardware.bandwidth_cycles,
        **vars(case.widths),
    }


def of_row(row: Dict[str, str]) -> Case:
    """The case of a row."""

    def taken(kind: Any) -> dict[str, int]:
        """The fields of a type that are whole numbers in the row."""
        names = [field.name for field in dataclasses.fields(kind) if field.name in row]
        return {name: int(row[name]) for name in names if name not in ("dataflow", "order")}

    memory = Scratchpad if row["is_shared"] == "1" else BufferSizes
    sizes = {field.name: int(row["sram_bytes"]) for field in dataclasses.fields(memory)}
    return Case(
        gemm=Gemm(**taken(Gemm)),
        mapping=Mapping(
            dataflow=Dataflow[row["dataflow"]], order=LoopOrder[row["order"]], **taken(Mapping)
        ),
        hardware=Hardware(memory=memory(**sizes), **taken(Hardware)),
        widths=Widths(**taken(Widths)),
    )
