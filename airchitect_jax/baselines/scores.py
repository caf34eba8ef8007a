"""Answers from scores of those designs that occurred in training."""

from __future__ import annotations

from collections.abc import Callable

import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float, Int

from airchitect_jax.case_studies import CaseStudy
from airchitect_jax.learning import decisions_per_second

_MAX_SCORES = 1 << 24  # at a time: 64 MB in float32
_MAX_ROWS = 8192
_TIMED_ROWS = 1024

# Raw workloads to a score for each class.
Scores = Callable[[Int[np.ndarray, "features batch"]], Float[np.ndarray, "batch classes"]]


class ScoreRanker:
    """The feasible designs of the highest scores.

    Designs that never occurred in training come after all that did, in the order of their ids. An
    infeasible design is never an answer, as for a network.

    Args:
      case: the case study.
      classes: the design ids that have scores, ascending.
      scores: of these classes; higher is better.
    """

    def __init__(self, case: CaseStudy, classes: Int[np.ndarray, "classes"], scores: Scores):
        self._case, self._classes, self._scores = case, classes, scores
        self._rows = min(_MAX_ROWS, max(_MAX_SCORES // case.space.num_designs, 1))

    def rank(
        self, workloads: Int[np.ndarray, "features num"], count: int = 1
    ) -> tuple[Int[np.ndarray, "num count"], Bool[np.ndarray, "num"]]:
        """See `Ranker`."""
        parts = [
            self._rank_rows(workloads[:, first : first + self._rows], count)
            for first in range(0, workloads.shape[1], self._rows)
        ]
        ranked, masked = zip(*parts, strict=True)
        return np.concatenate(ranked), np.concatenate(masked)

    def _rank_rows(
        self, workloads: Int[np.ndarray, "features rows"], count: int
    ) -> tuple[Int[np.ndarray, "rows count"], Bool[np.ndarray, "rows"]]:
        scores = np.asarray(self._scores(workloads), np.float32)
        every = np.full((len(scores), self._case.space.num_designs), scores.min() - 1, np.float32)
        every[:, self._classes] = scores
        first_choice = every.argmax(axis=1)
        feasible = np.asarray(self._case.feasible(jnp.asarray(workloads, jnp.int32)))
        every[~feasible] = -np.inf
        masked = ~feasible[np.arange(len(every)), first_choice]
        ranked = np.empty((len(every), count), np.int64)
        for place in range(count):  # `argmax` settles ties by the lower id, a partition does not
            ranked[:, place] = every.argmax(axis=1)
            np.put_along_axis(every, ranked[:, place : place + 1], -np.inf, axis=1)
        return ranked, masked

    def per_second(self, workloads: Int[np.ndarray, "features num"]) -> float:
        """Decisions per second, in one batch of up to 1024."""
        return decisions_per_second(self, workloads[:, :_TIMED_ROWS])
