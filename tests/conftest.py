"""Strictness for all tests: no silent rank promotion, no silent mixing of dtypes."""

import os
import tempfile

os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import hypothesis
import jax
import pytest

# The same examples in every run: a failure is the change's, not the day's.
hypothesis.settings.register_profile("repeatable", derandomize=True, deadline=None)
hypothesis.settings.load_profile("repeatable")
jax.config.update("jax_numpy_rank_promotion", "raise")
jax.config.update("jax_numpy_dtype_promotion", "strict")

# What one process has compiled the others of this test run load: pytest's own and the scripts'.
if "JAX_COMPILATION_CACHE_DIR" not in os.environ:
    _programs = tempfile.TemporaryDirectory(prefix="airchitect_jax_tests_")
    for _name, _value in (
        ("jax_compilation_cache_dir", _programs.name),
        ("jax_persistent_cache_min_compile_time_secs", 0),
    ):
        os.environ[_name.upper()] = str(_value)
        jax.config.update(_name, _value)

# Each of pytest's own processes has a core to itself, with the scripts that it starts: threads on a
# core that another process uses take longer to wait for than they save.
_worker = os.environ.get("PYTEST_XDIST_WORKER", "").removeprefix("gw")
if _worker and hasattr(os, "sched_setaffinity"):
    _cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {_cores[int(_worker) % len(_cores)]})


@pytest.fixture(autouse=True)
def _x64_is_never_left_on():
    yield
    assert not jax.config.jax_enable_x64
