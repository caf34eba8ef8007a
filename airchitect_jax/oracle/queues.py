"""Schedules of any number of workloads on a few arrays, each with a queue (R || Cmax).

The order within a queue does not matter, so a schedule is an array for each workload. Small
problems are solved exactly, in integers: workload by workload, all distinct loads of the arrays
that can still end within the limit are kept. Large ones are solved by HiGHS (in SciPy) as a
mixed-integer program with a time limit; a list schedule improved by local search is the fallback.
No bound is taken from HiGHS, whose floats are only accurate to a tolerance. A lower bound is
computed in whole numbers from its prices of the arrays' time (a dual solution of the linear
relaxation).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from airchitect_jax._support import INT64_SAFE, int_field
from airchitect_jax.cost import Platform, best_dataflow, dataflow_cycles
from airchitect_jax.types import ArrayShape, Gemm, RuntimeModel

MAX_WORKLOADS = 2000
_MAX_STATES = 1 << 18  # loads that the exact search keeps
_PRICE_STEPS = 2**40  # prices as whole numbers
_SAFE_SUM = 2**53  # cycles of all workloads together, where float64 is exact


@dataclasses.dataclass(frozen=True, kw_only=True)
class QueueSchedule:
    """A schedule of W workloads on A arrays, with a lower bound on the makespan.

    Attributes:
      array: Int[W], where each workload runs.
      dataflow: Int[W], the `Dataflow` of each.
      cycles: Int[W], the cycles of each.
      loads: Int[A], the cycles of each array's queue.
      makespan: the largest of the loads.
      lower_bound: no schedule has a smaller makespan.
      is_exact: whether the makespan is proven to be optimal.
    """

    array: Int[np.ndarray, "workloads"]
    dataflow: Int[np.ndarray, "workloads"]
    cycles: Int[np.ndarray, "workloads"]
    loads: Int[np.ndarray, "arrays"]
    makespan: int
    lower_bound: int
    is_exact: bool

    @property
    def gap(self) -> float:
        """Makespan / lower_bound - 1: at most how much longer it is than the optimum."""
        return 0.0 if self.is_exact else self.makespan / self.lower_bound - 1


def schedule_queues(
    workloads: Gemm,
    arrays: Sequence[ArrayShape],
    *,
    runtime_model: RuntimeModel = RuntimeModel.SCALESIM,
    time_limit_s: float = 20.0,
) -> QueueSchedule:
    """A schedule of least makespan, or the best one found in time, with a lower bound.

    Args:
      workloads: fields of shape [W], W in 1..2000: whole numbers in 1..2**31 - 1.
      arrays: one or more.
      runtime_model: the cycle count to use.
      time_limit_s: seconds for each of HiGHS's two runs, where the exact search gives up (at a
        number of states, not a time: it usually finishes twenty GEMMs of similar size on four
        arrays, but rarely thirty).

    Raises:
      ValueError: a field is out of range, or the cycles of all workloads exceed 2**53.

    Example:
      >>> gemms = aj.Gemm(m=np.array([64, 1024, 196]), n=np.array([64, 512, 768]), k=np.full(3, 64))
      >>> arrays = [aj.ArrayShape(rows=32, cols=32), aj.ArrayShape(rows=64, cols=16)]
      >>> found = schedule_queues(gemms, arrays)
      >>> found.array.tolist(), int(found.makespan), found.is_exact
      ([1, 0, 1], 35775, True)
    """
    cycles, dataflows = _tables(workloads, arrays, Platform(runtime_model=runtime_model))
    assigned = _list_schedule(cycles)
    bound = _simple_bound(cycles)
    if _makespan(cycles, assigned) > bound:
        found, is_exact = _exhaustive(cycles, _makespan(cycles, assigned) - 1)
        if is_exact:
            assigned = assigned if found is None else found
            bound = _makespan(cycles, assigned)
        else:
            solved = _highs(cycles, time_limit_s)
            if solved is not None:
                solved = _improve(cycles, solved)
                if _makespan(cycles, solved) < _makespan(cycles, assigned):
                    assigned = solved
            limit = _makespan(cycles, assigned) - 1
            proven = _priced_bound(cycles, _prices(cycles, limit, time_limit_s), limit)
            bound = max(bound, proven)
    everyone = np.arange(len(cycles))
    makespan = _makespan(cycles, assigned)
    return QueueSchedule(
        array=assigned,
        dataflow=dataflows[everyone, assigned],
        cycles=cycles[everyone, assigned],
        loads=_loads(cycles, assigned),
        makespan=makespan,
        lower_bound=bound,
        is_exact=makespan == bound,
    )


def _tables(
    workloads: Gemm, arrays: Sequence[ArrayShape], platform: Platform
) -> tuple[Int[np.ndarray, "workloads arrays"], Int[np.ndarray, "workloads arrays"]]:
    """Fewest cycles of each workload on each array, and the dataflow that takes them."""
    dims = {name: int_field(name, getattr(workloads, name), low=1) for name in ("m", "n", "k")}
    shapes = {dim.shape for dim in dims.values()}
    if len(shapes) != 1 or any(len(s) != 1 or not 1 <= s[0] <= MAX_WORKLOADS for s in shapes):
        raise ValueError(
            f"workloads: the shapes {', '.join(map(str, shapes))} are not allowed; expected m, n"
            f" and k alike, of one axis of 1..{MAX_WORKLOADS}"
        )
    if not arrays:
        raise ValueError("arrays: none are given; expected one or more")
    gemms = Gemm(**dims)
    wide = Gemm(**{name: dim.astype(np.float64) for name, dim in dims.items()})
    cycles, dataflows = [], []
    for array in arrays:
        estimate, _ = best_dataflow(dataflow_cycles(wide, array, platform))
        # Every dataflow must fit into int64, and the best ones together into float64.
        slowest = np.max(np.stack(dataflow_cycles(wide, array, platform)))
        if slowest >= INT64_SAFE or estimate.sum() >= _SAFE_SUM:
            raise ValueError(
                f"the workloads on {array.rows}x{array.cols} take {estimate.sum():.3g} cycles in"
                " all; queues are exact below 2**53"
            )
        count, dataflow = best_dataflow(dataflow_cycles(gemms, array, platform))
        cycles.append(count)
        dataflows.append(np.broadcast_to(dataflow, count.shape))
    return np.stack(cycles, axis=1), np.stack(dataflows, axis=1)


def _loads(cycles: np.ndarray, assigned: np.ndarray) -> Int[np.ndarray, "arrays"]:
    loads = np.zeros(cycles.shape[1], np.int64)
    np.add.at(loads, assigned, cycles[np.arange(len(cycles)), assigned])
    return loads


def _makespan(cycles: np.ndarray, assigned: np.ndarray) -> int:
    return int(_loads(cycles, assigned).max())


def _simple_bound(cycles: Int[np.ndarray, "workloads arrays"]) -> int:
    """The longest best time, or if larger the mean load with all at their best times."""
    fewest = cycles.min(axis=1)
    return max(int(fewest.max()), -(-int(fewest.sum()) // cycles.shape[1]))


def _list_schedule(cycles: Int[np.ndarray, "workloads arrays"]) -> Int[np.ndarray, "workloads"]:
    """Longest first, each on the array where it ends first; then improved."""
    assigned = np.zeros(len(cycles), np.int64)
    loads = np.zeros(cycles.shape[1], np.int64)
    for workload in np.argsort(-cycles.min(axis=1), kind="stable"):
        array = int((loads + cycles[workload]).argmin())
        assigned[workload], loads[array] = array, loads[array] + cycles[workload, array]
    return _improve(cycles, assigned)


def _improve(
    cycles: Int[np.ndarray, "workloads arrays"], assigned: Int[np.ndarray, "workloads"]
) -> Int[np.ndarray, "workloads"]:
    """Moves and swaps from the longest queue while one reduces the maximum of both queues."""
    assigned, everyone = assigned.copy(), np.arange(len(cycles))
    while True:
        loads = _loads(cycles, assigned)
        longest = int(loads.argmax())
        here = np.flatnonzero(assigned == longest)
        # Each workload of the longest queue (rows) against all others (columns): both change queue.
        others = assigned[None, :]
        away = cycles[here][:, assigned]  # of the first on the other's array
        back = cycles[everyone, longest][None, :]
        ours = loads[longest] - cycles[here, longest][:, None] + back
        theirs = loads[others] - cycles[everyone, assigned][None, :] + away
        swapped = np.where(others == longest, loads[longest], np.maximum(ours, theirs))
        moved = np.maximum(
            loads[longest] - cycles[here, longest][:, None], loads[None, :] + cycles[here]
        )
        moved[:, longest] = loads[longest]
        if min(swapped.min(), moved.min()) >= loads[longest]:
            return assigned
        if moved.min() <= swapped.min():
            first, array = np.unravel_index(moved.argmin(), moved.shape)
            assigned[here[first]] = array
        else:
            first, second = np.unravel_index(swapped.argmin(), swapped.shape)
            assigned[here[first]], assigned[second] = assigned[second], longest


def _exhaustive(
    cycles: Int[np.ndarray, "workloads arrays"], limit: int
) -> tuple[Int[np.ndarray, "workloads"] | None, bool]:
    """The best schedule that ends by `limit`, or None; and whether the search finished.

    It does not if more than `_MAX_STATES` loads have to be kept.
    """
    num_arrays = cycles.shape[1]
    fewest = cycles.min(axis=1)
    order = np.argsort(-fewest, kind="stable")  # the largest decide the most
    left = np.append(np.cumsum(fewest[order][::-1])[::-1][1:], 0)
    states = np.zeros((1, num_arrays), np.int64)
    steps: list[tuple[np.ndarray, np.ndarray]] = []  # of each state, its parent and the array
    for workload, later in zip(order, left, strict=True):
        grown = states[:, None, :] + np.diag(cycles[workload])[None]
        grown = grown.reshape(-1, num_arrays)
        # The rest takes at least its fewest cycles, spread evenly over all arrays.
        fits = (grown.max(axis=1) <= limit) & (grown.sum(axis=1) + later <= limit * num_arrays)
        kept = np.flatnonzero(fits)
        states, first = np.unique(grown[kept], axis=0, return_index=True)
        if len(states) > _MAX_STATES:
            return None, False
        kept = kept[first]
        steps.append((kept // num_arrays, kept % num_arrays))
    if not len(states):
        return None, True
    state = int(states.max(axis=1).argmin())
    assigned = np.empty(len(cycles), np.int64)
    for workload, (parent, array) in zip(order[::-1], reversed(steps), strict=True):
        assigned[workload], state = array[state], int(parent[state])
    return assigned, True


def _priced_bound(
    cycles: Int[np.ndarray, "workloads arrays"], prices: Float[np.ndarray, "arrays"], limit: int
) -> int:
    """A lower bound on the makespan, at most `limit` + 1, valid for any prices.

    Let a cycle of array a cost p_a >= 0. A schedule's loads cost at least what its workloads cost
    where each is cheapest, and at most the makespan times the sum of the prices (weak duality):

        makespan >= sum over workloads of (min over arrays of p_a cycles) / sum of p_a.

    A schedule that ends by `limit` runs no workload where that alone takes longer, so the minimum
    is over the other arrays; every other schedule ends at `limit` + 1 or later. Prices are rounded
    to whole numbers first, and the rest is in Python integers.
    """
    usable = np.where(np.isfinite(prices) & (prices > 0), prices, 0.0)
    if not usable.any():
        return 0
    whole = [round(price * _PRICE_STEPS) for price in (usable / usable.max()).tolist()]
    cost = 0
    for row in cycles.tolist():
        allowed = [price * count for price, count in zip(whole, row, strict=True) if count <= limit]
        if not allowed:
            return limit + 1
        cost += min(allowed)
    return min(limit + 1, -(-cost // sum(whole)))


def _prices(
    cycles: Int[np.ndarray, "workloads arrays"], limit: int, time_limit_s: float
) -> Float[np.ndarray, "arrays"]:
    """Prices of the arrays' time for which `_priced_bound` is near its maximum.

    A dual solution of the linear relaxation; all ones where none is found in time.
    """
    from scipy import optimize

    objective, once, loads = _relaxation(cycles)
    most = np.append((cycles <= limit).ravel().astype(np.float64), np.inf)
    result = optimize.linprog(
        objective,
        A_ub=loads,
        b_ub=np.zeros(loads.shape[0]),
        A_eq=once,
        b_eq=np.ones(once.shape[0]),
        bounds=np.stack([np.zeros(len(most)), most], axis=1),
        method="highs",
        options={"time_limit": time_limit_s},
    )
    if result.status != 0:
        return np.ones(loads.shape[0])
    return -np.asarray(result.ineqlin.marginals)


def _highs(
    cycles: Int[np.ndarray, "workloads arrays"], time_limit_s: float
) -> Int[np.ndarray, "workloads"] | None:
    """A schedule, if one was found in time."""
    from scipy import optimize

    objective, once, loads = _relaxation(cycles)
    pairs = cycles.size
    result = optimize.milp(
        objective,
        constraints=[
            optimize.LinearConstraint(once, 1, 1),
            optimize.LinearConstraint(loads, -np.inf, 0),
        ],
        integrality=np.append(np.ones(pairs), 0),
        bounds=optimize.Bounds(0, np.append(np.ones(pairs), np.inf)),
        options={"time_limit": time_limit_s},
    )
    if result.x is None:
        return None
    return result.x[:pairs].reshape(cycles.shape).argmax(axis=1)


def _relaxation(cycles: Int[np.ndarray, "workloads arrays"]) -> tuple[np.ndarray, Any, Any]:
    """The linear program: shares of workloads on arrays, then the makespan, which is minimised.

    Its objective; the rows that assign each workload once; and the rows that are at most zero, the
    load of an array less the makespan.
    """
    from scipy import sparse

    num, num_arrays = cycles.shape
    unit = cycles.min(axis=1).max()  # so that numbers are near one, as the tolerances expect
    once = sparse.kron(sparse.eye(num), np.ones((1, num_arrays)))
    by_array = [sparse.diags(row / unit) for row in cycles]
    return (
        np.append(np.zeros(cycles.size), 1.0),
        sparse.hstack([once, np.zeros((num, 1))]).tocsr(),
        sparse.hstack([*by_array, -np.ones((num_arrays, 1))]).tocsr(),
    )
