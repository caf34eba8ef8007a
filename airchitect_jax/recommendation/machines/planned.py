"""The workload on the best machine, by the equations in Python integers."""

from __future__ import annotations

from collections.abc import Sequence

from airchitect_jax.cost import (
    MachinePrices,
    Platform,
    TiledCosts,
    area_um2,
    machine_prices,
    operator_costs,
    physical_report,
    tiled_costs,
    tiled_energy_fj,
)
from airchitect_jax.oracle.machines import Optimum, Question
from airchitect_jax.recommendation.machines.answer import (
    MachineAnswer,
    MachineLayer,
    MachineOperator,
)
from airchitect_jax.recommendation.machines.limits import unused_budgets
from airchitect_jax.recommendation.workload import with_runs
from airchitect_jax.types import Gemm, Hardware, Mapping, Scratchpad
from airchitect_jax.workloads import Layer, Network, Operator

# The components of the energy of a layer, and the price of each.
COMPONENTS = {
    "macs": "mac_fj",
    "ifmap_sram": "ifmap_fj_per_byte",
    "filter_sram": "filter_fj_per_byte",
    "ofmap_sram": "ofmap_fj_per_byte",
    "dram": "dram_fj_per_byte",
    "leakage": "leakage_fj_per_cycle",
}


def answer_of(
    networks: Sequence[Network], weights: Sequence[int], question: Question, optimum: Optimum
) -> MachineAnswer:
    """The answer from the best machine, which was found for the layers of these networks."""
    assert optimum.machine is not None and optimum.totals is not None  # noqa: S101, PT018
    platform, totals = question.platform, optimum.totals
    hardware = platform.hardware_of(**optimum.machine)
    prices, area = machine_prices(hardware, platform), area_um2(hardware, platform)
    mappings = {gemm: totals.mappings.at(row)[0] for row, gemm in enumerate(question.gemms.gemms)}
    layers = tuple(
        _layer(name, layer, runs, mappings[layer.m, layer.n, layer.k], hardware, platform, prices)
        for name, layer, runs in with_runs(networks, weights, lambda network: network.layers)
    )
    operators = tuple(
        _operator(name, operator, runs, hardware, platform, prices)
        for name, operator, runs in with_runs(networks, weights, lambda network: network.operators)
    )
    energy = {
        name: sum(plan.energy_fj[name] * plan.runs for plan in layers)
        for name in layers[0].energy_fj
    }
    energy["leakage"] += prices.leakage_fj_per_cycle * (totals.cycles - totals.array_cycles)
    energy["dram"] += sum(one.dram_bytes * one.runs for one in operators) * prices.dram_fj_per_byte
    operations = sum(one.operator.operations * one.runs for one in operators)
    energy["vector"] = operations * prices.vector_fj
    return MachineAnswer(
        networks=tuple(networks),
        weights=tuple(weights),
        question=question,
        optimum=optimum,
        hardware=hardware,
        layers=layers,
        operators=operators,
        energy_fj=energy,
        area=area,
        physical=physical_report(
            cycles=totals.cycles,
            energy_fj=energy,
            area=area,
            macs=sum(plan.layer.m * plan.layer.n * plan.layer.k * plan.runs for plan in layers),
            macs_per_cycle=int(hardware.rows * hardware.cols * hardware.num_cores),
            clock_hz=platform.clock_hz,
        ),
        notes=unused_budgets(question),
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
