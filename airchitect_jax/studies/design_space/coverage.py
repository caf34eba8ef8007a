"""Where the layers of real networks fall in the space that is sampled. Needs scikit-learn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Int

from airchitect_jax.case_studies import CaseStudy
from airchitect_jax.reporting.style import (
    BLACK,
    GREEN,
    INDIGO,
    OLIVE,
    PURPLE,
    RED,
    SKY,
    WINE,
    Axes,
    Figure,
    legend_below,
    styled,
)
from airchitect_jax.studies.design_space.exhibit import (
    SMALL,
    Exhibit,
    captioned,
    grouped_bars,
    label_shape_axes,
    look,
    panels,
    percent,
    shape_grid,
)
from airchitect_jax.studies.design_space.neighbours import Score, layer_scores
from airchitect_jax.studies.design_space.samples import Layers, Sample, dims, shape_axes
from airchitect_jax.workloads import EVALUATION_NETWORKS

# A look for each of a few different networks, and one for all others, unlike those of samples.
_MARKS = dict(
    zip(
        EVALUATION_NETWORKS,
        zip((RED, GREEN, PURPLE, SKY, WINE, OLIVE), "osD^v<", strict=True),
        strict=True,
    )
)
_OTHERS = (INDIGO, "p")
_SMALL_DIM = 64


def _different(case: CaseStudy, layers: Layers) -> tuple[Int[np.ndarray, "3 num"], np.ndarray]:
    """Different GEMMs of the layers of each network, and the name of the network of each."""
    repeated = dims(case, layers.workloads)
    network = np.tile(layers.network, repeated.shape[1] // len(layers.network))
    different = np.unique(np.stack([*repeated, network]), axis=1)
    return different[:3], np.array(layers.networks)[different[3]]


def _small_share(gemms: Int[np.ndarray, "3 num"]) -> float:
    return float((gemms < _SMALL_DIM).any(axis=0).mean())


def _histogram(
    axes: Axes, samples: Sequence[Sample], layers: Int[np.ndarray, "3 num"], row: int
) -> None:
    """Of one dimension, of the samples and of the layers."""
    edges = np.linspace(0, np.log2(_top(samples[0].case) + 1), 29)

    def shares(gemms: Int[np.ndarray, "3 num"]) -> Any:
        return np.histogram(np.log2(gemms[row]), edges)[0] / gemms.shape[1]

    for sample in samples:
        values = shares(dims(sample.case, sample.workloads))
        axes.stairs(values, edges, color=look(sample)["color"], linewidth=1.5, label=sample.name)
    axes.stairs(shares(layers), edges, color=BLACK, fill=True, alpha=0.25, label="layers")
    axes.set_xlabel(f"log2({'mnk'[row]})")


def _plane(axes: Axes, sample: Sample, gemms: Int[np.ndarray, "3 num"], names: np.ndarray) -> None:
    """Layers in range over the density of a sample."""
    grid = shape_grid(_top(sample.case))
    counts = grid.counts(*shape_axes(dims(sample.case, sample.workloads)))
    density = np.where(counts > 0, counts / counts.sum(), np.nan)
    grid.draw(axes, np.log10(density), cmap="Greys", vmin=-7, vmax=-1)
    x, y = shape_axes(gemms)
    in_range = gemms.max(axis=0) <= _top(sample.case)
    other = ~np.isin(names, list(_MARKS))
    shown = [(f"{len(set(names[other]))} other networks", other, _OTHERS)]
    shown += [(name, names == name, mark) for name, mark in _MARKS.items()]
    for name, of_name, (color, marker) in shown:
        here = of_name & in_range
        if here.any():
            axes.scatter(
                x[here], y[here], s=14, color=color, marker=marker, linewidths=0, label=name
            )
    axes.set_title(f"layers over the density of {sample.name} workloads", fontsize=SMALL)
    label_shape_axes([axes], [axes])


def _draw(
    samples: Sequence[Sample],
    gemms: Int[np.ndarray, "3 num"],
    names: np.ndarray,
    scores: Mapping[str, Score],
) -> Figure:
    figure, axes = panels(2, 3, width=12, height=7.4)
    for row, panel in enumerate(axes[0]):
        _histogram(panel, samples, gemms, row)
    axes[0, 0].set_ylabel("share")
    for panel, sample in zip(axes[1], samples, strict=False):
        _plane(panel, sample, gemms, names)
    last = axes[1, 2]
    for group, sample in enumerate(samples):
        if sample.name in scores:
            values = [scores[sample.name].accuracy, scores[sample.name].near]
            bars = grouped_bars(last.bar, group, values, sample)
            last.bar_label(bars, [percent(value) for value in values], fontsize=8)
    last.set_xticks(range(2), ["right label", "feasible, within 1%"])
    last.set(ylim=(0, 1.08), ylabel="share of layers")
    last.set_title("layers by their nearest sampled neighbour", fontsize=SMALL)
    legend_below(figure, (*axes[0], axes[1, 0]), columns=5)
    return figure


def _top(case: CaseStudy) -> int:
    """The largest value of an input."""
    return max(feature.high for feature in case.features)


@styled
def coverage(samples: Sequence[Sample], layers: Layers) -> Exhibit:
    """Sizes and shapes of layers beside those of each distribution, and neighbours' accuracy."""
    case = samples[0].case
    gemms, names = _different(case, layers)
    num, small = len(names), _small_share(gemms)
    scores = layer_scores(samples, layers) if layers.in_range.any() else {}
    rows: list[list[Any]] = [
        ["distribution", "workloads", "any_dim_below_64", "layers_right_label", "layers_within_1"],
        ["layers", num, small, None, None],
    ]
    of_sample: dict[str, dict[str, float]] = {}
    for sample in samples:
        few, found = _small_share(dims(case, sample.workloads)), scores.get(sample.name)
        of_sample[sample.name] = {"any_dim_below_64": few}
        if found:
            of_sample[sample.name] |= {
                "layers_right_label": found.accuracy,
                "layers_within_1_percent": found.near,
            }
        judged = (found.accuracy, found.near) if found else (None, None)
        rows.append([sample.name, len(sample), few, *judged])
    return Exhibit(
        name="coverage",
        title="Where the layers of real networks fall",
        caption=f"{num} different GEMMs of {len(layers.networks)} networks, {small:.1%} with a"
        f" dimension below {_SMALL_DIM}. "
        + captioned("{any_dim_below_64:.1%} of the workloads have one", of_sample)
        + f" {int(layers.in_range.sum()):,} of {len(layers.in_range):,} layers (one per context)"
        " are in the sampled range; these are judged by their nearest neighbour.",
        figure=_draw(samples, gemms, names, scores),
        rows=rows,
        summary={"layers": num, "any_dim_below_64": small, **of_sample},
    )
