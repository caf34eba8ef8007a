"""Selective prediction with exact fallback.

The network answers where its confidence reaches a threshold, exact search answers the rest.
"""

from __future__ import annotations

import dataclasses
import math

import numpy as np
from jaxtyping import Bool, Float, Int

from airchitect_jax.case_studies import CaseStudy, out_of_range
from airchitect_jax.learning.calibration import confidences
from airchitect_jax.learning.evaluation import Recommender


@dataclasses.dataclass(frozen=True, kw_only=True)
class RiskCoverage:
    """Coverage and risk by threshold, in descending order of thresholds.

    Attributes:
      threshold: the least confidence with which the network answers.
      coverage: share of workloads that the network answers.
      risk: share of its answers that are wrong.
    """

    threshold: Float[np.ndarray, "points"]
    coverage: Float[np.ndarray, "points"]
    risk: Float[np.ndarray, "points"]

    @property
    def area(self) -> float:
        """Mean risk over all coverages: the area under the curve, 0 at best."""
        return float((self.risk * np.diff(self.coverage, prepend=0.0)).sum())


def risk_coverage(
    confidence: Float[np.ndarray, "num"], is_wrong: Bool[np.ndarray, "num"]
) -> RiskCoverage:
    """The risk-coverage curve of a set of answers; equal confidences share one point."""
    order = np.argsort(-confidence, kind="stable")
    ordered = confidence[order]
    last = np.flatnonzero(np.diff(ordered, append=-np.inf))  # of each run of equals
    answered = last + 1
    wrong = np.cumsum(is_wrong[order])[last]
    return RiskCoverage(
        threshold=ordered[last], coverage=answered / len(confidence), risk=wrong / answered
    )


def threshold_for(curve: RiskCoverage, max_risk: float) -> float:
    """The threshold with the highest coverage at a risk of at most `max_risk`, or infinity.

    To be chosen on validation data.
    """
    allowed = np.flatnonzero(curve.risk <= max_risk)
    return float(curve.threshold[allowed[-1]]) if len(allowed) else math.inf


def answer(
    case: CaseStudy,
    recommender: Recommender,
    workloads: Int[np.ndarray, "features num"],
    *,
    temperature: float,
    threshold: float,
) -> tuple[Int[np.ndarray, "num"], Bool[np.ndarray, "num"]]:
    """Design ids, and which of them are the network's; the others are from exact search.

    Exact search answers workloads outside the trained ranges and those for which the network's
    confidence is below the threshold.

    Args:
      case: the case study that the network was trained on.
      recommender: the network.
      workloads: raw feature values, of any size that exact search accepts.
      temperature: of the softmax, from `calibration.fit_temperature`.
      threshold: from `threshold_for`.
    """
    asked = np.flatnonzero(~out_of_range(case, workloads))
    chosen, confidence = np.empty(0, np.int64), np.empty(0)
    if len(asked):
        chosen, confidence = confidences(recommender, workloads[:, asked], temperature)
    sure = confidence >= threshold
    own = np.zeros(workloads.shape[1], bool)
    own[asked[sure]] = True
    design_ids = np.empty(workloads.shape[1], np.int64)
    design_ids[own] = chosen[sure]
    if not own.all():
        design_ids[~own] = case.exact(workloads[:, ~own]).design_id
    return design_ids, own
