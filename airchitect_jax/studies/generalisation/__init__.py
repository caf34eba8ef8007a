"""Networks outside of the ranges that they were trained on."""

from airchitect_jax.studies.generalisation.audit import (
    TestSet,
    network_sets,
    one_token,
    sampled_sets,
)

__all__ = ["TestSet", "network_sets", "one_token", "sampled_sets"]
