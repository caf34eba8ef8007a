"""Sources of workloads to label, cut into shards whatever the number of processes.

A shard has a name that stays the same from run to run and whatever the number of processes, so
that a finished one is never made again.
"""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Callable, Iterator, Sequence
from typing import Protocol, TypeVar

import jax
import numpy as np

from airchitect_jax._support import check_regular, one_line
from airchitect_jax._support.arrow import pa, pacsv, pq
from airchitect_jax.case_studies import CaseStudy

_Out = TypeVar("_Out")
_CSV_BLOCK = 1 << 23  # bytes
_READ_BUFFER = 1 << 22  # bytes per column


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


class Source(Protocol):
    """An input of any length."""

    @property
    def num_rows(self) -> int | None:
        """How many rows there are in all, if that is known."""
        ...

    def shards(self, wanted: Callable[[int, str], bool]) -> Iterator[Shard]:
        """The shards whose running index and name are wanted, in order.

        Raises:
          ValueError: an input cannot be read; names it.
        """
        ...


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

    def shards(self, wanted: Callable[[int, str], bool]) -> Iterator[Shard]:
        """See `Source`."""
        sample = jax.jit(self.case.sample, static_argnums=1)
        for index, first in enumerate(range(0, self.num_rows, self.shard_rows)):
            name = f"part-00000-{index:06d}"
            if not wanted(index, name):
                continue
            key = jax.random.fold_in(jax.random.key(self.seed), index)
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
      paths: the files, in order.
      columns: the input columns. A file's column of the same name counts, else the one whose name
        differs only in case and white space.
      constants: values of columns that no file has.
      shard_rows: rows of a shard; the last of each file may have fewer.
    """

    paths: tuple[pathlib.Path, ...]
    columns: tuple[str, ...]
    constants: dict[str, int]
    shard_rows: int

    @property
    def num_rows(self) -> int | None:
        """Known if all files are Parquet."""
        if any(not _is_parquet(path) for path in self.paths):
            return None
        return sum(_num_rows(path) for path in self.paths)

    def check(self) -> None:
        """Opens every file.

        Raises:
          ValueError: a file cannot be read or lacks a column; names both.
        """
        for path in self.paths:
            next(self._batches(path), None)

    def shards(self, wanted: Callable[[int, str], bool]) -> Iterator[Shard]:
        """See `Source`."""
        running = 0
        for file_index, path in enumerate(self.paths):
            for index, table in enumerate(_rechunk(self._batches(path), self.shard_rows)):
                name = f"part-{file_index:05d}-{index:06d}"
                if wanted(running, name):
                    yield Shard(
                        name=name,
                        origin=str(path),
                        first_row=index * self.shard_rows + 1,
                        table=table,
                    )
                running += 1

    def _batches(self, path: pathlib.Path) -> Iterator[pa.Table]:
        batches = _read(path, lambda: self._open(path))
        while True:
            table = _read(path, lambda: next(batches, None))
            if table is None:
                return
            yield table

    def _open(self, path: pathlib.Path) -> Iterator[pa.Table]:
        if _is_parquet(path):
            # Buffered: otherwise the columns of a whole row group, maybe of the file, are read at
            # once.
            file = pq.ParquetFile(path, pre_buffer=False, buffer_size=_READ_BUFFER)
            names = self._names(file.schema_arrow.names)
            batches = file.iter_batches(min(self.shard_rows, 1 << 20), columns=list(names))
        else:
            reader = pacsv.open_csv(
                path,
                read_options=pacsv.ReadOptions(block_size=_CSV_BLOCK),
                convert_options=pacsv.ConvertOptions(
                    # As text, so that a bad cell affects only its row.
                    column_types={name: pa.string() for name in _csv_header(path)},
                    strings_can_be_null=True,
                    null_values=[""],  # "nan" and the like are shown as they are
                ),
            )
            names = self._names(reader.schema.names)
            batches = iter(reader)
        for batch in batches:
            table = pa.Table.from_batches([batch]).select(list(names))
            table = table.rename_columns([names[name] for name in table.column_names])
            for name, value in self.constants.items():
                if name not in table.column_names:
                    constant = pa.array(np.full(len(table), value, np.int64))
                    table = table.append_column(name, constant)
            yield table.select(list(self.columns))

    def _names(self, found: Sequence[str]) -> dict[str, str]:
        """From a file's own column names to ours."""
        names: dict[str, str] = {}
        for column in self.columns:
            same = [name for name in found if name == column]
            similar = [name for name in found if name.strip().lower() == column]
            candidates = same or similar
            if len(candidates) > 1:
                raise ValueError(
                    f"there are several columns {column}: {_listed(candidates)}; expected one"
                )
            for name in candidates:
                names[name] = column
        missing = set(self.columns) - set(names.values()) - set(self.constants)
        if missing:
            absent = ", ".join(column for column in self.columns if column in missing)
            raise ValueError(f"there is no column {absent}, only {_listed(found)}")
        return names


def _listed(names: Sequence[str]) -> str:
    return one_line(", ".join(names), 200)


def _is_parquet(path: pathlib.Path) -> bool:
    return path.suffix.lower() in (".parquet", ".pq")


def _num_rows(path: pathlib.Path) -> int:
    return _read(path, lambda: int(pq.read_metadata(path).num_rows))


def _csv_header(path: pathlib.Path) -> list[str]:
    return pacsv.open_csv(path).schema.names


def _read(path: pathlib.Path, action: Callable[[], _Out]) -> _Out:
    """Runs an action on a file; errors name the file and take one line."""
    check_regular(path)
    try:
        return action()
    except (pa.ArrowException, OSError, ValueError) as error:
        text = one_line(str(error), 300)
        raise ValueError(f"{path}: cannot be read: {text}") from None


def _rechunk(tables: Iterator[pa.Table], rows: int) -> Iterator[pa.Table]:
    """The same rows in tables of exactly `rows`, but for the last."""
    waiting: list[pa.Table] = []
    count = 0
    for table in tables:
        while len(table):
            take = min(rows - count, len(table))
            waiting.append(table.slice(0, take))
            table = table.slice(take)
            count += take
            if count == rows:
                yield pa.concat_tables(waiting)
                waiting, count = [], 0
    if waiting:
        yield pa.concat_tables(waiting)
