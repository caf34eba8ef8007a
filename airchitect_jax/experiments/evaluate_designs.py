"""Costs of given designs, from files to files: every field of the report of each row.

Rows come from Parquet and CSV files with the columns of the workload (m, n, k) and of the design:

  --memory_model=none        rows, cols, dataflow
  --memory_model=ideal       the same, ifmap_sram_bytes, filter_sram_bytes, ofmap_sram_bytes,
                             bandwidth_bytes_per_cycle
  --memory_model=scalesim3   the same; counts of the scalesim 3.0.0 package
  --memory_model=tiled       rows, cols, dataflow, the mapping (order, tile_m, tile_n, tile_k,
                             cores_m, cores_n, cores_k), num_cores, memories, bandwidth; what the
                             file lacks is taken from --platform

Rows that cannot be evaluated go to WORKDIR/rejects.csv. The same command, run again, continues
after the finished shards.

  airchitect evaluate_designs --input=designs.csv --workdir=runs/costs
  airchitect evaluate_designs --input=mapped.csv --memory_model=tiled --platform=gemmini
"""

from __future__ import annotations

import rich.console
from absl import flags

from airchitect_jax.cost import Platform, read_platform
from airchitect_jax.experiments import file_runs, objective_flags, runner, runtime_flags
from airchitect_jax.labelling import EvaluationTask
from airchitect_jax.types import Interface, MemoryModel, RuntimeModel

flags.adopt_module_key_flags(file_runs)
flags.adopt_module_key_flags(runtime_flags)
flags.set_default(runner.WORKDIR, "runs/evaluate_designs")

_NONE = "none"
MEMORY_MODEL = flags.DEFINE_enum(
    "memory_model",
    _NONE,
    [_NONE, *(model.value for model in MemoryModel)],
    "none for stall-free cycles; otherwise as in the columns above.",
)
PLATFORM = flags.DEFINE_string(
    "platform", None, "With --memory_model=tiled: a YAML file, or the name of a packaged platform."
)
INTERFACE = flags.DEFINE_enum(
    "interface",
    Interface.SHARED.value,
    [interface.value for interface in Interface],
    "With --memory_model=ideal: one interface for all operands, or a port for each.",
)


def _task() -> EvaluationTask:
    """The task of the flags.

    Raises:
      ValueError: a flag is missing, or the platform is not known.
    """
    model = None if MEMORY_MODEL.value == _NONE else MemoryModel(MEMORY_MODEL.value)
    if (PLATFORM.value is None) == (model is MemoryModel.TILED):
        raise ValueError("--platform: expected with --memory_model=tiled, and only then")
    if PLATFORM.value is not None:
        return EvaluationTask(model=model, platform=read_platform(PLATFORM.value))
    platform = Platform(
        runtime_model=RuntimeModel(runtime_flags.RUNTIME_MODEL.value),
        interface=Interface(INTERFACE.value),
        element_bytes=objective_flags.ELEMENT_BYTES.value,
        energy_table=objective_flags.energy_table(),
    )
    return EvaluationTask(model=model, platform=platform)


def main(console: rich.console.Console) -> None:
    """Evaluates the designs of the files."""
    file_runs.cache_programs()
    if not file_runs.INPUT.value:
        raise ValueError(f"--{file_runs.INPUT.name}: give at least one file")
    task = _task()
    constants = {}
    if task.model is MemoryModel.TILED:
        axes = task.platform.hardware.axes
        constants = {name: values[0] for name, values in axes.items() if len(values) == 1}
        constants |= dict.fromkeys(("cores_m", "cores_n", "cores_k"), 1)
    source = file_runs.file_source(task, constants, file_runs.SHARD_ROWS.value)
    own = (MEMORY_MODEL, PLATFORM, INTERFACE, runtime_flags.RUNTIME_MODEL, *objective_flags.ALL)
    settings = runner.values(*own)
    file_runs.run("evaluate_designs", "designs evaluated", task, source, settings, console)


if __name__ == "__main__":
    runner.run_main(main, interrupted="the same command goes on from the finished shards")
