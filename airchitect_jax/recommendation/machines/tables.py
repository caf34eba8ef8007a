"""The answer for a platform as tables: the question, the headline, the summary, CSV files."""

from __future__ import annotations

import dataclasses
import math
from collections import Counter
from collections.abc import Callable
from typing import Any

from airchitect_jax._support import csv_text
from airchitect_jax.oracle.machines import Budgets
from airchitect_jax.recommendation.machines.answer import MachineAnswer, MachineLayer
from airchitect_jax.recommendation.tables import weighted_names
from airchitect_jax.reporting import number_text
from airchitect_jax.types import Hardware, MemoryModel

LAYER_COLUMNS = (
    "network",
    "layer",
    "m",
    "n",
    "k",
    "runs",
    "dataflow",
    "tile_m",
    "tile_n",
    "tile_k",
    "loop_order",
    "cores_m",
    "cores_n",
    "cores_k",
    "compute_cycles",
    "total_cycles",
    "latency_ms",
    "utilization",
    "dram_bytes",
    "energy_fj",
    "rtl_cycles_low",
    "rtl_cycles",
    "rtl_cycles_high",
)
OPERATOR_COLUMNS = (
    "network",
    "operator",
    "kind",
    "runs",
    "operations",
    "input_elements",
    "output_elements",
    "cycles",
    "latency_ms",
    "dram_bytes",
    "energy_fj",
)


def hardware_summary(hardware: Hardware) -> dict[str, int]:
    """The parameters of a machine, with units in their names."""
    return {
        "rows": hardware.rows,
        "cols": hardware.cols,
        "num_cores": hardware.num_cores,
        "num_macs": hardware.rows * hardware.cols * hardware.num_cores,
        **vars(hardware.memory),
    }


def bandwidth_bytes_per_second(answer: MachineAnswer) -> int:
    """Of the DRAM interface of the machine."""
    hardware = answer.hardware
    return int(hardware.bandwidth_bytes * answer.platform.clock_hz // hardware.bandwidth_cycles)


def size_text(num_bytes: int) -> str:
    """A size in KB or MB, for example "256 KB"."""
    return f"{num_bytes / 2**20:g} MB" if num_bytes >= 2**20 else f"{num_bytes / 2**10:g} KB"


def count_text(count: int) -> str:
    """A whole number in full or, from 10^15, by its order of magnitude."""
    return f"{count:,}" if count < 10**15 else f"10^{math.log10(count):.1f}"


def part_text(name: str) -> str:
    """A part of the machine in words, for example "ifmap SRAM"."""
    words = {"macs": "MACs", "dram": "DRAM", "sram": "SRAM", "srams": "SRAMs"}
    return " ".join(words.get(word, word) for word in name.split("_"))


def describe(answer: MachineAnswer) -> str:
    """The machine in a line."""
    return machine_text(answer.hardware)


def machine_text(hardware: Hardware) -> str:
    """A machine in a line, for example "4 x 128x128, 32 MB + 4 MB"."""
    cores = f"{hardware.num_cores} x " if hardware.num_cores > 1 else ""
    sizes = " + ".join(size_text(size) for size in vars(hardware.memory).values())
    return f"{cores}{hardware.rows}x{hardware.cols}, {sizes}"


def question(answer: MachineAnswer) -> list[tuple[str, str]]:
    """What was asked: rows of (name, value)."""
    platform = answer.platform
    rows = [
        ("workload", weighted_names(answer.networks, answer.weights)),
        ("platform", platform.name),
        ("objective", answer.objective.value.replace("_", " ")),
    ]
    for name, limit in limits(answer.budgets).items():
        rows.append((f"{name} at most", limit))
    return rows


def limits(budgets: Budgets) -> dict[str, str]:
    """The budgets that are set, with units."""
    shown: dict[str, tuple[Any, Callable[[Any], str]]] = {
        "MAC units": (budgets.mac_budget, lambda x: f"{x:,}"),
        "SRAM": (budgets.sram_budget_bytes, size_text),
        "area": (budgets.area_budget_um2, lambda x: f"{x / 1e6:g} mm2"),
        "average power": (budgets.power_budget_w, lambda x: f"{x:g} W"),
        "latency": (budgets.latency_budget_s, lambda x: f"{x * 1e3:g} ms"),
    }
    return {name: text(value) for name, (value, text) in shown.items() if value is not None}


def headline(answer: MachineAnswer) -> list[tuple[str, str]]:
    """The answer: rows of (name, value)."""
    hardware, platform, found = answer.hardware, answer.platform, answer.physical
    cores = f"{hardware.num_cores} cores of " if hardware.num_cores > 1 else ""
    memories = ", ".join(
        f"{part_text(name.removesuffix('_bytes'))} {size_text(size)}"
        for name, size in vars(hardware.memory).items()
    )
    throughput = f"{number_text(found.throughput_per_second)} runs per second"
    if answer.tokens_per_second is not None:
        throughput += f", {number_text(answer.tokens_per_second)} tokens per second"
    flows = Counter(plan.dataflow.name for plan in answer.layers)
    gemm_cycles = sum(plan.total_cycles * plan.runs for plan in answer.layers)
    waiting = gemm_cycles - sum(plan.compute_cycles * plan.runs for plan in answer.layers)
    vector_cycles = sum(plan.cycles * plan.runs for plan in answer.operators)
    return [
        ("array (rows x columns)", f"{cores}{hardware.rows}x{hardware.cols}"),
        ("memories", memories + (" per core" if hardware.num_cores > 1 else "")),
        (
            "clock, DRAM bandwidth",
            f"{platform.clock_hz / 1e9:g} GHz, {bandwidth_bytes_per_second(answer) / 1e9:g} GB/s",
        ),
        ("dataflows", ", ".join(f"{name} {count}" for name, count in sorted(flows.items()))),
        ("latency", f"{number_text(found.latency_ms)} ms"),
        ("throughput", throughput),
        ("energy", f"{number_text(found.energy_mj)} mJ"),
        ("average power", f"{number_text(found.average_power_w)} W"),
        ("area", f"{found.area_mm2:,.4g} mm2"),
        ("performance", f"{number_text(found.tops)} TOPS, {number_text(found.tops_per_w)} TOPS/W"),
        ("utilization of the arrays", f"{found.utilization:.1%}"),
        ("matrix work waits for DRAM", f"{waiting / gemm_cycles:.1%} of its cycles"),
        (
            "operators without matrix work",
            f"{vector_cycles / answer.cycles:.1%} of the cycles"
            + (", beside the arrays" if platform.vector_unit.overlapped else ""),
        ),
        *_waiting_rows(answer),
        *_rtl_rows(answer),
        *proof(answer),
    ]


def proof(answer: MachineAnswer) -> list[tuple[str, str]]:
    """What is proven: rows of (name, value)."""
    found = answer.optimum
    if answer.certified_gap == 0:
        text = "the best of all"
    else:
        gap = f"{answer.certified_gap:.2%}" if answer.certified_gap < math.inf else "unknown"
        text = f"at most {gap} above the best" + ("" if found.is_finished else ", stopped early")
    mapped = f"10^{found.log10_joint_points:.1f} with the mappings of all layers"
    return [
        ("machines", f"{count_text(found.num_hardware_points)}; {mapped}"),
        ("proof", f"{text}; {found.boxes_opened:,} boxes of machines in {found.seconds:.3g} s"),
    ]


def _waiting_rows(answer: MachineAnswer) -> list[tuple[str, str]]:
    if not answer.waiting_cycles:
        return []
    share = answer.waiting_cycles / answer.cycles
    return [("waits for the power budget", f"{share:.1%} of the cycles")]


def _rtl_rows(answer: MachineAnswer) -> list[tuple[str, str]]:
    cycles = rtl_cycles(answer)
    if cycles is None:
        return []
    modelled = sum(plan.total_cycles * plan.runs for plan in answer.layers)
    return [
        (
            "matrix work on Gemmini's RTL, predicted",
            f"{cycles:,} cycles ({modelled:,} by the model)",
        )
    ]


def summary_of(answer: MachineAnswer) -> dict[str, Any]:
    """The contents of summary.json, except for what the script adds."""
    physical = dataclasses.asdict(answer.physical)
    return {
        "platform": answer.platform.name,
        "objective": answer.objective.value,
        "budgets": {
            name: value for name, value in vars(answer.budgets).items() if value is not None
        },
        "runtime_model": answer.platform.runtime_model.value,
        "memory_model": MemoryModel.TILED.value,
        "workloads": [
            {
                "name": network.name,
                "weight": weight,
                "layers": len(network.layers),
                "macs": network.macs,
                "operators": len(network.operators),
                "not_modelled": dict(network.skipped),
            }
            for network, weight in zip(answer.networks, answer.weights, strict=True)
        ],
        "design": hardware_summary(answer.hardware),
        "clock_hz": answer.platform.clock_hz,
        "bandwidth_bytes_per_second": bandwidth_bytes_per_second(answer),
        "dataflows": dict(Counter(plan.dataflow.name for plan in answer.layers)),
        "cycles": answer.cycles,
        "gemm_cycles": sum(plan.total_cycles * plan.runs for plan in answer.layers),
        "rtl_gemm_cycles": rtl_cycles(answer),
        "operator_cycles": sum(plan.cycles * plan.runs for plan in answer.operators),
        "energy_fj": sum(answer.energy_fj.values()),
        "edp_fj_cycles": answer.cycles * sum(answer.energy_fj.values()),
        "dram_bytes": sum(plan.dram_bytes * plan.runs for plan in answer.layers)
        + sum(plan.dram_bytes * plan.runs for plan in answer.operators),
        **physical,
        "tokens_per_second": answer.tokens_per_second,
        "waiting_cycles": answer.waiting_cycles,
        "num_machines": answer.num_machines,
        **proof_summary(answer),
    }


def proof_summary(answer: MachineAnswer) -> dict[str, Any]:
    """The record of the search. An unknown gap is null; `num_joint_points` is a logarithm."""
    found = answer.optimum
    return {
        "cost": found.cost,
        "lower_bound": found.lower_bound,
        "certified_gap": found.certified_gap if found.certified_gap < math.inf else None,
        "is_finished": found.is_finished,
        "num_hardware_points": found.num_hardware_points,
        "num_joint_points": found.log10_joint_points,
        "log10_joint_points": found.log10_joint_points,
        "boxes_opened": found.boxes_opened,
        "search_seconds": round(found.seconds, 3),
    }


def rtl_cycles(answer: MachineAnswer) -> int | None:
    """Predicted cycles of Gemmini's RTL for all GEMMs; None for other machines."""
    if any(plan.rtl_cycles is None for plan in answer.layers):
        return None
    return round(sum(plan.rtl_cycles[1] * plan.runs for plan in answer.layers if plan.rtl_cycles))


def mapping_text(plan: MachineLayer) -> str:
    """A mapping in short: dataflow, tile, loop order and cores, as in "WS 128x64x256 MNK"."""
    mapping = plan.mapping
    split = (mapping.cores_m, mapping.cores_n, mapping.cores_k)
    cores = "" if split == (1, 1, 1) else " on " + "x".join(map(str, split))
    tile = f"{mapping.tile_m}x{mapping.tile_n}x{mapping.tile_k}"
    return f"{plan.dataflow.name} {tile} {plan.loop_order.name}{cores}"


def milliseconds(cycles: int, answer: MachineAnswer) -> float:
    """Cycles as time."""
    return 1e3 * cycles / answer.platform.clock_hz


def layer_rows(answer: MachineAnswer) -> list[list[object]]:
    """One row per layer, as in `LAYER_COLUMNS`."""
    return [
        [
            plan.network,
            plan.layer.name,
            plan.layer.m,
            plan.layer.n,
            plan.layer.k,
            plan.runs,
            plan.dataflow.name,
            plan.mapping.tile_m,
            plan.mapping.tile_n,
            plan.mapping.tile_k,
            plan.loop_order.name,
            plan.mapping.cores_m,
            plan.mapping.cores_n,
            plan.mapping.cores_k,
            plan.compute_cycles,
            plan.total_cycles,
            milliseconds(plan.total_cycles, answer),
            round(plan.utilization, 6),
            plan.dram_bytes,
            sum(plan.energy_fj.values()),
            *(("", "", "") if plan.rtl_cycles is None else map(round, plan.rtl_cycles)),
        ]
        for plan in answer.layers
    ]


def operator_rows(answer: MachineAnswer) -> list[list[object]]:
    """One row per operator, as in `OPERATOR_COLUMNS`."""
    return [
        [
            plan.network,
            plan.operator.name,
            plan.operator.kind.value,
            plan.runs,
            plan.operator.operations,
            plan.operator.input_elements,
            plan.operator.output_elements,
            plan.cycles,
            milliseconds(plan.cycles, answer),
            plan.dram_bytes,
            plan.energy_fj,
        ]
        for plan in answer.operators
    ]


def layers_csv(answer: MachineAnswer) -> str:
    """All layers, one row per layer."""
    return csv_text([LAYER_COLUMNS, *layer_rows(answer)])


def operators_csv(answer: MachineAnswer) -> str:
    """All operators, one row per operator."""
    return csv_text([OPERATOR_COLUMNS, *operator_rows(answer)])
