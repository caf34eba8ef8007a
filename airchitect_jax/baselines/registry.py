"""All competitors of a case study, by name."""

from __future__ import annotations

import functools

from airchitect_jax.baselines.competitor import Competitor
from airchitect_jax.baselines.floors import Majority, rules
from airchitect_jax.baselines.networks import NetworkCompetitor, by_name, perceptron
from airchitect_jax.baselines.off_the_shelf import off_the_shelf
from airchitect_jax.case_studies.base import CaseStudy
from airchitect_jax.losses import Loss
from airchitect_jax.training import Optimizer

HEURISTICS = "heuristics"  # stands for all rules of thumb of a case study
_PERCEPTRONS = ((128,), (256,), (128, 128), (256, 256))
# What a case study trains the paper's network with by default.
_LOSSES = {"case_study1": Loss.LABEL}
_BATCH_SIZES = {"case_study3": 2048}
_DEFAULT_BATCH_SIZE = 4096
_PAPER_LEARNING_RATE = 0.02
# The default of the case studies' --model, where it is not the paper's, and its batch size.
_BEST = {"case_study1": ("additive", 4096), "case_study3": ("symmetric", 1024)}
_PERCEPTRON_LEARNING_RATE = 0.005


def competitors(case: CaseStudy, batch_size: int | None = None) -> dict[str, list[Competitor]]:
    """What `--models` can name, in the order of tables; HEURISTICS is one for each rule.

    Args:
      case: the case study.
      batch_size: of the networks, in place of their own.
    """
    return {
        "majority": [Majority()],
        HEURISTICS: list(rules(case)),
        **{classifier.name: [classifier] for classifier in off_the_shelf()},
        **{network.name: [network] for network in networks(case, batch_size)},
    }


def networks(case: CaseStudy, batch_size: int | None = None) -> list[NetworkCompetitor]:
    """The networks of a case study: perceptrons, the paper's, and the best we have."""
    loss = _LOSSES.get(case.name, Loss.OPTIMAL_SET)
    size = batch_size or _BATCH_SIZES.get(case.name, _DEFAULT_BATCH_SIZE)
    found = [
        NetworkCompetitor(
            name=f"mlp{len(hidden)}x{hidden[0]}",
            make=functools.partial(perceptron, hidden_sizes=hidden),
            loss=loss,
            batch_size=size,
            learning_rate=_PERCEPTRON_LEARNING_RATE,
            any_value=True,
        )
        for hidden in _PERCEPTRONS
    ]
    found.append(
        NetworkCompetitor(
            name="paper",
            make=functools.partial(by_name, name="paper"),
            loss=loss,
            batch_size=size,
            learning_rate=_PAPER_LEARNING_RATE,
        )
    )
    if case.name in _BEST:
        name, rows = _BEST[case.name]
        found.append(
            NetworkCompetitor(
                name="best",
                make=functools.partial(by_name, name=name),
                loss=Loss.COST,
                batch_size=batch_size or rows,
                learning_rate=0.02,
                optimizer=Optimizer.MOMENTUM,
                any_value=True,
            )
        )
    return found
