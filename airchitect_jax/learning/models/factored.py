"""Permutation-equivariant scheduler that learns from labels alone."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Float, Int

from airchitect_jax.case_studies import ScheduleCase
from airchitect_jax.learning.models.resolutions import NUM_SAMPLES, Resolutions, log_resolutions
from airchitect_jax.learning.models.symmetric import NUM_DIMS, dims_of
from airchitect_jax.spaces import over_designs
from airchitect_jax.types import Dataflow

# First values of what multiplies the loads: in the logits of dataflows, in those of permutations,
# and in the sum of the loads; and the weight of that sum.
_SCALES = (300.0, 300.0, 1.0, 0.3)
# Units in nats of the logarithms of the scales, and of the biases of the loads: both move further
# in training than weights do, at the same learning rate.
_SCALE_UNIT, _BIAS_UNIT = 5.0, 10.0


class FactoredScheduler(nnx.Module):
    """A softmax over schedules with one factor for the permutation and one for each dataflow.

    The best schedule gives each array the best dataflow for its workload, so a label consists of a
    permutation and independent dataflows. Its cross-entropy is the sum of theirs, and training
    computes no logits of whole schedules.

    One encoder serves all workloads. A dense layer over m, n and k, each at several resolutions,
    gives each pair of array and dataflow a load in logarithms, which starts as the number of
    multiplications. The logits of an array's dataflows fall with their loads. The logit of a
    permutation falls with its largest load and with the sum of its loads, each workload at the
    least load of its array. All scales are learnt. The network is permutation-equivariant: swapping
    two workloads swaps them in the schedule.

    Args:
      case: whose workloads and arrays these are.
      key: for the workloads that the statistics of the inputs are taken from.
    """

    def __init__(self, case: ScheduleCase, *, key: jax.Array) -> None:
        self._space = case.space
        self.inputs = Resolutions(dims_of(case.sample(key, NUM_SAMPLES)).reshape(-1, NUM_DIMS))
        pairs = case.space.num_arrays * len(Dataflow)
        self.kernel = nnx.Param(jnp.zeros((self.inputs.width, pairs)))
        self.bias = nnx.Param(jnp.zeros(pairs))
        self.log_scales = nnx.Param(jnp.log(jnp.array(_SCALES)) / _SCALE_UNIT)

    def factors(
        self, workloads: Int[Array, "features batch"]
    ) -> tuple[
        Float[Array, "workloads arrays dataflows batch"], Float[Array, "permutations batch"]
    ]:
        """Log-probabilities of each workload's dataflow on each array, and of the permutations."""
        space, batch = self._space, workloads.shape[-1]
        inputs = log_resolutions(dims_of(workloads))
        # The first resolution of a dimension is its logarithm: these add up to that of the MACs.
        macs = np.arange(self.inputs.width) % (self.inputs.width // NUM_DIMS) == 0
        # One small product instead of decorrelating each workload.
        kernel = self.inputs.whiten[...] @ self.kernel[...] + macs[:, None].astype(np.float32)
        bias = _BIAS_UNIT * self.bias[None, None]
        loads = ((inputs - self.inputs.mean[None, None]) @ kernel + bias).transpose(0, 2, 1)
        loads = loads.reshape(space.num_arrays, space.num_arrays, len(Dataflow), batch)
        flow_scale, scale, unit, tie = jnp.exp(_SCALE_UNIT * self.log_scales[...])
        dataflows = jax.nn.log_softmax(-flow_scale * loads, axis=2)

        least = loads.min(axis=2)
        makespans = self._on_arrays(least).max(axis=1)
        lowest = jax.lax.stop_gradient(makespans.min(axis=0, keepdims=True))
        # A load far above the lowest makespan excludes a permutation by its makespan.
        cycles = jnp.exp(jnp.minimum(unit * (least - lowest[None]), 1.0))
        sums = self._on_arrays(cycles).sum(axis=1)
        return dataflows, jax.nn.log_softmax(-scale * (makespans - lowest + tie * sums), axis=0)

    def _on_arrays(
        self, of_pairs: Float[Array, "workloads arrays batch"]
    ) -> Float[Array, "permutations arrays batch"]:
        """The values of the pairs of workload and array that each permutation has."""
        return of_pairs[self._space.permutations, np.arange(self._space.num_arrays)]

    def label_loss(
        self, workloads: Int[Array, "features batch"], design_ids: Int[Array, "batch"]
    ) -> tuple[Float[Array, ""], Float[Array, ""]]:
        """Mean cross-entropy of labels in nats, and the accuracy, as of the logits."""
        space = self._space
        dataflows, permutations = self.factors(workloads)
        index, code = jnp.divmod(design_ids, space.num_dataflow_choices)
        of_label = jnp.take_along_axis(permutations, index[None], axis=0)[0]
        for array in reversed(range(space.num_arrays)):
            code, dataflow = jnp.divmod(code, len(Dataflow))
            workload = jnp.asarray(space.permutations[:, array])[index]
            on_array = dataflows[:, array].reshape(-1, len(design_ids))
            row = workload * len(Dataflow) + dataflow
            of_label += jnp.take_along_axis(on_array, row[None], axis=0)[0]
        best = self._on_arrays(dataflows.max(axis=2)).sum(axis=1)
        return -of_label.mean(), (of_label >= (permutations + best).max(axis=0) - 1e-5).mean()

    def __call__(self, workloads: Int[Array, "features batch"]) -> Float[Array, "batch designs"]:
        """Logits; workloads are raw feature values of any size."""
        space = self._space
        dataflows, permutations = self.factors(workloads)
        pairs = dataflows.transpose(0, 3, 1, 2).reshape(space.num_arrays, workloads.shape[-1], -1)
        of_permutation = jnp.repeat(permutations.T, space.num_dataflow_choices, axis=1)
        return over_designs(space, jnp.add, pairs) + of_permutation
