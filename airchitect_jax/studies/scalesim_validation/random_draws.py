"""What random files of the scalesim package are drawn with: a kind, and numbers for it."""

from __future__ import annotations

import dataclasses
import math
from typing import TypeVar

import numpy as np

_Choice = TypeVar("_Choice")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Kind:
    """What is special about the runs of a kind; the rest is drawn for each run.

    Attributes:
      gemm: whether topologies are those of GEMMs; None for either.
      depthwise: most layers are depthwise convolutions.
      sparse: filters are sparse, with a ratio per layer.
      row_wise: filters are sparse, with a ratio per row.
      layouts: one or both operands have custom layouts.
      ports: each port has a bandwidth of its own, and its SRAM banks.
      latencies: of DRAM requests come from files.
      mixed: any of the above in one run.
      extreme: everything is small or large.
      largest_side: most rows and columns of the array, rare runs aside.
    """

    gemm: bool | None = None
    depthwise: bool = False
    sparse: bool = False
    row_wise: bool = False
    layouts: bool = False
    ports: bool = False
    latencies: bool = False
    mixed: bool = False
    extreme: bool = False
    largest_side: int = 16


class Draw:
    """Random numbers of one run, by its own seed."""

    def __init__(self, *seed: int):
        """Takes whole numbers from 0 on."""
        self.rng = np.random.default_rng(seed)

    def chance(self, share: float) -> bool:
        """True in this share of cases."""
        return bool(self.rng.random() < share)

    def pick(self, *choices: _Choice) -> _Choice:
        """One of them, all alike."""
        return choices[self.rng.integers(len(choices))]

    def integer(self, low: int, high: int) -> int:
        """A whole number, log-uniform; both ends are included."""
        exponent = self.rng.uniform(math.log(low), math.log(high + 1))
        return min(high, int(math.exp(exponent)))
