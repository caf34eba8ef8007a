"""Where the processes of a run find each other, and what they are told when they do not."""

import socket

import pytest
from absl import flags
from absl.testing import flagsaver

from airchitect_jax.experiments import hosts

SLURM = {
    "SLURM_JOB_ID": "7",
    "SLURM_STEP_NODELIST": "localhost,other",
    "SLURM_NTASKS": "3",
    "SLURM_PROCID": "2",
    "SLURM_LOCALID": "0",
}


@pytest.fixture
def given():
    """Sets flags for one test."""
    with flagsaver.flagsaver():
        yield lambda *arguments: flags.FLAGS(["test", *arguments])


def test_alone_unless_asked_for(given):
    given()
    with hosts.joined() as group:
        assert (group.index, group.count) == (0, 1)
        group.wait_for_all("anything")
        group.share_devices()


def test_the_flags_say_where(given):
    given("--coordinator_address=[::1]:123", "--num_processes=4", "--process_id=3")
    assert hosts._place() == ("::1", 123, 3, 4)


def test_slurm_says_what_the_flags_leave_open(given, monkeypatch):
    for name, value in SLURM.items():
        monkeypatch.setenv(name, value)
    given()
    assert hosts._place() == ("localhost", 61440 + 7, 2, 3)
    given("--process_id=1")
    assert hosts._place() == ("localhost", 61440 + 7, 1, 3)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--nodistributed", "--num_processes=2"], "--num_processes: needs --distributed"),
        ([], "--coordinator_address: missing, and the environment does not say it"),
        (["--coordinator_address=localhost:1"], "--num_processes: missing, and the environment"),
        (["--coordinator_address=localhost"], "--coordinator_address: localhost is not allowed"),
        (["--coordinator_address=a:0"], "--coordinator_address: a:0 is not allowed; expected HOST"),
        (
            ["--coordinator_address=localhost:1", "--num_processes=2", "--process_id=2"],
            "--process_id: 2 is not allowed; expected less than --num_processes=2",
        ),
    ],
)
def test_refusals_name_the_flag(arguments, message, given, monkeypatch):
    for name in SLURM:
        monkeypatch.delenv(name, raising=False)
    given("--distributed", *arguments)
    with pytest.raises(ValueError, match=f"^{message}"), hosts.joined():
        pass


def test_those_that_never_join_are_named(given, monkeypatch):
    monkeypatch.setattr(hosts.interrupts, "on_signal", lambda farewell: None)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    given("--distributed", f"--coordinator_address=127.0.0.1:{port}", "--num_processes=3")
    given("--process_id=0", "--join_seconds=1")
    message = r"^--distributed: process 1 has not joined within 1 s$"
    with pytest.raises(ValueError, match=message), hosts.joined():
        pass
