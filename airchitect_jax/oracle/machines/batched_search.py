"""The best mappings of all GEMMs in many boxes of machines, under jit: `search` without branches.

For each box and GEMM: pairs of a partition and a dataflow in the order of their bounds of one trip
per loop (`batched`). All tilings of a pair are bounded at once. In boxes of one array what is below
the best is evaluated exactly. The first pair whose bound is not below the best ends the search.
"""

from __future__ import annotations

import functools
import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from airchitect_jax._support import on_exact_float64
from airchitect_jax.cost import ceil_div, larger, smaller
from airchitect_jax.cost.tiled import order_of
from airchitect_jax.cost.tiled_loops import Loop, loop, tile_bits
from airchitect_jax.cost.tiled_steps import moves, total_cycles
from airchitect_jax.oracle.machines.batched import (
    Boxes,
    Work,
    root_costs,
    task_of,
    with_sram_prices,
)
from airchitect_jax.oracle.mappings.bounds import (
    ORDER_IDS,
    Task,
    exposed_cycles,
    least_cycles,
    least_energy,
    mapping_energy,
)
from airchitect_jax.oracle.mappings.records import FOUND, VALUE
from airchitect_jax.oracle.mappings.tables import relaxed_loop

_BOUNDED = 2**20  # mappings at a time whose bounds are computed
_REFINED = 64  # mappings at a time that are evaluated exactly


class _Best(NamedTuple):
    """The search of a GEMM in a box: its rows as of `oracle.mappings.search`, and how far it is."""

    turn: Any
    found: Any


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
    with jax.enable_x64(True), on_exact_float64():
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

    `num_trips` are above the square roots of the largest m, n and k.
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
    cycles, energy = root_costs(work, dims, box)
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
        self._task = task_of(work, dims, box, flow, work.dataflows[flow])
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
    m, n, k = tiles
    needs = tile_bits(m, n, k, task.wires, work.is_shared)
    for need, halves, of_halves in zip(needs, box.halves, box.half_prices, strict=True):
        place = jnp.searchsorted(halves, need, method="compare_all")
        prices.append(of_halves[smaller(place, halves.size - 1)])
        fits = fits & (place < halves.size)
    return task._replace(prices=with_sram_prices(task.prices, prices)), fits


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
