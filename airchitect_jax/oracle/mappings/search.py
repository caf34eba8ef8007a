"""The best mapping of a GEMM, by branch and bound: compiled code.

A case is a partition over the cores, a dataflow and a loop that stands innermost with more than one
trip. In each: loops over the tilings of the outer two loops, x and y, and of the innermost, z. The
operand of x and y stays while z runs, so DRAM traffic depends on x and y only. The costs of the
least of several tilings (`tables`) bound all of them, so that loops start late and end early. What
no bound excludes is evaluated exactly, in both orders of x and y. The search starts where the bound
is least, so that the first mappings are close to the best.
"""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

import numpy as np

from airchitect_jax._support import compiled
from airchitect_jax.cost import arithmetic, tiled_loops, tiled_steps
from airchitect_jax.cost.tiled_loops import Position
from airchitect_jax.oracle.mappings import bounds, tables, text
from airchitect_jax.oracle.mappings.bounds import (
    FOUND,
    NO_MEMORIES,
    ORDER_IDS,
    RESULTS,
    TASK,
    VALUE,
    Problem,
    arranged,
    consider,
    fits,
    is_excluded,
    least_value,
)
from airchitect_jax.oracle.mappings.tables import (
    COLUMNS,
    SEVERAL,
    SIZES,
    TRIPS,
    most_tilings,
    write_least,
    write_root,
    write_tilings,
)
from airchitect_jax.oracle.mappings.text import inlined

_ROLES = np.array(
    [[1, 2, 0], [0, 2, 1], [0, 1, 2]]
)  # the dimensions of x, y and z by the innermost
_EVERYTHING = 2**62
# Kinds of the tilings of x, y and z: their own, or the least from there on.
_EACH, _Z_ON, _Y_ON, _X_ON = (0, 0, 0), (0, 0, 1), (0, 1, 1), (1, 1, 1)


@inlined
def first_y(problem: Problem, inner: int, x: int, num_y: int, z: int) -> int:
    """The first tiling of y, the largest tile, that fits; `num_y` if none does."""
    low, high = 0, num_y
    while low < high:
        middle = (low + high) // 2
        if fits(problem, inner, x, middle, z):
            high = middle
        else:
            low = middle + 1
    return low


@inlined
def first_z(problem: Problem, inner: int, x: int, y: int, first: int, num_z: int) -> int:
    """The first tiling of z, from `first` on, that fits; `num_z` if none does."""
    low, high = first, num_z
    while low < high:
        middle = (low + high) // 2
        if fits(problem, inner, x, y, middle):
            high = middle
        else:
            low = middle + 1
    return low


@inlined
def search_case(
    problem: Problem, best: Any, flow: int, inner: int, window: Any, probes: bool, least: Any
) -> None:
    """Looks for better mappings in a case.

    Args:
      problem: the tables.
      best: the best so far.
      flow: index of the dataflow.
      inner: the innermost loop: 0 for m, 1 for n, 2 for k.
      window: the first x and y to look at and the ends of both.
      probes: looks for the least bound of any x and y: leaves it in `best`, and x and y with their
        ends in `window`.
      least: scratch.
    """
    of_x, of_y, of_z = _ROLES[inner]
    num_x, num_y, num_z = problem.counts[of_x], problem.counts[of_y], problem.counts[of_z]
    own = problem.own
    first = 0
    while first < num_z and own[0, of_z, first, TRIPS] < 2:
        first += 1
    begin, end = window[0], min(window[2], num_x)
    # Neither all x up to one, nor all from one on, need be looked at.
    last = end
    while begin < last:
        x = (begin + last) // 2
        y, z = (
            first_y(problem, inner, x, num_y, num_z - 1),
            first_z(problem, inner, x, num_y - 1, first, num_z),
        )
        if (
            y == num_y
            or z == num_z
            or is_excluded(problem, best, flow, inner, (0, y, z), _X_ON, least)
        ):
            begin = x + 1
        else:
            last = x
    if begin == end:
        return
    y_start = first_y(problem, inner, begin, num_y, num_z - 1)
    z_start = first_z(problem, inner, begin, num_y - 1, first, num_z)
    y, z = (
        first_y(problem, inner, num_x - 1, num_y, num_z - 1),
        first_z(problem, inner, num_x - 1, num_y - 1, first, num_z),
    )
    last = begin
    while last < end:
        x = (last + end) // 2
        if is_excluded(problem, best, flow, inner, (x, y, z), _X_ON, least):
            end = x
        else:
            last = x + 1
    for x in range(begin, end):
        # The smaller the tile of x, the larger those of y and z.
        while y_start > 0 and fits(problem, inner, x, y_start - 1, num_z - 1):
            y_start -= 1
        while z_start > first and fits(problem, inner, x, num_y - 1, z_start - 1):
            z_start -= 1
        if is_excluded(problem, best, flow, inner, (x, y_start, z_start), _Y_ON, least):
            continue
        z_first = num_z
        for y in range(max(y_start, window[1]), min(window[3], num_y)):
            z_first = first_z(problem, inner, x, y, z_start, z_first)
            if z_first == num_z:
                continue
            if is_excluded(problem, best, flow, inner, (x, y, z_first), _Z_ON, least):
                if is_excluded(problem, best, flow, inner, (x, y, z_start), _Y_ON, least):
                    break
            elif probes:
                for column in range(3):
                    best[column] = least[column]
                window[4], window[5], window[6], window[7] = x, y, x + 1, y + 1
            else:
                swaps = own[0, of_x, x, SEVERAL] * own[0, of_y, y, SEVERAL]
                for z in range(z_first, num_z):
                    if is_excluded(problem, best, flow, inner, (x, y, z), _EACH, least):
                        if is_excluded(problem, best, flow, inner, (x, y, z), _Z_ON, least):
                            break
                        continue
                    spots = arranged(inner, x, y, z)
                    consider(problem, best, flow, ORDER_IDS[inner, 0], spots, least)
                    if swaps:
                        consider(problem, best, flow, ORDER_IDS[inner, 1], spots, least)


@inlined
def search_flow(
    problem: Problem, best: Any, flow: int, window: Any, probed: Any, least: Any
) -> None:
    """Looks for better mappings with one dataflow and partition, first where the bound is least.

    `_search` has other compiler options than what it calls. What both call would be compiled twice,
    so the mapping of one step is considered here.
    """
    whole = (0, 0, 0)
    if fits(problem, 2, 0, 0, 0) and not is_excluded(problem, best, flow, 2, whole, _EACH, least):
        consider(problem, best, flow, 0, whole, least)
    for column in range(FOUND):
        probed[column] = best[column]
    start = -1
    for inner in range(3):
        window[0] = window[1] = 0
        window[2] = window[3] = _EVERYTHING
        window[4] = -1
        search_case(problem, probed, flow, inner, window, True, least)
        if window[4] >= 0:
            start, x, y = inner, window[4], window[5]
    if start < 0:
        return
    window[0], window[1], window[2], window[3] = x, y, x + 1, y + 1
    search_case(problem, best, flow, start, window, False, least)
    if probed[VALUE] > best[VALUE]:
        return
    for inner in range(3):
        window[0] = window[1] = 0
        window[2] = window[3] = _EVERYTHING
        search_case(problem, best, flow, inner, window, False, least)


class Known(NamedTuple):
    """What is known before the search of many GEMMs.

    Attributes:
      runs: float64 [num], of each GEMM.
      floors: float64 [num], lower bounds of the value of a run of each.
      is_found: bool [num], whether the result is given.
      cutoff: the search ends when the value of all runs cannot be below it.
    """

    runs: Any
    floors: Any
    is_found: Any
    cutoff: float


def search(
    gemms: Any,
    goal: Any,
    halves: Any,
    array: Any,
    tasks: Any,
    partitions: Any,
    memories: Any = NO_MEMORIES,
    known: Known | None = None,
    results: Any = None,
    is_relaxed: bool = False,
) -> Any:
    """The best mapping of each GEMM.

    Args:
      gemms: int64 [num, 3], m, n and k.
      goal: float64 [GOAL].
      halves: int64 [4], the fields of `Halves`.
      array: int64 [2], rows and cols.
      tasks: int64 [num, dataflows, TASK].
      partitions: int64 [partitions, 3], cores along m, n and k.
      memories: int64 [SIZE_ROWS, sizes], prices by size of memory (`Problem`).
      known: what is known before; by default nothing.
      results: float64 [num, FOUND], of which rows may be given.
      is_relaxed: bounds for all arrays with at most these rows and columns, in place of costs.

    Returns:
      float64 [num, FOUND]; the value is infinite where nothing fits. Of GEMMs that are left when
      the search ends early it is the floor, and the cycles are infinite.
    """
    rows, cols = array.tolist()
    longest = max((most_tilings(dim, rows, cols) for dim in set(gemms.flat)), default=1)
    num = len(gemms)
    if known is None:
        known = Known(np.ones(num), np.zeros(num), np.zeros(num, bool), np.inf)
    if results is None:
        results = np.full((num, FOUND), np.inf)
    problem = Problem(
        is_relaxed=is_relaxed,
        goal=goal,
        halves=halves,
        memories=memories,
        tasks=np.empty(tasks.shape[1:], np.int64),
        rough_tasks=np.empty(tasks.shape[1:]),
        own=np.empty((1, 3, longest, COLUMNS), np.int64),
        rough=np.empty((2, 3, longest, COLUMNS)),
        counts=np.empty(3, np.int64),
        cores=np.empty(3, np.int64),
        whole=np.empty((4, RESULTS), np.int64),
        parts=np.empty((4, RESULTS)),
        trips=np.empty((3, 4, len(Position._fields)), np.int64),
        found=np.empty(FOUND),
    )
    _search(
        problem,
        gemms,
        tasks,
        array,
        partitions,
        results,
        known,
        np.empty((3, partitions.max() + 1, COLUMNS)),
        np.empty(len(partitions) * tasks.shape[1]),
        np.zeros((3, 2), np.int64),
        np.empty(SIZES, np.int64),
        np.empty(COLUMNS, np.int64),
        np.empty(8, np.int64),
        np.empty(FOUND),
        np.empty(3),
    )
    return results


@functools.partial(
    compiled,
    reads=(arithmetic, bounds, tables, text, tiled_loops, tiled_steps),
    nogil=True,
    _nrt=False,  # it allocates nothing, and code that counts references takes time to compile
)
def _search(
    problem: Problem,
    gemms: Any,
    tasks: Any,
    array: Any,
    partitions: Any,
    results: Any,
    known: Known,
    roots: Any,
    values: Any,
    built: Any,
    sizes: Any,
    plain: Any,
    window: Any,
    probed: Any,
    least: Any,
) -> None:
    """As `search`; results and scratch are allocated by the caller."""
    num_flows, counts, cores = tasks.shape[1], problem.counts, problem.cores
    sizes[3], sizes[4] = array[0], array[1]
    sum_ = 0.0  # of what is found, and of the floors of the rest
    for row in range(len(gemms)):
        if known.is_found[row]:
            sum_ += known.runs[row] * results[row, VALUE]
        else:
            sum_ += known.runs[row] * known.floors[row]
    for row in range(len(gemms)):
        if known.is_found[row]:
            continue
        best, dims = results[row], gemms[row]
        if sum_ >= known.cutoff:
            best[VALUE] = known.floors[row]
            continue
        for flow in range(num_flows):
            for column in range(TASK):
                problem.tasks[flow, column] = tasks[row, flow, column]
                problem.rough_tasks[flow, column] = tasks[row, flow, column]
        for axis in range(3):
            for parts in range(1, roots.shape[1]):
                sizes[0], sizes[1], sizes[2] = dims[axis], dims[axis], parts
                write_root(roots[axis, parts], sizes)
        for place in range(len(values)):
            at = partitions[place // num_flows]
            m, n, k = roots[0, at[0]], roots[1, at[1]], roots[2, at[2]]
            values[place] = least_value(problem, place % num_flows, m, n, k)
        while True:
            place = 0
            for other in range(1, len(values)):
                if values[other] < values[place]:
                    place = other
            if values[place] == np.inf or values[place] > best[VALUE]:
                break
            values[place] = np.inf
            for axis in range(3):
                cores[axis] = partitions[place // num_flows, axis]
                if dims[axis] != built[axis, 0] or cores[axis] != built[axis, 1]:
                    built[axis, 0], built[axis, 1] = dims[axis], cores[axis]
                    sizes[0], sizes[2] = dims[axis], cores[axis]
                    counts[axis] = write_tilings(
                        problem.own, axis, sizes, plain, problem.is_relaxed
                    )
                    write_least(problem.rough, problem.own, axis, counts[axis])
            search_flow(problem, best, place % num_flows, window, probed, least)
        sum_ += known.runs[row] * (best[VALUE] - known.floors[row])
