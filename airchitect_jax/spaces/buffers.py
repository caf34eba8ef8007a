"""The design space of case study 2: the sizes of three SRAMs."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from airchitect_jax._support import common_shape, instance, int_field, settle, whole_number
from airchitect_jax.spaces.base import Attribute, Fields
from airchitect_jax.spaces.layout import Layout
from airchitect_jax.types import BufferSizes


@dataclasses.dataclass(frozen=True, kw_only=True)
class BufferSpace:
    """Case study 2: the sizes of the ifmap, filter and ofmap SRAM.

    Each is `step_kb`, 2 `step_kb`, ... , `num_levels * step_kb` kilobytes (1024 bytes); by default
    100 .. 1000 KB and 1000 designs. The tie order, and so the order of the ids, is: smaller total,
    then smaller ifmap SRAM, then smaller filter SRAM.

    Example:
      >>> space = aj.BufferSpace()
      >>> space.num_designs, space.describe(0), space.describe(999)
      (1000, '100+100+100 KB', '1000+1000+1000 KB')
    """

    step_kb: int = 100
    num_levels: int = 10

    def __post_init__(self) -> None:
        for name, high in (("step_kb", 1_000_000), ("num_levels", 32)):
            settle(self, **{name: whole_number(name, getattr(self, name), high=high)})

    @property
    def num_designs(self) -> int:
        """Number of designs: one for each triple of levels."""
        return self.num_levels**3

    @property
    def step_bytes(self) -> int:
        """The smallest size, and the distance between sizes."""
        return self.step_kb * 1024

    @property
    def smallest_bytes(self) -> int:
        """The total of the smallest design: the least budget."""
        return 3 * self.step_bytes

    @functools.cached_property
    def levels(self) -> Int[np.ndarray, "designs 3"]:
        """Sizes of ifmap, filter and ofmap SRAM of each design in steps (1 .. num_levels)."""
        counts = range(1, self.num_levels + 1)
        triples = ((i, f, o) for i in counts for f in counts for o in counts)
        return np.array(sorted(triples, key=lambda sizes: (sum(sizes), sizes)), dtype=np.int32)

    @functools.cached_property
    def id_of_levels(self) -> Int[np.ndarray, "levels levels levels"]:
        """The inverse of `levels`, indexed by levels minus one."""
        ids = np.empty((self.num_levels,) * 3, np.int32)
        ids[tuple(self.levels.T - 1)] = np.arange(self.num_designs)
        return ids

    def decode(self, design_id: Any) -> BufferSizes:
        """The sizes (NumPy int64, bytes) of ids of any shape.

        Raises:
          ValueError: an id is not in 0..num_designs - 1.
        """
        index = int_field("design_id", design_id, low=0, high=self.num_designs - 1)
        sizes = self.levels[index].astype(np.int64) * self.step_bytes
        return BufferSizes(
            ifmap_sram_bytes=sizes[..., 0],
            filter_sram_bytes=sizes[..., 1],
            ofmap_sram_bytes=sizes[..., 2],
        )

    def encode(self, design: BufferSizes) -> Int[np.ndarray, "*batch"]:
        """The ids of designs, the inverse of `decode`.

        Raises:
          ValueError: a size is not one of the space.
        """
        instance("design", design, BufferSizes)
        levels = {}
        for name in ("ifmap_sram_bytes", "filter_sram_bytes", "ofmap_sram_bytes"):
            low, high = self.step_bytes, self.num_levels * self.step_bytes
            size = int_field(name, getattr(design, name), low=low, high=high)
            if np.any(size % self.step_bytes):
                raise ValueError(
                    f"{name}: {size} is not allowed; expected multiples of {self.step_bytes}"
                )
            levels[name] = size // self.step_bytes - 1
        common_shape(levels)
        return self.id_of_levels[tuple(levels.values())]

    @property
    def choices(self) -> Mapping[str, tuple[int, ...]]:
        """None: all parameters are sizes."""
        return {}

    def fields(self, design_id: Any) -> Fields:
        """Sizes in bytes (NumPy int64) of ids of any shape."""
        return vars(self.decode(design_id))

    @functools.cached_property
    def layout(self) -> Layout:
        """Steps of the ifmap, filter and ofmap SRAM less one."""
        return Layout(sizes=(self.num_levels,) * 3)

    @functools.cached_property
    def points(self) -> Int[np.ndarray, "designs 3"]:
        """See `DesignSpace`."""
        return self.levels - 1

    def fields_at(self, point: Int[Array, "3"]) -> Fields:
        """See `DesignSpace`."""
        return self.sizes_at(point.astype(jnp.float64))

    def sizes_at(self, sizes: Float[Array, "3"]) -> Fields:
        """See `DesignSpace`: steps are real numbers."""
        names = ("ifmap_sram_bytes", "filter_sram_bytes", "ofmap_sram_bytes")
        return dict(zip(names, (sizes + 1) * self.step_bytes, strict=True))

    def describe(self, design_id: int) -> str:
        """For example "200+100+300 KB": ifmap, filter, ofmap."""
        last = self.num_designs - 1
        sizes = self.levels[whole_number("design_id", design_id, low=0, high=last)] * self.step_kb
        return f"{'+'.join(str(size) for size in sizes)} KB"

    @functools.cached_property
    def attributes(self) -> tuple[Attribute, ...]:
        """The size of each of the SRAMs."""
        names = tuple(str(level * self.step_kb) for level in range(1, self.num_levels + 1))
        return tuple(
            Attribute(
                name=f"{operand} SRAM (KB)", categories=names, of_design=self.levels[:, index] - 1
            )
            for index, operand in enumerate(("ifmap", "filter", "ofmap"))
        )
