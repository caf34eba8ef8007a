"""Runs of the scalesim package in a process of its own, which may have another interpreter.

A script that imports nothing of this project: `package.Package` starts it once with the interpreter
that has the package, and sends one run per line, as JSON. The answer is a line as well: the seconds
that the run took, the lines of each layer (its cycles without stalls) and, if the package ended
with an error, which. The first line that it writes has the versions, or why the package cannot be
used.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import json
import os
import signal
import sys
import time
from typing import Any, TextIO


class _TooLongError(BaseException):
    """Not an `Exception`, so that nothing of the package catches it."""


def _give_up(*_: Any) -> None:
    raise _TooLongError


def _run(request: dict[str, Any]) -> dict[str, Any]:
    """One run: what `python -m scalesim.scale` does, with or without traces."""
    from scalesim.scale_sim import scalesim

    os.chdir(request["folder"])  # latencies are looked for in its results/
    start, error, lines = time.perf_counter(), None, []
    signal.setitimer(signal.ITIMER_REAL, request["seconds"])
    try:
        run = scalesim(
            save_disk_space=not request["traces"],
            verbose=False,
            config=request["config"],
            topology=request["topology"],
            layout=request["layout"],
            input_type_gemm=request["gemm"],
        )
        run.run_scale(top_path=request["output"])
        layers = run.runner.single_layer_sim_object_list
        lines = [len(layer.memory_system.ofmap_trace_matrix) for layer in layers]
    except _TooLongError:
        error = "too long"
    except (Exception, SystemExit) as raised:
        error = f"{type(raised).__name__}: {raised}".splitlines()[0]
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
    return {"error": error, "lines": lines, "run_seconds": time.perf_counter() - start}


def _versions() -> dict[str, Any]:
    try:
        import numpy as np
        import scalesim
    except ImportError as error:
        return {"error": str(error)}
    return {
        "error": None,
        "numpy": np.__version__,
        "scalesim": importlib.metadata.version(scalesim.__name__),
    }


def main(requests: TextIO, answers: TextIO) -> None:
    """Answers each request until there are no more."""
    signal.signal(signal.SIGALRM, _give_up)
    print(json.dumps(_versions()), file=answers, flush=True)
    for request in requests:
        print(json.dumps(_run(json.loads(request))), file=answers, flush=True)


if __name__ == "__main__":
    # The package prints a line for each write of a run with latencies.
    channel = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere):  # noqa: PTH123
        os.dup2(nowhere.fileno(), 1)
        main(sys.stdin, channel)
