"""The common style of all figures. Needs matplotlib (extra `plots`)."""

from __future__ import annotations

import io
import pathlib
from collections.abc import Iterable, Mapping
from typing import Any

from airchitect_jax._support import MissingExtraError, files
from airchitect_jax.types import Dataflow

# Figures import these names from here, the one place that says which extra brings them.
try:
    import matplotlib
    from matplotlib.axes import Axes as Axes
    from matplotlib.colors import LogNorm as LogNorm
    from matplotlib.figure import Figure as Figure
    from matplotlib.rcsetup import cycler
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
CYCLE = (BLUE, ORANGE, GREEN, RED, PURPLE, SKY, BLACK)
# More, for figures with many lines: from Paul Tol's muted palette, and a grey.
WINE, OLIVE, INDIGO = "#882255", "#999933", "#332288"
_MORE = (WINE, OLIVE, "#44AA99", INDIGO, "#AAAAAA", "#661100", "#DDCC77")
MOST_LINES = len(CYCLE) + len(_MORE)  # that differ in colour and marker
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
    "legend.frameon": False,
    "savefig.dpi": 130,
}
styled = matplotlib.rc_context(_STYLE)  # a decorator: each figure is made within the style


def new_figure(columns: int = 1, width: float = 8.0, height: float = 4.2) -> tuple[Figure, Any]:
    """A figure without global state, so that nothing has to be closed."""
    figure = Figure(figsize=(width, height), layout="constrained")
    axes = figure.subplots(1, columns, squeeze=False)[0]
    return figure, axes[0] if columns == 1 else axes


def line_style(index: int) -> dict[str, Any]:
    """Colour, marker and dashes of the line of this number, of at most `MOST_LINES`."""
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
            fontsize=8,
        )  # fmt: skip


def legend_beside(axes: Axes) -> None:
    """A legend at the right of the axes, where it covers no data."""
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), fontsize=8)


@styled
def to_png(figure: Figure) -> bytes:
    """The figure as a PNG, with the same bytes for the same figure."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()


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
