"""The exact best mapping of GEMMs on a machine, and what no mapping can beat."""

from __future__ import annotations

import dataclasses
import functools
import itertools
import math
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Float, Int

from airchitect_jax._support import (
    INT64_SAFE,
    common_shape,
    instance,
    int_field,
    member,
    real_number,
    whole_number,
)
from airchitect_jax.cost import MachinePrices, Number, Platform, larger, smaller
from airchitect_jax.cost.tiled import flow_of, halves_of, term_costs, wires_of
from airchitect_jax.cost.tiled_loops import loop
from airchitect_jax.cost.tiled_steps import step_cycles, transfer_cycles
from airchitect_jax.oracle.mappings import bounds
from airchitect_jax.oracle.mappings.search import search
from airchitect_jax.types import Gemm, Hardware, Mapping, Objective

_MAX_CORES = 1024


class Weights(NamedTuple):
    """An objective: `cycles` times the cycles plus `energy` times the energy in femtojoules."""

    cycles: float
    energy: float


@dataclasses.dataclass(frozen=True, kw_only=True)
class BestMappings:
    """The best mapping of each GEMM.

    Attributes:
      mappings: fields of shape [num].
      total_cycles: of each GEMM, cost terms included.
      energy_fj: the same.
    """

    mappings: Mapping
    total_cycles: Int[np.ndarray, "num"]
    energy_fj: Int[np.ndarray, "num"]

    def at(self, row: int) -> tuple[Mapping, int, int]:
        """The mapping, cycles and energy of one GEMM in Python integers."""
        mapping = jax.tree.map(lambda field: int(field[row]), self.mappings)
        return mapping, int(self.total_cycles[row]), int(self.energy_fj[row])


class Compulsory(NamedTuple):
    """What a machine needs for a GEMM, however it is mapped.

    Attributes:
      compute_cycles: with SRAMs of any size.
      dram_bytes: each operand once.
      cycles: the larger of computing and moving; no mapping has fewer.
    """

    compute_cycles: Number
    dram_bytes: Number
    cycles: Number


def best_mapping(
    gemm: Gemm,
    hardware: Hardware,
    platform: Platform,
    objective: Objective | Weights,
    prices: MachinePrices,
) -> tuple[Mapping, int, int]:
    """The best mapping of one GEMM, its total cycles and its energy in femtojoules.

    As `best_mappings`.

    >>> from airchitect_jax.types import BufferSizes
    >>> sizes = BufferSizes(ifmap_sram_bytes=4096, filter_sram_bytes=4096, ofmap_sram_bytes=4096)
    >>> machine = Hardware(
    ...     rows=16, cols=16, num_cores=1, memory=sizes, bandwidth_bytes=16, bandwidth_cycles=1
    ... )
    >>> prices = MachinePrices(230, 1250, 1250, 1250, 162500, 0, 0)
    >>> mapping, cycles, _ = best_mapping(
    ...     Gemm(m=100, n=100, k=100), machine, Platform(), Objective.CYCLES, prices
    ... )
    >>> mapping.tile_m, mapping.tile_n, mapping.tile_k, cycles
    (15, 15, 100, 6966)
    """
    single = Gemm(m=[gemm.m], n=[gemm.n], k=[gemm.k])
    return best_mappings(single, hardware, platform, objective, prices).at(0)


def best_mappings(
    gemms: Gemm,
    hardware: Hardware,
    platform: Platform,
    objective: Objective | Weights,
    prices: MachinePrices,
) -> BestMappings:
    """The best mapping of each GEMM on a machine (`MemoryModel.TILED`), exact.

    All loop orders, the dataflows of the platform, all partitions over at most all cores, and the
    following tiles, for each number of trips of a loop: the smallest with that number, and the
    smallest multiples of rows and columns with it that save folds.

    Values are compared in float64. Ties go to fewer cycles, then to less energy, then to the first
    by dataflow, loop order (`LoopOrder`), cores along m, n, k and tiles of m, n, k, in ascending
    order; orders that differ in loops of one trip only are one.

    Args:
      gemms: m, n and k as whole numbers, arrays of shape [num].
      hardware: one machine, in whole numbers.
      platform: widths, dataflows, runtime model and cost terms.
      objective: the quantity to minimise, of each GEMM by itself.
      prices: femtojoules of single events.

    Raises:
      ValueError: a field is out of range, nothing fits into the SRAMs, or 2**53 cycles or
        2**59 femtojoules could be reached.
      TypeError: an argument is of another type.
    """
    dims = _dims(gemms)
    fields = _checked(hardware)
    instance("platform", platform, Platform)
    instance("prices", prices, MachinePrices)
    found = search(
        dims,
        _goal(objective),
        np.array(halves_of(fields), np.int64),
        np.array([fields.rows, fields.cols], np.int64),
        tasks_of(dims, fields, platform, prices),
        partitions(fields.num_cores),
    )
    refuse(found, dims)
    if (found[:, bounds.VALUE] == math.inf).any():
        raise ValueError(
            "hardware: not even a tile of one element fits into the working halves of its SRAMs"
        )
    return mappings_of(found)


def mappings_of(found: Float[np.ndarray, "num columns"]) -> BestMappings:
    """The mappings in the rows of the search."""
    columns = found[:, bounds.CYCLES : bounds.SKIPPED].T.astype(np.int64)
    of = dict(zip(range(bounds.CYCLES, bounds.SKIPPED), columns, strict=True))
    return BestMappings(
        mappings=Mapping(
            dataflow=of[bounds.FLOW],
            order=of[bounds.ORDER],
            **{f"cores_{d}": of[bounds.CORES + axis] for axis, d in enumerate("mnk")},
            **{f"tile_{d}": of[bounds.TILES + axis] for axis, d in enumerate("mnk")},
        ),
        total_cycles=of[bounds.CYCLES],
        energy_fj=of[bounds.ENERGY] + of[bounds.LOST],
    )


def compulsory(gemm: Gemm, hardware: Hardware, platform: Platform) -> Compulsory:
    """What a machine needs for a GEMM with any mapping; fields broadcast.

    Args:
      gemm: m, n, k.
      hardware: `num_cores` is one number.
      platform: widths, dataflows, runtime model and cost terms.
    """
    wires, rows, cols = wires_of(hardware, platform), hardware.rows, hardware.cols
    cycles = []
    for dataflow in platform.dataflows:
        flow = flow_of(dataflow, hardware, platform)
        extra, _ = term_costs(gemm, dataflow, hardware, platform)
        for cores in partitions(int(hardware.num_cores)).tolist():
            loops = [
                loop(dim, dim, parts, rows, cols)
                for dim, parts in zip((gemm.m, gemm.n, gemm.k), cores, strict=True)
            ]
            cycles.append(extra + step_cycles(flow, *loops))
    bits = (
        gemm.m * gemm.k * wires.input_bits
        + gemm.k * gemm.n * wires.weight_bits
        + gemm.m * gemm.n * wires.output_bits
    )
    compute = functools.reduce(smaller, cycles)
    return Compulsory(compute, (bits + 7) // 8, larger(compute, transfer_cycles(bits, wires)))


@functools.lru_cache
def partitions(num_cores: int) -> Int[np.ndarray, "partitions 3"]:
    """All numbers of cores along m, n and k whose product is at most `num_cores`."""
    numbers = range(1, num_cores + 1)
    rows = [
        (m, n, k)
        for m, n in itertools.product(numbers, numbers)
        if m * n <= num_cores
        for k in range(1, num_cores // (m * n) + 1)
    ]
    return np.array(rows, np.int64)


def _dims(gemms: Gemm) -> Int[np.ndarray, "num 3"]:
    instance("gemms", gemms, Gemm)
    fields = {name: int_field(name, getattr(gemms, name), low=1) for name in "mnk"}
    shape = common_shape(fields)
    if len(shape) != 1:
        raise ValueError(f"gemms: the shape {shape} is not allowed; expected one axis")
    return np.stack([np.broadcast_to(field, shape) for field in fields.values()], axis=1)


def _checked(hardware: Hardware) -> Hardware:
    """The machine in Python integers."""
    instance("hardware", hardware, Hardware)
    memory = hardware.memory
    sizes = {
        field.name: whole_number(field.name, getattr(memory, field.name), low=0, high=2**53)
        for field in dataclasses.fields(memory)
    }
    numbers = {
        name: whole_number(name, getattr(hardware, name), high=high)
        for name, high in (
            ("rows", 2**20),
            ("cols", 2**20),
            ("num_cores", _MAX_CORES),
            ("bandwidth_bytes", 2**50),
            ("bandwidth_cycles", 2**40),
        )
    }
    return Hardware(**numbers, memory=type(memory)(**sizes))


def _goal(objective: Objective | Weights) -> Any:
    """The row that the search reads."""
    if isinstance(objective, Weights):
        weights = [
            real_number(name, getattr(objective, name), low=0, high=1e300)
            for name in Weights._fields
        ]
        if not any(weights):
            raise ValueError("objective: two weights of zero are not allowed")
        return np.array([0.0, *weights])
    match member("objective", objective, Objective):
        case Objective.CYCLES:
            return np.array([0.0, 1.0, 0.0])
        case Objective.ENERGY:
            return np.array([0.0, 0.0, 1.0])
        case Objective.EDP:
            return np.array([1.0, 0.0, 0.0])


def tasks_of(
    dims: Int[np.ndarray, "num 3"], hardware: Hardware, platform: Platform, prices: MachinePrices
) -> Int[np.ndarray, "num dataflows columns"]:
    """The rows that the search reads."""
    gemm = Gemm(**dict(zip("mnk", dims.T, strict=True)))
    wires = wires_of(hardware, platform)
    m, n, k = dims.T.astype(np.float64)
    # No step moves more than all operands at their widest.
    moved = (m * k + k * n + m * n) * max(wires[:4]) * wires.bandwidth_cycles
    too_large = (moved >= INT64_SAFE) | (m * n * k >= bounds.MOST_CYCLES)
    if too_large.any():
        row = int(np.argmax(too_large))
        raise ValueError(_too_large(dims[row]))
    tasks = np.empty((len(dims), len(platform.dataflows), bounds.TASK), np.int64)
    for number, dataflow in enumerate(platform.dataflows):
        cycles, energy = term_costs(gemm, dataflow, hardware, platform)
        values = (
            int(dataflow),
            dims.prod(axis=1),
            cycles,
            energy,
            *flow_of(dataflow, hardware, platform),
            *wires,
            *(
                whole_number(f"prices: {name}", x, low=0, high=2**40)
                for name, x in zip(prices._fields, prices, strict=True)
            ),
        )
        for column, value in enumerate(values):
            tasks[:, number, column] = value
    return tasks


def refuse(found: Float[np.ndarray, "num columns"], dims: Int[np.ndarray, "num 3"]) -> None:
    """Refuses what is too large to be exact, in rows of the search.

    Raises:
      ValueError: 2**53 cycles or 2**59 femtojoules could be reached.
    """
    value, skipped = found[:, bounds.VALUE], found[:, bounds.SKIPPED]
    finite = value < math.inf
    too_large = (skipped < math.inf) & (skipped <= value)
    too_large |= (
        finite
        & (found[:, bounds.ENERGY] < math.inf)
        & (
            (found[:, bounds.CYCLES] >= bounds.MOST_CYCLES)
            | (found[:, bounds.ENERGY] >= bounds.MOST_ENERGY)
        )
    )
    if too_large.any():
        raise ValueError(_too_large(dims[int(np.argmax(too_large))]))


def _too_large(dims: Any) -> str:
    m, n, k = dims.tolist()
    return (
        f"gemms: m={m}, n={n}, k={k} are not allowed; cycles are limited to 2**53, energy to 2**59"
        " femtojoules"
    )
