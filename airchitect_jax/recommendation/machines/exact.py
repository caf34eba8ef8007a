"""The best machine of a platform for a workload, and the best mapping of each layer on it."""

from __future__ import annotations

import dataclasses
import operator
import pathlib
from collections.abc import Mapping as Dict
from collections.abc import Sequence

from airchitect_jax._support import instance, instance_or_default, member
from airchitect_jax.cost import (
    MachineArea,
    MachinePrices,
    PhysicalReport,
    Platform,
    TiledCosts,
    operator_costs,
    physical_report,
    read_platform,
    tiled_costs,
    tiled_energy_fj,
)
from airchitect_jax.recommendation.machines.problem import (
    Budgets,
    MachineObjective,
    Machines,
    Totals,
)
from airchitect_jax.recommendation.machines.search import OnProgress, best_machine
from airchitect_jax.recommendation.workload import open_networks, whole_weights, with_runs
from airchitect_jax.spaces import HardwareSpace
from airchitect_jax.types import Dataflow, Gemm, Hardware, LoopOrder, Mapping, Scratchpad
from airchitect_jax.workloads import GemmCounts, Layer, Network, Operator

# The components of the energy of a layer, and the price of each.
COMPONENTS = {
    "macs": "mac_fj",
    "ifmap_sram": "ifmap_fj_per_byte",
    "filter_sram": "filter_fj_per_byte",
    "ofmap_sram": "ofmap_fj_per_byte",
    "dram": "dram_fj_per_byte",
    "leakage": "leakage_fj_per_cycle",
}


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
    """The best machine of a platform for a workload.

    Attributes:
      networks, weights: the workload.
      platform, objective, budgets: the question.
      hardware: the machine.
      layers, operators: the workload on it.
      cycles: of one run of the workload.
      energy_fj: of one run, by component.
      area: of the machine by component, in square micrometres.
      physical: latency, throughput, energy, power and so on.
      num_machines, num_within, num_solved: of the space, within the budgets of parts, and machines
        whose best mappings were searched.
      notes: what the budgets allow and no machine of the space reaches.
    """

    networks: tuple[Network, ...]
    weights: tuple[int, ...]
    platform: Platform
    objective: MachineObjective
    budgets: Budgets
    hardware: Hardware
    layers: tuple[MachineLayer, ...]
    operators: tuple[MachineOperator, ...]
    cycles: int
    energy_fj: Dict[str, int]
    area: MachineArea
    physical: PhysicalReport
    num_machines: int
    num_within: int
    num_solved: int
    notes: tuple[str, ...]

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


def recommend_machine(
    workload: Network | str | pathlib.Path | Sequence[Network | str | pathlib.Path],
    platform: Platform | str | pathlib.Path,
    *,
    objective: MachineObjective | str = MachineObjective.LATENCY,
    budgets: Budgets | None = None,
    weights: Sequence[int] | None = None,
    dims: Dict[str, int] | None = None,
    on_progress: OnProgress | None = None,
) -> MachineAnswer:
    """The best machine within budgets, of all that a platform leaves open.

    Exact over every machine of `platform.hardware` and every mapping of every layer: costs are
    those of `tiled_costs` (`MemoryModel.TILED`) and `operator_costs`, times counts and weights.
    Ties go to fewer MACs, then to less SRAM. Where the mappings of least cost exceed a budget of
    latency or power, mappings between these and the fastest (or those of least energy) are tried:
    vertices of the hull of cycles and energy.

    Args:
      workload: a `Network`, the name of a packaged one, a `.csv` or `.onnx` file, or several.
      platform: the machine with its open values: a `Platform`, a packaged one by name, a file.
      objective: latency, energy, edp or throughput_per_area.
      budgets: limits of the machine; none by default.
      weights: how often each network runs, whole numbers; by default once.
      dims: sizes of symbolic dimensions, for ONNX models.
      on_progress: called with the stage, the number of finished machines, and their total number.

    Raises:
      ValueError: an argument is not allowed, a file is refused, no machine is within the budgets,
        or there are too many machines.
      TypeError: an argument is of another type.
    """
    objective = member("objective", objective, MachineObjective)
    budgets = instance_or_default("budgets", budgets, Budgets)
    if isinstance(platform, (str, pathlib.Path)):
        platform = read_platform(platform)
    instance("platform", platform, Platform)
    networks = open_networks(workload, dims)
    weights = whole_weights(weights, len(networks))
    layers = with_runs(networks, weights, lambda network: network.layers)
    operators = with_runs(networks, weights, lambda network: network.operators)
    gemms = GemmCounts.of(
        [(layer.m, layer.n, layer.k) for _, layer, _ in layers], [runs for _, _, runs in layers]
    )
    machines = Machines(
        platform,
        gemms,
        [(one, runs) for _, one, runs in operators],
        objective,
        budgets,
    )
    found = best_machine(machines.problem(), machines.groups, machines.tie_order, on_progress)
    if found is None:
        raise ValueError(machines.why_none())
    hardware, prices = machines.hardware_at(found.machine), machines.prices_at(found.machine)
    totals: Totals = found.answer
    mappings = {gemm: totals.mappings.at(row)[0] for row, gemm in enumerate(gemms.gemms)}
    planned = tuple(
        _layer(name, layer, runs, mappings[layer.m, layer.n, layer.k], hardware, platform, prices)
        for name, layer, runs in layers
    )
    moved = tuple(
        _operator(name, operator, runs, hardware, platform, prices)
        for name, operator, runs in operators
    )
    energy = {
        name: sum(plan.energy_fj[name] * plan.runs for plan in planned)
        for name in planned[0].energy_fj
    }
    energy["leakage"] += prices.leakage_fj_per_cycle * (totals.cycles - totals.array_cycles)
    energy["dram"] += sum(p.dram_bytes * p.runs for p in moved) * prices.dram_fj_per_byte
    energy["vector"] = sum(p.operator.operations * p.runs for p in moved) * prices.vector_fj
    area = machines.area_at(found.machine)
    return MachineAnswer(
        networks=networks,
        weights=weights,
        platform=platform,
        objective=objective,
        budgets=budgets,
        hardware=hardware,
        layers=planned,
        operators=moved,
        cycles=totals.cycles,
        energy_fj=energy,
        area=area,
        physical=physical_report(
            cycles=totals.cycles,
            energy_fj=energy,
            area=area,
            macs=sum(layer.m * layer.n * layer.k * runs for _, layer, runs in layers),
            macs_per_cycle=int(hardware.rows * hardware.cols * hardware.num_cores),
            clock_hz=platform.clock_hz,
        ),
        num_machines=platform.hardware.num_designs,
        num_within=int(machines.allowed.sum()),
        num_solved=found.num_solved,
        notes=machines.unused_budgets(),
    )


def _layer(
    network: str,
    layer: Layer,
    runs: int,
    mapping: Mapping,
    hardware: Hardware,
    platform: Platform,
    prices: MachinePrices,
) -> MachineLayer:
    """The figures of a layer by the equations in Python integers, independent of the search."""
    gemm = Gemm(m=layer.m, n=layer.n, k=layer.k)
    costs = tiled_costs(gemm, mapping, hardware, platform)
    peak = hardware.rows * hardware.cols * hardware.num_cores
    return MachineLayer(
        network=network,
        layer=layer,
        runs=runs,
        mapping=mapping,
        compute_cycles=costs.compute_cycles,
        total_cycles=costs.total_cycles,
        utilization=layer.m * layer.n * layer.k / (costs.total_cycles * peak),
        energy_fj=_energy_parts(gemm, costs, platform, prices),
        dram_bytes=int(costs.traffic.dram_bytes),
        rtl_cycles=_rtl_cycles(gemm, mapping, hardware),
    )


def _energy_parts(
    gemm: Gemm, costs: TiledCosts, platform: Platform, prices: MachinePrices
) -> dict[str, int]:
    """The energy of a layer by component: each with all other prices zero."""
    nothing = MachinePrices(*(0 for _ in prices))
    bare = costs._replace(extra_energy_fj=0)
    parts = {
        name: tiled_energy_fj(
            gemm, bare, platform, nothing._replace(**{price: getattr(prices, price)})
        )
        for name, price in COMPONENTS.items()
    }
    if platform.terms:
        parts["terms"] = costs.extra_energy_fj
    # The sum of the SRAMs rounds once.
    rest = tiled_energy_fj(gemm, costs, platform, prices) - sum(parts.values())
    return parts | {"ofmap_sram": parts["ofmap_sram"] + rest}


def _rtl_cycles(
    gemm: Gemm, mapping: Mapping, hardware: Hardware
) -> tuple[float, float, float] | None:
    if not isinstance(hardware.memory, Scratchpad):
        return None
    # Loading it takes longer than many answers, which do not need it.
    from airchitect_jax.learning import calibrated_cycles, is_calibrated

    return calibrated_cycles(gemm, mapping) if is_calibrated(hardware) else None


def _operator(
    network: str,
    operator: Operator,
    runs: int,
    hardware: Hardware,
    platform: Platform,
    prices: MachinePrices,
) -> MachineOperator:
    costs = operator_costs(operator, hardware, platform, prices)
    return MachineOperator(
        network=network,
        operator=operator,
        runs=runs,
        cycles=costs.cycles,
        energy_fj=costs.energy_fj,
        dram_bytes=costs.dram_read_bytes + costs.dram_write_bytes,
    )
