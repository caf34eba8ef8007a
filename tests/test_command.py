"""The console command: subcommands, their help, completion, and extras that are missing."""

import os
import shutil
import subprocess
import sys

import pytest
import scripts

from airchitect_jax.experiments import command, completion
from tools import write_flags

# Each script by name, in a fork of a process where the modules of extras cannot be found.
WITHOUT_EXTRAS = """
import os, runpy, sys
class Hidden:
    def find_spec(name, *_):
        if name.partition(".")[0] in {extras}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Hidden)
from airchitect_jax.experiments import missing_extras
import chex, flax.nnx, jax, numba, optax, orbax.checkpoint, rich.table, scipy.stats
missing_extras.install()
for name, *arguments in {commands}:
    child = os.fork()
    if not child:
        sys.argv = [name, *arguments]
        module = f"airchitect_jax.experiments.{{name}}"
        runpy.run_module(module, run_name="__main__", alter_sys=True)
        sys.exit()
    print("status", name, os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""
EXTRAS = ["evosax", "matplotlib", "onnx", "optuna", "pyarrow", "ray", "sklearn", "torch", "xgboost"]


@pytest.fixture
def airchitect(monkeypatch, capsys):
    """Runs the command in this process; what it printed, and its status."""

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["airchitect", *arguments])
        status = 0
        try:
            command.main()
        except SystemExit as end:
            status = end.code
        return status, *capsys.readouterr()

    return run


def test_the_command_lists_all_scripts(airchitect):
    for arguments in ((), ("--help",)):
        status, printed, _ = airchitect(*arguments)
        assert status == 0
        assert "  recommend          The best accelerator for your networks" in printed
    assert {"case_study1", "explain", "runner"} & set(command.summaries()) == {"case_study1"}
    assert all(command.summaries().values())


def test_a_wrong_name_is_one_line(airchitect):
    assert airchitect("recomend") == (
        2, "", "error: 'recomend' is not a command; did you mean recommend?\n",
    )  # fmt: skip
    assert "airchitect --help lists them" in airchitect("zzz")[2]
    assert "expected one shell of bash, zsh, fish" in airchitect("completion", "tcsh")[2]


def test_a_script_runs_with_its_flags_and_its_help_ends_well():
    run = [sys.executable, "-c", "from airchitect_jax.experiments.command import main; main()"]
    environment = os.environ | {"PYTHONPATH": scripts.PYTHONPATH}
    done = subprocess.run(
        [*run, "test_set", "--help"], capture_output=True, text=True, env=environment
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "--set: <" in done.stdout
    bad = subprocess.run(
        [*run, "test_set", "--sett=1"], capture_output=True, text=True, env=environment
    )
    assert bad.returncode == 2
    assert bad.stderr.startswith("error: Unknown command line flag 'sett'")


def test_completion_knows_commands_flags_and_values(airchitect):
    assert airchitect("complete", "case_study") == (
        0, "case_study\ncase_study1\ncase_study2\ncase_study3\n", "",
    )  # fmt: skip
    assert airchitect("complete", "recommend", "--mac_b")[1] == "--mac_budget=\n"
    assert airchitect("complete", "recommend", "--x=1", "--objective=c")[1] == (
        "--objective=cycles\n"
    )
    assert airchitect("complete", "optimize", "--nore")[1] == "--noresume\n"
    assert airchitect("complete", "recommend", "--workload=a")[1] == ""  # the shell's own: files
    assert airchitect("complete", "none", "--a")[1] == ""
    assert set(airchitect("complete", "")[1].split()) > set(command.summaries())


@pytest.mark.skipif(not shutil.which("bash"), reason="needs bash")
def test_bash_completes(tmp_path):
    stub = tmp_path / "airchitect"
    code = "from airchitect_jax.experiments.command import main; main()"
    stub.write_text(f'#!/bin/sh\nexec {sys.executable} -c "{code}" "$@"\n')
    stub.chmod(0o755)
    (tmp_path / "functions").write_text(completion.SHELLS["bash"])
    lines = ["airchitect recom", "airchitect recommend --objective=e", "airchitect release "]
    calls = "".join(
        f'COMP_LINE="{line}"; COMP_POINT={len(line)}; _airchitect; echo "${{COMPREPLY[*]}}"\n'
        for line in lines
    )
    done = subprocess.run(
        ["bash", "-c", f". {tmp_path}/functions\ncompopt() {{ :; }}\n{calls}"],
        capture_output=True,
        text=True,
        env=os.environ
        | {"PATH": f"{tmp_path}:{os.environ['PATH']}", "PYTHONPATH": scripts.PYTHONPATH},
    )
    first, second, third = done.stdout.splitlines()
    assert (first, second) == ("recommend", "energy edp")
    assert third.split()[:2] == ["--help", "--kind="]


@pytest.mark.slow
def test_flags_are_those_of_the_scripts():
    texts = {
        name: scripts.run(f"experiments.{name}", "--helpxml").stdout for name in command.summaries()
    }
    found = {name: write_flags.own_flags(text) for name, text in texts.items()}
    assert write_flags.FILE.read_text() == write_flags.text_of(found)
    assert write_flags.PAGE.read_text() == write_flags.page_of(texts)


@pytest.mark.slow
def test_missing_extras_end_each_script_with_one_line(tmp_path):
    """At its import, if it needs them at all; the recommendation goes without figures."""
    commands = [(name, "--help") for name in command.summaries()]
    flags = ("--workload=dlrm", f"--workdir={tmp_path / 'exact'}")
    commands += [("recommend", *flags), ("recommend", "--workload=model.onnx", flags[1])]
    commands += [("recommend", flags[0], "--platform=gemmini", f"--workdir={tmp_path / 'chip'}")]
    commands += [("label_workloads", "--sample=10", f"--workdir={tmp_path / 'labels'}")]
    (tmp_path / "model.onnx").write_bytes(b"")
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_EXTRAS.format(extras=EXTRAS, commands=commands)],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": scripts.PYTHONPATH},
    )
    assert "Traceback" not in done.stderr, done.stderr
    ends = [line.split()[1:] for line in done.stdout.splitlines() if line.startswith("status ")]
    assert len(ends) == len(commands)
    failed = [name for name, status in ends if status == "2"]
    errors = done.stderr.splitlines()
    assert {status for _, status in ends} == {"0", "2"}
    assert len(errors) == len(failed), done.stderr
    assert all("pip install 'airchitect-jax[" in line for line in errors), errors
    assert {"case_study1", "compare_models", "design_space", "label_workloads"} <= set(failed)
    assert failed.count("recommend") == 1  # of an ONNX file
    for run in ("exact", "chip"):
        assert (tmp_path / run / "summary.json").exists()
        assert (tmp_path / run / "report.html").exists()
        assert not (tmp_path / run / "figures").exists()
