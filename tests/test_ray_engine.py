"""Labels from a Ray cluster: a node that dies, events of a worker, errors."""

import json
import os
import pathlib
import socket
import subprocess
import sys
import tempfile
import time

import engine_runs
import pytest
import scripts

from airchitect_jax.labelling import ArrayDataflowTask, Engine

SCRIPT = "experiments.label_workloads"
ROWS, SHARDS = 400_000, 40
SAMPLE = [f"--sample={ROWS}", "--shard_rows=10000", "--seed=3", "--max_dim=500"]
NODE = {"num_cpus": 1, "object_store_memory": 80 << 20, "node_ip_address": "127.0.0.1"}


@pytest.fixture
def environment(tmp_path, monkeypatch):
    # Ray reads the first when it is imported; then the nodes listen on 127.0.0.1 alone.
    variables = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0", "RAY_USAGE_STATS_ENABLED": "0"}
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    return {"HOME": str(tmp_path / "home")}


@pytest.fixture
def cluster(environment):
    pytest.importorskip("ray", reason="needs the extra ray")
    from ray.cluster_utils import Cluster

    head = {**NODE, "num_cpus": 0, "include_dashboard": False}
    head["_system_config"] = {"health_check_period_ms": 500, "health_check_failure_threshold": 3}
    # A short path, for sockets. In Ray's own folder the address would stay for other programs.
    with tempfile.TemporaryDirectory() as folder:
        cluster = Cluster(initialize_head=True, head_node_args={**head, "temp_dir": folder})
        yield cluster
        cluster.shutdown()


@pytest.mark.slow
def test_the_node_of_the_worker_dies_and_the_bytes_are_the_same(cluster, environment, tmp_path):
    """It is replaced by another one: so the work is surely lost, and done again elsewhere."""
    alone, ours = tmp_path / "alone", tmp_path / "ours"
    result = scripts.run(SCRIPT, *SAMPLE, f"--workdir={alone}", **environment)
    assert result.returncode == 0, result.stderr
    node = cluster.add_node(**NODE)
    flags = [*SAMPLE, f"--workdir={ours}", "--engine=ray", f"--ray_address={cluster.address}"]
    process = subprocess.Popen(
        [sys.executable, "-m", SCRIPT, *flags],
        cwd=scripts.ROOT,
        env=os.environ | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    manifest = engine_runs.manifest(ours)
    deadline = time.monotonic() + 300
    while len(manifest.names()) < 3:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.01)
    cluster.remove_node(node, allow_graceful=False)
    assert len(manifest.names()) < SHARDS
    cluster.add_node(**NODE)
    output, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors
    assert errors == ""
    lines = output.splitlines()
    assert lines[-1].startswith(f"{ROWS} workloads labelled in {SHARDS} shards")
    assert all(line.startswith("row ") for line in lines[:-1])  # nothing of Ray's own
    for folder in ("labels", "manifest"):
        names = sorted(path.name for path in (alone / folder).glob("part-*"))
        assert len(names) == SHARDS
        assert sorted(path.name for path in (ours / folder).glob("part-*")) == names
        for name in names:
            assert (ours / folder / name).read_bytes() == (alone / folder / name).read_bytes()


@pytest.fixture
def ray_engine(monkeypatch):
    pytest.importorskip("ray", reason="needs the extra ray")
    from airchitect_jax.labelling import ray_engine

    monkeypatch.setenv("NPROC", "1")  # set by a worker
    return ray_engine


def test_events_of_a_worker_are_repeated(ray_engine, tmp_path):
    path = tmp_path / "in.csv"
    path.write_text("mac_budget,m,n,k\n" + "64,1,2,3\n" * 5)
    folder = tmp_path / "run"
    source = engine_runs.files(path, shard_rows=2)
    (piece,) = source.pieces()
    batch = {"piece": [json.dumps(vars(piece))]}

    def events(strict):
        manifest = engine_runs.manifest(folder)
        engine = Engine(task=ArrayDataflowTask(), source=source, manifest=manifest, strict=strict)
        setups = []
        worker = ray_engine.Labeller(engine, pathlib.Path.cwd(), lambda: setups.append(1))
        assert setups == [1]
        (found,) = worker(batch)["events"]
        shards, damage = [], []
        count = ray_engine.repeat(found, lambda *shard: shards.append(shard), damage.append)
        assert count == len(shards)
        return [(shard.rows, shard.rejects, made_now) for shard, made_now in shards], damage

    shards, damage = events(strict=True)
    assert sorted(shards) == [(1, 0, True), (2, 0, True), (2, 0, True)]
    assert damage == []
    shard = folder / "labels" / "part-00000-000001.parquet"
    shard.write_bytes(b"")
    shards, damage = events(strict=True)
    assert sorted(shards) == [(1, 0, False), (2, 0, False), (2, 0, True)]
    assert damage == [f"{shard}: its checksum differs from the manifest's; made again"]
    path.write_text("mac_budget,m,n,k\n64,0,2,3\n")
    shard.with_name("part-00000-000000.parquet").unlink()
    with pytest.raises(ValueError, match=r"in.csv: row 1: m: 0 is not allowed; expected a whole"):
        events(strict=True)


def test_the_error_names_the_extra(tmp_path):
    hidden = tmp_path / "ray"
    hidden.mkdir()
    (hidden / "__init__.py").write_text("raise ImportError('hidden')\n")
    error = scripts.error_of(
        SCRIPT, "--sample=5", "--engine=ray", f"--workdir={tmp_path}/run", folder=tmp_path
    )
    assert "--engine=ray: Ray is needed: pip install 'airchitect-jax[ray]'" in error


def test_an_address_needs_the_engine(tmp_path):
    flags = ["--sample=5", f"--workdir={tmp_path}/run", "--ray_address=host:1"]
    assert "--ray_address: needs --engine=ray" in scripts.error_of(SCRIPT, *flags)


def test_a_cluster_that_cannot_be_reached(tmp_path):
    pytest.importorskip("ray", reason="needs the extra ray")
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{unused.getsockname()[1]}"
        flags = ["--sample=5", f"--workdir={tmp_path}/run", "--engine=ray"]
        error = scripts.error_of(SCRIPT, *flags, f"--ray_address={address}")
    assert f"--ray_address: {address} cannot be reached: [Errno 111]" in error
