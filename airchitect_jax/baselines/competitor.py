"""The interface of models that are compared: fitted to a case study in a given time."""

from __future__ import annotations

import dataclasses
from typing import Protocol

from airchitect_jax.case_studies import CaseStudy
from airchitect_jax.learning import Dataset, Ranker, Split, sample_dataset

# Examples seen, seconds and validation accuracy, at one point of a training.
Point = dict[str, float | int]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Task:
    """What every competitor is given.

    Attributes:
      case: the problem. Training workloads are of the TRAIN split, as many as one can take.
      seed: of everything random, the training data included.
      budget_seconds: the time for training; and, once more, for answering `num_test` workloads.
      num_test: workloads that will be asked.
      validation: for measurements and choices during training; never the test set.
    """

    case: CaseStudy
    seed: int
    budget_seconds: float
    num_test: int
    validation: Dataset

    @classmethod
    def sampled(
        cls,
        case: CaseStudy,
        *,
        seed: int,
        budget_seconds: float,
        num_test: int,
        num_validation: int,
    ) -> Task:
        """With random workloads of the VALIDATION split."""
        validation = sample_dataset(case, seed=seed, num=num_validation, split=Split.VALIDATION)
        return cls(
            case=case,
            seed=seed,
            budget_seconds=budget_seconds,
            num_test=num_test,
            validation=validation,
        )


@dataclasses.dataclass(frozen=True, kw_only=True)
class Fitted:
    """A competitor that has been trained.

    Attributes:
      ranker: what answers.
      parameters: numbers that were learnt and are stored.
      examples: labelled workloads that were seen, repeats counted.
      train_seconds: wall time of the training itself; finding its size is not counted.
      curve: validation accuracy on the way.
      told: what it is told beside the workloads, as `NetworkRecipe.told`.
    """

    ranker: Ranker
    parameters: int
    examples: int
    train_seconds: float
    curve: list[Point]
    told: tuple[str, ...] = ("labels",)


class Competitor(Protocol):
    """A named way to answer a case study."""

    @property
    def name(self) -> str:
        """As in tables and file names."""
        ...

    def fit(self, task: Task) -> Fitted:
        """Trains within the budget; the same seed sees the same data."""
        ...
