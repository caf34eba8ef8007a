"""Bounds of many boxes of machines at once, compiled by JAX for CPUs, GPUs and TPUs.

The bounds are those of `solver`, from the same equations. `screen` is cheap: what no mapping can
beat, since each loop has one trip at least. `search_boxes` has the least of all mappings: it goes
through the pairs of a partition and a dataflow in the order of that bound, evaluates all tilings of
a pair at once, and ends with the first pair whose bound is not below the best.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from airchitect_jax.cost import MachinePrices, ceil_div, larger, smaller
from airchitect_jax.cost.tiled import flow_of, order_of
from airchitect_jax.cost.tiled_loops import Loop, Wires, loop, tile_bits
from airchitect_jax.cost.tiled_steps import Flow, moves, total_cycles
from airchitect_jax.oracle.machines.answer import Corner
from airchitect_jax.oracle.machines.parts import MEMORIES
from airchitect_jax.oracle.machines.solver import Solver
from airchitect_jax.oracle.mappings.best import partitions
from airchitect_jax.oracle.mappings.bounds import (
    FOUND,
    ORDER_IDS,
    VALUE,
    Task,
    exposed_cycles,
    least_cycles,
    least_energy,
    mapping_energy,
)
from airchitect_jax.oracle.mappings.tables import relaxed_loop, root_loop
from airchitect_jax.types import Dataflow, LoopOrder

_ROUNDED_DOWN = 1 - 1e-13  # sums of values in float64, of which each is off by less than 2**-50
_SCREENED = 64  # boxes at a time
_BOUNDED = 2**20  # mappings at a time whose bounds are computed
_REFINED = 64  # mappings at a time that are evaluated exactly
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


class _Best(NamedTuple):
    """The search of a GEMM in a box: its rows as of `oracle.mappings.search`, and how far it is."""

    turn: Any
    found: Any


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
            extra[:, one, :, number] = solver._least_terms(dataflow, *box)
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

    Infinite bounds of what does not fit are left to the search.
    """
    with jax.enable_x64(True):
        return Floors(*map(np.asarray, floors_of(work, boxes)))


@jax.jit
def floors_of(work: Work, boxes: Boxes) -> tuple[Float[Array, "boxes"], Float[Array, "boxes"]]:
    """`screen`, to be called or traced in 64-bit mode."""

    def of_box(box: Any) -> Any:
        def of_gemm(dims: Any, box: Any) -> Any:
            cycles, _ = _root_costs(work, dims, box)
            # Cores write what they share to an SRAM each, so one core has the least energy.
            _, energy = _root_costs(work._replace(partitions=work.partitions[:1]), dims, box)
            return cycles.min(), energy.min()

        costs = jax.vmap(of_gemm, (0, _BY_GEMM))(work.gemms, box)
        return [work.runs @ cost * _ROUNDED_DOWN for cost in costs]

    cycles, energy = jax.lax.map(of_box, boxes, batch_size=_SCREENED)
    return cycles, energy


# Axes of the fields of a box over its GEMMs.
_BY_GEMM = Boxes(*len(Boxes._fields) * [None])._replace(
    extra_cycles=0, extra_energy_fj=0, prices=MachinePrices(*len(MachinePrices._fields) * [None])
)


def _root_costs(work: Work, dims: Any, box: Boxes) -> tuple[Any, Any]:
    """The least cycles and energy of a GEMM, [dataflows, partitions]."""
    places = (work.partitions[None] - 1).astype(int)
    loops = []
    for axis, dim in enumerate(dims):
        by_cores = root_loop(dim, work.cores, box.rows, box.cols)
        loops.append(jax.tree.map(lambda field: _at(field, places[..., axis]), by_cores))
    task = _task(work, dims, box, slice(None), work.dataflows[:, None])
    order = order_of(LoopOrder.MNK)  # that of loops of one trip does not matter
    cycles, moved = least_cycles(task, order, 0, *loops)
    energy = least_energy(task, (cycles, moved))
    is_allowed = work.partitions.prod(axis=1)[None] <= box.cores
    return jnp.where(is_allowed, cycles, jnp.inf), jnp.where(is_allowed, energy, jnp.inf)


def _at(field: Any, places: Any) -> Any:
    return field[places] if np.ndim(field) else field


def _task(work: Work, dims: Any, box: Boxes, flow: Any, dataflow: Any) -> Task:
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
        prices=_priced(box.prices, box.half_prices[:, 0]),
    )


def _priced(prices: MachinePrices, of_operands: Any) -> MachinePrices:
    ifmap, filter_, ofmap = of_operands
    return prices._replace(
        ifmap_fj_per_byte=ifmap, filter_fj_per_byte=filter_, ofmap_fj_per_byte=ofmap
    )


def search_boxes(
    work: Work,
    boxes: Boxes,
    weights: Float[np.ndarray, "boxes 2"],
    *,
    is_relaxed: bool,
    batch_size: int | None = None,
) -> Float[np.ndarray, "boxes gemms columns"]:
    """The best mapping of each GEMM in each box, by a weighted sum of cycles and energy.

    As `oracle.mappings.search.search`; ties may go to another mapping. Costs have to be below 2**53
    cycles and 2**59 femtojoules.

    Args:
      work: the workload.
      boxes: with all their sizes of memories.
      weights: of cycles and of energy in femtojoules.
      is_relaxed: whether a box has several arrays or numbers of cores; else each has one of both.
      batch_size: boxes at a time; by default one.

    Returns:
      Rows of the search, one per GEMM; the value is infinite where nothing fits.
    """
    # In steps, so that other workloads can have the same program.
    num_trips = [4 * (math.isqrt(int(most)) // 4 + 1) for most in work.gemms.max(axis=0)]
    with jax.enable_x64(True):
        return np.asarray(
            found_in(
                work,
                boxes,
                weights,
                num_trips=tuple(num_trips),
                is_relaxed=is_relaxed,
                batch_size=batch_size,
            )
        )


@functools.partial(jax.jit, static_argnames=("num_trips", "is_relaxed", "batch_size"))
def found_in(
    work: Work,
    boxes: Boxes,
    weights: Float[Array, "boxes 2"],
    *,
    num_trips: tuple[int, int, int],
    is_relaxed: bool,
    batch_size: int | None,
) -> Float[Array, "boxes gemms columns"]:
    """`search_boxes`, to be called or traced in 64-bit mode.

    Args:
      work, boxes, weights, is_relaxed, batch_size: as there.
      num_trips: above the square roots of the largest m, n and k.
    """

    def of_box(given: Any) -> Any:
        box, own = given

        def of_gemm(row: Any) -> Any:
            extra = {name: getattr(box, name)[row] for name in ("extra_cycles", "extra_energy_fj")}
            mine = box._replace(**extra)
            return _best_of_gemm(work, work.gemms[row], mine, own, num_trips, is_relaxed)

        return jax.lax.map(of_gemm, jnp.arange(len(work.gemms)))

    return jax.lax.map(of_box, (boxes, weights), batch_size=batch_size)


def _best_of_gemm(
    work: Work, dims: Any, box: Boxes, weights: Any, num_trips: tuple[int, ...], is_relaxed: bool
) -> Any:
    cycles, energy = _root_costs(work, dims, box)
    floors = _weighed(weights, cycles, energy).reshape(-1)
    turns = jnp.argsort(floors)

    def is_open(best: _Best) -> Any:
        floor = floors[turns[smaller(best.turn, floors.size - 1)]]
        return (best.turn < floors.size) & (floor < best.found[VALUE])

    def step(best: _Best) -> _Best:
        flow, place = jnp.divmod(turns[best.turn], len(work.partitions))
        pair = _Pair(work, dims, box, flow, work.partitions[place], num_trips, is_relaxed)
        found, _ = jax.lax.scan(
            functools.partial(pair.relaxed if is_relaxed else pair.exact, weights),
            best.found,
            pair.chunks,
        )
        return _Best(best.turn + 1, found)

    nothing = jnp.full(FOUND, jnp.inf)
    return jax.lax.while_loop(is_open, step, _Best(jnp.array(0), nothing)).found


def _weighed(weights: Any, cycles: Any, energy: Any) -> Any:
    # No energy may be infinite times a weight of zero.
    return jnp.where(cycles < jnp.inf, weights[0] * cycles, jnp.inf) + jnp.where(
        weights[1] > 0, weights[1] * energy, 0.0
    )


class _Pair:
    """The mappings of a GEMM with one partition and dataflow; tilings of m come in chunks."""

    def __init__(
        self,
        work: Work,
        dims: Any,
        box: Boxes,
        flow: Any,
        cores: Any,
        num_trips: tuple[int, ...],
        is_relaxed: bool,
    ) -> None:
        self._work, self._dims, self._box, self._cores = work, dims, box, cores
        self._is_relaxed = is_relaxed
        self._task = _task(work, dims, box, flow, work.dataflows[flow])
        m, n, k = (
            _tilings(dim, parts, box.rows, box.cols, most, is_relaxed)
            for dim, parts, most in zip(dims, cores, num_trips, strict=True)
        )
        size = min(m.size, max(1, _BOUNDED // (3 * n.size * k.size)))
        self.chunks = jnp.pad(m, (0, -m.size % size), mode="edge").reshape(-1, size)
        self._tiles_n, self._tiles_k = n, k

    def relaxed(self, weights: Any, best: Any, tiles_m: Any) -> tuple[Any, None]:
        """The better of the best so far and the least bound in a chunk."""
        costs, tiles, _ = self._bounds(tiles_m)
        order = jnp.asarray(ORDER_IDS[:, 0]).reshape(1, 1, 1, 3)
        return self._better(weights, best, costs, order, tiles), None

    def exact(self, weights: Any, best: Any, tiles_m: Any) -> tuple[Any, None]:
        """The better of the best so far and the least cost in a chunk.

        Mappings whose bounds are below the best are evaluated, that with the least bound first.
        """
        costs, tiles, shape = self._bounds(tiles_m)
        floors = jnp.broadcast_to(_weighed(weights, *costs), shape).reshape(-1)

        def is_open(state: Any) -> Any:
            best, floors, _ = state
            return (floors < best[VALUE]).any()

        def step(state: Any) -> Any:
            best, floors, ceiling = state
            (picks,) = jnp.nonzero(
                (floors < best[VALUE]) & (floors <= ceiling), size=_REFINED, fill_value=0
            )
            *places, inner = jnp.unravel_index(picks, shape)
            chosen = [x.reshape(-1)[at] for x, at in zip(tiles, places, strict=True)]
            fits = floors[picks] < jnp.inf
            best = self._evaluated(weights, best, chosen, jnp.asarray(ORDER_IDS)[inner], fits)
            return best, floors.at[picks].set(jnp.inf), jnp.inf

        best, _, _ = jax.lax.while_loop(is_open, step, (best, floors, floors.min()))
        return best, None

    def _bounds(self, tiles_m: Any) -> tuple[Any, Any, tuple[int, ...]]:
        """Bounds of cycles and energy over m, n, k and the innermost loop; tiles; the shape."""
        tiles = (
            tiles_m.reshape(-1, 1, 1, 1),
            self._tiles_n.reshape(1, -1, 1, 1),
            self._tiles_k.reshape(1, 1, -1, 1),
        )
        shape = tiles[0].size, tiles[1].size, tiles[2].size, 3
        order = order_of(ORDER_IDS[:, 0].reshape(1, 1, 1, 3), self._dims)
        loops = self._loops(relaxed_loop if self._is_relaxed else loop, self._dims, tiles)
        task, fits = _with_own_prices(self._work, self._box, self._task, tiles)
        exposed = 0 if self._is_relaxed else exposed_cycles(task, order, *loops)
        cycles, moved = least_cycles(task, order, exposed, *loops)
        energy = least_energy(task, (cycles, moved))
        return (jnp.where(fits, cycles, jnp.inf), energy), tiles, shape

    def _evaluated(self, weights: Any, best: Any, tiles: Any, orders: Any, fits: Any) -> Any:
        """The better of the best so far and some mappings, in whole numbers.

        Args:
          weights: of cycles and energy.
          best: so far.
          tiles: of m, n and k, [mappings].
          orders: [mappings, 2].
          fits: [mappings].
        """
        work, dims, box, task, tiles = jax.tree.map(
            lambda field: jnp.asarray(field).astype(jnp.int64),
            (self._work, self._dims, self._box, self._task, [x[:, None] for x in tiles]),
        )
        order = order_of(orders, dims)
        loops = self._loops(loop, dims, tiles)
        task, _ = _with_own_prices(work, box, task, tiles)
        cycles = task.extra_cycles + total_cycles(order, task.flow, task.wires, *loops)
        energy = mapping_energy(task, (cycles, moves(order, task.flow, *loops)))
        cycles = jnp.where(fits[:, None], cycles.astype(jnp.float64), jnp.inf)
        return self._better(weights, best, (cycles, energy), orders, tiles)

    def _loops(self, of: Any, dims: Any, tiles: Any) -> list[Loop]:
        box, kind = self._box, dims.dtype
        return [
            of(dim, tile, parts.astype(kind), box.rows.astype(kind), box.cols.astype(kind))
            for dim, tile, parts in zip(dims, tiles, self._cores, strict=True)
        ]

    def _better(self, weights: Any, best: Any, costs: Any, order: Any, tiles: Any) -> Any:
        """The better of the best so far and the best of some mappings; arguments broadcast."""
        cycles, energy = costs
        rough = energy.astype(jnp.float64)
        values = _weighed(weights, cycles, rough)
        at = jnp.unravel_index(values.argmin(), values.shape)

        def chosen(field: Any) -> Any:
            return jnp.broadcast_to(field, values.shape)[at].astype(jnp.float64)

        lost = energy - rough.astype(energy.dtype)
        row = [values[at], chosen(cycles), chosen(rough), self._task.dataflow, chosen(order)]
        row += [*self._cores, *map(chosen, tiles), chosen(lost), jnp.inf]
        return jnp.where(values[at] < best[VALUE], jnp.stack(row), best)


def _with_own_prices(work: Work, box: Boxes, task: Task, tiles: Any) -> tuple[Task, Any]:
    """The task with the prices of the smallest memories that hold tiles, and whether any does."""
    fits: Any = True
    prices = []
    needs = tile_bits(*tiles, task.wires, work.is_shared)
    for need, halves, of_halves in zip(needs, box.halves, box.half_prices, strict=True):
        place = jnp.searchsorted(halves, need, method="compare_all")
        prices.append(of_halves[smaller(place, halves.size - 1)])
        fits = fits & (place < halves.size)
    return task._replace(prices=_priced(task.prices, prices)), fits


def _tilings(
    dim: Any, cores: Any, rows: Any, cols: Any, num_trips: int, is_relaxed: bool
) -> Float[Array, "tilings"]:
    """The tiles of a dimension as of `oracle.mappings.tables.write_tilings`, some of them twice.

    There are few trips or the tiles are small.
    """
    share, small = ceil_div(dim, cores), jnp.arange(1.0, num_trips + 1)
    trips = ceil_div(share, smaller(jnp.concatenate([ceil_div(share, small), small]), share))
    plain = ceil_div(share, trips)
    if is_relaxed:
        return plain
    end = jnp.where(trips > 1, ceil_div(share, larger(trips - 1, 1)), share + 1)
    tiles = [plain]
    for edge, folds in ((rows, "row_folds"), (cols, "col_folds")):
        multiple = ceil_div(plain, edge) * edge
        more, fewer = (
            getattr(loop(dim, tile, cores, rows, cols).total, folds) for tile in (plain, multiple)
        )
        tiles.append(jnp.where((multiple < end) & (fewer < more), multiple, plain))
    return jnp.concatenate(tiles)
