"""The best machine of a hardware space by branch and bound, exact.

Machines that differ only in their memories form a group. A group's bound comes from compulsory
work, then from the best mappings with the largest memories at the lowest prices: larger memories
only allow more mappings. Groups and machines are opened in the order of their bounds, so the
search ends when the next bound is not below the best cost.
"""

from __future__ import annotations

import dataclasses
import heapq
from collections.abc import Callable
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int

OnProgress = Callable[[str, int, int], None]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Problem:
    """What the search asks of a cost model. Machines are indices into the columns of a space.

    Attributes:
      allowed: whether a machine is within the budgets that its parts alone decide.
      compulsory: a lower bound of the cost of a machine, of any mapping.
      corner_bound: from a group of machines that differ in their memories, a lower bound of the
        cost of each.
      answer: the least cost of a machine within all budgets and what it is made of; None if no
        mapping keeps within the budgets.
    """

    allowed: Bool[np.ndarray, "machines"]
    compulsory: Float[np.ndarray, "machines"]
    corner_bound: Callable[[Int[np.ndarray, "group"]], float]
    answer: Callable[[int], tuple[Any, Any] | None]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Found:
    """The best machine.

    Attributes:
      machine: its index.
      cost: exact.
      answer: what the problem says of it.
      num_solved: machines and corners whose best mappings were searched.
    """

    machine: int
    cost: Any
    answer: Any
    num_solved: int


def best_machine(
    problem: Problem,
    groups: Int[np.ndarray, "machines"],
    tie_order: Int[np.ndarray, "machines"],
    on_progress: OnProgress | None = None,
) -> Found | None:
    """The machine of the least cost; None if none is within the budgets.

    Args:
      problem: the costs and their bounds.
      groups: the number of the group of each machine.
      tie_order: of two machines of equal cost the one with the lower number wins.
      on_progress: called with the stage, the number of finished machines, and their total number.
    """
    allowed = np.flatnonzero(problem.allowed)
    allowed = allowed[np.lexsort((tie_order[allowed], groups[allowed]))]
    if not len(allowed):
        return None
    starts = np.flatnonzero(np.diff(groups[allowed], prepend=-1))
    # (bound, tie, stage, machines); a stage of one machine comes before that of a group.
    heap: list[tuple[Any, int, int, Int[np.ndarray, "group"]]] = [
        (float(problem.compulsory[group].min()), int(tie_order[group].min()), 1, group)
        for group in np.split(allowed, starts[1:])
    ]
    heapq.heapify(heap)
    best: tuple[Any, int, int, Any] | None = None  # cost, tie, machine, answer
    num_solved = num_done = 0
    while heap:
        bound, tie, stage, machines = heapq.heappop(heap)
        if best is not None and (bound, tie) >= best[:2]:
            break
        if stage == 1 and len(machines) > 1:
            num_solved += 1
            bound = max(bound, problem.corner_bound(machines))
            for machine in machines:
                heapq.heappush(heap, (bound, int(tie_order[machine]), 0, np.array([machine])))
            continue
        machine = int(machines[0])
        num_solved += 1
        num_done += 1
        if on_progress is not None:
            on_progress("machines", num_done, len(allowed))
        solved = problem.answer(machine)
        if solved is not None and (best is None or (solved[0], tie) < best[:2]):
            best = (solved[0], tie, machine, solved[1])
    if best is None:
        return None
    return Found(machine=best[2], cost=best[0], answer=best[3], num_solved=num_solved)
