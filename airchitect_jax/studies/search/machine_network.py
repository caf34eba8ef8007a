"""A network that proposes machines for workloads, trained on random ones.

It is labelled within its training time, by the search for the best machine with a time limit, so
labels are optimal or the best found. It never sees a packaged network.
"""

from __future__ import annotations

import dataclasses
import time
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx
from jaxtyping import Array, Float, Int

from airchitect_jax import search
from airchitect_jax.oracle.machines import Question, best_machine
from airchitect_jax.search import MachineProblem, NumberedWorkload, batch_questions
from airchitect_jax.workloads import GemmCounts

_LABEL_SHARE = 0.7  # of the training time
_LABEL_SECONDS = 0.5  # at most, of a label
_MOST_LAYERS = 6
_MOST_LOG2_DIM, _MOST_LOG2_COUNT = 14, 5
_HIDDEN = 64
_BLUR = 1 / 32  # labels are blurred by this share of the levels, since levels are ordered


class MachineNetwork(nnx.Module):
    """A dense network over each GEMM, their mean by work and their maximum, and a head per axis."""

    def __init__(self, levels: tuple[int, ...], *, rngs: nnx.Rngs) -> None:
        self.of_gemm = nnx.List([nnx.Linear(5, _HIDDEN, rngs=rngs)])
        self.of_gemm.append(nnx.Linear(_HIDDEN, _HIDDEN, rngs=rngs))
        self.of_all = nnx.Linear(2 * _HIDDEN + 1, _HIDDEN, rngs=rngs)
        self.heads = nnx.List([nnx.Linear(_HIDDEN, number, rngs=rngs) for number in levels])

    def __call__(self, workload: NumberedWorkload) -> tuple[Float[Array, "levels"], ...]:
        """Logits of the values of each axis; one workload."""
        dims = jnp.asarray(workload.dims, jnp.float32)
        counts = jnp.asarray(workload.counts, jnp.float32)
        work = dims.prod(axis=1) * counts
        share = work / work.sum()
        logs = jnp.log2(jnp.maximum(counts, 1))[:, None], jnp.log2(share + 1e-6)[:, None]
        x = jnp.concatenate([jnp.log2(dims), *logs], axis=1) / 8
        for layer in self.of_gemm:
            x = nnx.relu(layer(x))
        most = jnp.where((counts > 0)[:, None], x, 0).max(axis=0)
        x = jnp.concatenate([share @ x, most, jnp.log2(work.sum())[None] / 32])
        x = nnx.relu(self.of_all(x))
        return tuple(head(x) for head in self.heads)


def train_machine_network(
    problem: MachineProblem, *, seed: int, seconds: float
) -> search.TrainedNetwork:
    """A network for the space, objective and budgets of a problem, trained for so many seconds.

    Raises:
      ValueError: no random workload has a machine within the budgets.
    """
    start = time.perf_counter()
    questions, labels = _labelled(problem.questions[0], seed, start + _LABEL_SHARE * seconds)
    workloads = batch_questions(MachineProblem(questions=questions))
    levels = problem.layout.sizes
    targets = [_blurred(column, number) for column, number in zip(labels.T, levels, strict=True)]
    graphdef, state = nnx.split(MachineNetwork(levels, rngs=nnx.Rngs(seed)))
    optimizer = optax.adamw(3e-3, weight_decay=1e-3)

    def loss(state: Any) -> Float[Array, ""]:
        logits = jax.vmap(nnx.merge(graphdef, state))(workloads)
        losses = [
            optax.softmax_cross_entropy(one, target).mean()
            for one, target in zip(logits, targets, strict=True)
        ]
        return jnp.stack(losses).sum()

    @jax.jit
    def update(state: Any, adam: optax.OptState) -> tuple[Any, optax.OptState]:
        changes, adam = optimizer.update(jax.grad(loss)(state), adam, state)
        return optax.apply_updates(state, changes), adam

    adam = optimizer.init(state)
    while True:
        state, adam = jax.block_until_ready(update(state, adam))
        if time.perf_counter() - start >= seconds:
            break
    return search.TrainedNetwork(
        name=f"heads, {len(labels)} labels",
        logits=nnx.merge(graphdef, state),
        train_seconds=time.perf_counter() - start,
    )


def _labelled(
    question: Question, seed: int, end: float
) -> tuple[tuple[Question, ...], Int[np.ndarray, "labels axes"]]:
    """Random workloads and the places of the values of their machines, one at least."""
    rng = np.random.default_rng([seed, 1])
    axes = question.platform.hardware.axes
    questions, labels = list[Question](), list[list[int]]()
    while not labels or time.perf_counter() < end:
        num = int(rng.integers(1, _MOST_LAYERS + 1))
        dims = np.exp2(rng.uniform(0, _MOST_LOG2_DIM, (num, 3))).astype(int)
        counts = np.exp2(rng.uniform(0, _MOST_LOG2_COUNT, num)).astype(int)
        gemms = GemmCounts.of([tuple(row) for row in dims.tolist()], counts.tolist())
        one = dataclasses.replace(question, gemms=gemms, operators=())
        best = best_machine(one, gap=1e-3, time_limit=_LABEL_SECONDS)
        if best.machine is None:
            raise ValueError("train_seconds: no machine within the budgets was found in time")
        questions.append(one)
        labels.append([axes[name].index(value) for name, value in best.machine.items()])
    return tuple(questions), np.array(labels)


def _blurred(column: Int[np.ndarray, "labels"], levels: int) -> Float[np.ndarray, "labels levels"]:
    """Labels as distributions over the levels nearby."""
    distance = (np.arange(levels) - column[:, None]) / max(_BLUR * levels, 0.3)
    weights = np.exp(-(distance**2) / 2)
    return (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)
