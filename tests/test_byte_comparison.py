"""The comparison of whole files with the scalesim package, which a stand-in replaces here."""

import dataclasses
import re

import numpy as np
import pytest

from airchitect_jax.scalesim.package_process import Package, PackageOutput, read_files
from airchitect_jax.studies.scalesim_validation import (
    KINDS,
    compare_files,
    file_summary,
    file_table,
)
from airchitect_jax.studies.scalesim_validation.byte_comparison import first_difference
from airchitect_jax.studies.scalesim_validation.random_files import random_files


def test_the_interpreter_of_the_package_must_exist(tmp_path):
    with pytest.raises(ValueError, match=f"package_python: {tmp_path} is not allowed; expected"):
        Package(str(tmp_path))


ENDING = """\
#!/bin/sh
echo '{"error": null, "scalesim": "3.0.0", "numpy": "2.3.5"}'
exec 1>&-
exit 3
"""
NEW = """\
#!/bin/sh
echo '{"error": null, "scalesim": "3.0.0", "numpy": "2.10.0"}'
"""
MISSING = """\
#!/bin/sh
echo '{"error": "No module named scalesim"}'
"""


def interpreter(path, text):
    path.write_text(text)
    path.chmod(0o755)
    return str(path)


def test_a_process_that_ends_is_named(tmp_path):
    inputs = random_files("gemm", 0).write(tmp_path / "run")
    with (
        Package(interpreter(tmp_path / "python", ENDING)) as package,
        pytest.raises(ValueError, match="the scalesim package ended its process, with status 3"),
    ):
        package.run(inputs)


def test_a_numpy_that_is_too_new_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"scalesim package crashes with numpy 2\.10\.0, which"):
        Package(interpreter(tmp_path / "python", NEW))


def test_a_missing_package_names_its_extra(tmp_path):
    with pytest.raises(ValueError, match=r"No module.*: pip install 'airchitect-jax\[scalesim\]'"):
        Package(interpreter(tmp_path / "python", MISSING))


def test_the_first_difference_has_file_line_and_both_texts():
    package = {"a": b"1\n2\n", "b": b"x\n", "c": b""}
    assert first_difference(package, package) == ""
    assert first_difference(package, package | {"a": b"1\n3\n", "b": b""}) == (
        "a: line 2: '3', package '2'"
    )
    assert first_difference(package, package | {"b": b"x"}) == "b: line 2: '(no line)', package ''"
    assert (
        first_difference(package, package | {"d": b""}) == "d: the package does not write this file"
    )
    assert first_difference(package | {"d": b""}, package) == "d: only the package writes this file"


class StandIn:
    """In place of a process that runs the package: copies the topology, or crashes on GEMMs."""

    versions = {"scalesim": "3.0.0", "numpy": "2.3.5"}  # noqa: RUF012

    def __init__(self):
        self.runs = 0

    def run(self, inputs):
        self.runs += 1
        output = inputs.folder / "package"
        output.mkdir()
        error = "IndexError: none" if inputs.gemm else None
        if error is None:
            (output / "report.csv").write_bytes(inputs.topology.read_bytes())
        return PackageOutput(files=read_files(output), error=error, lines=[], seconds=0.5)


def copies(inputs, folder):
    """What the stand-in does, as ours."""
    if inputs.gemm:
        raise ValueError("gemm: 1 is not allowed; expected none")
    folder.mkdir()
    (folder / "report.csv").write_bytes(inputs.topology.read_bytes())


def worse(inputs, folder):
    folder.mkdir()
    (folder / "report.csv").write_bytes(inputs.topology.read_bytes() + b"end")


PLAN = [("gemm", 0), ("convolution", 0), ("convolution", 1)]


def test_runs_are_equal_or_refused_and_the_package_runs_once(tmp_path):
    package = StandIn()
    for _ in range(2):
        outcomes = list(compare_files(PLAN, tmp_path, package, copies))
        assert [outcome.status.value for outcome in outcomes] == ["crashed in both", *["equal"] * 2]
        assert [path.name for path in tmp_path.iterdir()] == ["package.jsonl"]
    assert package.runs == 3
    assert file_table(outcomes).rows == [
        ("gemm", "1", "0", "1", "0", "0"),
        ("convolution", "2", "2", "0", "0", "0"),
    ]
    summary = file_summary(outcomes)
    assert summary["differences"] == []
    assert summary["package_seconds"] == 1.5
    assert summary["runs"]["convolution"]["equal"] == 2


def test_files_of_runs_that_differ_stay(tmp_path):
    outcomes = list(compare_files(PLAN, tmp_path, StandIn(), worse))
    assert [outcome.status.value for outcome in outcomes] == ["different"] * 3
    assert outcomes[0].difference == "the package crashes: IndexError: none"
    assert re.fullmatch(r"report.csv: line \d+: '.*end', package '.*'", outcomes[1].difference)
    stays = tmp_path / "convolution_1"
    assert {path.name for path in stays.iterdir()} == {
        *("scale.cfg", "topology.csv", "layout.csv", "package", "ours")
    }


def test_a_refusal_of_what_the_package_runs_is_a_difference(tmp_path):
    def refuses(inputs, folder):
        raise ValueError("rows: 1 is not allowed; expected 2")

    (outcome,) = compare_files([("convolution", 0)], tmp_path, StandIn(), refuses)
    assert outcome.difference == "ours refuses: rows: 1 is not allowed; expected 2"


@pytest.mark.parametrize("kind", KINDS)
def test_random_files_are_the_same_each_time(kind, tmp_path):
    files, again = random_files(kind, 7), random_files(kind, 7)
    assert dataclasses.replace(files, latencies={}) == dataclasses.replace(again, latencies={})
    for name, values in files.latencies.items():
        np.testing.assert_array_equal(values, again.latencies[name])
    assert files.config != random_files(kind, 8).config
    inputs = files.write(tmp_path / "run")
    assert read_files(inputs.folder) == read_files(again.write(tmp_path / "again").folder)
