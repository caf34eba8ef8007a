"""The Parquet writer: what pyarrow reads back, and what the pages hold."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from airchitect_jax._support.parquet import Coded, ParquetWriter, coded

INT32, INT64 = pa.int32(), pa.int64()


def schema(**kinds):
    return pa.schema([pa.field(name, kind, nullable=False) for name, kind in kinds.items()])


def write(path, fields, *groups, compression="none"):
    with path.open("wb") as file:
        writer = ParquetWriter(file, fields, compression)
        for columns in groups:
            writer.write(columns)
        writer.close()


def chunk(path, column=0):
    return pq.read_metadata(path).row_group(0).column(column)


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return tmp_path_factory.mktemp("parquet") / "out.parquet"


@pytest.mark.parametrize("compression", ["none", "snappy", "zstd"])
@pytest.mark.parametrize("sizes", [(), (1,), (7, 0, 8), (9, 300), (70_001, 5)])
def test_pyarrow_reads_what_was_written(path, sizes, compression):
    fields = schema(
        whole=INT64,
        small=INT32,
        power=INT32,
        real=pa.float64(),
        text=pa.dictionary(pa.int8(), pa.string()),
        full=pa.list_(INT32, 3),
        single=pa.list_(INT32, 1),
        gaps=pa.list_(INT64, 5),
    ).with_metadata({"seed": "7", "long": "x" * 1000})
    rng = np.random.default_rng(0)
    texts = ["OS", "", "Übergröße", *map(str, range(100))]
    expected = {name: [] for name in fields.names}
    groups = []
    for rows in sizes:
        codes = rng.integers(0, len(texts), rows, dtype=np.uint16)
        gaps = np.ma.MaskedArray(rng.integers(-9, 9, (rows, 5)), mask=rng.random((rows, 5)) < 0.4)
        columns = [
            rng.integers(-(2**63), 2**63 - 1, rows, endpoint=True),
            rng.integers(0, 300, rows),  # wider than the field
            np.left_shift(1, rng.integers(0, 31, rows)),
            rng.standard_normal(rows),
            Coded(codes=codes, values=texts),
            rng.integers(-9, 9, (rows, 3)),
            rng.integers(-9, 9, (rows, 1)),
            gaps,
        ]
        groups.append(columns)
        for name, column in zip(fields.names, columns, strict=True):
            expected[name] += [texts[c] for c in codes] if name == "text" else column.tolist()
    write(path, fields, *groups, compression=compression)
    table = pq.read_table(path)
    table.validate(full=True)
    assert table.schema.equals(fields)
    assert table.schema.metadata == fields.metadata
    assert table.to_pydict() == expected
    assert pq.read_metadata(path).num_row_groups == sum(rows > 0 for rows in sizes)


def test_numbers_are_as_narrow_as_their_codes(path):
    rows = 2**18
    numbers = np.arange(rows)
    columns = {
        "power": (2 ** (numbers % 31), 1),
        "byte": (numbers % 256, 1),
        "short": (numbers % 65536, 2),
        "beyond": (numbers % 65537, 4),
        "negative": (numbers % 9 - 1, 4),
        "zero": (2 ** (numbers % 17) * (numbers % 2), 4),  # 0 is no power, 65536 no short number
    }
    fields = schema(**dict.fromkeys(columns, INT32))
    write(path, fields, [values for values, _ in columns.values()])
    for index, (values, width) in enumerate(columns.values()):
        np.testing.assert_array_equal(pq.read_table(path).column(index), values)
        dictionary = 2**18 if width == 2 else 1200
        size = chunk(path, index).total_uncompressed_size
        assert width * rows < size < width * rows + dictionary + 100


def test_the_pages_of_nine_powers_of_two(path):
    powers = np.array([4, 1, 2, 4, 1, 1, 1, 4, 2])
    write(path, schema(power=INT32), [powers])
    found = chunk(path)
    content = path.read_bytes()
    values = b"".join(value.to_bytes(4, "little") for value in (1, 2, 4))
    # Eight bits per code; a run of two groups of eight: 2 << 1 | 1.
    codes = b"\x08\x05" + bytes([2, 0, 1, 2, 0, 0, 0, 2, 1]) + bytes(7)
    end = found.dictionary_page_offset + found.total_compressed_size
    assert content[: found.data_page_offset].endswith(values)
    assert content[:end].endswith(codes)
    assert content[:4] == content[-4:] == b"PAR1"


def test_the_levels_of_lists(path):
    rows = np.ma.MaskedArray([[7, 8, 9], [5, 0, 6]], mask=[[0, 0, 0], [0, 1, 0]])
    write(path, schema(lists=pa.list_(INT64, 3)), [rows])
    found = chunk(path)
    content = path.read_bytes()
    # Runs: once 0 and twice 1, per row. Levels of two bits, the first in the lowest: 2 2 2 2 1 2.
    repetition = bytes([2, 0, 4, 1, 2, 0, 4, 1])
    definition = bytes([3, 0b10101010, 0b10101001])
    levels = b"".join(len(part).to_bytes(4, "little") + part for part in (repetition, definition))
    values = b"".join(value.to_bytes(8, "little") for value in (7, 8, 9, 5, 6))
    assert content[: found.data_page_offset + found.total_compressed_size].endswith(levels + values)


def test_many_columns_row_groups_and_rows(path):
    fields = schema(**{f"column{index}": INT32 for index in range(40)})
    groups = [[np.full(3, index + group) for index in range(40)] for group in range(20)]
    write(path, fields, *groups)
    assert pq.read_metadata(path).num_row_groups == 20
    table = pq.read_table(path)
    assert table["column7"].to_pylist() == [7 + group for group in range(20) for _ in range(3)]


def test_the_same_columns_give_the_same_bytes(path):
    columns = [np.arange(1000), coded(np.arange(1000) % 7)]
    contents = set()
    for _ in range(2):
        write(path, schema(a=INT64, b=INT32), columns, columns, compression="zstd")
        contents.add(path.read_bytes())
    assert len(contents) == 1


def test_codes_of_distinct_values():
    few = coded(np.array([30, 10, 30, 20]))
    assert few.codes.dtype == np.uint8
    assert few.values[few.take(np.array([3, 0])).codes].tolist() == [20, 30]
    assert coded(np.arange(257)).codes.dtype == np.uint16
    assert isinstance(coded(np.arange(2**16 + 1)), np.ndarray)
