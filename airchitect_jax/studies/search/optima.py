"""The optimum of a workload over a space of machines, as a row to keep."""

from __future__ import annotations

import math

from airchitect_jax.oracle.machines import Question, best_machine
from airchitect_jax.reporting import Row


def optimal_cost(question: Question, *, seconds: float) -> Row:
    """The least cost within the budgets, or the best found in so many seconds, with its gap.

    Raises:
      ValueError: no machine was found, or no bound of its cost.
    """
    found = best_machine(question, time_limit=seconds)
    if found.is_interrupted:
        raise KeyboardInterrupt
    if found.machine is None:
        raise ValueError("budgets: no machine within the budgets was found")
    gap = float(found.certified_gap) if not found.is_finished else 0.0
    if not math.isfinite(gap):
        raise ValueError(f"{seconds:g} s of search prove no bound of the optimum; allow more")
    return {
        "cost": float(found.cost),
        "lower_bound": float(found.lower_bound),
        "certified_gap": gap,
        "boxes_opened": found.boxes_opened,
        "seconds": found.seconds,
        "machine": dict(found.machine),
    }
