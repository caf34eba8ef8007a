"""Makespan and sums of GEMMs that run at the same time, each on an array of its own.

Operators only, as in `airchitect_jax.cost.compute`: for Python integers, NumPy arrays and JAX
tracers, which broadcast.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence

from airchitect_jax.cost.arithmetic import Number, larger, select
from airchitect_jax.cost.ideal import stall_free_cycles
from airchitect_jax.cost.platform import Platform
from airchitect_jax.types import ArrayShape, Dataflow, Gemm


def makespan(cycles: Sequence[Number]) -> Number:
    """The latest finish of arrays that start together: the maximum of their cycles.

    Example:
      >>> makespan([120, 300, 80])
      300
    """
    return functools.reduce(larger, cycles)


def sum_of_cycles(cycles: Sequence[Number]) -> Number:
    """The sum over the arrays, which breaks ties of the makespan."""
    return functools.reduce(lambda a, b: a + b, cycles)


def dataflow_cycles(gemm: Gemm, array: ArrayShape, platform: Platform) -> list[Number]:
    """Stall-free cycles of a GEMM on an array with each dataflow, in the order of `Dataflow`."""
    return [stall_free_cycles(gemm, array, dataflow, platform) for dataflow in Dataflow]


def best_dataflow(cycles: Sequence[Number]) -> tuple[Number, Number]:
    """The fewest of the cycles by dataflow, and the first dataflow that reaches them.

    The cycles of an array do not depend on the other arrays, and fewer cycles never increase the
    makespan and always decrease the sum. With ties broken by sum, then lower id, every array of the
    best schedule therefore runs this dataflow.

    Example:
      >>> best_dataflow([503, 400, 400])
      (400, 1)
    """
    fewest, first = cycles[0], 0
    for dataflow, count in enumerate(cycles[1:], start=1):
        first = select(count < fewest, dataflow, first)
        fewest = select(count < fewest, count, fewest)
    return fewest, first
