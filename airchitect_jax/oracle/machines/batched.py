"""Bounds of many boxes of machines at once, under jit, for CPUs, GPUs and TPUs.

From the equations of `solver`, but cheap: each loop has one trip at least. `batched_search` has the
bounds of `solver` themselves.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from airchitect_jax._support import on_exact_float64
from airchitect_jax.cost import MachinePrices
from airchitect_jax.cost.tiled import flow_of, order_of
from airchitect_jax.cost.tiled_loops import Loop, Wires
from airchitect_jax.cost.tiled_steps import Flow
from airchitect_jax.oracle.machines.answer import Corner
from airchitect_jax.oracle.machines.parts import MEMORIES
from airchitect_jax.oracle.machines.solver import Solver
from airchitect_jax.oracle.mappings.best import partitions
from airchitect_jax.oracle.mappings.bounds import (
    Task,
    least_cycles,
    least_energy,
)
from airchitect_jax.oracle.mappings.tables import root_loop
from airchitect_jax.types import Dataflow, LoopOrder

_ROUNDED_DOWN = 1 - 1e-13  # sums of values in float64, of which each is off by less than 2**-50
_SCREENED = 64  # boxes at a time
_Box = tuple[Corner, Corner]


class Work(NamedTuple):
    """What is the same for all boxes, in float64.

    Attributes:
      gemms: [gemms, 3], m, n and k.
      runs: [gemms].
      cores: 1 to the most of the space.
      partitions: [partitions, 3], cores along m, n and k, for the most cores.
      dataflows: [dataflows].
      wires: the bandwidth in bits is of no use.
      is_shared: 1 if the inputs share a memory, else 0.
    """

    gemms: Any
    runs: Any
    cores: Any
    partitions: Any
    dataflows: Any
    wires: Wires
    is_shared: Any


class Boxes(NamedTuple):
    """Boxes of machines, in float64; the first axis of each field.

    Attributes:
      rows, cols, cores, bandwidth_bits: of the high corner.
      fold_overhead: [boxes, dataflows], of the low corner.
      extra_cycles, extra_energy_fj: [boxes, gemms, dataflows], the least of the cost terms.
      prices: without leakage; those of SRAMs are of no use.
      halves, half_prices: [boxes, 3, sizes], working halves in bits of ifmap, filter and ofmap,
        ascending, and for each the price of a byte; the last is repeated.
    """

    rows: Any
    cols: Any
    cores: Any
    bandwidth_bits: Any
    fold_overhead: Any
    extra_cycles: Any
    extra_energy_fj: Any
    prices: MachinePrices
    halves: Any
    half_prices: Any


class Floors(NamedTuple):
    """The least sums over all runs that any schedule of a box can have, [boxes] each."""

    cycles: Float[np.ndarray, "boxes"]
    energy_fj: Float[np.ndarray, "boxes"]


def work_of(solver: Solver) -> Work:
    """The workload of a solver; GEMMs are in its order."""
    platform = solver.question.platform
    widths, space = platform.widths, platform.hardware
    bits = widths.input_bits, widths.weight_bits, widths.accumulator_bits, widths.output_bits
    cycles = solver.hardware((0,) * len(solver.parts.values)).bandwidth_cycles
    work = Work(
        gemms=solver.dims,
        runs=solver.runs,
        cores=np.arange(1, space.num_cores[-1] + 1),
        partitions=partitions(space.num_cores[-1]),
        dataflows=np.array(platform.dataflows),
        wires=Wires(*bits, bandwidth_bits=0, bandwidth_cycles=cycles),
        is_shared=int(space.is_shared),
    )
    return jax.tree.map(np.float64, work)


def boxes_of(solver: Solver, boxes: Sequence[_Box], num_sizes: int | None = None) -> Boxes:
    """The boxes with these corners.

    Args:
      solver: the question.
      boxes: low and high corners.
      num_sizes: of the memories that are kept, the smallest of each box; by default all. `screen`
        needs one.
    """
    parts, platform = solver.parts, solver.question.platform
    lows, highs = (np.array(corners) for corners in zip(*boxes, strict=True))
    axes = platform.hardware.axes
    low, high = (
        platform.hardware_of(
            **{
                name: values[at]
                for name, values, at in zip(axes, parts.values, corners.T, strict=True)
            }
        )
        for corners in (lows, highs)
    )
    if num_sizes is None:
        num_sizes = max(map(len, parts.values[MEMORIES:-1]))
    memories = parts.memories_of_boxes(lows, highs, num_sizes)
    shape = len(boxes), len(solver.dims), len(platform.dataflows)
    extra = np.zeros((2, *shape))
    for number, dataflow in enumerate(platform.dataflows if platform.terms else ()):
        for one, box in enumerate(boxes):
            extra[:, one, :, number] = solver.least_terms(dataflow, *box)
    ones = np.ones(len(boxes))
    found = Boxes(
        rows=high.rows,
        cols=high.cols,
        cores=high.num_cores,
        bandwidth_bits=8 * high.bandwidth_bytes,
        fold_overhead=np.stack(
            [ones * flow_of(flow, low, platform).fold_overhead for flow in platform.dataflows],
            axis=1,
        ),
        extra_cycles=extra[0],
        extra_energy_fj=extra[1],
        prices=MachinePrices(*(ones * price for price in parts.least(*boxes[0]).prices)),
        halves=memories[:, :3],
        half_prices=memories[:, 3:],
    )
    return jax.tree.map(np.float64, found)


def screen(work: Work, boxes: Boxes) -> Floors:
    """The least that any schedule of each box has, slightly rounded down.

    The sizes of memories do not matter. A program is compiled for each number of boxes.
    """
    with jax.enable_x64(True), on_exact_float64():
        return Floors(*map(np.asarray, floors_of(work, boxes)))


@jax.jit
def floors_of(work: Work, boxes: Boxes) -> tuple[Float[Array, "boxes"], Float[Array, "boxes"]]:
    """`screen`, to be called or traced in 64-bit mode."""

    def of_box(box: Any) -> Any:
        def of_gemm(dims: Any, extra_cycles: Any, extra_energy_fj: Any) -> Any:
            own = box._replace(extra_cycles=extra_cycles, extra_energy_fj=extra_energy_fj)
            cycles, _ = root_costs(work, dims, own)
            # Cores write what they share to an SRAM each, so one core has the least energy.
            _, energy = root_costs(work._replace(partitions=work.partitions[:1]), dims, own)
            return cycles.min(), energy.min()

        costs = jax.vmap(of_gemm)(work.gemms, box.extra_cycles, box.extra_energy_fj)
        return [work.runs @ cost * _ROUNDED_DOWN for cost in costs]

    cycles, energy = jax.lax.map(of_box, boxes, batch_size=_SCREENED)
    return cycles, energy


def root_costs(work: Work, dims: Any, box: Boxes) -> tuple[Any, Any]:
    """The least cycles and energy of a GEMM, [dataflows, partitions]."""
    loops = [
        _with_cores(root_loop(dim, work.cores, box.rows, box.cols), parts[None])
        for dim, parts in zip(dims, work.partitions.T, strict=True)
    ]
    task = task_of(work, dims, box, slice(None), work.dataflows[:, None])
    order = order_of(LoopOrder.MNK)  # that of loops of one trip does not matter
    cycles, moved = least_cycles(task, order, 0, *loops)
    energy = least_energy(task, (cycles, moved))
    is_allowed = work.partitions.prod(axis=1)[None] <= box.cores
    return jnp.where(is_allowed, cycles, jnp.inf), jnp.where(is_allowed, energy, jnp.inf)


def _with_cores(loops: Loop, cores: Any) -> Loop:
    """Of loops by number of cores, those with these numbers."""
    places = cores.astype(int) - 1
    return jax.tree.map(lambda field: field[places] if np.ndim(field) else field, loops)


def task_of(work: Work, dims: Any, box: Boxes, flow: Any, dataflow: Any) -> Task:
    """A GEMM on the machine of a box, with the prices of its smallest memories.

    Args:
      work: the workload.
      dims: m, n and k.
      box: of this GEMM.
      flow: the place of the dataflow, or a slice.
      dataflow: the dataflow, or [dataflows, 1].
    """
    kind = dims.dtype

    def chosen(values: Any) -> Any:
        return values[flow].reshape(dataflow.shape)

    return Task(
        dataflow=dataflow,
        macs=dims[0] * dims[1] * dims[2],
        extra_cycles=chosen(box.extra_cycles),
        extra_energy_fj=chosen(box.extra_energy_fj),
        flow=Flow(
            is_os=(dataflow == int(Dataflow.OS)).astype(kind),
            is_is=(dataflow == int(Dataflow.IS)).astype(kind),
            fold_overhead=chosen(box.fold_overhead),
        ),
        wires=work.wires._replace(bandwidth_bits=box.bandwidth_bits),
        prices=with_sram_prices(box.prices, box.half_prices[:, 0]),
    )


def with_sram_prices(prices: MachinePrices, of_operands: Any) -> MachinePrices:
    """Prices with those of the SRAMs of ifmap, filter and ofmap."""
    ifmap, filter_, ofmap = of_operands
    return prices._replace(
        ifmap_fj_per_byte=ifmap, filter_fj_per_byte=filter_, ofmap_fj_per_byte=ofmap
    )
