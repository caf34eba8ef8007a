"""The labelling engine: overlaps reading, computing and writing, with bounded memory.

One thread reads and converts the next shard while the devices label this one and others write the
last; a fixed number of shards is in flight. A shard is written under a temporary name and renamed,
after its rejected rows, so an existing shard is complete, and a run that was killed makes only the
missing ones, byte for byte as it would have made them before.
"""

from __future__ import annotations

import concurrent.futures
import csv
import dataclasses
import io
import pathlib
import queue
import threading
from collections.abc import Callable, Iterator
from typing import Any

import jax
import numpy as np
from jaxtyping import Array, Int

from airchitect_jax._support import files, on_devices
from airchitect_jax._support.arrow import pq
from airchitect_jax._support.parquet import ParquetWriter
from airchitect_jax.labelling.columns import shown, to_integers
from airchitect_jax.labelling.sources import Shard, Source
from airchitect_jax.labelling.tasks import LabelTask

_WRITERS = 2
_IN_FLIGHT = 3  # shards that are computed or written; more would only hold memory
_REJECTS_HEADER = ["file", "row", "column", "value", "allowed"]
_END = object()


@dataclasses.dataclass(frozen=True, kw_only=True)
class Process:
    """The share of a process: the shards whose running index is `index` modulo `count`."""

    index: int = 0
    count: int = 1


@dataclasses.dataclass(frozen=True, kw_only=True)
class Engine:
    """Labels a source into a folder.

    Attributes:
      task: what is computed.
      source: where rows come from.
      folder: gets labels/NAME.parquet and, for shards with rejected rows, rejects/NAME.csv.
      strict: whether the first invalid row ends the run with an error.
      compression: of the Parquet files, "none", "snappy" or "zstd".
      metadata: added to that of the task in each file.
      process: the share of this process.
    """

    task: LabelTask
    source: Source
    folder: pathlib.Path
    strict: bool = False
    compression: str = "none"
    metadata: dict[str, str] = dataclasses.field(default_factory=dict)
    process: Process = Process()

    def shard_path(self, name: str) -> pathlib.Path:
        """The file of a shard's labels."""
        return self.folder / "labels" / f"{name}.parquet"

    def run(self, on_rows: Callable[[int, bool], None]) -> None:
        """Labels the missing shards of this process.

        Args:
          on_rows: called for every finished shard, from any thread, with its number of rows and
            whether it was made now.

        Raises:
          ValueError: an input cannot be read, or, if strict, a row is invalid.
          OSError: an output cannot be written. Finished shards stay in both cases.
        """

        def wanted(index: int, name: str) -> bool:
            ours = index % self.process.count == self.process.index
            if ours and self.shard_path(name).exists():
                on_rows(pq.read_metadata(self.shard_path(name)).num_rows, False)
                return False
            return ours

        slots = threading.BoundedSemaphore(_IN_FLIGHT)
        with (
            concurrent.futures.ThreadPoolExecutor(_WRITERS) as writers,
            _Prefetch(self._converted(wanted)) as shards,
        ):
            pending: list[concurrent.futures.Future[None]] = []
            try:
                for shard, columns in shards:
                    slots.acquire()
                    done = [future for future in pending if future.done()]
                    pending = [future for future in pending if future not in done]
                    for future in done:
                        future.result()
                    results = self._compute(columns)
                    future = writers.submit(self._finish, shard, columns, results, on_rows)
                    future.add_done_callback(lambda _: slots.release())
                    pending.append(future)
                for future in pending:
                    future.result()
            except BaseException:
                writers.shutdown(wait=True, cancel_futures=True)
                raise

    def _converted(
        self, wanted: Callable[[int, str], bool]
    ) -> Iterator[tuple[Shard, list[Int[np.ndarray, "rows"]]]]:
        for shard in self.source.shards(wanted):
            columns = []
            for name in self.task.inputs:
                try:
                    names = self.task.names.get(name, ())
                    columns.append(to_integers(shard.table[name], names))
                except ValueError as error:
                    raise ValueError(f"{shard.origin}: column {name} {error}") from None
            yield shard, columns

    def _compute(self, columns: list[Int[np.ndarray, "rows"]]) -> list[tuple[slice, Any, Any]]:
        """Dispatches all rows to the local devices without waiting."""
        chunk = self.task.chunk
        results = []
        for first in range(0, len(columns[0]), chunk):
            rows = slice(first, min(first + chunk, len(columns[0])))
            parts = on_devices([column[rows] for column in columns], chunk)
            results.append((rows, *self.task.compute(parts)))
        return results

    def _finish(
        self,
        shard: Shard,
        columns: list[Int[np.ndarray, "rows"]],
        results: list[tuple[slice, Any, Array]],
        on_rows: Callable[[int, bool], None],
    ) -> None:
        schema = self.task.schema
        schema = schema.with_metadata({**schema.metadata, **self.metadata})
        rejects: list[list[object]] = []
        with files.atomic_path(self.shard_path(shard.name)) as temporary:
            with ParquetWriter(temporary, schema, self.compression) as writer:
                while results:
                    # Taken out of the list, so that its memory is free once it is written.
                    rows, on_device, valid_on_device = results.pop(0)
                    count = rows.stop - rows.start
                    values, valid = jax.tree.map(
                        lambda field, count=count: field[:count],
                        jax.device_get((on_device, valid_on_device)),
                    )
                    part = [column[rows] for column in columns]
                    trouble = ~valid | self.task.inexact(values)
                    if trouble.any():
                        # Copies: what comes from a device is read-only.
                        values, valid = jax.tree.map(np.array, (values, valid))
                        self.task.retry(values, part)
                        trouble = ~valid | self.task.inexact(values)
                        questionable = np.flatnonzero(trouble).tolist()
                        rejects += self._reject(
                            shard, rows.start, questionable, part, values, valid
                        )
                        part = [column[valid] for column in part]
                        values = jax.tree.map(lambda field, valid=valid: field[valid], values)
                    writer.write(part + self.task.outputs(values))
            if rejects:
                files.write_text(
                    self.folder / "rejects" / f"{shard.name}.csv", files.csv_text(rejects)
                )
        on_rows(len(columns[0]) - len(rejects), True)

    def _reject(
        self,
        shard: Shard,
        first: int,
        questionable: list[int],
        columns: list[Int[np.ndarray, "rows"]],
        values: Any,
        valid: np.ndarray,
    ) -> list[list[object]]:
        """The questionable rows that cannot be labelled, as rows of the rejects file.

        Marks them in `valid`, and writes the labels of the others to `values`.
        """
        rejects: list[list[object]] = []
        for row in questionable:
            in_shard = first + row
            where = [shard.origin, shard.first_row + in_shard]
            if valid[row]:
                try:
                    self.task.repair(values, row, columns)
                    continue
                except ValueError as error:
                    valid[row] = False
                    rejects.append([*where, "cycles", "", str(error)])
            else:
                name, allowed = self.task.objection(columns, row)
                rejects.append([*where, name, shown(shard.table[name], in_shard), allowed])
            if self.strict:
                origin, number, *reason = rejects[-1]
                raise ValueError(f"{origin}: row {number}: {_objection(*reason)}")
        return rejects


def merge_rejects(folder: pathlib.Path) -> int:
    """Joins rejects/*.csv into rejects.csv, in the order of the input; returns how many rows."""
    parts = sorted((folder / "rejects").glob("*.csv"))
    text = "".join(part.read_text(encoding="utf-8") for part in parts)
    files.write_text(folder / "rejects.csv", files.csv_text([_REJECTS_HEADER]) + text)
    return sum(1 for _ in csv.reader(io.StringIO(text)))


def count_rows(folder: pathlib.Path) -> tuple[int, int]:
    """Rows and files of the finished shards."""
    paths = sorted((folder / "labels").glob("*.parquet"))
    return sum(pq.read_metadata(path).num_rows for path in paths), len(paths)


def _objection(column: object, value: object, allowed: object) -> str:
    return f"{column}: {value} is not allowed; expected {allowed}" if value else str(allowed)


class _Prefetch:
    """Runs an iterator in a thread, one item ahead; its errors are raised by the consumer."""

    def __init__(self, items: Iterator[Any]) -> None:
        self._items = items
        self._queue: queue.Queue[Any] = queue.Queue(maxsize=1)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._fill, daemon=True)

    def _fill(self) -> None:
        last: Any = _END
        try:
            for item in self._items:
                if not self._put(item):
                    return
        except Exception as error:
            last = error
        self._put(last)

    def _put(self, item: Any) -> bool:
        while not self._stop.is_set():
            try:
                self._queue.put(item, timeout=0.1)
                return True
            except queue.Full:
                continue
        return False

    def __enter__(self) -> Iterator[Any]:
        self._thread.start()
        return iter(self._get, _END)

    def _get(self) -> Any:
        item = self._queue.get()
        if isinstance(item, Exception):
            raise item
        return item

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
