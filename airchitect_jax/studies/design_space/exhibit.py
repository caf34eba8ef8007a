"""A figure with its numbers and what they say, and what the drawing of figures has in common."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float, Int, Num
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure

from airchitect_jax.reporting.style import BLUE, ORANGE
from airchitect_jax.studies.design_space.samples import Sample

SMALL = 10  # points: titles of panels

# One look for each distribution in all figures.
_LOOKS: Mapping[str, Mapping[str, Any]] = {
    "uniform": {"color": BLUE, "marker": "o", "linestyle": "-"},
    "log-uniform": {"color": ORANGE, "marker": "s", "linestyle": "--"},
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Exhibit:
    """One figure of the report.

    Attributes:
      name: of its files.
      title: its heading.
      text: what it shows, in sentences made from the numbers of this run.
      figure: the figure.
      rows: the table that it is drawn from; the first row is the header.
      summary: its figures for summary.json, by name.
    """

    name: str
    title: str
    text: str
    figure: Figure
    rows: Sequence[Sequence[Any]]
    summary: Mapping[str, Any]


# A name for progress, and what makes the exhibit.
Maker = tuple[str, Callable[[], Exhibit]]


def looks(samples: Iterable[Sample]) -> list[Mapping[str, Any]]:
    """Colour, marker and line style of each sample, by its distribution."""
    return [_LOOKS.get(sample.name, _LOOKS["uniform"]) for sample in samples]


def panels(rows: int, columns: int, *, width: float, height: float) -> tuple[Figure, np.ndarray]:
    """A figure without global state, and its axes [rows, columns]."""
    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.subplots(rows, columns, squeeze=False)


def percent(share: Any) -> str:
    """A share in percent, with two digits that count however small it is."""
    share = float(share)
    if 0 < share < 1e-5:
        return "under 0.001%"
    if share == 0 or 0.001 <= share <= 0.999 or share == 1:
        return f"{share:.1%}"
    if share > 0.5:
        return f"{share:.3%}" if share < 0.99999 else "over 99.999%"
    return f"{share * 100:.2g}%"


def extra(surplus: Any) -> str:
    """What something costs more, relative to one."""
    return percent(surplus) if surplus < 0.5 else f"{float(surplus):.0%}"


def listed(items: Sequence[str]) -> str:
    """For example "a, b and c"."""
    return " and ".join([", ".join(items[:-1]), items[-1]] if len(items) > 1 else items)


def geomean(values: Num[np.ndarray, "num"]) -> float:
    """The geometric mean of positive numbers."""
    return float(np.exp(np.mean(np.log(values))))


@dataclasses.dataclass(frozen=True, kw_only=True)
class Grid:
    """Cells over a plane; what lies outside of it is left out.

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
        """Points of each cell, or the sums of their weights."""
        place_x, place_y = (
            np.floor((values - edges[0]) / (edges[1] - edges[0])).astype(np.int64)
            for values, edges in ((x, self.x), (y, self.y))
        )
        width, height = len(self.x) - 1, len(self.y) - 1
        inside = (place_x >= 0) & (place_x < width) & (place_y >= 0) & (place_y < height)
        cells = place_y[inside] * width + place_x[inside]
        weights = None if weights is None else np.asarray(weights, np.float64)[inside]
        return np.bincount(cells, weights, width * height).reshape(height, width).astype(np.float64)

    def mean(
        self,
        x: Num[np.ndarray, "num"],
        y: Num[np.ndarray, "num"],
        values: Num[np.ndarray, "num"],
    ) -> Float[np.ndarray, "y x"]:
        """The mean of `values` in each cell, NaN where nothing is."""
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
        """The most frequent category of each cell, NaN where nothing is."""
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


def square_grid(limit_x: float, limit_y: float, cells: int = 49) -> Grid:
    """A grid around the origin, which is the middle of a cell if their number is odd."""
    return Grid(
        x=np.linspace(-limit_x, limit_x, cells + 1), y=np.linspace(-limit_y, limit_y, cells + 1)
    )


def shape_grid(max_dim: int) -> Grid:
    """The plane of GEMM shapes (`samples.shape_axes`) as far as dimensions reach."""
    limit = float(np.log2(max_dim))
    return square_grid(limit, limit)


def categorical(colors: Sequence[str]) -> dict[str, Any]:
    """Options of `Grid.draw` for cells that hold categories."""
    return {"cmap": ListedColormap(list(colors)), "vmin": -0.5, "vmax": len(colors) - 0.5}


def label_shape_axes(bottom: Iterable[Axes], left: Iterable[Axes]) -> None:
    """Names the axes of `samples.shape_axes`."""
    for axes in bottom:
        axes.set_xlabel("log2(m / n)")
    for axes in left:
        axes.set_ylabel("log2(k / sqrt(m n))")
