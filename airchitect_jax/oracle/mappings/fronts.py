"""Mappings of which no other has neither more cycles nor more energy, and sums of them."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from airchitect_jax.cost import MachinePrices, Platform
from airchitect_jax.cost.tiled import halves_of
from airchitect_jax.oracle.mappings.best import Weights, partitions, refuse, tasks_of
from airchitect_jax.oracle.mappings.bounds import CYCLES, ENERGY, FOUND, LOST
from airchitect_jax.oracle.mappings.search import Front, search
from airchitect_jax.types import Hardware
from airchitect_jax.workloads import GemmCounts

_ROWS = 64  # that a front has at first


class Sums(NamedTuple):
    """Cycles and energy of schedules, beyond those of a schedule that is given.

    Attributes:
      cycles, energy_fj: of all runs.
      choices: the row of the front of each GEMM.
    """

    cycles: Int[np.ndarray, "schedules"]
    energy_fj: Int[np.ndarray, "schedules"]
    choices: Int[np.ndarray, "schedules gemms"]


class Limits(NamedTuple):
    """Of the sums that are wanted, all included.

    Attributes:
      cycles, energy_fj: at most.
      weights: of cycles and energy.
      value: of the sum by weights, at most.
    """

    cycles: int
    energy_fj: int
    weights: Weights
    value: float


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

    def front(self, row: int, weights: Weights, cutoff: float) -> Float[np.ndarray, "rows columns"]:
        """The mappings of a GEMM whose cycles and energy have at most a sum by weights.

        Without those that another mapping dominates; rows of the search.

        Raises:
          ValueError: as for `best_mappings`.
        """
        this, hardware, num_rows = slice(row, row + 1), self.hardware, _ROWS
        while True:
            front = Front(cutoff, np.empty((num_rows, FOUND)), np.zeros(2, np.int64))
            found = search(
                self._dims[this],
                np.array([0.0, *weights]),
                np.array(halves_of(hardware), np.int64),
                np.array([hardware.rows, hardware.cols], np.int64),
                self._tasks[this],
                partitions(int(hardware.num_cores)),
                front,
            )
            refuse(found, self._dims[this])
            size, is_short = front.size.tolist()
            if not is_short:
                return front.mappings[:size]
            num_rows *= 4


def beyond(
    front: Float[np.ndarray, "rows columns"], runs: int, cycles: int, energy_fj: int
) -> Int[np.ndarray, "2 rows"]:
    """Cycles and energy of all runs with each mapping of a front, beyond those of one."""
    more = front[:, CYCLES].astype(np.int64) - cycles
    energy = front[:, ENERGY].astype(np.int64) + front[:, LOST].astype(np.int64) - energy_fj
    return runs * np.stack([more, energy])


def sums_of(costs: Sequence[Int[np.ndarray, "2 rows"]], limits: Limits) -> Sums:
    """All sums of one column per GEMM within limits that no other dominates."""
    weights = np.array(limits.weights)
    order = sorted(range(len(costs)), key=lambda one: -int(np.ptp(costs[one][0])))
    rests = np.array([one.min(axis=1) for one in costs], np.int64).reshape(-1, 2).sum(axis=0)
    most = np.array([limits.cycles, limits.energy_fj], np.int64)
    sums = np.zeros((2, 1), np.int64)
    choices = np.zeros((len(costs), 1), np.int64)
    for one in order:
        rests = rests - costs[one].min(axis=1)
        every = sums[:, :, None] + costs[one][:, None, :]
        is_within = (every + rests[:, None, None] <= most[:, None, None]).all(axis=0)
        is_within &= np.tensordot(weights, every, 1) <= limits.value
        parents, columns = np.nonzero(is_within)
        sums = every[:, parents, columns]
        rank = np.lexsort(sums[::-1])
        least = np.minimum.accumulate(sums[1, rank])
        is_least = np.append(True, sums[1, rank][1:] < least[:-1])[: len(rank)]
        kept = rank[is_least]
        sums = sums[:, kept]
        choices = choices[:, parents[kept]]
        choices[one] = columns[kept]
    return Sums(*sums, choices.T)
