"""Finished shards are verified; pieces are read alone; files lie on any file system."""

import json
import pickle

import engine_runs
import fsspec
import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
import pytest
import scripts
from hypothesis import given, settings
from hypothesis import strategies as st

from airchitect_jax.case_studies import ArrayDataflowCase
from airchitect_jax.labelling import ArrayDataflowTask, Engine, Location, Manifest, SampledSource
from airchitect_jax.labelling.sources import shard_name
from airchitect_jax.labelling.table_files import TableFile

SAMPLE = SampledSource(case=ArrayDataflowCase(), num_rows=250, shard_rows=100, seed=4)
NAMES = [shard_name(0, shard) for shard in range(3)]


def contents(folder):
    found = sorted((folder / "labels").glob("*")) + sorted((folder / "rejects").glob("*"))
    return {path.name: path.read_bytes() for path in found}


def swap(labels):
    first, second, _ = sorted(labels.iterdir())
    content = first.read_bytes()
    first.write_bytes(second.read_bytes())
    second.write_bytes(content)


def truncate(labels):
    path = labels / f"{NAMES[1]}.parquet"
    path.write_bytes(path.read_bytes()[:-9])


def flip(labels):
    path = labels / f"{NAMES[2]}.parquet"
    content = bytearray(path.read_bytes())
    content[50] ^= 1
    path.write_bytes(content)


def forget(labels):
    (labels.parent / "manifest" / f"{NAMES[0]}.json").write_text("{")


@pytest.mark.parametrize(
    ("damage", "blamed", "why"),
    [
        (swap, NAMES[:2], "its checksum differs"),
        (truncate, [NAMES[1]], "its checksum differs"),
        (flip, [NAMES[2]], "its checksum differs"),
        (lambda labels: (labels / f"{NAMES[1]}.parquet").unlink(), [NAMES[1]], "missing"),
        (forget, [NAMES[0]], "not in the manifest"),
    ],
)
def test_damaged_shards_are_named_and_made_again(tmp_path, damage, blamed, why):
    engine_runs.run(SAMPLE, tmp_path)
    before = contents(tmp_path)
    damage(tmp_path / "labels")
    lines = []
    assert engine_runs.run(SAMPLE, tmp_path, damage=lines) == 250
    assert len(lines) == len(blamed)
    for line, name in zip(lines, blamed, strict=True):
        assert f"{name}.parquet: {why}" in line
        assert line.endswith("made again")
    assert contents(tmp_path) == before


def test_rejects_are_verified_as_well(tmp_path):
    (tmp_path / "in.csv").write_text("mac_budget,m,n,k\n64,1,2,3\n64,0,2,3\n")
    source = engine_runs.files(tmp_path / "in.csv")
    engine_runs.run(source, tmp_path)
    before = contents(tmp_path)
    (path,) = (tmp_path / "rejects").iterdir()
    path.unlink()
    lines = []
    engine_runs.run(source, tmp_path, damage=lines)
    assert lines == [f"{path}: missing; made again"]
    assert contents(tmp_path) == before
    assert engine_runs.close(tmp_path) == 1


def test_shards_of_another_run_are_refused(tmp_path):
    engine_runs.run(SAMPLE, tmp_path, run_id="one")
    with pytest.raises(ValueError, match=r"000000\.json: a shard of another run; give another"):
        engine_runs.run(SAMPLE, tmp_path, run_id="two")


def test_foreign_labels_are_refused_at_the_end(tmp_path):
    engine_runs.run(SAMPLE, tmp_path)
    foreign = tmp_path / "labels" / "part-00009-000000.parquet"
    foreign.write_bytes((tmp_path / "labels" / f"{NAMES[0]}.parquet").read_bytes())
    with pytest.raises(ValueError, match=r"part-00009-000000\.parquet: not of this run; remove it"):
        engine_runs.close(tmp_path)
    foreign.unlink()
    assert engine_runs.close(tmp_path) == 0


@given(
    group_rows=st.integers(1, 90),
    shard_rows=st.integers(1, 90),
    num_rows=st.integers(0, 200),
    chosen=st.sets(st.integers(0, 20)),
)
@settings(deadline=None, max_examples=60)
def test_shards_and_pieces_hold_their_rows(
    tmp_path_factory, group_rows, shard_rows, num_rows, chosen
):
    path = tmp_path_factory.mktemp("rows") / "in.parquet"
    rows = np.arange(num_rows)
    pq.write_table(pa.table({"m": rows}), path, row_group_size=group_rows)
    source = engine_runs.files(path, columns=("m",), shard_rows=shard_rows)
    assert source.num_rows == num_rows
    shards = {
        shard.name: shard.table["m"].to_pylist()
        for shard in source.shards(lambda file, shard, name: shard in chosen)
    }
    count = -(-num_rows // shard_rows)
    assert shards == {
        shard_name(0, shard): rows[shard * shard_rows : (shard + 1) * shard_rows].tolist()
        for shard in sorted(chosen)
        if shard < count
    }
    pieces = list(source.pieces())
    assert [piece.first for piece in pieces] == [0, *(piece.end for piece in pieces[:-1])][:count]
    in_pieces = [
        (shard.first_row, len(shard.table))
        for piece in pieces
        for shard in source.shards(lambda *_: True, piece)
    ]
    assert in_pieces == [
        (first + 1, min(shard_rows, num_rows - first)) for first in range(0, num_rows, shard_rows)
    ]


def test_a_piece_reads_only_its_row_groups(tmp_path):
    path = tmp_path / "in.parquet"
    pq.write_table(pa.table({"m": np.arange(1000)}), path, row_group_size=100)
    file = TableFile(Location(str(path)), ("m",), {})
    found = file.batches(lambda first, end: first < 350 < end, 1 << 20)
    assert [(first, len(batch)) for first, batch in found] == [(300, 100)]
    # One row group of everything has to be read from its beginning: one piece.
    pq.write_table(pa.table({"m": np.arange(1000)}), path)
    pieces = list(engine_runs.files(path, columns=("m",), shard_rows=100).pieces())
    assert [(piece.first, piece.end) for piece in pieces] == [(0, 1), (1, 10)]


def test_pieces_make_the_same_bytes_as_the_whole(tmp_path):
    rng = np.random.default_rng(0)
    table = pa.table({"mac_budget": [64] * 530, **{d: rng.integers(1, 99, 530) for d in "mnk"}})
    pq.write_table(table, tmp_path / "a.parquet", row_group_size=130)
    pacsv.write_csv(table, tmp_path / "b.csv")
    source = engine_runs.files(tmp_path / "a.parquet", tmp_path / "b.csv")
    engine_runs.run(source, tmp_path / "whole")
    for piece in reversed(list(source.pieces())):
        engine_runs.run(source, tmp_path / "pieces", piece=pickle.loads(pickle.dumps(piece)))
    assert contents(tmp_path / "pieces") == contents(tmp_path / "whole")
    assert len(contents(tmp_path / "whole")) == 12


def test_files_and_shards_on_another_file_system(tmp_path):
    remote = fsspec.filesystem("memory")
    engine_runs.run(SAMPLE, tmp_path)
    inputs = pq.read_table(tmp_path / "labels" / f"{NAMES[0]}.parquet")
    with remote.open("/in.parquet", "wb") as file:
        pq.write_table(inputs.select(["mac_budget", "m", "n", "k"]), file)
    source = engine_runs.files("memory://in.parquet")
    manifest = Manifest(folder=Location("memory://out/run"))
    engine = pickle.loads(
        pickle.dumps(Engine(task=ArrayDataflowTask(), source=source, manifest=manifest))
    )
    for made in (True, False):
        seen = []
        engine.run(lambda shard, made_now, seen=seen: seen.append((shard.rows, made_now)), print)
        assert seen == [(100, made)]
    assert manifest.names() == [NAMES[0]]
    with remote.open(f"/out/run/labels/{NAMES[0]}.parquet", "rb") as file:
        assert pq.read_table(file).equals(inputs)
    remote.rm("/out", recursive=True)


@pytest.mark.parametrize(
    ("uri", "message"),
    [
        ("memory://nothing.parquet", "cannot be read"),
        ("nosuch://bucket/a.parquet", "nosuch://bucket/a.parquet: .*nosuch"),
    ],
)
def test_unknown_places_are_named_in_one_line(uri, message):
    with pytest.raises(ValueError, match=message) as error:
        engine_runs.files(uri).check()
    assert "\n" not in str(error.value)


def test_names_in_a_folder_keep_the_query_of_the_uri():
    place = Location("s3://bucket/run?region=x")
    assert str(place / "labels" / "a.parquet") == "s3://bucket/run/labels/a.parquet?region=x"
    assert str(Location("runs/a") / "b?.csv") == "runs/a/b?.csv"


@pytest.mark.slow
def test_the_script_on_faults(tmp_path):
    """A limit of rejects, JSON lines, statistics of a run that has nothing to do."""
    (tmp_path / "in.csv").write_text("mac_budget,m,n,k\n64,1,2,3\n64,0,2,3\n64,0,2,3\n")
    base = ("experiments.label_workloads", "--input=in.csv", "--workdir=run", "--shard_rows=2")
    limited = scripts.run(*base, "--max_rejects=1", "--log_format=json", folder=tmp_path)
    assert limited.returncode == 2
    (line,) = limited.stderr.splitlines()
    assert "--max_rejects: 2 rows or more cannot be labelled" in json.loads(line)["message"]
    done = scripts.run(*base, "--max_rejects=2", "--log_format=json", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert events[-1]["event"] == "finished"
    assert (events[-1]["rows_labelled"], events[-1]["rows_rejected"]) == (1, 2)
    summary = (tmp_path / "run" / "summary.json").read_bytes()
    again = scripts.run(*base, folder=tmp_path)
    assert again.returncode == 0, again.stderr
    assert (tmp_path / "run" / "summary.json").read_bytes() == summary
