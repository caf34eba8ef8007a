"""The labels of random workloads: how often each occurs, what two samples share, and near-ties."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from airchitect_jax.learning import label_statistics
from airchitect_jax.reporting.style import BLACK, GREEN, PURPLE, RED, Figure, legend_below, styled
from airchitect_jax.studies.design_space.exhibit import SMALL, Exhibit, captioned, look, panels
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


def _draw_frequency(shares_of: Sequence[tuple[Sample, Float[np.ndarray, "seen"]]]) -> Figure:
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
        figure=_draw_frequency([(sample, shares) for sample, _, shares in found]),
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


_MOST_TESTED = 100_000


@dataclasses.dataclass(frozen=True, kw_only=True)
class Overlap:
    """Between a sample of `size` and an independent one.

    Attributes:
      size: workloads of the first sample.
      label_seen: share of the second's workloads whose label occurs in the first.
      jaccard: of the sets of labels of two samples of this size, shared over all.
      workload_seen: share of the second's workloads that are in the first, value for value.
    """

    size: int
    label_seen: float
    jaccard: float
    workload_seen: float


def row_codes(workloads: Int[np.ndarray, "features num"]) -> Int[np.ndarray, "num"]:
    """A number for each workload, equal where all features are."""
    codes = np.zeros(workloads.shape[1], np.int64)
    for row in workloads:
        paired = codes * (int(row.max()) + 1) + row
        codes = np.unique(paired, return_inverse=True)[1].reshape(-1)
    return codes


def first_indices(
    reference: Int[np.ndarray, "num"], wanted: Int[np.ndarray, "tested"]
) -> Int[np.ndarray, "tested"]:
    """Where each wanted value stands first in `reference`; past its end if nowhere."""
    values, indices = np.unique(reference, return_index=True)
    found = np.minimum(np.searchsorted(values, wanted), len(values) - 1)
    return np.where(values[found] == wanted, indices[found], len(reference))


def overlaps(sample: Sample) -> list[Overlap]:
    """For halves of the sample, the first of growing size."""
    half = len(sample) // 2
    tested = slice(half, half + min(half, _MOST_TESTED))
    codes, ids = row_codes(sample.workloads), sample.design_ids
    code_index = first_indices(codes[:half], codes[tested])
    label_index = first_indices(ids[:half], ids[tested])
    sizes = np.unique(np.geomspace(100, half, 13).astype(int))
    results = []
    for size in sizes.tolist():
        ours, theirs = (set(part[:size].tolist()) for part in (ids[:half], ids[half:]))
        results.append(
            Overlap(
                size=size,
                label_seen=float((label_index < size).mean()),
                jaccard=len(ours & theirs) / len(ours | theirs),
                workload_seen=float((code_index < size).mean()),
            )
        )
    return results


def _draw_overlap(found: Sequence[tuple[Sample, Sequence[Overlap]]]) -> Figure:
    shown = {
        "label_seen": "workloads whose label is known (%)",
        "jaccard": "labels in both samples, of those in either (%)",
    }
    if _any_shared(found):
        shown["workload_seen"] = "workloads that are in both samples (%)"
    figure, (axes,) = panels(1, len(shown), width=2 + 4 * len(shown), height=4.2)
    for panel, (name, label) in zip(axes, shown.items(), strict=True):
        for sample, results in found:
            sizes = [result.size for result in results]
            shares = [100 * getattr(result, name) for result in results]
            panel.semilogx(sizes, shares, label=sample.name, **look(sample))
        panel.set(xlabel="workloads of the sample", ylabel=label)
        panel.set_ylim(0, None if name == "workload_seen" else 103)
    legend_below(figure, axes[:1], columns=2)
    return figure


def _any_shared(found: Sequence[tuple[Sample, Sequence[Overlap]]]) -> bool:
    """Whether any workload occurs in two samples."""
    return any(results[-1].workload_seen for _, results in found)


@styled
def overlap(samples: Sequence[Sample]) -> Exhibit:
    """Labels and workloads that independent samples of growing size share."""
    found = [(sample, overlaps(sample)) for sample in samples]
    summary = {sample.name: dataclasses.asdict(results[-1]) for sample, results in found}
    return Exhibit(
        name="overlap",
        title="What two random samples share",
        caption=captioned(
            "two samples of {size:,} workloads share {jaccard:.1%} of the labels that occur in"
            " either; {label_seen:.1%} of the workloads of one have a label that occurs in the"
            " other, and {workload_seen:.2%} occur in the other themselves",
            summary,
        )
        + ("" if _any_shared(found) else " No workload occurs in both, so no panel shows these.")
        + " Data sets are split by a hash of the workload: no workload is in two splits.",
        figure=_draw_overlap(found),
        rows=[
            ["distribution", *(field.name for field in dataclasses.fields(Overlap))],
            *(
                [sample.name, *dataclasses.astuple(result)]
                for sample, results in found
                for result in results
            ),
        ],
        summary=summary,
    )


MARGINS = (0.0, 0.001, 0.01, 0.05)
_MOST_COSTS = 5_000_000  # evaluations of a sample
_BLOCK = 500  # workloads whose costs are held at once
_OF_MARGIN = ((BLACK, "-"), (GREEN, "--"), (PURPLE, "-."), (RED, ":"))


def relative_costs(sample: Sample) -> Float[np.ndarray, "num designs"]:
    """Costs of all designs over the best, infinite where infeasible; of as many as is quick."""
    case = sample.case
    num = case.space.num_designs
    part = sample.first(max(_MOST_COSTS // num, 1))
    results = np.empty((len(part), num), np.float32)
    for first in range(0, len(part), _BLOCK):
        workloads = part.workloads[:, first : first + _BLOCK]
        ids = np.broadcast_to(np.arange(num), (workloads.shape[1], num))
        costs = case.costs(workloads, ids)
        allowed = np.asarray(case.feasible(workloads))
        best = np.where(allowed, costs, costs.max()).min(axis=1, keepdims=True)
        # A tie is exact in whole numbers; what is no tie may not round to one.
        ratio = np.where(
            costs == best, 1.0, np.maximum(costs / best, np.nextafter(1, 2, dtype="f"))
        )
        results[first : first + _BLOCK] = np.where(allowed, ratio, np.inf)
    return results


@dataclasses.dataclass(frozen=True, kw_only=True)
class NearTies:
    """How many designs lie near the best, by margin, and what the next dearer one costs.

    Attributes:
      counts: by margin, Int[num] designs, the best one among them.
      gaps: ascending next higher cost / best cost - 1 of the workloads that have one.
    """

    counts: Mapping[float, Int[np.ndarray, "num"]]
    gaps: Float[np.ndarray, "some"]

    @classmethod
    def of(cls, ratio: Float[np.ndarray, "num designs"]) -> NearTies:
        """Of `relative_costs`."""
        gap = np.where(ratio > 1, ratio, np.inf).min(axis=1) - 1
        return cls(
            counts={margin: (ratio <= 1 + np.float32(margin)).sum(axis=1) for margin in MARGINS},
            gaps=np.sort(gap[np.isfinite(gap)]),
        )

    def shared(self, margin: float) -> float:
        """Share of workloads with another design within the margin."""
        return float((self.counts[margin] > 1).mean())

    def quantile(self, margin: float, q: float) -> float:
        """Of the number of designs within the margin."""
        return float(np.quantile(self.counts[margin], q))

    def summary(self) -> dict[str, Any]:
        """The numbers of one distribution."""
        return {
            "workloads": len(self.counts[0.0]),
            "tie_share": self.shared(0.0),
            "shared_within_1_percent": self.shared(0.01),
            "shared_within_5_percent": self.shared(0.05),
            "median_designs_within_1_percent": self.quantile(0.01, 0.5),
            "median_designs_within_5_percent": self.quantile(0.05, 0.5),
            "median_next_cost_gap": float(np.median(self.gaps)) if len(self.gaps) else None,
        }


def _draw_near_ties(found: Sequence[tuple[Sample, NearTies]]) -> Figure:
    figure, ((*counted, right),) = panels(1, len(found) + 1, width=13, height=4.2)
    for panel, (sample, ties) in zip(counted, found, strict=True):
        for margin, (color, dashes) in zip(MARGINS, _OF_MARGIN, strict=True):
            counts = ties.counts[margin]
            number = np.arange(1, counts.max() + 1)
            at_least = [(counts >= n).mean() for n in number]
            name = f"within {margin:.1%}" if margin else "ties"
            panel.plot(number, at_least, color=color, linestyle=dashes, label=name)
        panel.set(xlabel="designs", ylabel="share of workloads with at least so many")
        title = f"{sample.name}: all costs of {len(ties.counts[0.0]):,} workloads"
        panel.set_title(title, fontsize=SMALL)
        share = (np.arange(len(ties.gaps)) + 0.5) / len(ties.gaps)
        right.plot(100 * ties.gaps, share, label=sample.name, **{**look(sample), "marker": ""})
    right.set(xlabel="next higher cost above the best (%)", ylabel="share of workloads")
    for axes in (*counted, right):
        axes.set(xscale="log", ylim=(-0.03, 1.03))
    right.set_xlim(left=1e-3)
    right.xaxis.set_major_formatter("{x:g}")
    right.legend(loc="upper center", bbox_to_anchor=(0.5, -0.14), ncols=2, fontsize=8)
    legend_below(figure, counted[:1], columns=len(MARGINS))
    return figure


@styled
def near_ties(samples: Sequence[Sample]) -> Exhibit:
    """Designs near the best one, and what the next dearer costs."""
    found = [(sample, NearTies.of(relative_costs(sample))) for sample in samples]
    summary = {sample.name: ties.summary() for sample, ties in found}
    return Exhibit(
        name="near_ties",
        title="Ties and near-ties",
        caption=captioned(
            "{tie_share:.1%} of {workloads:,} workloads have several designs of the least cost,"
            " {shared_within_1_percent:.1%} have another within 1% and"
            " {shared_within_5_percent:.1%} within 5%; in the median"
            " {median_designs_within_1_percent:.0f} lie within 1% and"
            " {median_designs_within_5_percent:.0f} within 5%",
            summary,
        ),
        figure=_draw_near_ties(found),
        rows=[
            [
                "distribution",
                "margin",
                "shared_share",
                "median_designs",
                "p90_designs",
                "max_designs",
            ],
            *(
                [
                    sample.name,
                    margin,
                    ties.shared(margin),
                    *(ties.quantile(margin, q) for q in (0.5, 0.9, 1)),
                ]
                for sample, ties in found
                for margin in MARGINS
            ),
        ],
        summary=summary,
    )
