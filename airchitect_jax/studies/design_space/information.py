"""How much each input says about the label. Needs scikit-learn (extra `analysis`)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from jaxtyping import Float, Int

from airchitect_jax.case_studies import CaseStudy
from airchitect_jax.learning import label_statistics
from airchitect_jax.reporting.style import legend_below, styled
from airchitect_jax.studies.design_space.estimators import mutual_info_score, permutation_importance
from airchitect_jax.studies.design_space.exhibit import (
    SMALL,
    Exhibit,
    listed,
    looks,
    panels,
    percent,
)
from airchitect_jax.studies.design_space.samples import Sample, labels_of

BINS = 32
_BITS = 1 / np.log(2)
_MOST_PERMUTED = 200_000


def binned(values: Int[np.ndarray, "num"]) -> Int[np.ndarray, "num"]:
    """Values as places in at most `BINS` bins of equal counts."""
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
    for place, row in enumerate(sample.workloads):
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
            results[place, number] = max(bits(merged[0]) - bits(merged[1]), 0.0)
    return results


def _entropy(category: Int[np.ndarray, "num"]) -> float:
    """Bits."""
    counts = np.bincount(category)
    return bits(np.diag(counts[counts > 0]))


class _Oracle:
    """Exact search as a scikit-learn estimator, which has nothing to learn."""

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

    scikit-learn's permutation importance with the exact oracle as the model, so that no error of
    a model is in it.
    """
    part = sample.first(_MOST_PERMUTED)
    result = permutation_importance(
        _Oracle(sample.case), part.workloads.T, part.design_ids, n_repeats=1, random_state=0
    )
    return np.asarray(result.importances_mean)


@styled
def information(samples: Sequence[Sample]) -> Exhibit:
    """Mutual information and permutation importance of each input."""
    case = samples[0].case
    names = [feature.name for feature in case.features]
    figure, ((left, middle, right),) = panels(1, 3, width=12, height=1.8 + 0.3 * len(names))
    rows: list[list[Any]] = [
        [
            "distribution",
            "input",
            "label_bits",
            "changed_labels",
            *(f"{attribute.name} bits" for attribute in case.space.attributes),
        ]
    ]
    sentences, summary, shared = [], {}, []
    places = np.arange(len(names))
    for number, (sample, style) in enumerate(zip(samples, looks(samples), strict=True)):
        shared.append(mutual_information(sample))
        label_bits, changed = shared[-1][:, 0], importance(sample)
        for axes, values in ((left, label_bits), (middle, changed)):
            axes.barh(
                places + 0.4 * (number - 0.5), values, 0.36, color=style["color"], label=sample.name
            )
        rows += [
            [sample.name, name, float(own[0]), float(change), *map(float, own[1:])]
            for name, own, change in zip(names, shared[-1], changed, strict=True)
        ]
        entropy = label_statistics(case, sample.data)["label_entropy_bits"]
        told = percent(label_bits.max() / max(entropy, 1e-9))
        most, least = int(label_bits.argmax()), int(changed.argmin())
        sentences.append(
            f"{sample.name}: of the label's {abs(entropy):.2f} bits, {names[most]} alone tells"
            f" {label_bits[most]:.2f} ({told}) and all inputs one by one"
            f" {label_bits.sum():.2f}: the rest lies in how they go together. Exchanging"
            f" {names[int(changed.argmax())]} among the workloads changes"
            f" {percent(changed.max())} of the labels, exchanging {names[least]}"
            f" {percent(changed[least])}."
        )
        summary[sample.name] = {
            name: {"label_bits": float(own), "changed_labels": float(change)}
            for name, own, change in zip(names, label_bits, changed, strict=True)
        }
    of_attributes = shared[0][:, 1:]
    entropies = [
        _entropy(attribute.of_design[samples[0].design_ids]) for attribute in case.space.attributes
    ]
    best_told = [
        f"{attribute.name} by {names[int(column.argmax())]} ({column.max():.2f} of"
        f" {entropy:.2f} bits)"
        for attribute, column, entropy in zip(
            case.space.attributes, of_attributes.T, entropies, strict=True
        )
    ]
    permuted = min(len(samples[0]), _MOST_PERMUTED)
    sentences.append(
        f"Most is told about {listed(best_told)} ({samples[0].name}). Inputs are in {BINS} bins of"
        " equal counts, and the bits of shuffled labels are subtracted; labels are exchanged in"
        f" {permuted:,} workloads and found anew by exact search."
    )
    left.set_xlabel("bits about the label")
    legend_below(figure, (left,), columns=2)
    middle.set_xlabel("labels that change when the input\nis exchanged (share)")
    middle.set_title(f"exact search, {permuted:,} workloads", fontsize=SMALL)
    for axes in (left, middle):
        axes.set_yticks(places, names if axes is left else [])
        axes.set_ylim(len(names) - 0.5, -0.5)
    told_share = of_attributes / np.maximum(entropies, 1e-9)
    image = right.imshow(told_share, cmap="viridis", aspect="auto", vmin=0)
    right.grid(visible=False)
    right.set_yticks(places, [])
    right.set_xticks(
        range(len(case.space.attributes)),
        [attribute.name for attribute in case.space.attributes],
        rotation=20,
        ha="right",
        fontsize=8,
    )
    right.set_title(f"{samples[0].name} workloads", fontsize=SMALL)
    figure.colorbar(image, ax=right, label="share of the attribute's bits")
    return Exhibit(
        name="information",
        title="What each input says about the label",
        text=" ".join(sentences),
        figure=figure,
        rows=rows,
        summary=summary,
    )
