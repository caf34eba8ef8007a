"""The answer: the best machine, and each layer and operator of the workload on it."""

from __future__ import annotations

import dataclasses
import operator
from collections.abc import Mapping as Dict

from airchitect_jax.cost import MachineArea, PhysicalReport, Platform
from airchitect_jax.oracle.machines import (
    Budgets,
    MachineObjective,
    Optimum,
    Question,
    Totals,
)
from airchitect_jax.spaces import HardwareSpace
from airchitect_jax.types import Dataflow, Hardware, LoopOrder, Mapping
from airchitect_jax.workloads import Layer, Network, Operator


@dataclasses.dataclass(frozen=True, kw_only=True)
class MachineLayer:
    """A layer on the machine. All figures are for one run.

    Attributes:
      network: the name of its network.
      layer: the GEMM.
      runs: its count times the weight of its network.
      mapping: the best one.
      compute_cycles, total_cycles: without and with the waiting for DRAM.
      utilization: MACs over those that all arrays could do in the total cycles.
      energy_fj: by component.
      dram_bytes: traffic.
      rtl_cycles: low end, prediction and high end of the cycles that the RTL of Gemmini takes, a
        90% interval; None for machines that the calibration does not know.
    """

    network: str
    layer: Layer
    runs: int
    mapping: Mapping
    compute_cycles: int
    total_cycles: int
    utilization: float
    energy_fj: Dict[str, int]
    dram_bytes: int
    rtl_cycles: tuple[float, float, float] | None

    @property
    def gemm(self) -> tuple[int, int, int]:
        """m, n and k."""
        return self.layer.m, self.layer.n, self.layer.k

    @property
    def dataflow(self) -> Dataflow:
        """Of the mapping."""
        return Dataflow(int(self.mapping.dataflow))

    @property
    def loop_order(self) -> LoopOrder:
        """Of the mapping."""
        return LoopOrder(int(self.mapping.order))


@dataclasses.dataclass(frozen=True, kw_only=True)
class MachineOperator:
    """An operator on the vector units. All figures are for one run.

    Attributes:
      network: the name of its network.
      operator: the operator.
      runs: its count times the weight of its network.
      cycles: the longer of computing and moving.
      energy_fj: without leakage.
      dram_bytes: traffic.
    """

    network: str
    operator: Operator
    runs: int
    cycles: int
    energy_fj: int
    dram_bytes: int


@dataclasses.dataclass(frozen=True, kw_only=True)
class MachineAnswer:
    """The best machine of a space for a workload, with a proof.

    Attributes:
      networks, weights: the workload.
      question: the workload without names, the space, the objective, the budgets.
      optimum: the machine, and what is proven about all others.
      hardware: the machine.
      layers, operators: the workload on it.
      energy_fj: of one run of the workload, by component.
      area: of the machine by component, in square micrometres.
      physical: latency, throughput, energy, power and so on.
      notes: what the budgets allow and no machine of the space reaches.

    Example:
      >>> answer = aj.recommend_machine("dlrm", "gemmini")
      >>> answer.hardware.array, answer.optimum.certified_gap
      (ArrayShape(rows=16, cols=16), 0.0)
    """

    networks: tuple[Network, ...]
    weights: tuple[int, ...]
    question: Question
    optimum: Optimum
    hardware: Hardware
    layers: tuple[MachineLayer, ...]
    operators: tuple[MachineOperator, ...]
    energy_fj: Dict[str, int]
    area: MachineArea
    physical: PhysicalReport
    notes: tuple[str, ...]

    @property
    def platform(self) -> Platform:
        """Of the question: its `hardware` is the space."""
        return self.question.platform

    @property
    def objective(self) -> MachineObjective:
        """Of the question."""
        return self.question.objective

    @property
    def budgets(self) -> Budgets:
        """Of the question."""
        return self.question.budgets

    @property
    def totals(self) -> Totals:
        """The workload on the machine."""
        assert self.optimum.totals is not None  # noqa: S101 - there is a machine
        return self.optimum.totals

    @property
    def cycles(self) -> float:
        """Of one run of the workload, waiting for the power budget included."""
        return self.totals.cycles

    @property
    def waiting_cycles(self) -> float:
        """In which the machine waits for its average power to fall to the budget."""
        return self.totals.cycles - self.totals.busy_cycles

    @property
    def num_machines(self) -> int:
        """Of the space."""
        return self.optimum.num_hardware_points

    @property
    def lower_bound(self) -> float:
        """No machine of the space costs less."""
        return self.optimum.lower_bound

    @property
    def certified_gap(self) -> float:
        """How far the machine can be from the best; 0 if it is the best."""
        return self.optimum.certified_gap

    @property
    def tokens_per_second(self) -> float | None:
        """Tokens that language models take or generate; None for other workloads."""
        tokens = [network.tokens for network in self.networks]
        if not all(tokens):
            return None
        of_run = sum(map(operator.mul, tokens, self.weights))
        return of_run * self.physical.throughput_per_second

    @property
    def fixed_platform(self) -> Platform:
        """The platform with the machine alone."""
        hardware = self.hardware
        rate = hardware.bandwidth_bytes * self.platform.clock_hz // hardware.bandwidth_cycles
        values = {
            "rows": hardware.rows,
            "cols": hardware.cols,
            "num_cores": hardware.num_cores,
            "bandwidth_bytes_per_second": rate,
            **vars(hardware.memory),
        }
        fixed = HardwareSpace(**{name: (int(value),) for name, value in values.items()})
        return dataclasses.replace(self.platform, hardware=fixed)
