"""Batch evaluation: the costs of given designs for given workloads, exact, in one compiled call."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Int

from airchitect_jax._support import (
    INT64_SAFE,
    common_shape,
    dataflow_field,
    instance,
    instance_or_default,
    int_field,
    map_chunks,
)
from airchitect_jax.cost.compute import compute_cycles, compute_report
from airchitect_jax.cost.energy import EnergyTable, SramPrices
from airchitect_jax.cost.ideal import GemmCosts, ideal_costs
from airchitect_jax.cost.platform import (
    BUFFERS,
    MAX_BANDWIDTH,
    MAX_ELEMENT_BYTES,
    MAX_SRAM_BYTES,
    Platform,
)
from airchitect_jax.types import (
    ArrayDesign,
    ArrayShape,
    BufferSizes,
    CostReport,
    Dataflow,
    Gemm,
    Interface,
    Memory,
    MemoryReport,
    RuntimeModel,
)

_Report = TypeVar("_Report")
_Columns = Sequence[Int[Array, "batch"]]


def evaluate(
    workloads: Gemm,
    designs: ArrayDesign,
    *,
    runtime_model: RuntimeModel = RuntimeModel.SCALESIM,
) -> CostReport:
    """The `CostReport` of each design for each workload, fields broadcast against each other.

    Args:
      workloads: m, n, k as whole numbers in 1..2**31 - 1, of any shapes that broadcast.
      designs: rows and cols as whole numbers in 1..2**31 - 1 (not only powers of two) and
        `Dataflow` values. For all pairs give `workloads` a trailing axis of one.
      runtime_model: the cycle count to use.

    Returns:
      NumPy arrays of the broadcast shape: int64 counts, float64 utilisations.

    Raises:
      ValueError: a field out of range, or a cycle count that int64 cannot hold.
      TypeError: an argument is of another type.

    Example:
      >>> designs = aj.ArrayDesign(rows=[16, 32], cols=[64, 32], dataflow=aj.Dataflow.WS)
      >>> aj.evaluate(aj.Gemm(m=196, n=768, k=768), designs).compute_cycles.tolist()
      [167039, 167039]
    """
    platform = Platform(runtime_model=runtime_model)
    fields = _array_fields(workloads, designs)
    return _batched("compute_cycles", functools.partial(_evaluate, platform=platform), fields)


def evaluate_memory(
    workloads: Gemm,
    designs: ArrayDesign,
    memory: Memory,
    *,
    runtime_model: RuntimeModel = RuntimeModel.SCALESIM,
    interface: Interface = Interface.SHARED,
    energy_table: EnergyTable | None = None,
) -> MemoryReport:
    """The `MemoryReport` (`MemoryModel.IDEAL`) of each design for each workload.

    Args:
      workloads: as for `evaluate`.
      designs: as for `evaluate`.
      runtime_model: the compute cycles to use.
      memory: buffers in bytes (2..2**40), bytes per cycle (1..2**20) and bytes per element (1..64),
        all broadcast against the rest.
      interface: one for all operands, or a port for each.
      energy_table: energy of single events; Horowitz's by default.

    Returns:
      NumPy arrays of the broadcast shape: int64 counts, float64 ratios.

    Raises:
      ValueError: a field out of range, or cycles, traffic or energy that int64 cannot hold.
      TypeError: an argument is of another type.

    Example:
      >>> sizes = aj.BufferSizes(
      ...     ifmap_sram_bytes=2**16, filter_sram_bytes=2**16, ofmap_sram_bytes=2**15
      ... )
      >>> memory = aj.Memory(buffers=sizes, bandwidth_bytes_per_cycle=16)
      >>> design = aj.ArrayDesign(rows=32, cols=32, dataflow=aj.Dataflow.OS)
      >>> report = aj.evaluate_memory(aj.Gemm(m=3136, n=64, k=576), design, memory)
      >>> int(report.total_cycles), int(report.traffic.dram_bytes)
      (239484, 3817472)
    """
    platform = Platform(
        runtime_model=runtime_model,
        interface=interface,
        energy_table=instance_or_default("energy_table", energy_table, EnergyTable),
    )
    return memory_reports(workloads, designs, memory, platform)


def memory_reports(
    workloads: Gemm, designs: ArrayDesign, memory: Memory, platform: Platform
) -> MemoryReport:
    """`evaluate_memory` on a platform, cost terms included; the memory is that of the argument."""
    fields = _array_fields(workloads, designs) | _memory_columns(memory)
    sizes = BufferSizes(**{name: fields[name] for name in BUFFERS})
    prices = platform.energy_table.of_buffers(sizes)
    fields |= {name: getattr(prices, name) for name in _PRICES}
    return _batched(
        "cycles, traffic or energy",
        functools.partial(_evaluate_memory, platform=platform),
        fields,
    )


_PRICES = tuple(field.name for field in dataclasses.fields(SramPrices))


def _array_fields(workloads: Gemm, designs: ArrayDesign) -> dict[str, np.ndarray]:
    instance("workloads", workloads, Gemm)
    instance("designs", designs, ArrayDesign)
    fields = {
        name: int_field(name, value, low=1)
        for name, value in (
            ("m", workloads.m),
            ("n", workloads.n),
            ("k", workloads.k),
            ("rows", designs.rows),
            ("cols", designs.cols),
        )
    }
    fields["dataflow"] = dataflow_field("dataflow", designs.dataflow)
    return fields


def _memory_columns(memory: Memory) -> dict[str, np.ndarray]:
    instance("memory", memory, Memory)
    buffers = instance("memory: buffers", memory.buffers, BufferSizes)
    fields = {
        name: int_field(name, getattr(buffers, name), low=2, high=MAX_SRAM_BYTES)
        for name in BUFFERS
    }
    for name, high in (
        ("bandwidth_bytes_per_cycle", MAX_BANDWIDTH),
        ("element_bytes", MAX_ELEMENT_BYTES),
    ):
        fields[name] = int_field(name, getattr(memory, name), low=1, high=high)
    return fields


def _batched(
    what: str,
    function: Callable[[_Columns], tuple[_Report, Bool[Array, "batch"]]],
    fields: Mapping[str, np.ndarray],
) -> _Report:
    """Broadcasts the fields, calls `function` on chunks of columns, and refuses overflow.

    `function` returns a report and where int64 is too small for it.
    """
    shape = common_shape(fields)
    columns = [np.broadcast_to(array, shape).reshape(-1) for array in fields.values()]
    with jax.enable_x64(True):
        report, too_large = map_chunks(function, columns)
    if too_large.any():
        row = int(np.argmax(too_large))
        values = ", ".join(
            f"{name}={column[row]}" for name, column in zip(fields, columns, strict=True)
        )
        raise ValueError(f"{what} at row {row} exceed int64 (2**63 - 1): {values}")
    return jax.tree.map(lambda field: field.reshape(shape), report)


def _select(dataflow: Int[Array, "batch"], by_dataflow: Sequence[Any]) -> Any:
    """Selects from one report per dataflow, row by row."""
    cases = [dataflow == value for value in Dataflow]
    return jax.tree.map(lambda *fields: jnp.select(cases, fields), *by_dataflow)


def _floats(tree: Any) -> Any:
    return jax.tree.map(lambda x: x.astype(jnp.float64), tree)


@functools.partial(jax.jit, static_argnames="platform")
def _evaluate(columns: _Columns, *, platform: Platform) -> tuple[CostReport, Bool[Array, "batch"]]:
    m, n, k, rows, cols, dataflow = columns
    gemm, array = Gemm(m=m, n=n, k=k), ArrayShape(rows=rows, cols=cols)
    model = platform.runtime_model
    reports = [compute_report(gemm, array, value, model) for value in Dataflow]
    wide_gemm, wide_array = _floats((gemm, array))
    estimates = [compute_cycles(wide_gemm, wide_array, value, model) for value in Dataflow]
    return _select(dataflow, reports), _select(dataflow, estimates) >= INT64_SAFE


@functools.partial(jax.jit, static_argnames="platform")
def _evaluate_memory(
    columns: _Columns, *, platform: Platform
) -> tuple[MemoryReport, Bool[Array, "batch"]]:
    m, n, k, rows, cols, dataflow, *sizes, bandwidth, width = columns[:11]
    gemm, array = Gemm(m=m, n=n, k=k), ArrayShape(rows=rows, cols=cols)
    memory = Memory(
        buffers=BufferSizes(**dict(zip(BUFFERS, sizes, strict=True))),
        bandwidth_bytes_per_cycle=bandwidth,
        element_bytes=width,
    )
    prices = SramPrices(**dict(zip(_PRICES, columns[11:], strict=True)))

    def counts(gemm: Gemm, array: ArrayShape, memory: Memory, prices: SramPrices) -> GemmCosts:
        """Whole numbers in any dtype."""
        by_dataflow = [
            ideal_costs(gemm, array, flow, memory, platform, prices) for flow in Dataflow
        ]
        return _select(dataflow, by_dataflow)

    compute, total, energy, moved = counts(gemm, array, memory, prices)
    wide = counts(*_floats((gemm, array, memory, prices)))
    _, cycles_estimate, energy_estimate, moved_estimate = wide
    # The largest intermediate value of the cycles is cycles times bandwidth. Energy bounds the
    # traffic only where nothing is free.
    busy_estimate = (cycles_estimate + 1.0) * bandwidth.astype(jnp.float64)
    largest = functools.reduce(
        jnp.maximum,
        jax.tree.leaves(moved_estimate),
        jnp.maximum(jnp.maximum(busy_estimate, energy_estimate), moved_estimate.dram_bytes),
    )
    report = MemoryReport(
        compute_cycles=compute,
        stall_cycles=total - compute,
        total_cycles=total,
        # Ratios of similar sizes: m n k overflows before the cycles do.
        overall_utilization=(m / rows) * (n / cols) * (k / total),
        achieved_bandwidth_bytes_per_cycle=moved.dram_bytes / total,
        energy_fj=energy,
        traffic=moved,
    )
    return report, largest >= INT64_SAFE
