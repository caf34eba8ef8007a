"""Scores of answers, and constant answers as baselines."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Int

from airchitect_jax.studies.airchitect_v2.table import NUM_BUFFERS, NUM_PES

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
