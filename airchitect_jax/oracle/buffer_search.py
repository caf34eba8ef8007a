"""The search behind `airchitect_jax.oracle.buffers`: the best pair of sizes, unrolled and shared.

Traceable, elementwise, under 64-bit mode. `columns` are m, n, k, rows, cols, dataflow and bandwidth
of valid workloads (int64); `steps` is the budget for a pair, in steps of the space.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Bool, Float, Int, Num

from airchitect_jax._support import INT64_SAFE
from airchitect_jax.cost import (
    EnergyTable,
    Number,
    Platform,
    ceil_div,
    larger,
    macs_fj,
    memory,
    mixed_dims,
    objective_value,
    operand_fj,
    row_passes,
    smaller,
)
from airchitect_jax.spaces import BufferSpace
from airchitect_jax.types import ArrayShape, Dataflow, Gemm, Interface, Objective

_EXACT = 2.0**53


def sizes_of(space: BufferSpace) -> list[int]:
    """Sizes of one SRAM in bytes, ascending."""
    return [level * space.step_bytes for level in range(1, space.num_levels + 1)]


def _ceil_div(a: Float[Array, "rows"], b: Float[Array, "rows"]) -> Float[Array, "rows"]:
    """ceil(a / b) of whole numbers below 2**52, many values of a per value of b.

    Uses the reciprocal of b and corrects the result: XLA computes 1 / b once, but would give each
    division its own kernel.
    """
    quotient = jnp.floor(a * (1.0 / b))  # off by one at most
    rest = a - quotient * b
    up = jnp.where(rest > 0, 1.0, 0.0) + jnp.where(rest > b, 1.0, 0.0)
    return quotient + up - jnp.where(rest <= -b, 1.0, 0.0)


@functools.cache
def pairs(space: BufferSpace) -> tuple[tuple[int, int], ...]:
    """Levels of the swept and the column operand in tie order, whichever operands they are.

    With the tile operand at its smallest, ids of equal total ascend with the swept operand's size
    in all three dataflows.
    """
    levels = range(1, space.num_levels + 1)
    return tuple(
        sorted(((a, b) for a in levels for b in levels), key=lambda pair: (sum(pair), pair))
    )


@functools.cache
def ids_of_pairs(space: BufferSpace) -> Int[np.ndarray, "dataflows pairs"]:
    """The design id of each pair, the tile operand at its smallest."""
    ids = np.empty((len(Dataflow), len(pairs(space))), np.int32)
    for dataflow in Dataflow:
        for index, (swept, column) in enumerate(pairs(space)):
            levels = dict(zip(memory.ROLES[dataflow], (swept, column, 1), strict=True))
            triple = tuple(levels[name] - 1 for name in memory.OPERANDS)
            ids[dataflow, index] = space.id_of_levels[triple]
    return ids


def mixed_folds(columns: Sequence[Array], platform: Platform) -> memory.Tiling:
    """The folds of workloads whose dataflows differ from lane to lane."""
    m, n, k, rows, cols, dataflow = columns
    s_r, s_c, t = mixed_dims(Gemm(m=m, n=n, k=k), dataflow)
    passes = [row_passes(flow, platform.runtime_model) for flow in Dataflow]
    os = dataflow == Dataflow.OS
    crossings = jnp.where(os, passes[Dataflow.OS] * rows, passes[Dataflow.WS] * rows)
    return memory.tiling(
        s_r,
        s_c,
        t,
        ArrayShape(rows=rows, cols=cols),
        output_stationary=os,
        cycles_per_fold=crossings + cols + t - 2,
        element_bytes=platform.element_bytes,
    )


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Timing:
    """Busy bytes (`memory.busy_bytes`) of workloads by the sizes of two SRAMs.

    Whole numbers in float64 or int64, exact as far as these are.
    """

    folds: memory.Tiling
    bandwidth: Num[Array, "rows"]
    interface: Interface

    def sweep(self, size: Any) -> memory.Sweep:
        """A later sweep with an SRAM of `size` bytes for the swept operand."""
        return memory.sweep(self.folds, memory.resident_bytes(self.folds.swept_bytes, size))

    def spills(self, size: Any) -> list[Array]:
        """The bytes of the column operand that do not fit into an SRAM of `size` bytes."""
        return memory.spills(self.folds, size)

    def busy_bytes(self, warm: memory.Sweep, spills: Sequence[Array]) -> Num[Array, "rows"]:
        """Busy bytes for one size of each operand."""
        cold = memory.sweep(self.folds, jnp.zeros_like(self.bandwidth))
        spill, last_spill = spills
        return memory.busy_bytes(
            self.folds, cold, warm, spill, last_spill, self.bandwidth, self.interface
        )

    def by_pair(self, space: BufferSpace) -> list[Float[Array, "rows"]]:
        """For each pair of sizes; terms that depend on one size are computed once."""
        sizes = [float(size) for size in sizes_of(space)]
        warm, spills = [self.sweep(size) for size in sizes], [self.spills(size) for size in sizes]
        return [self.busy_bytes(warm[a - 1], spills[b - 1]) for a, b in pairs(space)]


def timing_of(columns: Sequence[Array], platform: Platform, kind: Any = jnp.float64) -> _Timing:
    """The timing of workloads in float64, or in another kind of numbers."""
    *dims, dataflow, bandwidth = columns
    wide = [column.astype(kind) for column in dims]
    return _Timing(
        folds=mixed_folds([*wide, dataflow], platform),
        bandwidth=bandwidth.astype(kind),
        interface=platform.interface,
    )


def cheapest_cycles(
    steps: Int[Array, "rows"], columns: Sequence[Array], *, space: BufferSpace, platform: Platform
) -> tuple[Int[Array, "rows"], Int[Array, "rows"], Bool[Array, "rows"]]:
    """Index of the best pair, its cycles, and where that is exact."""
    # Separate programs: XLA's CPU backend would compute values with two users twice.
    lowest = _lowest_jit(steps, columns, space=space, platform=platform)
    bandwidth = columns[-1].astype(jnp.float64)
    cycles = ceil_div(lowest, bandwidth)
    index = _first_jit(cycles * bandwidth, columns, space=space, platform=platform)
    # A sum of whole parts is exact up to 2**53, and one that is not cannot look smaller.
    return index, cycles.astype(jnp.int64), lowest < _EXACT / 2


def _lowest(
    steps: Int[Array, "rows"], columns: Sequence[Array], *, space: BufferSpace, platform: Platform
) -> Float[Array, "rows"]:
    """The fewest busy bytes within the budget.

    A larger SRAM never adds any, so only pairs that use the whole budget are considered.
    """
    timing, lowest = timing_of(columns, platform), jnp.full(steps.shape, jnp.inf)
    for a in range(1, space.num_levels + 1):
        rest = jnp.minimum(steps - a, space.num_levels)
        size = rest.astype(jnp.float64) * float(space.step_bytes)
        busy = timing.busy_bytes(timing.sweep(float(a * space.step_bytes)), timing.spills(size))
        lowest = smaller(lowest, jnp.where(rest >= 1, busy, jnp.inf))
    return lowest


def _first(
    limit: Float[Array, "rows"], columns: Sequence[Array], *, space: BufferSpace, platform: Platform
) -> Int[Array, "rows"]:
    """The index of the first pair with at most `limit` busy bytes.

    If the limit is met within the budget, this pair is within it: one that exceeds the budget has
    a larger total, and comes later.
    """
    index = jnp.zeros(limit.shape)
    for other, busy in reversed(list(enumerate(timing_of(columns, platform).by_pair(space)))):
        index = jnp.where(busy <= limit, float(other), index)
    return index.astype(jnp.int32)


_MODEL = ("space", "platform")
_lowest_jit = jax.jit(_lowest, static_argnames=_MODEL)
_first_jit = jax.jit(_first, static_argnames=_MODEL)


@dataclasses.dataclass(frozen=True, kw_only=True)
class OperandEnergy:
    """Energy of workloads by the sizes of SRAMs, in the dtype of the folds."""

    folds: memory.Tiling
    table: EnergyTable

    def _operand(self, moved: memory.Moved, sram_fj: Number) -> Number:
        accesses = moved.sram_reads + moved.sram_writes
        dram = moved.dram_read_bytes + moved.dram_write_bytes
        return operand_fj(accesses, dram, self.folds.element_bytes, sram_fj, self.table)

    def fixed(self) -> Number:
        """The MACs."""
        folds = self.folds
        return macs_fj(Gemm(m=folds.s_r, n=folds.s_c, k=folds.t), self.table)

    def tile(self, sram_fj: Number) -> Number:
        """The tile operand, by the price of its SRAM."""
        return self._operand(memory.tile_moved(self.folds), sram_fj)

    def swept(self, size: Number, sram_fj: Number) -> Number:
        """The swept operand, by the size and the price of its SRAM."""
        resident = memory.resident_bytes(self.folds.swept_bytes, size)
        return self._operand(memory.swept_moved(self.folds, resident), sram_fj)

    def column(self, size: Number, sram_fj: Number) -> Number:
        """The column operand, by the size and the price of its SRAM."""
        return self._operand(
            memory.column_moved(self.folds, *memory.spills(self.folds, size)), sram_fj
        )


def _cheapest_energy(
    steps: Int[Array, "rows"],
    columns: Sequence[Array],
    *,
    objective: Objective,
    space: BufferSpace,
    platform: Platform,
) -> tuple[Int[Array, "rows"], Array, Bool[Array, "rows"]]:
    """Index of the best pair, its energy or energy times cycles, and where that is exact."""
    sizes, table = sizes_of(space), platform.energy_table
    prices = [int(table.sram_fj_per_byte(size)) for size in sizes]
    folds = mixed_folds(columns[:6], platform)
    energy = OperandEnergy(folds=folds, table=table)
    fixed = energy.fixed() + energy.tile(prices[0])
    swept = [fixed + energy.swept(size, fj) for size, fj in zip(sizes, prices, strict=True)]
    column = [energy.column(size, fj) for size, fj in zip(sizes, prices, strict=True)]
    # An upper bound for all designs: traffic of the smallest SRAMs at the price of the largest.
    timing = timing_of(columns, platform)
    bound = OperandEnergy(folds=timing.folds, table=table)
    most = float(prices[-1])
    movable = bound.tile(most) + bound.swept(sizes[0], most) + bound.column(sizes[0], most)
    exact = bound.fixed() + movable < INT64_SAFE
    level_pairs = pairs(space)
    costs = [swept[a - 1] + column[b - 1] for a, b in level_pairs]
    if objective is Objective.EDP:
        busy = timing.by_pair(space)
        exact &= busy[0] < _EXACT / 2  # the smallest design takes the most cycles
        # Correctly rounded where float64 holds the energy; elsewhere see below.
        costs = [
            _ceil_div(here, timing.bandwidth) * fj.astype(jnp.float64)
            for here, fj in zip(busy, costs, strict=True)
        ]
    best, index = costs[0], jnp.zeros(steps.shape, jnp.int32)
    for other, ((a, b), cost) in enumerate(zip(level_pairs, costs, strict=True)):
        better = (cost < best) & (steps >= a + b)
        best, index = jnp.where(better, cost, best), jnp.where(better, other, index)
    if objective is Objective.EDP:
        largest = functools.reduce(larger, swept) + functools.reduce(larger, column)
        index, best = lax.cond(
            jnp.any(exact & (largest >= int(_EXACT))),
            lambda: least_in_loop(steps, timing, energy, objective, space),
            lambda: (index, best),
        )
    return index, best, exact


def least_in_loop(
    steps: Int[Array, "rows"],
    timing: _Timing,
    energy: OperandEnergy,
    objective: Objective,
    space: BufferSpace,
) -> tuple[Int[Array, "rows"], Num[Array, "rows"]]:
    """Index of the best pair and its cost, in a loop over the pairs.

    For costs of which an unrolled search would be a long program: products of 128 bits, and all
    where int64 is emulated.
    """
    levels, sizes = jnp.asarray(pairs(space)), jnp.asarray(sizes_of(space))
    prices = jnp.asarray(energy.table.sram_fj_per_byte(sizes_of(space)))
    fixed = energy.fixed() + energy.tile(prices[0])

    def cost(swept: Array, column: Array, swept_fj: Array, column_fj: Array) -> Array:
        joules: Any = 0
        if objective is not Objective.CYCLES:
            joules = fixed + energy.swept(swept, swept_fj) + energy.column(column, column_fj)
        if objective is Objective.ENERGY:
            return joules
        swept, column = (size.astype(timing.bandwidth.dtype) for size in (swept, column))
        busy = timing.busy_bytes(timing.sweep(swept), timing.spills(column))
        # A float's quotient needs a correction, which integers do not.
        divide = _ceil_div if jnp.issubdtype(busy.dtype, np.floating) else ceil_div
        return objective_value(objective, divide(busy, timing.bandwidth), joules)

    def step(other: Array, best: tuple[Array, Array]) -> tuple[Array, Array]:
        a, b = levels[other, 0], levels[other, 1]
        found = cost(sizes[a - 1], sizes[b - 1], prices[a - 1], prices[b - 1])
        better = (found < best[1]) & (steps >= a + b)
        return (
            jnp.where(better, other.astype(jnp.int32), best[0]),
            jnp.where(better, found, best[1]),
        )

    worst = jnp.inf if objective is Objective.EDP else np.iinfo(np.int64).max
    nothing = jnp.zeros(steps.shape, jnp.int32), jnp.full(steps.shape, worst)
    index, best = lax.fori_loop(0, len(levels), step, nothing)
    return index, best


cheapest_energy = jax.jit(_cheapest_energy, static_argnames=(*_MODEL, "objective"))


def log_cost_grid(
    columns: Sequence[Num[Array, "rows"]],
    *,
    objective: Objective,
    space: BufferSpace,
    platform: Platform,
) -> Float[Array, "rows designs"]:
    """Logarithms of the costs of all designs in float32: for losses."""
    *dims, dataflow, bandwidth = (jnp.asarray(x).reshape(-1, 1, 1, 1) for x in columns)
    dims = [x.astype(jnp.float32) for x in dims]
    folds, table = mixed_folds([*dims, dataflow], platform), platform.energy_table
    timing = _Timing(
        folds=folds, bandwidth=bandwidth.astype(jnp.float32), interface=platform.interface
    )
    energy = OperandEnergy(folds=folds, table=table)
    sizes = jnp.asarray(sizes_of(space), jnp.float32)
    fj = jnp.asarray(table.sram_fj_per_byte(sizes_of(space)), jnp.float32)
    levels = space.num_levels

    def by_operand(swept: Array, column: Array, tile: Array, operand: str) -> Array:
        """The values of an operand in its role under each workload's dataflow."""
        roles = [(swept, column, tile)[memory.ROLES[flow].index(operand)] for flow in Dataflow]
        return jnp.select([dataflow == flow for flow in Dataflow], roles)

    # Barriers keep XLA from recomputing shared terms for each design.
    costs = jnp.float32(0)
    if objective is not Objective.ENERGY:
        warm = timing.sweep(sizes.reshape(1, levels, 1, 1))
        spills = timing.spills(sizes.reshape(1, 1, levels, 1))
        pair = timing.busy_bytes(warm, spills)[..., 0] / timing.bandwidth[..., 0]
        log_pair = lax.optimization_barrier(jnp.log(pair))
        ifmap_filter, ifmap_ofmap, filter_ofmap = (
            jnp.expand_dims(log_pair, axis) for axis in (3, 2, 1)
        )
        in_place = {Dataflow.OS: ifmap_filter, Dataflow.WS: ifmap_ofmap, Dataflow.IS: filter_ofmap}
        shape = (len(dataflow), levels, levels, levels)
        costs = jnp.select(
            [dataflow == flow for flow in Dataflow],
            [jnp.broadcast_to(in_place[flow], shape) for flow in Dataflow],
        )
    if objective is not Objective.CYCLES:
        axis = (1, levels, 1, 1)
        swept, column, tile = lax.optimization_barrier(
            (
                energy.fixed() + energy.swept(sizes.reshape(axis), fj.reshape(axis)),
                energy.column(sizes.reshape(axis), fj.reshape(axis)),
                energy.tile(fj.reshape(axis)),
            )
        )
        joules = [
            jnp.moveaxis(by_operand(swept, column, tile, operand), 1, position)
            for position, operand in enumerate(memory.OPERANDS, start=1)
        ]
        costs = costs + jnp.log(joules[0] + joules[1] + joules[2])
    order = np.ravel_multi_index(tuple(space.levels.T - 1), (levels,) * 3)
    return costs.reshape(len(dataflow), -1)[:, order]
