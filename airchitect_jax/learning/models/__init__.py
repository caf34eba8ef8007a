"""Recommendation networks: workloads in, logits over design ids out."""

from airchitect_jax.learning.models.mlp import Mlp, StandardInputs
from airchitect_jax.learning.models.registry import (
    BUILT_IN,
    NetworkRecipe,
    fitting_batch,
    make_model,
    recipes,
)
from airchitect_jax.learning.models.symmetric import SymmetricScheduler

__all__ = [
    "BUILT_IN",
    "Mlp",
    "NetworkRecipe",
    "StandardInputs",
    "SymmetricScheduler",
    "fitting_batch",
    "make_model",
    "recipes",
]
