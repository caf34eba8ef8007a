"""The best design for a workload: one array and one buffer sizing, a dataflow for each layer."""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from airchitect_jax._support import (
    MAX_COUNT,
    instance,
    instance_or_default,
    member,
    whole_number,
)
from airchitect_jax.cost import (
    CostTerm,
    EnergyTable,
    Platform,
    compute_report,
    ideal_costs,
    resolve_terms,
)
from airchitect_jax.oracle.joint import (
    Design,
    FrontPoint,
    OnProgress,
    Survey,
    best_design,
    dataflow_at,
    design_at,
    front,
)
from airchitect_jax.oracle.joint.survey import survey
from airchitect_jax.recommendation.workload import open_networks, whole_weights, with_runs
from airchitect_jax.spaces import BufferSpace, JointSpace
from airchitect_jax.types import ArrayShape, Dataflow, Gemm, Interface, Objective, RuntimeModel
from airchitect_jax.workloads import GemmCounts, Layer, Network


@dataclasses.dataclass(frozen=True, kw_only=True)
class LayerPlan:
    """A layer on the recommended design. All figures are for one run.

    Attributes:
      network: the name of its network.
      layer: the GEMM.
      runs: the number of runs, its count times the weight of its network.
      dataflow: the best one on this design.
      compute_cycles, stall_cycles, total_cycles: as in `MemoryReport`.
      mapping_efficiency, compute_utilization, overall_utilization: fractions; the last with stalls.
      energy_fj: femtojoules.
      dram_bytes: traffic.
      own_design, own_dataflow: the best for this layer alone, within the same budgets.
      own_cycles, own_energy_fj: its costs there.
    """

    network: str
    layer: Layer
    runs: int
    dataflow: Dataflow
    compute_cycles: int
    stall_cycles: int
    total_cycles: int
    mapping_efficiency: float
    compute_utilization: float
    overall_utilization: float
    energy_fj: int
    dram_bytes: int
    own_design: Design
    own_dataflow: Dataflow
    own_cycles: int
    own_energy_fj: int

    @property
    def gemm(self) -> tuple[int, int, int]:
        """m, n and k."""
        return self.layer.m, self.layer.n, self.layer.k

    @property
    def macs_per_dram_byte(self) -> float:
        """Arithmetic intensity."""
        return self.layer.m * self.layer.n * self.layer.k / self.dram_bytes


@dataclasses.dataclass(frozen=True, kw_only=True)
class Recommendation:
    """The best design for a workload, exact over the whole joint space.

    Attributes:
      networks, weights: the workload.
      objective: the quantity to minimise.
      design: one array and one sizing for all layers.
      layers: the plan of each layer on it.
      cycles, energy_fj: of the whole workload, Python integers.
      own_cycles, own_energy_fj: with each layer on its own best design.
      survey: the costs of every other design.

    Example:
      >>> answer = aj.recommend("dlrm", mac_budget=1024)
      >>> round(answer.cycles / answer.own_cycles, 3)  # against a design of its own per layer
      1.005
    """

    networks: tuple[Network, ...]
    weights: tuple[int, ...]
    objective: Objective
    design: Design
    layers: tuple[LayerPlan, ...]
    cycles: int
    energy_fj: int
    own_cycles: int
    own_energy_fj: int
    survey: Survey

    @property
    def cost(self) -> int:
        """The cost of the workload, in the unit of the objective."""
        return objective_cost(self.objective, self.cycles, self.energy_fj)

    @property
    def own_cost(self) -> int:
        """The cost with each layer on its own best design."""
        return objective_cost(self.objective, self.own_cycles, self.own_energy_fj)

    @property
    def utilization(self) -> float:
        """MACs of the workload over those that the array could do in the same cycles."""
        macs = sum(plan.layer.m * plan.layer.n * plan.layer.k * plan.runs for plan in self.layers)
        return macs / (self.cycles * self.design.num_macs)

    def front(self) -> list[FrontPoint]:
        """The Pareto front of cycles, energy, MACs and SRAM within the budgets."""
        return front(self.survey)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Proposal:
    """A design that trained networks propose, certified by the exact model.

    Attributes:
      trained: the workdirs that the networks come from.
      design: the best of the designs that the networks propose for single layers.
      num_candidates: number of proposed designs.
      num_out_of_range: layers left out because they are outside the trained ranges of a network.
      cost: exact, of the whole workload, in the unit of the objective, with the best dataflows.
      regret: cost / cost of the exact answer - 1.
    """

    trained: tuple[str, ...]
    design: Design
    num_candidates: int
    num_out_of_range: int
    cost: int
    regret: float


def objective_cost(objective: Objective, cycles: int, energy: int) -> int:
    """The cost of a whole workload; for EDP, total energy times total cycles."""
    return {
        Objective.CYCLES: cycles,
        Objective.ENERGY: energy,
        Objective.EDP: cycles * energy,
    }[objective]


def recommend(
    workload: Network | str | pathlib.Path | Sequence[Network | str | pathlib.Path],
    *,
    mac_budget: int,
    sram_budget_kb: int | None = None,
    bandwidth_bytes_per_cycle: int = 64,
    objective: Objective | str = Objective.CYCLES,
    weights: Sequence[int] | None = None,
    dims: Mapping[str, int] | None = None,
    element_bytes: int = 1,
    runtime_model: RuntimeModel = RuntimeModel.SCALESIM,
    interface: Interface = Interface.SHARED,
    energy_table: EnergyTable | None = None,
    terms: Sequence[CostTerm | str] = (),
    buffers: BufferSpace | None = None,
    array: ArrayShape | None = None,
    on_progress: OnProgress | None = None,
) -> Recommendation:
    """The best array and buffer sizing for a workload, and the best dataflow of each layer.

    Exact over every array with powers of two of rows and columns within the MAC budget (or the one
    given), every sizing of `buffers` within the SRAM budget, and every dataflow for every layer.
    Costs are those of `evaluate_memory` (`MemoryModel.IDEAL`), times counts and weights. Ties go to
    fewer MACs, then less SRAM, then lower ids. For `Objective.EDP` the product of total energy and
    total cycles is minimised, over all combinations of dataflows as well.

    Args:
      workload: a `Network`, the name of a packaged one, a file for `open_network`, or several.
      mac_budget: the largest number of MAC units, in 4..2**30.
      sram_budget_kb: the largest total size of the three buffers; by default that of the largest
        sizing.
      bandwidth_bytes_per_cycle: of the DRAM interface.
      objective: cycles, energy or edp.
      weights: how often each network runs, whole numbers; by default once.
      dims: sizes of symbolic dimensions, for ONNX models.
      element_bytes: width of an element.
      runtime_model: the compute cycles to use.
      interface: one for all operands, or a port for each.
      energy_table: energy of single events; Horowitz's by default.
      terms: additional cost terms; registered ones by name.
      buffers: the sizings; the 1000 of case study 2 by default.
      array: the only array to consider, of any rows and columns.
      on_progress: called with the stage, the number of finished layers, and their total number.

    Raises:
      ValueError: an argument is not allowed, a file is refused, or a layer is too large.
      TypeError: an argument is of another type.

    Example:
      >>> answer = aj.recommend("dlrm", mac_budget=1024)
      >>> answer.design.describe(), answer.cycles
      ('32x32, 100+100+100 KB', 5604568)
      >>> [plan.dataflow.name for plan in answer.layers][:4]
      ['WS', 'WS', 'WS', 'OS']
    """
    objective = member("objective", objective, Objective)
    platform = Platform(
        bandwidth_bytes_per_cycle=bandwidth_bytes_per_cycle,
        element_bytes=element_bytes,
        runtime_model=runtime_model,
        interface=interface,
        energy_table=instance_or_default("energy_table", energy_table, EnergyTable),
        terms=resolve_terms(terms),
    )
    buffers = instance_or_default("buffers", buffers, BufferSpace)
    if sram_budget_kb is None:
        sram_budget_kb = 3 * buffers.num_levels * buffers.step_kb
    sram_budget_kb = whole_number("sram_budget_kb", sram_budget_kb, high=MAX_COUNT // 1024)
    space = JointSpace.within(mac_budget, sram_budget_kb * 1024, buffers)
    if array is not None:
        space = _only(array, space, mac_budget)
    networks = open_networks(workload, dims)
    weights = whole_weights(weights, len(networks))
    occurrences = with_runs(networks, weights, lambda network: network.layers)
    gemms = [_dims(layer) for _, layer, _ in occurrences]
    found = survey(
        GemmCounts.of(gemms, [runs for _, _, runs in occurrences]),
        space,
        platform,
        objective,
        on_progress=on_progress,
    )
    best = best_design(found, objective)
    own: dict[tuple[int, int, int], dict[str, Any]] = {
        gemm: {
            "own_design": design_at(space, alone.shape, alone.sizing),
            "own_dataflow": dataflow_at(gemm, found, alone.shape, alone.sizing, objective),
            "own_cycles": alone.cycles,
            "own_energy_fj": alone.energy_fj,
        }
        for gemm, alone in zip(found.workload.gemms, found.own_best, strict=True)
    }
    layers = []
    for name, layer, runs in occurrences:
        costs = layer_costs(layer, best.design, best.dataflows[_dims(layer)], platform)
        layers.append(LayerPlan(network=name, layer=layer, runs=runs, **own[_dims(layer)], **costs))
        if on_progress is not None:
            on_progress("planning", len(layers), len(occurrences))

    def total(field: str) -> int:
        return sum(getattr(plan, field) * plan.runs for plan in layers)

    return Recommendation(
        networks=networks,
        weights=weights,
        objective=objective,
        design=best.design,
        layers=tuple(layers),
        cycles=total("total_cycles"),
        energy_fj=total("energy_fj"),
        own_cycles=total("own_cycles"),
        own_energy_fj=total("own_energy_fj"),
        survey=found,
    )


def _only(array: ArrayShape, space: JointSpace, mac_budget: int) -> JointSpace:
    """The space with one array.

    Raises:
      ValueError: the array has more MAC units than the budget, or a side is not a whole number.
      TypeError: it is not an array.
    """
    instance("array", array, ArrayShape)
    rows, cols = whole_number("rows", array.rows), whole_number("cols", array.cols)
    if rows * cols > mac_budget:
        raise ValueError(
            f"array: {rows}x{cols} has {rows * cols:,} MAC units; expected at most the budget of"
            f" {mac_budget:,}"
        )
    return dataclasses.replace(space, rows=np.array([rows]), cols=np.array([cols]))


def _dims(layer: Layer) -> tuple[int, int, int]:
    return layer.m, layer.n, layer.k


def layer_costs(layer: Layer, design: Design, flow: Dataflow, platform: Platform) -> dict[str, Any]:
    """The figures of a layer on a design, in Python integers, independent of the survey."""
    gemm, array = Gemm(m=layer.m, n=layer.n, k=layer.k), design.array
    report = compute_report(gemm, array, flow, platform.runtime_model)
    prices = platform.energy_table.of_buffers(design.buffers).in_python()
    memory = platform.memory_of(design.buffers)
    costs = ideal_costs(gemm, array, flow, memory, platform, prices)
    return {
        "dataflow": flow,
        "compute_cycles": costs.compute_cycles,
        "stall_cycles": costs.total_cycles - costs.compute_cycles,
        "total_cycles": costs.total_cycles,
        "mapping_efficiency": float(report.mapping_efficiency),
        "compute_utilization": float(report.compute_utilization),
        "overall_utilization": layer.m * layer.n * layer.k / (costs.total_cycles * design.num_macs),
        "energy_fj": costs.energy_fj,
        "dram_bytes": costs.traffic.dram_bytes,
    }
