"""One inference: the layers of a network and its budgets in, designs with dataflows out."""

from __future__ import annotations

import functools
import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from airchitect_jax.cost import memory
from airchitect_jax.learning.whole_networks.costs import Designs
from airchitect_jax.learning.whole_networks.network import MachineNetwork, log_totals
from airchitect_jax.learning.whole_networks.walks import Layers
from airchitect_jax.types import Dataflow

NUM_CANDIDATES = 64
_NUM_ARRAYS = 16  # that the second step looks at
TOLERATED_REGRET = 0.01  # the risk is that of a larger one


class Answers(NamedTuple):
    """Designs by predicted cycles, the best first.

    Attributes:
      shape, sizing: of the candidates, in the joint space.
      log_cycles: predicted, of the whole network.
      dataflow: of each layer on the first candidate.
      risk: an estimate of the probability that another array costs at least 1% less.
    """

    shape: Int[Array, "*batch candidates"]
    sizing: Int[Array, "*batch candidates"]
    log_cycles: Float[Array, "*batch candidates"]
    dataflow: Int[Array, "*batch layers"]
    risk: Float[Array, "*batch"]


def answer(
    network: MachineNetwork,
    layers: Layers,
    mac_exponent: Int[Array, ""],
    sram_steps: Int[Array, ""],
    designs: Designs,
) -> Answers:
    """The answer for one network.

    First the arrays within the budget are compared, with three equal memories; then all sizings
    that use the whole budget, on the best arrays. (A larger memory never costs more.)

    Args:
      network: trained.
      layers: of one network; padding does not matter.
      mac_exponent: the budget is two to this power MAC units.
      sram_steps: the SRAM budget in steps of the space.
      designs: the space.
    """
    largest = designs.buffers.num_levels
    num = layers.counts.shape
    level = jnp.clip(sram_steps // 3, 1, largest)
    encoded = network.encode(layers.dims, jnp.broadcast_to(level, num))
    by_layer = network.log_cycles(encoded).min(axis=-1)
    fits = jnp.asarray(designs.mac_exponents) <= mac_exponent
    totals = jnp.where(fits, log_totals(by_layer, layers.counts), jnp.inf)
    _, shapes = jax.lax.top_k(-totals, _NUM_ARRAYS)

    at_most = network.encode(layers.dims, jnp.broadcast_to(jnp.int32(largest), num))
    base = network.log_cycles(at_most)[:, shapes]
    growth = jnp.maximum(network.log_growth(at_most, jnp.broadcast_to(shapes, base.shape[:2])), 0.0)
    planes = base[:, :, None, None] + growth
    sizings = jnp.asarray(_largest_sizings(designs))[jnp.clip(sram_steps, 3, 3 * largest)]
    by_flow = _by_sizing(planes, sizings, designs)
    of_designs = log_totals(by_flow.min(axis=-1).reshape(*num, -1), layers.counts).reshape(
        _NUM_ARRAYS, -1
    )
    allowed = (sizings >= 0)[None] & fits[shapes][:, None]
    log_cycles, index = jax.lax.top_k(
        -jnp.where(allowed, of_designs, jnp.inf).ravel(), NUM_CANDIDATES
    )
    place, at = jnp.divmod(index, sizings.shape[0])
    chosen = shapes[place]
    return Answers(
        shape=chosen,
        sizing=sizings[at],
        log_cycles=-log_cycles,
        dataflow=by_flow[:, place[0], at[0]].argmin(axis=-1),
        risk=_risk(network, encoded, by_layer, layers, totals, chosen[0]),
    )


@functools.cache
def _largest_sizings(designs: Designs) -> Int[np.ndarray, "steps sizings"]:
    """By SRAM budget in steps, the sizings that use all of it, padded with -1.

    Of a budget beyond the largest sizing, that sizing.
    """
    steps = designs.space.levels.sum(axis=1)
    groups = [np.flatnonzero(steps == budget) for budget in range(steps.max() + 1)]
    # At least as many as candidates are asked for.
    width = max(NUM_CANDIDATES, *map(len, groups))
    padding = [np.full(width - len(group), -1) for group in groups]
    return np.stack([np.concatenate(pair) for pair in zip(groups, padding, strict=True)])


def _by_sizing(
    planes: Float[Array, "layers arrays levels levels dataflows"],
    sizings: Int[Array, "sizings"],
    designs: Designs,
) -> Float[Array, "layers arrays sizings dataflows"]:
    """Log cycles by sizing, from those by the sizes of the swept and the column operand."""
    level = jnp.asarray(designs.space.levels)[sizings] - 1
    cycles = []
    for flow in Dataflow:
        swept, column, _ = (memory.OPERANDS.index(name) for name in memory.ROLES[flow])
        cycles.append(planes[:, :, level[:, swept], level[:, column], flow])
    return jnp.stack(cycles, axis=-1)


def _risk(
    network: MachineNetwork,
    encoded: tuple[Array, Array],
    by_layer: Float[Array, "layers shapes"],
    layers: Layers,
    totals: Float[Array, "shapes"],
    chosen: Int[Array, ""],
) -> Float[Array, ""]:
    """An upper bound on the probability that an array costs at least 1% less than the chosen one.

    Errors of log cycles are taken as independent and normal, with the predicted spread of each
    layer, weighted by its share of all cycles; the probabilities of all arrays are added.
    """
    weights = jnp.log(jnp.maximum(layers.counts, 1.0)) + by_layer[:, chosen]
    shares = jax.nn.softmax(jnp.where(layers.counts > 0, weights, -jnp.inf))
    spread = jnp.sqrt(((shares * jnp.exp(network.log_spread(encoded))) ** 2).sum())
    behind = totals - totals[chosen] + math.log1p(TOLERATED_REGRET)
    tails = jax.scipy.stats.norm.sf(behind / (math.sqrt(2) * spread))
    is_other = jnp.arange(len(totals)) != chosen
    return jnp.where(is_other & jnp.isfinite(totals), tails, 0.0).sum()
