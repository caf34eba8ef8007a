"""The page's server: the answers of `recommend`, and refusals."""

import contextlib
import http.client
import json
import os
import shlex
import signal
import socket
import threading
import time
import warnings

import numpy as np
import pytest
import scripts
from explore_server import answer, request, running, send, small_model

from airchitect_jax import recommend
from airchitect_jax.explore.recent import Recent
from airchitect_jax.workloads import parse_topology

TOPOLOGY = b"Layer,M,N,K,Count\nfirst,300,20,700,2\nsecond,5,999,64,7\nthird,64,64,64,1\n"


@pytest.fixture(scope="module")
def server():
    with running() as started:
        yield started


def assert_same(found, workload, *, mac_budget, sram_budget, bandwidth, objective):
    """The answer is that of `recommend`, number by number."""
    expected = recommend(
        workload,
        mac_budget=mac_budget,
        sram_budget_kb=sram_budget,
        bandwidth_bytes_per_cycle=bandwidth,
        objective=objective,
    )
    design, plans = expected.design, expected.layers
    assert found["design"] == {
        "rows": design.rows,
        "cols": design.cols,
        "num_macs": design.num_macs,
        "ifmap_sram_kb": design.ifmap_sram_bytes // 1024,
        "filter_sram_kb": design.filter_sram_bytes // 1024,
        "ofmap_sram_kb": design.ofmap_sram_bytes // 1024,
        "sram_kb": design.sram_bytes // 1024,
    }
    assert found["num_designs"] == expected.survey.space.num_designs
    assert (found["cycles"], found["energy_fj"]) == (expected.cycles, expected.energy_fj)
    assert found["utilization"] == pytest.approx(expected.utilization, rel=1e-12)
    for name in ("stall_cycles", "dram_bytes"):
        assert found[name] == sum(getattr(plan, name) * plan.runs for plan in plans)
    figures = ("total_cycles", "stall_cycles", "overall_utilization", "energy_fj", "dram_bytes")
    for layer, plan in zip(found["layers"], plans, strict=True):
        assert (layer["layer"], layer["runs"]) == (plan.layer.name, plan.runs)
        assert (layer["m"], layer["n"], layer["k"]) == plan.gemm
        assert layer["dataflow"] == plan.dataflow.name
        assert {name: layer[name] for name in figures} == {
            name: getattr(plan, name) for name in figures
        }
    names = ("num_macs", "cycles", "energy_fj")
    assert [
        (point["sram_kb"] * 1024, *(point[name] for name in names)) for point in found["front"]
    ] == [
        (point.sram_bytes, *(getattr(point, name) for name in names)) for point in expected.front()
    ]


@pytest.mark.parametrize("objective", ["cycles", "energy", "edp"])
def test_a_packaged_network_is_answered_as_by_recommend(server, objective):
    question = {"mac_budget": 4096, "sram_budget": 900, "bandwidth": 64, "objective": objective}
    status, found = answer(server, workload="gpt2", **question)
    assert status == 200
    assert_same(found, "gpt2", **question)


def test_any_budgets_are_answered_as_by_recommend(server):
    status, sent = send(server, "net.csv", TOPOLOGY)
    assert status == 200
    network = parse_topology(TOPOLOGY, name="net", source="net.csv")
    random = np.random.default_rng(5)
    for objective in ("cycles", "energy", "edp", "cycles"):
        question = {
            "mac_budget": int(2 ** random.uniform(2, 15)),
            "sram_budget": int(random.integers(300, 1500)),
            "bandwidth": int(random.choice([1, 7, 300])),
            "objective": objective,
        }
        status, found = answer(server, **sent, **question)
        assert status == 200, found
        assert_same(found, network, **question)


def test_the_command_says_the_question(server):
    question = {"mac_budget": 64, "sram_budget": 300, "bandwidth": 5, "objective": "energy"}
    _, sent = send(server, "my net.onnx", small_model())
    _, found = answer(server, **sent, **question, dim="batch=3", clock_ghz="1.5")
    assert shlex.split(found["command"]) == [
        *("airchitect", "recommend", "--workload=my net.onnx", "--dim=batch=3"),
        *("--mac_budget=64", "--sram_budget=300", "--bandwidth=5", "--objective=energy"),
    ]


@pytest.mark.slow
def test_the_command_has_the_same_answer(server, tmp_path):
    question = {"mac_budget": 1000, "sram_budget": 700, "bandwidth": 20, "objective": "edp"}
    _, found = answer(server, workload="dlrm", **question)
    _, script, *flags = shlex.split(found["command"])
    result = scripts.run(f"experiments.{script}", *flags, f"--workdir={tmp_path}")
    assert result.returncode == 0, result.stderr
    summary = json.loads((tmp_path / "summary.json").read_text())
    names = ("design", "cycles", "stall_cycles", "energy_fj", "dram_bytes", "dataflows")
    assert {name: found[name] for name in names} == {name: summary[name] for name in names}
    assert len(found["front"]) == summary["pareto"]["points"]


def test_open_dimensions_of_a_model_come_back_as_fields(server):
    status, sent = send(server, "model.onnx", small_model())
    assert status == 200
    status, refused = answer(server, **sent)
    assert (status, refused["dims"]) == (400, {"batch": 1})
    assert "--dim=batch=1" in refused["error"]
    status, found = answer(server, **sent, dim="batch=7")
    assert status == 200
    assert [(layer["m"], layer["n"], layer["k"]) for layer in found["layers"]] == [(7, 40, 48)]
    status, refused = answer(server, **sent, dim="other=7")
    assert (status, set(refused)) == (400, {"error"})


def test_warnings_of_a_reader_are_notes(server):
    _, sent = send(server, "sparse.csv", b"Layer,M,N,K,Sparsity\na,4,5,6,2:4\n")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        _, found = answer(server, **sent)
    assert [note.partition(";")[0] for note in found["notes"]] == [
        "sparse.csv: row 2: sparsity '2:4' is not modelled"
    ]


@pytest.mark.parametrize(
    ("name", "data", "line"),
    [
        ("net.csv", b"Layer,M,N,K\na,1,x,3\n", "net.csv: row 2, column N: 'x' is not allowed"),
        ("a/../b.csv", b"", "b.csv: the file is empty"),
        ("net.onnx", b"\x00garbage", "net.onnx: not an ONNX model"),
    ],
)
def test_a_broken_file_is_refused_with_the_line_of_its_reader(server, name, data, line):
    status, sent = send(server, name, data)
    assert status == 200
    status, refused = answer(server, **sent)
    assert status == 400
    assert refused["error"].startswith(line)
    assert "\n" not in refused["error"]


def test_files_that_the_page_does_not_read_are_refused(server):
    for name in ("model.pt2", "notes.txt", ""):
        status, refused = send(server, name, b"x")
        assert status == 400
        assert refused["error"].startswith(f"{name}: not a file that this page reads")
    # The name in a link decides the reader.
    _, sent = send(server, "net.csv", TOPOLOGY)
    status, refused = answer(server, **(sent | {"workload": "net.pt2"}))
    assert (status, refused["error"]) == (400, "workload: 'net.pt2' is not a file of this page")


@pytest.mark.parametrize(
    ("question", "line"),
    [
        ({"mac_budget": "3"}, "mac_budget: 3 is not allowed; expected a whole number in 4..262144"),
        ({"mac_budget": "2^4"}, "mac_budget: '2^4' is not allowed; expected a whole number"),
        ({"mac_budget": str(2**19)}, "mac_budget: 524288 is not allowed"),
        ({"mac_budget": "9" * 5000}, "mac_budget: '999"),
        ({"sram_budget": "299"}, "sram_budget: 299 is not allowed; expected a whole number"),
        ({"bandwidth": ""}, "bandwidth: '' is not allowed"),
        ({"objective": "speed"}, "objective: 'speed' is not allowed"),
        ({"clock_ghz": "nan"}, "clock_ghz: nan is not allowed; expected a number in 0.001..1000"),
        ({"clock_ghz": "fast"}, "clock_ghz: 'fast' is not allowed"),
        ({"workload": "nope"}, "network: 'nope' is not packaged; there are bert_base"),
        ({"workload": "../gpt2"}, "network: '../gpt2' is not packaged"),
        ({"workload": "n.csv", "file": "0"}, "n.csv: not at this server; choose the file again"),
        ({"dim": "batch"}, "dim: 'batch' is not allowed; expected name=size"),
        ({"dim": "batch=1"}, "resnet50: dimensions can be bound in .onnx files only"),
    ],
)
def test_a_bad_question_is_refused_with_one_line(server, question, line):
    status, refused = answer(server, **question)
    assert status == 400
    assert refused["error"].startswith(line)
    assert "\n" not in refused["error"]
    assert len(refused["error"]) <= 1000


def test_only_this_machine_is_served(server):
    port = server.server_port
    for host in (f"127.0.0.1:{port}", f"LOCALHOST:{port}", "localhost:9000"):
        assert request(server, "GET", "/", Host=host)[0] == 200
    for host in ("evil.example", f"evil.example:{port}", "127.0.0.1.evil.example", "", None):
        for path in ("/", "/answer", "/limits"):
            assert request(server, "GET", path, Host=host)[0] == 403
    assert server.server_address[0] == "127.0.0.1"


def test_other_sites_may_link_here_and_load_nothing(server):
    foreign = {"Sec_Fetch_Site": "cross-site"}
    assert request(server, "GET", "/?bandwidth=8", **foreign, Sec_Fetch_Mode="navigate")[0] == 200
    for path in ("/answer", "/icon.svg"):
        assert request(server, "GET", path, **foreign, Sec_Fetch_Mode="no-cors")[0] == 403


def test_files_come_from_the_page_only(server):
    here = f"http://127.0.0.1:{server.server_port}"
    for origin in (None, "null", "http://evil.example", here.replace("http:", "https:")):
        status, _, body = request(server, "POST", "/files?name=a.csv", b"x", Origin=origin)
        assert status == 403
        assert json.loads(body)["error"].startswith("Origin: ")


def test_large_files_are_refused_before_they_are_read(server):
    origin = f"http://127.0.0.1:{server.server_port}"
    for length, expected in (
        (str((256 << 20) + 1), 413),
        ("9" * 30, 413),
        ("-1", 411),
        (None, 411),
    ):
        headers = {"Origin": origin, "Content_Length": length}
        status, _, body = request(server, "POST", "/files?name=a.csv", **headers)
        assert status == expected
        assert set(json.loads(body)) == {"error"}


def test_assets_load_nothing_from_elsewhere(server):
    for path, kind in (
        ("/", "text/html"),
        ("/?workload=gpt2", "text/html"),
        ("/explore.js", "text/javascript"),
        ("/explore.css", "text/css"),
        ("/icon.svg", "image/svg+xml"),
        ("/limits", "application/json"),
    ):
        status, headers, body = request(server, "GET", path)
        assert status == 200
        assert headers["Content-Type"].startswith(kind)
        assert headers["Content-Security-Policy"].startswith("default-src 'self'")
        assert body
    for method, path in (("GET", "/../server.py"), ("GET", "/favicon.ico"), ("POST", "/answer")):
        assert request(server, method, path)[0] == 404


@contextlib.contextmanager
def leaving(server):
    """A request for an answer, whose sender leaves at the end of the block."""
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=60)
    connection.request("GET", "/answer?workload=dlrm")
    yield
    connection.sock.shutdown(socket.SHUT_RDWR)
    connection.close()


def test_questions_whose_sender_has_left_are_dropped(monkeypatch):
    started, ended = threading.Event(), threading.Event()

    class Endless:
        def answer(self, question, on_progress):
            started.set()
            try:
                while True:
                    on_progress()
                    time.sleep(0.001)
            finally:
                ended.set()

    with running() as server:
        monkeypatch.setattr(server, "answers", Endless())
        with server.work, leaving(server):  # left before it is its turn
            pass
        assert not started.wait(0.05)
        with leaving(server):  # left while it is answered
            assert started.wait(30)
        assert ended.wait(30)
        assert server.work.acquire(timeout=30)
        server.work.release()


def test_a_bug_is_an_error_of_the_server(monkeypatch, capfd):
    class Broken:
        def answer(self, question, on_progress):
            raise KeyError(question)

    with running() as server:
        monkeypatch.setattr(server, "answers", Broken())
        status, refused = answer(server)
    assert (status, refused["error"]) == (500, "a bug; the terminal has its trace")
    assert "KeyError" in capfd.readouterr().err


def test_the_latest_values_are_kept():
    recent, made = Recent(2), []

    def make(value):
        made.append(value)
        return value

    for value in (1, 2, 1, 3, 1, 2):
        assert recent.get(value, lambda value=value: make(value)) == value
    assert made == [1, 2, 3, 2]  # 2 went when 3 came, since 1 was asked for later
    with pytest.raises(ZeroDivisionError):
        recent.get(4, lambda: 1 // 0)
    assert recent.get(2, lambda: made.append(None)) == 2


@pytest.mark.slow
def test_the_script_serves_a_file_until_it_is_interrupted(tmp_path):
    topology = tmp_path / "net.csv"
    topology.write_bytes(TOPOLOGY)
    outputs = [tmp_path / name for name in ("stdout", "stderr")]
    flags = ("--port=0", f"--workload={topology}")
    process = scripts.start("experiments.explore", *flags, outputs=outputs)
    deadline = time.monotonic() + 60
    while not (outputs[0].exists() and "\n" in outputs[0].read_text()):
        assert time.monotonic() < deadline
        assert process.is_alive(), outputs[1].read_text()
        time.sleep(0.02)
    link = outputs[0].read_text().splitlines()[0]
    address, _, query = link.removeprefix("http://").partition("/?")
    assert query.startswith("workload=net.csv&file=")
    with contextlib.closing(http.client.HTTPConnection(address, timeout=60)) as connection:
        connection.request("GET", f"/answer?{query}&mac_budget=256")
        found = json.load(connection.getresponse())
    assert [layer["layer"] for layer in found["layers"]] == ["first", "second", "third"]
    port = address.partition(":")[2]
    assert f"--port: {port}: " in scripts.error_of("experiments.explore", f"--port={port}")
    os.kill(process.pid, signal.SIGINT)
    process.join(60)
    assert process.exitcode == 130
    assert outputs[1].read_text() == "interrupted; the server has ended\n"
