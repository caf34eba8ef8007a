"""The best machine of a space (stub: the search is under way)."""

from __future__ import annotations

import pathlib
from collections.abc import Callable

from airchitect_jax.oracle.machines.answer import Optimum, Progress
from airchitect_jax.oracle.machines.question import Question


def best_machine(
    question: Question,
    *,
    gap: float = 0.0,
    time_limit: float | None = None,
    on_progress: Callable[[Progress], None] | None = None,
    state: pathlib.Path | None = None,
) -> Optimum:
    """The machine of the least cost, with a proof.

    Args:
      question: the workload, the space, the objective and the budgets.
      gap: the search ends when `certified_gap` is at most this.
      time_limit: in seconds; the search ends with the best so far.
      on_progress: called now and then.
      state: a file from which a stopped search goes on, and which is written now and then.
    """
    raise NotImplementedError
