"""The interfaces of search problems and searchers.

A searcher is a pair of pure functions, `init` and `step`, over a state of its own type. They serve
one workload and are traceable, so that `jit(vmap(...))` runs a thousand searches at once, unless
`Searcher.traceable` is false. A state has a `Tally`: the incumbent and the counted evaluations.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, Generic, Protocol, TypeVar

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from airchitect_jax.spaces import Layout, RelaxedPoint

Key = jax.Array
Workload = Any  # a pytree that the problem understands, one workload
_LOST = 1e-4  # of a level, in float32: no step down for that
_State = TypeVar("_State", bound="HasTally")


class Problem(Protocol):
    """Designs as points of a grid, and their costs for one workload; all traceable.

    To be used under 64-bit mode, in which costs are exact.
    """

    @property
    def layout(self) -> Layout:
        """The coordinates."""
        ...

    def confine(self, workload: Workload, sizes: Float[Array, "sizes"]) -> Float[Array, "sizes"]:
        """Projects sizes onto their ranges and the constraints; feasible sizes do not change.

        Rounding the result down keeps it feasible.
        """
        ...

    def cost(self, workload: Workload, point: Int[Array, "coordinates"]) -> Float[Array, ""]:
        """The exact cost of a feasible point (float64: whole numbers below 2**53)."""
        ...

    def log_relaxed_cost(
        self, workload: Workload, point: RelaxedPoint, temperature: Float[Array, ""]
    ) -> Float[Array, ""]:
        """The logarithm of the smoothed cost (`airchitect_jax.cost.relaxed`); float32."""
        ...


def repair(
    problem: Problem, workload: Workload, points: Int[Array, "count coordinates"]
) -> Int[Array, "count coordinates"]:
    """Repairs infeasible points; feasible points do not change.

    Sizes are projected onto the constraints and rounded down. The rest of the budget goes to the
    sizes in order, at most one level each and none above the requested one, because the optimum
    often uses the whole budget.
    """
    num_sizes = len(problem.layout.sizes)

    def repaired(sizes: Float[Array, "sizes"]) -> Float[Array, "sizes"]:
        whole = jnp.floor(problem.confine(workload, sizes) + _LOST)
        for size in range(num_sizes):
            raised = whole.at[size].add(1)
            kept = abs(problem.confine(workload, raised) - raised).max() < _LOST
            whole = jnp.where(kept & (raised[size] <= sizes[size]), raised, whole)
        return whole

    whole = jax.vmap(repaired)(points[:, :num_sizes].astype(jnp.float32))
    return jnp.concatenate([whole.astype(points.dtype), points[:, num_sizes:]], axis=1)


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True, kw_only=True)
class Tally:
    """The incumbent and the number of evaluations so far.

    Attributes:
      point: the best feasible point that was evaluated.
      cost: its exact cost; infinite before the first evaluation.
      evaluations: of the exact model.
      gradients: of the relaxed model, or of a network in its place.
    """

    point: Int[Array, "coordinates"]
    cost: Float[Array, ""]
    evaluations: Int[Array, ""]
    gradients: Int[Array, ""]

    @classmethod
    def empty(cls, layout: Layout) -> Tally:
        """Nothing evaluated yet."""
        return cls(
            point=jnp.zeros(len(layout.cardinalities), jnp.int32),
            cost=jnp.asarray(jnp.inf, jnp.float64),
            evaluations=jnp.zeros((), jnp.int32),
            gradients=jnp.zeros((), jnp.int32),
        )


def evaluate_points(
    problem: Problem,
    workload: Workload,
    tally: Tally,
    points: Int[Array, "count coordinates"],
    counts: Bool[Array, "count"] | None = None,
) -> tuple[Tally, Float[Array, "count"]]:
    """Exact costs of feasible points, and the updated tally; ties keep the earlier point.

    Args:
      problem: what is searched.
      workload: of this search.
      tally: so far.
      points: feasible, for example from `repair`.
      counts: which points to evaluate; the others cost infinity and are not counted.
    """
    costs = jax.vmap(lambda point: problem.cost(workload, point))(points)
    number = jnp.asarray(len(points), jnp.int32)
    if counts is not None:
        costs, number = jnp.where(counts, costs, jnp.inf), counts.sum(dtype=jnp.int32)
    first = jnp.argmin(costs)
    better = costs[first] < tally.cost
    return (
        dataclasses.replace(
            tally,
            point=jnp.where(better, points[first], tally.point),
            cost=jnp.where(better, costs[first], tally.cost),
            evaluations=tally.evaluations + number,
        ),
        costs,
    )


class HasTally(Protocol):
    """The part that all searcher states share."""

    @property
    def tally(self) -> Tally:
        """The incumbent and the counts."""
        ...


@dataclasses.dataclass(frozen=True, kw_only=True)
class Searcher(Generic[_State]):
    """A search algorithm.

    Attributes:
      init: from a key and a workload, the state before the first step.
      step: from a workload and a state, the next.
      traceable: whether both can be put under `jit` and `vmap`; otherwise they run in Python.
    """

    init: Callable[[Key, Workload], _State]
    step: Callable[[Workload, _State], _State]
    traceable: bool = True
