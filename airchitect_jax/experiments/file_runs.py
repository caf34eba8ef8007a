"""Runs that turn the rows of files into shards, on one process or several: flags and plumbing."""

from __future__ import annotations

import functools
import hashlib
import importlib
import json
import pathlib
import threading
import time
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import rich.console
from absl import flags

from airchitect_jax._support import check_fits, files
from airchitect_jax._support.json_log import JsonConsole
from airchitect_jax._support.progress import RowProgress
from airchitect_jax.experiments import hosts, ray_cluster, runner
from airchitect_jax.labelling import (
    Engine,
    FileSource,
    Finished,
    LabelTask,
    Location,
    Manifest,
    Process,
    SampledSource,
    row_bytes,
)

flags.adopt_module_key_flags(runner)
flags.adopt_module_key_flags(hosts)
flags.adopt_module_key_flags(ray_cluster)

INPUT = flags.DEFINE_multi_string(
    "input",
    [],
    "Read the rows of this Parquet or CSV file, a path or a URI such as s3://bucket/file.parquet;"
    " may be given several times.",
)
OUTPUT = flags.DEFINE_string(
    "output",
    None,
    "Folder for the shards, a path or a URI such as s3://bucket/folder; --workdir by default.",
)
MAX_REJECTS = flags.DEFINE_integer(
    "max_rejects",
    None,
    "Stop when more rows than this cannot be labelled.",
    lower_bound=0,
)
LOG_FORMAT = flags.DEFINE_enum(
    "log_format", "text", ["text", "json"], "Text, or JSON objects, one per line."
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
        files=tuple(Location(uri) for uri in INPUT.value),
        columns=task.inputs,
        constants=dict(constants),
        shard_rows=shard_rows,
    )
    source.check()
    return source


def _identity(source: SampledSource | FileSource, settings: Mapping[str, Any]) -> dict[str, Any]:
    """The settings that identify the results, with the sizes and times of the files."""
    found = source.files if isinstance(source, FileSource) else ()
    sizes, times = zip(*[file.identity() for file in found], strict=True) if found else ((), ())
    return {
        **settings,
        **runner.values(*ALL, runner.SEED),
        "input_bytes": list(sizes),
        "input_modified_ns": list(times),
    }


def _run_id(identity: Mapping[str, Any], task: LabelTask) -> str:
    """Tells shards of this run from those of others: the settings, the columns, the version."""
    text = json.dumps(identity, sort_keys=True).encode()
    return hashlib.sha256(text + task.schema.serialize().to_pybytes()).hexdigest()[:32]


def cache_programs() -> None:
    """Sets the folder of --compilation_cache."""
    _cache_in(COMPILATION_CACHE.value)


def _cache_in(folder: str) -> None:
    if folder:
        cache = pathlib.Path(folder).expanduser()
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
    ray_cluster.check()
    total = source.num_rows
    rows = min(source.shard_rows, total or source.shard_rows)
    check_fits(f"--{SHARD_ROWS.name}", SHARD_ROWS.value, rows * row_bytes(task))
    identity = _identity(source, settings)
    manifest = Manifest(
        folder=Location(OUTPUT.value or runner.WORKDIR.value), run=_run_id(identity, task)
    )
    flag_values = {**identity, **runner.values(runner.WORKDIR, OUTPUT)}
    with hosts.joined() as group, group.claim(name, flag_values, resume=True):
        engine = Engine(
            task=task,
            source=source,
            manifest=manifest,
            strict=STRICT.value,
            compression=COMPRESSION.value,
            metadata={"seed": str(runner.SEED.value)} if isinstance(source, SampledSource) else {},
            process=Process(index=group.index, count=group.count),
        )
        ours = None if total is None else total // group.count
        with RowProgress(console, "labelling", ours) as progress:
            on_shard = _Counted(progress)
            on_damage = functools.partial(runner.say, console)
            if ray_cluster.ENGINE.value == "ray":
                setup = functools.partial(_set_up, runner.PLUGIN.value, COMPILATION_CACHE.value)
                with ray_cluster.connected(console) as ray_engine:
                    ray_engine.run(engine, on_shard, on_damage, setup)
            else:
                engine.run(on_shard, on_damage)
        group.wait_for_all("labelled")
        if group.index == 0:
            seconds = time.perf_counter() - start
            _close(manifest, task, done, console, seconds, progress.made_now)


def _set_up(plugins: Sequence[str], cache: str) -> None:
    """Does in a worker what the script has done in its own process."""
    for module in plugins:
        importlib.import_module(module)
    _cache_in(cache)


class _Counted:
    """Shows progress, and ends the run when too many rows are rejected."""

    def __init__(self, progress: RowProgress) -> None:
        self._progress = progress
        self._lock = threading.Lock()
        self._rejects = 0

    def __call__(self, shard: Finished, made_now: bool) -> None:
        self._progress(shard.rows, made_now)
        with self._lock:
            self._rejects += shard.rejects
            _check_rejects(self._rejects)


def _check_rejects(count: int) -> None:
    if MAX_REJECTS.value is not None and count > MAX_REJECTS.value:
        raise ValueError(
            f"--{MAX_REJECTS.name}: {count} rows or more cannot be labelled; expected at most"
            f" {MAX_REJECTS.value}; see the folder rejects"
        )


def _close(
    manifest: Manifest,
    task: LabelTask,
    done: str,
    console: rich.console.Console,
    seconds: float,
    made_now: int,
) -> None:
    folder = pathlib.Path(runner.WORKDIR.value)
    shards = manifest.close(Location(str(folder / "rejects.csv")))
    rows, rejects = (sum(getattr(shard, name) for shard in shards) for name in ("rows", "rejects"))
    _check_rejects(rejects)
    path = folder / "summary.json"
    speed = {
        # The rows and time of this process; a resumed run found the rest.
        "wall_seconds": round(seconds, 3),
        "workloads_per_second": round(made_now / seconds),
    }
    if made_now == 0 and path.exists():  # those of the run that made the shards
        previous = files.read_json(path)
        speed = {name: previous[name] for name in speed}
    counts = {"rows_labelled": rows, "rows_rejected": rejects, "shards": len(shards)}
    files.write_json(path, {**task.metadata, **counts, "seed": runner.SEED.value, **speed})
    if isinstance(console, JsonConsole):
        console.event("finished", **counts, **speed, output=str(manifest.folder))
        return
    runner.say(
        console,
        f"{rows} {done} in {len(shards)} shards, {rejects} rejected,"
        f" {seconds:.1f} s: {manifest.folder / 'labels'}",
    )
