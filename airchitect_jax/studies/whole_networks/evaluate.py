"""Trains without a family of networks and tests on it; then trains on all."""

from __future__ import annotations

import dataclasses
import functools
import time
from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np
from jaxtyping import Int

from airchitect_jax.learning.whole_networks import (
    FAMILIES,
    TOLERATED_REGRET,
    Answers,
    Designs,
    MachineRecommender,
    MachineTraining,
    all_cycles,
    fit_threshold,
    members,
    packaged,
    quantiles,
    regrets,
    risks_and_regrets,
    seeds,
    train,
)

Row = dict[str, Any]

MAC_EXPONENTS = (10, 12, 14, 16)
SRAM_STEPS = (6, 12, 18)  # beside all that the space has
_VALIDATION = 2  # separates the random numbers from those of training
_VALIDATION_LAYERS = 8  # of each synthetic network


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings:
    """The settings of a study.

    Attributes:
      training: of each network.
      num_validation: synthetic networks that set the threshold for searching instead.
      max_share: of the answers given, those that may have a regret above 1%.
    """

    training: MachineTraining
    num_validation: int
    max_share: float = 0.05


@functools.cache
def exact_cycles(name: str, designs: Designs) -> Int[np.ndarray, "shapes sizings"]:
    """Cycles of a packaged network on every design."""
    return all_cycles(packaged(name), designs)


def trained(
    settings: Settings,
    families: Sequence[str],
    designs: Designs,
    on_block: Callable[[Row], None] | None = None,
) -> tuple[MachineRecommender, Row]:
    """A recommender trained on walks from some families, and figures of its validation.

    The threshold is chosen on other walks from the same families.
    """
    began = time.perf_counter()
    network = train(settings.training, designs, families, on_block)
    seconds = time.perf_counter() - began
    recommender = MachineRecommender(network=network, designs=designs, threshold=np.inf)
    risks, found = risks_and_regrets(
        recommender,
        seeds(families),
        jax.random.fold_in(jax.random.key(settings.training.seed), _VALIDATION << 8),
        num=settings.num_validation,
        num_layers=_VALIDATION_LAYERS,
    )
    threshold = fit_threshold(risks, found, settings.max_share)
    figures = {
        "train_seconds": round(seconds, 1),
        "threshold": threshold,
        "validation_regret": quantiles(found),
        "validation_above": float((found > TOLERATED_REGRET).mean()),
        "validation_answered": float((risks <= threshold).mean()),
    }
    return dataclasses.replace(recommender, threshold=threshold), figures


def tested(recommender: MachineRecommender, names: Sequence[str]) -> list[Row]:
    """Regrets of the packaged networks under every budget."""
    largest = 3 * recommender.designs.buffers.num_levels
    budgets = [(mac, steps) for mac in MAC_EXPONENTS for steps in (*SRAM_STEPS, largest)]
    rows = []
    for name in names:
        workload = packaged(name)
        answers = recommender.answers([workload] * len(budgets), budgets)
        cycles = [exact_cycles(name, recommender.designs)] * len(budgets)
        rows += [
            {"network": name, **row, **_flows(recommender, answers, name, number)}
            for number, row in enumerate(regrets(recommender, answers, cycles, budgets))
        ]
    return rows


def _flows(recommender: MachineRecommender, answers: Answers, name: str, number: int) -> Row:
    """What the predicted dataflows cost beyond the best ones, on the predicted design."""
    workload = packaged(name)
    costs = recommender.first_cycles(workload, answers, number)
    each = np.arange(len(workload.gemms))
    counts = np.array(workload.counts, np.int64)
    predicted = costs[answers.dataflow[number][: len(each)], each] @ counts
    return {"dataflow_regret": float(predicted / (costs.min(axis=0) @ counts) - 1)}


def summary_of(rows: Sequence[Row], designs: Designs) -> Row:
    """Quantiles of the regrets, with the largest and with smaller SRAM budgets, and selectively."""
    largest = 3 * designs.buffers.num_levels
    groups = {
        "default_sram": [row for row in rows if row["sram_steps"] == largest],
        "smaller_sram": [row for row in rows if row["sram_steps"] < largest],
    }
    summary: Row = {}
    for name, group in groups.items():
        answered = [row for row in group if not row["search_instead"]]
        summary[name] = {
            "questions": len(group),
            "one_shot": quantiles([row["regret"] for row in group]),
            "reranked": quantiles([row["reranked_regret"] for row in group]),
            "dataflows": quantiles([row["dataflow_regret"] for row in group]),
            "above_1_percent": sum(row["regret"] > TOLERATED_REGRET for row in group) / len(group),
            "answered": len(answered) / len(group),
            "answered_above_1_percent": (
                sum(row["regret"] > TOLERATED_REGRET for row in answered) / len(answered)
                if answered
                else None
            ),
        }
    return summary


def left_out(family: str) -> list[str]:
    """The other families."""
    return [other for other in FAMILIES if other != family]


def names_of(families: Sequence[str]) -> list[str]:
    """Packaged networks of families."""
    return [name for family in families for name in members(family)]
