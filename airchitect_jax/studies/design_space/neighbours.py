"""Nearest neighbours of unseen workloads and of the layers of real networks. Needs scikit-learn."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Int

from airchitect_jax.case_studies import CaseStudy
from airchitect_jax.learning import Dataset, Split, split_of
from airchitect_jax.reporting import style
from airchitect_jax.studies.design_space import exhibit
from airchitect_jax.studies.design_space.estimators import NearestNeighbors
from airchitect_jax.studies.design_space.samples import (
    Layers,
    Sample,
    dims,
    inputs,
    labels_of,
    shape_axes,
)

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


def _draw_growth(
    found: Sequence[tuple[Sample, Sequence[Score], float]], num_tested: int
) -> style.Figure:
    figure, ((left, right),) = exhibit.panels(1, 2, width=11, height=4.2)
    for sample, scores, majority in found:
        sizes = [result.size for result in scores]
        line = {**exhibit.look(sample), "label": sample.name}
        left.plot(sizes, [result.accuracy for result in scores], **line)
        right.plot(sizes, [result.near for result in scores], **line)
        left.axhline(majority, color=line["color"], linewidth=1, linestyle=":")
    left.set_ylabel("accuracy (dotted: the majority class)")
    right.set_ylabel("feasible, at most 1% above the best")
    for axes in (left, right):
        axes.set(xlabel="workloads with known labels", xscale="log", ylim=(0, 1))
        axes.set_title(
            f"nearest neighbour of {num_tested:,} unseen workloads", fontsize=exhibit.SMALL
        )
    style.legend_below(figure, (left,), columns=2)
    return figure


@style.styled
def neighbours(samples: Sequence[Sample]) -> exhibit.Exhibit:
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
    return exhibit.Exhibit(
        name="neighbours",
        title="How learnable the labels are: nearest neighbours",
        caption=exhibit.captioned(
            "the nearest of {size:,} known workloads has the label of {accuracy:.1%} of {tested:,}"
            " unseen ones (majority class: {majority_accuracy:.1%}), and a feasible design within"
            " 1% of the best for {near:.1%}",
            summary,
        ),
        figure=_draw_growth([one[:3] for one in found], found[0][3]),
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


_SMALL_DIM = 64


def _different(case: CaseStudy, layers: Layers) -> Int[np.ndarray, "3 num"]:
    """Different GEMMs of the layers of each network."""
    repeated = dims(case, layers.workloads)
    network = np.tile(layers.network, repeated.shape[1] // len(layers.network))
    return np.unique(np.stack([*repeated, network]), axis=1)[:3]


def _small_share(gemms: Int[np.ndarray, "3 num"]) -> float:
    return float((gemms < _SMALL_DIM).any(axis=0).mean())


def _histogram(
    axes: style.Axes, samples: Sequence[Sample], layers: Int[np.ndarray, "3 num"], row: int
) -> None:
    """Of one dimension, of the samples and of the layers."""
    edges = np.linspace(0, np.log2(_top(samples[0].case) + 1), 29)

    def shares(gemms: Int[np.ndarray, "3 num"]) -> Any:
        return np.histogram(np.log2(gemms[row]), edges)[0] / gemms.shape[1]

    for sample in samples:
        values = shares(dims(sample.case, sample.workloads))
        axes.stairs(
            values, edges, color=exhibit.look(sample)["color"], linewidth=1.5, label=sample.name
        )
    axes.stairs(shares(layers), edges, color=style.BLACK, fill=True, alpha=0.25, label="layers")
    axes.set_xlabel(f"log2({'mnk'[row]})")


def _plane(axes: style.Axes, sample: Sample, gemms: Int[np.ndarray, "3 num"]) -> None:
    """Layers in range over the density of a sample."""
    grid = exhibit.shape_grid(_top(sample.case))
    counts = grid.counts(*shape_axes(dims(sample.case, sample.workloads)))
    density = np.where(counts > 0, counts / counts.sum(), np.nan)
    grid.draw(axes, np.log10(density), cmap="Greys", vmin=-7, vmax=-1)
    x, y = shape_axes(gemms)
    here = gemms.max(axis=0) <= _top(sample.case)
    axes.scatter(x[here], y[here], s=14, color=style.RED, linewidths=0, label="one layer, in range")
    axes.set_title(f"layers over the density of {sample.name} workloads", fontsize=exhibit.SMALL)
    exhibit.label_shape_axes([axes], [axes])


def _draw_coverage(
    samples: Sequence[Sample],
    gemms: Int[np.ndarray, "3 num"],
    scores: Mapping[str, Score],
) -> style.Figure:
    figure, axes = exhibit.panels(2, 3, width=12, height=7.4)
    for row, panel in enumerate(axes[0]):
        _histogram(panel, samples, gemms, row)
    axes[0, 0].set_ylabel("share")
    for panel, sample in zip(axes[1], samples, strict=False):
        _plane(panel, sample, gemms)
    last = axes[1, 2]
    for group, sample in enumerate(samples):
        if sample.name in scores:
            values = [scores[sample.name].accuracy, scores[sample.name].near]
            bars = exhibit.grouped_bars(last.bar, group, values, sample)
            last.bar_label(bars, [exhibit.percent(value) for value in values], fontsize=8)
    last.set_xticks(range(2), ["right label", "feasible, within 1%"])
    last.set(ylim=(0, 1.08), ylabel="share of layers")
    last.set_title("layers by their nearest sampled neighbour", fontsize=exhibit.SMALL)
    style.legend_below(figure, (*axes[0], axes[1, 0]), columns=5)
    return figure


def _top(case: CaseStudy) -> int:
    """The largest value of an input."""
    return max(feature.high for feature in case.features)


@style.styled
def coverage(samples: Sequence[Sample], layers: Layers) -> exhibit.Exhibit:
    """Sizes and shapes of layers beside those of each distribution, and neighbours' accuracy."""
    case = samples[0].case
    gemms = _different(case, layers)
    num, small = gemms.shape[1], _small_share(gemms)
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
    return exhibit.Exhibit(
        name="coverage",
        title="Where the layers of real networks fall",
        caption=f"{num} different GEMMs of {len(layers.networks)} networks, {small:.1%} with a"
        f" dimension below {_SMALL_DIM}. "
        + exhibit.captioned("{any_dim_below_64:.1%} of the workloads have one", of_sample)
        + f" {int(layers.in_range.sum()):,} of {len(layers.in_range):,} layers (one per context)"
        " are in the sampled range; these are judged by their nearest neighbour.",
        figure=_draw_coverage(samples, gemms, scores),
        rows=rows,
        summary={"layers": num, "any_dim_below_64": small, **of_sample},
    )
