"""Figures of training and evaluation. Needs matplotlib (extra `plots`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float, Int

from airchitect_jax.learning.real_networks import NetworkResult
from airchitect_jax.reporting.style import (
    BLACK,
    BLUE,
    GREEN,
    MOST_LINES,
    ORANGE,
    PURPLE,
    RED,
    SKY,
    Axes,
    Figure,
    LogNorm,
    legend_below,
    legend_beside,
    line_style,
    new_figure,
    plain,
    styled,
)
from airchitect_jax.spaces import Attribute

_MAX_TICKS = 20  # more category names than this do not fit an axis


@styled
def training_curves(history: Sequence[Mapping[str, float]]) -> Figure:
    """Loss and accuracy against examples seen, in training and on the validation split."""
    figure, (left, right) = new_figure(columns=2)
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
    axes.set(xlabel="design id (tie order: fewer resources first)", ylabel="workloads")
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
    axes.set(ylabel="optimal cost / chosen cost", xscale="log")
    axes.xaxis.set_major_formatter("{x:g}")
    axes.set_ylim(0, 1.03)
    axes.set_xlim(right=100)
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=3)
    return figure


@styled
def confusion(
    attributes: Sequence[Attribute], optimal: Int[np.ndarray, "num"], chosen: Int[np.ndarray, "num"]
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
        axes.set(xlabel="chosen", ylabel="optimal")
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
        (left, "one design per layer, as recommended"),
        (right, "the best single design for all layers"),
    ):
        axes.set_title(title, fontsize=10)
        axes.set(xlabel="constraint", ylim=(0, 1.03))
        axes.tick_params(axis="x", rotation=60, labelsize=8)
    left.set_ylabel("optimal cost / cost")
    legend_beside(right)
    return figure
