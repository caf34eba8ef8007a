"""The network: cycles of each layer on each design, added over the layers.

The layers of a network are a set: each is encoded alone, the predicted cycles are added, and the
sums are compared. So neither the order of the layers nor their number matters, and a layer that
runs twice counts twice.
"""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Float, Int

from airchitect_jax.learning.models.resolutions import Resolutions
from airchitect_jax.learning.whole_networks.costs import Designs, equal_memories
from airchitect_jax.types import Dataflow

_PIECES = 2  # of the cycles of a layer on an array: bound by compute, or by DRAM
_SHARPNESS = 4.0
_RIDGE = 1e-6
_FAST = 2**12  # times the bandwidth: no layer waits


_equal_memories = jax.jit(equal_memories, static_argnums=2)


class MachineNetwork(nnx.Module):
    """Log cycles of layers in two steps: on every array, then by memories on some of the arrays.

    On an array a layer is bound by compute or by its memories, and in each case its log cycles are
    nearly linear in its logarithms at several resolutions. So they are a smooth maximum of linear
    pieces, which a hidden layer corrects.

    Args:
      designs: the space.
      hidden: width of the hidden layers of the first step.
      memory_hidden: of the second step.
      samples: typical GEMMs, for the statistics of the inputs.
      key: for the initial weights.
    """

    def __init__(
        self,
        designs: Designs,
        *,
        hidden: int,
        memory_hidden: int,
        samples: Int[np.ndarray, "num 3"],
        key: jax.Array,
    ) -> None:
        rngs = nnx.Rngs(key)
        num_outputs = _PIECES * designs.num_shapes * len(Dataflow)
        self._levels = designs.buffers.num_levels
        self.inputs = Resolutions(samples)
        width = self.inputs.width
        small = jax.nn.initializers.normal(0.01)
        self.level = nnx.Embed(self._levels, hidden, rngs=rngs)
        self.first = nnx.Linear(width, hidden, rngs=rngs)
        self.second = nnx.Linear(hidden, hidden, rngs=rngs)
        self.correction = nnx.Linear(
            hidden, num_outputs, kernel_init=small, use_bias=False, rngs=rngs
        )
        self.pieces = nnx.Linear(width, num_outputs, rngs=rngs)
        self.spread = nnx.Linear(hidden, 1, kernel_init=small, rngs=rngs)
        self.shape = nnx.Embed(designs.num_shapes, memory_hidden, rngs=rngs)
        self.memory_inputs = nnx.Linear(width + hidden, memory_hidden, rngs=rngs)
        self.memory_first = nnx.Linear(memory_hidden, memory_hidden, rngs=rngs)
        self.memory_second = nnx.Linear(
            memory_hidden, self._levels**2 * len(Dataflow), kernel_init=small, rngs=rngs
        )

    def start_from(
        self, dims: Int[np.ndarray, "num 3"], level: Int[np.ndarray, "num"], designs: Designs
    ) -> None:
        """Sets the linear pieces to least-squares fits of log cycles of samples.

        One to those without limits of bandwidth, one to those that the traffic alone takes.
        """
        x = np.asarray(self.inputs(jnp.asarray(dims)), np.float64)
        covariance = x.T @ x / len(x) + _RIDGE * np.eye(x.shape[1])
        bandwidth = designs.platform.bandwidth_bytes_per_cycle
        kernels, biases = [], []
        for factor in (_FAST, 1 / bandwidth):
            platform = dataclasses.replace(
                designs.platform, bandwidth_bytes_per_cycle=round(bandwidth * factor)
            )
            table = _equal_memories(
                jnp.asarray(dims, jnp.float32),
                jnp.asarray(level, jnp.float32),
                dataclasses.replace(designs, platform=platform),
            )
            y = np.log(np.asarray(table, np.float64) * min(factor, 1.0)).reshape(len(x), -1)
            mean = y.mean(axis=0)
            kernels.append(np.linalg.solve(covariance, x.T @ (y - mean) / len(x)))
            biases.append(mean)
        self.pieces.kernel = nnx.Param(jnp.asarray(np.concatenate(kernels, axis=1), jnp.float32))
        self.pieces.bias = nnx.Param(jnp.asarray(np.concatenate(biases), jnp.float32))

    def encode(
        self, dims: Int[Array, "*batch 3"], level: Int[Array, "*batch"]
    ) -> tuple[Float[Array, "*batch width"], Float[Array, "*batch hidden"]]:
        """Inputs and features of layers, with three SRAMs of `level` steps each."""
        inputs = self.inputs(dims)
        hidden = jax.nn.relu(self.first(inputs) + self.level(level - 1))
        return inputs, jax.nn.relu(self.second(hidden))

    def log_cycles(
        self, encoded: tuple[Float[Array, "*batch width"], Float[Array, "*batch hidden"]]
    ) -> Float[Array, "*batch shapes dataflows"]:
        """Log cycles on every array."""
        inputs, hidden = encoded
        pieces = self.pieces(inputs) + self.correction(hidden)
        apart = _SHARPNESS * pieces.reshape(*pieces.shape[:-1], _PIECES, -1)
        together = jax.nn.logsumexp(apart, axis=-2) / _SHARPNESS
        return together.reshape(*together.shape[:-1], -1, len(Dataflow))

    def log_spread(
        self, encoded: tuple[Float[Array, "*batch width"], Float[Array, "*batch hidden"]]
    ) -> Float[Array, "*batch"]:
        """Log of the expected error of a layer's log cycles on one array beside another."""
        return self.spread(encoded[1])[..., 0]

    def log_growth(
        self,
        encoded: tuple[Float[Array, "*batch width"], Float[Array, "*batch hidden"]],
        shapes: Int[Array, "*batch arrays"],
    ) -> Float[Array, "*batch arrays levels levels dataflows"]:
        """Log cycles beyond those with the largest memories, on some arrays per layer.

        By the sizes of the swept and the column operand.
        """
        joined = jnp.concatenate(encoded, axis=-1)
        features = self.memory_inputs(joined)[..., None, :]
        hidden = jax.nn.relu(features + self.shape(shapes))
        hidden = jax.nn.relu(self.memory_first(hidden))
        flat = self.memory_second(hidden)
        return flat.reshape(*flat.shape[:-1], self._levels, self._levels, len(Dataflow))


def log_totals(
    log_cycles: Float[Array, "*batch layers designs"], counts: Float[Array, "*batch layers"]
) -> Float[Array, "*batch designs"]:
    """Log cycles of whole networks: counts times cycles, added over the layers."""
    weights = jnp.where(counts > 0, jnp.log(jnp.maximum(counts, 1.0)), -jnp.inf)
    return jax.nn.logsumexp(log_cycles + weights[..., None], axis=-2)
