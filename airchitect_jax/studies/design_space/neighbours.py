"""How learnable the labels are: nearest neighbours from a growing sample. Needs scikit-learn."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Int

from airchitect_jax.case_studies import CaseStudy
from airchitect_jax.learning import Dataset, Split, split_of
from airchitect_jax.reporting.style import legend_below, styled
from airchitect_jax.studies.design_space.estimators import NearestNeighbors
from airchitect_jax.studies.design_space.exhibit import Exhibit, looks, panels, percent
from airchitect_jax.studies.design_space.samples import Layers, Sample, inputs, labels_of

NEAR = 1.01  # costs up to 1% above the optimum
_MOST_TESTED = 2000
_MOST_TREE_INPUTS = 10


@dataclasses.dataclass(frozen=True, kw_only=True)
class Score:
    """How good the designs of the nearest neighbours are.

    Attributes:
      size: workloads with known labels.
      accuracy: share of unseen workloads whose nearest neighbour has their label.
      near: share whose nearest neighbour's design may be used and costs at most 1% too much.
    """

    size: int
    accuracy: float
    near: float


def held_out(sample: Sample) -> tuple[Sample, Sample]:
    """What may be learnt from, and what it is tested on: split by a hash, so nothing is in both."""
    is_test = np.asarray(split_of(jnp.asarray(sample.workloads))) == Split.TEST
    return sample.where(~is_test), sample.where(is_test)


def nearest_designs(
    known: Sample, workloads: Int[np.ndarray, "features tested"]
) -> Int[np.ndarray, "tested"]:
    """The design of the known workload that is nearest to each (`samples.inputs`)."""
    points = inputs(known.case, known.workloads)
    # Trees gain nothing where there are many inputs.
    algorithm = "kd_tree" if points.shape[1] <= _MOST_TREE_INPUTS else "brute"
    index = NearestNeighbors(n_neighbors=1, algorithm=algorithm).fit(points)
    found = index.kneighbors(inputs(known.case, workloads), return_distance=False)[:, 0]
    return known.design_ids[found]


def score(case: CaseStudy, tested: Dataset, chosen: Int[np.ndarray, "tested"], size: int) -> Score:
    """Judges chosen designs."""
    both = np.stack([tested.design_ids, chosen], axis=1)
    best, cost = case.costs(tested.workloads, both).T
    allowed = np.asarray(case.feasible(tested.workloads))[np.arange(len(chosen)), chosen]
    return Score(
        size=size,
        accuracy=float((chosen == tested.design_ids).mean()),
        near=float((allowed & (cost <= NEAR * best)).mean()),
    )


def growth(sample: Sample) -> tuple[list[Score], float, int]:
    """Scores of growing samples, accuracy of the majority class, and how many are tested."""
    known, unseen = held_out(sample)
    tested = unseen.first(_MOST_TESTED)
    sizes = np.unique(np.geomspace(min(100, len(known)), len(known), 9).astype(int)).tolist()
    scores = [
        score(sample.case, tested.data, nearest_designs(known.first(size), tested.workloads), size)
        for size in sizes
    ]
    majority = np.bincount(known.design_ids).argmax()
    return scores, float((tested.design_ids == majority).mean()), len(tested)


@styled
def neighbours(samples: Sequence[Sample]) -> Exhibit:
    """Accuracy of nearest neighbours over the size of the sample that they come from."""
    figure, ((left, right),) = panels(1, 2, width=11, height=4.2)
    rows: list[list[Any]] = [["distribution", "known_workloads", "accuracy", "within_1_percent"]]
    sentences, summary = [], {}
    for sample, style in zip(samples, looks(samples), strict=True):
        scores, majority, num_tested = growth(sample)
        sizes = [result.size for result in scores]
        left.plot(
            sizes, [result.accuracy for result in scores], label=sample.name, markersize=4, **style
        )
        right.plot(
            sizes, [result.near for result in scores], label=sample.name, markersize=4, **style
        )
        left.axhline(majority, color=style["color"], linewidth=1, linestyle=":")
        rows += [[sample.name, result.size, result.accuracy, result.near] for result in scores]
        last = scores[-1]
        tenth = min(scores, key=lambda result: abs(np.log(result.size * 10 / last.size)))
        error = np.sqrt(last.accuracy * (1 - last.accuracy) / num_tested)
        sentences.append(
            f"{sample.name}: with {last.size:,} known workloads the nearest has the right label for"
            f" {percent(last.accuracy)} of {num_tested:,} unseen ones (standard error"
            f" {percent(error)}; the majority class: {percent(majority)}), {tenth.size:,} gave"
            f" {percent(tenth.accuracy)}. {percent(last.near)} of the neighbours' designs may be"
            " used and cost at most 1% more than the best."
        )
        summary[sample.name] = {
            **dataclasses.asdict(last),
            "majority_accuracy": majority,
            "tested": num_tested,
        }
    left.set_ylabel("accuracy (dotted: the majority class)")
    right.set_ylabel("usable, at most 1% above the best")
    for axes in (left, right):
        axes.set_xscale("log")
        axes.set_ylim(0, 1)
        axes.set_xlabel("workloads with known labels")
        axes.set_title(f"nearest neighbour of {num_tested:,} unseen workloads", fontsize=10)
    legend_below(figure, (left,), columns=2)
    return Exhibit(
        name="neighbours",
        title="How learnable the labels are: nearest neighbours",
        text=" ".join(sentences),
        figure=figure,
        rows=rows,
        summary=summary,
    )


def layer_scores(samples: Sequence[Sample], layers: Layers) -> dict[str, Score]:
    """How nearest neighbours from each sample do on the layers that are in range."""
    case = samples[0].case
    workloads = layers.workloads[:, layers.in_range]
    truth = Dataset(workloads=workloads, design_ids=labels_of(case, workloads))
    return {
        sample.name: score(case, truth, nearest_designs(sample, workloads), len(sample))
        for sample in samples
    }
