"""BUILD files are what their script writes, and the lock has all that they name."""

import graphlib
import pathlib
import re
import subprocess
import sys
import tomllib

import pytest

from tools import write_build

ROOT = pathlib.Path(__file__).parent.parent
BUILDS = [path for folder in (ROOT / "docs", *write_build.TOPS) for path in folder.rglob("BUILD")]
LOCK = ROOT / "requirements_lock.txt"


def normal(name):
    """A distribution's name as labels have it."""
    return re.sub(r"[-_.]+", "_", name).lower()


def locked():
    return re.findall(r"^([\w.-]+)==", LOCK.read_text(), re.MULTILINE)


def declared():
    """The distributions of pyproject.toml, in all extras."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    lines = sum(project["optional-dependencies"].values(), project["dependencies"])
    return {normal(re.split(r"[\[<>=!~]", line)[0]) for line in lines} - {normal(project["name"])}


def labels():
    """The distributions that BUILD files name."""
    return {name for path in BUILDS for name in re.findall(r'"@pypi//(\w+)"', path.read_text())}


def test_build_files_are_what_the_script_writes():
    texts = write_build.build_files()
    assert {ROOT / "BUILD", *BUILDS} == set(texts)
    for path, text in texts.items():
        assert path.read_text() == text, f"{path}: run python -m tools.write_build --write"


def test_libraries_depend_one_way():
    graph = {}
    for path in (path for top in write_build.TOPS for path in top.rglob("*.py")):
        if not path.name.startswith("test_"):
            own = write_build.library(path)
            graph.setdefault(own, set()).update(write_build.needs(path) - {own})
    graphlib.TopologicalSorter(graph).prepare()  # raises CycleError


def test_third_party_packages_are_in_pyproject():
    assert labels() <= declared()


def test_the_lock_has_each_package_once_and_all_that_are_declared():
    names = [normal(name) for name in locked()]
    assert len(names) == len(set(names))
    assert declared() - set(write_build.UNLOCKED) <= set(names)
    assert labels() <= set(names)


def test_the_lock_names_no_place_and_hashes_each_package():
    text = LOCK.read_text()
    assert not re.search(r"https?:|file:|--(?!hash=sha256:)| @ ", text)
    assert len(re.findall(r"^\S+==\S+ \\\n    --hash", text, re.MULTILINE)) == len(locked())


@pytest.mark.slow
def test_the_lock_can_be_installed(tmp_path):
    """For the platform that it is for, whatever this one is; it needs the network."""
    options = ["--dry-run", "--quiet", "--require-hashes", "--only-binary=:all:"]
    options += ["--python-version=3.11", f"--target={tmp_path}", "--platform=manylinux2014_x86_64"]
    options += [f"--platform=manylinux_2_{glibc}_x86_64" for glibc in range(17, 29)]
    subprocess.run(
        [sys.executable, "-m", "pip", "install", *options, "-r", LOCK], check=True, timeout=1500
    )
