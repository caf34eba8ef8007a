"""What the inputs say about the label. Needs scikit-learn (extra `analysis`)."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from jaxtyping import Float, Int

from airchitect_jax.case_studies import CaseStudy
from airchitect_jax.reporting import style
from airchitect_jax.reporting.style import Figure, legend_below, styled
from airchitect_jax.reporting.words import in_words
from airchitect_jax.spaces import Attribute
from airchitect_jax.studies.design_space import exhibit
from airchitect_jax.studies.design_space.estimators import (
    PCA,
    LinearDiscriminantAnalysis,
    mutual_info_score,
    permutation_importance,
)
from airchitect_jax.studies.design_space.samples import (
    Sample,
    entropy_bits,
    input_names,
    inputs,
    labels_of,
)

BINS = 32
_BITS = 1 / np.log(2)
_MOST_PERMUTED = 200_000


def binned(values: Int[np.ndarray, "num"]) -> Int[np.ndarray, "num"]:
    """Values as indices of at most `BINS` bins of equal counts."""
    edges = np.unique(np.quantile(values, np.arange(1, BINS) / BINS, method="inverted_cdf"))
    return np.searchsorted(edges, values)


def contingency(
    bins: Int[np.ndarray, "num"], ids: Int[np.ndarray, "num"], num_designs: int
) -> Int[np.ndarray, "bins designs"]:
    """How often each bin goes with each design."""
    size = int(bins.max()) + 1
    return np.bincount(bins * num_designs + ids, minlength=size * num_designs).reshape(size, -1)


def bits(table: Int[np.ndarray, "bins categories"]) -> float:
    """Mutual information of rows and columns, as they are in the sample."""
    return float(mutual_info_score(None, None, contingency=table)) * _BITS


def mutual_information(sample: Sample) -> Float[np.ndarray, "features 1+attributes"]:
    """Bits that each input, in bins, shares with the label and with each of its attributes.

    What a finite sample shows of labels in random order is subtracted: the bias of the estimate.
    """
    space = sample.case.space
    shuffled = np.random.default_rng(0).permutation(sample.design_ids)
    results = np.empty((len(sample.case.features), 1 + len(space.attributes)))
    for index, row in enumerate(sample.workloads):
        bins = binned(row)
        true, chance = (
            contingency(bins, ids, space.num_designs) for ids in (sample.design_ids, shuffled)
        )
        for number in range(1 + len(space.attributes)):
            merged = [true, chance]
            if number:
                category = space.attributes[number - 1].of_design
                member = category[:, None] == np.arange(category.max() + 1)
                merged = [table @ member for table in merged]
            results[index, number] = max(bits(merged[0]) - bits(merged[1]), 0.0)
    return results


class _Oracle:
    """Exact search as a scikit-learn estimator."""

    def __init__(self, case: CaseStudy) -> None:
        self._case = case

    def fit(self, x: Any, y: Any) -> Self:
        """Nothing to do."""
        del x, y
        return self

    def score(self, x: Int[np.ndarray, "num features"], y: Int[np.ndarray, "num"]) -> float:
        """Accuracy of the labels of `x` against `y`."""
        return float((labels_of(self._case, x.T) == y).mean())


def importance(sample: Sample) -> Float[np.ndarray, "features"]:
    """Share of labels that change when one input is exchanged among the workloads.

    scikit-learn's permutation importance with exact search as the model.
    """
    part = sample.first(_MOST_PERMUTED)
    result = permutation_importance(
        _Oracle(sample.case), part.workloads.T, part.design_ids, n_repeats=1, random_state=0
    )
    return np.asarray(result.importances_mean)


def _draw_information(
    samples: Sequence[Sample],
    shared: Sequence[Float[np.ndarray, "features 1+attributes"]],
    changed: Sequence[Float[np.ndarray, "features"]],
) -> Figure:
    case, labels = samples[0].case, samples[0].design_ids
    names = [in_words(feature.name) for feature in case.features]
    attributes = case.space.attributes
    height = 1.8 + 0.3 * len(names)
    figure, ((left, middle, right),) = exhibit.panels(1, 3, width=12, height=height)
    for group, sample in enumerate(samples):
        exhibit.grouped_bars(left.barh, group, shared[group][:, 0], sample)
        exhibit.grouped_bars(middle.barh, group, changed[group], sample)
    left.set_xlabel("bits about the label")
    middle.set_xlabel("labels that change when the input\nis exchanged (share)")
    for axes in (left, middle):
        axes.set_yticks(range(len(names)), names if axes is left else [])
        axes.set_ylim(len(names) - 0.5, -0.5)
    entropies = [entropy_bits(attribute.of_design[labels]) for attribute in attributes]
    told = shared[0][:, 1:] / np.maximum(entropies, 1e-9)
    exhibit.annotated(right, told, max(told.max(), 1e-9), aspect="auto")
    right.set_yticks(range(len(names)), [])
    ticks = [attribute.name for attribute in attributes]
    right.set_xticks(range(len(ticks)), ticks, rotation=20, ha="right", fontsize=8)
    title = f"{samples[0].name} workloads:\nshare of the attribute's bits"
    right.set_title(title, fontsize=exhibit.SMALL)
    legend_below(figure, (left,), columns=2)
    return figure


@styled
def information(samples: Sequence[Sample]) -> exhibit.Exhibit:
    """Mutual information and permutation importance of each input."""
    case = samples[0].case
    shared = [mutual_information(sample) for sample in samples]
    changed = [importance(sample) for sample in samples]
    rows: list[list[Any]] = [
        [sample.name, feature.name, float(bits_of[0]), float(change), *map(float, bits_of[1:])]
        for sample, *columns in zip(samples, changed, shared, strict=True)
        for feature, change, bits_of in zip(case.features, *columns, strict=True)
    ]
    summary: dict[str, dict[str, Any]] = {sample.name: {} for sample in samples}
    for sample_name, name, label_bits, change, *_ in rows:
        summary[sample_name][name] = {"label_bits": label_bits, "changed_labels": change}
    attributes = [f"{attribute.name} bits" for attribute in case.space.attributes]
    return exhibit.Exhibit(
        name="information",
        title="What each input says about the label",
        caption=f"Mutual information with the label: inputs in {BINS} bins of equal counts, the"
        " bits of shuffled labels subtracted. Permutation importance: labels by exact search that"
        " change when one input is exchanged among"
        f" {min(len(samples[0]), _MOST_PERMUTED):,} workloads.",
        figure=_draw_information(samples, shared, changed),
        rows=[["distribution", "input", "label_bits", "changed_labels", *attributes], *rows],
        summary=summary,
    )


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


def _draw_projection(
    axes: style.Axes,
    figure: style.Figure,
    points: Float[np.ndarray, "num 2"],
    attribute: Attribute,
    category: Int[np.ndarray, "num"],
) -> None:
    low, high = np.quantile(points, (0.002, 0.998), axis=0)
    grid = exhibit.Grid(
        x=np.linspace(low[0], high[0], _CELLS), y=np.linspace(low[1], high[1], _CELLS)
    )
    names = attribute.categories
    if len(names) <= len(_COLORS):
        cells = grid.most_frequent(points[:, 0], points[:, 1], category, len(names))
        image = grid.draw(axes, cells, **exhibit.categorical(_COLORS[: len(names)]))
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
def projection(samples: Sequence[Sample]) -> exhibit.Exhibit:
    """Principal components, and linear discriminants of an attribute, one row per distribution."""
    case = samples[0].case
    names, attribute = input_names(case), shown_attribute(samples[0])
    words = [in_words(name) for name in names]
    figure, axes = exhibit.panels(len(samples), 2, width=11.5, height=4.2 * len(samples))
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
            _draw_projection(panel, figure, x @ weights, attribute, category)
            panel.set_title(f"{sample.name}: {kind}", fontsize=exhibit.SMALL)
            for axis, column in zip((panel.xaxis, panel.yaxis), weights.T, strict=True):
                axis.set_label_text(textwrap.fill(direction(words, column), 44), fontsize=8)
            rows += [
                [sample.name, kind, number, *map(float, column)]
                for number, column in enumerate(weights.T, start=1)
            ]
        summary[sample.name] = {
            "principal_variance_share": float(pca.explained_variance_ratio_.sum()),
            "linear_rule_accuracy": told,
            "majority_accuracy": majority,
        }
    return exhibit.Exhibit(
        name="projection",
        title="The inputs in two dimensions, coloured by the best design",
        caption=exhibit.captioned(
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
