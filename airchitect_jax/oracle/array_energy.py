"""The array shape and dataflow of the least energy or energy-delay product (case study 1).

Exhaustive, but factored. With row_folds(i) of 2**i rows and col_folds(j) of 2**j columns, the
traffic of `airchitect_jax.cost.memory` makes the energy of a dataflow

    constant + col_folds(j) * a + row_folds(i) * b + (row_folds(i) - 1) * spill(j),

where a and b depend on the workload alone. So a design takes two multiply-adds and a comparison,
the batch in the vector lanes. The designs are visited in the order of their ids, and only a lower
cost replaces the best one so far, which settles ties. All terms are whole numbers of at least 0,
and float64 is exact below 2**53; an optimum beyond that is found to be inexact, as rounding is
monotone.
"""

from __future__ import annotations

import functools
import itertools
import operator
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from airchitect_jax.cost import Platform, last_cycle_offset, mapped_dims, row_passes, smaller
from airchitect_jax.cost.memory import ROLES
from airchitect_jax.oracle.array_cycles import EXACT
from airchitect_jax.spaces import ArrayDataflowSpace
from airchitect_jax.types import Dataflow, Gemm, Labels, Objective

_SLACK = 1 - 2.0**-40


def serves(platform: Platform) -> bool:
    """Whether the closed form holds: no cost terms, and half a buffer holds whole elements."""
    width = platform.memory.element_bytes
    sizes = vars(platform.buffers).values()
    return not platform.terms and all(size // 2 % width == 0 for size in sizes)


class _Dataflow:
    """Energy and cycles of one dataflow on any array, of workloads in the vector lanes."""

    def __init__(self, gemm: Gemm, dataflow: Dataflow, platform: Platform, sides: range) -> None:
        table, width = platform.energy_table, float(platform.memory.element_bytes)
        prices = table.of_buffers(platform.buffers).in_python()
        swept, column, tile = (
            (float(getattr(prices, f"{operand}_fj_per_byte")), sram_bytes // 2)
            for operand in ROLES[dataflow]
            for sram_bytes in [getattr(platform.buffers, f"{operand}_sram_bytes")]
        )
        dram = float(table.dram_fj_per_byte)
        s_r, s_c, t = mapped_dims(gemm, dataflow)
        wide_r, wide_c, wide_t = (x.astype(jnp.float64) for x in (s_r, s_c, t))
        # Accesses and transfers of the outputs of WS and IS go both ways.
        ways = 1.0 if dataflow is Dataflow.OS else 2.0
        swept_bytes = wide_r * wide_t * width
        resident = jnp.minimum(swept_bytes, float(swept[1]))
        fetch = swept[0] + dram
        column_bytes = wide_c * wide_t * width
        once = column[0] + dram if dataflow is Dataflow.OS else dram
        self._constant = (
            wide_r * wide_c * wide_t * float(table.mac_fj)
            + fetch * resident
            + once * column_bytes
            + (2 * tile[0] + dram) * (wide_r * wide_c * width)
        )
        per_col_fold = swept[0] * swept_bytes + fetch * (swept_bytes - resident)
        per_row_fold = ways * column[0] * column_bytes
        self._row_folds = {i: _folds(s_r, i) for i in sides}
        self._col_folds = {j: _folds(s_c, j) for j in sides}
        self._by_rows = {i: self._constant + per_row_fold * self._row_folds[i] for i in sides}
        self._by_cols = {j: per_col_fold * self._col_folds[j] for j in sides}
        self._spills = {}
        for j in sides:
            folds = self._col_folds[j]
            last = wide_c - (folds - 1) * float(1 << j)
            full, rest = (
                jnp.maximum(cols * wide_t * width - float(column[1]), 0.0)
                for cols in (float(1 << j), last)
            )
            self._spills[j] = (ways * (column[0] + dram)) * ((folds - 1) * full + rest)
        passes = row_passes(dataflow, platform.runtime_model)
        self._offset = float(last_cycle_offset(platform.runtime_model))
        self._lengths = {i: wide_t + float(passes * (1 << i) - 2) for i in sides}

    def energy(self, i: int, j: int) -> Float[Array, "*batch"]:
        """Femtojoules on 2**i x 2**j."""
        return (self._row_folds[i] - 1) * self._spills[j] + (self._by_rows[i] + self._by_cols[j])

    def cycles(self, i: int, j: int) -> Float[Array, "*batch"]:
        """Compute cycles on 2**i x 2**j."""
        folds = self._row_folds[i] * self._col_folds[j]
        return folds * (self._lengths[i] + float(1 << j)) - self._offset


def _folds(size: Int[Array, "*batch"], exponent: int) -> Float[Array, "*batch"]:
    return (((size - 1) >> exponent) + 1).astype(jnp.float64)


def _costs(
    m: Int[Array, "*batch"],
    n: Int[Array, "*batch"],
    k: Int[Array, "*batch"],
    *,
    space: ArrayDataflowSpace,
    platform: Platform,
    objective: Objective,
) -> list[list[Array]]:
    """For each number of MACs, the costs of all designs, in the order of the ids."""
    sides = range(1, space.max_side_exponent + 1)
    gemm = Gemm(m=m, n=n, k=k)
    dataflows = [_Dataflow(gemm, dataflow, platform, sides) for dataflow in Dataflow]

    def cost(one: _Dataflow, i: int, j: int) -> Array:
        energy = one.energy(i, j)
        return energy if objective is Objective.ENERGY else energy * one.cycles(i, j)

    return [
        [cost(one, i, total - i) for i in range(1, total) for one in dataflows]
        for total in range(2, space.max_mac_exponent + 1)
    ]


@functools.partial(jax.jit, static_argnames=("space", "platform", "objective"))
def _least(
    mac_exponent: Int[Array, "*batch"], *dims: Int[Array, "*batch"], **settings: Any
) -> Float[Array, "*batch"]:
    """The least cost of a feasible design."""
    levels = [
        jnp.where(mac_exponent >= total, functools.reduce(smaller, costs), jnp.inf)
        for total, costs in enumerate(_costs(*dims, **settings), start=2)
    ]
    return functools.reduce(smaller, levels)


@functools.partial(jax.jit, static_argnames=("space", "platform", "objective"))
def _first(
    least: Float[Array, "*batch"], *dims: Int[Array, "*batch"], **settings: Any
) -> Float[Array, "*batch"]:
    """The lowest id of a design of this cost: feasible, as designs beyond the budget come last."""
    first = jnp.full(least.shape, -1.0)
    costs = list(itertools.chain(*_costs(*dims, **settings)))
    for design_id, cost in reversed(list(enumerate(costs))):
        first = jnp.where(cost == least, float(design_id), first)
    return first


def cheapest(
    *fields: Int[Array, "*batch"],
    space: ArrayDataflowSpace,
    platform: Platform,
    objective: Objective,
) -> Labels:
    """Labels of valid workloads, under 64-bit mode; -1 where the optimum may be inexact.

    Two programs: XLA's CPU backend would compute a minimum with two users twice.

    Args:
      *fields: exponent of the budget, m, n and k.
      space: the designs.
      platform: one that this module `serves`.
      objective: energy or EDP.
    """
    settings: Any = {"space": space, "platform": platform, "objective": objective}
    least = _least(*fields, **settings)
    first = _first(least, *fields[1:], **settings)
    mac_fj = platform.energy_table.mac_fj
    return _unpack(least, first, *fields, mac_fj=mac_fj, objective=objective)


@functools.partial(jax.jit, static_argnames=("mac_fj", "objective"))
def _unpack(
    cost: Float[Array, "*batch"],
    first: Float[Array, "*batch"],
    mac_exponent: Int[Array, "*batch"],
    *dims: Int[Array, "*batch"],
    mac_fj: int,
    objective: Objective,
) -> Labels:
    if objective is Objective.ENERGY:
        exact = cost < EXACT
        cost = jnp.where(exact, cost, -1.0).astype(jnp.int64)
    else:
        # A product with an inexact factor is at least 2**53 times the least that the other can be.
        macs = functools.reduce(operator.mul, [dim.astype(jnp.float64) for dim in dims])
        least = macs * jnp.minimum(float(mac_fj), jnp.exp2(-mac_exponent.astype(jnp.float64)))
        exact = cost < EXACT * _SLACK * least
    return Labels(
        design_id=jnp.where(exact, first, -1.0).astype(jnp.int32), cost=jnp.where(exact, cost, -1)
    )
