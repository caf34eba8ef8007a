"""Recommendation networks: workloads in, logits over design ids out."""

from airchitect_jax.learning.models.mlp import Mlp, StandardInputs
from airchitect_jax.learning.models.registry import (
    NetworkRecipe,
    fitting_batch,
    make_model,
    recipes,
)
from airchitect_jax.learning.models.symmetric import SymmetricScheduler

__all__ = [
    "Mlp",
    "NetworkRecipe",
    "StandardInputs",
    "SymmetricScheduler",
    "fitting_batch",
    "make_model",
    "recipes",
]
