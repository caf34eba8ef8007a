"""Statistics of a validation: rank correlation, relative error, ratios to the best."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int

Values = Int[np.ndarray, "num"] | Float[np.ndarray, "num"]


def average_ranks(values: Values) -> Float[np.ndarray, "num"]:
    """Ranks from 1 in ascending order; equal values share the mean of their ranks."""
    _, group, sizes = np.unique(values, return_inverse=True, return_counts=True)
    return (np.cumsum(sizes) - (sizes - 1) / 2)[group]


def rank_correlation(estimate: Values, truth: Values) -> float:
    """Spearman's correlation: that of the ranks, ties averaged, in -1..1.

    NaN where the truth is constant, 0 where only the estimate is.
    """
    ranks = [average_ranks(values) for values in (estimate, truth)]
    estimate_ranks, truth_ranks = (rank - rank.mean() for rank in ranks)
    spread = (truth_ranks**2).sum()
    if spread == 0:
        return float("nan")
    norm = np.sqrt(spread * (estimate_ranks**2).sum())
    return float(estimate_ranks @ truth_ranks / norm) if norm > 0 else 0.0


def error_summary(estimate: Values, truth: Values) -> dict[str, float]:
    """Relative errors `estimate / truth - 1`: absolute (median, 90th percentile) and signed.

    Args:
      estimate: of any positive values, at least one.
      truth: the values that are estimated.

    Returns:
      Fractions: `median_error`, `p90_error` (both absolute), `median_bias`, `mean_bias`.
    """
    errors = np.asarray(estimate, np.float64) / truth - 1
    return {
        "median_error": float(np.median(np.abs(errors))),
        "p90_error": float(np.quantile(np.abs(errors), 0.9)),
        "median_bias": float(np.median(errors)),
        "mean_bias": float(np.mean(errors)),
    }


def ratio_summary(ratios: Float[np.ndarray, "num"]) -> dict[str, float]:
    """Geometric mean, median, 90th percentile and maximum of chosen / best, each at least 1."""
    return {
        "geomean": float(np.exp(np.mean(np.log(ratios)))),
        "median": float(np.median(ratios)),
        "p90": float(np.quantile(ratios, 0.9)),
        "max": float(np.max(ratios)),
    }
