"""A child that is forked after JAX has started refuses; one that is forked before works."""

import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).parent.parent
# Prints in a child what comes of a call; JAX's own warning of the fork is left out.
SCRIPT = """
import multiprocessing
import sys
import warnings

import jax
import numpy as np

import airchitect_jax as aj
from airchitect_jax.oracle.joint import fewest_cycles

warnings.simplefilter("ignore")
gemm = dict(m=np.full(3, 40), n=7, k=9)

def call(name):
    try:
        if name == "label":
            print(aj.label(aj.BudgetedGemm(mac_budget=16, **gemm)).cost.tolist(), flush=True)
        elif name == "evaluate":
            aj.evaluate(aj.Gemm(**gemm), aj.ArrayDesign(rows=2, cols=2, dataflow=0))
        else:
            fewest_cycles.fewest_cycles(None, None, None, [])
    except RuntimeError as error:
        print(error, flush=True)

def child(name):
    process = multiprocessing.get_context("fork").Process(target=call, args=(name,))
    process.start()
    process.join(60)
    if process.exitcode is None:
        process.kill()
        print("hangs", flush=True)
"""


def lines(code, timeout=120):
    """What a process prints that defines the above, then runs `code`."""
    result = subprocess.run(
        [sys.executable, "-c", SCRIPT + code],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=True,
    )
    return result.stdout.splitlines()


def test_forks():
    before, parent, *after = lines(
        """
child("label")
call("label")
for name in ("label", "evaluate", "fewest_cycles"):
    child(name)
"""
    )
    # A child of a process that has imported JAX and not used it works, and leaves it alone.
    assert before == parent
    assert len(after) == 3
    assert len(set(after)) == 1
    assert after[0].startswith("this process was forked after JAX had started")
    assert "spawn" in after[0]


def test_jax_alone_may_have_started():
    (message,) = lines(
        """
jax.numpy.ones(3).block_until_ready()
child("label")
"""
    )
    assert message.startswith("this process was forked after JAX had started")
