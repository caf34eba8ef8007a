"""Shared data types: GEMMs, arrays, dataflows, cost reports.

Every numeric field may be a Python int, a NumPy array or a JAX array (traced or not); the shapes
named on the fields say what a batch of them looks like. All types are frozen, keyword-only and
registered as pytrees, so that they pass through `jit`, `vmap` and `grad`.
"""

from __future__ import annotations

import dataclasses
from typing import Any, TypeVar, dataclass_transform

import jax
from jaxtyping import Array, Float, Int

from airchitect_jax.enums import Dataflow as Dataflow
from airchitect_jax.enums import Interface as Interface
from airchitect_jax.enums import LoopOrder as LoopOrder
from airchitect_jax.enums import MemoryModel as MemoryModel
from airchitect_jax.enums import Objective as Objective
from airchitect_jax.enums import OperatorKind as OperatorKind
from airchitect_jax.enums import RuntimeModel as RuntimeModel

_T = TypeVar("_T")

# Exact integers of any origin: Python ints, NumPy arrays, JAX arrays.
IntLike = Any


@dataclass_transform(kw_only_default=True, frozen_default=True)
def _pytree(cls: type[_T]) -> type[_T]:
    """A frozen, keyword-only dataclass whose fields are all pytree leaves."""
    data_class = dataclasses.dataclass(frozen=True, kw_only=True)(cls)
    fields = [field.name for field in dataclasses.fields(data_class)]  # type: ignore[arg-type]
    return jax.tree_util.register_dataclass(data_class, data_fields=fields, meta_fields=[])


@_pytree
class Gemm:
    """A matrix product (m x k) by (k x n): ifmap A (m x k), filter B (k x n), ofmap C (m x n).

    Example:
      >>> gemm = aj.Gemm(m=196, n=768, k=np.array([64, 768]))
      >>> (gemm.m * gemm.n * gemm.k).tolist()  # MACs of two GEMMs
      [9633792, 115605504]
    """

    m: Int[Array, "*batch"] | IntLike
    n: Int[Array, "*batch"] | IntLike
    k: Int[Array, "*batch"] | IntLike


@_pytree
class BudgetedGemm:
    """A GEMM and the largest number of MAC units that its array may have.

    Example:
      >>> aj.BudgetedGemm(mac_budget=256, m=196, n=768, k=768).gemm
      Gemm(m=196, n=768, k=768)
    """

    mac_budget: Int[Array, "*batch"] | IntLike
    m: Int[Array, "*batch"] | IntLike
    n: Int[Array, "*batch"] | IntLike
    k: Int[Array, "*batch"] | IntLike

    @property
    def gemm(self) -> Gemm:
        """The GEMM without its budget."""
        return Gemm(m=self.m, n=self.n, k=self.k)


@_pytree
class ArrayShape:
    """A systolic array of `rows` x `cols` MAC units.

    Example:
      >>> array = aj.ArrayShape(rows=32, cols=np.array([16, 64]))
      >>> (array.rows * array.cols).tolist()
      [512, 2048]
    """

    rows: Int[Array, "*batch"] | IntLike
    cols: Int[Array, "*batch"] | IntLike


@_pytree
class ArrayDesign:
    """One design of case study 1: an array and the dataflow that it runs.

    Example:
      >>> aj.ArrayDesign(rows=32, cols=16, dataflow=aj.Dataflow.WS).array
      ArrayShape(rows=32, cols=16)
    """

    rows: Int[Array, "*batch"] | IntLike
    cols: Int[Array, "*batch"] | IntLike
    dataflow: Int[Array, "*batch"] | Dataflow

    @property
    def array(self) -> ArrayShape:
        """The array without its dataflow."""
        return ArrayShape(rows=self.rows, cols=self.cols)


@_pytree
class CostReport:
    """The cost of a GEMM on an array without memory stalls.

    Utilisations are SCALE-Sim's, as fractions of one (the simulator prints percent).

    Example:
      >>> design = aj.ArrayDesign(rows=32, cols=32, dataflow=aj.Dataflow.OS)
      >>> float(aj.evaluate(aj.Gemm(m=48, n=64, k=64), design).mapping_efficiency)
      0.75
    """

    row_folds: Int[Array, "*batch"] | IntLike
    col_folds: Int[Array, "*batch"] | IntLike
    compute_cycles: Int[Array, "*batch"] | IntLike
    mapping_efficiency: Float[Array, "*batch"] | float
    compute_utilization: Float[Array, "*batch"] | float
    overall_utilization: Float[Array, "*batch"] | float


@_pytree
class BufferSizes:
    """The sizes of the three double-buffered operand SRAMs: one design of case study 2.

    Example:
      >>> int(aj.BufferSpace().decode(0).ifmap_sram_bytes)
      102400
    """

    ifmap_sram_bytes: Int[Array, "*batch"] | IntLike
    filter_sram_bytes: Int[Array, "*batch"] | IntLike
    ofmap_sram_bytes: Int[Array, "*batch"] | IntLike


@_pytree
class Memory:
    """The memory of an array.

    `bandwidth_bytes_per_cycle` is that of the one interface, or of each port (`Interface`).

    Example:
      >>> sizes = aj.BufferSizes(
      ...     ifmap_sram_bytes=2**16, filter_sram_bytes=2**16, ofmap_sram_bytes=2**15
      ... )
      >>> memory = aj.Memory(buffers=sizes, bandwidth_bytes_per_cycle=16)
      >>> memory.element_bytes
      1
    """

    buffers: BufferSizes
    bandwidth_bytes_per_cycle: Int[Array, "*batch"] | IntLike
    element_bytes: Int[Array, "*batch"] | IntLike = 1


@_pytree
class Scratchpad:
    """The memory of a core: one double-buffered SRAM for both inputs, and an accumulator.

    Example:
      >>> aj.Scratchpad(scratchpad_bytes=2**18, accumulator_bytes=2**16).scratchpad_bytes
      262144
    """

    scratchpad_bytes: Int[Array, "*batch"] | IntLike
    accumulator_bytes: Int[Array, "*batch"] | IntLike


@_pytree
class Hardware:
    """The design of a machine: equal cores that share one DRAM interface.

    Attributes:
      rows, cols: of the array of a core.
      num_cores: the number of cores.
      memory: of a core: an SRAM per operand, or a scratchpad with an accumulator. The sizes are
        whole; half of each is the working half.
      bandwidth_bytes, bandwidth_cycles: the interface moves `bandwidth_bytes` in
        `bandwidth_cycles` cycles; two whole numbers, so that 900 GB/s at 1.05 GHz is exact.

    Example:
      >>> memory = aj.Scratchpad(scratchpad_bytes=2**18, accumulator_bytes=2**16)
      >>> machine = aj.Hardware(
      ...     rows=16, cols=16, num_cores=4, memory=memory, bandwidth_bytes=900, bandwidth_cycles=7
      ... )
      >>> machine.array.rows * machine.array.cols * machine.num_cores  # MAC units
      1024
    """

    rows: Int[Array, "*batch"] | IntLike
    cols: Int[Array, "*batch"] | IntLike
    num_cores: Int[Array, "*batch"] | IntLike
    memory: BufferSizes | Scratchpad
    bandwidth_bytes: Int[Array, "*batch"] | IntLike
    bandwidth_cycles: Int[Array, "*batch"] | IntLike

    @property
    def array(self) -> ArrayShape:
        """The array of a core."""
        return ArrayShape(rows=self.rows, cols=self.cols)


@_pytree
class Mapping:
    """How a GEMM runs on a machine (`MemoryModel.TILED`).

    The cores work on one step at a time: `cores_m` x `cores_n` x `cores_k` cores, each on its own
    tile of `tile_m` x `tile_n` x `tile_k`.

    Attributes:
      dataflow: of the array.
      order: of the loops over steps.
      tile_m, tile_n, tile_k: of a core.
      cores_m, cores_n, cores_k: parts into which the cores split a step.

    Example:
      >>> mapping = aj.Mapping(
      ...     dataflow=aj.Dataflow.WS, order=aj.LoopOrder.MNK,
      ...     tile_m=64, tile_n=16, tile_k=16, cores_m=4,
      ... )
      >>> mapping.tile_m * mapping.cores_m  # rows of C in a step
      256
    """

    dataflow: Int[Array, "*batch"] | Dataflow
    order: Int[Array, "*batch"] | LoopOrder
    tile_m: Int[Array, "*batch"] | IntLike
    tile_n: Int[Array, "*batch"] | IntLike
    tile_k: Int[Array, "*batch"] | IntLike
    cores_m: Int[Array, "*batch"] | IntLike = 1
    cores_n: Int[Array, "*batch"] | IntLike = 1
    cores_k: Int[Array, "*batch"] | IntLike = 1


@_pytree
class BufferedGemm:
    """A GEMM on a given array, for which three SRAMs are to be sized (case study 2).

    Example:
      >>> workload = aj.BufferedGemm(
      ...     sram_budget_bytes=2**20, m=196, n=768, k=768,
      ...     rows=32, cols=16, dataflow=aj.Dataflow.OS, bandwidth_bytes_per_cycle=16,
      ... )
      >>> workload.design.array
      ArrayShape(rows=32, cols=16)
    """

    sram_budget_bytes: Int[Array, "*batch"] | IntLike
    m: Int[Array, "*batch"] | IntLike
    n: Int[Array, "*batch"] | IntLike
    k: Int[Array, "*batch"] | IntLike
    rows: Int[Array, "*batch"] | IntLike
    cols: Int[Array, "*batch"] | IntLike
    dataflow: Int[Array, "*batch"] | Dataflow
    bandwidth_bytes_per_cycle: Int[Array, "*batch"] | IntLike

    @property
    def gemm(self) -> Gemm:
        """The GEMM alone."""
        return Gemm(m=self.m, n=self.n, k=self.k)

    @property
    def design(self) -> ArrayDesign:
        """The array and its dataflow."""
        return ArrayDesign(rows=self.rows, cols=self.cols, dataflow=self.dataflow)


@_pytree
class Traffic:
    """Data movement of a GEMM: SRAM accesses in elements, DRAM traffic in bytes.

    Reads and writes of an SRAM are those of the array and those of the DRAM interface together.

    Example:
      >>> sizes = aj.BufferSizes(
      ...     ifmap_sram_bytes=2**16, filter_sram_bytes=2**16, ofmap_sram_bytes=2**15
      ... )
      >>> memory = aj.Memory(buffers=sizes, bandwidth_bytes_per_cycle=16)
      >>> design = aj.ArrayDesign(rows=32, cols=32, dataflow=aj.Dataflow.OS)
      >>> int(aj.evaluate_memory(aj.Gemm(m=64, n=64, k=64), design, memory).traffic.dram_bytes)
      12288
    """

    ifmap_sram_reads: Int[Array, "*batch"] | IntLike
    ifmap_sram_writes: Int[Array, "*batch"] | IntLike
    filter_sram_reads: Int[Array, "*batch"] | IntLike
    filter_sram_writes: Int[Array, "*batch"] | IntLike
    ofmap_sram_reads: Int[Array, "*batch"] | IntLike
    ofmap_sram_writes: Int[Array, "*batch"] | IntLike
    ifmap_dram_read_bytes: Int[Array, "*batch"] | IntLike
    filter_dram_read_bytes: Int[Array, "*batch"] | IntLike
    ofmap_dram_read_bytes: Int[Array, "*batch"] | IntLike
    ofmap_dram_write_bytes: Int[Array, "*batch"] | IntLike

    @property
    def dram_bytes(self) -> Int[Array, "*batch"] | IntLike:
        """All DRAM traffic."""
        return (
            self.ifmap_dram_read_bytes
            + self.filter_dram_read_bytes
            + self.ofmap_dram_read_bytes
            + self.ofmap_dram_write_bytes
        )


@_pytree
class MemoryReport:
    """The cost of a GEMM on an array with memory, by the IDEAL or the TILED model.

    `stall_cycles` are all cycles beyond the compute cycles, the first fill among them.

    Example:
      >>> sizes = aj.BufferSizes(
      ...     ifmap_sram_bytes=2**16, filter_sram_bytes=2**16, ofmap_sram_bytes=2**15
      ... )
      >>> memory = aj.Memory(buffers=sizes, bandwidth_bytes_per_cycle=16)
      >>> design = aj.ArrayDesign(rows=32, cols=32, dataflow=aj.Dataflow.OS)
      >>> report = aj.evaluate_memory(aj.Gemm(m=64, n=64, k=64), design, memory)
      >>> int(report.compute_cycles), int(report.stall_cycles), int(report.total_cycles)
      (503, 389, 892)
    """

    compute_cycles: Int[Array, "*batch"] | IntLike
    stall_cycles: Int[Array, "*batch"] | IntLike
    total_cycles: Int[Array, "*batch"] | IntLike
    overall_utilization: Float[Array, "*batch"] | float
    achieved_bandwidth_bytes_per_cycle: Float[Array, "*batch"] | float
    energy_fj: Int[Array, "*batch"] | IntLike
    traffic: Traffic


@_pytree
class Schedule:
    """One design of case study 3: the workload and the dataflow of each of N arrays.

    Example:
      >>> aj.ScheduleSpace().decode(0).workload.tolist()  # of each array
      [0, 1, 2, 3]
    """

    workload: Int[Array, "*batch arrays"] | IntLike
    dataflow: Int[Array, "*batch arrays"] | IntLike


@_pytree
class Labels:
    """The exact optimum of each workload.

    `cost` is in the unit of the objective (`Objective.unit`), cycles unless said otherwise.
    `design_id` is -1 and `cost` is -1 where a traced workload was invalid or too large to be
    exact; outside of tracing such workloads raise instead.

    Example:
      >>> labels = aj.label(aj.BudgetedGemm(mac_budget=256, m=196, n=768, k=768))
      >>> int(labels.design_id), int(labels.cost)
      (69, 483599)
    """

    design_id: Int[Array, "*batch"] | IntLike
    cost: Int[Array, "*batch"] | Float[Array, "*batch"] | IntLike
