"""Label workload sets of any size: the exact best design of each workload, to Parquet.

Rows come from --sample or from Parquet and CSV files with one column per input of the case study,
for case study 1 m, n, k and mac_budget. Labels go to WORKDIR/labels in shards, rows that cannot be
labelled to WORKDIR/rejects.csv. The same command, run again, continues after the finished shards.

  python -m experiments.label_workloads --sample=1000000 --workdir=runs/labels
  python -m experiments.label_workloads --input=a.parquet --input=b.csv --mac_budget=16384
  python -m experiments.label_workloads --case_study=2 --objective=energy --sample=1000000
"""

from __future__ import annotations

import contextlib
import pathlib
import socket
import time
from contextlib import AbstractContextManager
from typing import Any

import jax
import rich.console
from absl import flags

from airchitect_jax._support import check_fits, files
from airchitect_jax._support.progress import RowProgress
from airchitect_jax.case_studies import ArrayDataflowCase
from airchitect_jax.labelling import (
    ArrayDataflowTask,
    CaseTask,
    Engine,
    FileSource,
    LabelTask,
    Process,
    Report,
    SampledSource,
    count_rows,
    merge_rejects,
    row_bytes,
)
from airchitect_jax.types import Objective, RuntimeModel
from experiments import (
    case_flags,
    objective_flags,
    runner,
    runtime_flags,
    term_flags,
    workload_flags,
)

flags.adopt_module_key_flags(runner)
flags.adopt_module_key_flags(case_flags)
flags.adopt_module_key_flags(workload_flags)
flags.adopt_module_key_flags(objective_flags)
flags.set_default(runner.WORKDIR, "runs/label_workloads")

SAMPLE = flags.DEFINE_integer(
    "sample", None, "Label this many random workloads.", lower_bound=1, upper_bound=10**12
)
INPUT = flags.DEFINE_multi_string(
    "input", [], "Label the rows of this Parquet or CSV file; may be given several times."
)
MAC_BUDGET = flags.DEFINE_integer(
    "mac_budget",
    None,
    "MAC budget of the rows of files without a mac_budget column.",
    lower_bound=4,
    upper_bound=2**31 - 1,
)
TOPK = flags.DEFINE_integer(
    "topk", 1, "Also the K best designs with their cycles (slower).", lower_bound=1, upper_bound=100
)
RUNNER_UP = flags.DEFINE_boolean(
    "runner_up",
    False,
    "Also the cycles of the second-best design, and how many designs share the optimum (slower).",
)
REPORT = flags.DEFINE_enum(
    "report",
    Report.LABELS.value,
    [report.value for report in Report],
    "labels, or costs: also the cycles of every design, 4 kilobytes per row, for small sets.",
)
STRICT = flags.DEFINE_boolean("strict", False, "Stop at the first row that cannot be labelled.")
SHARD_ROWS = flags.DEFINE_integer(
    "shard_rows",
    1 << 21,
    "Rows of a shard; with --report=costs at most 65536.",
    lower_bound=1,
    upper_bound=1 << 24,
)
COMPRESSION = flags.DEFINE_enum(
    "compression",
    "none",
    ["none", "snappy", "zstd"],
    "Compression of the Parquet files; none is fastest.",
)
COMPILATION_CACHE = flags.DEFINE_string(
    "compilation_cache",
    "~/.cache/airchitect_jax",
    "Folder that caches compiled programs for the next run; empty for none.",
)
DISTRIBUTED = flags.DEFINE_boolean(
    "distributed",
    False,
    "One of several processes, each of which labels its share into the same workdir. The"
    " coordinator and the numbers come from the flags below, or from SLURM, Kubernetes or other"
    " environments that jax.distributed knows.",
)
COORDINATOR = flags.DEFINE_string("coordinator_address", None, "HOST:PORT of process 0.")
NUM_PROCESSES = flags.DEFINE_integer("num_processes", None, "Number of processes.", lower_bound=1)
PROCESS_ID = flags.DEFINE_integer("process_id", None, "Index of this process.", lower_bound=0)

_MAX_COST_ROWS = 1_000_000
_COST_SHARD_ROWS = 1 << 16  # a quarter of a gigabyte of costs


def _task(report: Report) -> LabelTask:
    """The labelling task of the flags.

    Raises:
      ValueError: a flag asks for what the case study does not have.
    """
    is_first = case_flags.CASE_STUDY.value == "1"
    counts_cycles = objective_flags.OBJECTIVE.value == Objective.CYCLES.value
    if is_first and counts_cycles and not term_flags.COST_TERMS.value:
        return ArrayDataflowTask(
            runtime_model=RuntimeModel(runtime_flags.RUNTIME_MODEL.value),
            topk=TOPK.value,
            runner_up=RUNNER_UP.value,
            report=report,
        )
    if MAC_BUDGET.value is not None and not is_first:
        raise ValueError(f"--{MAC_BUDGET.name}: only case study 1 has it")
    for flag in (TOPK, RUNNER_UP, REPORT):
        if flags.FLAGS[flag.name].present:
            raise ValueError(
                f"--{flag.name}: only case study 1 has it, for cycles and without --cost_terms"
            )
    budgets = runner.values(workload_flags.MIN_MAC_EXPONENT, workload_flags.MAX_MAC_EXPONENT)
    case = case_flags.make_case(**objective_flags.fields(), **budgets)
    if case.objective.value != objective_flags.OBJECTIVE.value:
        raise ValueError(
            f"--{objective_flags.OBJECTIVE.name}: {objective_flags.OBJECTIVE.value} is not allowed"
            f" with --case_study={case_flags.CASE_STUDY.value}; expected {case.objective.value}"
        )
    return CaseTask(case=case)


def _source(shard_rows: int, task: LabelTask) -> SampledSource | FileSource:
    if (SAMPLE.value is None) == (not INPUT.value):
        raise ValueError("--sample or --input: give one of them")
    if SAMPLE.value is not None:
        if isinstance(task, CaseTask):
            case = task.case
        else:
            case = ArrayDataflowCase.from_settings(runner.values(*workload_flags.ALL))
        return SampledSource(
            case=case, num_rows=SAMPLE.value, shard_rows=shard_rows, seed=runner.SEED.value
        )
    source = FileSource(
        paths=tuple(pathlib.Path(path) for path in INPUT.value),
        columns=task.inputs,
        constants={} if MAC_BUDGET.value is None else {"mac_budget": MAC_BUDGET.value},
        shard_rows=shard_rows,
    )
    source.check()
    return source


def _settings(source: SampledSource | FileSource) -> dict[str, Any]:
    """The settings that identify this set of labels, with the sizes and times of its files."""
    own = (SAMPLE, INPUT, MAC_BUDGET, TOPK, RUNNER_UP, REPORT, STRICT, SHARD_ROWS, COMPRESSION)
    shared = (
        *case_flags.ALL,
        *objective_flags.ALL,
        runner.SEED,
        runner.WORKDIR,
        *workload_flags.ALL,
    )
    paths = source.paths if isinstance(source, FileSource) else ()
    return {
        **runner.values(*own, *shared),
        "input_bytes": [path.stat().st_size for path in paths],
        "input_modified_ns": [path.stat().st_mtime_ns for path in paths],
    }


def _join() -> Process:
    """Joins the other processes; the index and number of processes."""
    if not DISTRIBUTED.value:
        for flag in (COORDINATOR, NUM_PROCESSES, PROCESS_ID):
            if flag.value is not None:
                raise ValueError(f"--{flag.name}: needs --distributed")
        return Process()
    if COORDINATOR.value is not None:
        _check_address(COORDINATOR.value)
    count, index = NUM_PROCESSES.value, PROCESS_ID.value
    if count is not None and index is not None and index >= count:
        raise ValueError(
            f"--process_id: {index} is not allowed; expected less than --num_processes={count}"
        )
    try:
        jax.distributed.initialize(
            coordinator_address=COORDINATOR.value,
            num_processes=NUM_PROCESSES.value,
            process_id=PROCESS_ID.value,
        )
    except (RuntimeError, ValueError) as error:
        raise ValueError(f"--distributed: {error}") from None
    return Process(index=jax.process_index(), count=jax.process_count())


def _check_address(address: str) -> None:
    """Refuses addresses on which JAX would crash, or wait until it gives up.

    Raises:
      ValueError: it is not HOST:PORT, or there is no such host.
    """
    host, _, port = address.rpartition(":")
    if not host or not port.isascii() or not port.isdecimal() or not 1 <= int(port) <= 65535:
        raise ValueError(
            f"--{COORDINATOR.name}: {address} is not allowed; expected HOST:PORT with a port in"
            " 1..65535"
        )
    try:
        socket.getaddrinfo(host.removeprefix("[").removesuffix("]"), int(port))
    except (OSError, UnicodeError) as error:
        raise ValueError(f"--{COORDINATOR.name}: {host} is not a known host: {error}") from None


def main(console: rich.console.Console) -> None:
    """Labels the workloads of the flags."""
    start = time.perf_counter()
    process = _join()
    if COMPILATION_CACHE.value:
        cache = pathlib.Path(COMPILATION_CACHE.value).expanduser()
        jax.config.update("jax_compilation_cache_dir", str(cache))
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.2)
    report = Report(REPORT.value)
    most = _COST_SHARD_ROWS if report is Report.COSTS else SHARD_ROWS.value
    task = _task(report)
    source = _source(min(SHARD_ROWS.value, most), task)
    total = source.num_rows
    if report is Report.COSTS and (total or 0) > _MAX_COST_ROWS:
        raise ValueError(f"--report=costs: {total} rows are too many; expected {_MAX_COST_ROWS}")
    rows = min(source.shard_rows, source.num_rows or source.shard_rows)
    check_fits(f"--{SHARD_ROWS.name}", SHARD_ROWS.value, rows * row_bytes(task))
    folder = pathlib.Path(runner.WORKDIR.value)
    claim: AbstractContextManager[Any] = contextlib.nullcontext()
    if process.index == 0:  # holds the folder for all processes
        claim = runner.claim("label_workloads", _settings(source), resume=True)
    with claim:
        if process.count > 1:
            _wait_for_all("claimed")
        engine = Engine(
            task=task,
            source=source,
            folder=folder,
            strict=STRICT.value,
            compression=COMPRESSION.value,
            metadata={"seed": str(runner.SEED.value)} if isinstance(source, SampledSource) else {},
            process=process,
        )
        ours = None if total is None else total // process.count
        with RowProgress(console, "labelling", total if process.count == 1 else ours) as progress:
            engine.run(progress)
        if process.count > 1:
            _wait_for_all("labelled")
        if process.index == 0:
            seconds = time.perf_counter() - start
            _close(folder, task, console, seconds, progress.made_now / seconds)


def _wait_for_all(what: str) -> None:
    from jax.experimental import multihost_utils

    multihost_utils.sync_global_devices(what)


def _close(
    folder: pathlib.Path,
    task: LabelTask,
    console: rich.console.Console,
    seconds: float,
    rate: float,
) -> None:
    rejected = merge_rejects(folder)
    rows, shards = count_rows(folder)
    summary = {
        **task.metadata,
        "rows_labelled": rows,
        "rows_rejected": rejected,
        "shards": shards,
        "seed": runner.SEED.value,
        "wall_seconds": round(seconds, 3),
        # The rows and time of this process; a resumed run found the rest.
        "workloads_per_second": round(rate),
    }
    files.write_json(folder / "summary.json", summary)
    runner.say(
        console,
        f"{rows} workloads labelled in {shards} shards, {rejected} rejected,"
        f" {seconds:.1f} s: {folder / 'labels'}",
    )


if __name__ == "__main__":
    runner.run_main(main, interrupted="the same command goes on from the finished shards")
