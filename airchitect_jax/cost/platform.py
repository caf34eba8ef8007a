"""The machine: all inputs of the cost model other than the design and the workload."""

from __future__ import annotations

import dataclasses

from airchitect_jax._support import instance, member, settle, whole_number
from airchitect_jax.cost.energy import EnergyTable
from airchitect_jax.cost.terms import CostTerm, resolve_terms
from airchitect_jax.types import BufferSizes, Interface, Memory, MemoryModel, RuntimeModel

MAX_BANDWIDTH = 2**20  # bytes per cycle
MAX_SRAM_BYTES = 2**40
MAX_ELEMENT_BYTES = 64

BUFFERS = ("ifmap_sram_bytes", "filter_sram_bytes", "ofmap_sram_bytes")
_HALF_A_MEGABYTE = BufferSizes(**dict.fromkeys(BUFFERS, 2**19))


@dataclasses.dataclass(frozen=True, kw_only=True)
class Platform:
    """The parameters that all designs share. Hashable: a static argument of compiled functions.

    Attributes:
      bandwidth_bytes_per_cycle: of the DRAM interface, in 1..2**20; where it is a feature of the
        workload, the workload's takes precedence.
      element_bytes: width of an element, in 1..64.
      buffers: the SRAMs, in Python integers; those of a design take precedence.
      runtime_model: the compute cycles to use.
      memory_model: how memory stalls are counted.
      interface: one for all operands, or a port for each.
      energy_table: energy of single events.
      terms: additional cost terms; registered ones may be given by name.

    Raises:
      ValueError: a field is not allowed.
      TypeError: a field is of another type.
    """

    bandwidth_bytes_per_cycle: int = 64
    element_bytes: int = 1
    buffers: BufferSizes = _HALF_A_MEGABYTE
    runtime_model: RuntimeModel = RuntimeModel.SCALESIM
    memory_model: MemoryModel = MemoryModel.IDEAL
    interface: Interface = Interface.SHARED
    energy_table: EnergyTable = dataclasses.field(default_factory=EnergyTable)
    terms: tuple[CostTerm, ...] = ()

    def __post_init__(self) -> None:
        bandwidth, width = self.bandwidth_bytes_per_cycle, self.element_bytes
        buffers = instance("buffers", self.buffers, BufferSizes)
        sizes = {
            name: whole_number(name, getattr(buffers, name), low=2, high=MAX_SRAM_BYTES)
            for name in BUFFERS
        }
        settle(
            self,
            buffers=BufferSizes(**sizes),
            bandwidth_bytes_per_cycle=whole_number(
                "bandwidth_bytes_per_cycle", bandwidth, high=MAX_BANDWIDTH
            ),
            element_bytes=whole_number("element_bytes", width, high=MAX_ELEMENT_BYTES),
            runtime_model=member("runtime_model", self.runtime_model, RuntimeModel),
            memory_model=member("memory_model", self.memory_model, MemoryModel),
            interface=member("interface", self.interface, Interface),
            terms=resolve_terms(self.terms),
        )
        instance("energy_table", self.energy_table, EnergyTable)

    @property
    def memory(self) -> Memory:
        """The memory of a design that does not choose its buffers."""
        return self.memory_of(self.buffers)

    def memory_of(self, buffers: BufferSizes) -> Memory:
        """The memory of a design with these buffers."""
        return Memory(
            buffers=buffers,
            bandwidth_bytes_per_cycle=self.bandwidth_bytes_per_cycle,
            element_bytes=self.element_bytes,
        )

    def with_memory(self, memory: Memory) -> Platform:
        """The platform with the buffers, bandwidth and width of a memory.

        Raises:
          ValueError: a field of the memory is out of range.
          TypeError: it is not a memory.
        """
        instance("memory", memory, Memory)
        return dataclasses.replace(
            self,
            buffers=instance("memory: buffers", memory.buffers, BufferSizes),
            bandwidth_bytes_per_cycle=whole_number(
                "bandwidth_bytes_per_cycle", memory.bandwidth_bytes_per_cycle, high=MAX_BANDWIDTH
            ),
            element_bytes=whole_number(
                "element_bytes", memory.element_bytes, high=MAX_ELEMENT_BYTES
            ),
        )

    @property
    def term_names(self) -> str:
        """The names of the cost terms, joined by commas."""
        return ",".join(term.name for term in self.terms)
