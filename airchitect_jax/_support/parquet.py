"""Writes Parquet files whose pages are copies of arrays.

Arrow's writer packs the codes of dictionaries one by one, several nanoseconds each. Here codes have
8 or 16 bits, so that no page needs encoding. The format is that of Apache Parquet (parquet.thrift
and Encodings.md of version 2.10), with one data page per column and row group.
"""

from __future__ import annotations

import base64
import dataclasses
import itertools
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
from jaxtyping import Int, Num, UInt

from airchitect_jax._support.arrow import pa

_MAGIC = b"PAR1"
_BYTE_ARRAY = 6
_TYPES = {pa.int32(): 1, pa.int64(): 2, pa.float64(): 5}
_REQUIRED, _OPTIONAL, _REPEATED = 0, 1, 2
_PLAIN, _RLE, _RLE_DICTIONARY = 0, 3, 8
_DATA, _DICTIONARY = 0, 2  # kinds of pages
_CODECS = {"none": 0, "snappy": 1, "zstd": 6}
# By eight bits of a mask: their levels of two bits each, 1 for a null and 2 for a value.
_LEVELS = np.array(
    [sum((2 - (mask >> bit & 1)) << 2 * bit for bit in range(8)) for mask in range(256)], np.uint16
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Coded:
    """A column of few distinct values: `values[codes]`.

    Attributes:
      codes: uint8 or uint16.
      values: numbers of the column's type, or texts.
    """

    codes: UInt[np.ndarray, "rows"]
    values: Num[np.ndarray, "values"] | Sequence[str]

    def __len__(self) -> int:
        return len(self.codes)

    def take(self, rows: Int[np.ndarray, "some"]) -> Coded:
        """Some rows."""
        return Coded(codes=self.codes.take(rows), values=self.values)


def coded(values: Num[np.ndarray, "rows"]) -> Coded | Num[np.ndarray, "rows"]:
    """Codes of the distinct values, or the values, if more than 2**16 are distinct."""
    distinct, codes = np.unique(values, return_inverse=True)
    if len(distinct) > 2**16:
        return values
    return Coded(codes=codes.astype(_code_type(len(distinct))), values=distinct)


class Output(Protocol):
    """A file to write to."""

    def write(self, content: bytes | memoryview, /) -> int:
        """Appends all of it."""
        ...

    def tell(self) -> int:
        """How many bytes were written."""
        ...


# A matrix is a column of lists of one length; what is masked is null.
Column = Num[np.ndarray, "rows"] | Num[np.ndarray, "rows length"] | Coded


class ParquetWriter:
    """Writes a file, row group by row group; `close` completes it.

    Whole numbers are written as codes if they are powers of two, or less than 2**16 in a row group
    of many rows.
    """

    def __init__(self, file: Output, schema: pa.Schema, compression: str) -> None:
        """Begins the file.

        Args:
          file: empty and open; stays open.
          schema: of int32, int64, float64, fixed-size lists of these, and dictionaries of texts,
            without nulls but for the elements of lists.
          compression: "none", "snappy" or "zstd".
        """
        self._schema = schema
        self._elements = [_elements(field) for field in schema]
        self._compression = compression
        self._codec = None if compression == "none" else pa.Codec(compression)
        self._groups: list[dict[int, Any]] = []
        self._file = file
        self._file.write(_MAGIC)

    def write(self, columns: Sequence[Column]) -> None:
        """Writes a row group, unless it is empty: one column per field of the schema."""
        if not len(columns[0]):
            return
        fields = zip(self._schema.types, self._elements, columns, strict=True)
        chunks = [self._chunk(kind, elements, column) for kind, elements, column in fields]
        size = sum(chunk[3][6] for chunk in chunks)
        self._groups.append({1: chunks, 2: _Long(size), 3: _Long(len(columns[0]))})

    def _chunk(
        self, kind: pa.DataType, elements: list[dict[int, Any]], column: Column
    ) -> dict[int, Any]:
        """Writes a column; its ColumnChunk."""
        begin = self._file.tell()
        size, offsets, encodings = 0, {}, {_RLE}
        for page in _pages(kind, column):
            encodings.add(page.encoding)
            offsets[11 if page.kind == _DICTIONARY else 9] = _Long(self._file.tell())
            size += self._write(page)
        meta = {
            1: elements[-1][1],
            2: sorted(encodings),
            3: [element[4] for element in elements],
            4: _CODECS[self._compression],
            5: _Long(page.num),
            6: _Long(size),
            7: _Long(self._file.tell() - begin),
            **dict(sorted(offsets.items())),
        }
        return {2: _Long(0), 3: meta}

    def _write(self, page: _Page) -> int:
        """Writes a page; its uncompressed size, header included."""
        parts = [memoryview(part).cast("B") for part in page.parts]
        size = stored = sum(map(len, parts))
        if self._codec is not None:
            parts = [memoryview(self._codec.compress(b"".join(parts), asbytes=True))]
            stored = len(parts[0])
        header: dict[int, Any] = {1: page.num, 2: page.encoding}
        kinds = {7: header} if page.kind == _DICTIONARY else {5: {**header, 3: _RLE, 4: _RLE}}
        head = _thrift({1: page.kind, 2: size, 3: stored, **kinds})
        self._file.write(head)
        for part in parts:
            self._file.write(part)
        return len(head) + size

    def close(self) -> None:
        """Writes the footer, without which nothing of the file can be read."""
        footer = _thrift(self._metadata())
        self._file.write(footer + len(footer).to_bytes(4, "little") + _MAGIC)

    def _metadata(self) -> dict[int, Any]:
        """FileMetaData."""
        # Where readers find the types of Arrow that Parquet lacks.
        arrow = base64.b64encode(self._schema.serialize())
        metadata = {**(self._schema.metadata or {}), b"ARROW:schema": arrow}
        return {
            1: 2,  # version
            2: [{4: "schema", 5: len(self._schema)}, *itertools.chain(*self._elements)],
            3: _Long(sum(group[3] for group in self._groups)),
            4: self._groups,
            5: [{1: key, 2: value} for key, value in metadata.items()],
            6: "airchitect_jax",
        }


def _elements(field: pa.Field) -> list[dict[int, Any]]:
    """The SchemaElements of a column, from its root to its leaf."""
    if pa.types.is_dictionary(field.type):
        return [{1: _BYTE_ARRAY, 3: _REQUIRED, 4: field.name, 6: 0, 10: {1: {}}}]
    if pa.types.is_fixed_size_list(field.type):
        return [
            {3: _REQUIRED, 4: field.name, 5: 1, 6: 3, 10: {3: {}}},
            {3: _REPEATED, 4: "list", 5: 1},
            {1: _TYPES[field.type.value_type], 3: _OPTIONAL, 4: "element"},
        ]
    return [{1: _TYPES[field.type], 3: _REQUIRED, 4: field.name}]


class _Page(NamedTuple):
    """A page before compression.

    Attributes:
      kind: `_DATA` or `_DICTIONARY`.
      num: how many values, nulls included.
      encoding: of the values.
      parts: its bytes.
    """

    kind: int
    num: int
    encoding: int
    parts: list[Any]


def _pages(kind: pa.DataType, column: Any) -> Iterator[_Page]:
    """The pages of a column of a row group."""
    levels: list[Any] = []
    if pa.types.is_fixed_size_list(kind):
        num = column.size
        levels, values = _lists(column)
        values = values.astype(kind.value_type.to_pandas_dtype(), order="C", copy=False)
    elif isinstance(column, Coded):
        values = column
    else:
        num = len(column)
        values = _narrowed(column.astype(kind.to_pandas_dtype(), order="C", copy=False))
    if isinstance(values, Coded):
        yield _Page(_DICTIONARY, len(values.values), _PLAIN, [_plain(kind, values.values)])
        # One run of whole groups of eight codes, as many bits each as their type has.
        bytes_each, groups = values.codes.itemsize, -(-len(values) // 8)
        run = bytes([8 * bytes_each]) + _varint(groups << 1 | 1)
        padding = bytes((8 * groups - len(values)) * bytes_each)
        yield _Page(_DATA, len(values), _RLE_DICTIONARY, [run, values.codes, padding])
    else:
        yield _Page(_DATA, num, _PLAIN, [*levels, values])


def _narrowed(column: Num[np.ndarray, "rows"]) -> Num[np.ndarray, "rows"] | Coded:
    """Whole numbers as codes, if these take less space."""
    if column.dtype.kind != "i":
        return column
    low, high = int(column.min()), int(column.max())
    if low > 0 and not (low & (low - 1) or high & (high - 1) or (column & (column - 1)).any()):
        # Powers of two are exact in float32; the code is the exponent.
        codes = (column.astype(np.float32).view(np.int32) >> 23) - 127
        values = np.left_shift(1, np.arange(high.bit_length()), dtype=column.dtype)
        return Coded(codes=codes.astype(np.uint8), values=values)
    if low >= 0 and high < 2**16 and 2 * (high + 1) <= len(column):
        codes = column.astype(_code_type(high + 1))
        return Coded(codes=codes, values=np.arange(high + 1, dtype=column.dtype))
    return column


def _code_type(num: int) -> type[np.unsignedinteger]:
    return np.uint8 if num <= 2**8 else np.uint16


def _plain(kind: pa.DataType, values: Num[np.ndarray, "values"] | Sequence[str]) -> Any:
    if not pa.types.is_dictionary(kind):
        return np.asarray(values, kind.to_pandas_dtype())
    texts = [text.encode() for text in values]
    return b"".join(len(text).to_bytes(4, "little") + text for text in texts)


def _lists(matrix: Num[np.ndarray, "rows length"]) -> tuple[list[Any], Any]:
    """Levels and values of lists.

    The repetition level is 0 where a list begins, else 1; the definition level says what is null.
    """
    rows, length = matrix.shape
    rest = _varint((length - 1) << 1) + b"\x01" if length > 1 else b""
    repetition = (b"\x02\x00" + rest) * rows
    mask = np.ma.getmask(matrix)
    if mask is np.ma.nomask:
        definition = _varint(matrix.size << 1) + b"\x02"
        values = matrix
    else:
        bits = np.packbits(mask, bitorder="little")
        definition = _varint(len(bits) << 1 | 1) + _LEVELS[bits].tobytes()
        values = np.ma.getdata(matrix)[~mask]
    parts = []
    for levels in (repetition, definition):
        parts += [len(levels).to_bytes(4, "little"), levels]
    return parts, values


class _Long(int):
    """A number that is an i64 in Thrift."""


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    return bytes([*out, number])


def _thrift(struct: dict[int, Any]) -> bytes:
    """A struct in Thrift's compact protocol, from its fields in ascending order."""
    return _typed(struct)[1]


def _typed(value: Any) -> tuple[int, bytes]:
    """The type of a value in the compact protocol, and its bytes; numbers are not negative."""
    match value:
        case dict():
            parts, previous = [], 0
            for number, field in value.items():
                kind, data = _typed(field)
                parts.append(bytes([(number - previous) << 4 | kind]) + data)
                previous = number
            return 12, b"".join(parts) + b"\0"
        case list():
            items = [_typed(item) for item in value]
            kind = items[0][0] if items else 12
            size = len(items)
            head = bytes([size << 4 | kind]) if size < 15 else bytes([0xF0 | kind]) + _varint(size)
            return 9, head + b"".join(data for _, data in items)
        case str() | bytes():
            data = value.encode() if isinstance(value, str) else value
            return 8, _varint(len(data)) + data
        case _Long():
            return 6, _varint(value << 1)
        case _:
            return 5, _varint(value << 1)
