"""The design space of case study 3: which workload runs on which array, and with which dataflow."""

from __future__ import annotations

import dataclasses
import functools
import itertools
import math
from collections.abc import Callable, Mapping
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from airchitect_jax._support import (
    common_shape,
    dataflow_field,
    instance,
    int_field,
    is_traced,
    settle,
    shown,
    whole_number,
)
from airchitect_jax.spaces.base import Attribute, Fields
from airchitect_jax.spaces.layout import Layout
from airchitect_jax.types import ArrayShape, Dataflow, Schedule

MIN_ARRAYS = 2
MAX_ARRAYS = 6
# Six that really differ; case study 3 takes the first four unless told otherwise.
DEFAULT_ARRAYS = tuple(
    ArrayShape(rows=rows, cols=cols)
    for rows, cols in ((64, 64), (32, 32), (16, 128), (128, 16), (256, 8), (8, 256))
)


@functools.cache
def permutations(number: int) -> Int[np.ndarray, "permutations number"]:
    """What is at each place, in lexicographic order (int32)."""
    return np.array(list(itertools.permutations(range(number))), np.int32)


@dataclasses.dataclass(frozen=True, kw_only=True)
class ScheduleSpace:
    """As many workloads as arrays, one on each: a permutation, and a dataflow for each array.

    N! * 3**N designs; for four arrays 1944. Ids ascend with the workload of the first array, then
    with that of the second and so on, then with the dataflow of the first array (OS, WS, IS), then
    with that of the second and so on. The tie order is not that of the ids alone: a smaller sum of
    cycles over the arrays goes first, and that depends on the workloads.

    Attributes:
      arrays: two to six, in order; whole numbers of rows and columns.

    Example:
      >>> space = aj.ScheduleSpace()
      >>> space.num_designs, space.describe(0)
      (1944, '64x64 OS: 0, 32x32 OS: 1, 16x128 OS: 2, 128x16 OS: 3')
    """

    arrays: tuple[ArrayShape, ...] = DEFAULT_ARRAYS[:4]

    def __post_init__(self) -> None:
        if not isinstance(self.arrays, (tuple, list)):
            raise TypeError(f"arrays: {shown(self.arrays)} is not allowed; expected a tuple")
        if not MIN_ARRAYS <= len(self.arrays) <= MAX_ARRAYS:
            raise ValueError(
                f"arrays: {len(self.arrays)} of them are not allowed;"
                f" expected {MIN_ARRAYS}..{MAX_ARRAYS}"
            )
        arrays = []
        for number, array in enumerate(self.arrays):
            instance(f"arrays: array {number}", array, ArrayShape)
            sides = {
                name: whole_number(f"{name} of array {number}", getattr(array, name))
                for name in ("rows", "cols")
            }
            arrays.append(ArrayShape(**sides))
        settle(self, arrays=tuple(arrays))

    @property
    def num_arrays(self) -> int:
        """Number of arrays, and of workloads."""
        return len(self.arrays)

    @property
    def num_permutations(self) -> int:
        """Ways to give each array a workload."""
        return math.factorial(self.num_arrays)

    @property
    def num_dataflow_choices(self) -> int:
        """Ways to give each array a dataflow."""
        return len(Dataflow) ** self.num_arrays

    @property
    def num_designs(self) -> int:
        """Number of designs."""
        return self.num_permutations * self.num_dataflow_choices

    @property
    def array_names(self) -> tuple[str, ...]:
        """For example "64x64"."""
        return tuple(f"{array.rows}x{array.cols}" for array in self.arrays)

    @functools.cached_property
    def permutations(self) -> Int[np.ndarray, "permutations arrays"]:
        """The workload of each array, in the order of the ids."""
        return permutations(self.num_arrays)

    def design_id(self, permutation: Any, dataflows: Any) -> Any:
        """The id from a permutation's index and the arrays' dataflows; closed form, any backend.

        Args:
          permutation: its index into `permutations`.
          dataflows: one for each array, along the first axis.

        Raises:
          ValueError: there is no such schedule; of traced numbers nothing is checked.
        """
        if not is_traced(permutation, dataflows):
            index = int_field("permutation", permutation, low=0, high=self.num_permutations - 1)
            flows = dataflow_field("dataflows", dataflows)
            if flows.shape[:1] != (self.num_arrays,):
                raise ValueError(
                    f"dataflows: the shape {flows.shape} is not allowed; expected"
                    f" {self.num_arrays} of them in the first axis"
                )
            common_shape({"permutation": index, "dataflows": flows[0]})
        code = permutation
        for dataflow in dataflows:
            code = code * len(Dataflow) + dataflow
        return code

    def decode(self, design_id: Any) -> Schedule:
        """The schedules (NumPy int64, arrays last) of ids of any shape.

        Raises:
          ValueError: an id is not in 0..num_designs - 1.
        """
        index = int_field("design_id", design_id, low=0, high=self.num_designs - 1)
        permutation, code = np.divmod(index, self.num_dataflow_choices)
        digits = [
            code // len(Dataflow) ** power % len(Dataflow)
            for power in reversed(range(self.num_arrays))
        ]
        return Schedule(
            workload=self.permutations[permutation].astype(np.int64),
            dataflow=np.stack(digits, axis=-1),
        )

    def encode(self, schedule: Schedule) -> Int[np.ndarray, "*batch"]:
        """The ids of schedules, the inverse of `decode`.

        Raises:
          ValueError: an array has no dataflow, or the workloads are no permutation.
        """
        instance("schedule", schedule, Schedule)
        last = self.num_arrays - 1
        workload = int_field("workload", schedule.workload, low=0, high=last)
        dataflow = dataflow_field("dataflow", schedule.dataflow)
        for name, field in (("workload", workload), ("dataflow", dataflow)):
            if field.shape[-1:] != (self.num_arrays,):
                raise ValueError(
                    f"{name}: the shape {field.shape} is not allowed; expected"
                    f" {self.num_arrays} arrays in the last axis"
                )
        common_shape({"workload": workload, "dataflow": dataflow})
        if np.any(np.sort(workload, axis=-1) != np.arange(self.num_arrays)):
            raise ValueError("workload: expected each workload on one array")
        powers = self.num_arrays ** np.arange(last, -1, -1)
        permutation = np.searchsorted(self.permutations @ powers, workload @ powers)
        return self.design_id(permutation, np.moveaxis(dataflow, -1, 0))

    @property
    def choices(self) -> Mapping[str, tuple[int, ...]]:
        """None that a cost function could be asked one by one: there are N! * 3**N."""
        return {}

    def fields(self, design_id: Any) -> Fields:
        """The workload and the dataflow of each array, for example "workload0" and "dataflow0"."""
        schedule = self.decode(design_id)
        return {
            f"{name}{number}": values[..., number]
            for number in range(self.num_arrays)
            for name, values in vars(schedule).items()
        }

    @functools.cached_property
    def layout(self) -> Layout:
        """The dataflow of each array, and the permutation."""
        return Layout(choices=(len(Dataflow),) * self.num_arrays, permuted=self.num_arrays)

    @functools.cached_property
    def points(self) -> Int[np.ndarray, "designs coordinates"]:
        """See `DesignSpace`."""
        ids = np.arange(self.num_designs)
        return np.column_stack(
            [self.decode(ids).dataflow, ids // self.num_dataflow_choices]
        ).astype(np.int32)

    def fields_at(self, point: Int[Array, "coordinates"]) -> Fields:
        """See `DesignSpace`."""
        on_array = jnp.asarray(self.permutations)[point[self.num_arrays]]
        return {
            f"{name}{number}": values[number]
            for number in range(self.num_arrays)
            for name, values in (("workload", on_array), ("dataflow", point))
        }

    def sizes_at(self, sizes: Float[Array, "0"]) -> Fields:
        """There are no sizes."""
        del sizes
        return {}

    def describe(self, design_id: int) -> str:
        """For example "64x64 OS: 2, 32x32 WS: 0": of each array the dataflow and the workload."""
        last = self.num_designs - 1
        schedule = self.decode(whole_number("design_id", design_id, low=0, high=last))
        return ", ".join(
            f"{name} {Dataflow(int(dataflow)).name}: {workload}"
            for name, dataflow, workload in zip(
                self.array_names, schedule.dataflow, schedule.workload, strict=True
            )
        )

    @functools.cached_property
    def attributes(self) -> tuple[Attribute, ...]:
        """The permutation; the workload and the dataflow of the first array."""
        schedule = self.decode(np.arange(self.num_designs))
        first = self.array_names[0]
        return (
            Attribute(
                name="permutation",
                categories=tuple("".join(map(str, row)) for row in self.permutations),
                of_design=np.arange(self.num_designs) // self.num_dataflow_choices,
            ),
            Attribute(
                name=f"workload on {first}",
                categories=tuple(str(number) for number in range(self.num_arrays)),
                of_design=np.asarray(schedule.workload)[:, 0],
            ),
            Attribute(
                name=f"dataflow of {first}",
                categories=tuple(dataflow.name for dataflow in Dataflow),
                of_design=np.asarray(schedule.dataflow)[:, 0],
            ),
        )


def over_designs(
    space: ScheduleSpace,
    join: Callable[[Array, Array], Array],
    loads: Float[Array, "workloads batch pairs"],
) -> Float[Array, "batch designs"]:
    """What the loads that each schedule brings about come to, joined from array to array.

    A pair is an array and a dataflow; its index is that of the array times 3, plus the dataflow.
    """
    by_pair = loads.reshape(*loads.shape[:2], space.num_arrays, len(Dataflow))
    by_array = []
    for number in range(space.num_arrays):
        # [permutations, batch, dataflows] of this array, with an axis for the dataflow of each.
        here = by_pair[space.permutations[:, number], :, number].transpose(1, 0, 2)
        others = [axis for axis in range(space.num_arrays) if axis != number]
        by_array.append(jnp.expand_dims(here, [axis + 2 for axis in others]))
    return functools.reduce(join, by_array).reshape(loads.shape[1], -1)
