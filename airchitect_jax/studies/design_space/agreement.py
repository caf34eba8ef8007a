"""Whether the label depends on the runtime model and on the objective."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes

from airchitect_jax.case_studies import CaseStudy
from airchitect_jax.reporting.style import styled
from airchitect_jax.studies.design_space.exhibit import (
    SMALL,
    Exhibit,
    extra,
    geomean,
    panels,
    percent,
)
from airchitect_jax.studies.design_space.samples import Sample, labels_of

_MOST_LABELLED = 100_000
_MOST_JUDGED = 20_000


def agreement_of(
    sample: Sample, variants: Mapping[str, CaseStudy]
) -> tuple[Float[np.ndarray, "variants variants"], Float[np.ndarray, "variants variants"]]:
    """Labels under each variant against those under each other.

    Returns:
      The share of equal labels; and what labels made for the variant of the column cost more than
      the best when that of the row judges them, in the geometric mean.
    """
    workloads = sample.first(_MOST_LABELLED).workloads
    judged = workloads[:, :_MOST_JUDGED]
    ids = [labels_of(case, workloads) for case in variants.values()]
    equal = np.array([[(a == b).mean() for b in ids] for a in ids])
    surplus = np.zeros_like(equal)
    for row, (judge, case) in enumerate(zip(ids, variants.values(), strict=True)):
        best = case.costs(judged, judge[: judged.shape[1]])
        for column, labels in enumerate(ids):
            ratio = case.costs(judged, labels[: judged.shape[1]]) / best
            surplus[row, column] = geomean(ratio) - 1
    return equal, surplus


def _matrix(
    axes: Axes, values: Float[np.ndarray, "variants variants"], names: Sequence[str], highest: float
) -> None:
    axes.imshow(values, cmap="viridis", vmin=0, vmax=highest)
    axes.grid(visible=False)
    for (y, x), value in np.ndenumerate(values):
        color = "white" if value < highest / 2 else "black"
        short = percent(value).replace("under ", "<")  # or it does not fit its cell
        axes.text(x, y, short, ha="center", va="center", fontsize=8, color=color)
    axes.set_xticks(range(len(names)), names, rotation=30, ha="right")
    axes.set_yticks(range(len(names)), names)
    axes.set_xlabel("label made for")


@styled
def agreement(samples: Sequence[Sample], variants: Mapping[str, CaseStudy]) -> Exhibit:
    """Labels under each variant of a case study against each other, a row a distribution.

    Args:
      samples: the workloads.
      variants: case studies over the same space and inputs, the usual one first.
    """
    names = list(variants)
    usual, *others = names
    side = 1.7 + 0.6 * len(names)
    figure, axes = panels(len(samples), 2, width=5 + 1.5 * len(names), height=side * len(samples))
    rows: list[list[Any]] = [
        ["distribution", "judged_by", "label_made_for", "equal_labels", "extra_cost_geomean"]
    ]
    sentences, summary = [], {}
    results = {sample.name: agreement_of(sample, variants) for sample in samples}
    most = max(surplus.max() for _, surplus in results.values())
    for (left, right), (name, (equal, surplus)) in zip(axes, results.items(), strict=True):
        _matrix(left, equal, names, 1.0)
        _matrix(right, surplus, names, max(most, 1e-9))
        left.set_ylabel("label made for")
        right.set_ylabel("judged by")
        left.set_title(f"{name}: equal labels", fontsize=SMALL)
        right.set_title(f"{name}: extra cost (geometric mean)", fontsize=SMALL)
        rows += [
            [name, a, b, float(equal[i, j]), float(surplus[i, j])]
            for i, a in enumerate(names)
            for j, b in enumerate(names)
        ]
        sentences += [
            f"{name}: labels for {other} equal those for {usual} in {percent(equal[0, place])};"
            f" judged by {usual} they cost {extra(surplus[0, place])} more, and the other way round"
            f" {extra(surplus[place, 0])}."
            for place, other in enumerate(others, start=1)
        ]
        summary[name] = {
            other: {
                "equal_labels": float(equal[0, place]),
                "extra_cost_geomean": float(surplus[0, place]),
                "extra_cost_geomean_reversed": float(surplus[place, 0]),
            }
            for place, other in enumerate(others, start=1)
        }
    num = len(samples[0])
    sentences.append(
        f"Labels of {min(num, _MOST_LABELLED):,} workloads of each distribution, costs of"
        f" {min(num, _MOST_JUDGED):,}."
    )
    return Exhibit(
        name="agreement",
        title="Labels under other models and objectives",
        text=" ".join(sentences),
        figure=figure,
        rows=rows,
        summary=summary,
    )
