"""Runs of several processes, on one host or several: flags, joining, waiting, and ending together.

A run that several processes share goes on only while all of them live. The files of a run are made
for being resumed, so that all processes can end at once when one does, and be started again.
"""

from __future__ import annotations

import contextlib
import pathlib
import socket
import time
from collections.abc import Collection, Iterator, Mapping
from typing import Any

import jax
from absl import flags
from jax._src import clusters  # no public function finds the processes without starting them
from jax.experimental import multihost_utils

from airchitect_jax.experiments import host_watch, interrupts, runner

DISTRIBUTED = flags.DEFINE_boolean(
    "distributed",
    False,
    "One of several processes that share the work. The coordinator and the numbers come from the"
    " flags below, or from SLURM, Kubernetes or other environments that jax.distributed knows.",
)
COORDINATOR = flags.DEFINE_string("coordinator_address", None, "HOST:PORT of process 0.")
NUM_PROCESSES = flags.DEFINE_integer("num_processes", None, "Number of processes.", lower_bound=1)
PROCESS_ID = flags.DEFINE_integer("process_id", None, "Index of this process.", lower_bound=0)
JOIN_SECONDS = flags.DEFINE_float(
    "join_seconds", 300.0, "How long processes wait for each other to start.", lower_bound=1.0
)

_VERDICT_SECONDS = 3.0  # in which it is known whether another process caused an error of JAX
_STATUS = {interrupts.INTERRUPTED: 130, interrupts.TERMINATED: 143}


class Group:
    """The processes that share a run, seen from one of them. Alone, it waits for nobody."""

    def __init__(
        self, index: int = 0, count: int = 1, watch: host_watch.Watch | None = None, host: str = ""
    ) -> None:
        """`watch` has joined the others at `host`."""
        self.index, self.count = index, count
        self._watch, self._host = watch, host

    def wait_for_all(self, what: str) -> None:
        """Waits until every process has done `what`, which is said once in a run."""
        if self._watch is not None:
            self._watch.meet(what)

    @contextlib.contextmanager
    def claim(
        self,
        experiment: str,
        settings: Mapping[str, Any],
        *,
        resume: bool,
        free: Collection[str] = (),
    ) -> Iterator[pathlib.Path | None]:
        """`runner.claim` by process 0, for all; the others wait for it, and get None."""
        if self.index:
            self.wait_for_all("claimed")
            yield None
            return
        with runner.claim(experiment, settings, resume=resume, free=free) as folder:
            self.wait_for_all("claimed")
            yield folder

    def share_devices(self) -> None:
        """Makes the devices of all processes those of one JAX program.

        JAX aborts the others, with many lines, when process 0 dies, which runs its coordinator. On
        CPUs the coordinator is needed for the start alone, so the others leave it then.
        """
        if self._watch is None:
            return
        port = 0
        if self.index == 0:
            with socket.socket() as free:
                free.bind(("", 0))
                port = free.getsockname()[1]
        port = int(self._watch.meet("coordinator", str(port)))
        host = f"[{self._host}]" if ":" in self._host else self._host
        jax.config.update("jax_enable_preemption_service", False)  # it would take SIGTERM
        jax.config.update("jax_enable_recoverability", True)  # those that leave wait for nobody
        with interrupts.muted():
            jax.distributed.initialize(
                coordinator_address=f"{host}:{port}",
                num_processes=self.count,
                process_id=self.index,
                cluster_detection_method="deactivate",
            )
            multihost_utils.sync_global_devices("connected")
            if self.index and jax.default_backend() == "cpu":
                jax.distributed.shutdown()


@contextlib.contextmanager
def joined() -> Iterator[Group]:
    """Joins the other processes for the time of the block, as the flags say.

    If one of them ends within it, this one ends too: with one line, and status 130 or 143 if the
    other was interrupted or terminated, otherwise 1.

    Raises:
      ValueError: a flag is not allowed, or the processes do not find each other.
    """
    if not DISTRIBUTED.value:
        for flag in (COORDINATOR, NUM_PROCESSES, PROCESS_ID):
            if flag.value is not None:
                raise ValueError(f"--{flag.name}: needs --{DISTRIBUTED.name}")
        yield Group()
        return
    host, port, index, count = _place()
    if count == 1:
        yield Group()
        return
    watch = host_watch.Watch(index, count, _end)
    interrupts.on_signal(watch.end)
    try:
        try:
            watch.join(host, port, JOIN_SECONDS.value)
        except ValueError as error:
            raise ValueError(f"--{DISTRIBUTED.name}: {error}") from None
        yield Group(index, count, watch, host)
    except Exception as error:
        if isinstance(error, jax.errors.JaxRuntimeError):
            time.sleep(_VERDICT_SECONDS)
        if not watch.end(host_watch.FAILED):
            time.sleep(_VERDICT_SECONDS)  # `_end` is at work
        raise
    watch.leave()


def _end(index: int, how: str) -> None:
    """Ends this process because another one did."""
    status = _STATUS.get(how, 1)
    text = f"error: process {index} {how}" if status == 1 else f"{how} in process {index}"
    interrupts.stop(text, status)


def _place() -> tuple[str, int, int, int]:
    """Host and port of process 0, the index of this one, and their number.

    Raises:
      ValueError: a flag is not allowed, or missing where nothing else says it.
    """
    address, count, index = COORDINATOR.value, NUM_PROCESSES.value, PROCESS_ID.value
    place = None if address is None else _checked(address)
    if address is None or count is None or index is None:
        address, count, index = _detected(address, count, index)
    if index >= count:
        raise ValueError(
            f"--{PROCESS_ID.name}: {index} is not allowed; expected less than"
            f" --{NUM_PROCESSES.name}={count}"
        )
    host, port = place or _checked(address)
    return host, port, index, count


def _detected(address: str | None, count: int | None, index: int | None) -> tuple[str, int, int]:
    """What the flags leave open, from the environment, as `jax.distributed` finds it.

    Raises:
      ValueError: the environment does not say it either.
    """
    try:
        address, count, index, devices = clusters.ClusterEnv.auto_detect_unset_distributed_params(
            address, count, index, None, None, int(JOIN_SECONDS.value)
        )
    except (RuntimeError, ValueError) as error:
        raise ValueError(f"--{DISTRIBUTED.name}: {error}") from None
    if address is None or count is None or index is None:
        flag = COORDINATOR if address is None else NUM_PROCESSES if count is None else PROCESS_ID
        raise ValueError(f"--{flag.name}: missing, and the environment does not say it")
    if devices is not None:
        for platform in ("cuda", "rocm"):
            jax.config.update(f"jax_{platform}_visible_devices", ",".join(map(str, devices)))
    return address, count, index


def _checked(address: str) -> tuple[str, int]:
    """Host and port of an address.

    Raises:
      ValueError: it is not HOST:PORT, or there is no such host.
    """
    host, _, port = address.rpartition(":")
    if not host or not port.isascii() or not port.isdecimal() or not 1 <= int(port) <= 65535:
        raise ValueError(
            f"--{COORDINATOR.name}: {address} is not allowed; expected HOST:PORT with a port in"
            " 1..65535"
        )
    host = host.removeprefix("[").removesuffix("]")
    try:
        socket.getaddrinfo(host, int(port))
    except (OSError, UnicodeError) as error:
        raise ValueError(f"--{COORDINATOR.name}: {host} is not a known host: {error}") from None
    return host, int(port)
