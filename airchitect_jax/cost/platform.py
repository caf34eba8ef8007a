"""The machine: all inputs of the cost model other than the design and the workload."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
from jaxtyping import Int

from airchitect_jax._support import dataflow_member, instance, member, settle, shown, whole_number
from airchitect_jax.cost.energy import EnergyTable
from airchitect_jax.cost.parts import Technology, VectorUnit, Widths
from airchitect_jax.cost.terms import CostTerm, resolve_terms
from airchitect_jax.spaces import HardwareSpace
from airchitect_jax.types import (
    BufferSizes,
    Dataflow,
    Hardware,
    Interface,
    Memory,
    MemoryModel,
    RuntimeModel,
    Scratchpad,
)

MAX_BANDWIDTH = 2**20  # bytes per cycle
MAX_SRAM_BYTES = 2**40
MAX_ELEMENT_BYTES = 64

BUFFERS = ("ifmap_sram_bytes", "filter_sram_bytes", "ofmap_sram_bytes")
_HALF_A_MEGABYTE = BufferSizes(**dict.fromkeys(BUFFERS, 2**19))
_HALF_A_MEGABYTE_EACH = HardwareSpace(**dict.fromkeys(BUFFERS, (2**19,)))


@dataclasses.dataclass(frozen=True, kw_only=True)
class Platform:
    """The parameters that all designs share. Hashable: a static argument of compiled functions.

    The models IDEAL and SCALESIM3 count in cycles and bytes and read the first fields. TILED
    describes a machine in physical units and reads those from `name` on, the runtime model and the
    terms.

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
      name: of the machine.
      source: where its figures are published.
      clock_hz: cycles per second.
      dataflows: that the array can run.
      hardware: the array, cores, memories and bandwidth: one value each, or those to choose from.
      widths: bits of an input, weight, partial sum and output.
      vector_unit: for operators without matrix work.
      technology: from which energy, leakage and area follow.

    Raises:
      ValueError: a field is not allowed.
      TypeError: a field is of another type.

    Example:
      >>> aj.Platform(bandwidth_bytes_per_cycle=16).buffers.ifmap_sram_bytes
      524288
    """

    bandwidth_bytes_per_cycle: int = 64
    element_bytes: int = 1
    buffers: BufferSizes = _HALF_A_MEGABYTE
    runtime_model: RuntimeModel = RuntimeModel.SCALESIM
    memory_model: MemoryModel = MemoryModel.IDEAL
    interface: Interface = Interface.SHARED
    energy_table: EnergyTable = dataclasses.field(default_factory=EnergyTable)
    terms: tuple[CostTerm, ...] = ()
    name: str = "paper"
    source: str = ""
    clock_hz: int = 10**9
    dataflows: tuple[Dataflow, ...] = tuple(Dataflow)
    hardware: HardwareSpace = _HALF_A_MEGABYTE_EACH
    widths: Widths = dataclasses.field(default_factory=Widths)
    vector_unit: VectorUnit = dataclasses.field(default_factory=VectorUnit)
    technology: Technology = dataclasses.field(default_factory=Technology)

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
        for name, kind in (
            ("name", str),
            ("source", str),
            ("hardware", HardwareSpace),
            ("widths", Widths),
            ("vector_unit", VectorUnit),
            ("technology", Technology),
        ):
            instance(name, getattr(self, name), kind)
        flows = self.dataflows
        if not isinstance(flows, (tuple, list)) or not flows:
            raise ValueError(
                f"dataflows: {shown(flows)} is not allowed; expected a tuple of OS, WS, IS"
            )
        settle(
            self,
            clock_hz=whole_number("clock_hz", self.clock_hz, high=10**12),
            dataflows=tuple(sorted({dataflow_member("dataflows", flow) for flow in flows})),
        )

    def hardware_of(self, **values: Int[np.ndarray, "machines"] | int) -> Hardware:
        """The machine, or many, with these values of the axes of `hardware`.

        Args:
          values: by the names of `hardware.axes`; axes with one value may be left out.

        Raises:
          ValueError: an axis has several values and none is given, or a name is of no axis.
        """
        axes = self.hardware.axes
        for name in values:
            if name not in axes:
                raise ValueError(f"{name}: unknown axis; expected {', '.join(axes)}")
        for name, allowed in axes.items():
            if name not in values and len(allowed) > 1:
                raise ValueError(f"{name}: {len(allowed)} values are possible; expected one")
        chosen: dict[str, Any] = {name: values.get(name, axes[name][0]) for name in axes}
        memory = {name: chosen.pop(name) for name in self.hardware.memory_fields}
        rate = chosen.pop("bandwidth_bytes_per_second")
        # The same denominator for all bandwidths of the space, so that they can be one array.
        common = math.gcd(self.clock_hz, *axes["bandwidth_bytes_per_second"])
        return Hardware(
            **chosen,
            memory=(Scratchpad if self.hardware.is_shared else BufferSizes)(**memory),
            bandwidth_bytes=rate // common,
            bandwidth_cycles=self.clock_hz // common,
        )

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
