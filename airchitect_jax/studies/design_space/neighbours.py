"""How learnable the labels are: nearest neighbours from a growing sample. Needs scikit-learn."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import jax.numpy as jnp
import numpy as np
from jaxtyping import Int

from airchitect_jax.case_studies import CaseStudy
from airchitect_jax.learning import Dataset, Split, split_of
from airchitect_jax.reporting.style import Figure, legend_below, styled
from airchitect_jax.studies.design_space.estimators import NearestNeighbors
from airchitect_jax.studies.design_space.exhibit import SMALL, Exhibit, captioned, look, panels
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
        score(sample.case, tested, nearest_designs(known.first(size), tested.workloads), size)
        for size in sizes
    ]
    majority = np.bincount(known.design_ids).argmax()
    return scores, float((tested.design_ids == majority).mean()), len(tested)


def _draw(found: Sequence[tuple[Sample, Sequence[Score], float]], num_tested: int) -> Figure:
    figure, ((left, right),) = panels(1, 2, width=11, height=4.2)
    for sample, scores, majority in found:
        sizes = [result.size for result in scores]
        line = {**look(sample), "label": sample.name}
        left.plot(sizes, [result.accuracy for result in scores], **line)
        right.plot(sizes, [result.near for result in scores], **line)
        left.axhline(majority, color=line["color"], linewidth=1, linestyle=":")
    left.set_ylabel("accuracy (dotted: the majority class)")
    right.set_ylabel("feasible, at most 1% above the best")
    for axes in (left, right):
        axes.set(xlabel="workloads with known labels", xscale="log", ylim=(0, 1))
        axes.set_title(f"nearest neighbour of {num_tested:,} unseen workloads", fontsize=SMALL)
    legend_below(figure, (left,), columns=2)
    return figure


@styled
def neighbours(samples: Sequence[Sample]) -> Exhibit:
    """Accuracy of nearest neighbours over the size of the sample that they come from."""
    found = [(sample, *growth(sample)) for sample in samples]
    summary = {
        sample.name: {
            **dataclasses.asdict(scores[-1]),
            "majority_accuracy": majority,
            "tested": num_tested,
        }
        for sample, scores, majority, num_tested in found
    }
    return Exhibit(
        name="neighbours",
        title="How learnable the labels are: nearest neighbours",
        caption=captioned(
            "the nearest of {size:,} known workloads has the label of {accuracy:.1%} of {tested:,}"
            " unseen ones (majority class: {majority_accuracy:.1%}), and a feasible design within"
            " 1% of the best for {near:.1%}",
            summary,
        ),
        figure=_draw([one[:3] for one in found], found[0][3]),
        rows=[
            ["distribution", "known_workloads", "accuracy", "within_1_percent"],
            *(
                [sample.name, result.size, result.accuracy, result.near]
                for sample, scores, *_ in found
                for result in scores
            ),
        ],
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
