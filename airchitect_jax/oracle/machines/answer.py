"""The best machine that was found, and what is proven about all others."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import NamedTuple

from airchitect_jax.oracle.mappings import BestMappings

Corner = tuple[int, ...]  # indices into the values of each axis of the space, in its order


class Line(NamedTuple):
    """A lower bound of all schedules of all machines of a box.

    A schedule has one mapping per GEMM. Summed over all runs of all GEMMs, without operators,
    `cycles_weight * cycles + energy_weight * switching energy >= least`.

    Attributes:
      low, high: the corners of the box; both included.
      cycles_weight, energy_weight: not negative.
      least: the bound; the energy is in femtojoules and has no leakage.
    """

    low: Corner
    high: Corner
    cycles_weight: float
    energy_weight: float
    least: float


class ClosedBox(NamedTuple):
    """A box without a machine of lower cost than the bound.

    Attributes:
      low, high: its corners; both included.
      bound: of the cost of each of its machines; infinite if none is within the budgets.
      lines: what the bound follows from. Without any an infinite bound follows from the budgets of
        parts, and a finite one of a single machine from all of its schedules.
    """

    low: Corner
    high: Corner
    bound: float
    lines: tuple[Line, ...]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Totals:
    """A workload on a machine.

    Attributes:
      mappings: of each GEMM, in the order of the question.
      array_cycles, operator_cycles: sums over GEMMs and operators.
      busy_cycles: of the workload, without waiting for the power budget.
      cycles: of the workload, waiting included; a fraction if it waits.
      energy_fj: of the workload, leakage included.
    """

    mappings: BestMappings
    array_cycles: int
    operator_cycles: int
    busy_cycles: int
    cycles: float
    energy_fj: float


@dataclasses.dataclass(frozen=True, kw_only=True)
class Optimum:
    """The best machine of a space, and the proof.

    Attributes:
      machine: its values by axis (`HardwareSpace.axes`); None if none within the budgets was found.
      totals: the workload on it.
      cost: of the machine; infinite without one.
      lower_bound: no machine of the space costs less.
      num_hardware_points: machines of the space.
      log10_joint_points: the logarithm of the number of pairs of a machine and a mapping of each
        GEMM on it.
      boxes_opened: boxes whose bounds were computed.
      boxes: they cover the space.
      seconds: that the search took, earlier runs included.
      is_finished: False if it was stopped before the gap was reached.
      is_interrupted: whether an interrupt (Ctrl-C) has ended it.
    """

    machine: Mapping[str, int] | None
    totals: Totals | None
    cost: float
    lower_bound: float
    num_hardware_points: int
    log10_joint_points: float
    boxes_opened: int
    boxes: tuple[ClosedBox, ...]
    seconds: float
    is_finished: bool
    is_interrupted: bool

    @property
    def certified_gap(self) -> float:
        """`cost / lower_bound - 1`: how far the machine can be from the best."""
        return self.cost / self.lower_bound - 1 if self.lower_bound else float("inf")


class Progress(NamedTuple):
    """The state of a search.

    Attributes:
      bound: of the cost of the best machine.
      incumbent: the cost of the best so far.
      boxes: opened so far.
      open_boxes: that may hold a better one.
      seconds: so far.
    """

    bound: float
    incumbent: float
    boxes: int
    open_boxes: int
    seconds: float
