"""How good answers are: regret against the exact optimum, and a threshold for searching instead."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from airchitect_jax.learning.selective import risk_coverage, threshold_for
from airchitect_jax.learning.whole_networks.costs import Designs, equal_memories
from airchitect_jax.learning.whole_networks.exact import within
from airchitect_jax.learning.whole_networks.inference import TOLERATED_REGRET, Answers
from airchitect_jax.learning.whole_networks.network import log_totals
from airchitect_jax.learning.whole_networks.recommender import MIN_MAC_EXPONENT, MachineRecommender
from airchitect_jax.learning.whole_networks.walks import Layers, Seeds, walk
from airchitect_jax.workloads import GemmCounts

Row = dict[str, Any]


def regrets(
    recommender: MachineRecommender,
    answers: Answers,
    cycles: Sequence[Int[np.ndarray, "shapes sizings"]],
    budgets: Sequence[tuple[int, int]],
) -> list[Row]:
    """Certified regrets of answers: of the first candidate, and of the best candidate.

    Args:
      recommender: for its designs and threshold.
      answers: of networks, each with its budgets.
      cycles: exact, of each network on every design.
      budgets: (`mac_exponent`, `sram_steps`) of each.
    """
    rows = []
    for number, (table, budget) in enumerate(zip(cycles, budgets, strict=True)):
        optimum = int(within(table, [budget], recommender.designs)[0])
        found = np.isfinite(answers.log_cycles[number])
        costs = table[answers.shape[number][found], answers.sizing[number][found]]
        rows.append(
            {
                "mac_exponent": budget[0],
                "sram_steps": budget[1],
                "optimum": optimum,
                "regret": float(costs[0] / optimum - 1),
                "reranked_regret": float(costs.min() / optimum - 1),
                "risk": float(answers.risk[number]),
                "search_instead": recommender.is_doubtful(float(answers.risk[number]), budget[1]),
            }
        )
    return rows


def quantiles(values: Sequence[float] | Float[np.ndarray, "num"]) -> dict[str, float]:
    """Median, 99th percentile, largest and mean."""
    return {
        "median": float(np.median(values)),
        "p99": float(np.quantile(values, 0.99)),
        "max": float(np.max(values)),
        "mean": float(np.mean(values)),
    }


def risks_and_regrets(
    recommender: MachineRecommender, start: Seeds, key: jax.Array, *, num: int, num_layers: int
) -> tuple[Float[np.ndarray, "num"], Float[np.ndarray, "num"]]:
    """Risks and regrets of answers for synthetic networks, with random MAC budgets.

    Every SRAM budget is the largest, so that the optimum is that of the arrays.
    """
    designs = recommender.designs
    largest = designs.buffers.num_levels
    drawing, choosing = jax.random.split(key)
    layers = jax.jit(walk, static_argnums=(2, 3))(drawing, start, num, num_layers)
    exponents = jax.random.randint(choosing, (num,), MIN_MAC_EXPONENT, designs.max_mac_exponent + 1)
    workloads = [
        GemmCounts(gemms=tuple(map(tuple, dims)), counts=tuple(counts))
        for dims, counts in zip(
            np.asarray(layers.dims).tolist(),
            np.asarray(layers.counts, np.int64).tolist(),
            strict=True,
        )
    ]
    budgets = [(int(exponent), 3 * largest) for exponent in exponents]
    answers = recommender.answers(workloads, budgets)
    totals = np.asarray(_totals(layers, designs), np.float64)
    allowed = np.where(designs.mac_exponents <= np.asarray(exponents)[:, None], totals, np.inf)
    chosen = np.take_along_axis(totals, np.asarray(answers.shape[:, :1]), axis=1)[:, 0]
    return np.asarray(answers.risk, np.float64), np.exp(chosen - allowed.min(axis=1)) - 1


@functools.partial(jax.jit, static_argnums=1)
def _totals(layers: Layers, designs: Designs) -> Float[Array, "num shapes"]:
    """Log cycles of synthetic networks on every array with the largest memories."""
    level = jnp.full(layers.counts.shape, float(designs.buffers.num_levels))
    cycles = equal_memories(layers.dims.astype(jnp.float32), level, designs)
    return log_totals(jnp.log(cycles).min(axis=-1), layers.counts)


def fit_threshold(
    risks: Float[np.ndarray, "num"], regrets_: Float[np.ndarray, "num"], max_share: float
) -> float:
    """The threshold up to which at most `max_share` of the answers have a regret above 1%.

    0, which no risk undercuts, if there is none.
    """
    curve = risk_coverage(-risks, regrets_ > TOLERATED_REGRET)
    return max(-threshold_for(curve, max_share), 0.0)


def milliseconds(work: Callable[[], Any]) -> float:
    """The shortest of three times, after a first one that may compile."""
    times = []
    for _ in range(4):
        began = time.perf_counter()
        work()
        times.append(time.perf_counter() - began)
    return 1e3 * min(times[1:])
