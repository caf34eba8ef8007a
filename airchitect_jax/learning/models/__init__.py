"""Recommendation networks: workloads in, logits over design ids out."""

from airchitect_jax.learning.models.factored import FactoredScheduler
from airchitect_jax.learning.models.mlp import Mlp, StandardInputs
from airchitect_jax.learning.models.registry import (
    NetworkRecipe,
    fitting_batch,
    make_model,
    recipe_of,
    recipes,
)
from airchitect_jax.learning.models.symmetric import SymmetricScheduler

__all__ = [
    "FactoredScheduler",
    "Mlp",
    "NetworkRecipe",
    "StandardInputs",
    "SymmetricScheduler",
    "fitting_batch",
    "make_model",
    "recipe_of",
    "recipes",
]
