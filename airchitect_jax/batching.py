"""Any number of workloads through compiled functions of few shapes."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import jax
import numpy as np
from jaxtyping import Shaped

_Out = TypeVar("_Out")

_SMALLEST = 1024  # below this one more program costs more than the rows it would save


def map_chunks(
    function: Callable[[Shaped[np.ndarray, "features size"]], _Out],
    columns: Shaped[np.ndarray, "features num"],
    *,
    chunk: int = 1 << 20,
) -> _Out:
    """Applies `function` to chunks of the last axis and joins the results in NumPy.

    Chunks are padded with ones to a power of two, so that few shapes are compiled; what belongs
    to the padding is cut off again.

    Args:
      function: returns a pytree of arrays with the batch as their first axis.
      columns: the whole input, of any length, none included.
      chunk: most rows in one call, a power of two.
    """
    num = columns.shape[1]
    results = []
    for first in range(0, max(num, 1), chunk):
        part = columns[:, first : first + chunk]
        rows = part.shape[1]
        size = min(chunk, max(_SMALLEST, 1 << max(rows - 1, 0).bit_length()))
        padded = np.ones((len(columns), size), columns.dtype)
        padded[:, :rows] = part
        result = jax.device_get(function(padded))
        results.append(jax.tree.map(lambda field, rows=rows: field[:rows], result))
    return jax.tree.map(lambda *fields: np.concatenate(fields), *results)
