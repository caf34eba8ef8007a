"""A figure with its table, its caption and its summary; and what the figures have in common."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int, Num

from airchitect_jax.reporting.style import (
    BLUE,
    ON_DARK,
    ON_LIGHT,
    ORANGE,
    Axes,
    Figure,
    ListedColormap,
    MaxNLocator,
    legend_below,
)
from airchitect_jax.studies.design_space.samples import Sample

SMALL = 10  # points: titles of panels
_UNIFORM, _LOG_UNIFORM = (BLUE, "o", "-"), (ORANGE, "s", "--")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Exhibit:
    """One figure of the report.

    Attributes:
      name: of its files.
      title: its heading.
      caption: what it shows, with the main numbers.
      figure: the figure.
      rows: the table that it is drawn from; the first row is the header.
      summary: its numbers for summary.json, by name.
    """

    name: str
    title: str
    caption: str
    figure: Figure
    rows: Sequence[Sequence[Any]]
    summary: Mapping[str, Any]


# A name for progress, and what makes the exhibit.
Maker = tuple[str, Callable[[], Exhibit]]


def captioned(template: str, numbers: Mapping[str, Mapping[str, Any]], **common: Any) -> str:
    """The template filled in once for each name, for example of a distribution."""
    return " ".join(
        f"{name}: {template.format(**of_name, **common)}." for name, of_name in numbers.items()
    )


def look(sample: Sample) -> Mapping[str, Any]:
    """Colour, marker and line style of a sample's distribution in all figures."""
    color, marker, line = _LOG_UNIFORM if sample.name == "log-uniform" else _UNIFORM
    return {"color": color, "marker": marker, "linestyle": line, "markersize": 4}


def panels(rows: int, columns: int, *, width: float, height: float) -> tuple[Figure, np.ndarray]:
    """A figure without global state, and its axes [rows, columns]."""
    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.subplots(rows, columns, squeeze=False)


def percent(share: Any) -> str:
    """A share in percent, with two significant digits however small it is."""
    share = float(share)
    if 0 < share < 1e-5:
        return "<0.001%"
    if share == 0 or 0.001 <= share <= 0.999 or share == 1:
        return f"{share:.1%}"
    if share > 0.5:
        return f"{share:.3%}" if share < 0.99999 else ">99.999%"
    return f"{share * 100:.2g}%"


def geomean(values: Num[np.ndarray, "num"]) -> float:
    """The geometric mean of positive numbers."""
    return float(np.exp(np.mean(np.log(values))))


def grouped_bars(draw: Callable[..., Any], group: int, values: Any, sample: Sample) -> Any:
    """The bars of one sample beside those of the other; `draw` is `bar` or `barh` of axes."""
    positions = np.arange(len(values)) + 0.4 * (group - 0.5)
    return draw(positions, values, 0.36, color=look(sample)["color"], label=sample.name)


def annotated(
    axes: Axes, shares: Float[np.ndarray, "rows columns"], highest: float = 1.0, **options: Any
) -> Any:
    """A matrix of shares with a number in each cell; returns what a colour bar needs."""
    image = axes.imshow(shares, cmap="viridis", vmin=0, vmax=highest, **options)
    axes.grid(visible=False)
    for (y, x), share in np.ndenumerate(shares):
        color = ON_DARK if share < highest / 2 else ON_LIGHT
        axes.text(x, y, percent(share), ha="center", va="center", fontsize=8, color=color)
    return image


@dataclasses.dataclass(frozen=True, kw_only=True)
class Grid:
    """Cells over a plane; points outside of it are left out.

    Attributes:
      x, y: ascending edges of equal distance.
    """

    x: Float[np.ndarray, "x_edges"]
    y: Float[np.ndarray, "y_edges"]

    def counts(
        self,
        x: Num[np.ndarray, "num"],
        y: Num[np.ndarray, "num"],
        weights: Num[np.ndarray, "num"] | None = None,
    ) -> Float[np.ndarray, "y x"]:
        """Points in each cell, or the sums of their weights."""
        index_x, index_y = (
            np.floor((values - edges[0]) / (edges[1] - edges[0])).astype(np.int64)
            for values, edges in ((x, self.x), (y, self.y))
        )
        width, height = len(self.x) - 1, len(self.y) - 1
        inside = (index_x >= 0) & (index_x < width) & (index_y >= 0) & (index_y < height)
        cells = index_y[inside] * width + index_x[inside]
        weights = None if weights is None else np.asarray(weights, np.float64)[inside]
        return np.bincount(cells, weights, width * height).reshape(height, width).astype(np.float64)

    def mean(
        self, x: Num[np.ndarray, "num"], y: Num[np.ndarray, "num"], values: Num[np.ndarray, "num"]
    ) -> Float[np.ndarray, "y x"]:
        """The mean of `values` in each cell, NaN in empty cells."""
        counts = self.counts(x, y)
        with np.errstate(invalid="ignore"):
            return np.where(counts > 0, self.counts(x, y, values) / counts, np.nan)

    def most_frequent(
        self,
        x: Num[np.ndarray, "num"],
        y: Num[np.ndarray, "num"],
        category: Int[np.ndarray, "num"],
        num_categories: int,
    ) -> Float[np.ndarray, "y x"]:
        """The most frequent category of each cell, NaN in empty cells."""
        by_category = np.stack(
            [
                self.counts(x[here], y[here])
                for here in category == np.arange(num_categories)[:, None]
            ]
        )
        return np.where(by_category.sum(axis=0) > 0, by_category.argmax(axis=0), np.nan)

    def draw(self, axes: Axes, cells: Float[np.ndarray, "y x"], **options: Any) -> Any:
        """Colours the cells; returns what a colour bar needs."""
        axes.grid(visible=False)
        return axes.pcolormesh(self.x, self.y, cells, rasterized=True, **options)


def square_grid(limit: float, cells: int = 49) -> Grid:
    """A grid around the origin, which is the middle of a cell if their number is odd."""
    edges = np.linspace(-limit, limit, cells + 1)
    return Grid(x=edges, y=edges)


def shape_grid(max_dim: int) -> Grid:
    """The plane of GEMM shapes (`samples.shape_axes`) as far as dimensions reach."""
    return square_grid(float(np.log2(max_dim)))


def categorical(colors: Sequence[str]) -> dict[str, Any]:
    """Options of `Grid.draw` for cells that hold categories."""
    return {"cmap": ListedColormap(list(colors)), "vmin": -0.5, "vmax": len(colors) - 0.5}


def label_shape_axes(bottom: Iterable[Axes], left: Iterable[Axes]) -> None:
    """Names the axes of `samples.shape_axes`."""
    for axes in bottom:
        axes.set_xlabel("log2(m / n)")
    for axes in left:
        axes.set_ylabel("log2(k / sqrt(m n))")


_SHARE = "share that leaves budget unused"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Usage:
    """Which workloads of a sample have a best design below their budget.

    Attributes:
      sample: the workloads.
      budgets: ascending.
      budget: of each workload, one of `budgets`.
      size: of each workload.
      idle: whether its best design leaves budget unused.
    """

    sample: Sample
    budgets: Int[np.ndarray, "budgets"]
    budget: Int[np.ndarray, "num"]
    size: Float[np.ndarray, "num"]
    idle: Bool[np.ndarray, "num"]

    @property
    def shares(self) -> list[float]:
        """Share of workloads of each budget that leave some unused."""
        return [float(self.idle[self.budget == one].mean()) for one in self.budgets]

    def rows(self, shown: Iterable[int]) -> list[list[Any]]:
        """The rows of the table; `shown` is what stands for each budget."""
        counts = [int((self.budget == one).sum()) for one in self.budgets]
        columns = zip(shown, counts, self.shares, strict=True)
        return [[self.sample.name, int(one), count, share] for one, count, share in columns]


def draw_usage(
    usage: Sequence[Usage], grid: Grid, budget: str, size: str, *, step: int = 1
) -> Figure:
    """Shares by budget, then by budget and size, one panel per sample.

    `budget` and `size` label the axes; `grid` is over sizes and budgets times `step`.
    """
    figure, ((first, *others),) = panels(1, len(usage) + 1, width=12, height=4)
    image: Any = None
    for panel, one in zip(others, usage, strict=True):
        cells = grid.mean(one.size, one.budget * step, one.idle)
        image = grid.draw(panel, cells, cmap="viridis", vmin=0, vmax=1)
        panel.set_title(one.sample.name, fontsize=SMALL)
        panel.set(xlabel=size, ylabel=budget)
        first.plot(one.budgets * step, one.shares, label=one.sample.name, **look(one.sample))
    figure.colorbar(image, ax=others, label=_SHARE)
    first.set(xlabel=budget, ylabel=_SHARE)
    first.xaxis.set_major_locator(MaxNLocator("auto", integer=True))
    first.set_ylim(bottom=0)
    legend_below(figure, (first,), columns=2)
    return figure
