"""AIRCHITECT with inputs at several resolutions: embeddings, a hidden layer, logits."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float, Int

from airchitect_jax.case_studies import CaseStudy
from airchitect_jax.learning.models.resolutions import Resolutions

NUM_SAMPLES = 1 << 16  # of workloads, for the statistics of the inputs
# A feature with at most so many values is one-hot; others are taken at several resolutions.
_MOST_ONE_HOT = 64


class Airchitect(nnx.Module):
    """The paper's structure: an embedding of each feature, dense layers with ReLU, logits.

    Features with few values, such as a budget, have a table of embeddings. Dimensions are embedded
    by a dense layer over their logarithms at several resolutions, decorrelated, so that every value
    shares what is learnt of its neighbours. The logits also depend on the embedded inputs directly.

    Args:
      case: a case study that it `serves`.
      hidden_sizes: widths of the hidden layers, at least one.
      key: for the first parameters, and the workloads that the inputs are decorrelated on.
    """

    def __init__(self, case: CaseStudy, *, hidden_sizes: Sequence[int], key: jax.Array) -> None:
        features = list(enumerate(case.features))
        self.tables = tuple(
            (row, f.low, f.cardinality) for row, f in features if f.cardinality <= _MOST_ONE_HOT
        )
        self.rows = tuple(row for row, f in features if f.cardinality > _MOST_ONE_HOT)
        rngs = nnx.Rngs(key)
        self.inputs = Resolutions(case.sample(key, NUM_SAMPLES)[jnp.array(self.rows)].T)
        width = self.inputs.width + sum(size for _, _, size in self.tables)
        sizes = [width, *hidden_sizes]
        self.hidden = nnx.List(
            nnx.Linear(size_in, size_out, kernel_init=jax.nn.initializers.he_normal(), rngs=rngs)
            for size_in, size_out in itertools.pairwise(sizes)
        )
        zeros = jax.nn.initializers.zeros
        designs = case.space.num_designs
        self.direct = nnx.Linear(width, designs, use_bias=False, kernel_init=zeros, rngs=rngs)
        self.logits = nnx.Linear(sizes[-1], designs, kernel_init=zeros, rngs=rngs)

    @staticmethod
    def serves(case: CaseStudy) -> bool:
        """Whether a case study has dimensions, features with many values, all at least 1."""
        dims = [f for f in case.features if f.cardinality > _MOST_ONE_HOT]
        return bool(dims) and all(feature.low >= 1 for feature in dims)

    def __call__(self, workloads: Int[Array, "features batch"]) -> Float[Array, "batch designs"]:
        """Logits; workloads are raw feature values, those of tables within their ranges."""
        one_hot = [jax.nn.one_hot(workloads[row] - low, size) for row, low, size in self.tables]
        embedded = jnp.concatenate(
            [self.inputs(workloads[jnp.array(self.rows)].T), *one_hot], axis=-1
        )
        x = embedded
        for layer in self.hidden:
            x = nnx.relu(layer(x))
        return self.direct(embedded) + self.logits(x)
