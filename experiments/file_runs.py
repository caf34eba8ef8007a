"""Runs that turn the rows of files into shards, on one process or several: flags and plumbing."""

from __future__ import annotations

import pathlib
import time
from collections.abc import Mapping
from typing import Any

import jax
import rich.console
from absl import flags

from airchitect_jax._support import check_fits, files
from airchitect_jax._support.progress import RowProgress
from airchitect_jax.labelling import (
    Engine,
    FileSource,
    LabelTask,
    SampledSource,
    count_rows,
    merge_rejects,
    row_bytes,
)
from experiments import hosts, runner

flags.adopt_module_key_flags(runner)
flags.adopt_module_key_flags(hosts)

INPUT = flags.DEFINE_multi_string(
    "input", [], "Read the rows of this Parquet or CSV file; may be given several times."
)
STRICT = flags.DEFINE_boolean("strict", False, "Stop at the first row that cannot be labelled.")
SHARD_ROWS = flags.DEFINE_integer(
    "shard_rows",
    1 << 21,
    "Rows of a shard.",
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
ALL = (INPUT, STRICT, SHARD_ROWS, COMPRESSION)


def file_source(task: LabelTask, constants: Mapping[str, int], shard_rows: int) -> FileSource:
    """The files of --input, opened to check their columns.

    Args:
      task: for the columns.
      constants: values of columns that a file lacks.
      shard_rows: rows of a shard.

    Raises:
      ValueError: a file cannot be read, or lacks a column.
    """
    source = FileSource(
        paths=tuple(pathlib.Path(path) for path in INPUT.value),
        columns=task.inputs,
        constants=dict(constants),
        shard_rows=shard_rows,
    )
    source.check()
    return source


def _identity(source: SampledSource | FileSource, settings: Mapping[str, Any]) -> dict[str, Any]:
    """The settings that identify the results, with the sizes and times of the files."""
    paths = source.paths if isinstance(source, FileSource) else ()
    return {
        **settings,
        **runner.values(*ALL, runner.SEED, runner.WORKDIR),
        "input_bytes": [path.stat().st_size for path in paths],
        "input_modified_ns": [path.stat().st_mtime_ns for path in paths],
    }


def cache_programs() -> None:
    """Sets the folder of --compilation_cache."""
    if COMPILATION_CACHE.value:
        cache = pathlib.Path(COMPILATION_CACHE.value).expanduser()
        jax.config.update("jax_compilation_cache_dir", str(cache))
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.2)


def run(
    name: str,
    done: str,
    task: LabelTask,
    source: SampledSource | FileSource,
    settings: Mapping[str, Any],
    console: rich.console.Console,
) -> None:
    """Joins the other processes, and makes the missing shards of this one.

    Args:
      name: of the script.
      done: what was done with rows, for the closing line.
      task: what is computed.
      source: where rows come from.
      settings: of the script's own flags, which identify the results.
      console: for progress and the closing line.
    """
    start = time.perf_counter()
    total = source.num_rows
    rows = min(source.shard_rows, total or source.shard_rows)
    check_fits(f"--{SHARD_ROWS.name}", SHARD_ROWS.value, rows * row_bytes(task))
    folder = pathlib.Path(runner.WORKDIR.value)
    with (
        hosts.joined() as group,
        group.claim(name, _identity(source, settings), resume=True),
    ):
        process = group.process
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
        group.wait_for_all("labelled")
        if process.index == 0:
            seconds = time.perf_counter() - start
            _close(folder, task, done, console, seconds, progress.made_now / seconds)


def _close(
    folder: pathlib.Path,
    task: LabelTask,
    done: str,
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
        f"{rows} {done} in {shards} shards, {rejected} rejected,"
        f" {seconds:.1f} s: {folder / 'labels'}",
    )
