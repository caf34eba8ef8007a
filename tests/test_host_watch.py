"""Processes that watch each other, as threads of one process."""

import concurrent.futures
import json
import queue
import socket

import pytest

from airchitect_jax.experiments import host_watch
from airchitect_jax.experiments.host_watch import DIED, FAILED, Watch


def free_port():
    with socket.socket() as some:
        some.bind(("127.0.0.1", 0))
        return some.getsockname()[1]


def joined(count, timeout_s=20.0):
    """Watches that have joined, and for each the queue of what it is told of the others' ends."""
    port = free_port()
    told = [queue.Queue() for _ in range(count)]
    watches = [
        Watch(i, count, lambda index, how, i=i: told[i].put((index, how))) for i in range(count)
    ]
    together(lambda watch: watch.join("127.0.0.1", port, timeout_s), watches)
    return watches, told


def together(function, watches):
    with concurrent.futures.ThreadPoolExecutor(len(watches)) as threads:
        return list(threads.map(function, watches))


@pytest.mark.parametrize("count", [2, 3, 5])
def test_all_meet_and_get_the_value_of_the_first(count):
    watches, told = joined(count)
    for value in ("first", "second"):
        values = together(
            lambda watch, value=value: watch.meet(value, f"{value} {watches.index(watch)}"), watches
        )
        assert values == [f"{value} 0"] * count
    assert all(tell.empty() for tell in told)


def test_nobody_goes_on_before_the_last_has_come():
    watches, _ = joined(3)
    with concurrent.futures.ThreadPoolExecutor(2) as threads:
        early = [threads.submit(watch.meet, "here") for watch in watches[:2]]
        done, _ = concurrent.futures.wait(early, timeout=0.2)
        assert not done
        watches[2].meet("here")
        assert [future.result(timeout=20) for future in early] == ["", ""]


@pytest.mark.parametrize("index", [0, 1, 2])
@pytest.mark.parametrize("how", [FAILED, "interrupted"])
def test_all_others_are_told_who_ended_and_how(index, how, monkeypatch):
    monkeypatch.setattr(host_watch, "_GRACE_SECONDS", 0.1)  # threads do not close their sockets
    watches, told = joined(3)
    assert watches[index].end(how)
    for other, tell in enumerate(told):
        if other != index:
            assert tell.get(timeout=20) == (index, how)
    assert told[index].empty()
    assert all(not watch.end(FAILED) for watch in watches)  # known already


@pytest.mark.parametrize("index", [0, 1, 2])
def test_a_closed_connection_is_a_death(index, monkeypatch):
    monkeypatch.setattr(host_watch, "_GRACE_SECONDS", 0.1)
    watches, told = joined(3)
    watches[index]._ended = True  # the threads of a dead process do not say what they see
    for connection in list(watches[index]._peers.values()):
        connection.shutdown(socket.SHUT_RDWR)  # as the system does when a process dies
    others = [tell.get(timeout=20) for other, tell in enumerate(told) if other != index]
    assert others == [(index, DIED)] * 2


@pytest.mark.parametrize("index", [0, 1])
def test_who_has_done_its_work_may_leave(index):
    watches, told = joined(3)
    watches[index].leave()
    for connection in list(watches[index]._peers.values()):
        connection.shutdown(socket.SHUT_WR)
    if index == 1:  # the others still watch each other
        assert watches[2].end(FAILED)
        assert told[0].get(timeout=20) == (2, FAILED)
    assert told[2].empty()
    assert told[1].empty()


def test_a_second_process_of_the_same_index_is_refused():
    port = free_port()
    watches = [Watch(index, 2, lambda *_: None) for index in (0, 1)]
    together(lambda watch: watch.join("127.0.0.1", port, 20.0), watches)
    with pytest.raises(ValueError, match=r"^process 1 has joined already$"):
        Watch(1, 2, lambda *_: None).join("127.0.0.1", port, 20.0)
    assert watches[0].end(FAILED)  # its own run goes on until here


def test_processes_that_expect_other_numbers_are_refused_on_both_sides():
    port = free_port()
    watches = [Watch(0, 2, lambda *_: None), Watch(1, 3, lambda *_: None)]

    def refusal(watch):
        with pytest.raises(ValueError, match=r"^process 1 expects 3 processes, process 0 2$"):
            watch.join("127.0.0.1", port, 20.0)

    together(refusal, watches)


def test_missing_processes_are_named_after_a_while():
    watch = Watch(0, 3, lambda *_: None)
    with pytest.raises(ValueError, match=r"^process 1 has not joined within 0 s$"):
        watch.join("127.0.0.1", free_port(), 0.1)
    port = free_port()
    with pytest.raises(ValueError, match=rf"^process 0 does not answer at 127.0.0.1:{port} within"):
        Watch(1, 3, lambda *_: None).join("127.0.0.1", port, 0.3)


def test_a_port_that_is_in_use_is_named():
    with socket.create_server(("", 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(ValueError, match=f"^port {port} cannot be opened: Address already in"):
            Watch(0, 2, lambda *_: None).join("127.0.0.1", port, 1.0)


@pytest.mark.parametrize("text", [b"GET / HTTP/1.1\r\n\r\n", b"\xff\n", b"3\n", b'["x"]\n', b""])
def test_strangers_are_ignored(text):
    port = free_port()
    with concurrent.futures.ThreadPoolExecutor(1) as threads:
        first = threads.submit(Watch(0, 2, lambda *_: None).join, "127.0.0.1", port, 20.0)
        stranger = host_watch._connect("127.0.0.1", port, host_watch.time.monotonic() + 20)
        stranger.sendall(text)
        stranger.shutdown(socket.SHUT_WR)
        assert stranger.recv(100) == b""  # closed
        Watch(1, 2, lambda *_: None).join("127.0.0.1", port, 20.0)
        first.result(timeout=20)


def test_messages_are_one_line_of_json():
    ours, theirs = socket.socketpair()
    host_watch._send(ours, "ended", 1, "a\nb")
    assert json.loads(theirs.makefile().readline()) == ["ended", 1, "a\nb"]


def test_a_lost_host_is_given_up_within_twenty_seconds():
    """What the system is asked for; that it does so takes another host."""
    with socket.socket() as connection:
        host_watch._keep_alive(connection)
        assert connection.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        idle, interval, probes, unread_ms = (
            connection.getsockopt(socket.IPPROTO_TCP, getattr(socket, name))
            for name in ("TCP_KEEPIDLE", "TCP_KEEPINTVL", "TCP_KEEPCNT", "TCP_USER_TIMEOUT")
        )
        assert idle + interval * probes <= 20
        assert unread_ms <= 20_000
