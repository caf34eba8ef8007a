"""How scripts end: one line on stderr, whatever goes wrong and whenever they are told to stop."""

import json
import os
import pathlib
import random
import resource
import signal
import subprocess
import sys
import time

import pytest
import rich.table
import scripts

from airchitect_jax import Layer, Network, recommend
from airchitect_jax._support import host_memory, one_line
from airchitect_jax._support.printable import printable
from airchitect_jax.experiments import script

HOSTILE = "\x1b[31mred\x1b]0;title\x07 \x9b \u202e \udcff"
TINY_RUN = (
    *("--preset=smoke", "--num_train=2048", "--batch_size=256", "--num_test=200"),
    *("--num_validation=200", "--epochs=2"),
)
TINY = {
    "airchitect_v2": (),
    "case_study1": TINY_RUN,
    "case_study2": TINY_RUN,
    "case_study3": ("--num_workloads=5",),
    "compare_models": ("--models=mlp2x256", "--budget_seconds=0.5", "--seeds=1", "--num_test=500"),
    "compare_search": ("--searchers=random", "--num_workloads=5", "--seeds=1"),
    "design_space": ("--num_workloads=10000",),
    "generalisation": ("--models=mlp2x256", "--budget_seconds=0.5", "--num_test=500"),
    "label_workloads": ("--sample=200000", "--shard_rows=20000", "--compilation_cache="),
    "optimize": ("--workload=dlrm", "--area_budget=5mm2", "--objective=edp"),
    "recommend": ("--workload=dlrm", "--workload=resnet50"),
    "validate_gemmini": (),
    "validate_scalesim": ("--num_files=1", "--num_runs=2", "--num_workloads=2"),
}
MAIN = ("case_study1", "label_workloads")  # which are stopped more often


def test_text_of_unknown_origin_is_printable_and_short():
    assert printable("plain, naïve 図") == "plain, naïve 図"
    assert printable(HOSTILE) == r"\x1b[31mred\x1b]0;title\x07 \x9b \u202e \udcff"
    assert one_line("a\n  b\tc") == "a b c"
    line = one_line("x" * 600 + HOSTILE + "y" * 5000)
    assert len(line) == 1000
    assert line.startswith("xxx")
    assert " ... " in line
    assert line.endswith("yyy")


@pytest.mark.parametrize("renderable", [HOSTILE, f"[bold]{HOSTILE}", rich.table.Table(HOSTILE)])
def test_the_console_escapes_what_it_is_given(renderable, capsys):
    console = script.make_console()
    console.print(renderable, soft_wrap=True)
    printed = capsys.readouterr().out
    assert r"\x1b[31mred\x1b]0;title" in printed
    assert all(char.isprintable() or char == "\n" for char in printed)


def test_memory_is_asked_for_before_it_is_used(monkeypatch):
    monkeypatch.setattr(host_memory, "available_bytes", lambda: 2 * 10**9)
    host_memory.check_fits("num", 5, 2 * 10**9)
    with pytest.raises(ValueError, match=r"^num: 5 is not allowed; it takes at least 3.0 GB of"):
        host_memory.check_fits("num", 5, 3 * 10**9, "stream it")
    monkeypatch.setattr(host_memory, "available_bytes", lambda: None)
    host_memory.check_fits("num", 5, 10**30)


def test_the_limit_of_a_container_counts(monkeypatch, tmp_path):
    monkeypatch.setattr(host_memory, "_CGROUP", tmp_path)
    on_the_machine = host_memory.available_bytes()
    for name, text in (
        ("memory.max", "5000"),
        ("memory.current", "4000"),
        ("memory.stat", "anon 3500\ninactive_file 500\n"),
    ):
        (tmp_path / name).write_text(text)
    assert host_memory.available_bytes() == 1500
    (tmp_path / "memory.max").write_text("max\n")
    assert host_memory.available_bytes() > on_the_machine // 2


@pytest.mark.parametrize(
    ("module", "arguments", "message"),
    [
        ("case_study1", ["--num_train=20000000000", "--nostream"], "num_train: 20000000000 is not"),
        ("case_study1", ["--num_test=20000000000"], "num_test: 20000000000 is not"),
        ("case_study1", ["--learning_rate=nan"], "--learning_rate: nan is not allowed"),
        ("recommend", ["--dram_pj_per_byte=nan"], "--dram_pj_per_byte: nan is not allowed"),
        ("recommend", ["--workdir=/proc/nowhere"], "--workdir: /proc/nowhere cannot be written"),
        ("recommend", [f"--workload={'x' * 5000}\x1b[31m.csv"], r"\x1b[31m.csv"),
        (
            "label_workloads",
            ["--sample=9", "--distributed", "--coordinator_address=nonsense"],
            "--coordinator_address: nonsense is not allowed; expected HOST:PORT",
        ),
    ],
)
def test_refusals_take_one_line(module, arguments, message, tmp_path):
    arguments = [f"--workdir={tmp_path / 'run'}", *arguments]
    error = scripts.error_of(f"experiments.{module}", *arguments)
    assert message in error
    assert len(error) <= 1010
    assert not (tmp_path / "run").exists()


def test_a_foreign_config_is_refused(tmp_path):
    (tmp_path / "config.json").write_text('{"flags": []}')
    arguments = ("--workload=dlrm", f"--workdir={tmp_path}")
    assert "config.json: flags" in scripts.error_of("experiments.recommend", *arguments)


def finished(command, **options):
    """A script as a user starts it, where `scripts.run` cannot."""
    return subprocess.run(
        command, cwd=scripts.ROOT, capture_output=True, text=True, timeout=300, **options
    )


def test_a_closed_output_takes_one_line(tmp_path):
    shell = f"{sys.executable} -m experiments.recommend --workload=dlrm --workdir={tmp_path}"
    result = finished(["bash", "-c", f"set -o pipefail; {shell} | true"])
    assert result.returncode == 2
    assert result.stderr == "error: standard output was closed before the end\n"


@pytest.mark.slow
def test_a_full_disk_takes_one_line(tmp_path):
    """A limit on the size of files, which a checkpoint exceeds."""
    command = [sys.executable, "-m", "experiments.case_study1", *TINY["case_study1"], "--stream"]
    result = finished(
        [*command, f"--workdir={tmp_path}"],
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000)),
        env=os.environ | {"JAX_ENABLE_COMPILATION_CACHE": "0"},  # JAX warns that it cannot write
    )
    assert result.returncode == 2, result.stderr
    assert result.stderr.startswith("error: ")
    assert len(result.stderr.splitlines()) == 1, result.stderr


def ending(source, tmp_path):
    """Return code and stderr of a script whose main is given, in a process of its own."""
    code = f"from airchitect_jax.experiments import runner\nimport os, signal, time\n{source}\n"
    code += "runner.run_main(main, interrupted='start again')"
    result = finished([sys.executable, "-c", code, f"--workdir={tmp_path}"])
    return result.returncode, result.stderr


@pytest.mark.parametrize(
    "body",
    [
        "raise MemoryError('40 GB')",
        "import jax; raise jax.errors.JaxRuntimeError('RESOURCE_EXHAUSTED: 40 GB')",
    ],
)
def test_out_of_memory_takes_one_line(body, tmp_path):
    status, stderr = ending(f"def main(console): {body}", tmp_path)
    assert status == 2
    assert stderr.startswith("error: out of memory: ")
    assert stderr.endswith("40 GB\n")


def test_a_bug_shows_its_trace(tmp_path):
    status, stderr = ending("def main(console): {}['key']", tmp_path)
    assert status == 1
    assert "KeyError: 'key'" in stderr


SWALLOWS = """
def main(console):
    try:
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(60)
    except BaseException as error:
        print('noise', file=__import__('sys').stderr)
    {then}
"""


@pytest.mark.parametrize(
    "then", ["time.sleep(60)", "return", "raise RuntimeError('made of it')", "os.kill(0, 15)"]
)
def test_an_interruption_that_is_swallowed_still_ends_the_script(then, tmp_path):
    if then.startswith("os.kill"):
        then = "os.kill(os.getpid(), signal.SIGINT)"  # a second one
    status, stderr = ending(SWALLOWS.format(then=then), tmp_path)
    assert stderr in ("terminated; start again\n", "interrupted; start again\n")
    assert status == (143 if stderr.startswith("terminated") else 130)


def test_importing_a_script_has_no_side_effect():
    code = "import signal, experiments.recommend\n"
    code += "print(signal.getsignal(2) is signal.default_int_handler, signal.getsignal(15))"
    result = finished([sys.executable, "-c", code])
    assert result.stdout == f"True {signal.Handlers.SIG_DFL}\n", result.stderr


def test_long_searches_say_where_they_are():
    network = Network(
        name="two", layers=(Layer(name="a", m=8, n=8, k=8), Layer(name="b", m=9, n=8, k=8))
    )
    told = []
    recommend(network, mac_budget=16, on_progress=lambda *what: told.append(what))
    assert told == [(what, i, 2) for what in ("bounding", "costing", "planning") for i in (1, 2)]


# --- At random moments -----------------------------------------------------------------------


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return str(tmp_path_factory.mktemp("home"))


def start(module, folder, home, *more):
    """A script in a process group of its own, once its handlers are installed."""
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            f"experiments.{module}",
            *TINY[module],
            f"--workdir={folder}",
            *more,
        ],
        cwd=scripts.ROOT,
        env=os.environ | {"HOME": home},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        # A test run in the background of a shell ignores SIGINT, and its children would.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    while process.poll() is None and not _catches(process.pid, signal.SIGTERM):
        time.sleep(0.002)
    return process


def _catches(pid, number):
    """Whether a process has a handler for a signal. Python by itself has none for SIGTERM."""
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    (mask,) = (line.split()[1] for line in status.splitlines() if line.startswith("SigCgt"))
    return int(mask, 16) >> (number - 1) & 1


def stopped(process, number, delay):
    """Return code and stderr of a script that gets a signal, as Ctrl-C gives it to its group."""
    try:
        process.communicate(timeout=delay)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, number)
    _, stderr = process.communicate(timeout=100)
    return process.returncode, stderr


def moments(module, count):
    """Signals and delays, the same in every run."""
    draw = random.Random(module)
    return [
        (draw.choice((signal.SIGINT, signal.SIGTERM)), draw.uniform(0, 8)) for _ in range(count)
    ]


def leftovers(folder):
    return [path for path in folder.rglob("*") if "partial" in path.name or "tmp" in path.name]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("module", "number", "delay"),
    [
        (module, number, delay)
        for module in TINY
        for number, delay in moments(module, 8 if module in MAIN else 2)
    ],
)
def test_a_signal_at_any_moment_takes_one_line(module, number, delay, home, tmp_path):
    folder = tmp_path / "run"
    status, stderr = stopped(start(module, folder, home), number, delay)
    if status == 2:  # what it needs is not installed, or not given
        assert module in ("airchitect_v2", "validate_scalesim")
        assert stderr.startswith(("error: --data: no file is given", "error: the scalesim package"))
    elif status:
        word = {signal.SIGINT: "interrupted; ", signal.SIGTERM: "terminated; "}[number]
        assert stderr.startswith(word)
        assert status == 128 + number
    assert len(stderr.splitlines()) == (status != 0), stderr
    assert leftovers(folder) == []


def summary_of(folder):
    """Of a run, without what it measured of itself."""
    summary = json.loads((folder / "summary.json").read_text())
    return {name: value for name, value in summary.items() if "second" not in name}


@pytest.fixture(scope="module")
def undisturbed(home, tmp_path_factory):
    folder = tmp_path_factory.mktemp("undisturbed")
    assert stopped(start("case_study1", folder, home), signal.SIGKILL, 250) == (0, "")
    return summary_of(folder)


@pytest.mark.slow
@pytest.mark.parametrize("delay", [delay for _, delay in moments("killed", 3)])
def test_a_killed_run_resumes_to_the_same_summary(delay, undisturbed, home, tmp_path):
    stopped(start("case_study1", tmp_path, home), signal.SIGKILL, delay)
    assert stopped(start("case_study1", tmp_path, home, "--resume"), signal.SIGKILL, 250) == (0, "")
    assert summary_of(tmp_path) == undisturbed
    assert leftovers(tmp_path) == []
