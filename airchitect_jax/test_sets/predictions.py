"""Files of entrants: questions out, predictions in."""

from __future__ import annotations

import contextlib
import csv
import pathlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from jaxtyping import Int

from airchitect_jax._support import (
    atomic_path,
    check_regular,
    csv_text,
    dataflow_member,
    one_line,
    shown,
    whole_number,
    write_text,
)
from airchitect_jax.test_sets.base import FixedSet

_PARQUET = (".parquet", ".pq")
_FEW = 20  # values that an error lists


def write_questions(path: pathlib.Path, fixed: FixedSet) -> None:
    """Writes the questions of a set as CSV, or as Parquet by the suffix of the file."""
    if path.suffix.lower() in _PARQUET:
        from airchitect_jax._support.arrow import pa, pq

        with atomic_path(path) as temporary:
            pq.write_table(pa.table(dict(fixed.questions)), temporary)
        return
    columns = [values.tolist() for values in fixed.questions.values()]
    write_text(path, csv_text([list(fixed.questions), *zip(*columns, strict=True)]))


def read_predictions(path: pathlib.Path, fixed: FixedSet) -> Int[np.ndarray, "num"]:
    """The predicted design id of each question, from a CSV or Parquet file with one row for each.

    Columns: `id`, the number of the question, without which rows are in the order of the questions;
    and `design_id`, or the parameters of the design by name (`FixedSet.parameters`). Others are
    ignored. Dataflows may be names.

    Raises:
      ValueError: the file cannot be read, a column or a question is missing, a question is answered
        twice, or a cell is not allowed; names the file and the row, counted from 1 without the
        header.
    """
    table = _table(path)
    num = len(fixed.optima)
    rows = len(next(iter(table.values()), ()))
    if "design_id" in table:
        last = len(next(iter(fixed.parameters.values()))) - 1
        chosen = _numbers(path, "design_id", table["design_id"], last)
    else:
        chosen = _by_parameters(path, fixed, table)
    if "id" not in table:
        if rows != num:
            raise ValueError(f"{path}: {rows} rows are not allowed; expected {num}, or a column id")
        return chosen
    questions = _numbers(path, "id", table["id"], num - 1)
    order = np.argsort(questions, kind="stable")
    again = order[1:][np.diff(questions[order]) == 0]
    if len(again):
        row = int(again.min())
        raise ValueError(f"{path}: row {row + 1}: id: {questions[row]} is answered twice")
    missing = np.setdiff1d(np.arange(num), questions)
    if len(missing):
        raise ValueError(
            f"{path}: id: {missing[0]} has no row; {len(missing)} of {num} are missing"
        )
    return chosen[order]


def _by_parameters(
    path: pathlib.Path, fixed: FixedSet, table: dict[str, list[Any]]
) -> Int[np.ndarray, "rows"]:
    """The ids of designs that are given by their parameters."""
    names = list(fixed.parameters)
    for name in names:
        if name not in table:
            raise ValueError(
                f"{path}: there is no column {name}; expected design_id, or {', '.join(names)}"
            )
    columns = [_values(path, name, table[name], fixed.parameters[name]) for name in names]
    designs = list(zip(*(values.tolist() for values in columns), strict=True))
    for row, design in enumerate(designs):
        if design not in fixed.id_of:
            text = ", ".join(f"{name} {value}" for name, value in zip(names, design, strict=True))
            raise ValueError(f"{path}: row {row + 1}: there is no design of {text}")
    return np.array([fixed.id_of[design] for design in designs], np.int64)


def _values(
    path: pathlib.Path, name: str, cells: Sequence[Any], allowed: Int[np.ndarray, "designs"]
) -> Int[np.ndarray, "rows"]:
    """Cells of a parameter as numbers, each a value that some design has."""
    if name.startswith("dataflow"):
        flows = _each(path, cells, lambda cell: int(dataflow_member(name, _number(cell))))
        return np.array(flows, np.int64)
    values = np.unique(allowed)
    numbers = _numbers(path, name, cells, int(values[-1]), low=int(values[0]))
    unknown = np.flatnonzero(~np.isin(numbers, values))
    if len(unknown):
        row = int(unknown[0])
        listed = ", ".join(map(str, values[:_FEW])) + (", ..." if len(values) > _FEW else "")
        raise ValueError(
            f"{path}: row {row + 1}: {name}: {numbers[row]} is not allowed; expected {listed}"
        )
    return numbers


def _numbers(
    path: pathlib.Path, name: str, cells: Sequence[Any], high: int, *, low: int = 0
) -> Int[np.ndarray, "rows"]:
    """Cells as whole numbers in low..high."""
    numbers = _each(path, cells, lambda cell: whole_number(name, _number(cell), low=low, high=high))
    return np.array(numbers, np.int64)


def _number(cell: Any) -> Any:
    """A cell as a number if it is one: those of CSV files are text."""
    for kind in (int, float) if isinstance(cell, str) else ():
        with contextlib.suppress(ValueError):
            return kind(cell)
    return cell


def _each(path: pathlib.Path, cells: Sequence[Any], parse: Callable[[Any], int]) -> list[int]:
    """Every cell parsed; errors name the file and the row."""
    parsed = []
    for row, cell in enumerate(cells, start=1):
        try:
            parsed.append(parse(cell))
        except ValueError as error:
            raise ValueError(f"{path}: row {row}: {error}") from None
    return parsed


def _table(path: pathlib.Path) -> dict[str, list[Any]]:
    """The columns of a file by name, in lower case."""
    check_regular(path)
    try:
        if path.suffix.lower() in _PARQUET:
            from airchitect_jax._support.arrow import pq

            table = pq.read_table(path)
            found = [(name, table[name].to_pylist()) for name in table.column_names]
        else:
            found = _csv_columns(path.read_text(encoding="utf-8-sig"))
    except (OSError, csv.Error, ValueError) as error:  # those of Arrow are ValueErrors, too
        raise ValueError(f"{path}: cannot be read: {one_line(str(error), 300)}") from None
    columns: dict[str, list[Any]] = {}
    for name, cells in found:
        if (key := name.strip().lower()) in columns:
            raise ValueError(f"{path}: there are several columns {shown(key)}")
        columns[key] = cells
    return columns


def _csv_columns(text: str) -> list[tuple[str, list[str]]]:
    header, *rows = [row for row in csv.reader(text.splitlines(), strict=True) if row] or [[]]
    for number, row in enumerate(rows, start=1):
        if len(row) != len(header):
            raise ValueError(f"row {number} has {len(row)} of {len(header)} cells")
    return [(name, [row[index] for row in rows]) for index, name in enumerate(header)]
