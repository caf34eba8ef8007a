"""Writes the results of a shard: labels to Parquet, rows that cannot be labelled to CSV."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, BinaryIO

import jax
import numpy as np
from jaxtyping import Array, Bool, Int

from airchitect_jax._support import files
from airchitect_jax._support.arrow import pa, pq, xxhash
from airchitect_jax.labelling.columns import shown, to_arrow
from airchitect_jax.labelling.manifest import Finished, Manifest
from airchitect_jax.labelling.sources import Shard
from airchitect_jax.labelling.tasks import LabelTask

# Rows of a shard, their results on the device, and which of them are valid.
Chunk = tuple[slice, Any, Bool[Array, "rows"]]
HostColumns = Sequence[Int[np.ndarray, "rows"]]


@dataclasses.dataclass(frozen=True, kw_only=True)
class ShardWriter:
    """Writes the files of a shard, and then its record in the manifest.

    Attributes:
      task: what was computed.
      manifest: where the files go.
      strict: whether the first row that cannot be labelled is an error.
      compression: of the Parquet files.
      metadata: added to that of the task in each file.
    """

    task: LabelTask
    manifest: Manifest
    strict: bool
    compression: str
    metadata: Mapping[str, str]

    def write(self, shard: Shard, columns: HostColumns, chunks: list[Chunk]) -> Finished:
        """Writes a shard.

        Args:
          shard: for the names of the files, and for the cells of rows that cannot be labelled.
          columns: the inputs.
          chunks: the results; emptied, so that the memory of each is free once it is written.

        Raises:
          ValueError: if strict, the first row that cannot be labelled.
          OSError: a file cannot be written.
        """
        schema = self.task.schema
        schema = schema.with_metadata({**schema.metadata, **self.metadata})
        rejects: list[list[object]] = []
        with self.manifest.labels(shard.name).writing() as file:
            output = _Checked(file)
            with pq.ParquetWriter(
                output,
                schema,
                compression=self.compression,
                use_dictionary=["dataflow"],
                write_statistics=False,  # rows in no order: minima and maxima would be useless
                write_batch_size=1 << 17,
            ) as writer:
                while chunks:
                    part, values = self._labelled(shard, columns, chunks.pop(0), rejects)
                    fields = zip([*part, *self.task.outputs(values)], schema.types, strict=True)
                    arrays = [to_arrow(column, kind) for column, kind in fields]
                    writer.write_table(pa.Table.from_arrays(arrays, schema=schema))
        text = files.csv_text(rejects).encode()
        if rejects:
            self.manifest.rejects(shard.name).write(text)
        finished = Finished(
            rows=len(columns[0]) - len(rejects),
            rejects=len(rejects),
            num_bytes=output.tell(),
            xxh3_128=output.checksum.hexdigest(),
            rejects_xxh3_128=xxhash.xxh3_128_hexdigest(text) if rejects else "",
            run=self.manifest.run,
        )
        self.manifest.record(shard.name, finished)
        return finished

    def _labelled(
        self, shard: Shard, columns: HostColumns, chunk: Chunk, rejects: list[list[object]]
    ) -> tuple[HostColumns, Any]:
        """Columns and results of the rows that have labels; the other rows go to `rejects`."""
        rows, on_device, valid_on_device = chunk
        count = rows.stop - rows.start
        values, valid = jax.tree.map(
            lambda field: field[:count], jax.device_get((on_device, valid_on_device))
        )
        part = [column[rows] for column in columns]
        trouble = ~valid | self.task.inexact(values)
        if not trouble.any():
            return part, values
        # Copies: what comes from a device is read-only.
        values, valid = jax.tree.map(np.array, (values, valid))
        self.task.retry(values, part)
        trouble = ~valid | self.task.inexact(values)
        questionable = np.flatnonzero(trouble).tolist()
        rejects += self._rejected(shard, rows.start, questionable, part, values, valid)
        return [column[valid] for column in part], jax.tree.map(lambda field: field[valid], values)

    def _rejected(
        self,
        shard: Shard,
        first: int,
        questionable: list[int],
        columns: HostColumns,
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


def _objection(column: object, value: object, allowed: object) -> str:
    return f"{column}: {value} is not allowed; expected {allowed}" if value else str(allowed)


class _Checked:
    """A file to write to, with the checksum of what was written."""

    closed = False

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._written = 0
        self.checksum = xxhash.xxh3_128()

    def write(self, content: bytes | memoryview) -> int:
        self.checksum.update(content)
        self._written += len(content)
        return self._file.write(content)

    def tell(self) -> int:
        return self._written

    def flush(self) -> None:
        self._file.flush()

    def close(self) -> None:
        """Whoever opened the file closes it."""
