"""Well-known networks, packaged as GEMM tables (`networks/*.csv`).

Large language models have several tables: a prefill of a prompt, or a decoding step of one token
per sequence, at a batch size (b) and a context length (c).
"""

from __future__ import annotations

import importlib.resources

from airchitect_jax._support import shown
from airchitect_jax.workloads.network import Network
from airchitect_jax.workloads.scalesim_csv import parse_topology

# The networks on which case studies are evaluated, one table each.
EVALUATION_NETWORKS = ("bert_base", "dlrm", "gpt2", "mobilenet_v2", "resnet50", "vit_b16")
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
      ValueError: there is no network of that name; lists the names.
    """
    if not isinstance(name, str) or name not in network_names():
        raise ValueError(
            f"network: {shown(name)} is not packaged; there are {', '.join(network_names())}"
        )
    table = _TABLES / f"{name}.csv"
    return parse_topology(table.read_bytes(), name=name, source=table.name)
