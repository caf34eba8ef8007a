"""Well-known networks, packaged as GEMM tables (`networks/*.csv`)."""

from __future__ import annotations

import importlib.resources

from airchitect_jax.workloads.network import Network
from airchitect_jax.workloads.scalesim_csv import parse_topology

_TABLES = importlib.resources.files("airchitect_jax.workloads") / "networks"


def network_names() -> tuple[str, ...]:
    """Names of the packaged networks, sorted."""
    return tuple(
        sorted(
            entry.name.removesuffix(".csv")
            for entry in _TABLES.iterdir()
            if entry.name.endswith(".csv")
        )
    )


def load_network(name: str) -> Network:
    """A packaged network.

    Raises:
      ValueError: there is none of that name; lists those there are.
    """
    if name not in network_names():
        raise ValueError(
            f"network: {name!r} is not packaged; there are {', '.join(network_names())}"
        )
    table = _TABLES / f"{name}.csv"
    return parse_topology(table.read_bytes(), name=name, source=table.name)
