"""The work that a reader finds in a program."""

from __future__ import annotations

import dataclasses
from collections import Counter

from airchitect_jax.workloads.network import Layer, Network, Operator, with_distinct_names


@dataclasses.dataclass(frozen=True)
class Found:
    """The work of a program or of a part of it; `notes` say what could not be counted exactly."""

    layers: list[Layer] = dataclasses.field(default_factory=list)
    operators: list[Operator] = dataclasses.field(default_factory=list)
    skipped: Counter[str] = dataclasses.field(default_factory=Counter)
    notes: list[str] = dataclasses.field(default_factory=list)

    @property
    def work(self) -> tuple[int, int]:
        """MACs, and the operations of operators."""
        operations = sum(operator.operations * operator.count for operator in self.operators)
        return sum(layer.macs for layer in self.layers), operations

    def add(self, other: Found) -> None:
        """Adds the work of another part."""
        self.layers.extend(other.layers)
        self.operators.extend(other.operators)
        self.skipped.update(other.skipped)
        self.notes.extend(other.notes)

    def network(self, name: str) -> Network:
        """The work as a network of that name."""
        return Network(
            name=name,
            layers=with_distinct_names(self.layers),
            operators=with_distinct_names(self.operators),
            skipped=dict(sorted(self.skipped.items())),
        )
