"""The design space of case study 1: array shape and dataflow."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from airchitect_jax._support import (
    common_shape,
    dataflow_field,
    instance,
    int_field,
    is_traced,
    settle,
    whole_number,
)
from airchitect_jax.spaces.base import Attribute, Fields
from airchitect_jax.spaces.layout import Layout
from airchitect_jax.types import ArrayDesign, Dataflow


@dataclasses.dataclass(frozen=True, kw_only=True)
class ArrayDataflowSpace:
    """Case study 1: array shape and dataflow.

    Rows and cols are powers of two of at least 2 with rows * cols <= 2**max_mac_exponent, each
    with the three dataflows; for the default of 18 these are 153 shapes and 459 designs. The tie
    order, and so the order of the ids, is: fewer MACs, then fewer rows, then OS, WS, IS.

    Example:
      >>> space = aj.ArrayDataflowSpace()
      >>> space.num_designs, space.describe(100)
      (459, '64x8 WS')
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


def _log2(power_of_two: Int[np.ndarray, "*batch"]) -> Int[np.ndarray, "*batch"]:
    return np.round(np.log2(power_of_two)).astype(np.int64)
