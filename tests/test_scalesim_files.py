"""SCALE-Sim's own files in, its own files out: readers, reports, traces, the command line."""

import hashlib
import pathlib
import re
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from airchitect_jax.scalesim import LayerLayout, Settings, read_plan, run, simulation
from airchitect_jax.scalesim.layout_file import read_layout
from airchitect_jax.scalesim.settings_file import read_settings
from airchitect_jax.scalesim.topology import read_layers
from airchitect_jax.scalesim.trace_files import TraceFiles

ROOT = pathlib.Path(__file__).parent.parent
GOLDEN = pathlib.Path(__file__).parent / "testdata" / "scalesim"
CASES = sorted(path.name for path in GOLDEN.iterdir())
SIZES = ("ifmap_rows", "ifmap_cols", "filter_rows", "filter_cols", "channels", "num_filters")


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


CONV_ROWS = {
    "a,4,4,2,2,2,3,1,": [(4, 4, 2, 2, 2, 3, 1, 1, 1, 1)],
    " b ,+4, 4 ,2,2,1_0,3,2,": [(4, 4, 2, 2, 10, 3, 2, 2, 1, 1)],
    "a,4,4,2,2,2,3,1,2:4,": [(4, 4, 2, 2, 2, 3, 1, 1, 2, 4)],
    "a,4,4,2,2,2,3,1,2:4:6,": [(4, 4, 2, 2, 2, 3, 1, 1, 2, 4)],
    "xDP,4,4,2,2,3,2,1,2:4,": [(4, 4, 2, 2, 1, 2, 1, 1, 2, 4)] * 3,
}
DOUBTFUL_CONV_ROWS = {
    "a,4,4,2,2,2,3,1,2:4": ([(4, 4, 2, 2, 2, 3, 1, 1, 1, 1)], "follows the last comma, '2:4'"),
    "a,6,6,2,2,2,3,1,2,2:4,": ([(6, 6, 2, 2, 2, 3, 1, 1, 2, 2)], "cells '2' and '2' for"),
}
GEMM_ROWS = {
    "a,3,4,5,": (3, 5, 1, 5, 1, 4, 1, 1, 1, 1),
    "aDP,3,4,5,2:4,": (3, 5, 1, 5, 1, 4, 1, 1, 2, 4),
}


def numbers_of(layer):
    return tuple(
        getattr(layer, name)
        for name in (*SIZES, "row_stride", "col_stride", "sparsity_n", "sparsity_m")
    )


@pytest.mark.parametrize(("row", "expected"), CONV_ROWS.items())
def test_rows_of_convolutions(row, expected, tmp_path):
    layers = read_layers(written(tmp_path, "t.csv", f"header\n\n{row}\r\n  \n"), strict=True)
    assert [numbers_of(layer) for layer in layers] == expected


def test_channels_of_a_depthwise_convolution_have_names(tmp_path):
    layers = read_layers(written(tmp_path, "t.csv", "h\nxDP,4,4,2,2,2,2,1,"))
    assert [layer.name for layer in layers] == ["xDPChannel_0", "xDPChannel_1"]


@pytest.mark.parametrize(("row", "expected"), GEMM_ROWS.items())
def test_rows_of_gemms(row, expected, tmp_path):
    (layer,) = read_layers(written(tmp_path, "t.csv", f"h\n{row}\n"), input_type="gemm")
    assert numbers_of(layer) == expected


@pytest.mark.parametrize(("row", "expected"), DOUBTFUL_CONV_ROWS.items())
def test_doubtful_rows_are_read_as_the_package_does_or_refused(row, expected, tmp_path):
    path = written(tmp_path, "t.csv", f"h\n{row}\n")
    layers, message = expected
    with pytest.warns(UserWarning, match=message):
        assert [numbers_of(layer) for layer in read_layers(path)] == layers
    with pytest.raises(ValueError, match=rf"t.csv: row 2: .*{message}"):
        read_layers(path, strict=True)


@pytest.mark.parametrize(
    ("text", "message"), [("a,4,4,2,2,2,3,1,\n", "this layer for"), ("", "no")]
)
def test_layers_that_the_package_would_lose_are_doubtful(text, message, tmp_path):
    path = written(tmp_path, "t.csv", text)
    with pytest.warns(UserWarning, match=message):
        assert read_layers(path) == ()
    with pytest.raises(ValueError, match=message):
        read_layers(path, strict=True)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("a,4,4,2,2,2,3,1", "7 cells that end with a comma; expected name, ifmap height"),
        ("a", "0 cells that end with a comma"),
        ("a,4,4,2,2,2,3,1,,", "sparsity: '' is not allowed; expected n:m"),
        ("a,4,4,2,2,2,3,1,x:4,", "sparsity_n: 'x' is not allowed; expected a whole number"),
        ("a,4,4,2.0,2,2,3,1,", "filter_rows: '2.0' is not allowed; expected a whole number"),
        ("a,4,4,5,2,2,3,1,", "filter_rows: 5 is not allowed; expected at most ifmap_rows, 4"),
        (
            "a,4,4,2,2,0,3,1,",
            "channels: 0 is not allowed; expected a whole number in 1..2147483647",
        ),
        ("aDP,4,4,2,2,0,3,1,", "channels: 0 is not allowed"),
        ("a,4,4,2,2,2,3,1,2,2:4,1:1,", "sparsity_m: '2:4' is not allowed"),
    ],
)
def test_bad_rows_are_named(row, message, tmp_path):
    path = written(tmp_path, "t.csv", f"h\nb,4,4,2,2,2,3,1,\n{row}\n")
    with pytest.raises(ValueError, match=rf"t.csv: row 3: {message}"):
        read_layers(path)


def config(**changes):
    """A configuration in which values of keys are replaced; None takes the key out."""
    lines = (GOLDEN / "sparse_row_wise" / "scale.cfg").read_text().splitlines()
    for key, value in changes.items():
        place = next(i for i, line in enumerate(lines) if line.startswith(key))
        lines[place] = "" if value is None else f"{key} = {value}"
    return "\n".join(lines)


def test_every_key_of_a_configuration_is_read(tmp_path):
    text = config(
        run_name="net",
        ArrayHeight=8,
        ArrayWidth=5,
        IfmapSramSzkB=1,
        FilterSramSzkB=2,
        OfmapSramSzkB=3,
        IfmapOffset=4,
        FilterOffset=5,
        OfmapOffset=6,
        Dataflow="is",
        Bandwidth="7, 8",
        ReadRequestBuffer=9,
        WriteRequestBuffer=10,
        IfmapCustomLayout="yes",
        IfmapSRAMBankBandwidth=12,
        IfmapSRAMBankNum=3,
        IfmapSRAMBankPort=4,
        FilterCustomLayout=0,
        FilterSRAMBankBandwidth=14,
        FilterSRAMBankNum=7,
        FilterSRAMBankPort=5,
        SparsitySupport="TRUE",
        SparseRep="csc",
        OptimizedMapping="true",
        BlockSize=6,
        RandomNumberGeneratorSeed=11,
        InterfaceBandwidth="USER",
        UseRamulatorTrace="True",
    )
    settings = read_settings(written(tmp_path, "scale.cfg", text), strict=True)
    assert settings == Settings(
        run_name="net",
        user_bandwidth=True,
        ramulator=True,
        rows=8,
        cols=5,
        ifmap_sram_kb=1,
        filter_sram_kb=2,
        ofmap_sram_kb=3,
        ifmap_offset=4,
        filter_offset=5,
        ofmap_offset=6,
        dataflow="is",
        bandwidths=(7, 8),
        read_request_buffer=9,
        write_request_buffer=10,
        ifmap_custom_layout=True,
        ifmap_bank_bandwidth=12,
        ifmap_bank_num=3,
        ifmap_bank_port=4,
        filter_custom_layout=False,
        filter_bank_bandwidth=14,
        filter_bank_num=7,
        filter_bank_port=5,
        sparsity=True,
        sparse_representation="csc",
        optimized_mapping=True,
        block_size=6,
        sparsity_seed=11,
    )


def test_what_is_off_is_not_missed(tmp_path):
    text = config(
        InterfaceBandwidth="CALC",
        Bandwidth="none",
        IfmapSRAMBankNum=3,
        SparsitySupport="false",
        SparseRep=None,
        BlockSize=None,
        RandomNumberGeneratorSeed=None,
    )
    settings = read_settings(written(tmp_path, "scale.cfg", text), strict=True)
    assert (settings.bandwidths, settings.sparsity, settings.ifmap_bank_num) == ((), False, 3)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"ArrayHeight": None}, r"\[architecture_presets\] ArrayHeight: no value"),
        ({"ArrayHeight": "8.0"}, r"ArrayHeight: '8.0' is not allowed; expected a whole number"),
        ({"ArrayWidth": 0}, r"ArrayWidth: 0 is not allowed; expected a whole number in 1.."),
        ({"Bandwidth": "x"}, r"\[architecture_presets\] Bandwidth: 'x' is not allowed"),
        ({"Bandwidth": 0}, r"\[architecture_presets\] Bandwidth: 0 is not allowed"),
        ({"IfmapSRAMBankNum": 3}, r"\[layout\] IfmapSRAMBankBandwidth: 10 is not allowed; exp"
         r"ected a multiple of IfmapSRAMBankNum, 3"),
        ({"FilterCustomLayout": "maybe"}, "'maybe' is not allowed; expected True or False"),
        ({"InterfaceBandwidth": "user"}, "'user' is not allowed; expected USER or CALC"),
        ({"SparseRep": "coo"}, r"\[sparsity\] SparseRep: 'coo' is not allowed; expected csr, csc"),
        ({"BlockSize": 9}, r"BlockSize: 9 is not allowed; expected a whole number in 2..8"),
        ({"run_name": "../x"}, "'../x' is not allowed; expected the name of a folder"),
        ({"run_name": "50%"}, r"\[general\] run_name: '%' must be followed by"),
        ({"InterfaceBandwidth": "USER\n[network_presets]\na = 1"}, "TopologyCsvLoc: no value"),
    ],
)  # fmt: skip
def test_bad_configurations_are_named(changes, message, tmp_path):
    path = written(tmp_path, "scale.cfg", config(**changes))
    with pytest.raises(ValueError, match=message) as caught:
        read_settings(path)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"ArrayHeight": "1\nArrayHight: 8"}, "ArrayHight: the package ignores this key; the near"
         r"est key is \[architecture_presets\] ArrayHeight"),
        ({"Dataflow": "WS"}, "Dataflow: 'WS' is not one of os, ws or is; the package runs os"),
        ({"UseRamulatorTrace": "true"}, "'true' is not one of True or False; the package reads"),
    ],
)  # fmt: skip
def test_doubtful_configurations_warn_or_are_refused(changes, message, tmp_path):
    path = written(tmp_path, "scale.cfg", config(OptimizedMapping="no way", **changes))
    with pytest.warns(UserWarning, match=message):
        settings = read_settings(path)
    assert settings.optimized_mapping is False
    with pytest.raises(ValueError, match="OptimizedMapping: 'no way'|" + message):
        read_settings(path, strict=True)


def test_a_missing_key_has_its_neighbour_named(tmp_path):
    text = config(ArrayHeight="8").replace("ArrayHeight", "ArrayHight")
    with (
        pytest.warns(UserWarning, match="ignores this key"),
        pytest.raises(ValueError, match=r"no value; there is .* ArrayHight$"),
    ):
        read_settings(written(tmp_path, "scale.cfg", text))


LAYOUT_ROW = "a,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,"


def test_a_layout_is_read_by_column(tmp_path):
    path = written(tmp_path, "layout.csv", f"h\n{LAYOUT_ROW}\n{LAYOUT_ROW}\n")
    assert read_layout(path, strict=True) == LayerLayout(
        ifmap_intraline_factor=(1, 2, 5),
        ifmap_intraline_order=(7, 8, 9),
        ifmap_interline_order=(10, 11, 12),
        filter_intraline_factor=(6, 5, 3, 4),
        filter_intraline_order=(13, 14, 15, 16),
        filter_interline_order=(17, 18, 19, 20),
    )
    depthwise = written(tmp_path, "layout.csv", f"h\nDP{LAYOUT_ROW}\n")
    assert read_layout(depthwise).ifmap_intraline_factor == (1, 2, 1)
    assert read_layout(path, ifmap=False, filters=False) is None


def test_layouts_of_later_layers_are_doubtful(tmp_path):
    path = written(tmp_path, "layout.csv", f"h\n{LAYOUT_ROW}\n{LAYOUT_ROW.replace('20', '21')}\n")
    with pytest.warns(UserWarning, match="the package uses the first row for every layer"):
        assert read_layout(path).filter_interline_order[-1] == 20
    with pytest.raises(ValueError, match="first row"):
        read_layout(path, strict=True)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("", "no row below the header; expected 20 numbers after the name"),
        ("a,1,2,3,", "3 numbers below the header; expected 20"),
        ("a,1,x,3,", r"row 2: cell 3: 'x' is not allowed"),
        ("a", "row 2: 'a' is not allowed; expected cells that end with a comma"),
    ],
)
def test_bad_layouts_are_named(rows, message, tmp_path):
    with pytest.raises(ValueError, match=f"layout.csv: {message}"):
        read_layout(written(tmp_path, "layout.csv", f"h\n{rows}\n"))


def test_files_that_cannot_be_read_are_named(tmp_path):
    for read in (read_settings, read_layers, read_layout):
        with pytest.raises(ValueError, match="nothing: cannot be read: No such file"):
            read(tmp_path / "nothing")
        (tmp_path / "latin").write_bytes(b"[general]\nrun_name = \xe9\n")
        with pytest.raises(ValueError, match="latin: cannot be read: not UTF-8"):
            read(tmp_path / "latin")


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
        command, cwd=cwd, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True
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
    ended = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert ended.stdout == "[]\n", ended.stderr


def test_an_interruption_leaves_nothing(tmp_path):
    rows = "".join(f"g{number},{900 + number},900,900,\n" for number in range(8))
    written(tmp_path, "big.csv", f"h\n{rows}")
    command = [sys.executable, "-m", "experiments.scalesim", "-t", "big.csv", "-i", "gemm"]
    process = subprocess.Popen(
        [*command, "-c", str(GOLDEN / "gemm_is_user" / "scale.cfg"), "-s", "N", "--jobs", "2"],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT)},
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
