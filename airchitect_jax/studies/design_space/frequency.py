"""How often each design is the best one: the long tail of labels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from airchitect_jax.learning import label_statistics
from airchitect_jax.reporting.style import BLACK, Figure, legend_below, styled
from airchitect_jax.studies.design_space.exhibit import Exhibit, captioned, look, panels
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


def _statistics(sample: Sample, shares: Float[np.ndarray, "seen"]) -> dict[str, Any]:
    statistics = label_statistics(sample.case, sample)
    return {
        **statistics,
        "effective_classes": 2 ** statistics["label_entropy_bits"],
        **{f"classes_covering_{int(100 * c)}": classes_covering(shares, c) for c in COVERED},
    }


def _draw(shares_of: Sequence[tuple[Sample, Float[np.ndarray, "seen"]]]) -> Figure:
    figure, ((left, right),) = panels(1, 2, width=11, height=4.2)
    for sample, shares in shares_of:
        rank = np.arange(1, len(shares) + 1)
        line = {**look(sample), "marker": "", "label": sample.name}
        left.loglog(rank, shares, **line)
        right.semilogx(rank, np.cumsum(shares), **line)
        covering = [classes_covering(shares, covered) for covered in COVERED]
        right.plot(covering, COVERED, **{**look(sample), "linestyle": ""})
    num = len(shares_of[0][0])
    left.axhline(1 / num, color=BLACK, linestyle=":", linewidth=1)
    left.annotate(
        "one workload", (1, 1 / num), xytext=(0, 3), textcoords="offset points", fontsize=8
    )
    rank_label = "rank of the design, most frequent first"
    left.set(xlabel=rank_label, ylabel="share of workloads")
    right.set(xlabel=rank_label, ylabel="share of workloads covered", ylim=(0, 1.03))
    right.set_yticks([0, 0.25, *COVERED])
    legend_below(figure, (left,), columns=2)
    return figure


@styled
def frequency(samples: Sequence[Sample]) -> Exhibit:
    """The labels of each distribution, by frequency."""
    space = samples[0].case.space
    found = [(sample, *ranked(sample.design_ids)) for sample in samples]
    summary = {sample.name: _statistics(sample, shares) for sample, _, shares in found}
    return Exhibit(
        name="frequency",
        title="How often each design is the best",
        caption=captioned(
            "{num_labels_seen} of {designs} designs are best for some workload;"
            " {label_entropy_bits:z.2f} bits of entropy, as many as {effective_classes:.0f} equally"
            " frequent classes; {classes_covering_50} classes cover half of the workloads,"
            " {classes_covering_90} cover 90% and {classes_covering_99} cover 99%",
            summary,
            designs=space.num_designs,
        ),
        figure=_draw([(sample, shares) for sample, _, shares in found]),
        rows=[
            ["distribution", "rank", "design_id", "design", "share"],
            *(
                [sample.name, rank, int(design), space.describe(int(design)), float(share)]
                for sample, order, shares in found
                for rank, (design, share) in enumerate(zip(order, shares, strict=True), start=1)
            ),
        ],
        summary=summary,
    )
