"""Evaluation of recommendations: accuracy, normalised performance, and simple baselines."""

from __future__ import annotations

import dataclasses
import functools
import time
from collections.abc import Callable
from typing import Any, Protocol

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Bool, Float, Int

from airchitect_jax._support import map_chunks
from airchitect_jax.case_studies import CaseStudy, check_range
from airchitect_jax.learning.datasets import Dataset

TOP = 5
_BATCH = 8192  # workloads in one call, or fewer where there are many designs
_MAX_LOGITS = 1 << 25


@dataclasses.dataclass(frozen=True, kw_only=True)
class Evaluation:
    """Choices for a set of workloads beside the exact optimum.

    Attributes:
      chosen: Int[num], the recommended design ids.
      optimal: Int[num], the exact best design ids.
      is_optimal: Bool[num], whether the choice costs exactly the optimum.
      normalized_performance: Float[num], optimal cost / chosen cost, in (0, 1].
      metrics: the scalars of `summary.json`.
    """

    chosen: Int[np.ndarray, "num"]
    optimal: Int[np.ndarray, "num"]
    is_optimal: Bool[np.ndarray, "num"]
    normalized_performance: Float[np.ndarray, "num"]
    metrics: dict[str, float]


class Ranker(Protocol):
    """Anything that ranks designs for workloads: a network or a baseline."""

    def rank(
        self, workloads: Int[np.ndarray, "features num"], count: int = 1
    ) -> tuple[Int[np.ndarray, "num count"], Bool[np.ndarray, "num"]]:
        """The best `count` feasible design ids, best first, and where an infeasible one was masked.

        Rankers without a second choice return one column whatever `count`.
        """
        ...

    def per_second(self, workloads: Int[np.ndarray, "features num"]) -> float:
        """Decisions per second."""
        ...


class Recommender:
    """A trained network as a function: the feasible designs that it ranks highest.

    A softmax over all designs can put an infeasible one first; a recommendation cannot, so
    infeasible logits are masked. How often that was needed is reported beside the accuracy.

    Args:
      case: the case study that the network answers.
      model: the network.
      any_value: whether it takes values outside the features' ranges (`NetworkRecipe`).
    """

    def __init__(self, case: CaseStudy, model: nnx.Module, *, any_value: bool = False) -> None:
        self._case, self._any_value = case, any_value
        self._graphdef, self._state = nnx.split(model)
        fitting = max(_MAX_LOGITS // case.space.num_designs, 1)
        self._batch = min(_BATCH, 1 << (fitting.bit_length() - 1))

        @functools.partial(jax.jit, static_argnames="count")
        def top(
            state: Any, workloads: Int[jax.Array, "features batch"], count: int
        ) -> tuple[Int[jax.Array, "batch count"], Bool[jax.Array, "batch"]]:
            logits = nnx.merge(self._graphdef, state)(workloads)
            feasible = jnp.where(case.feasible(workloads), logits, -jnp.inf)
            if count == 1:
                ranked = first_argmax(feasible)[:, None]
            else:
                ranked = jax.lax.top_k(feasible, count)[1]
            return ranked, logits.max(axis=-1) > feasible.max(axis=-1)

        @jax.jit
        def feasible_logits(
            state: Any, workloads: Int[jax.Array, "features batch"]
        ) -> Float[jax.Array, "batch designs"]:
            logits = nnx.merge(self._graphdef, state)(workloads)
            return jnp.where(case.feasible(workloads), logits, -jnp.inf)

        self._top, self._feasible_logits = top, feasible_logits

    def rank(
        self, workloads: Int[np.ndarray, "features num"], count: int = 1
    ) -> tuple[Int[np.ndarray, "num count"], Bool[np.ndarray, "num"]]:
        """The best `count` feasible design ids, best first, and where the mask was needed.

        Raises:
          ValueError: a value is outside the feature's range; names it.
        """
        return map_chunks(
            lambda columns: self._top(self._state, jnp.stack(columns), count),
            list(check_range(self._case, workloads, any_value=self._any_value)),
            chunk=self._batch,
        )

    def logits(
        self, workloads: Int[np.ndarray, "features num"]
    ) -> Float[np.ndarray, "num designs"]:
        """Logits of all designs, minus infinity where infeasible; for sets that fit into memory.

        Raises:
          ValueError: a value is outside the feature's range; names it.
        """
        return map_chunks(
            lambda columns: self._feasible_logits(self._state, jnp.stack(columns)),
            list(check_range(self._case, workloads, any_value=self._any_value)),
            chunk=self._batch,
        )

    def per_second(self, workloads: Int[np.ndarray, "features num"]) -> float:
        """Decisions per second on the device, in batches of up to 8192, without transfers."""
        repeated = workloads[:, np.arange(self._batch) % workloads.shape[1]]
        batch = jnp.asarray(repeated, jnp.int32)
        return self._batch / best_seconds(lambda: self._top(self._state, batch, 1))


def num_parameters(model: nnx.Module) -> int:
    """Number of trained parameters."""
    return sum(leaf.size for leaf in jax.tree.leaves(nnx.state(model, nnx.Param)))


def first_argmax(values: Float[jax.Array, "batch designs"]) -> Int[jax.Array, "batch"]:
    """Argmax over the last axis, in two reductions that XLA's CPU backend vectorises."""
    indices = jnp.arange(values.shape[-1], dtype=jnp.int32)[None, :]
    largest = values.max(axis=-1, keepdims=True)
    return jnp.where(values == largest, indices, values.shape[-1]).min(axis=-1)


def best_seconds(function: Callable[[], Any], repeats: int = 5) -> float:
    """The shortest of a few runs after one that compiles."""
    jax.block_until_ready(function())
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        jax.block_until_ready(function())
        seconds.append(time.perf_counter() - start)
    return min(seconds)


def decisions_per_second(ranker: Ranker, workloads: Int[np.ndarray, "features num"]) -> float:
    """Decisions per second, in one batch after one that compiles."""
    ranker.rank(workloads)
    start = time.perf_counter()
    ranker.rank(workloads)
    return workloads.shape[1] / (time.perf_counter() - start)


def performance_metrics(performance: Float[np.ndarray, "num"]) -> dict[str, float]:
    """Geometric mean, first percentile and minimum of normalised performance."""
    return {
        "geomean_normalized_performance": float(np.exp(np.mean(np.log(performance)))),
        "p01_normalized_performance": float(np.quantile(performance, 0.01)),
        "min_normalized_performance": float(performance.min()),
    }


def evaluate_choices(case: CaseStudy, test: Dataset, chosen: Int[np.ndarray, "num"]) -> Evaluation:
    """Scores feasible choices by the exact model."""
    optimal_costs = case.costs(test.workloads, test.design_ids)
    chosen_costs = case.costs(test.workloads, chosen)
    performance = optimal_costs / chosen_costs
    is_optimal = chosen_costs == optimal_costs
    return Evaluation(
        chosen=chosen,
        optimal=test.design_ids,
        is_optimal=is_optimal,
        normalized_performance=performance,
        metrics={
            "test_accuracy": float(np.mean(chosen == test.design_ids)),
            "optimal_set_accuracy": float(np.mean(is_optimal)),
            **performance_metrics(performance),
        },
    )


def evaluate_recommender(case: CaseStudy, recommender: Ranker, test: Dataset) -> Evaluation:
    """Scores first choices, and how often the label is among the first five, if there are five.

    Shares that end in `_unmasked` count an infeasible first choice as wrong. Without them it is
    replaced by the feasible design that is ranked highest.
    """
    ranked, masked = recommender.rank(test.workloads, TOP)
    evaluation = evaluate_choices(case, test, ranked[:, 0])
    is_label = ranked[:, 0] == test.design_ids
    metrics = evaluation.metrics | {
        "test_accuracy_unmasked": float(np.mean(is_label & ~masked)),
        "optimal_set_accuracy_unmasked": float(np.mean(evaluation.is_optimal & ~masked)),
        "infeasible_first_choice_share": float(np.mean(masked)),
    }
    if ranked.shape[1] == TOP:
        hits = (ranked == test.design_ids[:, None]).any(axis=1)
        metrics["top5_accuracy"] = float(np.mean(hits))
    return dataclasses.replace(evaluation, metrics=metrics)


def evaluate_heuristics(case: CaseStudy, test: Dataset) -> dict[str, Evaluation]:
    """Scores the heuristics of the case study."""
    return {
        name: evaluate_choices(case, test, chosen)
        for name, chosen in case.heuristics(test.workloads).items()
    }


def majority_class_accuracy(reference: Dataset, test: Dataset) -> float:
    """Accuracy of always answering the most frequent label of `reference`."""
    majority = np.bincount(reference.design_ids).argmax()
    return float(np.mean(test.design_ids == majority))


def label_statistics(case: CaseStudy, dataset: Dataset) -> dict[str, float | int]:
    """How evenly the labels are spread over the designs."""
    counts = np.bincount(dataset.design_ids, minlength=case.space.num_designs)
    shares = counts[counts > 0] / len(dataset)
    return {
        "label_entropy_bits": float(-(shares * np.log2(shares)).sum()),
        "most_frequent_label_share": float(shares.max()),
        "num_labels_seen": len(shares),
    }


def labels_per_second(case: CaseStudy, *, seed: int) -> float:
    """Exact labels per second on the device, in a large batch, without transfers."""
    batch = 4 * case.label_batch
    workloads = jax.jit(case.sample, static_argnums=1)(jax.random.key(seed), batch)
    return batch / best_seconds(lambda: case.label(workloads))
