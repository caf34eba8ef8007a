"""How much each input says about the label. Needs scikit-learn (extra `analysis`)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from jaxtyping import Float, Int

from airchitect_jax.case_studies import CaseStudy
from airchitect_jax.reporting.style import Figure, legend_below, styled
from airchitect_jax.studies.design_space.estimators import mutual_info_score, permutation_importance
from airchitect_jax.studies.design_space.exhibit import SMALL, Exhibit, grouped_bars, panels
from airchitect_jax.studies.design_space.samples import Sample, entropy_bits, labels_of

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


def _draw(
    samples: Sequence[Sample],
    shared: Sequence[Float[np.ndarray, "features 1+attributes"]],
    changed: Sequence[Float[np.ndarray, "features"]],
) -> Figure:
    case, labels = samples[0].case, samples[0].design_ids
    names = [feature.name for feature in case.features]
    attributes = case.space.attributes
    height = 1.8 + 0.3 * len(names)
    figure, ((left, middle, right),) = panels(1, 3, width=12, height=height)
    for group, sample in enumerate(samples):
        grouped_bars(left.barh, group, shared[group][:, 0], sample)
        grouped_bars(middle.barh, group, changed[group], sample)
    left.set_xlabel("bits about the label")
    middle.set_xlabel("labels that change when the input\nis exchanged (share)")
    for axes in (left, middle):
        axes.set_yticks(range(len(names)), names if axes is left else [])
        axes.set_ylim(len(names) - 0.5, -0.5)
    entropies = [entropy_bits(attribute.of_design[labels]) for attribute in attributes]
    told = shared[0][:, 1:] / np.maximum(entropies, 1e-9)
    image = right.imshow(told, cmap="viridis", aspect="auto", vmin=0)
    right.grid(visible=False)
    right.set_yticks(range(len(names)), [])
    ticks = [attribute.name for attribute in attributes]
    right.set_xticks(range(len(ticks)), ticks, rotation=20, ha="right", fontsize=8)
    right.set_title(f"{samples[0].name} workloads", fontsize=SMALL)
    figure.colorbar(image, ax=right, label="share of the attribute's bits")
    legend_below(figure, (left,), columns=2)
    return figure


@styled
def information(samples: Sequence[Sample]) -> Exhibit:
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
    return Exhibit(
        name="information",
        title="What each input says about the label",
        caption=f"Mutual information with the label: inputs in {BINS} bins of equal counts, the"
        " bits of shuffled labels subtracted. Permutation importance: labels by exact search that"
        " change when one input is exchanged among"
        f" {min(len(samples[0]), _MOST_PERMUTED):,} workloads.",
        figure=_draw(samples, shared, changed),
        rows=[["distribution", "input", "label_bits", "changed_labels", *attributes], *rows],
        summary=summary,
    )
