"""What every fixed test set has: questions, exact answers, scores and floors."""

from __future__ import annotations

import abc
import functools
import hashlib
from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Bool, Int, Num, Shaped

from airchitect_jax.learning import performance_metrics

Columns = Mapping[str, Shaped[np.ndarray, "rows"]]


class FixedSet(abc.ABC):
    """Questions that are the same for everyone, scored by the exact model.

    Attributes:
      name: as in `--set`.
      title: what is asked, in a few words.
      sha256: of the questions (`digest`), as recorded.
    """

    name: str
    title: str
    sha256: str

    @property
    @abc.abstractmethod
    def questions(self) -> Columns:
        """The columns that entrants are given; "id" is the number of the question, from 0 on."""

    @property
    @abc.abstractmethod
    def parameters(self) -> Columns:
        """The parameters of every design by name, in the order of the ids."""

    @property
    @abc.abstractmethod
    def optima(self) -> Int[np.ndarray, "num"]:
        """The exact best design of each question."""

    @abc.abstractmethod
    def fits(self, chosen: Int[np.ndarray, "num"]) -> Bool[np.ndarray, "num"]:
        """Which questions may use the design that is chosen for them."""

    @abc.abstractmethod
    def costs(
        self, questions: Int[np.ndarray, "some"], chosen: Int[np.ndarray, "some"]
    ) -> Num[np.ndarray, "some"]:
        """The exact cost of feasible designs, for questions by number."""

    @abc.abstractmethod
    def floors(self) -> Mapping[str, Int[np.ndarray, "num"]]:
        """Choices that take no learning, by name: all of them feasible."""

    @functools.cached_property
    def id_of(self) -> Mapping[tuple[int, ...], int]:
        """The ids of designs by their parameters, in the order of `parameters`."""
        every = zip(*(values.tolist() for values in self.parameters.values()), strict=True)
        return {design: number for number, design in enumerate(every)}

    def digest(self) -> str:
        """The SHA-256 of the questions: of each column its name, and its values in text."""
        hashed = hashlib.sha256()
        for name, values in self.questions.items():
            hashed.update("\n".join([name, *map(str, values.tolist()), ""]).encode())
        return hashed.hexdigest()

    def score(self, chosen: Int[np.ndarray, "num"]) -> dict[str, float]:
        """The metrics of one design id per question.

        An infeasible design counts as wrong in both accuracies. Normalized performance is that of
        the feasible ones.
        """
        fits = np.flatnonzero(self.fits(chosen))
        best, own = self.optima[fits], chosen[fits]
        optimal, costs = self.costs(fits, best), self.costs(fits, own)
        metrics = {
            "accuracy": float(np.sum(own == best) / len(chosen)),
            "optimal_set_accuracy": float(np.sum(costs == optimal) / len(chosen)),
            "infeasible_share": 1 - len(fits) / len(chosen),
        }
        return metrics | (performance_metrics(optimal / costs) if len(fits) else {})

    def report(self, chosen: Int[np.ndarray, "num"]) -> dict[str, Any]:
        """The score of an entry, and those of the floors beside it, JSON-compatible."""
        return {
            "set": self.name,
            "sha256": self.sha256,
            "num": len(chosen),
            **self.score(chosen),
            "floors": {name: self.score(floor) for name, floor in self.floors().items()},
        }
