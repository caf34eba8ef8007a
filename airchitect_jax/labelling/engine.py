"""The labelling engine: overlaps reading, computing and writing, with bounded memory.

One thread reads and converts the next shard while the devices label this one and others write the
last; a fixed number of shards is in flight. A shard is finished when the manifest records it. A run
that was killed makes only the others, byte for byte as it would have made them before.
"""

from __future__ import annotations

import concurrent.futures
import dataclasses
import functools
import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from jaxtyping import Int

from airchitect_jax._support import on_devices
from airchitect_jax.labelling.columns import to_integers
from airchitect_jax.labelling.manifest import Finished, Manifest
from airchitect_jax.labelling.prefetch import Prefetch
from airchitect_jax.labelling.sources import Piece, Shard, Source
from airchitect_jax.labelling.tasks import LabelTask
from airchitect_jax.labelling.writer import Chunk, ShardWriter

_WRITERS = 2
_IN_FLIGHT = 3  # shards that are computed or written; more would only hold memory


@dataclasses.dataclass(frozen=True, kw_only=True)
class Process:
    """The share of a process: every `count`-th shard of a file."""

    index: int = 0
    count: int = 1


@dataclasses.dataclass(frozen=True, kw_only=True)
class Engine:
    """Labels a source into a folder.

    Attributes:
      task: what is computed.
      source: where rows come from.
      manifest: where shards go: labels/NAME.parquet, rejects/NAME.csv if rows are rejected, and a
        record of both.
      strict: whether the first invalid row ends the run with an error.
      compression: of the Parquet files, "none", "snappy" or "zstd".
      metadata: added to that of the task in each file.
      process: the share of this process.
    """

    task: LabelTask
    source: Source
    manifest: Manifest
    strict: bool = False
    compression: str = "none"
    metadata: dict[str, str] = dataclasses.field(default_factory=dict)
    process: Process = Process()

    def run(
        self,
        on_shard: Callable[[Finished, bool], None],
        on_damage: Callable[[str], None],
        piece: Piece | None = None,
    ) -> None:
        """Labels the missing shards of this process.

        Args:
          on_shard: called for every finished shard, from any thread, with its record and whether
            it was made now. What it raises ends the run.
          on_damage: called with a line for every file that is not as it was written, of a shard
            that is made again.
          piece: makes only its shards.

        Raises:
          ValueError: an input cannot be read; a shard is of another run; or, if strict, a row is
            invalid.
          OSError: an output cannot be written. Finished shards stay in any case.
        """

        def wanted(file: int, shard: int, name: str) -> bool:
            # Neighbouring files count on, so that many short ones are shared as well.
            if (file + shard) % self.process.count != self.process.index:
                return False
            finished = self.manifest.verified(name, on_damage)
            if finished is not None:
                on_shard(finished, False)
            return finished is None

        slots = threading.BoundedSemaphore(_IN_FLIGHT)
        with (
            concurrent.futures.ThreadPoolExecutor(_WRITERS) as writers,
            Prefetch(self._converted(self.source.shards(wanted, piece))) as shards,
        ):
            pending: list[concurrent.futures.Future[None]] = []
            try:
                for shard, columns in shards:
                    slots.acquire()
                    done = [future for future in pending if future.done()]
                    pending = [future for future in pending if future not in done]
                    for future in done:
                        future.result()
                    chunks = self._compute(columns)
                    future = writers.submit(self._finish, shard, columns, chunks, on_shard)
                    future.add_done_callback(lambda _: slots.release())
                    pending.append(future)
                for future in pending:
                    future.result()
            except BaseException:
                writers.shutdown(wait=True, cancel_futures=True)
                raise

    def _converted(
        self, shards: Iterator[Shard]
    ) -> Iterator[tuple[Shard, list[Int[np.ndarray, "rows"]]]]:
        for shard in shards:
            columns = []
            for name in self.task.inputs:
                try:
                    names = self.task.names.get(name, ())
                    columns.append(to_integers(shard.table[name], names))
                except ValueError as error:
                    raise ValueError(f"{shard.origin}: column {name} {error}") from None
            yield shard, columns

    def _compute(self, columns: list[Int[np.ndarray, "rows"]]) -> list[Chunk]:
        """Dispatches all rows to the local devices without waiting."""
        chunk = self.task.chunk
        chunks: list[Any] = []
        for first in range(0, len(columns[0]), chunk):
            rows = slice(first, min(first + chunk, len(columns[0])))
            parts = on_devices([column[rows] for column in columns], chunk)
            chunks.append((rows, *self.task.compute(parts)))
        return chunks

    def _finish(
        self,
        shard: Shard,
        columns: list[Int[np.ndarray, "rows"]],
        chunks: list[Chunk],
        on_shard: Callable[[Finished, bool], None],
    ) -> None:
        on_shard(self._writer.write(shard, columns, chunks), True)

    @functools.cached_property
    def _writer(self) -> ShardWriter:
        return ShardWriter(
            task=self.task,
            manifest=self.manifest,
            strict=self.strict,
            compression=self.compression,
            metadata=self.metadata,
        )
