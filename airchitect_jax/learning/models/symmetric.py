"""Permutation-equivariant scheduler."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float, Int

from airchitect_jax.case_studies import ScheduleCase
from airchitect_jax.cost import larger
from airchitect_jax.learning.models.additive import GAIN
from airchitect_jax.learning.models.resolutions import NUM_SAMPLES, Resolutions
from airchitect_jax.spaces import over_designs
from airchitect_jax.types import Dataflow

NUM_DIMS = 3  # m, n and k
# Weight of the sum of the loads beside the makespan: it decides among equal makespans only.
_SUM_WEIGHT = 1e-6


def dims_of(workloads: Int[Array, "features batch"]) -> Int[Array, "workloads batch dims"]:
    """m, n and k of each of the workloads of a schedule."""
    return workloads.reshape(-1, NUM_DIMS, workloads.shape[-1]).swapaxes(1, 2)


class SymmetricScheduler(nnx.Module):
    """Learned loads of each workload on each array, combined into the makespan of each schedule.

    One encoder serves all workloads: a dense layer over m, n and k, each at several resolutions,
    gives each pair of array and dataflow a load, in logarithms. (A sum suffices, since the cycles
    of a fold and their number multiply.) The logit of a schedule falls with the largest of its
    loads, and among equals with their sum. The network
    is permutation-equivariant: swapping two workloads swaps them in the schedule.

    Args:
      case: whose workloads and arrays these are.
      key: for the workloads that the statistics of the inputs are taken from.
    """

    def __init__(self, case: ScheduleCase, *, key: jax.Array) -> None:
        self._space = case.space
        self.inputs = Resolutions(dims_of(case.sample(key, NUM_SAMPLES)).reshape(-1, NUM_DIMS))
        self.loads = nnx.Linear(
            self.inputs.width,
            case.space.num_arrays * len(Dataflow),
            kernel_init=jax.nn.initializers.zeros,
            rngs=nnx.Rngs(key),
        )

    def log_terms(
        self, workloads: Int[Array, "features batch"]
    ) -> Float[Array, "workloads batch pairs"]:
        """Cycles of each workload with each pair of array and dataflow, in logarithms."""
        return self.loads(self.inputs(dims_of(workloads)))

    def logits(
        self, log_loads: Float[Array, "workloads batch pairs"]
    ) -> Float[Array, "batch designs"]:
        """Logits of predicted `log_terms`."""
        makespans = over_designs(self._space, larger, log_loads)
        # Relative to the best, whose logits are then near zero, where float32 is finest.
        lowest = makespans.min(axis=1, keepdims=True)
        relative = jnp.exp(jnp.minimum(log_loads - lowest[None], 1.0))
        sums = over_designs(self._space, jnp.add, relative)
        return -GAIN * (makespans - lowest + _SUM_WEIGHT * sums)

    def __call__(self, workloads: Int[Array, "features batch"]) -> Float[Array, "batch designs"]:
        """Logits; workloads are raw feature values of any size."""
        return self.logits(self.log_terms(workloads))
