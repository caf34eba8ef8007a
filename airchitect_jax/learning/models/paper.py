"""The paper's network: embeddings, one hidden layer, a softmax over the design ids."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import chex
import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float, Int

from airchitect_jax.case_studies import Feature

# Small, so that values that are never drawn keep little influence.
_EMBEDDING_STDDEV = 0.02


class PaperNetwork(nnx.Module):
    """AIRCHITECT as published (arXiv 2108.08295, figure 1).

    One embedding table for each feature, concatenated, dense layers with ReLU, a dense layer of
    logits. Figure 1 has one hidden layer; `hidden_sizes` takes any number, none included.
    """

    def __init__(
        self,
        features: Sequence[Feature],
        num_designs: int,
        *,
        embedding_dim: int = 16,
        hidden_sizes: Sequence[int] = (256,),
        rngs: nnx.Rngs,
    ) -> None:
        self.lows = tuple(feature.low for feature in features)
        self.embeddings = nnx.List(
            nnx.Embed(
                feature.cardinality,
                embedding_dim,
                embedding_init=jax.nn.initializers.normal(_EMBEDDING_STDDEV),
                rngs=rngs,
            )
            for feature in features
        )
        sizes = [embedding_dim * len(features), *hidden_sizes]
        self.hidden = nnx.List(
            nnx.Linear(size_in, size_out, kernel_init=jax.nn.initializers.he_normal(), rngs=rngs)
            for size_in, size_out in itertools.pairwise(sizes)
        )
        self.logits = nnx.Linear(sizes[-1], num_designs, rngs=rngs)

    def __call__(self, workloads: Int[Array, "features batch"]) -> Float[Array, "batch designs"]:
        """Logits; workloads are raw feature values and must lie in the features' ranges."""
        chex.assert_shape(workloads, (len(self.lows), None))
        x = jnp.concatenate(
            [
                embedding(values - low)
                for embedding, low, values in zip(
                    self.embeddings, self.lows, workloads, strict=True
                )
            ],
            axis=-1,
        )
        for layer in self.hidden:
            x = nnx.relu(layer(x))
        return self.logits(x)
