"""Runs a script as a user does, in a process of its own."""

import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).parent.parent


def run(module, *arguments):
    """The finished process of `python -m module`."""
    return subprocess.run(
        [sys.executable, "-m", module, *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
    )


def error_of(module, *arguments):
    """The one line of a refusal."""
    result = run(module, *arguments)
    assert result.returncode == 2, result.stdout + result.stderr
    assert result.stderr.startswith("error: ")
    assert len(result.stderr.splitlines()) == 1
    return result.stderr
