"""SCALE-Sim's own files in, its own files out: reports, traces, the command line."""

import hashlib
import importlib.util
import pathlib
import re
import signal
import subprocess
import sys
import time

import numba
import numpy as np
import pytest
import scripts

from airchitect_jax.scalesim import Settings, read_plan, run, simulation
from airchitect_jax.scalesim.trace_files import TraceFiles

GOLDEN = pathlib.Path(__file__).parent / "testdata" / "scalesim"
CASES = sorted(path.name for path in GOLDEN.iterdir())


def written(tmp_path, name, text):
    path = tmp_path / name
    path.write_text(text)
    return path


def gemm_of(case):
    return "gemm" if case in ("gemm_is_user", "ramulator") else "conv"


def write_latencies(folder):
    folder.mkdir()
    for layer in range(2):
        for number, operand in enumerate(("ifmap", "filter", "ofmap")):
            latencies = 5 + (np.arange(40) * (7 + layer + 2 * number)) % 23
            np.save(folder / f"_{operand}File{layer}.npy", latencies)
    return folder


def check_files(case, folder):
    """The folder has the package's reports and traces, byte for byte, and nothing else."""
    expected = [line.split("  ") for line in (GOLDEN / case / "traces.sha256").open()]
    sums = {name.strip(): digest for digest, name in expected}
    found = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    reports = {path.name for path in (GOLDEN / case).glob("*_REPORT.csv")}
    assert found == reports | set(sums)
    for name in reports:
        assert (folder / name).read_bytes() == (GOLDEN / case / name).read_bytes(), name
    for name, digest in sums.items():
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == digest, name


@pytest.mark.parametrize("case", CASES)
def test_reports_and_traces_are_the_packages(case, tmp_path):
    layout = GOLDEN / case / "layout.csv"
    latencies = write_latencies(tmp_path / "latencies") if case == "ramulator" else tmp_path
    result = run(
        GOLDEN / case / "scale.cfg",
        GOLDEN / case / "topology.csv",
        layout if layout.exists() else None,
        input_type=gemm_of(case),
        trace_folder=tmp_path / "run",
        latency_folder=latencies,
    )
    result.write(tmp_path / "run")
    check_files(case, tmp_path / "run")


def test_processes_give_the_same_files(tmp_path, monkeypatch):
    monkeypatch.setattr(simulation, "_FEW_WORDS", 0)
    case = "conv_os_user"
    files = GOLDEN / case / "scale.cfg", GOLDEN / case / "topology.csv"
    run(*files, jobs=2, trace_folder=tmp_path).write(tmp_path)
    check_files(case, tmp_path)


def test_an_error_in_a_process_is_the_same_error(tmp_path, monkeypatch):
    monkeypatch.setattr(simulation, "_FEW_WORDS", 0)
    topology = written(tmp_path, "topology.csv", "h,\na,1,1,1,1,1,1,1,\nb,1,1,1,1,2,1,1,\n")
    text = (
        (GOLDEN / "conv_ws_calc" / "scale.cfg")
        .read_text()
        .replace("Dataflow : ws", "Dataflow : os")
    )
    text = text.replace("ArrayHeight:    4", "ArrayHeight: 1").replace(
        "ArrayWidth:     4", "ArrayWidth: 1"
    )
    config = written(tmp_path, "scale.cfg", text)
    for jobs in (1, 2):
        with pytest.raises(ValueError, match=r"^layer 0, 'a': total_cycles: 0 is not allowed; the"):
            run(config, topology, jobs=jobs, trace_folder=tmp_path / "traces")
    assert not list((tmp_path / "traces" / "layer0").iterdir())  # nothing half-written


def test_objects_are_as_good_as_files():
    case = GOLDEN / "conv_ws_calc"
    plan = read_plan(case / "scale.cfg", case / "topology.csv")
    assert isinstance(plan.settings, Settings)
    assert plan.layout is None
    result = run(plan.settings, plan.layers)
    assert result == run(case / "scale.cfg", case / "topology.csv")
    assert [report.name for report in result.layers] == ["conv1", "conv2"]


@pytest.mark.parametrize("memory", ["sram", "dram"])
def test_traces_are_written_as_savetxt_does(memory, tmp_path):
    rng = np.random.default_rng(0)
    words = rng.integers(-1, 10 ** rng.integers(1, 15, (300, 7)))
    cycles = rng.integers(-50, 10**6, 300).astype(float)
    odd = cycles.copy()
    odd[:3] = 0.5, -0.0, -2.75
    large = words.copy()
    large[5, 5] = 3 * 10**16
    blocks = [(cycles, words), (odd, words), (cycles, large), (cycles[:1], words[:1])]
    with TraceFiles(tmp_path) as files:
        for block in blocks:
            getattr(files, memory)("filter", *block)
        assert not (tmp_path / f"FILTER_{memory.upper()}_TRACE.csv").exists()
    with (tmp_path / "expected").open("wb") as expected:
        for block in blocks:
            table = np.column_stack(block)
            np.savetxt(expected, table, fmt="%s" if memory == "dram" else "%i", delimiter=",")
    found = (tmp_path / f"FILTER_{memory.upper()}_TRACE.csv").read_bytes()
    assert found == (tmp_path / "expected").read_bytes()


def script(*arguments, cwd):
    command = [sys.executable, "-m", "experiments.scalesim", *map(str, arguments)]
    return subprocess.run(
        command, cwd=cwd, env={"PYTHONPATH": scripts.PYTHONPATH}, capture_output=True, text=True
    )


def arguments_of(case):
    folder = GOLDEN / case
    return "-c", folder / "scale.cfg", "-t", folder / "topology.csv", "-i", gemm_of(case)


def test_the_command_line_is_the_packages(tmp_path):
    ended = script(*arguments_of("conv_os_user"), "-p", "out", cwd=tmp_path)
    assert not ended.stderr
    assert "Working in USE USER BANDWIDTH mode." in ended.stdout
    assert "\nRunning Layer 3\nTotal cycles: " in ended.stdout
    assert ended.stdout.endswith("\n5 layers; files are in out/run\n")
    check_files("conv_os_user", tmp_path / "out" / "run")
    ended = script(*arguments_of("gemm_is_user"), "-p", "gemms", "-s", "N", cwd=tmp_path)
    assert sorted(path.name for path in (tmp_path / "gemms" / "run").iterdir()) == [
        "BANDWIDTH_REPORT.csv",
        "COMPUTE_REPORT.csv",
        "DETAILED_ACCESS_REPORT.csv",
    ]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), r"^error: configs/scale.cfg: cannot be read: No such file or directory$"),
        (arguments_of("custom_layout"), "^error: layout: None is not allowed; expected a layout"),
        (arguments_of("ramulator"), "^error: results/_ifmapFile0.npy: cannot be read: No such f"),
        (
            ("-i", "matrix"),
            r"^error: flag --input_type=matrix: value should be one of <conv\|gemm>",
        ),
    ],
)
def test_errors_are_one_line_and_nothing_is_written(arguments, message, tmp_path):
    ended = script(*arguments, cwd=tmp_path)
    assert ended.returncode == 2
    assert len(ended.stderr.splitlines()) == 1
    assert re.search(message, ended.stderr.strip())
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_the_script_imports_neither_jax_nor_flax():
    code = """
import sys, experiments.scalesim, airchitect_jax.scalesim.lines.memory
print([name for name in ("jax", "flax", "matplotlib") if name in sys.modules])
"""
    ended = subprocess.run(
        [sys.executable, "-c", code], cwd=scripts.ROOT, capture_output=True, text=True
    )
    assert ended.stdout == "[]\n", ended.stderr


def test_an_interruption_leaves_nothing(tmp_path):
    rows = "".join(f"g{number},{900 + number},900,900,\n" for number in range(8))
    written(tmp_path, "big.csv", f"h\n{rows}")
    command = [sys.executable, "-m", "experiments.scalesim", "-t", "big.csv", "-i", "gemm"]
    process = subprocess.Popen(
        [*command, "-c", str(GOLDEN / "gemm_is_user" / "scale.cfg"), "-s", "N", "--jobs", "2"],
        cwd=tmp_path,
        env={"PYTHONPATH": scripts.PYTHONPATH},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    deadline = time.monotonic() + 60
    while not (tmp_path / "results").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 130, (out, err)
    assert err == "interrupted; nothing was written; run it again\n"
    assert not list((tmp_path / "results").iterdir())


def test_traces_are_written_where_nothing_compiled_can_be_kept(monkeypatch):
    njit = numba.njit

    def without_a_folder(*functions, cache=False):
        if cache:
            raise RuntimeError("cannot cache function: no locator available")
        return njit(*functions)

    monkeypatch.setattr(numba, "njit", without_a_folder)
    spec = importlib.util.find_spec("airchitect_jax.scalesim.digits")
    digits = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(digits)
    out = np.empty(3 * digits.WIDEST, np.uint8)
    end = digits.write_rows(np.array([7.0]), np.array([[-1, 20]]), False, out)
    assert out[:end].tobytes() == b"7,-1,20\n"
