"""The best design of a survey, as array sides and SRAM sizes."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import numpy as np
from jaxtyping import Int

from airchitect_jax.cost import objective_value
from airchitect_jax.oracle.joint.edp import best_product
from airchitect_jax.oracle.joint.survey import Survey, design_costs, tie_breaker
from airchitect_jax.spaces import JointSpace
from airchitect_jax.types import ArrayShape, BufferSizes, Dataflow, Objective


@dataclasses.dataclass(frozen=True, kw_only=True)
class Design:
    """An array and its three SRAMs."""

    rows: int
    cols: int
    ifmap_sram_bytes: int
    filter_sram_bytes: int
    ofmap_sram_bytes: int

    @property
    def array(self) -> ArrayShape:
        """The array alone."""
        return ArrayShape(rows=self.rows, cols=self.cols)

    @property
    def buffers(self) -> BufferSizes:
        """The SRAMs alone."""
        return BufferSizes(
            ifmap_sram_bytes=self.ifmap_sram_bytes,
            filter_sram_bytes=self.filter_sram_bytes,
            ofmap_sram_bytes=self.ofmap_sram_bytes,
        )

    @property
    def num_macs(self) -> int:
        """MAC units."""
        return self.rows * self.cols

    @property
    def sram_bytes(self) -> int:
        """The three SRAMs together."""
        return self.ifmap_sram_bytes + self.filter_sram_bytes + self.ofmap_sram_bytes

    def describe_srams(self) -> str:
        """For example "600+900+400 KB": ifmap, filter, ofmap."""
        sizes = (self.ifmap_sram_bytes, self.filter_sram_bytes, self.ofmap_sram_bytes)
        return "+".join(f"{size / 1024:g}" for size in sizes) + " KB"

    def describe(self) -> str:
        """For example "128x128, 600+900+400 KB"."""
        return f"{self.rows}x{self.cols}, {self.describe_srams()}"


def design_at(space: JointSpace, shape: int, sizing: int) -> Design:
    """The design of a shape and a sizing."""
    sizes = space.levels[sizing] * space.buffers.step_bytes
    ifmap, filters, ofmap = (int(size) for size in sizes)
    return Design(
        rows=int(space.rows[shape]),
        cols=int(space.cols[shape]),
        ifmap_sram_bytes=ifmap,
        filter_sram_bytes=filters,
        ofmap_sram_bytes=ofmap,
    )


@dataclasses.dataclass(frozen=True, kw_only=True)
class BestDesign:
    """A design of a survey with the best dataflow of each GEMM, and its exact cost."""

    design: Design
    dataflows: Mapping[tuple[int, int, int], Dataflow]
    cost: int


def best_design(
    found: Survey, objective: Objective, among: Int[np.ndarray, "designs"] | None = None
) -> BestDesign:
    """The best design of a survey.

    Args:
      found: the survey.
      objective: the quantity to minimise.
      among: indices into its flattened tables to consider; by default all.
    """
    space, gemms = found.space, found.workload.gemms
    if objective is Objective.EDP:
        best = best_product(found, among)
        return BestDesign(
            design=design_at(space, best.shape, best.sizing),
            dataflows=dict(zip(gemms, best.dataflows, strict=True)),
            cost=best.product,
        )
    costs = (found.cycles if objective is Objective.CYCLES else found.energy_fj)[objective]
    shape, sizing = space.best(costs, among)
    return BestDesign(
        design=design_at(space, shape, sizing),
        dataflows={gemm: dataflow_at(gemm, found, shape, sizing, objective) for gemm in gemms},
        cost=int(costs[shape, sizing]),
    )


def dataflow_at(
    gemm: tuple[int, int, int], found: Survey, shape: int, sizing: int, objective: Objective
) -> Dataflow:
    """The cheapest dataflow of a GEMM on a design; ties as in `oracle.joint.choose`."""
    space = found.space
    array = ArrayShape(rows=space.rows[shape], cols=space.cols[shape])
    tables = design_costs(gemm, array, space.sizes(sizing), found.platform)
    order = np.lexsort((tie_breaker(objective, *tables), objective_value(objective, *tables)))
    return Dataflow(int(order[0]))
