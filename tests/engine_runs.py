"""Runs of the labelling engine into a folder, for tests."""

import pyarrow as pa
import pyarrow.parquet as pq

from airchitect_jax.labelling import ArrayDataflowTask, Engine, FileSource, Location, Manifest


def manifest(folder, run=""):
    return Manifest(folder=Location(str(folder)), run=run)


def run(source, folder, task=None, *, run_id="", piece=None, damage=None, **options):
    """Labels the missing shards; returns how many rows the finished ones have."""
    counts = []
    task = task or ArrayDataflowTask()
    engine = Engine(task=task, source=source, manifest=manifest(folder, run_id), **options)
    report = (lambda _: None) if damage is None else damage.append
    engine.run(lambda shard, made_now: counts.append(shard.rows), report, piece)
    return sum(counts)


def close(folder):
    """Writes rejects.csv; returns how many rows it has."""
    shards = manifest(folder).close(Location(str(folder / "rejects.csv")))
    return sum(shard.rejects for shard in shards)


def read(folder):
    """All labels, in the order of the input."""
    return pa.concat_tables([pq.read_table(p) for p in sorted((folder / "labels").iterdir())])


def files(*paths, columns=("mac_budget", "m", "n", "k"), shard_rows=100, **constants):
    return FileSource(
        files=tuple(Location(str(path)) for path in paths),
        columns=columns,
        constants=constants,
        shard_rows=shard_rows,
    )
