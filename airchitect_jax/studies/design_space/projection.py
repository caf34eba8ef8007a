"""The inputs in two dimensions, coloured by the label. Needs scikit-learn (extra `analysis`)."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from airchitect_jax.reporting import style
from airchitect_jax.spaces import Attribute
from airchitect_jax.studies.design_space.estimators import PCA, LinearDiscriminantAnalysis
from airchitect_jax.studies.design_space.exhibit import (
    SMALL,
    Exhibit,
    Grid,
    captioned,
    categorical,
    panels,
)
from airchitect_jax.studies.design_space.samples import Sample, entropy_bits, input_names, inputs

_MOST_FITTED = 50_000  # and as many more to test on
_COLORS = (style.BLUE, style.RED, style.GREEN, style.ORANGE, style.PURPLE, style.SKY)
_CELLS = 56
_MOST_CATEGORIES = 12


def direction(names: Sequence[str], weights: Float[np.ndarray, "features"]) -> str:
    """The largest terms of a direction, for example "0.71 log m - 0.70 log n"."""
    weights = weights / np.linalg.norm(weights)
    order = np.argsort(-np.abs(weights), kind="stable")[:4]
    terms = [
        f"{'+' if weights[index] > 0 else '-'} {abs(weights[index]):.2f} {names[index]}"
        for index in order
        if abs(weights[index]) >= 0.2
    ]
    return " ".join(terms).removeprefix("+ ")


def parting_directions(
    x: Float[np.ndarray, "num features"], category: Int[np.ndarray, "num"]
) -> tuple[Float[np.ndarray, "features directions"], float, float]:
    """Linear discriminants of at most two dimensions, fitted on a part of the workloads.

    Returns:
      The directions, the share of other workloads whose category a linear rule then tells, and
      the share of the most frequent category among these.
    """
    half = min(len(x) // 2, _MOST_FITTED)
    tested = slice(half, 2 * half)
    most = min(2, len(np.unique(category[:half])) - 1, x.shape[1])
    if most == 0:
        return np.empty((x.shape[1], 0)), 1.0, 1.0
    lda = LinearDiscriminantAnalysis(n_components=most).fit(x[:half], category[:half])
    told = float((lda.predict(x[tested]) == category[tested]).mean())
    return lda.scalings_[:, :most], told, float(np.bincount(category[tested]).max() / half)


def _draw(
    axes: style.Axes,
    figure: style.Figure,
    points: Float[np.ndarray, "num 2"],
    attribute: Attribute,
    category: Int[np.ndarray, "num"],
) -> None:
    low, high = np.quantile(points, (0.002, 0.998), axis=0)
    grid = Grid(x=np.linspace(low[0], high[0], _CELLS), y=np.linspace(low[1], high[1], _CELLS))
    names = attribute.categories
    if len(names) <= len(_COLORS):
        cells = grid.most_frequent(points[:, 0], points[:, 1], category, len(names))
        image = grid.draw(axes, cells, **categorical(_COLORS[: len(names)]))
        ticks = np.arange(len(names))
    else:
        means = grid.mean(points[:, 0], points[:, 1], category)
        lowest, highest = int(np.nanmin(means)), max(int(np.ceil(np.nanmax(means))), 1)
        image = grid.draw(axes, means, cmap="viridis", vmin=lowest, vmax=highest)
        ticks = np.arange(lowest, highest + 1)
    what = "most frequent" if len(names) <= len(_COLORS) else "mean"
    bar = figure.colorbar(image, ax=axes, ticks=ticks, label=f"{what} {attribute.name}")
    bar.ax.set_yticklabels([names[tick] for tick in ticks])


def shown_attribute(sample: Sample) -> Attribute:
    """Of the attributes of few categories, the one whose categories are most evenly frequent."""
    few = [a for a in sample.case.space.attributes if len(a.categories) <= _MOST_CATEGORIES]
    return max(few, key=lambda one: entropy_bits(one.of_design[sample.design_ids]))


@style.styled
def projection(samples: Sequence[Sample]) -> Exhibit:
    """Principal components, and linear discriminants of an attribute, one row per distribution."""
    case = samples[0].case
    names, attribute = input_names(case), shown_attribute(samples[0])
    figure, axes = panels(len(samples), 2, width=11.5, height=4.2 * len(samples))
    rows: list[list[Any]] = [["distribution", "projection", "axis", *names]]
    summary = {}
    for line, sample in zip(axes, samples, strict=True):
        x = inputs(case, sample.workloads)
        x = (x - x.mean(axis=0)) / np.maximum(x.std(axis=0), 1e-9)
        category = attribute.of_design[sample.design_ids]
        pca = PCA(n_components=2).fit(x)
        parting, told, majority = parting_directions(x, category)
        # Two categories part along one direction only, one along none.
        parting = np.column_stack([parting, pca.components_.T])[:, :2]
        kinds = "principal components", f"linear discriminants of {attribute.name}"
        for panel, kind, weights in zip(line, kinds, (pca.components_.T, parting), strict=True):
            _draw(panel, figure, x @ weights, attribute, category)
            panel.set_title(f"{sample.name}: {kind}", fontsize=SMALL)
            for axis, column in zip((panel.xaxis, panel.yaxis), weights.T, strict=True):
                axis.set_label_text(textwrap.fill(direction(names, column), 44), fontsize=8)
            rows += [
                [sample.name, kind, number, *map(float, column)]
                for number, column in enumerate(weights.T, start=1)
            ]
        summary[sample.name] = {
            "principal_variance_share": float(pca.explained_variance_ratio_.sum()),
            "linear_rule_accuracy": told,
            "majority_accuracy": majority,
        }
    return Exhibit(
        name="projection",
        title="The inputs in two dimensions, coloured by the best design",
        caption=captioned(
            "two principal components hold {principal_variance_share:.1%} of the variance of"
            " {num_inputs} inputs of equal variance; a linear rule tells {attribute} for"
            " {linear_rule_accuracy:.1%} of unseen workloads, its most frequent value for"
            " {majority_accuracy:.1%}",
            summary,
            num_inputs=len(names),
            attribute=attribute.name,
        ),
        figure=figure,
        rows=rows,
        summary=summary,
    )
