"""A network outside of its trained ranges: accuracy by region, confidence, abstention."""

from __future__ import annotations

import dataclasses
import functools
import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Bool, Float, Int

from airchitect_jax.case_studies import CaseStudy, Feature, num_out_of_range, out_of_range
from airchitect_jax.learning import (
    Dataset,
    Recommender,
    Split,
    confidences,
    evaluate_choices,
    fit_temperature,
    performance_metrics,
    reliability,
    risk_coverage,
    sample_dataset,
    threshold_for,
)
from airchitect_jax.workloads import Network

TRAINED = "trained ranges"
_FEW_VALUES = 32  # a feature of fewer has a region for each value, others one for each octave
_POINTS = 101  # of the risk-coverage curve that are kept for the figure
_MIN_WORKLOADS = 50  # fewer make no region


@dataclasses.dataclass(frozen=True, kw_only=True)
class TestSet:
    """Labelled workloads of one kind; `group` is the heading that kinds share."""

    __test__ = False  # for pytest

    group: str
    name: str
    data: Dataset


class Clamped(nnx.Module):
    """A network with embeddings, asked about the nearest values that it has rows for."""

    def __init__(self, model: nnx.Module, features: Sequence[Feature]) -> None:
        self.model = model
        self.lows = tuple(feature.low for feature in features)
        self.highs = tuple(feature.high for feature in features)

    def __call__(self, workloads: Int[Array, "features batch"]) -> Float[Array, "batch designs"]:
        """Logits for the clamped workloads."""
        lows, highs = (
            jnp.asarray(values, jnp.int32)[:, None] for values in (self.lows, self.highs)
        )
        return self.model(jnp.clip(workloads, lows, highs))


def sampled_sets(
    trained: CaseStudy, others: Mapping[str, CaseStudy], *, seed: int, num: int
) -> Iterator[TestSet]:
    """Test workloads of the trained ranges and of others, by how many features lie beyond.

    Args:
      trained: what the network was trained on.
      others: wider or differently drawn case studies of the same designs, by name.
      seed: of the workloads.
      num: workloads of each case study.
    """
    for group, case in {TRAINED: trained, **others}.items():
        drawn = sample_dataset(case, seed=seed, num=num, split=Split.TEST)
        # Far beyond, the device alone cannot prove every label.
        labels = np.asarray(case.exact(drawn.workloads).design_id)
        data = dataclasses.replace(drawn, design_ids=labels)
        beyond = num_out_of_range(trained, data.workloads)
        for count in np.unique(beyond):
            here = beyond == count
            part = Dataset(workloads=data.workloads[:, here], design_ids=data.design_ids[here])
            yield TestSet(group=group, name=f"{count} features beyond", data=part)


def network_sets(case: CaseStudy, networks: Sequence[Network], group: str) -> Iterator[TestSet]:
    """The layers of real networks in all contexts of a case study, one set per network."""
    for network in networks:
        workloads = np.concatenate(
            [case.from_gemms(network.gemms, context) for context in case.contexts], axis=1
        )
        labels = np.asarray(case.exact(workloads).design_id)
        data = Dataset(workloads=workloads, design_ids=labels)
        yield TestSet(group=group, name=network.name, data=data)


def one_token(network: Network) -> Network:
    """Each layer with m = 1: a decoding step of one token."""
    layers = tuple(dataclasses.replace(layer, m=1) for layer in network.layers)
    return dataclasses.replace(network, layers=layers)


def audit(
    trained: CaseStudy,
    asked: CaseStudy,
    model: nnx.Module,
    validation: Dataset,
    test_sets: Sequence[TestSet],
    *,
    any_value: bool,
    max_risk: float,
    region_group: str,
) -> dict[str, Any]:
    """The quality of a network on each of the test sets, JSON-compatible.

    Temperature and threshold are chosen on the validation set, which is of the trained ranges.

    Args:
      trained: what the network was trained on.
      asked: a case study of the same designs for which all test sets are exact.
      model: the trained network.
      validation: of the trained ranges.
      test_sets: what it is asked.
      any_value: whether the network takes values outside of the trained ranges; otherwise it is
        asked about the nearest values inside.
      max_risk: the share of answers that may cost more than the optimum, for the threshold.
      region_group: the group of test sets that is cut into regions, feature by feature.

    Returns:
      temperature, threshold (None if nothing is sure enough), scores of the test sets (`sets`) and
      regions (`regions`), and reliability and risk-coverage of what lies inside of the trained
      ranges and beyond (`populations`).
    """
    recommender = Recommender(asked, model if any_value else Clamped(model, trained.features))
    temperature = fit_temperature(recommender.logits(validation.workloads), validation.design_ids)
    judge = functools.partial(_judge, asked, trained, recommender, temperature)
    known = judge(validation)
    threshold = threshold_for(risk_coverage(known.confidence, known.is_wrong), max_risk)
    answers = [judge(test.data) for test in test_sets]
    scores = functools.partial(_scores, threshold=threshold)
    groups = {test.group for test in test_sets}

    def together(group: str) -> _Answers:
        pairs = zip(test_sets, answers, strict=True)
        return _concatenate([found for test, found in pairs if test.group == group])

    everything = _concatenate(answers)
    populations = {TRAINED: together(TRAINED), "beyond": everything.where(everything.is_beyond)}
    return {
        "temperature": temperature,
        "threshold": threshold if math.isfinite(threshold) else None,
        "sets": [
            {"group": test.group, "name": test.name, **scores(found)}
            for test, found in zip(test_sets, answers, strict=True)
        ],
        "regions": [
            {"feature": feature.name, "low": low, "high": high, **scores(found)}
            for feature, low, high, found in _regions(asked, together(region_group))
        ]
        if region_group in groups
        else [],
        "populations": {
            name: _confidence_report(found) for name, found in populations.items() if len(found)
        },
    }


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Answers:
    """A network's answers for workloads.

    Attributes:
      workloads: their features.
      confidence: with the fitted temperature; `raw_confidence` without.
      is_label: whether the choice is the label.
      is_masked: whether an infeasible design had a higher logit than the choice.
      performance: normalised.
      is_beyond: whether the workload lies outside of the trained ranges.
    """

    workloads: Int[np.ndarray, "features num"]
    confidence: Float[np.ndarray, "num"]
    raw_confidence: Float[np.ndarray, "num"]
    is_label: Bool[np.ndarray, "num"]
    is_masked: Bool[np.ndarray, "num"]
    performance: Float[np.ndarray, "num"]
    is_beyond: Bool[np.ndarray, "num"]

    def __len__(self) -> int:
        return len(self.is_label)

    @property
    def is_wrong(self) -> Bool[np.ndarray, "num"]:
        """Whether the choice costs more than the optimum; a tie is not wrong."""
        return self.performance < 1

    def where(self, rows: Bool[np.ndarray, "num"]) -> _Answers:
        """A part."""
        return _Answers(**{name: field[..., rows] for name, field in vars(self).items()})


def _concatenate(parts: Sequence[_Answers]) -> _Answers:
    fields = {name: [vars(part)[name] for part in parts] for name in vars(parts[0])}
    return _Answers(**{name: np.concatenate(some, axis=-1) for name, some in fields.items()})


def _judge(
    asked: CaseStudy,
    trained: CaseStudy,
    recommender: Recommender,
    temperature: float,
    data: Dataset,
) -> _Answers:
    chosen, confidence = confidences(recommender, data.workloads, temperature)
    return _Answers(
        workloads=data.workloads,
        confidence=confidence,
        raw_confidence=confidences(recommender, data.workloads, 1.0)[1],
        is_label=chosen == data.design_ids,
        is_masked=recommender.rank(data.workloads)[1],
        performance=evaluate_choices(asked, data, chosen).normalized_performance,
        is_beyond=out_of_range(trained, data.workloads),
    )


def _scores(answers: _Answers, threshold: float) -> dict[str, float | None]:
    """Accuracy and performance; then coverage and risk of selective prediction.

    `by_confidence` hands over what is not sure enough, `by_range` what lies beyond as well, as
    `selective.answer` does. `risk` is of what is answered, None if nothing is.
    """
    scores: dict[str, float | None] = {
        "num": len(answers),
        "accuracy": float(answers.is_label.mean()),
        "accuracy_unmasked": float((answers.is_label & ~answers.is_masked).mean()),
        "optimal_set_accuracy": float(1 - answers.is_wrong.mean()),
        "optimal_set_accuracy_unmasked": float((~answers.is_wrong & ~answers.is_masked).mean()),
        **performance_metrics(answers.performance),
    }
    sure = answers.confidence >= threshold
    for name, own in (("by_confidence", sure), ("by_range", sure & ~answers.is_beyond)):
        handed_over = np.where(own, answers.performance, 1.0)
        scores |= {
            f"{name}_coverage": float(own.mean()),
            f"{name}_risk": float(answers.is_wrong[own].mean()) if own.any() else None,
            f"{name}_geomean": performance_metrics(handed_over)["geomean_normalized_performance"],
        }
    return scores


def _regions(case: CaseStudy, answers: _Answers) -> Iterator[tuple[Feature, int, int, _Answers]]:
    """Feature, lowest and highest value of each region, and the answers in it."""
    for feature, values in zip(case.features, answers.workloads, strict=True):
        if feature.cardinality <= _FEW_VALUES:
            edges = list(range(feature.low, feature.high + 2))
        else:
            octaves = range(feature.high.bit_length() + 1)
            edges = [2**octave for octave in octaves if feature.low < 2**octave <= feature.high]
            edges = [feature.low, *edges, feature.high + 1]
        for low, after in itertools.pairwise(edges):
            here = (values >= low) & (values < after)
            if here.sum() >= _MIN_WORKLOADS:
                yield feature, low, after - 1, answers.where(here)


def _confidence_report(answers: _Answers) -> dict[str, Any]:
    """Reliability with and without the temperature, and the risk-coverage curve."""
    report: dict[str, Any] = {}
    for name, confidence in (("raw", answers.raw_confidence), ("calibrated", answers.confidence)):
        bins = reliability(confidence, answers.is_label)
        report[name] = {
            "expected_calibration_error": bins.expected_calibration_error,
            "confidence": bins.confidence.tolist(),
            "accuracy": bins.accuracy.tolist(),
            "count": bins.count.tolist(),
        }
    curve = risk_coverage(answers.confidence, answers.is_wrong)
    kept = np.unique(np.linspace(0, len(curve.risk) - 1, _POINTS).round().astype(int))
    return report | {
        "area_under_risk_coverage": curve.area,
        "coverage": curve.coverage[kept].tolist(),
        "risk": curve.risk[kept].tolist(),
    }
