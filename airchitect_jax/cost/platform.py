"""The machine: what the cost model is told beside design and workload."""

from __future__ import annotations

import dataclasses

from airchitect_jax._support import instance, member, settle, whole_number
from airchitect_jax.cost.energy import EnergyTable
from airchitect_jax.cost.evaluate import MAX_BANDWIDTH, MAX_ELEMENT_BYTES
from airchitect_jax.types import Interface, RuntimeModel


@dataclasses.dataclass(frozen=True, kw_only=True)
class Platform:
    """What all designs have in common.

    Attributes:
      bandwidth_bytes_per_cycle: of the DRAM interface, in 1..2**20.
      element_bytes: width of an element, in 1..64.
      runtime_model: which compute cycles are meant.
      interface: one for all operands, or a port for each.
      energy_table: energy of single events.

    Raises:
      ValueError: a field is not allowed.
      TypeError: the energy table is of another type.
    """

    bandwidth_bytes_per_cycle: int = 64
    element_bytes: int = 1
    runtime_model: RuntimeModel = RuntimeModel.SCALESIM
    interface: Interface = Interface.SHARED
    energy_table: EnergyTable = dataclasses.field(default_factory=EnergyTable)

    def __post_init__(self) -> None:
        bandwidth, width = self.bandwidth_bytes_per_cycle, self.element_bytes
        settle(
            self,
            bandwidth_bytes_per_cycle=whole_number(
                "bandwidth_bytes_per_cycle", bandwidth, high=MAX_BANDWIDTH
            ),
            element_bytes=whole_number("element_bytes", width, high=MAX_ELEMENT_BYTES),
            runtime_model=member("runtime_model", self.runtime_model, RuntimeModel),
            interface=member("interface", self.interface, Interface),
        )
        instance("energy_table", self.energy_table, EnergyTable)
