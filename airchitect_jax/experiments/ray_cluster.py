"""Runs on a Ray cluster: flags, connecting."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import sys
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import rich.console
from absl import flags

from airchitect_jax.experiments import hosts, interrupts

ENGINE = flags.DEFINE_enum(
    "engine",
    "threads",
    ["threads", "ray"],
    "Label with threads of this process, or with workers of a Ray cluster.",
)
ADDRESS = flags.DEFINE_string(
    "ray_address",
    "",
    "With --engine=ray: HOST:PORT of the head of a Ray cluster, or auto for the one of this node;"
    " empty to start one on this machine.",
)
_OBJECT_STORE_BYTES = 200 << 20  # shards do not pass through it
_CONNECT_SECONDS = 10.0


def check() -> None:
    """Refuses flags that exclude each other."""
    if ENGINE.value != "ray" and ADDRESS.value:
        raise ValueError(f"--{ADDRESS.name}: needs --{ENGINE.name}=ray")
    if ENGINE.value == "ray" and hosts.DISTRIBUTED.value:
        raise ValueError(f"--{ENGINE.name}: ray is not allowed with --distributed")


@contextlib.contextmanager
def connected(console: rich.console.Console) -> Iterator[ModuleType]:
    """Connects to the cluster of --ray_address; gives the module of the engine.

    Args:
      console: all that is printed meanwhile, except with --verbosity=1.

    Raises:
      ValueError: Ray is not installed.
      OSError: there is no such cluster.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    options: dict[str, Any] = {"address": ADDRESS.value}
    if ADDRESS.value:
        _check_reachable(ADDRESS.value)
    else:
        # Else a cluster of one machine would listen on all its addresses, not on 127.0.0.1 alone.
        os.environ.setdefault("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")
        options = {"address": "local", "include_dashboard": False}
        options["object_store_memory"] = _OBJECT_STORE_BYTES
    try:
        from airchitect_jax.labelling import ray_engine
    except ImportError as error:
        raise ValueError(f"--{ENGINE.name}=ray: {error}") from None
    import ray

    on_termination = signal.getsignal(signal.SIGTERM)
    console.file = console.file  # what standard output is now
    # Ray logs a lot, to both streams.
    with interrupts.muted(), contextlib.redirect_stdout(sys.stderr):
        try:
            terminated = False
            try:
                ray.init(log_to_driver=False, **options)
            except SystemExit:  # raised by the handler that Ray has put in place of ours
                terminated = True
            signal.signal(signal.SIGTERM, on_termination)
            if terminated:
                signal.raise_signal(signal.SIGTERM)
            yield ray_engine
        finally:
            ray.shutdown()


def _check_reachable(address: str) -> None:
    """Ray itself tries for minutes.

    Raises:
      OSError: nobody listens at HOST:PORT.
    """
    host, _, port = address.rpartition(":")
    if "/" in address or not port.isascii() or not port.isdecimal():
        return  # Ray knows more forms than this one
    try:
        socket.create_connection((host.strip("[]"), int(port)), _CONNECT_SECONDS).close()
    except (OSError, OverflowError, UnicodeError) as error:
        raise OSError(f"--{ADDRESS.name}: {address} cannot be reached: {error}") from None
