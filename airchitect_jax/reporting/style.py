"""The common style of all figures. Needs matplotlib (extra `plots`)."""

from __future__ import annotations

import io
import math
import pathlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from airchitect_jax._support import MissingExtraError, files
from airchitect_jax.reporting.svg import Record, page_svg
from airchitect_jax.types import Dataflow

# Figures import these names from here, the one place that says which extra brings them.
try:
    import matplotlib
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes as Axes
    from matplotlib.axis import Axis
    from matplotlib.collections import PatchCollection as PatchCollection
    from matplotlib.colors import ListedColormap as ListedColormap
    from matplotlib.colors import LogNorm as LogNorm
    from matplotlib.figure import Figure as Figure
    from matplotlib.patches import Rectangle as Rectangle
    from matplotlib.rcsetup import cycler
    from matplotlib.ticker import EngFormatter as EngFormatter
    from matplotlib.ticker import LogLocator as LogLocator
    from matplotlib.ticker import MaxNLocator as MaxNLocator
    from matplotlib.ticker import NullLocator
    from matplotlib.transforms import Bbox
except ImportError as error:  # pragma: no cover - depends on the installation
    raise MissingExtraError("figures need matplotlib", "plots") from error

# Okabe and Ito's palette, which colour-blind readers can tell apart.
BLUE, ORANGE, GREEN, RED, PURPLE, SKY, BLACK = (
    "#0072B2",
    "#E69F00",
    "#009E73",
    "#D55E00",
    "#CC79A7",
    "#56B4E9",
    "#000000",
)
# Black and white follow the scheme of a page; texts on a colour do not.
ON_LIGHT, ON_DARK = "#111111", "#fefefe"
CYCLE = (BLUE, ORANGE, GREEN, RED, PURPLE, SKY, BLACK)
# More, for figures with many lines: from Paul Tol's muted palette, and a grey.
WINE, OLIVE, INDIGO = "#882255", "#999933", "#332288"
_MORE = (WINE, OLIVE, "#44AA99", INDIGO, "#AAAAAA", "#661100", "#DDCC77")
# One look for each dataflow in all figures.
OF_DATAFLOW: Mapping[Dataflow, Any] = {
    Dataflow.OS: {"color": BLUE, "marker": "o"},
    Dataflow.WS: {"color": RED, "marker": "s"},
    Dataflow.IS: {"color": GREEN, "marker": "^"},
}
_STYLE: Any = {
    "axes.axisbelow": True,
    "axes.grid": True,
    "axes.prop_cycle": cycler(color=CYCLE),
    "axes.spines.right": False,
    "axes.spines.top": False,
    "figure.dpi": 100,
    "font.size": 10,
    "grid.alpha": 0.3,
    "legend.columnspacing": 1.2,
    "legend.fontsize": 10,
    "legend.frameon": False,
    "legend.handletextpad": 0.4,
    "savefig.dpi": 130,
    "svg.fonttype": "none",
    "svg.hashsalt": "airchitect",
}
styled = matplotlib.rc_context(_STYLE)  # a decorator: each figure is made within the style


PHONE = 4.6  # inches: the widest figure whose text of 10 points a phone shows in full size


class Drawing(Figure):
    """A figure whose marks carry data, which a page shows on hover.

    Attributes:
      records: by id of a group of the SVG, one for each of its marks.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.records: dict[str, Sequence[Record]] = {}

    def tell(self, artists: Artist | Iterable[Artist], records: Sequence[Record]) -> None:
        """Gives the points of a scatter plot, or the bars of a container, their data in order."""
        if isinstance(artists, Artist):
            groups = [(artists, records)]
        else:
            groups = [(bar, [one]) for bar, one in zip(artists, records, strict=True)]
        for artist, of_artist in groups:
            name = f"marks{len(self.records)}"
            artist.set_gid(name)
            self.records[name] = of_artist


def new_figure(
    columns: int = 1, width: float = 8.0, height: float = 4.2, rows: int = 1
) -> tuple[Drawing, Any]:
    """A figure without global state, so that nothing has to be closed; panels in one row or column.

    Figures of width `PHONE` fit a phone; wider ones scroll there.
    """
    figure = Drawing(figsize=(width, height), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    return figure, axes[0] if len(axes) == 1 else axes


def plain_log(axis: Axis) -> None:
    """A logarithmic axis with a few ticks, in plain numbers. Call it when the data are drawn."""
    low, high = sorted(axis.get_view_interval())
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for digits in ((1,), (1, 3), (1, 2, 5), (1, 1.5, 2, 3, 5, 7)):
        ticks = [digit * 10.0**decade for decade in decades for digit in digits]
        ticks = [tick for tick in ticks if low <= tick <= high]
        if len(ticks) >= 3:
            break
    else:
        ticks = [tick for tick in MaxNLocator(4).tick_values(low, high) if low <= tick <= high]
    named = {compact(tick): tick for tick in ticks[:: -(-len(ticks) // 6) or 1]}
    axis.set_ticks(list(named.values()), list(named))
    axis.set_minor_locator(NullLocator())


def compact(value: float) -> str:
    """A number of a tick or label, for example "0.02", "500", "20k" or "1.5M"."""
    for unit, suffix in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e4, "k")):
        if abs(value) >= unit * 0.99999:
            return f"{value / (unit if suffix != 'k' else 1e3):.4g}{suffix}"
    return f"{value:.4g}"


def label_points(
    axes: Axes, points: Sequence[tuple[float, float]], texts: Sequence[str], most: int = 5
) -> None:
    """Names beside the first points, where they cover no other name and no line.

    A name with no such place is left out. Call it when all else is drawn.
    """
    figure: Any = axes.figure
    figure.draw_without_rendering()
    panel = axes.get_window_extent()
    marks = axes.transData.transform(points)
    curves = [line.get_transform().transform_path(line.get_path()) for line in axes.lines]
    taken: list[Bbox] = []
    for place, text in list(zip(points, texts, strict=True))[:most]:
        best, fewest = None, math.inf
        for across, up in (
            (8, 0),
            (-8, 0),
            (0, 9),
            (0, -9),
            (7, 10),
            (-7, 10),
            (7, -10),
            (-7, -10),
        ):
            name = axes.annotate(
                plain(text),
                place,
                (across, up),
                textcoords="offset points",
                ha={1: "left", 0: "center", -1: "right"}[(across > 0) - (across < 0)],
                va={1: "bottom", 0: "center", -1: "top"}[(up > 0) - (up < 0)],
                in_layout=False,
            )
            box = name.get_window_extent()
            name.remove()
            padded = box.padded(2)
            free = panel.x0 <= box.x0 and box.x1 <= panel.x1 and panel.y0 <= box.y0
            free = (
                free and box.y1 <= panel.y1 and not any(padded.overlaps(other) for other in taken)
            )
            free = free and not any(curve.intersects_bbox(padded, filled=False) for curve in curves)
            covered = box.padded(8).count_contains(marks)
            if free and covered < fewest:
                best, fewest = (name, box), covered
        if best:
            axes.add_artist(best[0])
            taken.append(best[1])


def line_style(index: int) -> dict[str, Any]:
    """Colour, marker and dashes of the line of this number, below 14."""
    return {
        "color": (*CYCLE, *_MORE)[index],
        "marker": "osD^v<>PX*phd8"[index],
        "markersize": 4,
        "linestyle": "-" if index < len(CYCLE) else "--",
    }


def legend_below(figure: Figure, axes: Iterable[Axes], columns: int) -> None:
    """One legend for these axes under the figure, where it covers no data; each label once."""
    entries: dict[str, Any] = {}
    for one in axes:
        for handle, label in zip(*one.get_legend_handles_labels(), strict=True):
            entries.setdefault(label, handle)
    if entries:
        figure.legend(
            list(entries.values()), list(entries), loc="outside lower center", ncols=columns,
        )  # fmt: skip


def legend_beside(axes: Axes) -> None:
    """A legend at the right of the axes, where it covers no data."""
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))


@styled
def to_png(figure: Figure) -> bytes:
    """The figure as a PNG, with the same bytes for the same figure."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()


@styled
def to_svg(figure: Figure, name: str) -> str:
    """The figure as markup for a page, with the same text for the same figure.

    `name` is that of the figure, unique on the page.
    """
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
    records = figure.records if isinstance(figure, Drawing) else {}
    return page_svg(buffer.getvalue(), name, records)


def to_svgs(drawn: Mapping[str, tuple[str, Figure]]) -> dict[str, tuple[str, str]]:
    """Captions and figures by name as `html.figures` takes them."""
    return {name: (caption, to_svg(figure, name)) for name, (caption, figure) in drawn.items()}


def save_pngs(folder: pathlib.Path, pngs: Mapping[str, bytes]) -> None:
    """Writes each PNG as figures/NAME.png below the folder."""
    for name, png in pngs.items():
        with files.atomic_path(folder / "figures" / f"{name}.png") as temporary:
            temporary.write_bytes(png)


def save_figures(folder: pathlib.Path, figures: Mapping[str, Figure]) -> None:
    """Writes each figure as figures/NAME.png below the folder."""
    save_pngs(folder, {name: to_png(figure) for name, figure in figures.items()})


def plain(text: str) -> str:
    """Text that matplotlib does not take for mathematics or for a hidden label."""
    return text.replace("$", r"\$").lstrip("_") or "unnamed"
