"""All competitors of a case study, by name."""

from __future__ import annotations

import functools

from airchitect_jax._support import registered
from airchitect_jax.baselines.competitor import Competitor
from airchitect_jax.baselines.heuristics import Majority, heuristics
from airchitect_jax.baselines.networks import NetworkCompetitor, perceptron
from airchitect_jax.baselines.off_the_shelf import off_the_shelf
from airchitect_jax.case_studies import CaseStudy
from airchitect_jax.learning.models import (
    NetworkRecipe,
    fitting_batch,
    make_model,
    recipes,
)

HEURISTICS = "heuristics"  # stands for all heuristics of a case study
_PERCEPTRONS = ((128,), (256,), (128, 128), (256, 256))
_PERCEPTRON_LEARNING_RATE = 0.005


def competitors(case: CaseStudy, batch_size: int | None = None) -> dict[str, list[Competitor]]:
    """What `--models` can name, in the order of tables; HEURISTICS is one for each heuristic.

    Args:
      case: the case study.
      batch_size: of the networks, in place of their own.
    """
    return {
        "majority": [Majority()],
        HEURISTICS: list(heuristics(case)),
        **{classifier.name: [classifier] for classifier in off_the_shelf()},
        **{network.name: [network] for network in networks(case, batch_size)},
        **{name: [make(case)] for name, make in registered("competitor").items()},
    }


def networks(case: CaseStudy, batch_size: int | None = None) -> list[NetworkCompetitor]:
    """The networks of a case study: perceptrons, and the registered ones by their names."""
    available = recipes(case)
    paper = available["paper"]
    loss = paper.loss_of(case)
    found = [
        NetworkCompetitor(
            name=f"mlp{len(hidden)}x{hidden[0]}",
            make=functools.partial(perceptron, hidden_sizes=hidden),
            loss=loss,
            batch_size=batch_size or fitting_batch(case),
            learning_rate=_PERCEPTRON_LEARNING_RATE,
            told=paper.told(loss),
            any_value=True,
        )
        for hidden in _PERCEPTRONS
    ]
    return found + [
        _competitor(case, name, recipe, batch_size) for name, recipe in available.items()
    ]


def _competitor(
    case: CaseStudy, name: str, recipe: NetworkRecipe, batch_size: int | None
) -> NetworkCompetitor:
    """A network with the paper's widths if it has any."""
    loss = recipe.loss_of(case)
    return NetworkCompetitor(
        name=name,
        make=lambda case, seed: make_model(
            case, name, embedding_dim=16, hidden_sizes=(256,), seed=seed
        ),
        loss=loss,
        told=recipe.told(loss),
        batch_size=batch_size or recipe.batch_size or fitting_batch(case),
        learning_rate=recipe.learning_rate,
        optimizer=recipe.optimizer,
        any_value=recipe.any_value,
    )
