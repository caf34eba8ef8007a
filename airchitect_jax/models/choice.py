"""The networks by name."""

from __future__ import annotations

from collections.abc import Sequence

import jax
from flax import nnx

from airchitect_jax.case_studies.base import CaseStudy
from airchitect_jax.case_studies.schedule import ScheduleCase
from airchitect_jax.models.additive import Additive
from airchitect_jax.models.airchitect import Airchitect
from airchitect_jax.models.symmetric import SymmetricScheduler


def make_model(
    case: CaseStudy, name: str, *, embedding_dim: int, hidden_sizes: Sequence[int], seed: int
) -> nnx.Module:
    """A network with its first parameters.

    Args:
      case: what it is to learn.
      name: "paper", "additive" or, for schedules, "symmetric".
      embedding_dim: of the paper's network.
      hidden_sizes: of the paper's network.
      seed: of the first parameters, or of the workloads that inputs are scaled by.

    Raises:
      ValueError: there is no such network, or not for this case study.
    """
    if name == "additive":
        return Additive(case, key=jax.random.key(seed))
    if name == "symmetric" and isinstance(case, ScheduleCase):
        return SymmetricScheduler(case, key=jax.random.key(seed))
    if name == "paper":
        return Airchitect(
            case.features,
            case.space.num_designs,
            embedding_dim=embedding_dim,
            hidden_sizes=hidden_sizes,
            rngs=nnx.Rngs(seed),
        )
    raise ValueError(f"model: {name} is not allowed in {case.name}")
