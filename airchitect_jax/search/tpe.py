"""The tree-structured Parzen estimator of Optuna. Needs optuna (extra `search`).

J. Bergstra, R. Bardenet, Y. Bengio, B. Kegl, "Algorithms for hyper-parameter optimization", 2011.
"""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int

from airchitect_jax.search.base import (
    Key,
    Problem,
    Searcher,
    Tally,
    Workload,
    evaluate_points,
    repair,
)
from airchitect_jax.spaces import Layout


@dataclasses.dataclass(frozen=True, kw_only=True)
class TpeState:
    """Optuna's study, which grows with each step, and the tally."""

    study: Any
    tally: Tally


def tpe(problem: Problem) -> Searcher[TpeState]:
    """Proposes one point per step, where good points are dense.

    Sizes are whole numbers to Optuna, choices and the permutation categories. It is told the
    logarithm of the cost of the repaired point. Not traceable: it runs in Python.

    Raises:
      ValueError: there is no optuna; names the extra.
    """
    try:
        import optuna
    except ImportError:
        raise ValueError("TPE needs optuna: pip install 'airchitect-jax[search]'") from None
    layout = problem.layout
    distributions = _distributions(layout)

    @jax.jit
    def evaluate_one(
        workload: Workload, tally: Tally, point: Int[Array, "1 coordinates"]
    ) -> tuple[Tally, Array]:
        tally, costs = evaluate_points(problem, workload, tally, repair(problem, workload, point))
        return tally, costs[0]

    def init(key: Key, workload: Workload) -> TpeState:
        del workload
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        sampler = optuna.samplers.TPESampler(
            seed=int(jax.random.bits(key, dtype=np.uint32)), multivariate=True
        )
        return TpeState(study=optuna.create_study(sampler=sampler), tally=Tally.empty(layout))

    def step(workload: Workload, state: TpeState) -> TpeState:
        trial = state.study.ask(distributions)
        point = np.array([[trial.params[name] for name in distributions]], np.int32)
        tally, cost = evaluate_one(workload, state.tally, jnp.asarray(point))
        state.study.tell(trial, math.log(float(cost)))
        return TpeState(study=state.study, tally=tally)

    return Searcher(init=init, step=step, traceable=False)


def _distributions(layout: Layout) -> dict[str, Any]:
    """Optuna's distribution of each coordinate, by name."""
    from optuna.distributions import CategoricalDistribution, IntDistribution

    sizes, others = layout.cardinalities[: len(layout.sizes)], layout.cardinalities
    others = others[len(sizes) :]
    return {f"size{i}": IntDistribution(0, levels - 1) for i, levels in enumerate(sizes)} | {
        f"choice{i}": CategoricalDistribution(range(values)) for i, values in enumerate(others)
    }
