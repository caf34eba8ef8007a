"""How flat the floor of the cost landscape is: ties, near-ties, and the next cost."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

from airchitect_jax.reporting.style import legend_below, styled
from airchitect_jax.studies.design_space.exhibit import (
    SMALL,
    Exhibit,
    extra,
    looks,
    panels,
    percent,
)
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


@styled
def floors(samples: Sequence[Sample]) -> Exhibit:
    """Designs near the best one, and what the next dearer costs."""
    figure, ((left, right),) = panels(1, 2, width=11, height=4.2)
    rows: list[list[Any]] = [
        ["distribution", "margin", "shared_share", "median_designs", "p90_designs", "max_designs"]
    ]
    sentences, summary = [], {}
    for sample, style in zip(samples, looks(samples), strict=True):
        ratio = relative_costs(sample)
        counts = {margin: (ratio <= 1 + np.float32(margin)).sum(axis=1) for margin in MARGINS}
        for margin, alpha in zip(MARGINS, (1, 0.75, 0.5, 0.3), strict=True):
            number = np.arange(1, counts[margin].max() + 1)
            at_least = [(counts[margin] >= n).mean() for n in number]
            name = f"within {margin:.1%}" if margin else "ties"
            left.plot(
                number, at_least, color=style["color"], linestyle=style["linestyle"], alpha=alpha,
                label=f"{sample.name}: {name}",
            )  # fmt: skip
            rows.append(
                [
                    sample.name,
                    margin,
                    float((counts[margin] > 1).mean()),
                    *(float(np.quantile(counts[margin], q)) for q in (0.5, 0.9, 1)),
                ]
            )
        gap = np.where(ratio > 1, ratio, np.inf).min(axis=1) - 1
        gap = np.sort(gap[np.isfinite(gap)])
        right.plot(
            np.maximum(gap, 1e-5), (np.arange(len(gap)) + 0.5) / len(gap), label=sample.name,
            **{**style, "marker": ""},
        )  # fmt: skip
        next_cost = float(np.median(gap)) if len(gap) else None
        shared = {margin: float((counts[margin] > 1).mean()) for margin in MARGINS}
        sentences.append(
            f"{sample.name}: {percent(shared[0.0])} of {len(ratio):,} workloads have more than one"
            f" design of the least cost, {percent(shared[0.01])} have another within 1% and"
            f" {percent(shared[0.05])} within 5%; in the median {np.median(counts[0.01]):.0f}"
            f" design(s) lie within 1% and {np.median(counts[0.05]):.0f} within 5% of the best."
            + (
                f" The next dearer design costs {extra(next_cost)} more in the median."
                if len(gap)
                else ""
            )
        )
        summary[sample.name] = {
            "workloads": len(ratio),
            "tie_share": shared[0.0],
            "shared_within_1_percent": shared[0.01],
            "shared_within_5_percent": shared[0.05],
            "median_designs_within_1_percent": float(np.median(counts[0.01])),
            "median_designs_within_5_percent": float(np.median(counts[0.05])),
            "median_next_cost_gap": next_cost,
        }
    left.set_xscale("log")
    left.set_ylim(0, 1.03)
    left.set_xlabel("designs")
    left.set_ylabel("share of workloads with at least so many")
    left.set_title(
        f"all costs of {summary[samples[0].name]['workloads']:,} workloads", fontsize=SMALL
    )
    right.set_xscale("log")
    right.set_ylim(0, 1.03)
    right.set_xlabel("next higher cost / best cost - 1")
    right.set_ylabel("share of workloads")
    legend_below(figure, (left, right), columns=len(MARGINS) + 1)
    return Exhibit(
        name="floors",
        title="Ties and near-ties",
        text=" ".join(sentences),
        figure=figure,
        rows=rows,
        summary=summary,
    )
