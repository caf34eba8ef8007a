"""Neural networks as lists of named GEMMs and of the operators between them, with counts."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import TypeVar

import numpy as np

from airchitect_jax._support import (
    MAX_COUNT,
    MAX_DIM,
    as_array,
    instance,
    int_field,
    member,
    settle,
    shown,
    whole_number,
)
from airchitect_jax.types import Gemm, OperatorKind

_Named = TypeVar("_Named", "Layer", "Operator")

_MAX_RUNS = 2**128  # of a GEMM: sums of counts of layers times weights of networks


@dataclasses.dataclass(frozen=True, kw_only=True)
class Layer:
    """One GEMM of a network, (m x k) by (k x n), which runs `count` times.

    `overlapping` marks layers that were read as convolutions with overlapping windows.

    Raises:
      ValueError: a number is not in 1..2**31 - 1 (`count`: 1..2**63 - 1); names the layer.
      TypeError: the name is not a string.

    Example:
      >>> layer = aj.Layer(name="scores", m=128, n=128, k=64, count=12)
      >>> layer.m * layer.n * layer.k * layer.count  # MACs
      12582912
    """

    name: str
    m: int
    n: int
    k: int
    count: int = 1
    overlapping: bool = dataclasses.field(default=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        instance("name", self.name, str)
        for field in ("m", "n", "k"):
            value = getattr(self, field)
            try:
                settle(self, **{field: whole_number(field, value)})
            except ValueError:
                gemm = " x ".join(shown(side) for side in (self.m, self.n, self.k))
                raise ValueError(
                    f"layer {self.name!r}: the GEMM is {gemm}; {field} must be in 1..{MAX_DIM}"
                ) from None
        count = whole_number(f"layer {self.name!r}: count", self.count, high=MAX_COUNT)
        settle(self, count=count)

    @property
    def macs(self) -> int:
        """Multiply-accumulates of all occurrences."""
        return self.m * self.n * self.k * self.count


@dataclasses.dataclass(frozen=True, kw_only=True)
class Operator:
    """Work of a network without matrix products, which runs `count` times.

    Attributes:
      name: used in tables.
      kind: selects the rate of the vector unit.
      operations: arithmetic operations of one run, transcendental ones included; 0 where elements
        are only moved.
      input_elements: elements that one run reads, weights included; each counts once.
      output_elements: elements that one run writes.
      count: number of runs.

    Raises:
      ValueError: the kind is unknown, or a number is not in 0..2**63 - 1 (`output_elements` and
        `count`: at least 1); names the operator.
      TypeError: the name is not a string.

    Example:
      >>> softmax = aj.Operator(
      ...     name="softmax", kind=aj.OperatorKind.SOFTMAX,
      ...     operations=5 * 128 * 128, input_elements=128 * 128, output_elements=128 * 128,
      ... )
      >>> softmax.count
      1
    """

    name: str
    kind: OperatorKind
    operations: int
    input_elements: int
    output_elements: int
    count: int = 1

    def __post_init__(self) -> None:
        instance("name", self.name, str)
        where = f"operator {self.name!r}"
        settle(self, kind=member(f"{where}: kind", self.kind, OperatorKind))
        for field, low in _LEAST.items():
            value = whole_number(f"{where}: {field}", getattr(self, field), low=low, high=MAX_COUNT)
            settle(self, **{field: value})


_LEAST = {"operations": 0, "input_elements": 0, "output_elements": 1, "count": 1}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Network:
    """A named, ordered list of layers.

    Attributes:
      name: used in tables and figures.
      layers: the GEMMs.
      operators: the work between them.
      tokens: of a language model that one pass takes or generates; 0 for other networks.
      skipped: counts of the source's operators that are not modelled.

    Raises:
      TypeError: a field is of another type.

    Example:
      >>> layer = aj.Layer(name="scores", m=128, n=128, k=64, count=12)
      >>> network = aj.Network(name="attention", layers=(layer,))
      >>> aj.recommend(network, mac_budget=1024).design.describe()
      '16x64, 100+100+100 KB'
    """

    name: str
    layers: tuple[Layer, ...]
    operators: tuple[Operator, ...] = ()
    skipped: Mapping[str, int] = dataclasses.field(default_factory=dict)
    tokens: int = 0

    def __post_init__(self) -> None:
        instance("name", self.name, str)
        for field, kind in (("layers", Layer), ("operators", Operator)):
            values = getattr(self, field)
            if not isinstance(values, (tuple, list)):
                raise TypeError(f"{field}: {shown(values)} is not allowed; expected a tuple")
            for number, value in enumerate(values):
                instance(f"{field}: {kind.__name__.lower()} {number}", value, kind)
            settle(self, **{field: tuple(values)})
        if not isinstance(self.skipped, Mapping):
            raise TypeError(f"skipped: {shown(self.skipped)} is not allowed; expected a mapping")

    @property
    def macs(self) -> int:
        """Multiply-accumulates of one pass."""
        return sum(layer.macs for layer in self.layers)

    @property
    def operator_counts(self) -> dict[str, int]:
        """Runs of operators by kind, and what is not modelled by name."""
        counts: Counter[str] = Counter()
        for operator in self.operators:
            counts[operator.kind.value] += operator.count
        return {**counts, **self.skipped}

    @property
    def gemms(self) -> Gemm:
        """The layers' GEMMs, int64 fields of shape [layers]."""
        return Gemm(
            **{
                dim: np.array([getattr(layer, dim) for layer in self.layers], np.int64)
                for dim in ("m", "n", "k")
            }
        )


def with_distinct_names(layers: Iterable[_Named]) -> tuple[_Named, ...]:
    """Layers or operators with repeated names numbered: "dense", "dense (2)"."""
    taken: set[str] = set()
    last: dict[str, int] = {}  # the last number given to a name
    named = []
    for layer in layers:
        name, number = layer.name, last.get(layer.name, 1)
        while name in taken:
            number += 1
            name = f"{layer.name} ({number})"
        taken.add(name)
        last[layer.name] = number
        named.append(dataclasses.replace(layer, name=name))
    return tuple(named)


@dataclasses.dataclass(frozen=True, kw_only=True)
class GemmCounts:
    """Distinct GEMMs and the number of runs of each.

    Raises:
      ValueError: a dimension or a count is not a positive whole number.
    """

    gemms: tuple[tuple[int, int, int], ...]
    counts: tuple[int, ...]

    def __post_init__(self) -> None:
        sides = int_field("gemms", self.gemms, low=1)
        if sides.ndim != 2 or sides.shape[1] != len("mnk"):
            raise ValueError(
                f"gemms: the shape {sides.shape} is not allowed; expected (m, n, k) of each"
            )
        counts = as_array("counts", self.counts)
        if counts.shape != sides.shape[:1]:
            raise ValueError(
                f"counts: the shape {counts.shape} is not allowed; expected one for each GEMM"
            )
        settle(
            self,
            gemms=tuple((m, n, k) for m, n, k in sides.tolist()),
            counts=tuple(whole_number("counts", count, high=_MAX_RUNS) for count in counts),
        )

    @classmethod
    def of(cls, gemms: Sequence[tuple[int, int, int]], counts: Sequence[int]) -> GemmCounts:
        """Merges equal GEMMs and adds their counts."""
        each = cls(gemms=tuple(gemms), counts=tuple(counts))
        total: dict[tuple[int, int, int], int] = {}
        for gemm, count in zip(each.gemms, each.counts, strict=True):
            total[gemm] = total.get(gemm, 0) + count
        return cls(gemms=tuple(total), counts=tuple(total.values()))

    @classmethod
    def of_layers(cls, layers: Sequence[Layer]) -> GemmCounts:
        """The GEMMs of layers, with their counts."""
        gemms = [(layer.m, layer.n, layer.k) for layer in layers]
        return cls.of(gemms, [layer.count for layer in layers])
