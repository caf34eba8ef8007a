"""Figures of training and evaluation. Needs matplotlib (extra `plots`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from airchitect_jax.learning.real_networks import NetworkResult
from airchitect_jax.reporting.axes import ABOVE, LEAST_ABOVE, log_from_zero
from airchitect_jax.reporting.style import (
    BLACK,
    BLUE,
    GREEN,
    ON_DARK,
    ON_LIGHT,
    ORANGE,
    PHONE,
    PURPLE,
    Axes,
    Figure,
    LogLocator,
    MaxNLocator,
    legend_below,
    new_figure,
    plain,
    styled,
)
from airchitect_jax.spaces import Attribute

_MAX_TICKS = 20  # more category names than this do not fit an axis
_MAX_NUMBERS = 12  # categories whose cells have room for a number


@styled
def training_curves(history: Sequence[Mapping[str, float]]) -> Figure:
    """Loss and accuracy against examples seen, in training and on the validation split."""
    figure, (left, right) = new_figure(rows=2, width=PHONE, height=5.6)
    examples = [row["examples"] / 1e6 for row in history]
    checked = [row for row in history if "validation_loss" in row]
    for axes, name, label in ((left, "loss", "loss"), (right, "accuracy", "accuracy")):
        axes.plot(examples, [row[name] for row in history], color=BLUE, label="training")
        axes.plot(
            [row["examples"] / 1e6 for row in checked],
            [row[f"validation_{name}"] for row in checked],
            color=ORANGE,
            marker="o",
            label="validation",
        )
        axes.set(xlabel="examples seen (millions)", ylabel=label)
        axes.xaxis.set_major_locator(MaxNLocator(5))
    legend_below(figure, (left,), columns=2)
    left.set_yscale("log")  # squared errors of costs fall by orders of magnitude
    left.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    left.yaxis.set_major_formatter("{x:g}")
    left.yaxis.set_minor_formatter("")
    right.set_ylim(-0.03, 1.03)
    return figure


@styled
def design_histogram(
    optimal: Int[np.ndarray, "num"], chosen: Int[np.ndarray, "num"], num_designs: int
) -> Figure:
    """How often each design id is optimal, above how often it is chosen."""
    figure, panels = new_figure(rows=2, width=PHONE, height=5.6)
    edges = np.arange(num_designs + 1)
    for axes, ids, color, label in zip(
        panels,
        (optimal, chosen),
        (BLUE, ORANGE),
        ("workloads with this optimum", "workloads with this choice"),
        strict=True,
    ):
        axes.stairs(np.bincount(ids, minlength=num_designs), edges, color=color, fill=True)
        axes.set(ylabel=label, xlim=(0, num_designs))
        axes.set_yscale("symlog", linthresh=1)
        axes.yaxis.set_major_formatter("{x:g}")
        axes.set_ylim(0, 2 * max(np.bincount(optimal).max(), np.bincount(chosen).max()))
    panels[-1].set_xlabel("design id (tie order: fewer resources first)")
    return figure


@styled
def cost_above_optimum(
    network: Float[np.ndarray, "num"],
    others: Mapping[str, Float[np.ndarray, "num"]],
    metrics: Mapping[str, float],
) -> Figure:
    """Sorted cost above the optimum of the network and of others, from normalised performance.

    The network's geomean, first percentile and worst are lines. Optimal choices are at zero.
    """
    figure, axes = new_figure(width=PHONE, height=4.8)
    for (name, values), color in zip(
        {"network": network, **others}.items(), (BLUE, ORANGE, GREEN, PURPLE), strict=False
    ):
        share = (np.arange(len(values)) + 0.5) / len(values)
        axes.plot(share * 100, 100 * (1 / np.sort(values) - 1), color=color, label=plain(name))
    for key, label, style in (
        ("geomean_normalized_performance", "geomean", "--"),
        ("p01_normalized_performance", "1st percentile", "-."),
        ("min_normalized_performance", "worst", ":"),
    ):
        above = 100 * (1 / metrics[key] - 1)
        axes.axhline(
            above, color=BLACK, linestyle=style, linewidth=1, label=f"{label}: {above:.3g}%"
        )
    axes.set_xlabel("workloads, worst first (%, logarithmic)")
    axes.set(ylabel=ABOVE, xscale="log")
    axes.xaxis.set_major_formatter("{x:g}")
    axes.set_xlim(right=100)
    log_from_zero(axes, "y", LEAST_ABOVE, "optimal")
    legend_below(figure, (axes,), columns=2)
    return figure


@styled
def confusion(
    attributes: Sequence[Attribute], optimal: Int[np.ndarray, "num"], chosen: Int[np.ndarray, "num"]
) -> Figure:
    """For each attribute of a design, the chosen category against the optimal one.

    Each row, an optimal category, has the shares of the choices made for it in percent.
    """
    num = len(attributes)
    figure, panels = new_figure(rows=num, width=PHONE, height=1 + 4 * num)
    for axes, attribute in zip(np.atleast_1d(panels), attributes, strict=True):
        size = len(attribute.categories)
        counts = np.zeros((size, size), np.int64)
        np.add.at(counts, (attribute.of_design[optimal], attribute.of_design[chosen]), 1)
        percent = 100 * counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
        drawn = (_numbered if size <= _MAX_NUMBERS else _dotted)(axes, percent)
        axes.grid(visible=False)
        agreement = np.trace(counts) / max(counts.sum(), 1)
        axes.set_title(f"{attribute.name}: {agreement:.1%} agree", fontsize=10)
        axes.set(xlabel="chosen", ylabel="optimal")
        _category_ticks(axes, attribute.categories)
    figure.colorbar(
        drawn, ax=panels, label="choices for this optimum (%)", location="top", aspect=40
    )
    return figure


def _numbered(axes: Axes, percent: Float[np.ndarray, "size size"]) -> Any:
    image = axes.imshow(
        np.where(percent > 0, percent, np.nan), vmin=0, vmax=100, cmap="viridis", origin="lower"
    )
    for (y, x), value in np.ndenumerate(percent):
        if value > 0:
            text, color = (
                f"{value:.0f}" if value >= 1 else "<1",
                ON_DARK if value < 50 else ON_LIGHT,
            )
            axes.text(x, y, text, ha="center", va="center", color=color)
    return image


def _dotted(axes: Axes, percent: Float[np.ndarray, "size size"]) -> Any:
    """Where cells are too small to be seen."""
    rows, columns = np.nonzero(percent)
    order = np.argsort(percent[rows, columns])
    y, x = rows[order], columns[order]
    dots = axes.scatter(x, y, c=percent[y, x], s=9, marker="s", vmin=0, vmax=100, cmap="viridis")
    ends = -0.5, len(percent) - 0.5
    axes.set(xlim=ends, ylim=ends, aspect="equal")
    return dots


def _category_ticks(axes: Axes, categories: Sequence[str]) -> None:
    step = -(-len(categories) // _MAX_TICKS) if len(categories) > _MAX_TICKS else 1
    # Few enough to be read: long lists get a handful of names.
    step = step if step == 1 else max(step, len(categories) // 6)
    ticks = range(0, len(categories), step)
    names = [categories[tick] for tick in ticks]
    crowded = step > 1 or sum(map(len, names)) > 24
    axes.set_xticks(ticks, names, rotation=90 if crowded else 0)
    axes.set_yticks(ticks, names)


@styled
def networks(results: Sequence[NetworkResult]) -> Figure:
    """Cost of real networks above the best design per layer, a row per network, the dearest first.

    A line reaches from the constraint with the least to that with the most, a marker is the median.
    """
    groups: dict[str, list[NetworkResult]] = {}
    for result in results:
        groups.setdefault(result.network, []).append(result)
    above = {
        name: [
            [100 * (getattr(row, kind) / row.optimal_cost - 1) for row in rows]
            for kind in ("chosen_cost", "single_cost")
        ]
        for name, rows in groups.items()
    }
    names = sorted(above, key=lambda name: max(above[name][0]))
    figure, axes = new_figure(width=PHONE, height=1.8 + 0.3 * len(names))
    for index, (label, color, marker) in enumerate(
        (
            ("one design per layer, as recommended", BLUE, "o"),
            ("the best single design for all layers", ORANGE, "s"),
        )
    ):
        rows = np.arange(len(names)) + 0.15 - 0.3 * index
        for row, name in zip(rows, names, strict=True):
            ends = min(above[name][index]), max(above[name][index])
            axes.plot(ends, (row, row), color=color, linewidth=2, alpha=0.5)
        medians = [np.median(above[name][index]) for name in names]
        axes.plot(medians, rows, color=color, marker=marker, linestyle="none", label=label)
    axes.set_yticks(range(len(names)), [plain(name) for name in names], fontsize=9)
    axes.set_ylim(-0.6, len(names) - 0.4)
    axes.set_xlabel(ABOVE)
    log_from_zero(axes, "x", LEAST_ABOVE)
    legend_below(figure, (axes,), columns=1)
    return figure
