"""Stored runs of the scalesim package: ours writes the same bytes, or refuses where it crashes."""

import hashlib
import json
import pathlib

import numpy as np
import pytest

from airchitect_jax.scalesim.package_process import RunInputs, read_files
from airchitect_jax.studies.scalesim_validation import our_files

FOLDER = pathlib.Path(__file__).parent / "testdata" / "scalesim_runs"
RUNS = {path.stem: json.loads(path.read_text()) for path in sorted(FOLDER.glob("*.json"))}


def written(record, folder):
    """The stored inputs, as files."""
    inputs = RunInputs(folder=folder, gemm=record["gemm"], traces=record["traces"])
    (folder / "results").mkdir(parents=True)
    inputs.config.write_text(record["config"])
    inputs.topology.write_text(record["topology"])
    inputs.layout.write_text(record["layout"])
    for name, values in record["latencies"].items():
        np.save(folder / "results" / name, np.array(values, np.int64))
    return inputs


def kept(files):
    """What is stored of files: reports as text; traces, in folders of their layers, as SHA-256."""
    return {
        name: data.decode() if name.count("/") < 2 else hashlib.sha256(data).hexdigest()
        for name, data in files.items()
    }


@pytest.mark.parametrize("kind", RUNS)
def test_ours_writes_the_bytes_of_the_package(kind, tmp_path):
    for record in RUNS[kind]:
        inputs = written(record, tmp_path / str(record["seed"]))
        output = tmp_path / f"{record['seed']}_ours"
        if record["error"] is not None:
            with pytest.raises(ValueError, match=r": ") as caught:
                our_files(inputs, output)
            assert "\n" not in str(caught.value)
            continue
        our_files(inputs, output)
        assert kept(read_files(output)) == record["files"], record["seed"]


def test_all_kinds_are_stored():
    assert len(RUNS) == 10
    assert all(any(run["traces"] for run in runs) for runs in RUNS.values())
