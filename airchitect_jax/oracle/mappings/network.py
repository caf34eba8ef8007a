"""The best mappings of a whole network on one machine."""

from __future__ import annotations

import dataclasses
from typing import cast

from airchitect_jax._support import instance, member, whole_number
from airchitect_jax.cost import MachinePrices, Platform
from airchitect_jax.oracle.mappings.best import Weights
from airchitect_jax.oracle.mappings.fronts import Machine
from airchitect_jax.oracle.mappings.schedules import NetworkMappings, best_schedule, schedule_by
from airchitect_jax.types import Hardware, Objective
from airchitect_jax.workloads import GemmCounts


def network_optimum(
    workload: GemmCounts,
    hardware: Hardware,
    platform: Platform,
    objective: Objective | Weights,
    prices: MachinePrices,
    extra_cycles: int = 0,
    extra_energy_fj: int = 0,
) -> NetworkMappings:
    """The mappings that are best for the whole network; each GEMM has one for all its runs.

    Args:
      workload: GEMMs and the number of runs of each.
      hardware: as for `best_mappings`.
      platform: the same.
      objective: the quantity to minimise, of the sums over all runs.
      prices: as for `best_mappings`.
      extra_cycles: on top, of what has no mapping.
      extra_energy_fj: the same.

    Raises:
      ValueError: as for `best_mappings`, or something on top is negative.
      TypeError: an argument is of another type.
    """
    instance("workload", workload, GemmCounts)
    extra = (
        whole_number("extra_cycles", extra_cycles, low=0, high=2**63 - 1),
        whole_number("extra_energy_fj", extra_energy_fj, low=0, high=2**63 - 1),
    )
    if not isinstance(objective, Weights):
        objective = member("objective", objective, Objective)
    if objective is Objective.EDP:
        found = cast(
            NetworkMappings,  # as the product is finite
            best_schedule(
                workload,
                hardware,
                platform,
                prices,
                lambda cycles, energy_fj: (cycles + extra[0]) * (energy_fj + extra[1]),
            ),
        )
    else:
        found = schedule_by(
            Machine(workload=workload, hardware=hardware, platform=platform, prices=prices),
            objective,
        )
    return dataclasses.replace(
        found, total_cycles=found.total_cycles + extra[0], energy_fj=found.energy_fj + extra[1]
    )
