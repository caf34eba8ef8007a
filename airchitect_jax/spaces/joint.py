"""The joint space: array shapes times buffer sizings for a whole network.

A design is every array shape within a MAC budget, times every sizing of three SRAMs within an SRAM
budget; with it comes a dataflow for each layer.
"""

from __future__ import annotations

import dataclasses
import functools
from typing import Any

import numpy as np
from jaxtyping import Int, Num

from airchitect_jax._support import (
    MAX_COUNT,
    instance,
    instance_or_default,
    int_field,
    settle,
    shown,
    whole_number,
)
from airchitect_jax.spaces.array_dataflow import ArrayDataflowSpace
from airchitect_jax.spaces.buffers import BufferSpace
from airchitect_jax.types import BufferSizes, Dataflow


@dataclasses.dataclass(frozen=True, kw_only=True)
class JointSpace:
    """Arrays times sizings. A design is (shape, sizing); its dataflows come with the layers.

    Attributes:
      rows, cols: of each array shape, any whole numbers.
      sizings: ids in `buffers`, ascending.
      buffers: the space that the sizings are of.

    Raises:
      ValueError: a field is not allowed.
      TypeError: `buffers` is of another type.
    """

    rows: Int[np.ndarray, "shapes"]
    cols: Int[np.ndarray, "shapes"]
    sizings: Int[np.ndarray, "sizings"]
    buffers: BufferSpace = dataclasses.field(default_factory=BufferSpace)

    def __post_init__(self) -> None:
        buffers = instance("buffers", self.buffers, BufferSpace)
        last = buffers.num_designs - 1
        settle(
            self,
            rows=int_field("rows", self.rows, low=1),
            cols=int_field("cols", self.cols, low=1),
            sizings=int_field("sizings", self.sizings, low=0, high=last),
        )
        for name in ("rows", "cols", "sizings"):
            shape = getattr(self, name).shape
            if len(shape) != 1 or not shape[0] or (name == "cols" and shape != self.rows.shape):
                raise ValueError(
                    f"{name}: the shape {shape} is not allowed; expected one for each"
                    f" {'sizing' if name == 'sizings' else 'array'}"
                )
        if np.any(np.diff(self.sizings) <= 0):
            raise ValueError(f"sizings: {shown(self.sizings)} is not allowed; expected to ascend")

    @classmethod
    def within(
        cls, mac_budget: int, sram_budget_bytes: int, buffers: BufferSpace | None = None
    ) -> JointSpace:
        """Powers of two of at least 2 with rows * cols and the sum of the sizes within budget.

        Raises:
          ValueError: nothing is within a budget.
        """
        buffers = instance_or_default("buffers", buffers, BufferSpace)
        mac_budget = whole_number("mac_budget", mac_budget, low=4, high=2**30)
        sram_budget_bytes = whole_number(
            "sram_budget_bytes", sram_budget_bytes, low=0, high=MAX_COUNT
        )
        if sram_budget_bytes < buffers.smallest_bytes:
            raise ValueError(
                f"sram_budget: {sram_budget_bytes / 1024:g} KB is not allowed; expected at least"
                f" {buffers.smallest_bytes // 1024} KB, the smallest sizing"
            )
        arrays = ArrayDataflowSpace(max_mac_exponent=mac_budget.bit_length() - 1)
        shapes = arrays.dataflow == Dataflow.OS
        totals = buffers.levels.sum(axis=1) * buffers.step_bytes
        return cls(
            rows=np.int64(1) << arrays.row_exponent[shapes].astype(np.int64),
            cols=np.int64(1) << arrays.col_exponent[shapes].astype(np.int64),
            sizings=np.flatnonzero(totals <= sram_budget_bytes),
            buffers=buffers,
        )

    @property
    def num_designs(self) -> int:
        """Arrays times sizings."""
        return len(self.rows) * len(self.sizings)

    @property
    def num_macs(self) -> Int[np.ndarray, "shapes"]:
        """MAC units of each shape."""
        return self.rows * self.cols

    @functools.cached_property
    def levels(self) -> Int[np.ndarray, "sizings 3"]:
        """Sizes of the ifmap, filter and ofmap SRAM in steps."""
        return self.buffers.levels[self.sizings]

    @property
    def sram_bytes(self) -> Int[np.ndarray, "sizings"]:
        """All three SRAMs of each sizing together."""
        return self.levels.sum(axis=1).astype(np.int64) * self.buffers.step_bytes

    def sizes(self, sizing: Any) -> BufferSizes:
        """The sizes in bytes of sizings by their index in `sizings`."""
        return self.buffers.decode(self.sizings[sizing])

    @functools.cached_property
    def tie_rank(self) -> Int[np.ndarray, "shapes sizings"]:
        """Which of two designs of equal cost wins: fewer MACs, less SRAM, then lower ids."""
        shape, sizing = np.indices((len(self.rows), len(self.sizings)))
        order = np.lexsort(
            (
                sizing.ravel(),
                shape.ravel(),
                self.sram_bytes[sizing].ravel(),
                self.num_macs[shape].ravel(),
            )
        )
        rank = np.empty(self.num_designs, np.int64)
        rank[order] = np.arange(self.num_designs)
        return rank.reshape(shape.shape)

    def best(
        self,
        costs: Num[np.ndarray, "shapes sizings"],
        among: Int[np.ndarray, "designs"] | None = None,
    ) -> tuple[int, int]:
        """The design of the lowest cost; ties by `tie_rank`.

        Args:
          costs: of all designs.
          among: indices into the flattened costs that are looked at; by default all.
        """
        indices = np.arange(self.num_designs) if among is None else among
        considered = costs.ravel()[indices]
        tied = indices[considered == considered.min()]
        first = tied[np.argmin(self.tie_rank.ravel()[tied])]
        return self.unravel(int(first))

    def unravel(self, index: int) -> tuple[int, int]:
        """The shape and the sizing of an index into flattened costs."""
        return divmod(index, len(self.sizings))
