"""Random inputs of the scalesim package, as its own files: one kind for each of its features.

A run is a kind and a seed. Its size is such that the package takes a fraction of a second.
"""

from __future__ import annotations

import dataclasses
import math
import pathlib
from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Int

from airchitect_jax.scalesim.package_process import RunInputs
from airchitect_jax.studies.scalesim_validation.random_settings import (
    Draw,
    Kind,
    RandomSettings,
    config_text,
    random_settings,
)

# About what the package takes for a line (a cycle without stalls), and for each of its words.
_SECONDS_A_LINE = 7e-5
_SECONDS_A_WORD = 3e-6
_BUDGETS = (0.03, 0.3)  # seconds of a run, log-uniform
_LARGE_BUDGET = 2.0  # of one run in `_LARGE`
_LARGE = 50

_CONV_HEADER = (
    "Layer name, IFMAP Height, IFMAP Width, Filter Height, Filter Width, Channels, Num Filter,"
    " Strides,"
)
_GEMM_HEADER = "Layer, M, N, K,"


@dataclasses.dataclass(frozen=True, kw_only=True)
class RandomLayer:
    """A layer; a GEMM has m and k in `ifmap`, and 1 and k in `window`."""

    ifmap: tuple[int, int]
    window: tuple[int, int]
    channels: int
    filters: int
    stride: int
    sparsity: tuple[int, int] | None = None
    depthwise: bool = False

    @property
    def pixels(self) -> int:
        """Of an output channel."""
        return math.prod(
            -(-(side - part + self.stride) // self.stride)
            for side, part in zip(self.ifmap, self.window, strict=True)
        )

    @property
    def words(self) -> int:
        """Of a filter."""
        return math.prod(self.window) * self.channels

    @property
    def dims(self) -> tuple[int, ...]:
        """Height and width of ifmap and filter, channels, filters."""
        return (*self.ifmap, *self.window, self.channels, self.filters)


def random_layers(
    draw: Draw, kind: Kind, settings: RandomSettings, *, gemm: bool
) -> list[RandomLayer]:
    """One to three layers that the package runs in about a drawn time together."""
    low, high = _BUDGETS
    budget = math.exp(draw.rng.uniform(math.log(low), math.log(high)))
    if draw.rng.integers(_LARGE) == 0:
        budget = _LARGE_BUDGET
    num = draw.pick(1, 1, 2, 3)
    return [_affordable_layer(draw, kind, settings, gemm, budget / num) for _ in range(num)]


def _affordable_layer(
    draw: Draw, kind: Kind, settings: RandomSettings, gemm: bool, budget: float
) -> RandomLayer:
    most = 8 if kind.extreme else 80
    while True:
        sparsity = _sparsity(draw, settings) if settings.sparse else None
        layer = _gemm(draw, kind, most) if gemm else _convolution(draw, kind, most)
        layer = dataclasses.replace(layer, sparsity=sparsity)
        if _seconds(layer, settings) <= budget:
            return layer
        most = max(6, int(most * 0.95))
        if most <= 6:  # a large array takes its time
            budget *= 1.1


def _gemm(draw: Draw, kind: Kind, most: int) -> RandomLayer:
    m, n, k = (
        draw.integer(1, 900 if kind.extreme and draw.chance(0.2) else most) for _ in range(3)
    )
    return RandomLayer(ifmap=(m, k), window=(1, k), channels=1, filters=n, stride=1)


def _convolution(draw: Draw, kind: Kind, most: int) -> RandomLayer:
    window = draw.pick((1, 1), (3, 3), (3, 3), (5, 5), (2, 3), (1, 3), (3, 1))
    stride = draw.pick(1, 1, 2, 3)
    if kind.extreme:
        window = draw.integer(1, 7), draw.integer(1, 7)
        stride = draw.integer(1, 9)
    height, width = (draw.integer(part, max(part, most // 3)) for part in window)
    depthwise = kind.depthwise and draw.chance(0.7)
    return RandomLayer(
        ifmap=(height, width),
        window=window,
        channels=draw.integer(1, 4 if depthwise else max(1, most // 4)),
        filters=1 if depthwise and draw.chance(0.7) else draw.integer(1, most // 2),
        stride=stride,
        depthwise=depthwise,
    )


def _sparsity(draw: Draw, settings: RandomSettings) -> tuple[int, int] | None:
    if draw.chance(0.1):
        return None
    if settings.row_wise and draw.chance(0.8):
        return 1, settings.block
    of = draw.pick(2, 4, 4, 8, 3)
    return int(draw.rng.integers(1, of, endpoint=True)), of


def _seconds(layer: RandomLayer, settings: RandomSettings) -> float:
    """About what the package takes for the layer, its stalls left out."""
    m, n, k = layer.pixels, layer.filters, layer.words
    s_r, s_c, t = {"os": (m, n, k), "ws": (k, n, m), "is": (k, m, n)}[settings.dataflow]
    rows, cols = settings.rows, settings.cols
    folds = -(-s_r // rows) * -(-s_c // cols)
    lines = folds * (2 * rows + cols + t) * (layer.channels if layer.depthwise else 1)
    return lines * (_SECONDS_A_LINE + _SECONDS_A_WORD * (rows + 2 * cols))


def topology_text(draw: Draw, layers: Sequence[RandomLayer], *, gemm: bool) -> str:
    """The topology; a few have a column too many, or the last one without its comma."""
    rows = [_GEMM_HEADER if gemm else _CONV_HEADER]
    comma = draw.pick(", ", ",")
    for number, layer in enumerate(layers):
        cells: list[str | int] = [f"{'Conv_DP' if layer.depthwise else 'Layer'}{number}"]
        if gemm:
            cells += [layer.pixels, layer.filters, layer.words]
        else:
            cells += [*layer.dims, layer.stride]
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


_HEADER = (
    "Layer name",
    *(f"{part} Intraline Factor" for part in ("IFMAP Height", "IFMAP Width")),
    *(f"{part} Intraline Factor" for part in ("Filter Height", "Filter Width")),
    *(f"{part} Intraline Factor" for part in ("Channel", "Num Filter")),
    *(
        f"{part} {where} Order"
        for where in ("Intraline", "Interline")
        for part in ("IFMAP Height", "IFMAP Width", "Channel")
    ),
    *(
        f"{part} {where} Order"
        for where in ("Intraline", "Interline")
        for part in ("Num Filter", "Channel", "Filter Height", "Filter Width")
    ),
)
_BAD = 0.03  # share of layouts that the package refuses


def layout_text(
    rng: np.random.Generator,
    layers: Sequence[tuple[int, ...]],
    *,
    ifmap_words: int,
    filter_words: int,
) -> str:
    """A row per layer; the package uses the first for all of them.

    Words of a line are as the package demands: up to those of the ifmap's port, exactly those of
    the filter's. The channel's factor is one number for both operands.

    Args:
      rng: of everything random.
      layers: height and width of the ifmap, height and width of a filter, channels, filters.
      ifmap_words: words per cycle of the ifmap's port.
      filter_words: words per cycle of the filter's port.
    """
    rows = [", ".join(_HEADER) + ","]
    for number, (height, width, filter_height, filter_width, channels, _) in enumerate(layers):
        channel = _divisor(rng, filter_words, channels, at_most=ifmap_words)
        first = _divisor(rng, filter_words // channel, filter_height)
        second = _divisor(rng, filter_words // channel // first, filter_width)
        filters = filter_words // channel // first // second
        ifmap_height = _part(rng, ifmap_words // channel, height)
        ifmap_width = _part(rng, ifmap_words // channel // ifmap_height, width)
        if rng.random() < _BAD:
            filters += 1
        factors = (ifmap_height, ifmap_width, first, second, channel, filters)
        orders = (*_orders(rng, 3), *_orders(rng, 4))
        rows.append(", ".join(map(str, (f"Layer{number}", *factors, *orders))) + ",")
    return "\n".join(rows) + "\n"


def _divisor(rng: np.random.Generator, words: int, size: int, *, at_most: int = 1 << 30) -> int:
    """A divisor of the words, mostly no larger than the dimension."""
    limit = min(words, at_most, size if rng.random() < 0.8 else words)
    return int(rng.choice([part for part in range(1, limit + 1) if words % part == 0]))


def _part(rng: np.random.Generator, words: int, size: int) -> int:
    return int(rng.integers(1, min(words, size if rng.random() < 0.8 else words), endpoint=True))


def _orders(rng: np.random.Generator, dims: int) -> list[int]:
    """Order of the dimensions within a line, then from line to line.

    The package transposes 2 * dims axes, those of the lines first, to what the second and then the
    first of these say; any permutation of all axes will do.
    """
    if rng.random() < 0.1:
        axes = rng.permutation(2 * dims)
        return [*map(int, axes[dims:]), *map(int, axes[:dims])]
    return [*map(int, rng.permutation(dims) + dims), *map(int, rng.permutation(dims))]


# A kind keeps its place: seeds depend on it.
KINDS: Mapping[str, Kind] = {
    "gemm": Kind(gemm=True),
    "convolution": Kind(gemm=False),
    "depthwise": Kind(gemm=False, depthwise=True),
    "sparsity by layer": Kind(sparse=True),
    "sparsity by row": Kind(row_wise=True),
    "layouts": Kind(layouts=True),
    "ports": Kind(ports=True, largest_side=24),
    "latencies": Kind(latencies=True),
    "mixed": Kind(mixed=True, depthwise=True),
    "extremes": Kind(mixed=True, extreme=True),
}


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
    latencies: Mapping[str, Int[np.ndarray, " requests"]]
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


def random_files(name: str, seed: int) -> RandomFiles:
    """The run of a kind, by its name in `KINDS`, and a seed: the same each time."""
    kind, draw = KINDS[name], Draw(list(KINDS).index(name), seed)
    either = draw.chance(0.5)
    gemm = either if kind.gemm is None else kind.gemm
    settings = random_settings(draw, kind)
    layers = random_layers(draw, kind, settings, gemm=gemm)
    latencies: dict[str, Int[np.ndarray, " requests"]] = {}
    if settings.latencies:
        count = sum(layer.channels if layer.depthwise else 1 for layer in layers)
        for layer in range(count):
            for operand in ("ifmap", "filter", "ofmap"):
                latencies[f"_{operand}File{layer}.npy"] = _latencies(draw)
    config, topology = config_text(draw, settings), topology_text(draw, layers, gemm=gemm)
    layout = "Layer name,\n"
    if settings.ifmap.layout or settings.filter.layout:
        layout = layout_text(
            draw.rng,
            [layer.dims for layer in layers],
            ifmap_words=settings.ifmap.words,
            filter_words=settings.filter.words,
        )
    return RandomFiles(
        config=config,
        topology=topology,
        layout=layout,
        latencies=latencies,
        gemm=gemm,
        traces=draw.chance(0.4),
    )


def _latencies(draw: Draw) -> Int[np.ndarray, " requests"]:
    """Of up to some thousand requests; the package takes those over 10000 for none."""
    size = draw.pick(0, 5, 100, 1000, 5000)
    top = draw.pick(3, 40, 200)
    values = draw.rng.integers(1, top, size, endpoint=True)
    values[draw.rng.random(size) < 0.01] = 20000
    return values
