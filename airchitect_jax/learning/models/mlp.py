"""A multilayer perceptron without embeddings, to compare with the paper's network."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Sequence

import chex
import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Float, Int, Shaped


@dataclasses.dataclass(frozen=True, kw_only=True)
class StandardInputs:
    """Raw features x beside log2(1 + x), each with mean 0 and deviation 1 over training data.

    The inputs of every model without embeddings: raw values for linear dependence on a dimension,
    logarithms for ratios. Defined for values never seen.

    Attributes:
      mean: of each input over the training data, raw features first.
      scale: the standard deviation, 1 where an input never changes.
    """

    mean: tuple[float, ...]
    scale: tuple[float, ...]

    @classmethod
    def of(cls, workloads: Int[np.ndarray, "features num"]) -> StandardInputs:
        """Means and deviations of training workloads."""
        columns = np.asarray(workloads, np.float64)
        inputs = np.concatenate([columns, np.log2(1 + columns)])
        scale = inputs.std(axis=1)
        return cls(
            mean=tuple(inputs.mean(axis=1).tolist()),
            scale=tuple(np.where(scale > 0, scale, 1.0).tolist()),
        )

    def __call__(
        self, workloads: Shaped[Array | np.ndarray, "features batch"]
    ) -> Float[Array | np.ndarray, "batch inputs"]:
        """float32 inputs of raw feature values; NumPy in, NumPy out, otherwise traceable."""
        xp = np if isinstance(workloads, np.ndarray) else jnp
        columns = workloads.astype(xp.float32)
        inputs = xp.concatenate([columns, xp.log2(1 + columns)]).T
        mean, scale = (
            xp.asarray(values, xp.float32)[None, :] for values in (self.mean, self.scale)
        )
        return (inputs - mean) / scale


class Mlp(nnx.Module):
    """Dense layers with ReLU over standardised inputs, and a dense layer of logits."""

    def __init__(
        self,
        inputs: StandardInputs,
        num_designs: int,
        *,
        hidden_sizes: Sequence[int],
        rngs: nnx.Rngs,
    ) -> None:
        self.inputs = inputs
        sizes = [len(inputs.mean), *hidden_sizes]
        self.hidden = nnx.List(
            nnx.Linear(size_in, size_out, kernel_init=jax.nn.initializers.he_normal(), rngs=rngs)
            for size_in, size_out in itertools.pairwise(sizes)
        )
        self.logits = nnx.Linear(sizes[-1], num_designs, rngs=rngs)

    def __call__(self, workloads: Int[Array, "features batch"]) -> Float[Array, "batch designs"]:
        """Logits; workloads are raw feature values, of any size."""
        chex.assert_rank(workloads, 2)
        x = jnp.asarray(self.inputs(workloads))
        for layer in self.hidden:
            x = nnx.relu(layer(x))
        return self.logits(x)
