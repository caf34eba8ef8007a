"""Simple baselines: the majority class, and the heuristics of a case study."""

from __future__ import annotations

import time

import jax
import numpy as np
from jaxtyping import Bool, Int

from airchitect_jax.baselines.competitor import Fitted, Task
from airchitect_jax.baselines.scores import ScoreRanker
from airchitect_jax.case_studies import CaseStudy
from airchitect_jax.learning import Split, sample_dataset

_MAJORITY_EXAMPLES = 1 << 16
_TIMED_ROWS = 8192


class Majority:
    """The design that is most often optimal among the training workloads, if it is feasible.

    If not, the most frequent one that is. Top 5: the five most frequent.
    """

    name = "majority"

    def fit(self, task: Task) -> Fitted:
        """Counts the labels of 65536 workloads."""
        data = sample_dataset(task.case, seed=task.seed, num=_MAJORITY_EXAMPLES, split=Split.TRAIN)
        start = time.perf_counter()
        counts = np.bincount(data.design_ids, minlength=task.case.space.num_designs)
        classes = np.flatnonzero(counts)
        return Fitted(
            ranker=ScoreRanker(
                task.case,
                classes,
                lambda rows: np.broadcast_to(counts[classes], (rows.shape[1], len(classes))),
            ),
            parameters=len(classes),
            examples=len(data),
            train_seconds=time.perf_counter() - start,
            curve=[],
        )


class Heuristic:
    """A heuristic of the case study: no training, one choice."""

    def __init__(self, name: str) -> None:
        self.name = name

    def fit(self, task: Task) -> Fitted:
        """See `Competitor`; there is nothing to train."""
        return Fitted(
            ranker=_HeuristicRanker(task.case, self.name),
            parameters=0,
            examples=0,
            train_seconds=0.0,
            curve=[],
            told=("the cost model",),
        )


class _HeuristicRanker:
    def __init__(self, case: CaseStudy, name: str) -> None:
        self._case, self._name = case, name

    def rank(
        self, workloads: Int[np.ndarray, "features num"], count: int = 1
    ) -> tuple[Int[np.ndarray, "num 1"], Bool[np.ndarray, "num"]]:
        """See `Ranker`; heuristics keep to the constraints."""
        del count
        chosen = self._case.heuristics(workloads)[self._name]
        return chosen[:, None], np.zeros(len(chosen), bool)

    def per_second(self, workloads: Int[np.ndarray, "features num"]) -> float:
        """Decisions per second, with all heuristics of the case study computed together."""
        batch = workloads[:, :_TIMED_ROWS]
        start = time.perf_counter()
        self.rank(batch)
        return batch.shape[1] / (time.perf_counter() - start)


def heuristics(case: CaseStudy) -> list[Heuristic]:
    """The heuristics of a case study."""
    one = np.asarray(case.sample(jax.random.key(0), 1))
    return [Heuristic(name) for name in case.heuristics(one)]
