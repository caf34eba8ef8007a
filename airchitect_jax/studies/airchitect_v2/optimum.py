"""The best designs in closed form, inferred from the labels.

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
