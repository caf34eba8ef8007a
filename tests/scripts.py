"""Runs a script as a user does, in a process of its own.

These processes are forked from one that has imported the libraries and the package, and done
nothing else: to import them takes longer than most of the runs.
"""

import multiprocessing
import os
import pathlib
import runpy
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).parent.parent
# For processes in other folders: ours first, then what there is for this process.
PYTHONPATH = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep)
_LIBRARIES = [
    "chex",
    "flax.nnx",
    "jax",
    "matplotlib.figure",
    "optax",
    "orbax.checkpoint",
    "pyarrow.parquet",
]
_LIBRARIES += ["rich.table", "sklearn.ensemble"]
_FOLDERS = ["case_studies", "labelling", "learning", "recommendation", "search"]
_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload([*_LIBRARIES, *(f"airchitect_jax.{name}" for name in _FOLDERS)])
_TIMEOUT = 900  # seconds: other jobs may use the machine


def run(module, *arguments, folder=ROOT, **environment):
    """The finished process of `python -m module` in a folder, the environment changed as given."""
    with tempfile.TemporaryDirectory() as temporary:
        outputs = [pathlib.Path(temporary, name) for name in ("stdout", "stderr")]
        process = start(module, *arguments, outputs=outputs, folder=folder, **environment)
        process.join(_TIMEOUT)
        if process.exitcode is None:
            process.kill()
            raise TimeoutError(f"{module} {arguments}")
        texts = [path.read_text() for path in outputs]
    return subprocess.CompletedProcess([module, *arguments], process.exitcode, *texts)


def start(module, *arguments, outputs, folder=ROOT, **environment):
    """The same while it runs; `outputs` are the files of its stdout and its stderr."""
    process = _FORKS.Process(
        target=_script, args=(module, arguments, folder, os.environ | environment, outputs)
    )
    process.start()
    return process


def _script(module, arguments, folder, environment, outputs):
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    for descriptor, path in enumerate(outputs, start=1):
        with path.open("w") as stream:
            os.dup2(stream.fileno(), descriptor)
    sys.path[:0] = dict.fromkeys([str(folder), str(ROOT)])  # as `python -m` does
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


def error_of(module, *arguments, **environment):
    """The one line of a refusal."""
    result = run(module, *arguments, **environment)
    assert result.returncode == 2, result.stdout + result.stderr
    assert result.stderr.startswith("error: ")
    assert len(result.stderr.splitlines()) == 1
    return result.stderr
