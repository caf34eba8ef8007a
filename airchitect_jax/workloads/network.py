"""Neural networks as lists of GEMMs, with names and how often each occurs."""

from __future__ import annotations

import dataclasses

import numpy as np

from airchitect_jax.types import Gemm


@dataclasses.dataclass(frozen=True, kw_only=True)
class Layer:
    """One GEMM of a network, (m x k) by (k x n), which runs `count` times."""

    name: str
    m: int
    n: int
    k: int
    count: int = 1

    @property
    def macs(self) -> int:
        """Multiply-accumulates of all occurrences."""
        return self.m * self.n * self.k * self.count


@dataclasses.dataclass(frozen=True, kw_only=True)
class Network:
    """A named, ordered list of layers."""

    name: str
    layers: tuple[Layer, ...]

    @property
    def macs(self) -> int:
        """Multiply-accumulates of one pass."""
        return sum(layer.macs for layer in self.layers)

    @property
    def gemms(self) -> Gemm:
        """The layers' GEMMs, int64 fields of shape [layers]."""
        return Gemm(
            **{
                dim: np.array([getattr(layer, dim) for layer in self.layers], np.int64)
                for dim in ("m", "n", "k")
            }
        )
