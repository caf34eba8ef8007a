"""Where the layers of real networks fall in the space that is sampled. Needs scikit-learn."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from airchitect_jax.reporting.style import (
    BLACK,
    GREEN,
    INDIGO,
    OLIVE,
    PURPLE,
    RED,
    SKY,
    WINE,
    legend_below,
    styled,
)
from airchitect_jax.studies.design_space.exhibit import (
    SMALL,
    Exhibit,
    label_shape_axes,
    looks,
    panels,
    percent,
    shape_grid,
)
from airchitect_jax.studies.design_space.neighbours import layer_scores
from airchitect_jax.studies.design_space.samples import Layers, Sample, dims, shape_axes
from airchitect_jax.workloads import EVALUATION_NETWORKS

# A look for each of a few different networks, and one for all others; none that a sample has.
_MARKS = dict(
    zip(
        EVALUATION_NETWORKS,
        zip((RED, GREEN, PURPLE, SKY, WINE, OLIVE), "osD^v<", strict=True),
        strict=True,
    )
)
_OTHERS = (INDIGO, "p")
_SMALL_DIM = 64


def _histograms(places: Sequence[Axes], samples: Sequence[Sample], gemms: Any, top: int) -> None:
    edges = np.linspace(0, np.log2(top + 1), 29)
    for axes, letter, row in zip(places, "mnk", range(3), strict=True):
        for sample, style in zip(samples, looks(samples), strict=True):
            values = np.log2(dims(sample.case, sample.workloads)[row])
            share = np.histogram(values, edges)[0] / len(values)
            axes.stairs(share, edges, color=style["color"], linewidth=1.5, label=sample.name)
        share = np.histogram(np.log2(gemms[row]), edges)[0] / gemms.shape[1]
        axes.stairs(share, edges, color=BLACK, fill=True, alpha=0.25, label="layers")
        axes.set_xlabel(f"log2({letter})")
    places[0].set_ylabel("share")


def _plane(axes: Axes, sample: Sample, layers: Layers, gemms: Any, network: Any, top: int) -> None:
    grid = shape_grid(top)
    counts = grid.counts(*shape_axes(dims(sample.case, sample.workloads)))
    shares = np.where(counts > 0, counts / counts.sum(), np.nan)
    grid.draw(axes, np.log10(shares), cmap="Greys", vmin=-7, vmax=-1)
    x, y = shape_axes(gemms)
    names = np.array(layers.networks)[network]
    others = set(layers.networks) - set(_MARKS)
    shown = [(f"{len(others)} other networks", np.isin(names, list(others)), _OTHERS)]
    shown += [(name, names == name, mark) for name, mark in _MARKS.items()]
    for name, here, (color, marker) in shown:
        if here.any():
            axes.scatter(
                x[here], y[here], s=14, color=color, marker=marker, linewidths=0, label=name
            )
    axes.set_title(f"layers over the density of {sample.name} workloads", fontsize=SMALL)
    label_shape_axes([axes], [axes])


@styled
def coverage(samples: Sequence[Sample], layers: Layers) -> Exhibit:
    """Sizes and shapes of layers beside those of each distribution, and neighbours' accuracy.

    Args:
      samples: one of each distribution.
      layers: of real networks.
    """
    case = samples[0].case
    top = max(feature.high for feature in case.features)
    repeated = dims(case, layers.workloads)
    of_network = np.tile(layers.network, repeated.shape[1] // len(layers.network))
    different = np.unique(np.stack([*repeated, of_network]), axis=1)
    gemms, network = different[:3], different[3]
    fits = (gemms <= top).all(axis=0)
    scores = layer_scores(samples, layers) if layers.in_range.any() else {}
    figure, axes = panels(2, 3, width=12, height=7.4)
    _histograms(list(axes[0]), samples, gemms, top)
    for place, sample in zip(axes[1], samples, strict=False):
        _plane(place, sample, layers, gemms[:, fits], network[fits], top)
    last = axes[1, 2]
    for place, (sample, style) in enumerate(zip(samples, looks(samples), strict=True)):
        if sample.name in scores:
            values = [scores[sample.name].accuracy, scores[sample.name].near]
            bars = last.bar(
                np.arange(2) + 0.4 * (place - 0.5), values, 0.36, color=style["color"],
                label=sample.name,
            )  # fmt: skip
            last.bar_label(bars, [percent(value) for value in values], fontsize=8)
    last.set_xticks(range(2), ["right label", "usable, within 1%"])
    last.set_ylim(0, 1.08)
    last.set_ylabel("share of layers")
    last.set_title("layers by their nearest sampled neighbour", fontsize=SMALL)
    legend_below(figure, (*axes[0], axes[1, 0]), columns=5)
    small = float((gemms < _SMALL_DIM).any(axis=0).mean())
    rows: list[list[Any]] = [
        ["distribution", "workloads", "any_dim_below_64", "layers_right_label", "layers_within_1"]
    ]
    rows.append(["layers", gemms.shape[1], small, None, None])
    sentences = [
        f"The {len(layers.networks)} networks have {gemms.shape[1]} different GEMMs,"
        f" {int((~fits).sum())} of them beyond the range of {top:,}. {percent(small)} have a"
        f" dimension below {_SMALL_DIM}."
    ]
    summary: dict[str, Any] = {"layers": gemms.shape[1], "any_dim_below_64": small}
    for sample in samples:
        few = float((dims(case, sample.workloads) < _SMALL_DIM).any(axis=0).mean())
        sentences.append(f"Of {sample.name} workloads {percent(few)} have one.")
        summary[sample.name] = {"any_dim_below_64": few}
        found = scores.get(sample.name)
        if found:
            sentences.append(
                f"The nearest of {found.size:,} of them has the label of {percent(found.accuracy)}"
                f" of the layers, and a usable design within 1% of the best for"
                f" {percent(found.near)}."
            )
            summary[sample.name] |= {
                "layers_right_label": found.accuracy,
                "layers_within_1_percent": found.near,
            }
        judged = (found.accuracy, found.near) if found else (None, None)
        rows.append([sample.name, len(sample), few, *judged])
    sentences.append(
        f"The maps name {len(_MARKS)} networks and show the others in one colour; histograms and"
        " shares are of all."
    )
    sentences.append(
        f"Layers count once in each of {len(case.contexts)} surrounding(s), however often they run;"
        f" {int(layers.in_range.sum()):,} of {len(layers.in_range):,} such workloads are in range."
    )
    return Exhibit(
        name="coverage",
        title="Where the layers of real networks fall",
        text=" ".join(sentences),
        figure=figure,
        rows=rows,
        summary=summary,
    )
