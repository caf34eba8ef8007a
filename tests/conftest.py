"""Strictness for all tests: no silent rank promotion, no silent mixing of dtypes."""

import importlib.util
import os
import pathlib
import shutil
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

_WORKER = os.environ.get("PYTEST_XDIST_WORKER", "")

# `make test_package` runs it where the package is.
collect_ignore = [] if importlib.util.find_spec("scalesim") else ["test_scalesim_package.py"]

# Tests and the scripts that they run share what they compile. Each of pytest's own processes has a
# folder for that, because JAX writes there without a lock; after each file it gives the others what
# is new (`_compiled_programs_are_shared`).
if _WORKER:
    _folder = pathlib.Path(os.environ["JAX_COMPILATION_CACHE_DIR"], _WORKER)
    _folder.mkdir(exist_ok=True)
else:
    _programs = tempfile.TemporaryDirectory(prefix="airchitect_jax_tests_")
    _folder = pathlib.Path(_programs.name)
for _name, _value in (
    ("jax_compilation_cache_dir", str(_folder)),
    ("jax_persistent_cache_min_compile_time_secs", 0),
):
    os.environ[_name.upper()] = str(_value)
    jax.config.update(_name, _value)

# Each also has a core to itself, with the scripts that it starts: threads on a core that another
# process uses take longer to wait for than they save.
if _WORKER and hasattr(os, "sched_setaffinity"):
    _cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {_cores[int(_WORKER.removeprefix("gw")) % len(_cores)]})


@pytest.fixture(autouse=True)
def _x64_is_never_left_on():
    yield
    assert not jax.config.jax_enable_x64


@pytest.fixture(autouse=True, scope="module")
def _compiled_programs_are_shared():
    yield
    others = _folder.parent.glob("gw*") if _WORKER else []
    for other in others:
        known = {path.name for path in other.iterdir()}
        for path in _folder.iterdir():
            if path.name not in known:
                whole = shutil.copy(path, other.parent / f"{_WORKER}_{path.name}")
                whole.rename(other / path.name)


@pytest.hookimpl(optionalhook=True)  # where pytest-xdist is not installed
def pytest_xdist_make_scheduler(config, log):
    """Hands out whole files, which share fixtures, but the documented commands page by page."""
    from xdist.scheduler import LoadFileScheduling

    class Scheduling(LoadFileScheduling):
        def _split_scope(self, nodeid):
            # In one process these would take longer than all other slow tests in the other.
            alone = "::test_commands_run_in_the_order_of_their_page" in nodeid
            return nodeid if alone else super()._split_scope(nodeid)

    return Scheduling(config, log)
