"""Fixed test sets that others can enter: questions, exact answers, scores and floors."""

from airchitect_jax.test_sets.base import FixedSet
from airchitect_jax.test_sets.predictions import read_predictions, write_questions
from airchitect_jax.test_sets.sets import fixed_set, fixed_set_names

__all__ = ["FixedSet", "fixed_set", "fixed_set_names", "read_predictions", "write_questions"]
