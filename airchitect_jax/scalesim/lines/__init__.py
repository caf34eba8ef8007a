"""What the array of the scalesim 3.0.0 package asks for: operands, fetch order, lines, counts.

A line is one cycle of a run without stalls. These modules need NumPy alone.
"""

from airchitect_jax.scalesim.lines.compute_counts import ComputeCounts, counts
from airchitect_jax.scalesim.lines.demand import Lines, demand
from airchitect_jax.scalesim.lines.fetch_order import prefetch
from airchitect_jax.scalesim.lines.folds import folds_of
from airchitect_jax.scalesim.lines.matrices import Operands, operands

__all__ = [
    "ComputeCounts",
    "Lines",
    "Operands",
    "counts",
    "demand",
    "folds_of",
    "operands",
    "prefetch",
]
