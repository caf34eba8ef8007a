"""Batch evaluation of mappings, exact, in NumPy."""

from __future__ import annotations

import dataclasses
from typing import Any

import jax
import numpy as np

from airchitect_jax._support import (
    INT64_SAFE,
    common_shape,
    dataflow_field,
    instance,
    int_field,
    shown,
)
from airchitect_jax.cost.platform import MAX_SRAM_BYTES, Platform
from airchitect_jax.cost.prices import MachinePrices
from airchitect_jax.cost.tiled import mapping_fits, tiled_costs, tiled_energy_fj
from airchitect_jax.types import (
    BufferSizes,
    Gemm,
    Hardware,
    LoopOrder,
    Mapping,
    MemoryReport,
    Scratchpad,
)

_CHUNK = 4096  # rows; the classes of slots multiply them by 64


def evaluate_mappings(
    gemms: Gemm,
    mappings: Mapping,
    hardware: Hardware,
    platform: Platform,
    prices: MachinePrices,
) -> MemoryReport:
    """The `MemoryReport` (`MemoryModel.TILED`) of each mapping of each GEMM on a machine.

    Args:
      gemms: m, n, k as whole numbers in 1..2**31 - 1.
      mappings: tiles and cores in 1..2**31 - 1, dataflows and `LoopOrder` values. All fields of
        GEMMs, mappings and machines broadcast against each other.
      hardware: the machines, in whole numbers.
      platform: widths, runtime model and cost terms.
      prices: femtojoules of single events.

    Returns:
      NumPy arrays of the broadcast shape: int64 counts, float64 ratios. The utilisation is that of
      the arrays of all cores.

    Raises:
      ValueError: a field out of range, a mapping that does not fit, or cycles, traffic or energy
        that int64 cannot hold.
      TypeError: an argument is of another type.
    """
    given = _checked(gemms, mappings, hardware)
    instance("platform", platform, Platform)
    instance("prices", prices, MachinePrices)
    leaves, tree = jax.tree.flatten((given, MachinePrices(*map(np.asarray, prices))))
    shape = common_shape({str(number): leaf for number, leaf in enumerate(leaves)})
    columns = [np.broadcast_to(leaf, shape).reshape(-1) for leaf in leaves]
    reports = []
    for first in range(0, max(columns[0].size, 1), _CHUNK):
        rows = [column[first : first + _CHUNK] for column in columns]
        (gemm, mapping, machine), own_prices = jax.tree.unflatten(tree, rows)
        fits = mapping_fits(mapping, machine, platform)
        if not fits.all():
            row = int(np.argmin(fits))
            raise ValueError(
                f"mappings: {_row(mapping, row)} at row {first + row} is not allowed; expected"
                " tiles that fit into the working halves and no more cores than there are"
            )
        reports.append(_report(gemm, mapping, machine, platform, own_prices, first))
    joined = jax.tree.map(lambda *parts: np.concatenate(parts), *reports)
    return jax.tree.map(lambda field: field.reshape(shape), joined)


def _report(
    gemm: Gemm,
    mapping: Mapping,
    hardware: Hardware,
    platform: Platform,
    prices: MachinePrices,
    first: int,
) -> MemoryReport:
    def counts(gemm: Gemm, hardware: Hardware, prices: MachinePrices) -> Any:
        """Whole numbers in any dtype."""
        costs = tiled_costs(gemm, mapping, hardware, platform)
        return costs, tiled_energy_fj(gemm, costs, platform, prices)

    with np.errstate(over="ignore"):
        costs, energy = counts(gemm, hardware, prices)
    rough, rough_energy = counts(*jax.tree.map(np.float64, (gemm, hardware, prices)))
    # The largest numbers on the way: bits times the denominator of the bandwidth, and eighths.
    busy = (rough.total_cycles + 1) * 8.0 * hardware.bandwidth_bytes
    largest = np.maximum(busy, 8 * rough_energy)
    for count in jax.tree.leaves(rough.traffic):
        largest = np.maximum(largest, 8.0 * count * max(dataclasses.astuple(platform.widths)))
    if (largest >= INT64_SAFE).any():
        row = int(np.argmax(largest))
        raise ValueError(
            f"cycles, traffic or energy at row {first + row} exceed int64 (2**63 - 1):"
            f" {_row(gemm, row)}"
        )
    total = costs.total_cycles
    macs_per_core = (gemm.m / hardware.rows) * (gemm.n / hardware.cols) * (gemm.k / total)
    return MemoryReport(
        compute_cycles=costs.compute_cycles,
        stall_cycles=total - costs.compute_cycles,
        total_cycles=total,
        overall_utilization=macs_per_core / hardware.num_cores,
        achieved_bandwidth_bytes_per_cycle=costs.traffic.dram_bytes / total,
        energy_fj=energy,
        traffic=costs.traffic,
    )


def _checked(gemms: Gemm, mappings: Mapping, hardware: Hardware) -> tuple[Gemm, Mapping, Hardware]:
    """The fields as int64."""
    instance("gemms", gemms, Gemm)
    instance("mappings", mappings, Mapping)
    instance("hardware", hardware, Hardware)
    memory = hardware.memory
    if not isinstance(memory, (BufferSizes, Scratchpad)):
        raise TypeError(
            f"memory: {shown(memory)} is not allowed; expected BufferSizes or Scratchpad"
        )

    def checked(record: Any, low: int = 1, **special: Any) -> Any:
        fields = {
            field.name: special[field.name]
            if field.name in special
            else int_field(field.name, getattr(record, field.name), low=low, high=high)
            for field in dataclasses.fields(record)
        }
        return type(record)(**fields)

    high = 2**31 - 1
    order = int_field("order", mappings.order, low=0, high=len(LoopOrder) - 1)
    flow = dataflow_field("dataflow", mappings.dataflow)
    gemms, mappings = checked(gemms), checked(mappings, order=order, dataflow=flow)
    high = MAX_SRAM_BYTES
    return gemms, mappings, checked(hardware, memory=checked(memory, low=0))


def _row(record: Any, row: int) -> str:
    fields = dataclasses.asdict(record)
    return ", ".join(f"{name}={int(column[row])}" for name, column in fields.items())
