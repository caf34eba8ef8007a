"""Machines in physical units: the product of the values that each part may have."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
from jaxtyping import Int

from airchitect_jax._support import settle, shown, whole_number

MAX_SRAM_BYTES = 2**40
MAX_BYTES_PER_SECOND = 10**15
MAX_CORES = 1024
OPERAND_SRAMS = ("ifmap_sram_bytes", "filter_sram_bytes", "ofmap_sram_bytes")
SCRATCHPAD = ("scratchpad_bytes", "accumulator_bytes")


@dataclasses.dataclass(frozen=True, kw_only=True)
class HardwareSpace:
    """Every machine whose parts have one of the values given; one value each is one machine.

    Either the three operand SRAMs have values, or scratchpad and accumulator. Sizes are those of
    one core, both halves of the double buffer together.

    Attributes:
      rows, cols: of the array of a core, ascending.
      num_cores: ascending.
      ifmap_sram_bytes, filter_sram_bytes, ofmap_sram_bytes: ascending, or empty.
      scratchpad_bytes, accumulator_bytes: ascending, or empty.
      bandwidth_bytes_per_second: of the DRAM interface, ascending.

    Raises:
      ValueError: values are missing, not whole, out of range or not ascending.

    Example:
      >>> space = aj.HardwareSpace(
      ...     rows=(16, 32), cols=(16, 32),
      ...     scratchpad_bytes=(2**17, 2**18), accumulator_bytes=(2**16,),
      ... )
      >>> space.num_designs
      8
    """

    rows: tuple[int, ...] = (128,)
    cols: tuple[int, ...] = (128,)
    num_cores: tuple[int, ...] = (1,)
    ifmap_sram_bytes: tuple[int, ...] = ()
    filter_sram_bytes: tuple[int, ...] = ()
    ofmap_sram_bytes: tuple[int, ...] = ()
    scratchpad_bytes: tuple[int, ...] = ()
    accumulator_bytes: tuple[int, ...] = ()
    bandwidth_bytes_per_second: tuple[int, ...] = (64 * 10**9,)

    def __post_init__(self) -> None:
        highs = {
            "rows": 2**20,
            "cols": 2**20,
            "num_cores": MAX_CORES,
            "bandwidth_bytes_per_second": MAX_BYTES_PER_SECOND,
        }
        for field in dataclasses.fields(self):
            name = field.name
            given = getattr(self, name)
            values = tuple(given) if isinstance(given, (tuple, list, range)) else (given,)
            high = highs.get(name, MAX_SRAM_BYTES)
            settle(self, **{name: tuple(whole_number(name, x, high=high) for x in values)})
            if list(getattr(self, name)) != sorted(set(values)):
                raise ValueError(f"{name}: {shown(values)} is not allowed; expected to ascend")
        for name in (
            "rows",
            "cols",
            "num_cores",
            "bandwidth_bytes_per_second",
            *self.memory_fields,
        ):
            if not getattr(self, name):
                raise ValueError(f"{name}: no value is given")
        other = OPERAND_SRAMS if self.is_shared else SCRATCHPAD
        if any(getattr(self, name) for name in other):
            raise ValueError(
                "memory: operand SRAMs and a scratchpad are both given; expected one of the two"
            )

    @property
    def is_shared(self) -> bool:
        """Whether the inputs share a scratchpad."""
        return bool(self.scratchpad_bytes or self.accumulator_bytes)

    @property
    def memory_fields(self) -> tuple[str, ...]:
        """The names of the memories that the machines have."""
        return SCRATCHPAD if self.is_shared else OPERAND_SRAMS

    @property
    def axes(self) -> dict[str, tuple[int, ...]]:
        """The values by name, without those of the other kind of memory."""
        names = ("rows", "cols", "num_cores", *self.memory_fields, "bandwidth_bytes_per_second")
        return {name: getattr(self, name) for name in names}

    @property
    def num_designs(self) -> int:
        """The number of machines."""
        return math.prod(len(values) for values in self.axes.values())

    def columns(self) -> dict[str, Int[np.ndarray, "machines"]]:
        """The values of all machines by name, the last axis fastest."""
        grids = np.meshgrid(*(np.array(x, np.int64) for x in self.axes.values()), indexing="ij")
        return {name: grid.ravel() for name, grid in zip(self.axes, grids, strict=True)}

    @property
    def is_fixed(self) -> bool:
        """Whether there is one machine only."""
        return self.num_designs == 1
