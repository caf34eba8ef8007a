"""The labelling engine as a library: sources, rejects, shards, more than one device."""

import csv
import decimal
import os
import pathlib
import subprocess
import sys

import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
import pytest
import reference
from engine_runs import close, files, manifest, read, run

from airchitect_jax import ArrayDataflowSpace, BudgetedGemm, label
from airchitect_jax.case_studies import ArrayDataflowCase
from airchitect_jax.labelling import (
    Process,
    SampledSource,
)
from airchitect_jax.labelling.columns import INVALID as NO
from airchitect_jax.labelling.columns import to_integers

ROOT = pathlib.Path(__file__).parent.parent
COLUMNS = ("mac_budget", "m", "n", "k")


def sample(case, num_rows, shard_rows=100, seed=4):
    return SampledSource(case=case, num_rows=num_rows, shard_rows=shard_rows, seed=seed)


def workloads(num, seed=0):
    rng = np.random.default_rng(seed)
    return {
        "mac_budget": rng.integers(4, 2**18, num),
        **{name: rng.integers(1, 5000, num) for name in "mnk"},
    }


def test_labels_are_the_oracles_in_the_order_of_the_input(tmp_path):
    data = workloads(1050)
    pq.write_table(pa.table(data), tmp_path / "in.parquet", row_group_size=130)
    assert run(files(tmp_path / "in.parquet"), tmp_path) == 1050
    assert len(list((tmp_path / "labels").iterdir())) == 11
    table = read(tmp_path)
    for name in COLUMNS:
        np.testing.assert_array_equal(table[name], data[name])
    expected = label(BudgetedGemm(**data))
    np.testing.assert_array_equal(table["design_id"], expected.design_id)
    np.testing.assert_array_equal(table["cycles"], expected.cost)
    designs = ArrayDataflowSpace().decode(expected.design_id)
    np.testing.assert_array_equal(table["rows"], designs.rows)
    np.testing.assert_array_equal(table["cols"], designs.cols)
    flows = np.array(["OS", "WS", "IS"])[designs.dataflow]
    assert table["dataflow"].to_pylist() == flows.tolist()
    metadata = pq.read_schema(tmp_path / "labels" / "part-00000-000000.parquet").metadata
    assert metadata[b"case_study"] == b"case_study1"
    assert metadata[b"runtime_model"] == b"scalesim"
    assert b"459 designs" in metadata[b"design_space"]
    assert b"airchitect_jax" in metadata


def test_csv_parquet_and_the_sampler_agree(tmp_path):
    case = ArrayDataflowCase(max_dim=3000)
    source = sample(case, 250)
    run(source, tmp_path / "sample")
    sampled = read(tmp_path / "sample")
    inputs = sampled.select(["k", "n", "m", "mac_budget"])
    pq.write_table(inputs, tmp_path / "a.parquet")
    renamed = inputs.rename_columns(["K", " N", "M ", "Mac_Budget"])
    pacsv.write_csv(renamed, tmp_path / "b.csv")
    run(files(tmp_path / "a.parquet", tmp_path / "b.csv"), tmp_path / "files")
    twice = read(tmp_path / "files")
    assert twice.slice(0, 250).equals(sampled)
    assert twice.slice(250).equals(sampled)
    assert files(tmp_path / "a.parquet").num_rows == 250
    assert files(tmp_path / "b.csv").num_rows is None


def test_a_longer_sample_begins_with_the_shorter(tmp_path):
    case = ArrayDataflowCase()
    for name, num in (("short", 130), ("long", 250)):
        run(sample(case, num), tmp_path / name)
    assert read(tmp_path / "long").slice(0, 130).equals(read(tmp_path / "short"))


def test_a_constant_budget_for_files_without_one(tmp_path):
    (tmp_path / "in.csv").write_text("m,n,k\n5,6,7\n")
    run(files(tmp_path / "in.csv", mac_budget=64), tmp_path)
    (row,) = read(tmp_path).to_pylist()
    assert (row["design_id"], row["cycles"]) == reference.best(64, 5, 6, 7, "scalesim")


BAD = [
    # mac_budget, m, n, k, the column that is to blame
    ("64", "0", "5", "5", "m"),
    ("64", "5", "-5", "5", "n"),
    ("64", "5", "5", "", "k"),
    ("64", "5", "2.5", "5", "n"),
    ("64", "5", "five", "5", "n"),
    ("3", "5", "5", "5", "mac_budget"),
    ("64", "5", "5", "2147483648", "k"),
    ("64", "99999999999999999999999", "5", "5", "m"),
    ("4", "2147483647", "2147483647", "2147483647", "cycles"),
]


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_invalid_rows_are_written_down_and_never_labelled(tmp_path, kind):
    good = [
        ("64", "5", "5", "5"),
        ("262144", "3000000", "3000000", "3000000"),
        ("64", "5.0", " 7", "5"),
    ]
    rows = [good[0], *(row[:4] for row in BAD), *good[1:]]
    path = tmp_path / f"in.{kind}"
    if kind == "csv":
        lines = [",".join(COLUMNS), *(",".join(row) for row in rows)]
        path.write_text("\n".join(lines) + "\n")
    else:
        columns = [[cell or None for cell in column] for column in zip(*rows, strict=True)]
        pq.write_table(pa.table(dict(zip(COLUMNS, columns, strict=True))), path)
    assert run(files(path, shard_rows=4), tmp_path) == 3
    table = read(tmp_path)
    assert table["m"].to_pylist() == [5, 3_000_000, 5]
    expected = [reference.best(*(int(float(c)) for c in row), "scalesim") for row in good]
    ours = zip(table["design_id"].to_pylist(), table["cycles"].to_pylist(), strict=True)
    assert list(ours) == expected
    assert close(tmp_path) == len(BAD)
    with (tmp_path / "rejects.csv").open() as file:
        rejects = list(csv.DictReader(file))
    assert [reject["row"] for reject in rejects] == [str(number) for number in range(2, 11)]
    assert {reject["file"] for reject in rejects} == {str(path)}
    assert [reject["column"] for reject in rejects] == [row[4] for row in BAD]
    assert rejects[0]["value"] == "0"
    assert rejects[2]["value"] == "null"
    assert rejects[4]["value"] == "five"
    assert rejects[0]["allowed"] == "a whole number in 1..2147483647"
    assert "limited to int64" in rejects[-1]["allowed"]


@pytest.mark.parametrize(
    ("array", "expected"),
    [
        (pa.array([1, None, 3], pa.int64()), [1, NO, 3]),
        (pa.array([1, 2**63], pa.uint64()), [1, NO]),
        (pa.array([7, -1], pa.int8()), [7, -1]),
        (
            pa.array([1.0, 2.5, float("nan"), float("inf"), 1e300, None]),
            [1, NO, NO, NO, NO, NO],
        ),
        (
            pa.array(["12", " 3 ", "+4", "5.", "6.0", "x", "", None, "1e3"]),
            [12, 3, 4, 5, 6, NO, NO, NO, NO],
        ),
        (pa.array(["8", "9"]).dictionary_encode(), [8, 9]),
        (
            # Of which float64 has only the even ones.
            pa.array([decimal.Decimal(2**53 + 1), None, decimal.Decimal("-4")], pa.decimal128(38)),
            [2**53 + 1, NO, -4],
        ),
        (
            pa.array([decimal.Decimal(text) for text in ("7.00", "2.50")], pa.decimal128(9, 2)),
            [7, NO],
        ),
        # Not whole by less than float64 can tell; and beyond int64.
        (
            pa.array(
                [decimal.Decimal("5.00000000000000000000001"), decimal.Decimal(5)],
                pa.decimal128(38, 23),
            ),
            [NO, 5],
        ),
        (pa.array([decimal.Decimal(2**64 + 5), decimal.Decimal(1)], pa.decimal128(38)), [NO, 1]),
        (
            pa.array([decimal.Decimal(10) ** 60, decimal.Decimal(3)], pa.decimal256(76, 10)),
            [NO, 3],
        ),
        (pa.array([None, None]), [NO, NO]),
    ],
)
def test_columns_of_any_type_become_integers(array, expected):
    values = to_integers(pa.chunked_array([array]))
    assert values.tolist() == expected
    assert values.dtype in (np.int32, np.int64)


def test_values_may_have_names_and_none_stands_for_a_missing_one():
    column = pa.chunked_array([["os", " WS ", "2", "x", None, "-1"]])
    assert to_integers(column, ["OS", "WS", "IS"]).tolist() == [0, 1, 2, NO, NO, NO]
    for kind in (pa.uint8(), pa.uint64()):
        assert to_integers(pa.chunked_array([pa.array([1, None], kind)])).tolist() == [1, NO]


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_a_column_of_the_very_name_wins(tmp_path, kind):
    path = tmp_path / f"in.{kind}"
    table = pa.table([[64], [9], [9], [5], [6], [7]], ["MAC_Budget", "M", "K", "m", "n", "k"])
    if kind == "csv":
        pacsv.write_csv(table, path)
    else:
        pq.write_table(table, path)
    run(files(path), tmp_path)
    (row,) = read(tmp_path).to_pylist()
    assert (row["m"], row["n"], row["k"]) == (5, 6, 7)


@pytest.mark.parametrize("kind", ["csv", "parquet"])
@pytest.mark.parametrize("twice", ["m", "M"])
def test_a_column_that_is_there_twice_is_refused(tmp_path, kind, twice):
    path = tmp_path / f"in.{kind}"
    table = pa.table([[64], [9], [5], [6], [7]], ["mac_budget", twice, twice, "n", "k"])
    if kind == "csv":
        path.write_text(f"mac_budget,{twice},{twice},n,k\n64,9,5,6,7\n")
    else:
        pq.write_table(table, path)
    message = (
        rf"in\.{kind}: cannot be read: there are several columns m: {twice}, {twice}; expected"
    )
    with pytest.raises(ValueError, match=message) as error:
        run(files(path), tmp_path)
    assert "\n" not in str(error.value)


def test_rejects_are_inert_short_and_printable(tmp_path):
    cells = ["=1+1", "\ufeff=1+1", "-5", "\x1b[31m" + "z" * 100_000]
    table = {"mac_budget": ["64"] * 4, "m": cells, "n": ["5"] * 4, "k": ["5"] * 4}
    pq.write_table(pa.table(table), tmp_path / "in.parquet")
    run(files(tmp_path / "in.parquet"), tmp_path)
    assert close(tmp_path) == 4
    with (tmp_path / "rejects.csv").open() as file:
        values = [row["value"] for row in csv.DictReader(file)]
    assert values[:3] == ["'=1+1", "\\ufeff=1+1", "-5"]
    assert values[3].startswith("\\x1b[31mzzz")
    assert len(values[3]) == 80


def test_what_stands_for_no_number_is_shown_as_it_is(tmp_path):
    (tmp_path / "in.csv").write_text("mac_budget,m,n,k\n64,nan,5,5\n64,N/A,5,5\n64,,5,5\n")
    nan = {"mac_budget": [64], "m": [float("nan")], "n": [5], "k": [5]}
    pq.write_table(pa.table(nan), tmp_path / "in.parquet")
    run(files(tmp_path / "in.csv", tmp_path / "in.parquet"), tmp_path)
    close(tmp_path)
    with (tmp_path / "rejects.csv").open() as file:
        assert [row["value"] for row in csv.DictReader(file)] == ["nan", "N/A", "null", "nan"]


def test_strict_stops_at_the_first_and_keeps_finished_shards(tmp_path):
    data = workloads(300)
    data["n"][250] = 0
    pq.write_table(pa.table(data), tmp_path / "in.parquet")
    with pytest.raises(ValueError, match=r"in\.parquet: row 251: n: 0 is not allowed; expected"):
        run(files(tmp_path / "in.parquet"), tmp_path, strict=True)
    assert not (tmp_path / "labels" / "part-00000-000002.parquet").exists()
    finished = {path.name for path in (tmp_path / "labels").glob("part-*")}
    assert finished <= {"part-00000-000000.parquet", "part-00000-000001.parquet"}


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("missing.parquet", None, r"missing\.parquet: cannot be read"),
        ("broken.parquet", b"PAR1 not really", r"broken\.parquet: cannot be read"),
        ("empty.csv", b"", r"empty\.csv: cannot be read"),
        ("columns.csv", b"m,n\n1,2\n", r"columns\.csv: .* no column mac_budget, k, only m, n"),
        ("ragged.csv", b"mac_budget,m,n,k\n64,1,2,3\n64,1\n", r"ragged\.csv: cannot be read"),
    ],
)
def test_unreadable_inputs_are_named_in_one_line(tmp_path, name, content, message):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=message) as error:
        run(files(tmp_path / name), tmp_path)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", ["fifo.csv", "fifo.parquet"])
def test_a_fifo_is_not_waited_for(tmp_path, name):
    os.mkfifo(tmp_path / name)
    with pytest.raises(ValueError, match=f"{name}: cannot be read: not a regular file"):
        run(files(tmp_path / name), tmp_path)
    if name.endswith(".parquet"):
        with pytest.raises(ValueError, match="not a regular file"):
            _ = files(tmp_path / name).num_rows


def test_a_failing_disk_ends_the_run_with_finished_shards_intact(tmp_path, monkeypatch):
    pq.write_table(pa.table(workloads(500)), tmp_path / "in.parquet")
    write = pq.ParquetWriter.write_table

    def full(self, table, *arguments, **options):
        if len(list((tmp_path / "labels").glob("part-*"))) >= 2:
            raise OSError(28, "No space left on device")
        return write(self, table, *arguments, **options)

    monkeypatch.setattr(pq.ParquetWriter, "write_table", full)
    with pytest.raises(OSError, match="No space left"):
        run(files(tmp_path / "in.parquet"), tmp_path)
    for path in (tmp_path / "labels").glob("part-*"):
        assert pq.read_metadata(path).num_rows == 100
    monkeypatch.undo()
    assert run(files(tmp_path / "in.parquet"), tmp_path) == 500
    assert [manifest(tmp_path).read(name).rows for name in manifest(tmp_path).names()] == [100] * 5
    assert not list((tmp_path / "labels").glob(".*"))


def test_shares_of_processes_make_up_the_whole(tmp_path):
    data = pa.table(workloads(1000))
    pq.write_table(data, tmp_path / "in.parquet")
    source = files(tmp_path / "in.parquet")
    run(source, tmp_path / "one")
    for index in range(3):
        run(source, tmp_path / "three", process=Process(index=index, count=3))
    for path in sorted((tmp_path / "one" / "labels").iterdir()):
        assert path.read_bytes() == (tmp_path / "three" / "labels" / path.name).read_bytes()


@pytest.mark.slow
def test_more_devices_give_the_same_bytes(tmp_path):
    pq.write_table(pa.table(workloads(3000)), tmp_path / "in.parquet")
    code = (
        "import sys, pathlib, jax; sys.path.insert(0, 'tests'); import test_labelling as t;"
        "assert jax.local_device_count() == 3;"
        "folder = pathlib.Path(sys.argv[1]);"
        "data = t.workloads(3000); ours = t.label(t.BudgetedGemm(**data));"
        "t.np.save(folder / 'ids.npy', ours.design_id);"
        "t.np.save(folder / 'cycles.npy', ours.cost);"
        "t.run(t.files(folder / 'in.parquet', shard_rows=1300), folder / 'three')"
    )
    flags = {"XLA_FLAGS": "--xla_force_host_platform_device_count=3", "JAX_PLATFORMS": "cpu"}
    subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], check=True, cwd=ROOT, env=os.environ | flags
    )
    alone = label(BudgetedGemm(**workloads(3000)))
    np.testing.assert_array_equal(np.load(tmp_path / "ids.npy"), alone.design_id)
    np.testing.assert_array_equal(np.load(tmp_path / "cycles.npy"), alone.cost)
    run(files(tmp_path / "in.parquet", shard_rows=1300), tmp_path / "one")
    for path in sorted((tmp_path / "one" / "labels").iterdir()):
        assert path.read_bytes() == (tmp_path / "three" / "labels" / path.name).read_bytes()
