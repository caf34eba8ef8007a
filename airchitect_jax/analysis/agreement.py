"""Whether the label depends on the runtime model and on the objective."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from airchitect_jax.analysis.exhibit import SMALL, Exhibit, extra, geomean, panels, percent
from airchitect_jax.analysis.samples import Sample, labels_of
from airchitect_jax.case_studies.base import CaseStudy
from airchitect_jax.plots import styled

_MOST_LABELLED = 100_000
_MOST_JUDGED = 20_000


@styled
def agreement(sample: Sample, variants: Mapping[str, CaseStudy]) -> Exhibit:
    """Labels of the same workloads under each variant of a case study, against each other.

    Args:
      sample: the workloads.
      variants: case studies over the same space and inputs, the usual one first.
    """
    workloads = sample.first(_MOST_LABELLED).workloads
    judged = workloads[:, :_MOST_JUDGED]
    names = list(variants)
    ids = {name: labels_of(case, workloads) for name, case in variants.items()}
    equal = np.array([[(ids[a] == ids[b]).mean() for b in names] for a in names])
    surplus = np.zeros_like(equal)
    for row, (judge, case) in enumerate(variants.items()):
        best = case.costs(judged, ids[judge][: judged.shape[1]])
        for column, name in enumerate(names):
            ratio = case.costs(judged, ids[name][: judged.shape[1]]) / best
            surplus[row, column] = geomean(ratio) - 1
    side = 2.2 + 0.75 * len(names)
    figure, ((left, right),) = panels(1, 2, width=2 * side + 1, height=side)
    for axes, values, title, options in (
        (left, equal, f"equal labels, of {workloads.shape[1]:,}", {"vmin": 0, "vmax": 1}),
        (
            right,
            surplus,
            f"extra cost (geometric mean of {judged.shape[1]:,})",
            {"vmin": 0},
        ),
    ):
        image = axes.imshow(values, cmap="viridis", **options)
        axes.grid(visible=False)
        middle = (image.norm.vmin + image.norm.vmax) / 2
        for (y, x), value in np.ndenumerate(values):
            axes.text(
                x, y, percent(value), ha="center", va="center", fontsize=8,
                color="white" if value < middle else "black",
            )  # fmt: skip
        axes.set_xticks(range(len(names)), names, rotation=30, ha="right")
        axes.set_yticks(range(len(names)), names)
        axes.set_title(title, fontsize=SMALL)
        axes.set_xlabel("label made for")
    left.set_ylabel("label made for")
    right.set_ylabel("judged by")
    usual = names[0]
    sentences = [
        f"Labels for {name} equal those for {usual} in {percent(equal[0, place])} of"
        f" {workloads.shape[1]:,} {sample.name} workloads; judged by {usual} they cost"
        f" {extra(surplus[0, place])} more."
        for place, name in enumerate(names)
        if place
    ]
    return Exhibit(
        name="agreement",
        title="Labels under other models and objectives",
        text=" ".join(sentences),
        figure=figure,
        rows=[
            ["judged_by", "label_made_for", "equal_labels", "extra_cost_geomean"],
            *(
                [a, b, float(equal[i, j]), float(surplus[i, j])]
                for i, a in enumerate(names)
                for j, b in enumerate(names)
            ),
        ],
        summary={
            name: {
                "equal_labels": float(equal[0, place]),
                "extra_cost_geomean": float(surplus[0, place]),
            }
            for place, name in enumerate(names)
            if place
        },
    )
