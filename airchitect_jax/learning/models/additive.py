"""A network that predicts the cost of every design; its logits follow from the costs."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float, Int

from airchitect_jax.case_studies import CaseStudy
from airchitect_jax.learning.models.resolutions import NUM_SAMPLES, Resolutions

# From differences of log costs to logits: differences of 1e-4 are decisive.
GAIN = 1e5


class Additive(nnx.Module):
    """Log costs as a sum over the inputs, each at several resolutions; logits from them.

    The logarithms of the factors of a cost add up, so one dense layer suffices. An input that only
    decides which designs are feasible is left out, and so may take any value.

    Args:
      case: a case study whose inputs other than constraints are at least 1.
      key: for the workloads that the statistics of the inputs are taken from.

    Raises:
      ValueError: an input may be 0.
    """

    def __init__(self, case: CaseStudy, *, key: jax.Array) -> None:
        self.rows = tuple(
            number for number, feature in enumerate(case.features) if not feature.is_constraint
        )
        for row in self.rows:
            if case.features[row].low < 1:
                raise ValueError(f"{case.features[row].name}: its lowest value must be at least 1")
        self.inputs = Resolutions(case.sample(key, NUM_SAMPLES)[jnp.array(self.rows)].T)
        self.terms = nnx.Linear(
            self.inputs.width,
            case.space.num_designs,
            kernel_init=jax.nn.initializers.zeros,
            rngs=nnx.Rngs(key),
        )

    def log_terms(self, workloads: Int[Array, "features batch"]) -> Float[Array, "batch designs"]:
        """Logarithms of the costs of all designs."""
        return self.terms(self.inputs(workloads[jnp.array(self.rows)].T))

    def logits(self, log_terms: Float[Array, "batch designs"]) -> Float[Array, "batch designs"]:
        """Logits of predicted `log_terms`."""
        return -GAIN * log_terms

    def __call__(self, workloads: Int[Array, "features batch"]) -> Float[Array, "batch designs"]:
        """Logits; workloads are raw feature values of any size."""
        return self.logits(self.log_terms(workloads))
