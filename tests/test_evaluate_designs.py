"""Costs of given designs from files: the task, and python -m experiments.evaluate_designs."""

import json

import engine_runs
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import scripts

from airchitect_jax import Gemm, Memory, evaluate, evaluate_memory
from airchitect_jax.cost import evaluate_mappings, machine_prices, read_platform
from airchitect_jax.labelling import EvaluationTask
from airchitect_jax.scalesim.replay import replay
from airchitect_jax.types import ArrayDesign, ArrayShape, BufferSizes, Mapping, MemoryModel

SCRIPT = "experiments.evaluate_designs"
SRAMS = ("ifmap_sram_bytes", "filter_sram_bytes", "ofmap_sram_bytes")


def designs(num=40, seed=0):
    rng = np.random.default_rng(seed)
    columns = {name: rng.integers(1, 300, num) for name in ("m", "n", "k")}
    columns |= {name: rng.integers(1, 40, num) for name in ("rows", "cols")}
    columns["dataflow"] = rng.integers(0, 3, num)
    columns |= {name: 1024 * rng.integers(1, 20, num) for name in SRAMS}
    columns["bandwidth_bytes_per_cycle"] = rng.integers(1, 50, num)
    return columns


def run(task, path, folder, **constants):
    source = engine_runs.files(path, columns=task.inputs, shard_rows=16, **constants)
    engine_runs.run(source, folder, task)
    engine_runs.close(folder)
    return engine_runs.read(folder)


def check(table, report):
    for name, values in vars(report).items():
        if name == "traffic":
            check(table, values)
        else:
            np.testing.assert_array_equal(table[name].to_numpy(), values, err_msg=name)


@pytest.mark.parametrize("model", [None, MemoryModel.IDEAL, MemoryModel.SCALESIM3])
def test_every_field_is_that_of_the_library(model, tmp_path):
    columns = designs()
    pq.write_table(pa.table(columns), tmp_path / "in.parquet")
    table = run(EvaluationTask(model=model), tmp_path / "in.parquet", tmp_path)
    gemm = Gemm(**{name: columns[name] for name in ("m", "n", "k")})
    array = {name: columns[name] for name in ("rows", "cols")}
    design = ArrayDesign(**array, dataflow=columns["dataflow"])
    bandwidth = columns["bandwidth_bytes_per_cycle"]
    if model is None:
        report = evaluate(gemm, design)
    elif model is MemoryModel.IDEAL:
        sizes = BufferSizes(**{name: columns[name] for name in SRAMS})
        memory = Memory(buffers=sizes, bandwidth_bytes_per_cycle=bandwidth)
        report = evaluate_memory(gemm, design, memory)
    else:
        sizes = {name.replace("_bytes", "_kb"): columns[name] // 1024 for name in SRAMS}
        report = replay(
            gemm,
            ArrayShape(**array),
            columns["dataflow"],
            **sizes,
            bandwidth_words_per_cycle=bandwidth,
        )
    check(table, report)
    assert table["m"].to_pylist() == columns["m"].tolist()


def test_mappings_on_a_machine_of_the_file_or_of_the_platform(tmp_path):
    platform = read_platform("gemmini")
    columns = {
        "m": [100, 7],
        "n": [200, 9],
        "k": [300, 5],
        "dataflow": ["ws", "OS"],
        "order": [0, 3],
        "tile_m": [16, 7],
        "tile_n": [32, 9],
        "tile_k": [16, 5],
        "bandwidth_bytes_per_second": [3 * 10**9, 16 * 10**9],
    }
    path = tmp_path / "in.parquet"
    pq.write_table(pa.table(columns), path)
    machine = {name: values[0] for name, values in platform.hardware.axes.items()}
    constants = machine | dict.fromkeys(("cores_m", "cores_n", "cores_k"), 1)
    task = EvaluationTask(model=MemoryModel.TILED, platform=platform)
    table = run(task, path, tmp_path, **constants)
    for row, rate in enumerate(columns["bandwidth_bytes_per_second"]):
        hardware = read_platform("gemmini").hardware_of(**machine)
        scale = rate / machine["bandwidth_bytes_per_second"]
        gemm = Gemm(**{name: columns[name][row] for name in ("m", "n", "k")})
        fields = {name: columns[name][row] for name in ("tile_m", "tile_n", "tile_k", "order")}
        mapping = Mapping(dataflow=(1, 0)[row], **fields)
        report = evaluate_mappings(
            gemm, mapping, hardware, platform, machine_prices(hardware, platform)
        )
        assert table["compute_cycles"][row].as_py() == report.compute_cycles
        assert table["ifmap_dram_read_bytes"][row].as_py() == report.traffic.ifmap_dram_read_bytes
        if scale == 1:
            assert table["total_cycles"][row].as_py() == report.total_cycles
        else:  # a slower interface
            assert table["total_cycles"][row].as_py() > report.total_cycles


def test_rows_that_the_model_refuses_are_named(tmp_path):
    columns = designs(num=20)
    for name in ("m", "n", "k"):
        columns[name][13] = 2**31 - 1
    columns["cols"][4] = 0
    pq.write_table(pa.table(columns), tmp_path / "in.parquet")
    table = run(EvaluationTask(), tmp_path / "in.parquet", tmp_path)
    assert len(table) == 18
    lines = (tmp_path / "rejects.csv").read_text().splitlines()[1:]
    assert lines[0].endswith(",5,cols,0,a whole number in 1..2147483647")
    assert ',14,cycles,,"compute_cycles exceed int64 (2**63 - 1): m=2147483647' in lines[1]


@pytest.mark.slow
def test_the_script(tmp_path):
    columns = designs(num=50)
    path, folder = tmp_path / "in.parquet", tmp_path / "run"
    pq.write_table(pa.table(columns), path)
    flags = [f"--input={path}", "--memory_model=ideal", f"--workdir={folder}"]
    for _ in range(2):  # the second time nothing is left to do
        result = scripts.run(SCRIPT, *flags, HOME=str(tmp_path))
        assert result.returncode == 0, result.stderr
        assert result.stdout.splitlines()[-1].startswith("50 designs evaluated in 1 shards")
    assert json.loads((folder / "summary.json").read_text())["memory_model"] == "ideal"
    result = scripts.run(SCRIPT, f"--input={path}", "--memory_model=tiled", HOME=str(tmp_path))
    assert result.returncode == 2
    assert "--platform: expected with --memory_model=tiled" in result.stderr
