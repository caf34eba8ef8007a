"""The processes of one run watch each other over TCP: when one ends early, all do.

Process 0 listens and the others connect to it. These connections stay open until the work is done.
A process that ends early says why; the system closes the connection of one that dies; if a host is
gone, its connections are given up after 20 seconds. Messages are JSON, one per line. This uses the
standard library alone, so that a run can end whatever JAX is doing.
"""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
from collections.abc import Callable
from typing import Any, TextIO

DIED, FAILED = "died", "failed"  # how a process ends early, beside signals

_GRACE_SECONDS = 5.0  # for the others to end first
_RETRY_SECONDS = 0.2
_ATTEMPT_SECONDS = 5.0  # of one attempt to connect
# An idle connection is probed after 5 s and 3 times; unacknowledged messages wait as long.
_KEEPALIVE = {
    "TCP_KEEPIDLE": 5,
    "TCP_KEEPINTVL": 5,
    "TCP_KEEPCNT": 3,
    "TCP_USER_TIMEOUT": 20_000,
}


class Watch:
    """The connections of process 0 to all others, or of another one to process 0."""

    def __init__(self, index: int, count: int, on_end: Callable[[int, str], None]) -> None:
        """`on_end` is called once, from a thread, if another process ends early: which and how."""
        self._index, self._count, self._on_end = index, count, on_end
        self._changed = threading.Condition()
        self._peers: dict[int, socket.socket] = {}
        self._arrived: dict[str, dict[int, str]] = {}  # at process 0: values by meeting and process
        self._met: dict[str, str] = {}  # the meetings that are over, with the values of process 0
        self._refusal: str | None = None
        self._ended = False

    def join(self, host: str, port: int, timeout_s: float) -> None:
        """Connects all processes; `host` and `port` are those of process 0.

        Raises:
          ValueError: the port cannot be opened, processes disagree, or some are missing after
            `timeout_s`.
        """
        deadline = time.monotonic() + timeout_s
        if self._index == 0:
            try:
                server = _listen(port)
            except OSError as error:
                raise ValueError(f"port {port} cannot be opened: {error.strerror}") from None
            self._arrive(0, "joined", "")
            self._run(self._accept, server)
        else:
            connection = _connect(host, port, deadline)
            if connection is None:
                raise ValueError(
                    f"process 0 does not answer at {host}:{port} within {timeout_s:.0f} s"
                )
            self._peers[0] = connection
            _send(connection, "hello", self._index, self._count)
            self._run(self._read, connection.makefile(encoding="utf-8"), 0)
        if not self._wait_for("joined", deadline - time.monotonic()):
            missing = sorted(set(range(self._count)) - self._peers.keys() - {self._index})
            raise ValueError(
                f"process {missing[0]} has not joined within {timeout_s:.0f} s"
                if self._index == 0
                else f"not all of {self._count} processes have joined within {timeout_s:.0f} s"
            )

    def meet(self, name: str, value: str = "") -> str:
        """Waits until all processes are here; returns the value of process 0."""
        if self._index == 0:
            self._arrive(0, name, value)
        else:
            self._tell("here", name, value)
        self._wait_for(name, None)
        return self._met[name]

    def leave(self) -> None:
        """Says that the work of this process is done, and stops watching."""
        with self._changed:
            self._ended = True
            self._tell("done")

    def end(self, how: str) -> bool:
        """Says that this process ends early; False if another one has, and `on_end` is at work."""
        return self._pass_on(self._index, how)

    def _run(self, function: Callable[..., None], *arguments: Any) -> None:
        threading.Thread(target=function, args=arguments, daemon=True).start()

    def _wait_for(self, name: str, timeout_s: float | None) -> bool:
        with self._changed:
            self._changed.wait_for(lambda: name in self._met or self._refusal, timeout_s)
            if self._refusal is not None:
                raise ValueError(self._refusal)
            return name in self._met

    def _tell(self, *message: Any) -> None:
        with self._changed:
            for connection in self._peers.values():
                with contextlib.suppress(OSError):  # whoever reads from it notices
                    _send(connection, *message)

    def _accept(self, server: socket.socket) -> None:
        while True:
            connection, _ = server.accept()
            self._run(self._greet, connection)

    def _greet(self, connection: socket.socket) -> None:
        """At process 0: takes in another process, or refuses it and says why."""
        messages = connection.makefile(encoding="utf-8")
        try:
            kind, index, count = json.loads(messages.readline(1000))
        except (OSError, ValueError, TypeError):
            kind = None
        with self._changed:
            if kind != "hello":  # somebody else's
                connection.close()
                return
            refusal = None
            if count != self._count:
                refusal = f"process {index} expects {count} processes, process 0 {self._count}"
                self._refusal = None if "joined" in self._met else refusal
                self._changed.notify_all()
            elif index in self._arrived["joined"]:
                refusal = f"process {index} has joined already"
            if refusal is not None:
                _send(connection, "refused", refusal)
                connection.close()
                return
            _keep_alive(connection)
            self._peers[index] = connection
            self._arrive(index, "joined", "")
        self._read(messages, index)

    def _arrive(self, index: int, name: str, value: str) -> None:
        """At process 0: ends the meeting once all are there."""
        with self._changed:
            values = self._arrived.setdefault(name, {})
            values[index] = value
            if len(values) == self._count:
                self._tell("met", name, values[0])
                self._meeting_ends(name, values[0])

    def _meeting_ends(self, name: str, value: str) -> None:
        with self._changed:
            self._met[name] = value
            self._changed.notify_all()

    def _read(self, messages: TextIO, peer: int) -> None:
        """Follows what another process says until it ends."""
        end: tuple[int, str] | None = peer, DIED
        with contextlib.suppress(OSError, ValueError):
            for line in messages:
                kind, *values = json.loads(line)
                if kind == "here":
                    self._arrive(peer, *values)
                elif kind == "met":
                    self._meeting_ends(*values)
                elif kind == "ended":
                    end = values[0], values[1]
                    break
                else:  # "done" or "refused"
                    end = None
                    self._refusal = values[0] if values else None
                    break
        with self._changed:
            del self._peers[peer]
            self._changed.notify_all()
        if end is not None and self._pass_on(*end):
            self._on_end(*end)

    def _pass_on(self, index: int, how: str) -> bool:
        """Tells the others that a process ended early; False if one has already."""
        with self._changed:
            if self._ended:
                return False
            self._ended = True
            self._tell("ended", index, how)
            if self._index == 0:
                # The others may need the JAX runtime of this process until they have ended.
                self._changed.wait_for(lambda: not self._peers, _GRACE_SECONDS)
        return True


def _listen(port: int) -> socket.socket:
    if socket.has_dualstack_ipv6():
        return socket.create_server(("", port), family=socket.AF_INET6, dualstack_ipv6=True)
    return socket.create_server(("", port))


def _connect(host: str, port: int, deadline: float) -> socket.socket | None:
    """A connection to process 0, which may not have started yet; None after the deadline."""
    while (left := deadline - time.monotonic()) > 0:
        with contextlib.suppress(OSError):
            connection = socket.create_connection((host, port), min(left, _ATTEMPT_SECONDS))
            if connection.getsockname() != connection.getpeername():  # as may be on one host
                connection.settimeout(None)
                _keep_alive(connection)
                return connection
            connection.close()
        time.sleep(_RETRY_SECONDS)
    return None


def _keep_alive(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _KEEPALIVE.items():
        if hasattr(socket, name):
            connection.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


def _send(connection: socket.socket, *message: Any) -> None:
    connection.sendall(json.dumps(message).encode() + b"\n")
