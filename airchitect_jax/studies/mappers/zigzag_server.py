"""ZigZag in a process of its own, whose interpreter has the zigzag-dse package.

A script that imports nothing of this project: `tool_process.Tool` starts it once and sends one
layer and machine per line, as JSON. The answer is a line as well: the best mapping that the package
finds, its latency and its DRAM traffic.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import json
import logging
import os
import pathlib
import sys
import tempfile
import time
from typing import Any, TextIO


def _run(request: dict[str, Any], folder: str) -> dict[str, Any]:
    """The mapping of the fewest cycles."""
    from zigzag.mapping.temporal_mapping import TemporalMappingType
    from zigzag.stages.evaluation.cost_model_evaluation import CostModelStage
    from zigzag.stages.main import MainStage
    from zigzag.stages.mapping.spatial_mapping_generation import SpatialMappingGeneratorStage
    from zigzag.stages.mapping.temporal_mapping_generator_stage import (
        TemporalMappingGeneratorStage,
    )
    from zigzag.stages.parser.accelerator_parser import AcceleratorParserStage
    from zigzag.stages.parser.workload_parser import WorkloadParserStage
    from zigzag.stages.results.reduce_stages import MinimalLatencyStage
    from zigzag.stages.workload_iterator import WorkloadStage

    paths = {}
    for name in ("accelerator", "workload", "mapping"):
        paths[name] = pathlib.Path(folder) / f"{name}.yaml"
        paths[name].write_text(json.dumps(request[name]))  # JSON is YAML
    start = time.perf_counter()
    stages = MainStage(
        [
            WorkloadParserStage,
            AcceleratorParserStage,
            WorkloadStage,
            MinimalLatencyStage,
            SpatialMappingGeneratorStage,
            MinimalLatencyStage,
            TemporalMappingGeneratorStage,
            CostModelStage,
        ],
        **{name: str(path) for name, path in paths.items()},
        loma_lpf_limit=request["loop_limit"],
        loma_show_progress_bar=False,
        nb_mappings_generated=1,
        enable_mix_spatial_mapping_generation=False,
        access_same_data_considered_as_no_access=True,
        temporal_mapping_type=TemporalMappingType.UNEVEN,
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


def _dram_bits(found: Any, operand: Any) -> dict[str, int]:
    """The bits that DRAM reads and writes, which is the last memory of an operand."""
    moved = found.mapping_int.unit_mem_data_movement[operand][-1].attributes
    counts, widths = moved["data_elem_move_count"], moved["data_precision"]
    return {
        str(way): int(counts.get(way) * widths.get(way))
        for way in counts.data
        if counts.get(way)
    }


def main(requests: TextIO, answers: TextIO) -> None:
    """Answers each request until there are no more."""
    logging.disable(logging.CRITICAL)
    try:
        import zigzag
    except ImportError as error:
        print(json.dumps({"error": str(error)}), file=answers, flush=True)
        return
    version = importlib.metadata.version(f"{zigzag.__name__}-dse")
    print(json.dumps({"error": None, "version": version}), file=answers, flush=True)
    with tempfile.TemporaryDirectory() as folder:
        for line in requests:
            try:
                answer = {"error": None, **_run(json.loads(line), folder)}
            except Exception as error:  # noqa: BLE001 - whatever the package raises is its answer
                answer = {"error": f"{type(error).__name__}: {error}".splitlines()[0]}
            print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    # The package prints as it works.
    channel = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere):  # noqa: PTH123
        os.dup2(nowhere.fileno(), 1)
        main(sys.stdin, channel)
