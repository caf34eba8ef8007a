"""Runs that two processes share, on the loopback address: what they make, and how they end."""

import json
import os
import signal
import socket
import time

import clocked
import pytest
import scripts

LABELS = ("label_workloads", "--sample=400000", "--shard_rows=4000", "--seed=3", "--max_dim=500")
TRAINING = (
    *("case_study", "--plugin=clocked", "--case_study=clocked", "--max_dim=100", "--model=paper"),
    *("--preset=smoke", "--num_train=256", "--batch_size=128", "--epochs=8", "--num_test=64"),
    *("--num_validation=64", "--hidden_sizes=4", "--embedding_dim=2"),
)
GO_ON = "the same command goes on from the finished shards"
RESUME = "give --resume to go on from the last epoch"


@pytest.fixture
def start(tmp_path):
    """Starts both processes of a run in tmp_path / "run"; returns each with its stderr."""
    started = []

    def start_both(module, *arguments):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            address = f"127.0.0.1:{free.getsockname()[1]}"
        for index in range(2):
            outputs = tmp_path / f"stdout{index}", tmp_path / f"stderr{index}"
            process = scripts.start(
                f"experiments.{module}",
                *arguments,
                *(f"--workdir={tmp_path / 'run'}", "--distributed", "--num_processes=2"),
                *(f"--coordinator_address={address}", f"--process_id={index}"),
                outputs=outputs,
                folder=tmp_path,
                HOME=str(tmp_path),
            )
            started.append((process, outputs[1]))
        return started[-2:]

    yield start_both
    for process, _ in started:
        process.kill()


def endings(run, seconds):
    """Status and stderr of both, within so many seconds."""
    deadline = time.monotonic() + seconds
    for process, _ in run:
        process.join(max(deadline - time.monotonic(), 0))
    return [(process.exitcode, stderr.read_text()) for process, stderr in run]


def when(condition, run):
    """Waits for something that the running processes do."""
    deadline = time.monotonic() + 150
    while not condition():
        assert all(process.exitcode is None for process, _ in run), endings(run, 30)
        assert time.monotonic() < deadline
        time.sleep(0.002)
    return [process for process, _ in run]


def alone(module, *arguments, **environment):
    result = scripts.run(f"experiments.{module}", *arguments, **environment)
    assert result.returncode == 0, result.stderr


def contents(folder):
    """Files by name, but for those that say where and how long."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name not in ("config.json", "summary.json")
    }


@pytest.mark.slow
def test_labelling_ends_together_and_goes_on_to_the_same_bytes(start, tmp_path):
    shards = tmp_path / "run" / "labels"

    def finished():
        return len(list(shards.glob("part-*")))

    run = start(*LABELS)
    first, _ = when(finished, run)
    os.kill(first.pid, signal.SIGINT)
    assert endings(run, 30) == [
        (130, f"interrupted; {GO_ON}\n"),
        (130, f"interrupted in process 0; {GO_ON}\n"),
    ]
    before = finished()
    run = start(*LABELS)
    _, second = when(lambda: finished() > before, run)
    second.kill()
    assert endings(run, 30) == [
        (1, f"error: process 1 died; {GO_ON}\n"),
        (-signal.SIGKILL, ""),
    ]
    assert finished() < 100
    assert endings(start(*LABELS), 150) == [(0, ""), (0, "")]
    alone(*LABELS, f"--workdir={tmp_path / 'alone'}", HOME=str(tmp_path))
    assert contents(tmp_path / "run") == contents(tmp_path / "alone")


def lessons(folder):
    """What a training run found: its summary and its history, without what it measured of time."""
    rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [
        {name: value for name, value in row.items() if "second" not in name}
        for row in (json.loads((folder / "summary.json").read_text()), *rows)
    ]


@pytest.mark.slow
def test_training_ends_together_and_resumes_to_what_one_process_with_both_devices_finds(
    start, tmp_path
):
    (tmp_path / "clocked.py").write_text(clocked.SOURCE)
    run = start(*TRAINING)
    first, _ = when((tmp_path / "run" / "metrics.jsonl").exists, run)
    first.kill()  # which has the coordinator of JAX
    assert endings(run, 30) == [
        (-signal.SIGKILL, ""),
        (1, f"error: process 0 died; {RESUME}\n"),
    ]
    assert endings(start(*TRAINING, "--resume"), 150) == [(0, ""), (0, "")]
    both = f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count=2"
    alone(*TRAINING, f"--workdir={tmp_path / 'one'}", folder=tmp_path, XLA_FLAGS=both)
    assert lessons(tmp_path / "run") == lessons(tmp_path / "one")
