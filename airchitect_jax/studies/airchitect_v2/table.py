"""Reads the files of the AIrchitect v2 data set, both kinds.

Convolution files have the columns `K,C,X,Y,R,S,df,ConfigID,rewards`: filters, channels, input
columns and rows, filter columns and rows, the dataflow, the label, the cost that the search found.
GEMM files have `M,N,GEMM_K,df,ConfigID,rewards`, the same layers as GEMMs: M = K,
N = (X - R + 1)(Y - S + 1), GEMM_K = C R S.

`rewards`, the cost of the labelled design, is known only after the search, and so not read. Rows
whose filter is larger than the input are no layers: they are counted and left out. In a GEMM file
such a row is recognised only where N is not positive.
"""

from __future__ import annotations

import csv
import dataclasses
import io
import pathlib
import re
from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Int

from airchitect_jax._support import MAX_DIM, check_regular

CONV = ("K", "C", "X", "Y", "R", "S")
GEMM = ("M", "N", "GEMM_K")
_REST = ("df", "ConfigID", "rewards")
DATAFLOWS = ("dla", "eye", "shi")  # as in NVDLA, Eyeriss and ShiDianNao

# A label is PE index * NUM_BUFFERS + buffer index, both from zero.
NUM_PES = 64
NUM_BUFFERS = 12
NUM_DESIGNS = NUM_PES * NUM_BUFFERS

_MAX_SIZE = 4096  # of a convolution, so that products of four sizes are exact; theirs are below 513
_WHOLE_NUMBER = re.compile(r"-?[0-9]{1,10}")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Table:
    """The layers of a file.

    Attributes:
      columns: the sizes of each layer by column name, `CONV` or `GEMM`, and `df`, an index into
        `DATAFLOWS`; Int[num] each.
      design_ids: Int[num], the labels.
      num_rejected: how many rows were no layers.
    """

    columns: dict[str, Int[np.ndarray, "num"]]
    design_ids: Int[np.ndarray, "num"]
    num_rejected: int

    def __len__(self) -> int:
        return len(self.design_ids)

    @property
    def is_conv(self) -> bool:
        """Whether the layers are convolutions; GEMMs if not."""
        return "R" in self.columns


def read_table(path: str | pathlib.Path) -> Table:
    """Reads a file of either kind.

    Raises:
      ValueError: the file cannot be read, has other columns, no layer, or a bad cell; names file,
        row and column.
    """
    path = pathlib.Path(path)
    check_regular(path)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise ValueError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: not a CSV text file: {error}") from None
    try:
        reader = csv.reader(io.StringIO(text, newline=""))
        rows = [(reader.line_num, row) for row in reader if any(map(str.strip, row))]
    except csv.Error as error:
        raise ValueError(f"{path}: not a CSV text file: {error}") from None
    if not rows:
        raise ValueError(f"{path}: the file is empty; expected a header and one row per layer")
    header = tuple(cell.strip() for cell in rows[0][1])
    sizes = {(*sizes, *_REST): sizes for sizes in (CONV, GEMM)}.get(header)
    if sizes is None:
        raise ValueError(
            f"{path}: row {rows[0][0]}: unknown columns {','.join(header)}; expected"
            f" {','.join((*CONV, *_REST))} or {','.join((*GEMM, *_REST))}"
        )
    table = _table([row for _, row in rows[1:]], [line for line, _ in rows[1:]], sizes, path)
    if not len(table):
        raise ValueError(f"{path}: no layers after the header")
    return table


def _table(
    rows: Sequence[Sequence[str]], lines: Sequence[int], sizes: tuple[str, ...], path: pathlib.Path
) -> Table:
    width = len(sizes) + len(_REST)
    for line, row in zip(lines, rows, strict=True):
        if len(row) != width:
            raise ValueError(f"{path}: row {line}: {len(row)} cells; expected {width}")

    def whole(name: str, low: int, high: int) -> Int[np.ndarray, "num"]:
        at = (*sizes, *_REST).index(name)
        values = np.zeros(len(rows), np.int64)
        for index, row in enumerate(rows):
            cell = row[at].strip()
            if not _WHOLE_NUMBER.fullmatch(cell) or not low <= int(cell) <= high:
                raise ValueError(
                    f"{path}: row {lines[index]}, column {name}: {cell!r} is not allowed;"
                    f" expected a whole number in {low}..{high}"
                )
            values[index] = int(cell)
        return values

    columns = {name: whole(name, *_range(name)) for name in sizes}
    columns["df"] = np.zeros(len(rows), np.int64)
    for index, row in enumerate(rows):
        name = row[len(sizes)].strip()
        if name not in DATAFLOWS:
            raise ValueError(
                f"{path}: row {lines[index]}, column df: {name!r} is not allowed; expected one of"
                f" {', '.join(DATAFLOWS)}"
            )
        columns["df"][index] = DATAFLOWS.index(name)
    design_ids = whole("ConfigID", 0, NUM_DESIGNS - 1)
    kept = _is_layer(columns)
    return Table(
        columns={name: values[kept] for name, values in columns.items()},
        design_ids=design_ids[kept],
        num_rejected=int(np.sum(~kept)),
    )


def _range(name: str) -> tuple[int, int]:
    """The values of a size that are allowed."""
    if name == "N":  # is computed, and below 1 where the filter is too large for the input
        return -MAX_DIM, MAX_DIM
    return 1, MAX_DIM if name == "GEMM_K" else _MAX_SIZE


def _is_layer(columns: dict[str, Int[np.ndarray, "num"]]) -> Bool[np.ndarray, "num"]:
    if "N" in columns:
        return columns["N"] >= 1
    return (columns["X"] >= columns["R"]) & (columns["Y"] >= columns["S"])
