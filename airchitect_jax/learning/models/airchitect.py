"""AIRCHITECT with inputs at several resolutions: embeddings, dense layers, logits."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float, Int

from airchitect_jax.case_studies import CaseStudy
from airchitect_jax.learning.losses import cross_entropy
from airchitect_jax.learning.models.resolutions import NUM_SAMPLES, Resolutions

# A feature with at most so many values is one-hot; others are taken at several resolutions.
_MOST_ONE_HOT = 64
# Sharpens the softmax: the label changes with differences far below the spread of the inputs.
_GAIN = 200.0


class Airchitect(nnx.Module):
    """The paper's structure: an embedding of each feature, dense layers, logits of the designs.

    Dimensions are embedded by their logarithms at several resolutions, decorrelated, so that every
    value shares what is learnt of its neighbours; features with few values are one-hot. Each
    workload's embedding is scaled to a mean square of one. A constraint with few values, such as a
    budget, is embedded as one summand of each logit: what the other features say of the designs
    then holds under every budget, and is computed once for all of them in training.

    Args:
      case: a case study that it `serves`.
      hidden_sizes: widths of hidden layers with ReLU beside the direct layer from embeddings to
        logits; may be empty.
      key: for the first parameters, and the workloads that the inputs are decorrelated on.

    Attributes:
      crossed_row: the row of workloads with the constraint; None if there is none.
    """

    def __init__(self, case: CaseStudy, *, hidden_sizes: Sequence[int], key: jax.Array) -> None:
        few = [(row, f) for row, f in enumerate(case.features) if f.cardinality <= _MOST_ONE_HOT]
        budget = next(((row, f) for row, f in few if f.is_constraint), None)
        self.tables = tuple((row, f.low, f.cardinality) for row, f in few if (row, f) != budget)
        self.rows = tuple(
            row for row, f in enumerate(case.features) if f.cardinality > _MOST_ONE_HOT
        )
        rngs, zeros = nnx.Rngs(key), jax.nn.initializers.zeros
        self.inputs = Resolutions(case.sample(key, NUM_SAMPLES)[jnp.array(self.rows)].T)
        width = self.inputs.width + sum(size for _, _, size in self.tables)
        designs = case.space.num_designs
        self.direct = nnx.Linear(width, designs, kernel_init=zeros, rngs=rngs)
        sizes = [width, *hidden_sizes]
        self.hidden = nnx.List(
            nnx.Linear(size_in, size_out, kernel_init=jax.nn.initializers.he_normal(), rngs=rngs)
            for size_in, size_out in itertools.pairwise(sizes)
        )
        if hidden_sizes:
            self.logits = nnx.Linear(
                sizes[-1], designs, use_bias=False, kernel_init=zeros, rngs=rngs
            )
        self.crossed_row = None if budget is None else budget[0]
        if budget is not None:
            self.lowest_budget = budget[1].low
            self.budgets = nnx.Embed(
                budget[1].cardinality, designs, embedding_init=zeros, rngs=rngs
            )

    @staticmethod
    def serves(case: CaseStudy) -> bool:
        """Whether a case study has dimensions, features with many values, all at least 1."""
        dims = [f for f in case.features if f.cardinality > _MOST_ONE_HOT]
        return bool(dims) and all(feature.low >= 1 for feature in dims)

    def __call__(self, workloads: Int[Array, "features batch"]) -> Float[Array, "batch designs"]:
        """Logits; workloads are raw feature values, those of tables within their ranges."""
        logits, scale = self._without_budget(workloads)
        if self.crossed_row is None:
            return logits
        return logits + scale * self.budgets(workloads[self.crossed_row] - self.lowest_budget)

    def under_all_budgets(
        self, workloads: Int[Array, "features batch"]
    ) -> Float[Array, "budgets batch designs"]:
        """Logits under each value of the constraint in turn, whatever that of the workloads is."""
        logits, scale = self._without_budget(workloads)
        return logits[None] + scale[None] * self.budgets.embedding[...][:, None]

    def label_loss(
        self, workloads: Int[Array, "features batch"], design_ids: Int[Array, "*values batch"]
    ) -> tuple[Float[Array, ""], Float[Array, ""]]:
        """As `cross_entropy` of its logits: of one label per workload, or under all budgets."""
        forward = self if design_ids.ndim == 1 else self.under_all_budgets
        return cross_entropy(forward(workloads), design_ids)

    def _without_budget(
        self, workloads: Int[Array, "features batch"]
    ) -> tuple[Float[Array, "batch designs"], Float[Array, "batch 1"]]:
        """Logits but for the summand of the budget, and the factor of that summand."""
        one_hot = [jax.nn.one_hot(workloads[row] - low, size) for row, low, size in self.tables]
        embedded = jnp.concatenate(
            [self.inputs(workloads[jnp.array(self.rows)].T), *one_hot], axis=-1
        )
        scale = jax.lax.rsqrt((embedded**2).mean(axis=-1, keepdims=True))
        x = scaled = scale * embedded
        for layer in self.hidden:
            x = nnx.relu(layer(x))
        logits = self.direct(scaled)
        if self.hidden:
            logits += self.logits(x)
        return _GAIN * logits, _GAIN * scale
