"""Sources of workloads to label, cut into shards whatever the number of processes.

A shard has a name that stays the same from run to run and whatever the number of processes, so
that a finished one is never made again.
"""

from __future__ import annotations

import bisect
import dataclasses
import functools
from collections.abc import Callable, Iterator
from typing import Protocol

import jax
import numpy as np

from airchitect_jax._support.arrow import pa
from airchitect_jax.case_studies import CaseStudy
from airchitect_jax.labelling.storage import Location
from airchitect_jax.labelling.table_files import TableFile


@dataclasses.dataclass(frozen=True, kw_only=True)
class Shard:
    """Some rows of an input.

    Attributes:
      name: of the file that its labels go to, without a suffix.
      origin: the file that the rows come from.
      first_row: number of the first row in that file, counted from 1 without the header.
      table: the input columns, of whatever types the file has.
    """

    name: str
    origin: str
    first_row: int
    table: pa.Table


@dataclasses.dataclass(frozen=True, kw_only=True)
class Piece:
    """Shards of a file that are read together.

    Attributes:
      file: index of the file.
      first: index of the first shard in the file.
      end: index of the shard after the last; None for the end of the file.
    """

    file: int = 0
    first: int
    end: int | None

    def holds(self, shard: int) -> bool:
        """Whether a shard of the file belongs to it."""
        return self.first <= shard and (self.end is None or shard < self.end)


# Takes the indices of a file and of a shard in it, and the name of the shard.
Wanted = Callable[[int, int, str], bool]


class Source(Protocol):
    """An input of any length."""

    @property
    def num_rows(self) -> int | None:
        """How many rows there are in all, if that is known."""
        ...

    def pieces(self) -> Iterator[Piece]:
        """All shards, cut where it takes little to start reading.

        Raises:
          ValueError: an input cannot be read; names it.
        """
        ...

    def shards(self, wanted: Wanted, piece: Piece | None = None) -> Iterator[Shard]:
        """The shards that are wanted, in order: of a piece, or of all files.

        Raises:
          ValueError: an input cannot be read; names it.
        """
        ...


def shard_name(file: int, shard: int) -> str:
    """The same from run to run."""
    return f"part-{file:05d}-{shard:06d}"


@dataclasses.dataclass(frozen=True, kw_only=True)
class SampledSource:
    """Random workloads of a case study; every shard has its own seed.

    Attributes:
      case: the case study that draws them.
      num_rows: how many in all.
      shard_rows: rows of a shard; the last may have fewer.
      seed: the same seed gives the same rows.
    """

    case: CaseStudy
    num_rows: int
    shard_rows: int
    seed: int

    def pieces(self) -> Iterator[Piece]:
        """See `Source`."""
        for index in range(-(-self.num_rows // self.shard_rows)):
            yield Piece(first=index, end=index + 1)

    def shards(self, wanted: Wanted, piece: Piece | None = None) -> Iterator[Shard]:
        """See `Source`."""
        sample = jax.jit(self.case.sample, static_argnums=1)
        for index in range(-(-self.num_rows // self.shard_rows)):
            name = shard_name(0, index)
            if not ((piece is None or piece.holds(index)) and wanted(0, index, name)):
                continue
            key = jax.random.fold_in(jax.random.key(self.seed), index)
            first = index * self.shard_rows
            rows = min(self.shard_rows, self.num_rows - first)
            # Always a whole shard, so that a set of more workloads begins with the same ones.
            workloads = np.asarray(sample(key, self.shard_rows))[:, :rows]
            columns = zip(self.case.limits, self.case.columns(workloads), strict=True)
            table = pa.table(dict(columns))
            yield Shard(name=name, origin="sample", first_row=first + 1, table=table)


@dataclasses.dataclass(frozen=True, kw_only=True)
class FileSource:
    """Parquet and CSV files with one workload per row, read as a stream.

    Attributes:
      files: in order.
      columns: the input columns. A file's column of the same name counts, else the one whose name
        differs only in case and white space.
      constants: values of columns that no file has.
      shard_rows: rows of a shard; the last of each file may have fewer.
    """

    files: tuple[Location, ...]
    columns: tuple[str, ...]
    constants: dict[str, int]
    shard_rows: int

    @property
    def num_rows(self) -> int | None:
        """Known if all files are Parquet."""
        counts = [self._table_file(file).num_rows for file in self.files]
        known = [count for count in counts if count is not None]
        return sum(known) if len(known) == len(counts) else None

    def check(self) -> None:
        """Opens every file.

        Raises:
          ValueError: a file cannot be read or lacks a column; names both.
        """
        for file in self.files:
            next(self._table_file(file).batches(lambda first, _: first == 0, 1), None)

    def pieces(self) -> Iterator[Piece]:
        """See `Source`: all of a CSV file; of Parquet, shards whose row groups begin near them."""
        for index, file in enumerate(self.files):
            starts = self._table_file(file).row_group_starts
            if starts is None:
                yield Piece(file=index, first=0, end=None)
                continue
            *starts, num_rows = starts
            num_shards = -(-num_rows // self.shard_rows)
            first = 0
            for shard in range(1, num_shards + 1):
                row = shard * self.shard_rows
                skipped = row - starts[bisect.bisect(starts, row) - 1]
                if shard == num_shards or skipped <= self.shard_rows:
                    yield Piece(file=index, first=first, end=shard)
                    first = shard

    def shards(self, wanted: Wanted, piece: Piece | None = None) -> Iterator[Shard]:
        """See `Source`."""
        for index, file in enumerate(self.files):
            if piece is not None and piece.file != index:
                continue

            # Both are bound here: the generators are consumed within this iteration.
            @functools.cache
            def is_wanted(shard: int, index: int = index) -> bool:
                held = piece is None or piece.holds(shard)
                return held and wanted(index, shard, shard_name(index, shard))

            for shard, table in self._tables(file, is_wanted):
                yield Shard(
                    name=shard_name(index, shard),
                    origin=str(file),
                    first_row=shard * self.shard_rows + 1,
                    table=table,
                )

    def _tables(
        self, file: Location, wanted: Callable[[int], bool]
    ) -> Iterator[tuple[int, pa.Table]]:
        """The wanted shards of a file, with their indices."""
        waiting: list[pa.Table] = []
        shard = 0

        def holds_wanted(first: int, end: int) -> bool:
            return any(map(wanted, range(first // self.shard_rows, -(-end // self.shard_rows))))

        for first, batch in self._table_file(file).batches(holds_wanted, self.shard_rows):
            done = 0
            while done < len(batch):
                shard = (first + done) // self.shard_rows
                end = min(len(batch), (shard + 1) * self.shard_rows - first)
                if wanted(shard):
                    waiting.append(batch.slice(done, end - done))
                    if first + end == (shard + 1) * self.shard_rows:
                        yield shard, pa.concat_tables(waiting)
                        waiting = []
                done = end
        if waiting:
            yield shard, pa.concat_tables(waiting)

    def _table_file(self, file: Location) -> TableFile:
        return TableFile(file, self.columns, self.constants)
