"""Random configurations of the scalesim package and their text; what all files are drawn with."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import TypeVar

import numpy as np

_Choice = TypeVar("_Choice")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Kind:
    """What is special about the runs of a kind; the rest is drawn for each run.

    Attributes:
      gemm: whether topologies are those of GEMMs; None for either.
      depthwise: most layers are depthwise convolutions.
      sparse: filters are sparse, with a ratio per layer.
      row_wise: filters are sparse, with a ratio per row.
      layouts: one or both operands have custom layouts.
      ports: each port has a bandwidth of its own, and its SRAM banks.
      latencies: of DRAM requests come from files.
      mixed: any of the above in one run.
      extreme: everything is small or large.
      largest_side: most rows and columns of the array, rare runs aside.
    """

    gemm: bool | None = None
    depthwise: bool = False
    sparse: bool = False
    row_wise: bool = False
    layouts: bool = False
    ports: bool = False
    latencies: bool = False
    mixed: bool = False
    extreme: bool = False
    largest_side: int = 16


class Draw:
    """Random numbers of one run, by its own seed."""

    def __init__(self, *seed: int):
        """Takes whole numbers from 0 on."""
        self.rng = np.random.default_rng(seed)

    def chance(self, share: float) -> bool:
        """True in this share of cases."""
        return bool(self.rng.random() < share)

    def pick(self, *choices: _Choice) -> _Choice:
        """One of them, all alike."""
        return choices[self.rng.integers(len(choices))]

    def integer(self, low: int, high: int) -> int:
        """A whole number, log-uniform; both ends are included."""
        exponent = self.rng.uniform(math.log(low), math.log(high + 1))
        return min(high, int(math.exp(exponent)))


_REPRESENTATIONS = ("csr", "csc", "ellpack_block")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Port:
    """The port of an operand that is read.

    Attributes:
      layout: the operand has a custom layout.
      words: per cycle.
      banks: of the SRAM.
      ports: of each bank.
    """

    layout: bool
    words: int
    banks: int
    ports: int


@dataclasses.dataclass(frozen=True, kw_only=True)
class RandomSettings:
    """A configuration, which the package may refuse.

    Attributes:
      run_name: of the folder of the results.
      user: USER mode, else CALC.
      latencies: of DRAM requests come from files.
      rows, cols: of the array.
      sram_kb: sizes of the three buffers.
      offsets: first addresses of the three operands.
      dataflow: "os", "ws" or "is".
      bandwidths: of `Bandwidth`; the first is used.
      queues: entries of the queues of requests to read and to write.
      ifmap, filter: how they are read.
      sparse: filters are sparse.
      representation: of sparse filters.
      row_wise: a ratio per row; without sparsity, the package ignores it.
      block: words of a block of row-wise sparsity.
      sparsity_seed: of row-wise sparsity.
    """

    run_name: str
    user: bool
    latencies: bool
    rows: int
    cols: int
    sram_kb: tuple[int, ...]
    offsets: tuple[int, int, int]
    dataflow: str
    bandwidths: tuple[int, ...]
    queues: tuple[int, ...]
    ifmap: Port
    filter: Port
    sparse: bool
    representation: str
    row_wise: bool
    block: int
    sparsity_seed: int


def random_settings(draw: Draw, kind: Kind) -> RandomSettings:
    """A configuration for a run of a kind."""
    largest = 64 if draw.chance(0.05) else kind.largest_side
    rows, cols = draw.integer(1, largest), draw.integer(1, largest)
    row_wise = kind.row_wise or (kind.mixed and draw.chance(0.3))
    sparse = row_wise or kind.sparse or (kind.mixed and draw.chance(0.4))
    if row_wise:
        rows = draw.pick(4, 8, 8, 12, 16)
    layouts = kind.layouts or (kind.mixed and draw.chance(0.5))
    ports = layouts or kind.ports or kind.mixed
    latencies = kind.latencies or (kind.mixed and draw.chance(0.3))
    user = draw.chance(0.9 if latencies or ports else 0.7)
    bandwidth = draw.integer(1, 200 if draw.chance(0.05) else 40)
    small = draw.chance(0.6)
    block = draw.pick(2, 4, 4, 8) if rows >= 8 else draw.pick(2, 4)
    if row_wise and draw.chance(0.03):
        block = draw.pick(1, 3, 5)

    def port() -> Port:
        if not ports:
            banks = draw.pick(1, bandwidth)
            return Port(layout=False, words=bandwidth, banks=banks, ports=2)
        banks, width = draw.integer(1, 8), draw.integer(1, 12)
        words = banks * width + (1 if draw.chance(0.02) else 0)  # which the package refuses
        return Port(layout=False, words=words, banks=banks, ports=draw.pick(1, 2, 2, 3))

    def kilobytes() -> int:
        return draw.integer(1, 4) if small else 1 << int(draw.rng.integers(2, 11))

    ifmap, filters = port(), port()
    custom = draw.pick((True, True), (True, False), (False, True)) if layouts else (False, False)
    zero = draw.chance(0.15)
    settings = RandomSettings(
        run_name=draw.pick("run", "scale_run", "a-b_c.1"),
        user=user,
        latencies=latencies,
        rows=rows,
        cols=cols,
        sram_kb=tuple(kilobytes() for _ in range(3)),
        # Addresses of a custom layout count from 0: elsewhere, the package never ends.
        offsets=(0, 0, 0)
        if zero
        else (0 if layouts or draw.chance(0.7) else 1000, 10_000_000, 20_000_000),
        # Of all dataflows, only WS can have sparsity by row; the package crashes with others.
        dataflow=draw.pick(*(("ws",) * 8 if row_wise else ()), "os", "ws", "is"),
        bandwidths=tuple(
            draw.integer(1, 40) if ports else bandwidth for _ in range(draw.pick(1, 3))
        ),
        queues=tuple(draw.pick(1, 2, 8, 32, 128) for _ in range(2)),
        ifmap=dataclasses.replace(ifmap, layout=custom[0]),
        filter=dataclasses.replace(filters, layout=custom[1]),
        sparse=sparse,
        representation=draw.pick(*_REPRESENTATIONS),
        row_wise=row_wise or (not sparse and draw.chance(0.1)),
        block=block,
        sparsity_seed=draw.integer(1, 1000),
    )
    return _extreme(draw, settings) if kind.extreme else settings


def _extreme(draw: Draw, settings: RandomSettings) -> RandomSettings:
    """Single rows, tiny buffers, ports wider than operands."""

    def port(layout: bool) -> Port:
        words = draw.pick(1, 1, 2, 3, 7, 1000, 3000)
        return Port(
            layout=layout, words=words, banks=draw.pick(1, words), ports=draw.pick(1, 2, 100)
        )

    ifmap, filters = port(settings.ifmap.layout), port(settings.filter.layout)
    offset = draw.integer(1, 1 << 40)
    rows = draw.pick(1, 1, 2, 3, 5, 40)
    cols = draw.pick(1, 1, 2, 3, 5, 40)
    sram_kb = tuple(draw.pick(1, 1, 1, 2, 3, 5000) for _ in range(3))
    offsets = draw.pick((0, 0, 0), (7, 7, 7), (3, 2, 1), (0, 1, 0), (0, offset, 2 * offset))
    return dataclasses.replace(
        settings,
        rows=max(rows, 2) if settings.row_wise else rows,
        cols=cols,
        sram_kb=sram_kb,
        offsets=(0, *offsets[1:]) if settings.ifmap.layout else offsets,
        bandwidths=(draw.pick(1, 1, 2, 3, 7, 1000, 3000),),
        ifmap=ifmap,
        filter=filters,
        block=settings.block if settings.block <= rows else 2,
    )


def config_text(draw: Draw, settings: RandomSettings) -> str:
    """The configuration, spelled in one of the ways that the package reads."""
    sections: dict[str, dict[str, object]] = {
        "general": {"run_name": settings.run_name},
        "architecture_presets": {
            "ArrayHeight": settings.rows,
            "ArrayWidth": settings.cols,
            "IfmapSramSzkB": settings.sram_kb[0],
            "FilterSramSzkB": settings.sram_kb[1],
            "OfmapSramSzkB": settings.sram_kb[2],
            "IfmapOffset": settings.offsets[0],
            "FilterOffset": settings.offsets[1],
            "OfmapOffset": settings.offsets[2],
            "Bandwidth": draw.pick(",", ", ").join(map(str, settings.bandwidths)),
            "Dataflow": settings.dataflow,
            "MemoryBanks": 1,
            "ReadRequestBuffer": settings.queues[0],
            "WriteRequestBuffer": settings.queues[1],
        },
        "layout": _port_entries("Ifmap", settings.ifmap) | _port_entries("Filter", settings.filter),
        "sparsity": {
            "SparsitySupport": draw.pick("true", "True") if settings.sparse else "false",
            "SparseRep": settings.representation,
            "OptimizedMapping": str(settings.row_wise).lower(),
            "BlockSize": settings.block,
            "RandomNumberGeneratorSeed": settings.sparsity_seed,
        },
        "run_presets": {
            "InterfaceBandwidth": "USER" if settings.user else "CALC",
            # The package takes any other spelling of "True" for false.
            "UseRamulatorTrace": "true"
            if settings.latencies and draw.chance(0.05)
            else settings.latencies,
        },
    }
    if not settings.user and draw.chance(0.3):
        del sections["architecture_presets"]["Bandwidth"]
    return _text(draw, sections)


def _port_entries(operand: str, port: Port) -> dict[str, object]:
    return {
        f"{operand}CustomLayout": port.layout,
        f"{operand}SRAMBankBandwidth": port.words,
        f"{operand}SRAMBankNum": port.banks,
        f"{operand}SRAMBankPort": port.ports,
    }


def _text(draw: Draw, sections: Mapping[str, Mapping[str, object]]) -> str:
    equals, lower, comment = draw.pick(": ", " = ", "="), draw.chance(0.1), draw.chance(0.1)
    lines = []
    for section, entries in sections.items():
        lines.append(f"[{section}]")
        for key, value in entries.items():
            lines.append(f"{key.lower() if lower else key}{equals}{value}")
        lines.append("# the end of the section" if comment else "")
    return "\n".join(lines) + "\n"
