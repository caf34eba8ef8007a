"""Strictness for all tests: no silent rank promotion, no silent mixing of dtypes."""

import os

# Two test processes on two cores: one thread each keeps them out of each other's way.
os.environ.setdefault("JAX_PLATFORMS", "cpu")

import hypothesis
import jax
import pytest

# The same examples in every run: a failure is the change's, not the day's.
hypothesis.settings.register_profile("repeatable", derandomize=True, deadline=None)
hypothesis.settings.load_profile("repeatable")
jax.config.update("jax_numpy_rank_promotion", "raise")
jax.config.update("jax_numpy_dtype_promotion", "strict")


@pytest.fixture(autouse=True)
def _x64_is_never_left_on():
    yield
    assert not jax.config.jax_enable_x64
