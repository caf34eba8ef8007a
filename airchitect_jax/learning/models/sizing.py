"""AIRCHITECT for buffer sizes: embeddings by dataflow, gated hidden layers, logits."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Float, Int

from airchitect_jax.case_studies import BufferCase
from airchitect_jax.learning.losses import cross_entropy
from airchitect_jax.learning.models.resolutions import NUM_SAMPLES, Decorrelated
from airchitect_jax.types import Dataflow
from airchitect_jax.workloads import Distribution

# Of the statistics: small dimensions are rare in training, yet their inputs must not be large.
_RIDGE = 1e-4
# Lets the few weights of the budget grow fast: what it excludes needs logits far below the others.
_BUDGET_GAIN = 10.0
# Logits of designs that never occur as labels.
_NEVER = -1e9
_DIMS = ("m", "n", "k")
_SIDES = ("row_exponent", "col_exponent")


class BufferSizer(nnx.Module):
    """The paper's structure: an embedding of the features, dense layers, logits.

    Dimensions, their pairwise products (the sizes of the operands) and the bandwidth are embedded
    by their logarithms at several resolutions, decorrelated; sides and their pairs are one-hot. The
    first dense layer has a matrix for each dataflow, since that decides the role of each dimension.
    Later layers multiply two dense layers, the second rectified. The budget is embedded in the
    logits: one vector for each step that it reaches, so that all larger budgets share what it
    allows.

    Args:
      case: the case study to learn.
      hidden_sizes: widths of the hidden layers, at least one.
      key: for the first parameters, and the workloads that the inputs are decorrelated on.
    """

    def __init__(self, case: BufferCase, *, hidden_sizes: Sequence[int], key: jax.Array) -> None:
        self._case = case
        by_name = {feature.name: feature for feature in case.features}
        self.budget, self.bandwidth = by_name["budget_steps"], by_name["bandwidth_bytes_per_cycle"]
        self.sides = tuple(by_name[name] for name in _SIDES)
        step = case.space.step_bytes // case.element_bytes
        self.size_exponents = tuple(
            range(step.bit_length() - 2, (step * case.space.num_levels).bit_length())
        )
        # Half with many small dimensions, which real networks have.
        samples = [
            dataclasses.replace(case, distribution=distribution).sample(key, NUM_SAMPLES // 2)
            for distribution in (case.distribution, Distribution.LOG_UNIFORM)
        ]
        self.numbers = Decorrelated(self.logs(jnp.concatenate(samples, axis=1)), _RIDGE)
        rows, cols = (side.cardinality for side in self.sides)
        width = self.numbers.width + rows + cols + rows * cols
        rngs = nnx.Rngs(key)
        init = jax.nn.initializers.he_normal()
        self.by_dataflow = nnx.List(
            nnx.Linear(width, hidden_sizes[0], kernel_init=init, rngs=rngs) for _ in Dataflow
        )
        self.hidden = nnx.List(
            nnx.Linear(size_in, 2 * size_out, kernel_init=init, rngs=rngs)
            for size_in, size_out in itertools.pairwise(hidden_sizes)
        )
        zeros, labels = jax.nn.initializers.zeros, len(case.label_ids)
        self.last = nnx.Linear(hidden_sizes[-1], labels, kernel_init=zeros, rngs=rngs)
        self.allowed = nnx.Linear(
            self.budget.cardinality, labels, use_bias=False, kernel_init=zeros, rngs=rngs
        )

    def logs(self, workloads: Int[Array, "features batch"]) -> Float[Array, "batch width"]:
        """Logarithms of dimensions, their folds on the array, their products, and the bandwidth."""
        values = self._case.by_name(workloads)
        dims = jnp.stack([values[name] for name in _DIMS], axis=-1)[..., None]
        exponents = _last_axis(range(self.sides[0].low, self.sides[0].high + 2), 3)
        on_sides = jnp.stack([values[name] for name in _SIDES], axis=-1)[:, None]
        m, n, k = (values[name].astype(jnp.float32) for name in _DIMS)
        products = jnp.stack([m * k, k * n, m * n], axis=-1)[..., None]
        bandwidth = values[self.bandwidth.name][:, None]
        doublings = _last_axis(range(self.bandwidth.high.bit_length()), 2)
        sizes = _last_axis(self.size_exponents, 3)
        parts = [
            dims,
            _folds(dims, exponents),
            dims + (1 << exponents),
            _folds(dims, on_sides),
            products + (1 << sizes).astype(np.float32),
            bandwidth + (1 << doublings),
        ]
        rows = [part.reshape(workloads.shape[1], -1).astype(jnp.float32) for part in parts]
        return jnp.log(jnp.concatenate(rows, axis=-1))

    def embedded(self, workloads: Int[Array, "features batch"]) -> Float[Array, "batch width"]:
        """The inputs of the first dense layer."""
        values = self._case.by_name(workloads)
        row, col = (values[side.name] - side.low for side in self.sides)
        rows, cols = (side.cardinality for side in self.sides)
        return jnp.concatenate(
            [
                self.numbers(self.logs(workloads)),
                jax.nn.one_hot(row, rows),
                jax.nn.one_hot(col, cols),
                jax.nn.one_hot(row * cols + col, rows * cols),
            ],
            axis=-1,
        )

    def label_logits(self, workloads: Int[Array, "features batch"]) -> Float[Array, "batch labels"]:
        """Logits of `CaseStudy.label_ids`, in their order."""
        values = self._case.by_name(workloads)
        x, dataflow = self.embedded(workloads), values["dataflow"]
        x = nnx.relu(
            jnp.select(
                [(dataflow == flow)[:, None] for flow in Dataflow],
                [self.by_dataflow[flow](x) for flow in Dataflow],
            )
        )
        for layer in self.hidden:
            value, gate = jnp.split(layer(x), 2, axis=-1)
            x = value * nnx.relu(gate)
        steps = _last_axis(range(self.budget.low, self.budget.high + 1), 2)
        reached = (values[self.budget.name][:, None] >= steps).astype(jnp.float32)
        return self.last(x) + _BUDGET_GAIN * self.allowed(reached)

    def label_loss(
        self, workloads: Int[Array, "features batch"], design_ids: Int[Array, "batch"]
    ) -> tuple[Float[Array, ""], Float[Array, ""]]:
        """Cross-entropy of labels among the designs that occur, and the accuracy."""
        places = jnp.searchsorted(jnp.asarray(self._case.label_ids), design_ids)
        return cross_entropy(self.label_logits(workloads), places)

    def __call__(self, workloads: Int[Array, "features batch"]) -> Float[Array, "batch designs"]:
        """Logits; workloads are raw feature values within their ranges."""
        logits = self.label_logits(workloads)
        all_logits = jnp.full((logits.shape[0], self._case.space.num_designs), _NEVER)
        return all_logits.at[:, self._case.label_ids].set(logits)


def _last_axis(values: Sequence[int], rank: int) -> Int[np.ndarray, "..."]:
    """Values along the last of so many axes."""
    return np.array(values, np.int32).reshape((1,) * (rank - 1) + (-1,))


def _folds(dims: Int[Array, "batch dims 1"], exponents: Array | np.ndarray) -> Array:
    """ceil(dims / 2**exponents), exponents of shape [1, 1, sides] or [batch, 1, sides]."""
    return ((dims - 1) >> exponents) + 1
