"""Random topologies of the scalesim package, and their text."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

from airchitect_jax.studies.scalesim_validation.random_draws import Draw, Kind
from airchitect_jax.studies.scalesim_validation.random_settings import RandomSettings

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
