"""The enumerated design spaces: design_id <-> design, feasibility, tie order.

Designs are enumerated in tie order, so that "the first minimum" is the whole tie rule.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping
from typing import Any, Protocol

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from airchitect_jax.checks import (
    common_shape,
    dataflow_field,
    instance,
    int_field,
    is_traced,
    settle,
    whole_number,
)
from airchitect_jax.layout import Layout
from airchitect_jax.types import ArrayDesign, BufferSizes, Dataflow

# The parameters of designs by name.
Fields = Mapping[str, Any]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Attribute:
    """One way to look at a design: a named category for each design of a space.

    Attributes:
      name: what the categories are, for example "dataflow".
      categories: the names of the categories, in display order.
      of_design: Int[num_designs], the category of each design.
    """

    name: str
    categories: tuple[str, ...]
    of_design: Int[np.ndarray, "designs"]


class DesignSpace(Protocol):
    """What training, evaluation and figures need to know of an enumeration of designs."""

    @property
    def num_designs(self) -> int:
        """Number of classes."""
        ...

    @property
    def attributes(self) -> tuple[Attribute, ...]:
        """Coarser views of the designs, for confusion matrices."""
        ...

    def describe(self, design_id: int) -> str:
        """The design in the words of its user, for example "32x64 OS"."""
        ...

    def fields(self, design_id: Any) -> Fields:
        """The parameters (NumPy int64) of ids of any shape, by name."""
        ...

    @property
    def choices(self) -> Mapping[str, tuple[int, ...]]:
        """The parameters without an order, and the values of each."""
        ...

    @property
    def layout(self) -> Layout:
        """The grid that searchers move on."""
        ...

    @property
    def points(self) -> Int[np.ndarray, "designs coordinates"]:
        """The point of each design in the grid (int32)."""
        ...

    def fields_at(self, point: Int[Array, "coordinates"]) -> Fields:
        """The parameters at a point of the grid; traceable, float64 under 64-bit mode."""
        ...

    def sizes_at(self, sizes: Float[Array, "sizes"]) -> Fields:
        """The ordered parameters between the points of the grid, smooth and traceable."""
        ...


@dataclasses.dataclass(frozen=True, kw_only=True)
class ArrayDataflowSpace:
    """Case study 1: array shape and dataflow.

    Rows and cols are powers of two of at least 2 with rows * cols <= 2**max_mac_exponent, each
    with the three dataflows; for the default of 18 these are 153 shapes and 459 designs. The tie
    order, and so the order of the ids, is: fewer MACs, then fewer rows, then OS, WS, IS.
    """

    max_mac_exponent: int = 18

    def __post_init__(self) -> None:
        exponent = whole_number("max_mac_exponent", self.max_mac_exponent, low=2, high=30)
        settle(self, max_mac_exponent=exponent)

    @property
    def max_side_exponent(self) -> int:
        """The largest exponent of rows or cols."""
        return self.max_mac_exponent - 1

    @property
    def num_designs(self) -> int:
        """Number of designs: three dataflows for each shape."""
        return len(Dataflow) * self.max_side_exponent * self.max_mac_exponent // 2

    @functools.cached_property
    def _table(self) -> Int[np.ndarray, "designs 3"]:
        """(row_exponent, col_exponent, dataflow) of each design, in tie order."""
        return np.array(
            [
                (i, total - i, dataflow)
                for total in range(2, self.max_mac_exponent + 1)
                for i in range(1, total)
                for dataflow in Dataflow
            ],
            dtype=np.int32,
        )

    @property
    def row_exponent(self) -> Int[np.ndarray, "designs"]:
        """log2(rows) of each design."""
        return self._table[:, 0]

    @property
    def col_exponent(self) -> Int[np.ndarray, "designs"]:
        """log2(cols) of each design."""
        return self._table[:, 1]

    @property
    def mac_exponent(self) -> Int[np.ndarray, "designs"]:
        """log2(rows * cols) of each design."""
        return self.row_exponent + self.col_exponent

    @property
    def dataflow(self) -> Int[np.ndarray, "designs"]:
        """The `Dataflow` value of each design."""
        return self._table[:, 2]

    def design_id(self, row_exponent: Any, col_exponent: Any, dataflow: Any) -> Any:
        """The id of 2**row_exponent x 2**col_exponent with a dataflow: closed form, any backend.

        Designs with fewer MACs come first (an arithmetic series of shapes), then fewer rows.

        Raises:
          ValueError: there is no such design; of traced numbers nothing is checked.
        """
        if not is_traced(row_exponent, col_exponent, dataflow):
            fields = {"dataflow": dataflow_field("dataflow", dataflow)}
            for name, side in (("row_exponent", row_exponent), ("col_exponent", col_exponent)):
                fields[name] = int_field(name, side, low=1, high=self.max_side_exponent)
            common_shape(fields)
            total = fields["row_exponent"] + fields["col_exponent"]
            int_field("row_exponent + col_exponent", total, low=2, high=self.max_mac_exponent)
        total = row_exponent + col_exponent
        shapes_before = (total - 1) * (total - 2) // 2
        return len(Dataflow) * (shapes_before + row_exponent - 1) + dataflow

    def decode(self, design_id: Any) -> ArrayDesign:
        """The designs (NumPy int64) of ids of any shape.

        Raises:
          ValueError: an id is not in 0..num_designs - 1.
        """
        index = int_field("design_id", design_id, low=0, high=self.num_designs - 1)
        return ArrayDesign(
            rows=np.int64(1) << self.row_exponent[index].astype(np.int64),
            cols=np.int64(1) << self.col_exponent[index].astype(np.int64),
            dataflow=self.dataflow[index].astype(np.int64),
        )

    def encode(self, design: ArrayDesign) -> Int[np.ndarray, "*batch"]:
        """The ids of designs, the inverse of `decode`.

        Raises:
          ValueError: a side is no power of two, or a design lies outside of the space.
        """
        instance("design", design, ArrayDesign)
        largest = 1 << self.max_side_exponent
        rows = int_field("rows", design.rows, low=2, high=largest)
        cols = int_field("cols", design.cols, low=2, high=largest)
        dataflow = dataflow_field("dataflow", design.dataflow)
        common_shape({"rows": rows, "cols": cols, "dataflow": dataflow})
        for name, side in (("rows", rows), ("cols", cols)):
            if np.any(side & (side - 1)):
                raise ValueError(f"{name}: {side} is not allowed; expected powers of two")
        int_field("rows * cols", rows * cols, low=4, high=1 << self.max_mac_exponent)
        return self.design_id(_log2(rows), _log2(cols), dataflow)

    @property
    def choices(self) -> Mapping[str, tuple[int, ...]]:
        """The dataflow."""
        return {"dataflow": tuple(Dataflow)}

    def fields(self, design_id: Any) -> Fields:
        """Rows, cols and dataflow (NumPy int64) of ids of any shape."""
        return vars(self.decode(design_id))

    @functools.cached_property
    def layout(self) -> Layout:
        """Exponents of rows and cols less one, and the dataflow."""
        return Layout(sizes=(self.max_side_exponent,) * 2, choices=(len(Dataflow),))

    @functools.cached_property
    def points(self) -> Int[np.ndarray, "designs 3"]:
        """See `DesignSpace`."""
        return self._table - np.array([1, 1, 0], np.int32)

    def fields_at(self, point: Int[Array, "3"]) -> Fields:
        """See `DesignSpace`."""
        rows, cols = jnp.left_shift(2, point[:2]).astype(jnp.float64)
        return {"rows": rows, "cols": cols, "dataflow": point[2]}

    def sizes_at(self, sizes: Float[Array, "2"]) -> Fields:
        """See `DesignSpace`: exponents are real numbers."""
        return dict(zip(("rows", "cols"), 2.0 ** (sizes + 1), strict=True))

    def feasible(self, mac_exponent: int) -> Bool[np.ndarray, "designs"]:
        """Which designs fit a budget of 2**mac_exponent MACs."""
        mac_exponent = whole_number("mac_exponent", mac_exponent, low=0, high=62)
        return self.mac_exponent <= mac_exponent

    def describe(self, design_id: int) -> str:
        """For example "32x64 OS"."""
        last = self.num_designs - 1
        design = self.decode(whole_number("design_id", design_id, low=0, high=last))
        return f"{design.rows}x{design.cols} {Dataflow(int(design.dataflow)).name}"

    @functools.cached_property
    def attributes(self) -> tuple[Attribute, ...]:
        """Dataflow; array shape; aspect ratio log2(rows / cols)."""
        shapes = tuple(f"{1 << i}x{1 << j}" for i, j, dataflow in self._table if dataflow == 0)
        widest = self.max_mac_exponent - 2
        aspects = tuple(str(aspect) for aspect in range(-widest, widest + 1))
        return (
            Attribute(
                name="dataflow",
                categories=tuple(dataflow.name for dataflow in Dataflow),
                of_design=self.dataflow,
            ),
            Attribute(
                name="array shape",
                categories=shapes,
                of_design=np.arange(self.num_designs) // len(Dataflow),
            ),
            Attribute(
                name="log2(rows / cols)",
                categories=aspects,
                of_design=self.row_exponent - self.col_exponent + widest,
            ),
        )


@dataclasses.dataclass(frozen=True, kw_only=True)
class BufferSpace:
    """Case study 2: the sizes of the ifmap, filter and ofmap SRAM.

    Each is `step_kb`, 2 `step_kb`, ... , `num_levels * step_kb` kilobytes (1024 bytes); by default
    100 .. 1000 KB and 1000 designs. The tie order, and so the order of the ids, is: smaller total,
    then smaller ifmap SRAM, then smaller filter SRAM.
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
                name=f"{operand} SRAM (KB)", categories=names, of_design=self.levels[:, place] - 1
            )
            for place, operand in enumerate(("ifmap", "filter", "ofmap"))
        )


def _log2(power_of_two: Int[np.ndarray, "*batch"]) -> Int[np.ndarray, "*batch"]:
    return np.round(np.log2(power_of_two)).astype(np.int64)
