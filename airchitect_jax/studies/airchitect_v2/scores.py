"""Scores of answers, constant answers as baselines, and the best designs in closed form.

For the convolutions of the data set, every label that the search left is a minimum of two
independent functions (docs/airchitect_v2.md has the evidence):

- the PEs: with P PEs a dimension of u elements takes ceil(u / P) passes, where u is what the
  dataflow spreads over the array: output columns for eye, output rows for shi, channels for dla;
- the buffer: with tiles of t filters a layer costs ceil(K / t) (min(t, K) a + 1), where a is R S,
  and R R S for shi.

Here P is the PE index + 1 and t the buffer index + 1. Where several designs are best, the label is
one of them at random, which no model can predict. Networks and forests are not given the closed
form. It only scores answers that differ from the label.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from jaxtyping import Bool, Int

from airchitect_jax.studies.airchitect_v2.table import DATAFLOWS, NUM_BUFFERS, NUM_PES

NEAR = 5  # PE indices that count as near


def scores(
    labels: Int[np.ndarray, "num"],
    chosen: Int[np.ndarray, "num"],
    best: Bool[np.ndarray, "num designs"] | None = None,
) -> dict[str, float]:
    """Shares of right answers, for the whole design and for its halves.

    Args:
      labels: design ids.
      chosen: design ids.
      best: the best designs of each layer in closed form, for `optimal_set_accuracy`, if known.
    """
    pes, buffers = np.divmod(labels, NUM_BUFFERS)
    chosen_pes, chosen_buffers = np.divmod(chosen, NUM_BUFFERS)
    shares = {
        "accuracy": np.mean(chosen == labels),
        "pe_accuracy": np.mean(chosen_pes == pes),
        "buffer_accuracy": np.mean(chosen_buffers == buffers),
        "pe_near_accuracy": np.mean(np.abs(chosen_pes - pes) <= NEAR),
    }
    if best is not None:
        shares["optimal_set_accuracy"] = np.mean(best[np.arange(len(chosen)), chosen])
    return {name: float(share) for name, share in shares.items()}


def majority_class(labels: Int[np.ndarray, "num"]) -> int:
    """The most frequent design id."""
    return int(np.bincount(labels).argmax())


def nearest_constant(labels: Int[np.ndarray, "num"]) -> int:
    """The design id whose PE index is near to the most labels; its buffer index is the usual one.

    Among equals the PE index that is itself the most frequent.
    """
    pes, buffers = np.divmod(labels, NUM_BUFFERS)
    counts = np.bincount(pes, minlength=NUM_PES)
    padded = np.pad(counts, NEAR)
    near = np.array([padded[pe : pe + 2 * NEAR + 1].sum() for pe in range(NUM_PES)])
    pe = np.lexsort((counts, near))[-1]
    return int(pe * NUM_BUFFERS + np.bincount(buffers).argmax())


def optimal_set(columns: Mapping[str, Int[np.ndarray, "num"]]) -> Bool[np.ndarray, "num designs"]:
    """For each convolution, which designs are best.

    Args:
      columns: of a `Table` of convolutions.
    """
    k, c, x, y, r, s = (columns[name] for name in ("K", "C", "X", "Y", "R", "S"))
    dla, eye, shi = (columns["df"] == DATAFLOWS.index(name) for name in ("dla", "eye", "shi"))
    spread = np.select([eye, shi, dla], [x - r + 1, y - s + 1, c])[:, None]
    passes = -(-spread // np.arange(1, NUM_PES + 1))
    tiles = np.arange(1, NUM_BUFFERS + 1)
    per_filter = np.where(shi, r * r * s, r * s)[:, None]
    costs = -(-k[:, None] // tiles) * (np.minimum(tiles, k[:, None]) * per_filter + 1)
    best_pes, best_buffers = (cost == cost.min(axis=1, keepdims=True) for cost in (passes, costs))
    return (best_pes[:, :, None] & best_buffers[:, None, :]).reshape(len(k), -1)


def most_pes(best: Bool[np.ndarray, "num designs"]) -> Int[np.ndarray, "num"]:
    """Of the best designs of each convolution the last: most PEs, then the largest tile."""
    return best.shape[1] - 1 - best[:, ::-1].argmax(axis=1)
