"""Ties and near-ties: how many designs cost little more than the best."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from airchitect_jax.reporting.style import Figure, legend_below, styled
from airchitect_jax.studies.design_space.exhibit import SMALL, Exhibit, captioned, look, panels
from airchitect_jax.studies.design_space.samples import Sample

MARGINS = (0.0, 0.001, 0.01, 0.05)
_MOST_COSTS = 5_000_000  # evaluations of a sample
_BLOCK = 500  # workloads whose costs are held at once


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


def _draw(found: Sequence[tuple[Sample, NearTies]]) -> Figure:
    figure, ((left, right),) = panels(1, 2, width=11, height=4.2)
    for sample, ties in found:
        line = {**look(sample), "marker": ""}
        for margin, alpha in zip(MARGINS, (1, 0.75, 0.5, 0.3), strict=True):
            counts = ties.counts[margin]
            number = np.arange(1, counts.max() + 1)
            name = f"within {margin:.1%}" if margin else "ties"
            at_least = [(counts >= n).mean() for n in number]
            left.plot(number, at_least, alpha=alpha, label=f"{sample.name}: {name}", **line)
        share = (np.arange(len(ties.gaps)) + 0.5) / len(ties.gaps)
        right.plot(np.maximum(ties.gaps, 1e-5), share, label=sample.name, **line)
    left.set(xlabel="designs", ylabel="share of workloads with at least so many")
    num = len(found[0][1].counts[0.0])
    left.set_title(f"all costs of {num:,} workloads", fontsize=SMALL)
    right.set(xlabel="next higher cost / best cost - 1", ylabel="share of workloads")
    for axes in (left, right):
        axes.set(xscale="log", ylim=(0, 1.03))
    legend_below(figure, (left, right), columns=len(MARGINS) + 1)
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
        figure=_draw(found),
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
