"""Parquet and CSV files as streams of tables with the columns that a task needs."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np

from airchitect_jax._support import one_line
from airchitect_jax._support.arrow import pa, pacsv, pq
from airchitect_jax.labelling.storage import Location, reading

_CSV_BLOCK = 1 << 23  # bytes
_READ_BUFFER = 1 << 22  # bytes per column
_BATCH = 1 << 21  # most rows: a shard by default, whose columns are then not copied


@dataclasses.dataclass(frozen=True)
class TableFile:
    """A Parquet or CSV file.

    Attributes:
      location: of the file; the suffix tells the format.
      columns: the input columns. A column of the same name counts, else the one whose name differs
        only in case and white space.
      constants: values of columns that the file lacks.
    """

    location: Location
    columns: tuple[str, ...]
    constants: Mapping[str, int]

    @property
    def _is_parquet(self) -> bool:
        return self.location.suffix in (".parquet", ".pq")

    @property
    def row_group_starts(self) -> list[int] | None:
        """The first row of each row group, then the number of rows; None for CSV.

        Raises:
          ValueError: the file cannot be read; names it.
        """
        if not self._is_parquet:
            return None
        with self.location.open() as file:
            return _row_group_starts(reading(self.location, lambda: pq.read_metadata(file)))

    @property
    def num_rows(self) -> int | None:
        """How many rows there are; unknown for CSV."""
        starts = self.row_group_starts
        return None if starts is None else starts[-1]

    def batches(
        self, wanted: Callable[[int, int], bool], most_rows: int
    ) -> Iterator[tuple[int, pa.Table]]:
        """Batches of rows in order, each with the number of its first row, from 0.

        Args:
          wanted: takes the first row and the one after the last; row groups that are not wanted
            are left out.
          most_rows: of a batch.

        Raises:
          ValueError: the file cannot be read or lacks a column; names both.
        """
        open_file = self._parquet if self._is_parquet else self._csv
        batches = reading(self.location, lambda: open_file(wanted, min(most_rows, _BATCH)))
        while True:
            found = reading(self.location, lambda: next(batches, None))
            if found is None:
                return
            yield found

    def _parquet(
        self, wanted: Callable[[int, int], bool], most_rows: int
    ) -> Iterator[tuple[int, pa.Table]]:
        # Buffered: otherwise the columns of a whole row group, maybe of the file, are read at once.
        file = pq.ParquetFile(self.location.open(), pre_buffer=False, buffer_size=_READ_BUFFER)
        names = self._names(file.schema_arrow.names)
        starts = _row_group_starts(file.metadata)
        # Neighbours are read as one stream.
        runs = itertools.groupby(
            range(len(starts) - 1), lambda group: wanted(starts[group], starts[group + 1])
        )
        for is_wanted, run in runs:
            if not is_wanted:
                continue
            groups = list(run)
            first = starts[groups[0]]
            for batch in file.iter_batches(most_rows, row_groups=groups, columns=list(names)):
                yield first, self._selected(batch, names)
                first += len(batch)

    def _csv(
        self, wanted: Callable[[int, int], bool], most_rows: int
    ) -> Iterator[tuple[int, pa.Table]]:
        del wanted, most_rows  # rows have to be counted
        with self.location.open() as file:
            header = pacsv.open_csv(file).schema.names
        reader = pacsv.open_csv(
            self.location.open(),
            read_options=pacsv.ReadOptions(block_size=_CSV_BLOCK),
            convert_options=pacsv.ConvertOptions(
                # As text, so that a bad cell affects only its row.
                column_types={name: pa.string() for name in header},
                strings_can_be_null=True,
                null_values=[""],  # "nan" and the like are shown as they are
            ),
        )
        names = self._names(reader.schema.names)
        first = 0
        for batch in reader:
            yield first, self._selected(batch, names)
            first += len(batch)

    def _selected(self, batch: pa.RecordBatch, names: Mapping[str, str]) -> pa.Table:
        table = pa.Table.from_batches([batch]).select(list(names))
        table = table.rename_columns([names[name] for name in table.column_names])
        for name, value in self.constants.items():
            if name not in table.column_names:
                constant = pa.array(np.full(len(table), value, np.int64))
                table = table.append_column(name, constant)
        return table.select(list(self.columns))

    def _names(self, found: Sequence[str]) -> dict[str, str]:
        """From the file's own column names to ours."""
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


def _row_group_starts(metadata: pq.FileMetaData) -> list[int]:
    groups = range(metadata.num_row_groups)
    counts = (metadata.row_group(group).num_rows for group in groups)
    return list(itertools.accumulate(counts, initial=0))


def _listed(names: Sequence[str]) -> str:
    return one_line(", ".join(names), 200)
