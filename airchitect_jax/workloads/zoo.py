"""Well-known networks, packaged as tables of GEMMs and of operators.

`networks/*.csv` hold the GEMMs, `networks/operators/*.csv` the work between them. Large language
models have several tables: a prefill of a prompt, or a decoding step of one token per sequence, at
a batch size (b) and a context length (c).
"""

from __future__ import annotations

import csv
import dataclasses
import importlib.resources
import re
from collections.abc import Iterator

from airchitect_jax._support import shown
from airchitect_jax.types import OperatorKind
from airchitect_jax.workloads.network import Network, Operator
from airchitect_jax.workloads.scalesim_csv import parse_topology

# The networks on which case studies are evaluated, one table each.
EVALUATION_NETWORKS = ("bert_base", "dlrm", "gpt2", "mobilenet_v2", "resnet50", "vit_b16")
_LANGUAGE_MODEL = re.compile(r"_(?P<stage>prefill|decode)_b(?P<batch>\d+)_c(?P<context>\d+)$")
_TABLES = importlib.resources.files("airchitect_jax.workloads") / "networks"


def network_names() -> tuple[str, ...]:
    """Names of the packaged networks, sorted.

    Example:
      >>> aj.network_names()[:3]
      ('bert_base', 'dlrm', 'gpt2')
    """
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

    Example:
      >>> network = aj.load_network("resnet50")
      >>> len(network.layers), network.layers[0].name
      (54, 'conv1')
    """
    if not isinstance(name, str) or name not in network_names():
        raise ValueError(
            f"network: {shown(name)} is not packaged; there are {', '.join(network_names())}"
        )
    table = _TABLES / f"{name}.csv"
    network = parse_topology(table.read_bytes(), name=name, source=table.name)
    return dataclasses.replace(network, operators=tuple(_operators(name)), tokens=_tokens(name))


def _tokens(name: str) -> int:
    """The tokens that a pass of a language model takes (prefill) or generates (decode)."""
    found = _LANGUAGE_MODEL.search(name)
    if found is None:
        return 0
    return int(found["batch"]) * (int(found["context"]) if found["stage"] == "prefill" else 1)


def _operators(name: str) -> Iterator[Operator]:
    _, *rows = csv.reader((_TABLES / "operators" / f"{name}.csv").read_text("utf-8").splitlines())
    for operator, kind, *numbers in rows:
        operations, inputs, outputs, count = map(int, numbers)
        yield Operator(
            name=operator,
            kind=OperatorKind(kind),
            operations=operations,
            input_elements=inputs,
            output_elements=outputs,
            count=count,
        )
