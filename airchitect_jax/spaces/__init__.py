"""Enumerated design spaces: design_id <-> design, feasibility, tie order.

Designs are enumerated in tie order, so that "the first minimum" is the whole tie rule.
"""

from airchitect_jax.spaces.array_dataflow import ArrayDataflowSpace
from airchitect_jax.spaces.base import Attribute, DesignSpace, Fields
from airchitect_jax.spaces.buffers import BufferSpace
from airchitect_jax.spaces.grid import Axis, GridSpace
from airchitect_jax.spaces.hardware import HardwareSpace
from airchitect_jax.spaces.joint import JointSpace
from airchitect_jax.spaces.layout import Layout, RelaxedPoint, within_sum
from airchitect_jax.spaces.schedules import (
    DEFAULT_ARRAYS,
    MAX_ARRAYS,
    MIN_ARRAYS,
    ScheduleSpace,
    over_designs,
    permutations,
)

__all__ = [
    "DEFAULT_ARRAYS",
    "MAX_ARRAYS",
    "MIN_ARRAYS",
    "ArrayDataflowSpace",
    "Attribute",
    "Axis",
    "BufferSpace",
    "DesignSpace",
    "Fields",
    "GridSpace",
    "HardwareSpace",
    "JointSpace",
    "Layout",
    "RelaxedPoint",
    "ScheduleSpace",
    "over_designs",
    "permutations",
    "within_sum",
]
