"""Figures, and the one style that they share. Needs matplotlib (extra `plots`)."""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float, Int

try:
    import matplotlib
    from matplotlib.axes import Axes
    from matplotlib.colors import LogNorm
    from matplotlib.figure import Figure
    from matplotlib.rcsetup import cycler
except ImportError as error:  # pragma: no cover - depends on the installation
    raise ImportError("figures need matplotlib: pip install 'airchitect-jax[plots]'") from error

from airchitect_jax.network_evaluation import NetworkResult
from airchitect_jax.spaces import Attribute
from airchitect_jax.types import Dataflow

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
_CYCLE = (BLUE, ORANGE, GREEN, RED, PURPLE, SKY, BLACK)
# More, for figures with many lines: from Paul Tol's muted palette, and a grey.
WINE, OLIVE, INDIGO = "#882255", "#999933", "#332288"
_MORE = (WINE, OLIVE, "#44AA99", INDIGO, "#AAAAAA", "#661100", "#DDCC77")
MOST_LINES = len(_CYCLE) + len(_MORE)  # that differ in colour and marker
# One look for each dataflow in all figures.
OF_DATAFLOW: Mapping[Dataflow, Any] = {
    Dataflow.OS: {"color": BLUE, "marker": "o"},
    Dataflow.WS: {"color": RED, "marker": "s"},
    Dataflow.IS: {"color": GREEN, "marker": "^"},
}
_STYLE: Any = {
    "axes.axisbelow": True,
    "axes.grid": True,
    "axes.prop_cycle": cycler(color=_CYCLE),
    "axes.spines.right": False,
    "axes.spines.top": False,
    "figure.dpi": 100,
    "font.size": 10,
    "grid.alpha": 0.3,
    "legend.frameon": False,
    "savefig.dpi": 130,
}
styled = matplotlib.rc_context(_STYLE)  # a decorator: each figure is made within the style
_MAX_TICKS = 20  # more category names than this do not fit an axis


def new_figure(columns: int = 1, width: float = 8.0, height: float = 4.2) -> tuple[Figure, Any]:
    """A figure without global state, so that nothing has to be closed."""
    figure = Figure(figsize=(width, height), layout="constrained")
    axes = figure.subplots(1, columns, squeeze=False)[0]
    return figure, axes[0] if columns == 1 else axes


def line_style(index: int) -> dict[str, Any]:
    """Colour, marker and dashes of the line of this number, of at most `MOST_LINES`."""
    return {
        "color": (*_CYCLE, *_MORE)[index],
        "marker": "osD^v<>PX*phd8"[index],
        "markersize": 4,
        "linestyle": "-" if index < len(_CYCLE) else "--",
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


@styled
def training_curves(history: Sequence[Mapping[str, float]]) -> Figure:
    """Loss and accuracy against examples seen, in training and on the validation split."""
    figure, (left, right) = new_figure(columns=2)
    examples = [row["examples"] / 1e6 for row in history]
    checked = [row for row in history if "validation_loss" in row]
    for axes, name, label in (
        (left, "loss", "loss"),
        (right, "accuracy", "accuracy"),
    ):
        axes.plot(examples, [row[name] for row in history], color=BLUE, label="training")
        axes.plot(
            [row["examples"] / 1e6 for row in checked],
            [row[f"validation_{name}"] for row in checked],
            color=ORANGE,
            marker="o",
            label="validation",
        )
        axes.set_xlabel("examples seen (millions)")
        axes.set_ylabel(label)
        axes.set_xlim(left=0)
    legend_below(figure, (left,), columns=2)
    left.set_yscale("log")  # squared errors of costs fall by orders of magnitude
    right.set_ylim(0, 1)
    return figure


@styled
def design_histogram(
    optimal: Int[np.ndarray, "num"], chosen: Int[np.ndarray, "num"], num_designs: int
) -> Figure:
    """How often each design id is optimal and how often it is chosen."""
    figure, axes = new_figure()
    edges = np.arange(num_designs + 1)
    for ids, color, label, filled in (
        (optimal, SKY, "optimal", True),
        (chosen, RED, "chosen by the network", False),
    ):
        counts = np.bincount(ids, minlength=num_designs)
        axes.stairs(counts, edges, color=color, fill=filled, label=label, linewidth=0.8)
    axes.set_yscale("symlog", linthresh=1)
    axes.set_ylim(bottom=0)
    axes.set_xlim(0, num_designs)
    axes.set_xlabel("design id (tie order: fewer resources first)")
    axes.set_ylabel("workloads")
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2)
    return figure


@styled
def normalized_performance(
    network: Float[np.ndarray, "num"],
    others: Mapping[str, Float[np.ndarray, "num"]],
    metrics: Mapping[str, float],
) -> Figure:
    """Normalised performance in ascending order, with geomean, p1 and minimum of the network."""
    figure, axes = new_figure()
    for (name, values), color in zip(
        {"network": network, **others}.items(), (BLUE, ORANGE, GREEN, PURPLE), strict=False
    ):
        share = (np.arange(len(values)) + 0.5) / len(values)
        axes.plot(share * 100, np.sort(values), color=color, label=name)
    for key, label, style in (
        ("geomean_normalized_performance", "geomean", "--"),
        ("p01_normalized_performance", "p1", "-."),
        ("min_normalized_performance", "min", ":"),
    ):
        axes.axhline(
            metrics[key],
            color=BLACK,
            linestyle=style,
            linewidth=1,
            label=f"{label} {metrics[key]:.4f}",
        )
    axes.set_xlabel("workloads, worst first (%, logarithmic)")
    axes.set_ylabel("optimal cost / chosen cost")
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter("{x:g}")
    axes.set_ylim(0, 1.03)
    axes.set_xlim(right=100)
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=3)
    return figure


@styled
def confusion(
    attributes: Sequence[Attribute],
    optimal: Int[np.ndarray, "num"],
    chosen: Int[np.ndarray, "num"],
) -> Figure:
    """For each attribute of a design, the chosen category against the optimal one."""
    figure, panels = new_figure(columns=len(attributes), width=3.8 * len(attributes), height=3.6)
    for axes, attribute in zip(np.atleast_1d(panels), attributes, strict=True):
        size = len(attribute.categories)
        counts = np.zeros((size, size), np.int64)
        np.add.at(counts, (attribute.of_design[optimal], attribute.of_design[chosen]), 1)
        image = axes.imshow(
            np.where(counts > 0, counts, np.nan),
            norm=LogNorm(vmin=1, vmax=max(counts.max(), 2)),
            cmap="viridis",
            origin="lower",
        )
        axes.grid(visible=False)
        agreement = np.trace(counts) / max(counts.sum(), 1)
        axes.set_title(f"{attribute.name}: {agreement:.1%} agree", fontsize=10)
        axes.set_xlabel("chosen")
        axes.set_ylabel("optimal")
        _category_ticks(axes, attribute.categories)
        figure.colorbar(image, ax=axes, shrink=0.8, label="workloads")
    return figure


def _category_ticks(axes: Axes, categories: Sequence[str]) -> None:
    step = -(-len(categories) // _MAX_TICKS) if len(categories) > _MAX_TICKS else 1
    # Few enough to be read: long lists get a handful of names.
    step = step if step == 1 else max(step, len(categories) // 6)
    ticks = range(0, len(categories), step)
    names = [categories[tick] for tick in ticks]
    crowded = step > 1 or sum(map(len, names)) > 24
    axes.set_xticks(ticks, names, rotation=45 if crowded else 0, fontsize=8)
    axes.set_yticks(ticks, names, fontsize=8)


@styled
def aspect_ratio_map(
    workload_aspect: Float[np.ndarray, "num"],
    depth: Float[np.ndarray, "num"],
    design_aspect: Float[np.ndarray, "num"],
    dataflow: Attribute,
    optimal: Int[np.ndarray, "num"],
) -> Figure:
    """The optimal aspect ratio over workload shape, a panel a dataflow that is optimal there.

    Args:
      workload_aspect: log2(m / n).
      depth: log2(k / sqrt(m n)).
      design_aspect: log2(rows / cols) of the optimum.
      dataflow: the attribute that names the panels.
      optimal: the optimal design ids.
    """
    figure, panels = new_figure(columns=len(dataflow.categories), width=12, height=4.0)
    limit = np.quantile(np.abs(design_aspect), 0.99)
    image = None
    for index, (axes, name) in enumerate(zip(panels, dataflow.categories, strict=True)):
        here = dataflow.of_design[optimal] == index
        if here.any():
            image = axes.hexbin(
                workload_aspect[here],
                depth[here],
                C=design_aspect[here],
                reduce_C_function=np.mean,
                gridsize=36,
                extent=(-6, 6, -6, 6),
                cmap="RdBu_r",
                vmin=-limit,
                vmax=limit,
            )
        axes.set_title(f"{name} optimal: {here.mean():.1%} of workloads", fontsize=10)
        axes.set_xlabel("log2(m / n)")
        axes.set_xlim(-6, 6)
        axes.set_ylim(-6, 6)
    panels[0].set_ylabel("log2(k / sqrt(m n))")
    if image is not None:
        figure.colorbar(image, ax=list(panels), label="mean log2(rows / cols)", shrink=0.9)
    return figure


@styled
def sizes_by_budget(
    budgets_kb: Int[np.ndarray, "num"],
    sizes_kb: Int[np.ndarray, "num 3"],
    dataflows: Int[np.ndarray, "num"],
    names: Sequence[str],
) -> Figure:
    """Mean optimal size of the ifmap, filter and ofmap SRAM over the budget, a panel a dataflow.

    Args:
      budgets_kb: the SRAM budget of each workload.
      sizes_kb: its optimal sizes.
      dataflows: its dataflow.
      names: of the dataflows.
    """
    figure, panels = new_figure(columns=len(names), width=12, height=3.8)
    for index, (axes, name) in enumerate(zip(panels, names, strict=True)):
        here = dataflows == index
        budgets = np.unique(budgets_kb[here])
        for place, (operand, marker) in enumerate(
            zip(("ifmap", "filter", "ofmap"), "os^", strict=True)
        ):
            means = [sizes_kb[here & (budgets_kb == budget), place].mean() for budget in budgets]
            axes.plot(budgets, means, marker=marker, markersize=3.5, label=operand)
        axes.set_title(f"{name}: {here.mean():.1%} of workloads", fontsize=10)
        axes.set_xlabel("SRAM budget (KB)")
        axes.set_xlim(left=0)
        axes.set_ylim(0, 1.05 * sizes_kb.max())
    panels[0].set_ylabel("mean optimal size (KB)")
    legend_below(figure, panels[:1], columns=3)
    return figure


# What runs on which lane, from when, and for how long.
Bar = tuple[str, int, float, float]


@styled
def gantt(lanes: Sequence[str], schedules: Mapping[str, Sequence[Bar]]) -> Figure:
    """Schedules side by side, a row a lane, on one axis of time.

    Args:
      lanes: their names, first on top.
      schedules: for each panel by title its bars (text, lane, start, length), in cycles. The
        first word of a text names the workload, and so the colour; more workloads than there are
        light colours share one.
    """
    figure, panels = new_figure(
        columns=len(schedules), width=5.5 * len(schedules), height=1.2 + 0.55 * len(lanes)
    )
    end = max(start + length for bars in schedules.values() for _, _, start, length in bars)
    names = sorted({text.split()[0] for bars in schedules.values() for text, *_ in bars})
    light = _CYCLE[:-1] if len(names) < len(_CYCLE) else (SKY,) * len(names)
    colors = dict(zip(names, light, strict=False))
    for axes, (title, bars) in zip(np.atleast_1d(panels), schedules.items(), strict=True):
        for text, lane, start, length in bars:
            color = colors[text.split()[0]]
            axes.barh(lane, length, left=start, color=color, edgecolor="white", height=0.7)
            if length > end / 12:
                axes.text(
                    start + length / 2, lane, plain(text), ha="center", va="center", fontsize=7
                )
        last = max(start + length for _, _, start, length in bars)
        axes.axvline(last, color=BLACK, linestyle="--", linewidth=1)
        axes.set_yticks(range(len(lanes)), lanes)
        axes.invert_yaxis()
        axes.set_xlim(0, end * 1.02)
        axes.set_xlabel("cycles")
        axes.set_title(title, fontsize=10)
    return figure


@styled
def networks(results: Sequence[NetworkResult]) -> Figure:
    """Normalised performance of real networks over the contexts: chosen and best single design.

    Of more than `MOST_LINES` networks those with the lowest performance are shown.
    """
    worst: dict[str, float] = {}
    for result in results:
        known = worst.get(result.network, 1.0)
        worst[result.network] = min(known, result.normalized_performance)
    lowest = set(sorted(worst, key=worst.__getitem__)[:MOST_LINES])
    names = [name for name in worst if name in lowest]
    figure, (left, right) = new_figure(columns=2, width=11)
    for index, name in enumerate(names):
        rows = [result for result in results if result.network == name]
        contexts = [result.context for result in rows]
        style = line_style(index) | {"label": plain(name)}
        left.plot(contexts, [row.normalized_performance for row in rows], **style)
        right.plot(contexts, [row.optimal_cost / row.single_cost for row in rows], **style)
    for axes, title in (
        (left, "a design a layer, as recommended"),
        (right, "the best single design for all layers"),
    ):
        axes.set_title(title, fontsize=10)
        axes.set_xlabel("constraint")
        axes.set_ylim(0, 1.03)
        axes.tick_params(axis="x", rotation=60, labelsize=8)
    left.set_ylabel("optimal cost / cost")
    legend_beside(right)
    return figure


def plain(text: str) -> str:
    """Text that matplotlib does not take for mathematics or for a hidden label."""
    return text.replace("$", r"\$").lstrip("_") or "unnamed"
