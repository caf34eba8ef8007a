"""Training on synthetic networks, which are drawn and labelled as they are needed.

The network is told costs: the cycles of each layer of a synthetic network on every array, with
three equal memories, and on one array with all memories. Each step draws new networks.
"""

from __future__ import annotations

import dataclasses
import functools
import time
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx
from jaxtyping import Array, Float

from airchitect_jax.learning.whole_networks.costs import Designs, by_memories, equal_memories
from airchitect_jax.learning.whole_networks.network import MachineNetwork, log_totals
from airchitect_jax.learning.whole_networks.walks import Layers, Seeds, seeds, walk

_NUM_SAMPLES = 1 << 13  # of layers, for the statistics of the inputs
_BLOCK_STEPS = 20
_WARMUP_STEPS = 20
# How fast a dataflow loses weight as it costs more than the best one; what it keeps at least.
_STEEPNESS, _LEAST_WEIGHT = 3.0, 0.05
_MEMORY_WEIGHT, _SPREAD_WEIGHT = 1.0, 0.01


@dataclasses.dataclass(frozen=True, kw_only=True)
class MachineTraining:
    """The settings of a run.

    Attributes:
      steps: of gradient descent.
      networks_per_step: synthetic networks, all new in each step.
      layers_per_network: of each.
      learning_rate: the peak of a cosine schedule.
      hidden, memory_hidden: as in `MachineNetwork`.
      seed: for weights and networks.
    """

    steps: int = 1600
    networks_per_step: int = 64
    layers_per_network: int = 4
    learning_rate: float = 5e-3
    hidden: int = 128
    memory_hidden: int = 96
    seed: int = 0


def new_network(config: MachineTraining, designs: Designs, start: Seeds) -> MachineNetwork:
    """A network before training; its linear part is fitted."""
    key = jax.random.key(config.seed)
    num = _NUM_SAMPLES // config.layers_per_network
    layers = walk(jax.random.fold_in(key, 1), start, num, config.layers_per_network)
    dims = np.asarray(layers.dims).reshape(-1, 3)
    network = MachineNetwork(
        designs,
        hidden=config.hidden,
        memory_hidden=config.memory_hidden,
        samples=dims,
        key=jax.random.fold_in(key, 2),
    )
    levels = jax.random.randint(
        jax.random.fold_in(key, 3), (len(dims),), 1, designs.buffers.num_levels + 1
    )
    network.start_from(dims, np.asarray(levels), designs)
    return network


def train(
    config: MachineTraining,
    designs: Designs,
    families: Sequence[str],
    on_block: Callable[[dict[str, float]], None] | None = None,
) -> MachineNetwork:
    """A network trained on walks that start from some families.

    Args:
      config: the settings.
      designs: the space.
      families: names of `FAMILIES`.
      on_block: called with the step, the seconds so far and the mean losses of a block of steps.
    """
    start = seeds(families)
    network = new_network(config, designs, start)
    graphdef, params, rest = nnx.split(network, nnx.Param, ...)  # type: ignore[misc]
    state = params, _optimizer(config).init(params)
    key = jax.random.fold_in(jax.random.key(config.seed), 4)
    began = time.perf_counter()
    for number in range(-(-config.steps // _BLOCK_STEPS)):
        block_key = jax.random.fold_in(key, number)
        state, parts = _block(graphdef, config, designs, rest, start, state, block_key)
        if on_block is not None:
            on_block(
                {
                    "step": (number + 1) * _BLOCK_STEPS,
                    "seconds": time.perf_counter() - began,
                    **dict(zip(LOSSES, np.asarray(parts.mean(axis=0)).tolist(), strict=True)),
                }
            )
    return nnx.merge(graphdef, state[0], rest)


def _optimizer(config: MachineTraining) -> optax.GradientTransformation:
    schedule = optax.warmup_cosine_decay_schedule(
        0.0, config.learning_rate, _WARMUP_STEPS, config.steps + _BLOCK_STEPS, 0.0
    )
    return optax.adam(schedule)


@functools.partial(jax.jit, static_argnums=(0, 1, 2))
def _block(
    graphdef: Any,
    config: MachineTraining,
    designs: Designs,
    rest: Any,
    start: Seeds,
    state: tuple[Any, Any],
    key: jax.Array,
) -> tuple[tuple[Any, Any], Float[Array, "steps losses"]]:
    """Some steps; compiled once for all families."""

    def step(state: tuple[Any, Any], key: jax.Array) -> tuple[tuple[Any, Any], Array]:
        params, opt_state = state
        drawing, choosing = jax.random.split(key)
        layers = walk(drawing, start, config.networks_per_step, config.layers_per_network)

        def loss(params: Any) -> tuple[Array, Array]:
            return losses(nnx.merge(graphdef, params, rest), layers, designs, choosing)

        grads, parts = jax.grad(loss, has_aux=True)(params)
        updates, opt_state = _optimizer(config).update(grads, opt_state, params)
        return (optax.apply_updates(params, updates), opt_state), parts

    return jax.lax.scan(step, state, jax.random.split(key, _BLOCK_STEPS))


LOSSES = ("arrays", "memories", "spread")


def losses(
    network: MachineNetwork, layers: Layers, designs: Designs, key: jax.Array
) -> tuple[Float[Array, ""], Float[Array, "losses"]]:
    """The sum and its parts: squared errors of log cycles, and the likelihood of their spread."""
    num, largest = layers.counts.shape[0], designs.buffers.num_levels
    for_level, for_budget, for_shape = jax.random.split(key, 3)
    # One in two with the largest memories: on their cycles the others build.
    level = jax.random.randint(for_level, (num, 1), 1, 2 * largest + 1)
    level = jnp.broadcast_to(jnp.minimum(level, largest), layers.counts.shape)
    present = (layers.counts > 0).astype(jnp.float32)
    dims = layers.dims.astype(jnp.float32)

    encoded = network.encode(layers.dims, level)
    predicted = network.log_cycles(encoded)
    targets = jnp.log(equal_memories(dims, level.astype(jnp.float32), designs))
    arrays = _squared(predicted, targets, present)

    errors = jax.lax.stop_gradient(predicted.min(axis=-1) - targets.min(axis=-1))
    variance = errors.var(axis=-1) + 1e-8
    log_spread = network.log_spread(jax.lax.stop_gradient(encoded))
    likelihood = log_spread + 0.5 * variance * jnp.exp(-2 * log_spread)
    spread = (likelihood * present).sum() / present.sum()

    # Memories on the best array of a random budget, where the answers will be, or on any.
    totals = log_totals(targets.min(axis=-1), layers.counts)
    budget = jax.random.randint(for_budget, (num, 1), 4, designs.max_mac_exponent + 1)
    fits = jnp.asarray(designs.mac_exponents)[None] <= budget
    best = jnp.where(fits, totals, jnp.inf).argmin(axis=1)
    other = jax.random.randint(for_shape, (num,), 0, designs.num_shapes)
    shape = jnp.where(jnp.arange(num) % 2 == 0, best, other)
    shape = jnp.broadcast_to(shape[:, None], layers.counts.shape)
    rows, cols = (
        jnp.asarray(sides, jnp.float32)[shape] for sides in (designs.space.rows, designs.space.cols)
    )
    planes = jnp.log(by_memories(dims, rows, cols, designs))
    at_most = network.encode(layers.dims, jnp.full_like(level, largest))
    growth = network.log_growth(at_most, shape[..., None])[:, :, 0]
    # Weights as for arrays: dataflows that cost much more than the best matter less.
    base = planes[..., -1:, -1:, :]
    memories = _squared(growth + base, planes, present)

    parts = jnp.stack([arrays, memories, spread])
    return arrays + _MEMORY_WEIGHT * memories + _SPREAD_WEIGHT * spread, parts


def _squared(
    predicted: Float[Array, "num layers *designs dataflows"],
    targets: Float[Array, "num layers *designs dataflows"],
    present: Float[Array, "num layers"],
) -> Float[Array, ""]:
    """Mean squared error; dataflows weigh less the more they cost beyond the best one."""
    beyond = targets - targets.min(axis=-1, keepdims=True)
    weights = _LEAST_WEIGHT + jnp.exp(-_STEEPNESS * beyond)
    of_layers = (weights * (predicted - targets) ** 2).mean(axis=range(2, targets.ndim))
    return (of_layers * present).sum() / present.sum()
