"""Off-the-shelf classifiers, each on as many examples as it can take in the time."""

from __future__ import annotations

import dataclasses
import math
import time
import warnings
from collections.abc import Callable
from typing import Protocol

import numpy as np
from jaxtyping import Float, Int

from airchitect_jax.baselines.competitor import Fitted, Task
from airchitect_jax.baselines.scores import ScoreRanker
from airchitect_jax.learning import Dataset, Split, sample_dataset
from airchitect_jax.learning.models import StandardInputs

_FIRST = 256  # examples of the first fit
_LEAST_CLASSES = 3  # with two, scikit-learn's scores have no axis of classes
_HEADROOM = 0.9  # of the budget is aimed at: times are noisy
_WORTHWHILE = 1.25  # a fit that is less larger than the last is left out


class Estimator(Protocol):
    """A classifier of standardised inputs, classes being 0, 1, 2 and so on."""

    @property
    def num_parameters(self) -> int:
        """Numbers that were learnt and are stored, after `fit`."""
        ...

    def fit(self, inputs: Float[np.ndarray, "num inputs"], classes: Int[np.ndarray, "num"]) -> None:
        """Trains from nothing."""
        ...

    def scores(
        self, inputs: Float[np.ndarray, "batch inputs"]
    ) -> Float[np.ndarray, "batch classes"]:
        """Of each class; higher is better."""
        ...


class Classifier:
    """A competitor made of an estimator.

    The number of examples doubles from 256 as long as time allows; the last step may be smaller
    than a doubling. The largest fit that kept to the budget counts, and its own time alone.

    Args:
      name: as in tables.
      make: a new estimator for a seed and a number of designs.
      max_examples: more do not fit into memory, of a number of designs.
    """

    def __init__(
        self,
        name: str,
        make: Callable[[int], Estimator],
        max_examples: Callable[[int], int] = lambda _: 1 << 20,
    ) -> None:
        self.name, self._make, self._max_examples = name, make, max_examples

    def fit(self, task: Task) -> Fitted:
        """See `Competitor`.

        Raises:
          ValueError: fewer than three designs are ever optimal.
        """
        largest = self._max_examples(task.case.space.num_designs)
        fits: list[Fitted] = []
        seconds: list[float] = []  # the longer of training and answering
        num = _FIRST
        while num:
            data = sample_dataset(task.case, seed=task.seed, num=num, split=Split.TRAIN)
            fitted, answering = self._fit(task, data)
            needed = max(fitted.train_seconds, answering)
            if needed > task.budget_seconds and fits:
                break
            fits.append(fitted)
            seconds.append(needed)
            num = _next_size([f.examples for f in fits], seconds, task.budget_seconds, largest)
        return dataclasses.replace(fits[-1], curve=[point for fit in fits for point in fit.curve])

    def _fit(self, task: Task, data: Dataset) -> tuple[Fitted, float]:
        """One fit, and the seconds that answering the test set will take."""
        classes, labels = np.unique(data.design_ids, return_inverse=True)
        if len(classes) < _LEAST_CLASSES:
            raise ValueError(
                f"{self.name}: only {len(classes)} designs are optimal for {len(data)} workloads;"
                f" expected at least {_LEAST_CLASSES}"
            )
        inputs = StandardInputs.of(data.workloads)
        estimator = self._make(task.seed)
        start = time.perf_counter()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that an iteration has not converged
            estimator.fit(np.asarray(inputs(data.workloads)), labels)
        seconds = time.perf_counter() - start
        ranker = ScoreRanker(
            task.case, classes, lambda rows: estimator.scores(np.asarray(inputs(rows)))
        )
        ranker.rank(task.validation.workloads[:, :1])  # compiles what it needs
        start = time.perf_counter()
        ranked, _ = ranker.rank(task.validation.workloads)
        answering = (time.perf_counter() - start) * task.num_test / len(task.validation)
        accuracy = float(np.mean(ranked[:, 0] == task.validation.design_ids))
        fitted = Fitted(
            ranker=ranker,
            parameters=estimator.num_parameters,
            examples=len(data),
            train_seconds=seconds,
            curve=[{"examples": len(data), "seconds": seconds, "accuracy": accuracy}],
        )
        return fitted, answering


def _next_size(sizes: list[int], seconds: list[float], budget: float, largest: int) -> int:
    """Twice the last size, or what should fit the budget if that is less; 0 for no more.

    Seconds grow as a power of the size, at least linearly; the power is that of the last step.
    """
    power = 1.0
    if len(sizes) > 1:
        growth = math.log(seconds[-1] / seconds[-2]) / math.log(sizes[-1] / sizes[-2])
        power = max(power, growth)
    allowed = (_HEADROOM * budget / seconds[-1]) ** (1 / power)
    size = min(int(sizes[-1] * min(2.0, allowed)), largest)
    return size if size >= _WORTHWHILE * sizes[-1] else 0
