"""The value of a run: from busy cycles and switching energy to the quantity to minimise.

Everything here rises with every argument, so values of lower bounds are lower bounds.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from airchitect_jax.oracle.machines.question import MachineObjective, Question

_ROUNDED_UP = 1 + 2.0**-50  # so that the average power, in float64, is within the budget


class Run(NamedTuple):
    """A run of the workload on a machine.

    Attributes:
      cycles: until it ends, waiting included; a fraction if it waits.
      energy_fj: leakage included.
    """

    cycles: Any
    energy_fj: Any


def run_of(question: Question, busy_cycles: Any, switching_fj: Any, leakage: Any) -> Run | None:
    """The shortest run within the power budget; None if it exceeds a budget.

    Args:
      question: its budgets are used.
      busy_cycles: of arrays and vector units.
      switching_fj: the energy without leakage.
      leakage: femtojoules per cycle.
    """
    cycles, power = busy_cycles, question.most_fj_per_cycle
    if power < math.inf:
        if leakage >= power:
            return None
        cycles = max(cycles, switching_fj / (power - leakage) * _ROUNDED_UP)
    if cycles > question.most_cycles:
        return None
    return Run(cycles, switching_fj + leakage * cycles)


def value_of(question: Question, run: Run | None, area_um2: Any) -> Any:
    """The quantity to minimise; infinite without a run."""
    if run is None:
        return math.inf
    match question.objective:
        case MachineObjective.LATENCY:
            return run.cycles
        case MachineObjective.ENERGY:
            return run.energy_fj
        case MachineObjective.EDP:
            return run.cycles * run.energy_fj
        case MachineObjective.THROUGHPUT_PER_AREA:
            return run.cycles * area_um2
