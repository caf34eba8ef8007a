"""Runs of several processes, on one host or several: flags, joining, waiting."""

from __future__ import annotations

import socket

import jax
from absl import flags

from airchitect_jax.labelling import Process

DISTRIBUTED = flags.DEFINE_boolean(
    "distributed",
    False,
    "One of several processes, each of which labels its share into the same workdir. The"
    " coordinator and the numbers come from the flags below, or from SLURM, Kubernetes or other"
    " environments that jax.distributed knows.",
)
COORDINATOR = flags.DEFINE_string("coordinator_address", None, "HOST:PORT of process 0.")
NUM_PROCESSES = flags.DEFINE_integer("num_processes", None, "Number of processes.", lower_bound=1)
PROCESS_ID = flags.DEFINE_integer("process_id", None, "Index of this process.", lower_bound=0)


def join() -> Process:
    """Joins the other processes; the index and number of processes."""
    if not DISTRIBUTED.value:
        for flag in (COORDINATOR, NUM_PROCESSES, PROCESS_ID):
            if flag.value is not None:
                raise ValueError(f"--{flag.name}: needs --distributed")
        return Process()
    if COORDINATOR.value is not None:
        _check_address(COORDINATOR.value)
    count, index = NUM_PROCESSES.value, PROCESS_ID.value
    if count is not None and index is not None and index >= count:
        raise ValueError(
            f"--process_id: {index} is not allowed; expected less than --num_processes={count}"
        )
    try:
        jax.distributed.initialize(
            coordinator_address=COORDINATOR.value,
            num_processes=NUM_PROCESSES.value,
            process_id=PROCESS_ID.value,
        )
    except (RuntimeError, ValueError) as error:
        raise ValueError(f"--distributed: {error}") from None
    return Process(index=jax.process_index(), count=jax.process_count())


def _check_address(address: str) -> None:
    """Refuses addresses on which JAX would crash, or wait until it gives up.

    Raises:
      ValueError: it is not HOST:PORT, or there is no such host.
    """
    host, _, port = address.rpartition(":")
    if not host or not port.isascii() or not port.isdecimal() or not 1 <= int(port) <= 65535:
        raise ValueError(
            f"--{COORDINATOR.name}: {address} is not allowed; expected HOST:PORT with a port in"
            " 1..65535"
        )
    try:
        socket.getaddrinfo(host.removeprefix("[").removesuffix("]"), int(port))
    except (OSError, UnicodeError) as error:
        raise ValueError(f"--{COORDINATOR.name}: {host} is not a known host: {error}") from None


def wait_for_all(what: str) -> None:
    """Waits until every process is here; `what` has been done."""
    from jax.experimental import multihost_utils

    multihost_utils.sync_global_devices(what)
