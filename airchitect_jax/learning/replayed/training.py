"""Training of the network on replays: every step draws workloads, and a budget for each."""

from __future__ import annotations

import dataclasses
import functools
import time
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array

from airchitect_jax.case_studies import BufferCase
from airchitect_jax.learning.replayed.labels import Replays
from airchitect_jax.learning.replayed.losses import CHUNK, delay_errors, regret
from airchitect_jax.learning.replayed.network import Parameters, delays, initial
from airchitect_jax.learning.replayed.sizer import Sizer

_WARM_UP = 0.1  # of the steps
_FINAL = 1e-3  # of the peak learning rate
_REGRETS = 3.0  # weigh so much more than errors
BLOCK = 64  # steps of one call


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrainingConfig:
    """How the network is trained.

    Attributes:
      hidden_sizes: widths of the hidden layers.
      steps: a multiple of `BLOCK`.
      batch_size: workloads of a step, a multiple of `CHUNK`.
      learning_rate: the peak of a schedule that rises for a tenth of the steps.
    """

    hidden_sizes: tuple[int, ...]
    steps: int
    batch_size: int
    learning_rate: float

    def __post_init__(self) -> None:
        for name, unit in (("steps", BLOCK), ("batch_size", CHUNK)):
            value = getattr(self, name)
            if value < unit or value % unit:
                raise ValueError(f"{name}: {value} is not allowed; expected a multiple of {unit}")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Trained:
    """A trained network, the seconds of one core that it took, and the loss on the way."""

    sizer: Sizer
    seconds: float
    losses: list[float]


def train(
    case: BufferCase,
    replays: Replays,
    config: TrainingConfig,
    *,
    seed: int,
) -> Trained:
    """Trains from nothing; the same seed gives the same network on the same backend.

    Args:
      case: the case study.
      replays: what is learnt, with other budgets in each step.
      config: sizes and lengths.
      seed: of the parameters and of the batches.
    """
    start = time.process_time()
    sizer = Sizer(case=case, parameters={})
    optimizer = optax.adam(
        optax.cosine_onecycle_schedule(
            config.steps, config.learning_rate, _WARM_UP, final_div_factor=1 / _FINAL
        )
    )
    parameters: Any = initial(jax.random.key(seed), config.hidden_sizes, sizer.sizes_kb)
    state = optimizer.init(parameters)
    budgets = case.features[0]
    rng = np.random.default_rng(seed)
    losses: list[float] = []
    for _ in range(config.steps // BLOCK):
        shape = (BLOCK, config.batch_size)
        rows = rng.integers(0, len(replays), shape)
        batch = (
            jnp.asarray(np.moveaxis(replays.workloads[:, rows], 0, 1)),
            jnp.asarray(np.moveaxis(replays.delays[:, :, rows], 2, 0)),
            jnp.asarray(rng.integers(budgets.low, budgets.high + 1, shape), jnp.int32),
        )
        parameters, state, loss = _block(optimizer, sizer.sizes_kb, parameters, state, batch)
        losses.append(float(loss))
    trained = dataclasses.replace(sizer, parameters=jax.tree.map(np.asarray, parameters))
    return Trained(sizer=trained, seconds=time.process_time() - start, losses=losses)


@functools.partial(jax.jit, static_argnums=(0, 1), donate_argnums=(2, 3))
def _block(
    optimizer: optax.GradientTransformation,
    sizes_kb: tuple[int, ...],
    parameters: Parameters,
    state: Any,
    batches: tuple[Array, Array, Array],
) -> tuple[Parameters, Any, Array]:
    """Some steps, and their mean loss."""

    def loss_of(parameters: Parameters, batch: tuple[Array, Array, Array]) -> Array:
        workloads, exact, budget_steps = batch
        predicted = delays(parameters, workloads, sizes_kb)
        return delay_errors(predicted, exact) + _REGRETS * regret(predicted, exact, budget_steps)

    def step(carry: Any, batch: Any) -> tuple[Any, Array]:
        parameters, state = carry
        loss, gradient = jax.value_and_grad(loss_of)(parameters, batch)
        updates, state = optimizer.update(gradient, state, parameters)
        return (optax.apply_updates(parameters, updates), state), loss

    (parameters, state), losses = jax.lax.scan(step, (parameters, state), batches)
    return parameters, state, losses.mean()
