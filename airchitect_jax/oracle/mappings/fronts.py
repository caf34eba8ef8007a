"""Mappings of which no other has neither more cycles nor more energy, and sums of them."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Float, Int

from airchitect_jax.cost import MachinePrices, Platform
from airchitect_jax.cost.tiled import halves_of
from airchitect_jax.oracle.mappings.best import (
    BestMappings,
    Weights,
    mappings_of,
    partitions,
    refuse,
    tasks_of,
)
from airchitect_jax.oracle.mappings.records import FOUND, VALUE
from airchitect_jax.oracle.mappings.search import Front, search
from airchitect_jax.types import Hardware
from airchitect_jax.workloads import GemmCounts

_ROWS = 64  # that a front has at first
_INT64_SAFE = 2**62
_ROUNDED = 2.0**-46  # more than sums in float64 are off


class Sums(NamedTuple):
    """Cycles and energy of schedules.

    Attributes:
      cycles, energy_fj: of all runs; Python integers where int64 does not hold them.
      choices: the row of the front of each GEMM.
      is_whole: False if some schedules were left out.
    """

    cycles: Int[np.ndarray, "schedules"]
    energy_fj: Int[np.ndarray, "schedules"]
    choices: Int[np.ndarray, "schedules gemms"]
    is_whole: bool


@dataclasses.dataclass(frozen=True, kw_only=True)
class Machine:
    """A workload on a machine; the fields are those of `best_schedule`."""

    workload: GemmCounts
    hardware: Hardware
    platform: Platform
    prices: MachinePrices

    @functools.cached_property
    def _dims(self) -> Int[np.ndarray, "gemms 3"]:
        return np.array(self.workload.gemms, np.int64)

    @functools.cached_property
    def _tasks(self) -> Int[np.ndarray, "gemms dataflows columns"]:
        return tasks_of(self._dims, self.hardware, self.platform, self.prices)

    def front(self, row: int, weights: Weights, cutoff: float) -> BestMappings:
        """The mappings of a GEMM whose cycles and energy have at most a sum by weights.

        Without those that another mapping dominates.

        Raises:
          ValueError: as for `best_mappings`.
        """
        this, hardware, num_rows = slice(row, row + 1), self.hardware, _ROWS
        while True:
            front = Front(np.empty((num_rows, FOUND)), np.zeros(2, np.int64))
            found = np.full((1, FOUND), np.inf)
            found[:, VALUE] = cutoff
            search(
                self._dims[this],
                np.array([0.0, *weights]),
                np.array(halves_of(hardware), np.int64),
                np.array([hardware.rows, hardware.cols], np.int64),
                self._tasks[this],
                partitions(int(hardware.num_cores)),
                results=found,
                front=front,
            )
            refuse(found, self._dims[this])
            size, is_short = front.size.tolist()
            if not is_short:
                return mappings_of(front.mappings[:size])
            num_rows *= 4


def taken(options: Sequence[BestMappings], rows: Sequence[int]) -> BestMappings:
    """The mapping in one row of each."""

    def chosen(*fields: Any) -> Int[np.ndarray, "options"]:
        return np.array([field[row] for field, row in zip(fields, rows, strict=True)])

    return BestMappings(
        mappings=jax.tree.map(chosen, *(one.mappings for one in options)),
        total_cycles=chosen(*(one.total_cycles for one in options)),
        energy_fj=chosen(*(one.energy_fj for one in options)),
    )


def sums_of(
    costs: Sequence[Int[np.ndarray, "2 rows"]],
    counts: Sequence[int],
    corners: Sequence[tuple[int, int]],
    most_sums: int,
) -> Sums:
    """All sums of one column per GEMM that are wanted and that no other dominates.

    Args:
      costs: cycles and energy, by GEMM.
      counts: that each GEMM has to be added.
      corners: what is wanted has at most the cycles and at most the energy of one of them.
      most_sums: if more sums of some GEMMs could lead there, those are left out that, with the
        least energy of the other GEMMs, are nearest to their corner.
    """
    most = sum(runs * int(np.abs(one).max()) for runs, one in zip(counts, costs, strict=True))
    kind = np.int64 if most < _INT64_SAFE else object
    # Mappings that differ most come first: what is left then is close to its hull.
    order = sorted(range(len(costs)), key=lambda one: -counts[one] * int(np.ptp(costs[one][0])))
    runs = [costs[one].astype(kind) * (counts[one] if costs[one].any() else 0) for one in order]
    hulls = [_hull(each) for each in runs]
    sums = np.zeros((2, 1), kind)
    choices = np.zeros((len(costs), 1), np.int64)
    is_whole = True
    for place, (one, each) in enumerate(zip(order, runs, strict=True)):
        every = sums[:, :, None] + each[:, None, :]
        parents, columns = (x.ravel() for x in np.indices(every.shape[1:]))
        sums = every.reshape(2, -1)
        rest = _joined(hulls[place + 1 :])
        excess = np.min(
            [_least_energy(rest, x - sums[0]) + (sums[1] - y).astype(float) for x, y in corners],
            axis=0,
        )
        kept = np.flatnonzero(excess <= 0.5 + _ROUNDED * np.abs(rest[1]).max())
        kept = kept[_undominated(sums[:, kept])]
        if len(kept) > most_sums:
            is_whole = False
            kept = kept[_spread(sums[0, kept], excess[kept], most_sums)]
        sums, choices = sums[:, kept], choices[:, parents[kept]]
        choices[one] = columns[kept]
    return Sums(sums[0], sums[1], choices.T, is_whole)


def _undominated(costs: Any) -> Int[np.ndarray, "kept"]:
    """Columns of rising cycles and falling energy; the first of equals."""
    rank = np.argsort(costs[1], kind="stable")
    rank = rank[np.argsort(costs[0, rank], kind="stable")]
    energy = costs[1, rank]
    return rank[np.append(True, energy[1:] < np.minimum.accumulate(energy)[:-1])[: len(rank)]]


def _spread(cycles: Any, excess: Any, most: int) -> Int[np.ndarray, "kept"]:
    """The sums of the least excess in intervals of cycles of one length."""
    place = (cycles - cycles[0]).astype(float) / max(1.0, float(cycles[-1] - cycles[0]))
    interval = np.floor(place * (most - 1))
    rank = np.lexsort((excess, interval))
    return rank[np.append(True, np.diff(interval[rank]) > 0)]


def _hull(costs: Int[np.ndarray, "2 rows"]) -> Float[np.ndarray, "2 corners"]:
    """The lower convex hull of costs: its first corner, then from each to the next."""
    corners: list[Any] = []
    for point in costs[:, _undominated(costs)].T.astype(np.float64):
        while len(corners) > 1 and _turn(corners[-2], corners[-1], point) <= 0:
            corners.pop()
        corners.append(point)
    return np.diff(np.array(corners), axis=0, prepend=0).T


def _turn(a: Any, b: Any, c: Any) -> float:
    return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])


def _joined(hulls: Sequence[Float[np.ndarray, "2 corners"]]) -> Float[np.ndarray, "2 corners"]:
    """The corners of the hull of all sums of one point of each hull."""
    first = sum((hull[:, :1] for hull in hulls), start=np.zeros((2, 1)))
    steps = np.concatenate([np.zeros((2, 0)), *(hull[:, 1:] for hull in hulls)], axis=1)
    steps = steps[:, np.argsort(steps[1] / steps[0], kind="stable")]
    return np.cumsum(np.concatenate([first, steps], axis=1), axis=1)


def _least_energy(
    hull: Float[np.ndarray, "2 corners"], cycles: Int[np.ndarray, "sums"]
) -> Float[np.ndarray, "sums"]:
    """The least energy with at most so many cycles; infinite if there is none."""
    at = cycles.astype(float) + _ROUNDED * np.abs(hull[0]).max()
    return np.interp(at, hull[0], hull[1], left=np.inf)
