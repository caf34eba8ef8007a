"""Every command of README.md and docs/*.md runs as it is written there, but for its sizes.

A command keeps its own flags and its default inputs, all packaged networks among them. Only the
flags of `SIZES` make its run short. A script that is not in that table fails the tests, so that a
new command is covered or noticed.
"""

import functools
import importlib.util
import itertools
import re
import shlex
import socket
import tomllib

import numpy as np
import pytest
import scripts
from documented_inputs import write_inputs

PAGES = [scripts.ROOT / "README.md", *sorted((scripts.ROOT / "docs").glob("*.md"))]
_LEARNING = [
    "--preset=smoke",
    "--num_train=2048",
    "--num_test=200",
    "--num_validation=200",
    "--epochs=1",
    "--batch_size=256",
]
_COMPARISON = ["--budget_seconds=0.2", "--num_test=100", "--num_validation=100", "--batch_size=128"]
# Flags of size for each script, the smallest that work. The last of two equal flags counts.
SIZES = {
    "benchmarks.decisions": ["--repeats=1", "--side=8", "--max_arrays=2"],
    "benchmarks.optimize": ["--largest=0", "--time_limit=1"],
    "experiments.airchitect_v2": [
        "--num_networks=1",
        "--epochs=1",
        "--forest_trees=2",
        "--batch_size=64",
    ],
    "experiments.case_study": _LEARNING,
    "experiments.case_study1": _LEARNING,
    "experiments.case_study2": _LEARNING,
    "experiments.case_study3": [*_LEARNING, "--time_limit=1"],
    "experiments.check_certificate": [],
    "experiments.compare_models": [*_COMPARISON, "--seeds=1"],
    "experiments.compare_search": [
        "--num_workloads=4",
        "--tpe_workloads=1",
        "--evaluations=16",
        "--train_seconds=0.2",
        "--seeds=1",
        "--networks=dlrm",  # with --space and --joint
    ],
    "experiments.design_space": ["--num_workloads=10000"],
    "experiments.evaluate_designs": [],
    "experiments.explore": [],
    "experiments.generalisation": _COMPARISON,
    "experiments.label_workloads": [],
    "experiments.learn_networks": ["--preset=smoke"],
    "experiments.learn_simulator": [
        "--preset=smoke",
        "--num_train=256",
        "--num_test=16",
        "--steps=64",
        "--curve=",
        "--rival_train=0",
    ],
    "experiments.optimize": ["--time_limit=2"],
    "experiments.recommend": [],
    "experiments.release": [],
    "experiments.scalesim": [],
    "experiments.score": [],
    "experiments.test_set": [],
    "experiments.validate_gemmini": [],
    "experiments.validate_mappings": [],
    "experiments.validate_scalesim": [
        "--num_files=1",
        "--num_runs=2",
        "--num_workloads=2",
        "--timed_side=8",
    ],
}
# Sizes of the commands that give one, and that only they may have.
SIZES_WHERE_GIVEN = {"sample": 1000, "forest_trees": 0}
# Every searcher runs on case study 1. Other commands that name none run these, by a flag of theirs.
SEARCHERS_WHERE_GIVEN = {
    "joint": "random",
    "space": "random",
    "optimizer": "gradient,surrogate",
    "plugin": "random,rerank",
}
BUCKET = "s3://bucket/"
_PACKAGE = "scalesim.scale"  # of an optional package


def commands_of(page):
    """The command lines of a page's shell blocks, in order, as lists of words."""
    blocks = re.findall(r"^```sh\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)
    lines = "".join(blocks).replace("\\\n", " ").splitlines()
    return [words for line in lines if (words := shlex.split(line, comments=True))]


COMMANDS = {page: commands_of(page) for page in PAGES}


def split_of(words):
    """What a command line runs, as a module or None, and its flags."""
    words = words[words[0] == "srun" :]
    if words[0] == "airchitect":
        return f"experiments.{words[1]}", words[2:]
    return (words[2], words[3:]) if words[:2] == ["python", "-m"] else (None, words)


def module_of(words):
    return split_of(words)[0]


def run_of(words):
    """What a command runs, with its sizes and without its folder."""
    module = module_of(words)
    if module not in SIZES:
        return words
    own, arguments = split_of(words)[1], resized(module, words)
    sizes = arguments[len(own) :]
    replaced = {"--workdir", *(name_of(flag) for flag in sizes)}
    return [module, *sorted(flag for flag in own if name_of(flag) not in replaced), *sizes]


def name_of(flag):
    return flag.partition("=")[0]


def scripts_of(page):
    """The commands that are run for a page.

    Of several that run the same, this is the last one on the last page; also one whose folder a
    later command of its page reads.
    """
    later = [words for other in PAGES[PAGES.index(page) + 1 :] for words in COMMANDS[other]]
    runs, found = [run_of(words) for words in later if module_of(words)], []
    for words in reversed(COMMANDS[page]):
        if module_of(words):
            folders = [word.partition("=")[2] for word in words if name_of(word) == "--workdir"]
            is_read = any(folder in word for folder in folders for word in itertools.chain(*found))
            if is_read or run_of(words) not in runs:
                found.insert(0, words)
            runs.append(run_of(words))
    return found


def check_targets(words):
    """Of `make`: they are in the Makefile."""
    makefile = (scripts.ROOT / "Makefile").read_text()
    assert len(words) > 1
    for target in words[1:]:
        assert "=" in target or re.search(rf"^{target}:", makefile, re.MULTILINE), words


def check_extras(words):
    """Of `pip install`: this package has the extras."""
    project = tomllib.loads((scripts.ROOT / "pyproject.toml").read_text())["project"]
    assert words[1] == "install", words
    for name, extras in re.findall(r"(airchitect-jax|\.)\[([\w,]+)\]", " ".join(words)):
        assert name in (".", project["name"])
        assert set(extras.split(",")) <= set(project["optional-dependencies"]), words


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_each_command_is_known(page):
    for words in COMMANDS[page]:
        if words[0] == "make":
            check_targets(words)
        elif words[0] == "pip":
            check_extras(words)
        elif words[0] != "cd":  # into a folder of a run: the slow test goes there
            assert module_of(words) in {*SIZES, _PACKAGE}, words


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_runs_of_a_page_have_folders_of_their_own(page):
    """A folder belongs to one set of flags; only `recommend` writes over an earlier answer."""
    folders = [
        (module, re.findall(r"(?:--workdir=|-p )(\S+)", " ".join(words)))
        for words in COMMANDS[page]
        if (module := module_of(words)) in SIZES
        and module not in ("experiments.recommend", "experiments.label_workloads")
        and "--help" not in words
    ]
    assert all(folders.count(one) == 1 for one in folders), folders


def test_each_size_is_needed():
    documented = {module_of(words) for commands in COMMANDS.values() for words in commands}
    assert set(SIZES) <= documented


def free_port():
    with socket.socket() as some:
        some.bind(("127.0.0.1", 0))
        return some.getsockname()[1]


def resized(module, words):
    """The command's flags, and those of its size after them."""
    arguments = split_of(words)[1]
    given = {flag.removeprefix("--").partition("=")[0] for flag in arguments}
    arguments = [*arguments, *SIZES[module]]
    arguments += [f"--{name}={size}" for name, size in SIZES_WHERE_GIVEN.items() if name in given]
    if module == "experiments.compare_search" and "searchers" not in given:
        names = [names for flag, names in SEARCHERS_WHERE_GIVEN.items() if flag in given]
        arguments += [f"--searchers={one}" for one in names]
    # There is no cluster: test_ray_engine.py has one.
    arguments = [flag for flag in arguments if not flag.startswith(("--engine=", "--ray_address="))]
    if "distributed" in given:
        # There are no other hosts: this is process 0 of one, and its own coordinator.
        arguments += [f"--coordinator_address=127.0.0.1:{free_port()}"]
        arguments += ["--num_processes=1", "--process_id=0", "--workdir=shared/run"]
    return arguments


def check_run(page, folder, words):
    module = module_of(words)
    if module == _PACKAGE:
        # The package itself is not run here; that the files are there that it is given, is checked.
        named = [words[words.index(flag) + 1] for flag in ("-c", "-t", "-l")]
        written = folder / "runs" / "recommend" / "scalesim"
        assert {path.name for path in written.iterdir()} >= set(named), words
        return
    if module == "experiments.explore":
        return  # serves until it is interrupted: test_explore.py runs it
    write_inputs(folder, page, [word.replace(BUCKET, "") for word in words])
    # There is no object store: its objects are files, by their URIs.
    words = [word.replace(BUCKET, f"file://{folder}/") for word in words]
    result = scripts.run(
        module,
        *resized(module, words),
        folder=folder,
        HOME=str(folder),
        PYTHONPATH=scripts.PYTHONPATH,
        COLUMNS="200",
    )
    printed = f"{shlex.join(words)}\n{result.stdout}\n{result.stderr}"
    assert "Traceback" not in printed, printed
    if "--help" in words:
        assert "flags:" in result.stdout, printed
        assert result.returncode == 0, printed
    elif module == "experiments.validate_scalesim" and not _has_package():
        # Its own tests run it with a stand-in for the package.
        assert result.returncode == 2, printed
        assert "error: the scalesim package" in result.stderr, printed
    elif any("ppo" in word for word in words) and not importlib.util.find_spec("stable_baselines3"):
        # Its own test runs it where the extra is installed.
        assert result.returncode == 2, printed
        assert "searchers: ppo needs stable_baselines3" in result.stderr, printed
    elif module == "experiments.validate_mappings":
        # Its own tests run it with stand-ins for the packages.
        assert result.returncode == 2, printed
        assert "expected an interpreter that has the" in result.stderr, printed
    else:
        assert result.returncode == 0, printed


@functools.cache
def _has_package():
    version = tuple(map(int, np.__version__.split(".")[:2]))
    return importlib.util.find_spec("scalesim") is not None and version < (2, 4)


RUN_PAGES = [page for page in PAGES if scripts_of(page)]


@pytest.mark.slow
@pytest.mark.parametrize("page", RUN_PAGES, ids=lambda page: page.name)
def test_commands_run_in_the_order_of_their_page(page, tmp_path):
    """In a folder of the page's own, whose earlier runs the later ones find."""
    for words in scripts_of(page):
        check_run(page, tmp_path, words)
