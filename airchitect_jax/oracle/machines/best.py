"""The best machine of a space, with a proof."""

from __future__ import annotations

import pathlib
import time
from collections.abc import Callable, Mapping, Sequence

from airchitect_jax._support import instance, real_number
from airchitect_jax.oracle.machines.answer import Optimum, Progress
from airchitect_jax.oracle.machines.question import Question
from airchitect_jax.oracle.machines.search import Search
from airchitect_jax.oracle.machines.size import log10_joint_points
from airchitect_jax.oracle.machines.state import read_state, write_state

_PROGRESS_SECONDS, _STATE_SECONDS = 0.2, 15.0
# Spaces of so many machines are searched for smaller ones of the same cost to the end; of others,
# so many boxes.
_FEW_MACHINES, _MOST_TIES = 5000, 200


def best_machine(
    question: Question,
    *,
    gap: float = 0.0,
    time_limit: float | None = None,
    start: Sequence[Mapping[str, int]] = (),
    on_progress: Callable[[Progress], None] | None = None,
    state: pathlib.Path | None = None,
) -> Optimum:
    """The machine of the least cost, with a proof.

    Exact over all machines of the space, all mappings of `oracle.mappings.best_mappings` and all
    schedules. Among machines of equal cost, one with fewer MAC units, then with less memory, is
    preferred as far as a second search finds one; on spaces of up to 5000 machines it does.
    An interrupt (Ctrl-C) ends the search with the best machine so far.

    Args:
      question: the workload, the space, the objective and the budgets.
      gap: the search ends when `certified_gap` is at most this.
      time_limit: in seconds; the search ends with the best so far.
      start: machines to try first, by axis.
      on_progress: called some times per second.
      state: a file from which a stopped search goes on, and which is written now and then.

    Raises:
      ValueError: an argument is not allowed, a GEMM is too large for exact costs, or the state is
        damaged or of another question.
      TypeError: an argument is of another type.
    """
    instance("question", question, Question)
    gap = real_number("gap", gap, low=0, high=1e6)
    if time_limit is not None:
        time_limit = real_number("time_limit", time_limit, low=0, high=1e9)
    begin = time.perf_counter()
    search = Search(question, gap)
    earlier = 0.0
    if state is not None and state.exists():
        earlier = read_state(state, search, gap)
    shown = written = begin

    def seconds() -> float:
        return earlier + time.perf_counter() - begin

    is_interrupted = False
    try:
        if not search.frontier.opened:
            middle = tuple((last + 1) // 2 for last in search.root[1][:-1])
            search.candidates.descend((*middle, search.root[1][-1]))
            for machine in start:
                search.candidates.descend(search.candidates.corner_of(machine))
        while not search.is_finished:
            if time_limit is not None and seconds() >= time_limit:
                break
            search.step()
            now = time.perf_counter()
            if on_progress is not None and now - shown >= _PROGRESS_SECONDS:
                shown = now
                on_progress(_progress(search, seconds()))
            if state is not None and now - written >= _STATE_SECONDS:
                write_state(state, search, gap, seconds())
                written = time.perf_counter()
        if search.is_finished:
            is_small = question.platform.hardware.num_designs <= _FEW_MACHINES
            search.prefer_small(2 * _FEW_MACHINES if is_small else _MOST_TIES)
    except KeyboardInterrupt:
        is_interrupted = True
    if state is not None:
        write_state(state, search, gap, seconds())
    return _optimum(search, seconds(), is_interrupted)


def _progress(search: Search, seconds: float) -> Progress:
    incumbent = float(search.candidates.best.cost)
    least = search.frontier.boxes[0].bound if search.frontier.boxes else search.bound
    return Progress(
        bound=min(least, incumbent),
        incumbent=incumbent,
        boxes=search.frontier.opened,
        open_boxes=len(search.frontier.boxes),
        seconds=seconds,
    )


def _optimum(search: Search, seconds: float, is_interrupted: bool) -> Optimum:
    question, best = search.solver.question, search.candidates.best
    return Optimum(
        machine=None if best.schedule is None else search.solver.values_of(best.machine),
        totals=search.candidates.totals(best),
        cost=best.cost,
        lower_bound=search.bound,
        num_hardware_points=question.platform.hardware.num_designs,
        log10_joint_points=log10_joint_points(question),
        boxes_opened=search.frontier.opened,
        boxes=search.boxes,
        seconds=seconds,
        is_finished=search.is_finished,
        is_interrupted=is_interrupted,
    )
