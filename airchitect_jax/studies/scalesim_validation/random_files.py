"""Random inputs of the scalesim package, as its own files: one kind for each of its features.

A run is a kind and a seed. Its size is such that the package takes a fraction of a second.
"""

from __future__ import annotations

import dataclasses
import math
import pathlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from airchitect_jax.scalesim.package_process import RunInputs
from airchitect_jax.studies.scalesim_validation.random_layouts import layout_rows

# About what the package takes for a line (a cycle without stalls), and for each of its words.
_SECONDS_A_LINE = 7e-5
_SECONDS_A_WORD = 3e-6
_BUDGETS = (0.03, 0.3)  # seconds, log-uniform
_LARGE_BUDGET = 2.0  # of one run in `_LARGE`
_LARGE = 50

_CONV_HEADER = (
    "Layer name, IFMAP Height, IFMAP Width, Filter Height, Filter Width, Channels, Num Filter,"
    " Strides,"
)
_GEMM_HEADER = "Layer, M, N, K,"
_REPRESENTATIONS = ("csr", "csc", "ellpack_block")


@dataclasses.dataclass(frozen=True, kw_only=True)
class RandomFiles:
    """The files of one run.

    Attributes:
      config, topology, layout: their texts.
      latencies: of DRAM requests, by file name.
      gemm: the topology is one of GEMMs.
      traces: the run writes traces, too.
    """

    config: str
    topology: str
    layout: str
    latencies: Mapping[str, np.ndarray]
    gemm: bool
    traces: bool

    def write(self, folder: pathlib.Path) -> RunInputs:
        """Writes them into a folder, which is made."""
        folder.mkdir(parents=True)
        inputs = RunInputs(folder=folder, gemm=self.gemm, traces=self.traces)
        inputs.config.write_text(self.config)
        inputs.topology.write_text(self.topology)
        inputs.layout.write_text(self.layout)
        if self.latencies:
            (folder / "results").mkdir()
        for name, values in self.latencies.items():
            np.save(folder / "results" / name, values)
        return inputs


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Layer:
    """A layer's eight numbers and its sparsity: GEMMs have m, n, k in `ifmap` and `filters`."""

    ifmap: tuple[int, int]
    window: tuple[int, int]
    channels: int
    filters: int
    stride: int
    sparsity: tuple[int, int] | None = None
    depthwise: bool = False

    @property
    def pixels(self) -> int:
        return math.prod(
            -(-(side - part + self.stride) // self.stride)
            for side, part in zip(self.ifmap, self.window, strict=True)
        )

    @property
    def words(self) -> int:
        """Of a filter."""
        return math.prod(self.window) * self.channels


class _Draw:
    """What is drawn for one run, with a generator of its own."""

    def __init__(self, kind: str, seed: int):
        self.rng = np.random.default_rng([list(KINDS).index(kind), seed])

    def chance(self, share: float) -> bool:
        return bool(self.rng.random() < share)

    def pick(self, *choices: Any) -> Any:
        return choices[self.rng.integers(len(choices))]

    def integer(self, low: int, high: int) -> int:
        """Log-uniform, both ends included."""
        exponent = self.rng.uniform(math.log(low), math.log(high + 1))
        return min(high, int(math.exp(exponent)))


def random_files(kind: str, seed: int) -> RandomFiles:
    """The run of a kind (`KINDS`) and a seed: the same each time."""
    draw, traits = _Draw(kind, seed), KINDS[kind]
    gemm = traits.get("gemm", draw.chance(0.5))
    settings = _settings(draw, traits)
    if traits.get("extreme", False):
        settings |= _extremes(draw)
        if settings["ifmap_layout"]:  # counts from 0; elsewhere, the package never ends
            settings["offsets"] = (0, *settings["offsets"][1:])
    layers = _layers(draw, traits, settings, gemm)
    latencies: dict[str, np.ndarray] = {}
    if settings["ramulator"]:
        count = sum(layer.channels if layer.depthwise else 1 for layer in layers)
        for layer in range(count):
            for operand in ("ifmap", "filter", "ofmap"):
                latencies[f"_{operand}File{layer}.npy"] = _latencies(draw)
    return RandomFiles(
        config=_config(draw, settings),
        topology=_topology(draw, layers, gemm),
        layout=layout_rows(
            draw.rng,
            [(*layer.ifmap, *layer.window, layer.channels, layer.filters) for layer in layers],
            ifmap_words=settings["ifmap_bandwidth"],
            filter_words=settings["filter_bandwidth"],
        )
        if settings["ifmap_layout"] or settings["filter_layout"]
        else "Layer name,\n",
        latencies=latencies,
        gemm=gemm,
        traces=draw.chance(0.4),
    )


def _latencies(draw: _Draw) -> np.ndarray:
    """Of up to some thousand requests; the package takes those over 10000 for none."""
    size = draw.pick(0, 5, 100, 1000, 5000)
    top = draw.pick(3, 40, 200)
    values = draw.rng.integers(1, top, size, endpoint=True)
    values[draw.rng.random(size) < 0.01] = 20000
    return values


def _settings(draw: _Draw, traits: Mapping[str, Any]) -> dict[str, Any]:
    largest = 64 if draw.chance(0.05) else traits.get("largest_side", 16)
    rows, cols = draw.integer(1, largest), draw.integer(1, largest)
    row_wise = traits.get("row_wise", False) or (traits.get("mixed", False) and draw.chance(0.3))
    sparse = (
        row_wise or traits.get("sparse", False) or (traits.get("mixed", False) and draw.chance(0.4))
    )
    if row_wise:
        rows = draw.pick(4, 8, 8, 12, 16)
    layouts = traits.get("layouts", False) or (traits.get("mixed", False) and draw.chance(0.5))
    ports = layouts or traits.get("ports", False) or traits.get("mixed", False)
    ramulator = traits.get("ramulator", False) or (traits.get("mixed", False) and draw.chance(0.3))
    user = draw.chance(0.9 if layouts or ramulator or ports else 0.7)
    bandwidth = draw.integer(1, 200 if draw.chance(0.05) else 40)
    small = draw.chance(0.6)
    block = draw.pick(2, 4, 4, 8) if rows >= 8 else draw.pick(2, 4)
    if row_wise and draw.chance(0.03):
        block = draw.pick(1, 3, 5)

    def banked() -> tuple[int, int, int]:
        if not ports:
            return bandwidth, draw.pick(1, bandwidth), 2
        banks, width = draw.integer(1, 8), draw.integer(1, 12)
        whole = banks * width + (1 if draw.chance(0.02) else 0)
        return whole, banks, draw.pick(1, 2, 2, 3)

    def kilobytes() -> int:
        return draw.integer(1, 4) if small else 1 << int(draw.rng.integers(2, 11))

    ifmap, filters = banked(), banked()
    which = draw.pick((True, True), (True, False), (False, True)) if layouts else (False, False)
    zero = draw.chance(0.15)
    return {
        "run_name": draw.pick("run", "scale_run", "a-b_c.1"),
        "user": user,
        "ramulator": ramulator,
        "rows": rows,
        "cols": cols,
        "sram": tuple(kilobytes() for _ in range(3)),
        # Addresses of a custom layout count from 0, wherever the ifmap is.
        "offsets": (0, 0, 0)
        if zero
        else (0 if layouts or draw.chance(0.7) else 1000, 10_000_000, 20_000_000),
        # Of all dataflows, only WS can have sparsity by row; the package crashes with others.
        "dataflow": draw.pick(*(("ws",) * 8 if row_wise else ()), "os", "ws", "is"),
        "bandwidths": [draw.integer(1, 40) if ports else bandwidth for _ in range(draw.pick(1, 3))],
        "queues": tuple(draw.pick(1, 2, 8, 32, 128) for _ in range(2)),
        "ifmap_layout": which[0],
        "filter_layout": which[1],
        "ifmap_bandwidth": ifmap[0],
        "ifmap_banks": ifmap[1:],
        "filter_bandwidth": filters[0],
        "filter_banks": filters[1:],
        "sparse": sparse,
        "representation": draw.pick(*_REPRESENTATIONS),
        "row_wise": row_wise,
        "unused_mapping": not sparse and draw.chance(0.1),  # which counts with sparsity only
        "block": block,
        "sparsity_seed": draw.integer(1, 1000),
    }


def _extremes(draw: _Draw) -> dict[str, Any]:
    """Settings at their ends: single rows, tiny buffers, ports wider than operands."""

    def port() -> tuple[int, tuple[int, int]]:
        words = draw.pick(1, 1, 2, 3, 7, 1000, 3000)
        return words, (draw.pick(1, words), draw.pick(1, 2, 100))

    ifmap, filters = port(), port()
    offset = draw.integer(1, 1 << 40)
    return {
        "rows": draw.pick(1, 1, 2, 3, 5, 40),
        "cols": draw.pick(1, 1, 2, 3, 5, 40),
        "sram": tuple(draw.pick(1, 1, 1, 2, 3, 5000) for _ in range(3)),
        "offsets": draw.pick((0, 0, 0), (7, 7, 7), (3, 2, 1), (0, 1, 0), (0, offset, 2 * offset)),
        "bandwidths": [draw.pick(1, 1, 2, 3, 7, 1000, 3000)],
        "ifmap_bandwidth": ifmap[0],
        "ifmap_banks": ifmap[1],
        "filter_bandwidth": filters[0],
        "filter_banks": filters[1],
    }


def _layers(
    draw: _Draw, traits: Mapping[str, Any], settings: Mapping[str, Any], gemm: bool
) -> list[_Layer]:
    low, high = _BUDGETS
    budget = math.exp(draw.rng.uniform(math.log(low), math.log(high)))
    if draw.rng.integers(_LARGE) == 0:
        budget = _LARGE_BUDGET
    num = draw.pick(1, 1, 2, 3)
    return [_layer(draw, traits, settings, gemm, budget / num) for _ in range(num)]


def _layer(
    draw: _Draw,
    traits: Mapping[str, Any],
    settings: Mapping[str, Any],
    gemm: bool,
    budget: float,
) -> _Layer:
    extreme = traits.get("extreme", False)
    most = 8 if extreme else 80
    while True:
        sparsity = _sparsity(draw, settings) if settings["sparse"] else None
        if gemm:
            m, n, k = (
                draw.integer(1, 900 if extreme and draw.chance(0.2) else most) for _ in range(3)
            )
            layer = _Layer(
                ifmap=(m, k), window=(1, k), channels=1, filters=n, stride=1, sparsity=sparsity
            )
        else:
            window = draw.pick((1, 1), (3, 3), (3, 3), (5, 5), (2, 3), (1, 3), (3, 1))
            stride = draw.pick(1, 1, 2, 3)
            if extreme:
                window = draw.integer(1, 7), draw.integer(1, 7)
                stride = draw.integer(1, 9)
            height, width = (draw.integer(part, max(part, most // 3)) for part in window)
            depthwise = traits.get("depthwise", False) and draw.chance(0.7)
            layer = _Layer(
                ifmap=(height, width),
                window=window,
                channels=draw.integer(1, 4 if depthwise else max(1, most // 4)),
                filters=1 if depthwise and draw.chance(0.7) else draw.integer(1, most // 2),
                stride=stride,
                sparsity=sparsity,
                depthwise=depthwise,
            )
        if _seconds(layer, settings) <= budget:
            return layer
        most = max(6, int(most * 0.95))
        if most <= 6:  # a large array takes its time
            budget *= 1.1


def _sparsity(draw: _Draw, settings: Mapping[str, Any]) -> tuple[int, int] | None:
    if draw.chance(0.1):
        return None
    if settings["row_wise"] and draw.chance(0.8):
        return 1, settings["block"]
    of = draw.pick(2, 4, 4, 8, 3)
    return int(draw.rng.integers(1, of, endpoint=True)), of


def _seconds(layer: _Layer, settings: Mapping[str, Any]) -> float:
    """About what the package takes for the layer, its stalls left out."""
    m, n, k = layer.pixels, layer.filters, layer.words
    s_r, s_c, t = {"os": (m, n, k), "ws": (k, n, m), "is": (k, m, n)}[settings["dataflow"]]
    rows, cols = settings["rows"], settings["cols"]
    folds = -(-s_r // rows) * -(-s_c // cols)
    lines = folds * (2 * rows + cols + t) * (layer.channels if layer.depthwise else 1)
    return lines * (_SECONDS_A_LINE + _SECONDS_A_WORD * (rows + 2 * cols))


def _topology(draw: _Draw, layers: list[_Layer], gemm: bool) -> str:
    rows = [_GEMM_HEADER if gemm else _CONV_HEADER]
    comma = draw.pick(", ", ",")
    for number, layer in enumerate(layers):
        name = f"{'Conv_DP' if layer.depthwise else 'Layer'}{number}"
        if gemm:
            cells = [name, layer.pixels, layer.filters, layer.words]
        else:
            cells = [
                name,
                *layer.ifmap,
                *layer.window,
                layer.channels,
                layer.filters,
                layer.stride,
            ]
        if layer.sparsity is not None:
            cells.append("{}:{}".format(*layer.sparsity))
        if draw.chance(0.003):  # a column too many
            cells.insert(-1, 1)
        # The package leaves out the last column, which is empty after a comma.
        end = "" if layer.sparsity is not None and draw.chance(0.05) else ","
        rows.append(comma.join(map(str, cells)) + end)
        if draw.chance(0.05):
            rows.append("")
    return "\n".join(rows) + draw.pick("\n", "")


def _config(draw: _Draw, settings: Mapping[str, Any]) -> str:
    offsets, sram = settings["offsets"], settings["sram"]
    sections: dict[str, dict[str, Any]] = {
        "general": {"run_name": settings["run_name"]},
        "architecture_presets": {
            "ArrayHeight": settings["rows"],
            "ArrayWidth": settings["cols"],
            "IfmapSramSzkB": sram[0],
            "FilterSramSzkB": sram[1],
            "OfmapSramSzkB": sram[2],
            "IfmapOffset": offsets[0],
            "FilterOffset": offsets[1],
            "OfmapOffset": offsets[2],
            "Bandwidth": draw.pick(",", ", ").join(map(str, settings["bandwidths"])),
            "Dataflow": settings["dataflow"],
            "MemoryBanks": 1,
            "ReadRequestBuffer": settings["queues"][0],
            "WriteRequestBuffer": settings["queues"][1],
        },
        "layout": {
            "IfmapCustomLayout": settings["ifmap_layout"],
            "IfmapSRAMBankBandwidth": settings["ifmap_bandwidth"],
            "IfmapSRAMBankNum": settings["ifmap_banks"][0],
            "IfmapSRAMBankPort": settings["ifmap_banks"][1],
            "FilterCustomLayout": settings["filter_layout"],
            "FilterSRAMBankBandwidth": settings["filter_bandwidth"],
            "FilterSRAMBankNum": settings["filter_banks"][0],
            "FilterSRAMBankPort": settings["filter_banks"][1],
        },
        "sparsity": {
            "SparsitySupport": draw.pick("true", "True") if settings["sparse"] else "false",
            "SparseRep": settings["representation"],
            "OptimizedMapping": str(settings["row_wise"] or settings["unused_mapping"]).lower(),
            "BlockSize": settings["block"],
            "RandomNumberGeneratorSeed": settings["sparsity_seed"],
        },
        "run_presets": {
            "InterfaceBandwidth": "USER" if settings["user"] else "CALC",
            # The package takes any other spelling of "True" for false.
            "UseRamulatorTrace": "true"
            if settings["ramulator"] and draw.chance(0.05)
            else settings["ramulator"],
        },
    }
    if not settings["user"] and draw.chance(0.3):
        del sections["architecture_presets"]["Bandwidth"]
    equals, lower, comment = draw.pick(": ", " = ", "="), draw.chance(0.1), draw.chance(0.1)
    lines = []
    for section, entries in sections.items():
        lines.append(f"[{section}]")
        for key, value in entries.items():
            lines.append(f"{key.lower() if lower else key}{equals}{value}")
        lines.append("# the end of the section" if comment else "")
    return "\n".join(lines) + "\n"


# What is special about the runs of each kind. A kind keeps its place: seeds depend on it.
KINDS: Mapping[str, Mapping[str, Any]] = {
    "gemm": {"gemm": True},
    "convolution": {"gemm": False},
    "depthwise": {"gemm": False, "depthwise": True},
    "sparsity by layer": {"sparse": True},
    "sparsity by row": {"row_wise": True},
    "layouts": {"layouts": True},
    "ports": {"ports": True, "largest_side": 24},
    "latencies": {"ramulator": True},
    "mixed": {"mixed": True, "depthwise": True},
    "extremes": {"mixed": True, "extreme": True},
}
