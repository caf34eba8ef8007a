"""Fixed test sets of case studies: workloads of the test split, by seed."""

from __future__ import annotations

import dataclasses
import functools
import importlib.resources
from collections.abc import Mapping

import numpy as np
from jaxtyping import Bool, Float, Int, Num

from airchitect_jax.baselines.scores import ScoreRanker, Scores
from airchitect_jax.case_studies import CaseStudy
from airchitect_jax.learning import Dataset, Split, sample_dataset
from airchitect_jax.test_sets.base import Columns, FixedSet

_SEED = 0
_REFERENCE = 20_000  # validation workloads whose most frequent label is the majority class
_LABELS = importlib.resources.files("airchitect_jax.test_sets") / "labels"


@dataclasses.dataclass(frozen=True, kw_only=True)
class CaseSet(FixedSet):
    """Workloads of a case study, of the test split and seed 0: those of its runs.

    Attributes:
      case: the case study.
      num: the number of workloads.
      drawn_by: a case study with the same features whose labels are cheap. The labels of `case` are
        then in the package, those of the first `num` test workloads and of a few for validation.
    """

    name: str
    title: str
    sha256: str
    case: CaseStudy
    num: int
    drawn_by: CaseStudy | None = None

    def _sample(self, split: Split, num: int) -> Dataset:
        if self.drawn_by is None:
            return sample_dataset(self.case, seed=_SEED, num=num, split=split)
        path = _LABELS / f"{self.name}_{split.name.lower()}.txt"
        labels = np.array(path.read_text("utf-8").split(), np.int64)
        drawn = sample_dataset(self.drawn_by, seed=_SEED, num=len(labels), split=split)
        return Dataset(workloads=drawn.workloads, design_ids=labels)

    @functools.cached_property
    def data(self) -> Dataset:
        """The workloads with their labels."""
        return self._sample(Split.TEST, self.num)

    @functools.cached_property
    def questions(self) -> Columns:
        """See `FixedSet`: the workloads by the names of `CaseStudy.limits`."""
        columns = self.case.columns(self.data.workloads.astype(np.int64))
        return {"id": np.arange(self.num), **dict(zip(self.case.limits, columns, strict=True))}

    @functools.cached_property
    def parameters(self) -> Columns:
        """See `FixedSet`."""
        return self.case.space.fields(np.arange(self.case.space.num_designs))

    @property
    def optima(self) -> Int[np.ndarray, "num"]:
        """See `FixedSet`."""
        return self.data.design_ids

    def fits(self, chosen: Int[np.ndarray, "num"]) -> Bool[np.ndarray, "num"]:
        """See `FixedSet`."""
        workload = self.case.by_name(self.data.workloads.astype(np.int64))
        allowed = self.case.fits(workload, self.case.space.fields(chosen))
        return np.broadcast_to(np.asarray(allowed, bool), chosen.shape)

    def costs(
        self, questions: Int[np.ndarray, "some"], chosen: Int[np.ndarray, "some"]
    ) -> Num[np.ndarray, "some"]:
        """See `FixedSet`."""
        return self.case.costs(self.data.workloads[:, questions], chosen)

    def floors(self) -> Mapping[str, Int[np.ndarray, "num"]]:
        """The most frequent label that is feasible, the heuristics, and a random design."""
        designs = self.case.space.num_designs
        reference = self._sample(Split.VALIDATION, _REFERENCE)
        counts = np.bincount(reference.design_ids, minlength=designs)
        rng = np.random.default_rng(_SEED)

        def majority(rows: Int[np.ndarray, "features some"]) -> Num[np.ndarray, "some designs"]:
            return np.broadcast_to(counts, (rows.shape[1], designs))

        def random(rows: Int[np.ndarray, "features some"]) -> Float[np.ndarray, "some designs"]:
            return rng.random((rows.shape[1], designs), np.float32)

        def first(scores: Scores) -> Int[np.ndarray, "num"]:
            ranker = ScoreRanker(self.case, np.arange(designs), scores)
            return ranker.rank(self.data.workloads)[0][:, 0]

        return {
            "majority class": first(majority),
            **self.case.heuristics(self.data.workloads),
            "random feasible design": first(random),
        }
