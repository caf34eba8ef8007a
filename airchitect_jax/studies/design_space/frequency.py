"""How often each design is the best one: the long tail, and how much of it one needs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from airchitect_jax.learning import label_statistics
from airchitect_jax.reporting.style import BLACK, legend_below, styled
from airchitect_jax.studies.design_space.exhibit import Exhibit, looks, panels, percent
from airchitect_jax.studies.design_space.samples import Sample

COVERED = (0.5, 0.9, 0.99)


def ranked(
    ids: Int[np.ndarray, "num"],
) -> tuple[Int[np.ndarray, "seen"], Float[np.ndarray, "seen"]]:
    """The designs that occur, most frequent first (ties by id), and their shares."""
    counts = np.bincount(ids)
    order = np.argsort(-counts, kind="stable")[: np.count_nonzero(counts)]
    return order, counts[order] / len(ids)


def classes_covering(shares: Float[np.ndarray, "seen"], covered: float) -> int:
    """How many of the most frequent classes hold this share of the workloads."""
    return int(np.searchsorted(np.cumsum(shares), covered - 1e-12)) + 1


@styled
def frequency(samples: Sequence[Sample]) -> Exhibit:
    """The labels of each distribution, by frequency."""
    space = samples[0].case.space
    figure, ((left, right),) = panels(1, 2, width=11, height=4.2)
    rows: list[list[Any]] = [["distribution", "rank", "design_id", "design", "share"]]
    sentences, summary = [], {}
    for sample, style in zip(samples, looks(samples), strict=True):
        order, shares = ranked(sample.design_ids)
        statistics = label_statistics(sample.case, sample.data)
        effective = 2 ** statistics["label_entropy_bits"]
        covering = {covered: classes_covering(shares, covered) for covered in COVERED}
        rank = np.arange(1, len(shares) + 1)
        line = {**style, "marker": ""}
        left.loglog(rank, shares, label=sample.name, **line)
        right.plot(rank, np.cumsum(shares), label=sample.name, **line)
        right.plot(
            list(covering.values()), COVERED, linestyle="", marker=style["marker"],
            color=style["color"],
        )  # fmt: skip
        rows += [
            [sample.name, place + 1, int(design), space.describe(int(design)), float(share)]
            for place, (design, share) in enumerate(zip(order, shares, strict=True))
        ]
        once = int((shares * len(sample) < 1.5).sum())
        sentences.append(
            f"Of {len(sample):,} {sample.name} workloads, {len(shares)} of the"
            f" {space.num_designs} designs are the best for some; the most frequent,"
            f" {space.describe(int(order[0]))}, for {percent(shares[0])}. The labels have"
            f" {abs(statistics['label_entropy_bits']):.2f} bits of entropy, as many as"
            f" {effective:.0f} equally frequent classes. Half of the workloads need"
            f" {covering[0.5]} classes, 90% {covering[0.9]}, 99% {covering[0.99]}; {once} designs"
            " are the best for one workload only."
        )
        summary[sample.name] = {
            **statistics,
            "effective_classes": effective,
            **{f"classes_covering_{int(100 * c)}": count for c, count in covering.items()},
        }
    left.axhline(1 / len(samples[0]), color=BLACK, linestyle=":", linewidth=1)
    left.annotate(
        "one workload", (1, 1 / len(samples[0])), xytext=(0, 3), textcoords="offset points",
        fontsize=8,
    )  # fmt: skip
    left.set_ylabel("share of workloads")
    right.set_ylabel("share of workloads covered")
    right.set_xscale("log")
    right.set_ylim(0, 1.03)
    right.set_yticks([0, 0.25, *COVERED])
    for axes in (left, right):
        axes.set_xlabel("rank of the design, most frequent first")
    legend_below(figure, (left,), columns=2)
    return Exhibit(
        name="frequency",
        title="How often each design is the best",
        text=" ".join(sentences),
        figure=figure,
        rows=rows,
        summary=summary,
    )
