"""The flag for cost terms beside the built-in ones."""

from __future__ import annotations

from absl import flags

COST_TERMS = flags.DEFINE_list(
    "cost_terms", [], "Names of cost terms that a --plugin registers, separated by commas."
)
