"""Reported figures in physical units, from cycles, energy and area."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from airchitect_jax.cost.area import MachineArea


@dataclasses.dataclass(frozen=True, kw_only=True)
class PhysicalReport:
    """A workload on a machine, in physical units.

    Attributes:
      latency_ms: from start to end.
      throughput_per_second: inferences per second.
      energy_mj: in millijoules.
      energy_mj_by_part: the same by part.
      area_mm2: of all modelled parts.
      area_mm2_by_part: the same by part.
      average_power_w: energy per time.
      tops: 10**12 operations per second; a MAC is two operations.
      tops_per_w: the same per watt, which is operations per picojoule.
      utilization: MACs by those that the array could do in the time.
    """

    latency_ms: float
    throughput_per_second: float
    energy_mj: float
    energy_mj_by_part: Mapping[str, float]
    area_mm2: float
    area_mm2_by_part: Mapping[str, float]
    average_power_w: float
    tops: float
    tops_per_w: float
    utilization: float


def physical_report(
    *,
    cycles: float,
    energy_fj: Mapping[str, float],
    area: MachineArea,
    macs: int,
    macs_per_cycle: int,
    clock_hz: int,
    inferences: int = 1,
) -> PhysicalReport:
    """The figures of a workload on a machine.

    Args:
      cycles: of the whole workload, positive.
      energy_fj: of the whole workload, in femtojoules by part; positive in total.
      area: of the machine.
      macs: of the whole workload.
      macs_per_cycle: of the machine: rows, cols and cores multiplied.
      clock_hz: cycles per second.
      inferences: that the workload makes, such as its batch size.
    """
    seconds = cycles / clock_hz
    joules = sum(energy_fj.values()) / 1e15
    operations = 2 * macs
    return PhysicalReport(
        latency_ms=1e3 * seconds,
        throughput_per_second=inferences / seconds,
        energy_mj=1e3 * joules,
        energy_mj_by_part={part: energy / 1e12 for part, energy in energy_fj.items()},
        area_mm2=area.total_um2 / 1e6,
        area_mm2_by_part={
            name.removesuffix("_um2"): value / 1e6
            for name, value in area._asdict().items()
            if name != "total_um2"
        },
        average_power_w=joules / seconds,
        tops=operations / seconds / 1e12,
        tops_per_w=operations / joules / 1e12,
        utilization=macs / (cycles * macs_per_cycle),
    )
