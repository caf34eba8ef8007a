"""Losses of a recommendation network: from the label alone, or from the costs of the designs."""

from __future__ import annotations

import enum
from collections.abc import Callable
from typing import Any, Protocol, runtime_checkable

import chex
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from airchitect_jax.case_studies import CaseStudy

# Network, workloads and design ids to the mean loss and the accuracy.
LossFn = Callable[[Any, Array, Array], tuple[Float[Array, ""], Float[Array, ""]]]

# Designs whose costs differ by less, relatively, count as equal: the precision of float32.
_SAME = 1e-4


# Beside squared errors of log costs: enough to settle ties, too little to disturb the costs.
_TIES = 1e-6


class Loss(enum.Enum):
    """LABEL uses only the label, OPTIMAL_SET also the designs that cost as little, COST all costs.

    The latter two also use the budget. COST is for networks that predict costs.
    """

    LABEL = "label"
    OPTIMAL_SET = "optimal_set"
    COST = "cost"


def cross_entropy(
    logits: Float[Array, "*batch designs"], design_ids: Int[Array, "*batch"]
) -> tuple[Float[Array, ""], Float[Array, ""]]:
    """Mean cross-entropy in nats, and accuracy (ties for the largest logit count).

    Rows whose design id is -1 are left out.
    """
    chex.assert_equal_rank([logits, design_ids[..., None]])
    known = design_ids >= 0
    chosen = jnp.take_along_axis(logits, jnp.maximum(design_ids, 0)[..., None], axis=-1)[..., 0]
    nats = jax.nn.logsumexp(logits, axis=-1) - chosen
    # Not argmax, which XLA's CPU backend does not vectorise.
    hits = (known & (chosen >= logits.max(axis=-1))).astype(nats.dtype)
    num = jnp.maximum(known.sum(), 1).astype(nats.dtype)
    return jnp.where(known, nats, 0.0).sum() / num, hits.sum() / num


def with_optimal_set(
    logits: Float[Array, "batch designs"],
    log_costs: Float[Array, "batch designs"],
    design_ids: Int[Array, "batch"],
) -> tuple[Float[Array, ""], Float[Array, ""]]:
    """`cross_entropy` of feasible designs, plus the mean cross-entropy of the optimal set.

    The latter is -log of the probability that the softmax gives to all optimal designs together
    (at least 1e-30, which float32 can tell from zero).

    Args:
      logits: of all designs.
      log_costs: logarithms of their costs, infinite where infeasible.
      design_ids: the labels.
    """
    chex.assert_rank([logits, log_costs, design_ids], [2, 2, 1])
    # Passes over the designs dominate the time: one exponential only. The least cost is searched
    # for, although it is the label's: looking it up would keep XLA from fusing the costs into their
    # use.
    lowest = log_costs.min(axis=-1, keepdims=True)
    logits = jnp.where(jnp.isfinite(log_costs), logits, -jnp.inf)
    chosen = jnp.take_along_axis(logits, design_ids[:, None], axis=-1)[:, 0]
    highest = jax.lax.stop_gradient(logits.max(axis=-1))
    weights = jnp.exp(logits - highest[:, None])
    log_all = jnp.log(weights.sum(axis=-1))
    best = jnp.where(log_costs <= lowest + _SAME, weights, 0.0).sum(axis=-1)
    label_nats = log_all + highest - chosen
    set_nats = log_all - jnp.log(jnp.maximum(best, 1e-30))
    return (label_nats + set_nats).mean(), (chosen >= highest).mean()


@runtime_checkable
class LabelLearner(Protocol):
    """A network that computes the cross-entropy of labels without the logits of all designs."""

    def label_loss(
        self, workloads: Int[Array, "features batch"], design_ids: Int[Array, "*values batch"]
    ) -> tuple[Float[Array, ""], Float[Array, ""]]:
        """As `cross_entropy` of its logits."""
        ...


class CostNetwork(Protocol):
    """A network that predicts `CaseStudy.log_terms`, and converts them to logits."""

    def log_terms(self, workloads: Int[Array, "features batch"]) -> Float[Array, "*rows terms"]:
        """Predictions, in the shape of the case study's."""
        ...

    def logits(self, log_terms: Float[Array, "*rows terms"]) -> Float[Array, "batch designs"]:
        """Logits of predictions."""
        ...


def of_costs(
    network: CostNetwork,
    case: CaseStudy,
    workloads: Int[Array, "features batch"],
    design_ids: Int[Array, "batch"],
) -> tuple[Float[Array, ""], Float[Array, ""]]:
    """Squared errors of the log terms, summed, in the mean over the rows; and the accuracy.

    A small share of the cross-entropy of feasible designs decides ties and near ties.
    """
    # Predicted once: XLA does not see that two passes through a network are the same.
    log_terms = network.log_terms(workloads)
    errors = log_terms - case.log_terms(workloads)
    logits = jnp.where(case.feasible(workloads), network.logits(log_terms), -jnp.inf)
    nats, accuracy = cross_entropy(logits, design_ids)
    return (errors**2).sum(axis=-1).mean() + _TIES * nats, accuracy


def loss_fn(case: CaseStudy, loss: Loss) -> LossFn:
    """The loss of a case study.

    OPTIMAL_SET masks the infeasible designs, as a recommendation does, and adds to the
    cross-entropy of the label that of the optimal set: the label stays the first choice among
    equals, and designs that cost more than the optimum are penalised more than ties.
    """

    def label(network: Any, workloads: Array, design_ids: Array) -> tuple[Array, Array]:
        if isinstance(network, LabelLearner):
            return network.label_loss(workloads, design_ids)
        return cross_entropy(network(workloads), design_ids)

    def optimal_set(network: Any, workloads: Array, design_ids: Array) -> tuple[Array, Array]:
        return with_optimal_set(network(workloads), case.log_costs(workloads), design_ids)

    def cost(network: Any, workloads: Array, design_ids: Array) -> tuple[Array, Array]:
        return of_costs(network, case, workloads, design_ids)

    return {Loss.LABEL: label, Loss.OPTIMAL_SET: optimal_set, Loss.COST: cost}[loss]
