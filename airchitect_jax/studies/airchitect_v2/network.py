"""A network for the AIrchitect v2 data set: embeddings of columns and of crossed columns."""

from __future__ import annotations

import math
from collections.abc import Sequence

import chex
import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float, Int

from airchitect_jax.case_studies import Feature

# Small, so that values that training does not have weigh little.
_EMBEDDING_STDDEV = 0.02


class CrossedAirchitect(nnx.Module):
    """Embeddings of tuples of columns, one hidden layer, a head for each half of a design.

    A cross is one table for several columns: one row per combination of their values. The
    embeddings are concatenated, beside them goes their hidden layer with ReLU. The logit of a
    design is the sum of one for its PE index, one for its buffer index, and one of its own.
    """

    def __init__(
        self,
        features: Sequence[Feature],
        crosses: Sequence[Sequence[int]],
        num_pes: int,
        num_buffers: int,
        *,
        embedding_dim: int,
        hidden_size: int,
        rngs: nnx.Rngs,
    ) -> None:
        self.lows = tuple(feature.low for feature in features)
        self.cardinalities = tuple(feature.cardinality for feature in features)
        self.crosses = tuple(map(tuple, crosses))
        self.embeddings = nnx.List(
            nnx.Embed(
                math.prod(self.cardinalities[column] for column in cross),
                embedding_dim,
                embedding_init=jax.nn.initializers.normal(_EMBEDDING_STDDEV),
                rngs=rngs,
            )
            for cross in self.crosses
        )
        width = embedding_dim * len(self.crosses)
        self.hidden = nnx.Linear(
            width, hidden_size, kernel_init=jax.nn.initializers.he_normal(), rngs=rngs
        )
        self.pes, self.buffers, self.designs = (
            nnx.Linear(width + hidden_size, size, rngs=rngs)
            for size in (num_pes, num_buffers, num_pes * num_buffers)
        )

    def __call__(self, workloads: Int[Array, "features batch"]) -> Float[Array, "batch designs"]:
        """Logits; workloads must lie in the features' ranges."""
        chex.assert_shape(workloads, (len(self.lows), None))
        parts = []
        for cross, embedding in zip(self.crosses, self.embeddings, strict=True):
            row = jnp.zeros_like(workloads[0])
            for column in cross:
                row = row * self.cardinalities[column] + workloads[column] - self.lows[column]
            parts.append(embedding(row))
        x = jnp.concatenate(parts, axis=-1)
        x = jnp.concatenate([x, nnx.relu(self.hidden(x))], axis=-1)
        halves = self.pes(x)[:, :, None] + self.buffers(x)[:, None, :]
        return halves.reshape(len(x), -1) + self.designs(x)
