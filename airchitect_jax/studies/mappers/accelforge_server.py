"""AccelForge in a process of its own, whose interpreter has the accelforge package.

A script that imports nothing of this project: `tool_process.Tool` starts it once and sends one
specification per line, as JSON. The answer is a line as well: the counts of its mapping, or of the
best mapping that the package finds.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.metadata
import json
import os
import pathlib
import sys
import tempfile
import time
import warnings
from typing import Any, TextIO

_PACKAGE = "accelforge"


def _run(request: dict[str, Any], folder: str) -> dict[str, Any]:
    """Evaluates the mapping of a specification, or finds the best one for an objective."""
    path = pathlib.Path(folder) / "specification.yaml"
    path.write_text(request["specification"])
    start = time.perf_counter()
    spec = _load("frontend.spec").Spec.from_yaml(path)
    if request["objective"] is None:
        found = _load("model.main").evaluate_mapping(spec)
    else:
        spec.mapper.metrics = _load("frontend.mapper.metrics").Metrics[request["objective"]]
        spec.mapper.explore_imperfect_temporal_loops = request["imperfect"]
        spec.mapper.explore_imperfect_spatial_loops = request["imperfect"]
        found = spec.map_workload_to_arch(print_progress=False)
    seconds = time.perf_counter() - start
    if len(found) != 1:
        found = found[0]  # mappings of the same value
    return {
        "bits": [[*key, float(bits)] for key, bits in found.actions(per_tensor=True).items()],
        "latency": float(found.latency()),
        "component_latency": {
            name: float(value) for name, value in found.latency(per_component=True).items()
        },
        "energy": float(found.energy()),
        "loops": [_node(node) for node in found.mapping().nodes] if request["objective"] else [],
        "seconds": seconds,
    }


def _load(module: str) -> Any:
    return importlib.import_module(f"{_PACKAGE}.{module}")


def _node(node: Any) -> list[Any]:
    """A node of a mapping: its kind, then what it loops over or keeps."""
    kind = type(node).__name__
    if kind in ("Temporal", "Spatial"):
        return [kind, str(node.rank_variable), int(node.tile_shape), getattr(node, "name", None)]
    if kind == "Storage":
        return [kind, node.component, [str(name) for name in node.tensors]]
    return [kind]


def main(requests: TextIO, answers: TextIO) -> None:
    """Answers each request until there are no more."""
    warnings.simplefilter("ignore")
    try:
        _load("util.parallel").set_n_parallel_jobs(1)
    except ImportError as error:
        print(json.dumps({"error": str(error)}), file=answers, flush=True)
        return
    version = importlib.metadata.version(_PACKAGE)
    print(json.dumps({"error": None, "version": version}), file=answers, flush=True)
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):  # it writes figures
        for line in requests:
            try:
                answer = {"error": None, **_run(json.loads(line), folder)}
            except Exception as error:  # whatever the package raises is its answer
                answer = {"error": f"{type(error).__name__}: {error}".splitlines()[0]}
            print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    # The package prints as it works.
    channel = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere):  # noqa: PTH123
        os.dup2(nowhere.fileno(), 1)
        main(sys.stdin, channel)
