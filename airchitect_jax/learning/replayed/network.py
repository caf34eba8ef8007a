"""A network that predicts what each buffer costs at each size, and the sizing that this recommends.

Seen from far, a buffer delays a run as if the others never waited, and the slowest of the three
decides. So the network gives a number for each buffer and size, 30 for 1000 sizings, and a sizing
costs the largest of its three. The package is not that simple: of 2000 workloads the best sizing by
the exact numbers is optimal for 99%.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from airchitect_jax.learning.replayed.factors import factors
from airchitect_jax.types import Dataflow

NUM_FEATURES = 8  # of a workload of case study 2
OPERANDS = 3  # ifmap, filter, ofmap
Parameters = Mapping[str, Float[Array, "..."]]


def apart(parts: Any) -> Any:
    """The same, kept by XLA: it would compute a part again in each of its uses."""
    return jax.lax.optimization_barrier(parts)


def initial(
    key: jax.Array, hidden_sizes: Sequence[int], sizes_kb: tuple[int, ...]
) -> dict[str, Float[Array, "..."]]:
    """Random parameters of dense layers; the last one begins near zero, at the estimates."""
    one = jnp.ones((NUM_FEATURES, 1), jnp.int32)
    num_inputs = jax.eval_shape(lambda w: factors(w, sizes_kb).inputs, one).shape[0]
    widths = (num_inputs, *hidden_sizes, OPERANDS * len(sizes_kb))
    parameters: dict[str, Any] = {}
    for layer, (before, after) in enumerate(itertools.pairwise(widths)):
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

    def dense(layer: int, inputs: Array) -> Array:
        return inputs @ parameters[f"weights{layer}"] + parameters[f"biases{layer}"][None]

    found = factors(workloads, sizes_kb)
    hidden = found.inputs.T
    last = len(parameters) // 2 - 1
    for layer in range(last):
        hidden = jax.nn.relu(dense(layer, hidden))
    corrections = dense(last, hidden)
    row, col, outputs = found.estimates + corrections.T.reshape(found.estimates.shape)
    swapped = workloads[6:7] == Dataflow.IS
    return jnp.stack([jnp.where(swapped, col, row), jnp.where(swapped, row, col), outputs])


def sizing_delays(
    of_buffers: Float[Array, "3 sizes batch"],
) -> Float[Array, "sizes sizes sizes batch"]:
    """The largest of the three of each sizing."""
    ifmap, filters, ofmap = of_buffers
    pairs = jnp.maximum(ifmap[:, None], filters[None])
    return jnp.maximum(pairs[:, :, None], ofmap[None, None])


def best_sizing(
    of_buffers: Float[Array, "3 sizes batch"], budget_steps: Int[Array, "batch"]
) -> Int[Array, "3 batch"]:
    """Levels less one of the sizing in the budget with the least delay; of equals the smallest.

    A sizing is no slower than v if each buffer is, so the smallest such sizing has the smallest
    such size of each. The least delay is one of the 30 values: the least for which these fit.
    """
    sizes = of_buffers.shape[1]
    # The least delay up to each size, which falls with the size.
    falling = [jax.nn.relu(of_buffers[:, 0])]
    for size in range(1, sizes):
        falling.append(jnp.minimum(falling[-1], of_buffers[:, size]))
    table = apart(jax.nn.relu(jnp.stack(falling, axis=1)))
    values = table.reshape(OPERANDS * sizes, -1)
    steps = jnp.full(values.shape, float(OPERANDS))
    for row in values:  # unrolled: a reduction takes ten times as long
        steps += (row[None] > values).astype(jnp.float32)
    affordable = steps <= jnp.asarray(budget_steps, jnp.float32)[None]
    fits = affordable & (values >= table[:, -1].max(axis=0, keepdims=True))
    least = apart(apart(jnp.where(fits, values, jnp.inf)).min(axis=0))
    return (table > least[None, None]).astype(jnp.int32).sum(axis=1)


def level_sums(num_sizes: int) -> Int[np.ndarray, "sizes sizes sizes 1"]:
    """The total of each sizing in steps."""
    return np.indices((num_sizes,) * 3, np.int32).sum(axis=0, dtype=np.int32)[..., None] + 3
