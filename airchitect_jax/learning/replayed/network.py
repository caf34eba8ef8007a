"""A network that predicts what each buffer costs at each size, and the sizing that this recommends.

Seen from far, a buffer delays a run as if the others never waited, and the slowest of the three
decides. So the network gives a number for each buffer and size, 30 for 1000 sizings, and a sizing
costs the largest of its three. The package is not that simple: of 2000 workloads the best sizing by
the exact numbers is optimal for 99%.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from airchitect_jax.learning.replayed.factors import factors
from airchitect_jax.types import Dataflow

OPERANDS = 3  # ifmap, filter, ofmap
Parameters = Mapping[str, Float[Array, "..."]]


def initial(
    key: jax.Array, num_inputs: int, hidden_sizes: Sequence[int], num_sizes: int
) -> dict[str, Float[Array, "..."]]:
    """Random parameters of dense layers; the last one begins near zero, at the estimates."""
    widths = (num_inputs, *hidden_sizes, OPERANDS * num_sizes)
    parameters = {}
    for layer, (before, after) in enumerate(zip(widths, widths[1:])):
        scale = np.sqrt(2 / before) * (0.1 if layer == len(hidden_sizes) else 1)
        weights = jax.random.normal(jax.random.fold_in(key, layer), (before, after))
        parameters |= {f"weights{layer}": scale * weights, f"biases{layer}": jnp.zeros(after)}
    return parameters


def delays(
    parameters: Parameters, workloads: Int[Array, "features batch"], sizes_kb: tuple[int, ...]
) -> Float[Array, "3 sizes batch"]:
    """log(cycles with the buffer / cycles without stalls) of ifmap, filter and ofmap at each size.

    Where a buffer never waits it is zero or less.
    """
    found = factors(workloads, sizes_kb)
    hidden = found.inputs.T
    last = len(parameters) // 2 - 1
    for layer in range(last):
        hidden = hidden @ parameters[f"weights{layer}"] + parameters[f"biases{layer}"]
        hidden = jax.nn.relu(hidden)
    corrections = hidden @ parameters[f"weights{last}"] + parameters[f"biases{last}"]
    row, col, outputs = found.estimates + corrections.T.reshape(found.estimates.shape)
    swapped = workloads[6] == Dataflow.IS
    return jnp.stack([jnp.where(swapped, col, row), jnp.where(swapped, row, col), outputs])


def sizing_delays(
    of_buffers: Float[Array, "3 sizes batch"],
) -> Float[Array, "sizes sizes sizes batch"]:
    """The largest of the three of each sizing."""
    ifmap, filters, ofmap = of_buffers
    pairs = jnp.maximum(ifmap[:, None], filters[None])
    return jnp.maximum(pairs[:, :, None], ofmap)


def best_sizing(
    of_buffers: Float[Array, "3 sizes batch"],
    budget_steps: Int[Array, "batch"],
    id_of_levels: Int[np.ndarray, "sizes sizes sizes"],
) -> Int[Array, "batch"]:
    """The design in the budget with the least delay; of equals the first in the tie order."""
    ids = id_of_levels[..., None]
    costs = sizing_delays(jnp.maximum(of_buffers, 0))
    costs = jnp.where(level_sums(len(id_of_levels)) <= budget_steps, costs, jnp.inf)
    least = costs.min(axis=(0, 1, 2))
    return jnp.where(costs == least, ids, ids.size).min(axis=(0, 1, 2))


def level_sums(num_sizes: int) -> Int[np.ndarray, "sizes sizes sizes 1"]:
    """The total of each sizing in steps."""
    return np.indices((num_sizes,) * 3, np.int32).sum(axis=0, dtype=np.int32)[..., None] + 3
