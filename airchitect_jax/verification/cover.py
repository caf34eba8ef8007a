"""Whether boxes cover a space."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Int

_Corners = Int[np.ndarray, "boxes axes"]


def uncovered(sizes: Sequence[int], lows: _Corners, highs: _Corners) -> tuple[int, ...] | None:
    """A point of a space that is in no box; None if there is none.

    A region is in a box, or it is divided where the fewest boxes are cut, and both parts are looked
    at with the boxes that reach into them.

    Args:
      sizes: the number of values of each axis.
      lows, highs: corners of the boxes, both included.
    """
    start = tuple(0 for _ in sizes)
    regions = [(start, tuple(size - 1 for size in sizes), np.arange(len(lows)))]
    while regions:
        low, high, boxes = regions.pop()
        if not len(boxes):
            return low
        inside_low, inside_high = lows[boxes] <= low, highs[boxes] >= high
        if (inside_low & inside_high).all(axis=1).any():
            continue
        best: tuple[int, int, int, int] | None = None
        for axis in range(len(sizes)):
            first, last = lows[boxes, axis], highs[boxes, axis]
            ends = np.concatenate([first[first > low[axis]], last[last < high[axis]] + 1])
            for place in np.unique(ends).tolist():
                left, right = int((first < place).sum()), int((last >= place).sum())
                # Fewest boxes in both parts, then the most equal parts.
                key = (left + right, abs(left - right), axis, place)
                best = key if best is None or key < best else best
        assert best is not None  # noqa: S101 - no box is all of the region
        axis, place = best[2:]
        left_high, right_low = list(high), list(low)
        left_high[axis], right_low[axis] = place - 1, place
        first, last = lows[boxes, axis], highs[boxes, axis]
        regions.append((low, tuple(left_high), boxes[first < place]))
        regions.append((tuple(right_low), high, boxes[last >= place]))
    return None
