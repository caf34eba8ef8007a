"""The case studies as problems: a workload is the feature vector of the case study."""

from __future__ import annotations

import dataclasses
import functools
from typing import Protocol

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from airchitect_jax.case_studies.array_dataflow import ArrayDataflowCase
from airchitect_jax.case_studies.base import CaseStudy
from airchitect_jax.case_studies.buffers import BufferCase
from airchitect_jax.case_studies.schedule import ScheduleCase
from airchitect_jax.cost import by_dataflow
from airchitect_jax.cost.relaxed import Relaxation, RelaxedArray
from airchitect_jax.search.base import Layout, Problem, RelaxedPoint
from airchitect_jax.search.constraints import within_sum
from airchitect_jax.types import (
    ArrayShape,
    BufferSizes,
    Dataflow,
    Gemm,
    Memory,
    MemoryModel,
    Objective,
)

Features = Int[Array, "features"]


class CaseProblem(Problem, Protocol):
    """A problem whose points are the designs of a case study."""

    @property
    def case(self) -> CaseStudy:
        """The case study."""
        ...

    @property
    def points(self) -> Int[np.ndarray, "designs coordinates"]:
        """The point of each design id."""
        ...


def design_ids(
    problem: CaseProblem, points: Int[np.ndarray, "batch coordinates"]
) -> Int[np.ndarray, "batch"]:
    """The ids of the designs at points of a case study."""
    ids = np.full(problem.layout.cardinalities, -1)
    ids[tuple(problem.points.T)] = np.arange(len(problem.points))
    return ids[tuple(points.T)]


@dataclasses.dataclass(frozen=True, kw_only=True)
class ArrayDataflowProblem:
    """Case study 1. Coordinates: exponents of rows and cols less one, and the dataflow."""

    case: ArrayDataflowCase

    @functools.cached_property
    def layout(self) -> Layout:
        """See `Problem`."""
        side = self.case.space.max_side_exponent
        return Layout(sizes=(side, side), choices=(len(Dataflow),))

    @functools.cached_property
    def points(self) -> Int[np.ndarray, "designs 3"]:
        """See `CaseProblem`."""
        space = self.case.space
        columns = (space.row_exponent - 1, space.col_exponent - 1, space.dataflow)
        return np.stack(columns, axis=1).astype(np.int32)

    def confine(self, workload: Features, sizes: Float[Array, "2"]) -> Float[Array, "2"]:
        """Within the MAC budget."""
        return within_sum(sizes, self.layout.sizes, workload[0] - 2)

    def cost(self, workload: Features, point: Int[Array, "3"]) -> Float[Array, ""]:
        """Exact compute cycles."""
        rows, cols = jnp.left_shift(2, point[:2]).astype(jnp.float64)
        array = ArrayShape(rows=rows, cols=cols)
        gemm = Gemm(**dict(zip("mnk", workload[1:].astype(jnp.float64), strict=True)))
        return by_dataflow.compute_cycles(gemm, array, self.case.runtime_model)[point[2]]

    def log_relaxed_cost(
        self, workload: Features, point: RelaxedPoint, temperature: Float[Array, ""]
    ) -> Float[Array, ""]:
        """See `Problem`."""
        relaxation = Relaxation(temperature=temperature, runtime_model=self.case.runtime_model)
        rows, cols = point.sizes + 1
        array = RelaxedArray(log2_rows=rows, log2_cols=cols, dataflow=point.choices[0])
        gemm = Gemm(**dict(zip("mnk", workload[1:].astype(jnp.float32), strict=True)))
        return jnp.log(relaxation.compute_cycles(gemm, array))


@dataclasses.dataclass(frozen=True, kw_only=True)
class BufferProblem:
    """Case study 2. Coordinates: steps of the ifmap, filter and ofmap SRAM less one."""

    case: BufferCase

    def __post_init__(self) -> None:
        if self.case.memory_model is not MemoryModel.IDEAL:
            raise ValueError(
                f"memory_model: {self.case.memory_model.value} is not allowed; expected ideal:"
                " a replay is not traceable"
            )

    @functools.cached_property
    def layout(self) -> Layout:
        """See `Problem`."""
        return Layout(sizes=(self.case.space.num_levels,) * 3)

    @functools.cached_property
    def points(self) -> Int[np.ndarray, "designs 3"]:
        """See `CaseProblem`."""
        return self.case.space.levels - 1

    def confine(self, workload: Features, sizes: Float[Array, "3"]) -> Float[Array, "3"]:
        """Within the SRAM budget."""
        return within_sum(sizes, self.layout.sizes, workload[0] - 3)

    def cost(self, workload: Features, point: Int[Array, "3"]) -> Float[Array, ""]:
        """Exact total cycles."""
        gemm, array, memory = self._parts(workload, point.astype(jnp.float64))
        cycles = by_dataflow.total_cycles(
            gemm, array, memory, self.case.runtime_model, self.case.interface
        )
        return cycles[workload[6]]

    def log_relaxed_cost(
        self, workload: Features, point: RelaxedPoint, temperature: Float[Array, ""]
    ) -> Float[Array, ""]:
        """See `Problem`: the array is given, so only the buffers are soft."""
        relaxation = Relaxation(temperature=temperature)
        gemm, array, memory = self._parts(workload, point.sizes)
        cycles = by_dataflow.total_cycles(
            gemm, array, relaxation.place(memory), self.case.runtime_model, self.case.interface
        )
        return jnp.log(cycles.mean[workload[6]])

    def _parts(
        self, workload: Features, sizes: Float[Array, "3"]
    ) -> tuple[Gemm, ArrayShape, Memory]:
        """The workload with sizes in steps less one, in the dtype of these."""
        _, m, n, k, row_exponent, col_exponent, _, bandwidth = workload.astype(sizes.dtype)
        ifmap, filters, ofmap = (sizes + 1) * self.case.space.step_bytes
        memory = Memory(
            buffers=BufferSizes(
                ifmap_sram_bytes=ifmap, filter_sram_bytes=filters, ofmap_sram_bytes=ofmap
            ),
            bandwidth_bytes_per_cycle=bandwidth,
            element_bytes=self.case.element_bytes,
        )
        array = ArrayShape(rows=2.0**row_exponent, cols=2.0**col_exponent)
        return Gemm(m=m, n=n, k=k), array, memory


@dataclasses.dataclass(frozen=True, kw_only=True)
class ScheduleProblem:
    """Case study 3. Coordinates: the dataflow of each array, and the permutation."""

    case: ScheduleCase

    @functools.cached_property
    def layout(self) -> Layout:
        """See `Problem`."""
        number = self.case.space.num_arrays
        return Layout(choices=(len(Dataflow),) * number, permuted=number)

    @functools.cached_property
    def points(self) -> Int[np.ndarray, "designs coordinates"]:
        """See `CaseProblem`."""
        space = self.case.space
        ids = np.arange(space.num_designs)
        flows = space.decode(ids).dataflow
        return np.column_stack([flows, ids // space.num_dataflow_choices]).astype(np.int32)

    def confine(self, workload: Features, sizes: Float[Array, "0"]) -> Float[Array, "0"]:
        """There are no sizes."""
        del workload
        return sizes

    def cost(self, workload: Features, point: Int[Array, "coordinates"]) -> Float[Array, ""]:
        """The exact makespan."""
        number = self.case.space.num_arrays
        on_array = jnp.asarray(self.case.space.permutations)[point[number]]
        cycles = self._cycles(workload.astype(jnp.float64))
        return cycles[on_array, jnp.arange(number), point[:number]].max()

    def log_relaxed_cost(
        self, workload: Features, point: RelaxedPoint, temperature: Float[Array, ""]
    ) -> Float[Array, ""]:
        """See `Problem`."""
        relaxation = Relaxation(temperature=temperature)
        cycles = self._cycles(workload.astype(jnp.float32))
        assert point.assignment is not None  # noqa: S101 - the layout has a permutation
        return jnp.log(relaxation.makespan(cycles, point.assignment, jnp.stack(point.choices)))

    def _cycles(self, dims: Float[Array, "features"]) -> Float[Array, "workloads arrays dataflows"]:
        def on_array(gemm: Gemm, sides: Float[Array, "2"]) -> Float[Array, "dataflows"]:
            array = ArrayShape(rows=sides[0], cols=sides[1])
            return by_dataflow.compute_cycles(gemm, array, self.case.runtime_model)

        m, n, k = dims.reshape(-1, 3).T
        sides = jnp.array([(array.rows, array.cols) for array in self.case.arrays], dims.dtype)
        on_arrays = jax.vmap(on_array, in_axes=(None, 0))
        return jax.vmap(on_arrays, in_axes=(0, None))(Gemm(m=m, n=n, k=k), sides)


def case_problem(case: CaseStudy) -> CaseProblem:
    """The problem of a case study.

    Raises:
      ValueError: its objective is none but cycles: searchers know of no other cost.
    """
    if case.objective is not Objective.CYCLES:
        raise ValueError(f"objective: {case.objective.value} is not allowed; expected cycles")
    match case:
        case ArrayDataflowCase():
            return ArrayDataflowProblem(case=case)
        case BufferCase():
            return BufferProblem(case=case)
        case ScheduleCase():
            return ScheduleProblem(case=case)
        case _:
            raise ValueError(f"case study: {case.name} is not allowed; expected 1, 2 or 3")
