"""ZigZag in a process of its own, whose interpreter has the zigzag-dse package.

A script that imports nothing of this project: `tool_process.Tool` starts it once and sends one
layer and machine per line, as JSON. The answer is a line as well: the best mapping that the package
finds, its latency and its DRAM traffic.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.metadata
import json
import logging
import os
import pathlib
import sys
import tempfile
import time
from typing import Any, TextIO

_PACKAGE = "zigzag"


def _run(request: dict[str, Any], folder: str) -> dict[str, Any]:
    """The mapping of the fewest cycles, or of the least energy."""
    reduce = _load("stages.results.reduce_stages")
    best = {"LATENCY": reduce.MinimalLatencyStage, "ENERGY": reduce.MinimalEnergyStage}[
        request["objective"]
    ]
    paths = {}
    for name in ("accelerator", "workload", "mapping"):
        paths[name] = pathlib.Path(folder) / f"{name}.yaml"
        paths[name].write_text(json.dumps(request[name]))  # JSON is YAML
    start = time.perf_counter()
    stages = _load("stages.main").MainStage(
        [
            _load("stages.parser.workload_parser").WorkloadParserStage,
            _load("stages.parser.accelerator_parser").AcceleratorParserStage,
            _load("stages.workload_iterator").WorkloadStage,
            best,
            _load("stages.mapping.spatial_mapping_generation").SpatialMappingGeneratorStage,
            best,
            _load("stages.mapping.temporal_mapping_generator_stage").TemporalMappingGeneratorStage,
            _load("stages.evaluation.cost_model_evaluation").CostModelStage,
        ],
        **{name: str(path) for name, path in paths.items()},
        loma_lpf_limit=request["loop_limit"],
        loma_show_progress_bar=False,
        nb_mappings_generated=1,
        enable_mix_spatial_mapping_generation=False,
        access_same_data_considered_as_no_access=True,
        temporal_mapping_type=_load("mapping.temporal_mapping").TemporalMappingType.UNEVEN,
    )
    found = stages.run()[0][0]
    seconds = time.perf_counter() - start
    loops = found.temporal_mapping.mapping_dic_stationary
    return {
        "latency": float(found.latency_total2),
        "compute_cycles": float(found.ideal_temporal_cycle),
        "stall_cycles": float(found.stall_slack_comb),
        "load_cycles": float(found.data_onloading_cycle),
        "drain_cycles": float(found.data_offloading_cycle + found.systolic_drain_cycle),
        "dram_bits": {str(operand): _dram_bits(found, operand) for operand in loops},
        "loops": {
            str(operand): [[[str(dim), int(size)] for dim, size in level] for level in levels]
            for operand, levels in loops.items()
        },
        "seconds": seconds,
    }


def _load(module: str) -> Any:
    return importlib.import_module(f"{_PACKAGE}.{module}")


def _dram_bits(found: Any, operand: Any) -> dict[str, int]:
    """The bits that DRAM reads and writes, which is the last memory of an operand."""
    moved = found.mapping_int.unit_mem_data_movement[operand][-1].attributes
    counts, widths = moved["data_elem_move_count"], moved["data_precision"]
    return {
        str(way): int(counts.get(way) * widths.get(way)) for way in counts.data if counts.get(way)
    }


def main(requests: TextIO, answers: TextIO) -> None:
    """Answers each request until there are no more."""
    logging.disable(logging.CRITICAL)
    try:
        importlib.import_module(_PACKAGE)
    except ImportError as error:
        print(json.dumps({"error": str(error)}), file=answers, flush=True)
        return
    version = importlib.metadata.version(f"{_PACKAGE}-dse")
    print(json.dumps({"error": None, "version": version}), file=answers, flush=True)
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
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
