"""Calibration of a network's probabilities: reliability and temperature scaling."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import scipy.optimize
import scipy.special
from jaxtyping import Bool, Float, Int

from airchitect_jax.learning.evaluation import Recommender

_BINS = 15
_BLOCK = 8192  # workloads whose logits are held at once
_TEMPERATURES = (0.05, 20.0)


def label_nats(
    logits: Float[np.ndarray, "num designs"], design_ids: Int[np.ndarray, "num"], temperature: float
) -> float:
    """Mean negative log-likelihood of the labels under softmax(logits / temperature)."""
    chosen = logits[np.arange(len(design_ids)), design_ids] / temperature
    return float(np.mean(scipy.special.logsumexp(logits / temperature, axis=1) - chosen))


def fit_temperature(
    logits: Float[np.ndarray, "num designs"], design_ids: Int[np.ndarray, "num"]
) -> float:
    """Temperature scaling: the temperature in 0.05..20 that maximises the labels' likelihood.

    Guo et al., "On calibration of modern neural networks", ICML 2017. It changes the
    confidences, not the choices. To be fitted on validation data.
    """
    found = scipy.optimize.minimize_scalar(
        lambda log: label_nats(logits, design_ids, math.exp(log)),
        bounds=tuple(map(math.log, _TEMPERATURES)),
        method="bounded",
        options={"xatol": 1e-3},
    )
    return math.exp(found.x)


def confidences(
    recommender: Recommender, workloads: Int[np.ndarray, "features num"], temperature: float
) -> tuple[Int[np.ndarray, "num"], Float[np.ndarray, "num"]]:
    """First choices and their probabilities under softmax(logits / temperature)."""
    chosen, confidence = [], []
    for first in range(0, workloads.shape[1], _BLOCK):
        logits = recommender.logits(workloads[:, first : first + _BLOCK])
        best = logits.argmax(axis=1)
        scaled = (logits - logits.max(axis=1, keepdims=True)) / temperature
        chosen.append(best)
        confidence.append(1 / np.exp(scaled).sum(axis=1))
    return np.concatenate(chosen), np.concatenate(confidence)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Reliability:
    """Confidence and accuracy in bins of equal width over (0, 1], without the empty ones.

    Attributes:
      confidence: mean confidence in each bin.
      accuracy: share of right answers in each bin.
      count: number of answers in each bin.
    """

    confidence: Float[np.ndarray, "bins"]
    accuracy: Float[np.ndarray, "bins"]
    count: Int[np.ndarray, "bins"]

    @property
    def expected_calibration_error(self) -> float:
        """Mean distance of confidence and accuracy, weighted by the number of answers."""
        gaps = np.abs(self.confidence - self.accuracy)
        return float((gaps * self.count).sum() / self.count.sum())


def reliability(
    confidence: Float[np.ndarray, "num"], is_right: Bool[np.ndarray, "num"], bins: int = _BINS
) -> Reliability:
    """Bins answers by confidence."""
    bin_of = np.clip(np.ceil(confidence * bins).astype(np.int64) - 1, 0, bins - 1)
    count = np.bincount(bin_of, minlength=bins)
    used = count > 0
    sums = [
        np.bincount(bin_of, weights=values, minlength=bins)[used]
        for values in (confidence, is_right.astype(np.float64))
    ]
    return Reliability(
        confidence=sums[0] / count[used], accuracy=sums[1] / count[used], count=count[used]
    )
