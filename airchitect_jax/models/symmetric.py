"""A network for schedules that knows that the order of the workloads means nothing."""

from __future__ import annotations

import functools
from collections.abc import Sequence

import chex
import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Float, Int

from airchitect_jax.case_studies.base import Feature
from airchitect_jax.schedule_space import ScheduleSpace
from airchitect_jax.types import Dataflow

# An input is looked up whole and without its lowest 2, 4, 6 and 8 bits. Fine tables, whose rows
# are seen less often than a coarse one's, weigh less, so that they add detail and not noise.
_SHIFTS = (0, 2, 4, 6, 8)
_WEIGHTS = (0.03, 0.1, 0.3, 0.6, 1.0)
_EMBEDDING_STDDEV = 0.02
_MAX_LOG_RATIO = 1.0  # loads that exceed the best makespan e-fold are out of the question
_MAX_EXPONENT = 60.0  # sums of exponentials stay within float32
# At the start: exponents within the maximum and the sum, weights of the makespan and the sum.
_START_SCALES = (10.0, 1.0, 10.0, 1.0)
_DIMS = 3  # m, n and k


class SymmetricScheduler(nnx.Module):
    """Learned loads of each workload on each array, joined as a schedule joins them.

    One encoder serves all workloads: the sum of embeddings of m, n and k, each at several
    resolutions, and a dense layer give each pair of array and dataflow a load, in logarithms. (A
    sum suffices, since the cycles of a fold and their number multiply.) The logit of a schedule
    falls with the largest of its loads, smoothed, and with their sum. So exchanging two workloads
    exchanges their places in the schedule, by construction. What a load is in cycles it is never
    told: all comes from the labels.
    """

    def __init__(
        self,
        features: Sequence[Feature],
        space: ScheduleSpace,
        *,
        embedding_dim: int = 62,
        rngs: nnx.Rngs,
    ) -> None:
        chex.assert_equal(len(features), _DIMS * space.num_arrays)
        self.low, self.cardinality = features[0].low, features[0].cardinality
        self.num_arrays = space.num_arrays
        self._space = space
        self.embeddings = nnx.List(
            nnx.Embed(
                (self.cardinality - 1 >> shift) + 1,
                embedding_dim,
                embedding_init=jax.nn.initializers.normal(_EMBEDDING_STDDEV),
                rngs=rngs,
            )
            for _ in range(_DIMS)
            for shift in _SHIFTS
        )
        self.loads = nnx.Linear(embedding_dim, space.num_arrays * len(Dataflow), rngs=rngs)
        self.log_scales = nnx.Param(jnp.log(jnp.array(_START_SCALES)))

    def log_loads(
        self, workloads: Int[Array, "features batch"]
    ) -> Float[Array, "workloads batch arrays dataflows"]:
        """What each workload takes on each array with each dataflow, in logarithms of no unit."""
        total = jnp.asarray(self.loads.bias)[None, None, :]
        for dim in range(_DIMS):
            # Dense layer first: the tables have fewer rows than a batch has workloads.
            tables = [
                weight
                * jnp.repeat(table.embedding @ self.loads.kernel, 1 << shift, axis=0)[
                    : self.cardinality
                ]
                for table, shift, weight in zip(
                    self.embeddings[dim * len(_SHIFTS) : (dim + 1) * len(_SHIFTS)],
                    _SHIFTS,
                    _WEIGHTS,
                    strict=True,
                )
            ]
            total = total + functools.reduce(jnp.add, tables)[workloads[dim::_DIMS] - self.low]
        return total.reshape(*total.shape[:-1], self.num_arrays, len(Dataflow))

    def __call__(self, workloads: Int[Array, "features batch"]) -> Float[Array, "batch designs"]:
        """Logits; workloads are raw feature values and must lie in the features' ranges."""
        chex.assert_shape(workloads, (_DIMS * self.num_arrays, None))
        log_loads = self.log_loads(workloads)
        # Relative to what no schedule ends before: the longest of the workloads' best loads. So
        # every schedule has a load of at least 0, and no sum of exponentials vanishes.
        fewest = log_loads.min(axis=(2, 3), keepdims=True)
        log_loads = log_loads - fewest.max(axis=0, keepdims=True)
        sharpness, flatness, makespan_weight, sum_weight = jnp.exp(self.log_scales[...])
        powers = jnp.exp(jnp.minimum(sharpness * log_loads, _MAX_EXPONENT))
        loads = jnp.exp(jnp.minimum(flatness * log_loads, _MAX_LOG_RATIO))
        makespans = jnp.log(self._sums_of_designs(powers)) / sharpness
        return -makespan_weight * makespans - sum_weight * self._sums_of_designs(loads)

    def _sums_of_designs(
        self, values: Float[Array, "workloads batch arrays dataflows"]
    ) -> Float[Array, "batch designs"]:
        """The sums over the arrays of each design: a matrix product, which is what is fast."""
        rows = values.transpose(1, 0, 2, 3).reshape(values.shape[1], -1)
        return rows @ jnp.asarray(_incidence(self._space))


@functools.cache
def _incidence(space: ScheduleSpace) -> Float[np.ndarray, "pairs designs"]:
    """1 where a design runs a workload on an array with a dataflow, in this order of indices."""
    schedule = space.decode(np.arange(space.num_designs))
    arrays = np.arange(space.num_arrays)
    pairs = (schedule.workload * space.num_arrays + arrays) * len(Dataflow) + schedule.dataflow
    incidence = np.zeros((space.num_arrays**2 * len(Dataflow), space.num_designs), np.float32)
    incidence[pairs.T, np.arange(space.num_designs)] = 1
    return incidence
