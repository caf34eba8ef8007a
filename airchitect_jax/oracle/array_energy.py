"""The array shape and dataflow of the least energy or energy-delay product (case study 1).

With row_folds(i) of 2**i rows and col_folds(j) of 2**j columns, the traffic of
`airchitect_jax.cost.memory` makes the energy of a dataflow

    first(j) + (row_folds(i) - 1) * again(j),

the energy of the first row fold and that of each further one, both at least 0. The batch lies in
the vector lanes.

* Energy: more rows never cost more, so the least energy is on the largest array of the budget with
  some number of columns: a few designs instead of all. Fewer rows tie with these where a single
  row fold remains, or all of them if a further fold is free.
* Energy-delay product: all designs in the order of their ids, three dataflows at a time. Only a
  lower product replaces the best one so far, which settles ties.

All terms are whole numbers, and float64 is exact below 2**53; an optimum beyond that is found to be
inexact, as rounding is monotone.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Iterator
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Complex, Float, Int

from airchitect_jax.cost import (
    Platform,
    larger,
    last_cycle_offset,
    mapped_dims,
    row_passes,
    smaller,
)
from airchitect_jax.cost.memory import ROLES
from airchitect_jax.oracle.array_cycles import EXACT, Exponent, folds, power
from airchitect_jax.spaces import ArrayDataflowSpace
from airchitect_jax.types import Dataflow, Gemm, Labels, Objective

_SLACK = 1 - 2.0**-40
_TOTAL = 32  # a shape is the code (i + j) * _TOTAL + i, which ascends with the ids
# Shapes in one program, which then fits into the instruction cache of a CPU.
_SHAPES = 80


def serves(platform: Platform) -> bool:
    """Whether the closed form holds: no cost terms, and half a buffer holds whole elements."""
    width = platform.memory.element_bytes
    sizes = vars(platform.buffers).values()
    return not platform.terms and all(size // 2 % width == 0 for size in sizes)


class _Rows(NamedTuple):
    """Row folds of 2**i rows, and the cycles of a fold that are due to its rows."""

    folds: Float[Array, "*batch"]
    cycles: Float[Array, "*batch"] | float


class _Columns(NamedTuple):
    """Column folds of 2**j columns, all their other cycles, and the energies of row folds."""

    folds: Float[Array, "*batch"]
    cycles: Float[Array, "*batch"]
    first: Float[Array, "*batch"]
    again: Float[Array, "*batch"]


class _Dataflow:
    """Energy and cycles of one dataflow on any array, of workloads in the vector lanes."""

    def __init__(self, gemm: Gemm, dataflow: Dataflow, platform: Platform) -> None:
        table, width = platform.energy_table, float(platform.memory.element_bytes)
        prices = table.of_buffers(platform.buffers).in_python()
        swept, column, tile = (
            (float(getattr(prices, f"{operand}_fj_per_byte")), sram_bytes // 2)
            for operand in ROLES[dataflow]
            for sram_bytes in [getattr(platform.buffers, f"{operand}_sram_bytes")]
        )
        dram = float(table.dram_fj_per_byte)
        self.s_r, self._s_c, t = mapped_dims(gemm, dataflow)
        wide_r, wide_c, wide_t = (x.astype(jnp.float64) for x in (self.s_r, self._s_c, t))
        # Accesses and transfers of the outputs of WS and IS go both ways.
        ways = 1.0 if dataflow is Dataflow.OS else 2.0
        swept_bytes = wide_r * wide_t * width
        resident = jnp.minimum(swept_bytes, float(swept[1]))
        fetch = swept[0] + dram
        column_bytes = wide_c * wide_t * width
        once = column[0] + dram if dataflow is Dataflow.OS else dram
        self._per_row_fold = ways * column[0] * column_bytes
        self._constant = self._per_row_fold + (
            wide_r * wide_c * wide_t * float(table.mac_fj)
            + fetch * resident
            + once * column_bytes
            + (2 * tile[0] + dram) * (wide_r * wide_c * width)
        )
        self._per_col_fold = swept[0] * swept_bytes + fetch * (swept_bytes - resident)
        self._per_spilled_byte = ways * (column[0] + dram)
        self._half = float(column[1])
        self._wide_c, self._t, self._row_bytes = wide_c, wide_t, wide_t * width
        self._passes = row_passes(dataflow, platform.runtime_model)
        self._offset = float(last_cycle_offset(platform.runtime_model))

    def rows(self, i: Exponent) -> _Rows:
        """Of 2**i rows."""
        return _Rows(folds(self.s_r, i), self._passes * power(i))

    def columns(self, j: Exponent) -> _Columns:
        """Of 2**j columns."""
        cols, times = power(j), folds(self._s_c, j)
        full, rest = (
            larger(width * self._row_bytes - self._half, 0.0)
            for width in (cols, self._wide_c - (times - 1) * cols)
        )
        spill = self._per_spilled_byte * ((times - 1) * full + rest)
        return _Columns(
            folds=times,
            cycles=times * (self._t - 2 + cols),
            first=self._constant + self._per_col_fold * times,
            again=self._per_row_fold + spill,
        )

    def cost(self, rows: _Rows, columns: _Columns, objective: Objective) -> Float[Array, "*batch"]:
        """Femtojoules, or these times compute cycles."""
        energy = columns.first + (rows.folds - 1) * columns.again
        if objective is Objective.ENERGY:
            return energy
        cycles = rows.folds * (columns.folds * rows.cycles + columns.cycles) - self._offset
        return energy * cycles


def _dataflows(platform: Platform, *dims: Int[Array, "*batch"]) -> list[_Dataflow]:
    gemm = Gemm(**dict(zip("mnk", dims, strict=True)))
    return [_Dataflow(gemm, dataflow, platform) for dataflow in Dataflow]


@functools.partial(jax.jit, static_argnames=("space", "platform"))
def _least_energy(
    mac_exponent: Int[Array, "*batch"],
    *dims: Int[Array, "*batch"],
    space: ArrayDataflowSpace,
    platform: Platform,
) -> Complex[Array, "*batch"]:
    """The least energy of a feasible design, and the code of the first shape that has it.

    One complex number: XLA's CPU backend would compute two results in two loops.
    """
    least, first = jnp.full(mac_exponent.shape, jnp.inf), jnp.zeros(mac_exponent.shape)
    for one in _dataflows(platform, *dims):
        one_fold = 32 - jax.lax.clz(one.s_r - 1)  # the rows of a single row fold
        for i in range(1, space.max_side_exponent + 1):
            j = jnp.maximum(mac_exponent - i, 1)
            columns = one.columns(j)
            energy = one.cost(one.rows(i), columns, Objective.ENERGY)
            energy = jnp.where(mac_exponent > i, energy, jnp.inf)
            i_first = jnp.where(columns.again > 0, jnp.clip(one_fold, 1, i), 1)
            code = ((i_first + j) * _TOTAL + i_first).astype(jnp.float64)
            better = (energy < least) | ((energy == least) & (code < first))
            least, first = jnp.where(better, energy, least), jnp.where(better, code, first)
    return jax.lax.complex(least, first)


def _parts(space: ArrayDataflowSpace) -> Iterator[range]:
    """All i + j, cut into parts of at most `_SHAPES` shapes where possible."""
    first, shapes = 2, 0
    for total in range(2, space.max_mac_exponent + 1):
        if shapes and shapes + total - 1 > _SHAPES:
            yield range(first, total)
            first, shapes = total, 0
        shapes += total - 1
    yield range(first, space.max_mac_exponent + 1)


@functools.partial(jax.jit, static_argnames=("platform", "totals"))
def _least_product(
    before: Complex[Array, "*batch"],
    mac_exponent: Int[Array, "*batch"],
    *dims: Int[Array, "*batch"],
    platform: Platform,
    totals: range,
) -> Complex[Array, "*batch"]:
    """As `_least_energy`, of products: those of these i + j, after the best of smaller ones."""
    dataflows, sides = _dataflows(platform, *dims), range(1, totals[-1])
    rows = {i: [one.rows(i) for one in dataflows] for i in sides}
    columns = {j: [one.columns(j) for one in dataflows] for j in sides}
    least, first = before.real, before.imag
    for total in totals:
        within, within_first = least, first
        for i in range(1, total):
            products = [
                one.cost(of_rows, of_columns, Objective.EDP)
                for one, of_rows, of_columns in zip(
                    dataflows, rows[i], columns[total - i], strict=True
                )
            ]
            product = functools.reduce(smaller, products)
            better = product < within
            within = jnp.where(better, product, within)
            within_first = jnp.where(better, float(total * _TOTAL + i), within_first)
        feasible = mac_exponent >= total
        least = jnp.where(feasible, within, least)
        first = jnp.where(feasible, within_first, first)
    return jax.lax.complex(least, first)


def cheapest(
    *fields: Int[Array, "*batch"],
    space: ArrayDataflowSpace,
    platform: Platform,
    objective: Objective,
) -> Labels:
    """Labels of valid workloads, under 64-bit mode; -1 where the optimum may be inexact.

    Args:
      *fields: exponent of the budget, m, n and k.
      space: the designs.
      platform: one that this module `serves`.
      objective: energy or EDP.
    """
    if objective is Objective.ENERGY:
        found = _least_energy(*fields, space=space, platform=platform)
    else:
        found = jnp.full(fields[0].shape, complex(jnp.inf, 0))
        for totals in _parts(space):
            found = _least_product(found, *fields, platform=platform, totals=totals)
    return _unpack(found, *fields, space=space, platform=platform, objective=objective)


@functools.partial(jax.jit, static_argnames=("space", "platform", "objective"))
def _unpack(
    found: Complex[Array, "*batch"],
    mac_exponent: Int[Array, "*batch"],
    *dims: Int[Array, "*batch"],
    space: ArrayDataflowSpace,
    platform: Platform,
    objective: Objective,
) -> Labels:
    cost, code = found.real, found.imag.astype(jnp.int32)
    i = code % _TOTAL
    j = code // _TOTAL - i
    dataflow = jnp.full(cost.shape, -1)
    for value, one in reversed(list(enumerate(_dataflows(platform, *dims)))):
        same = one.cost(one.rows(i), one.columns(j), objective) == cost
        dataflow = jnp.where(same, value, dataflow)
    exact = _is_exact(cost, mac_exponent, *dims, platform=platform, objective=objective)
    design_id = jnp.where(exact, space.design_id(i, j, dataflow), -1).astype(jnp.int32)
    cost = jnp.where(exact, cost, -1.0)
    if objective is Objective.ENERGY:
        cost = cost.astype(jnp.int64)
    return Labels(design_id=design_id, cost=cost)


def _is_exact(
    cost: Float[Array, "*batch"],
    mac_exponent: Int[Array, "*batch"],
    *dims: Int[Array, "*batch"],
    platform: Platform,
    objective: Objective,
) -> Bool[Array, "*batch"]:
    if objective is Objective.ENERGY:
        return cost < EXACT
    # A product with an inexact factor is at least 2**53 times the least that the other can be.
    macs = functools.reduce(operator.mul, [dim.astype(jnp.float64) for dim in dims])
    mac_fj = float(platform.energy_table.mac_fj)
    least = macs * jnp.minimum(mac_fj, jnp.exp2(-mac_exponent.astype(jnp.float64)))
    return cost < EXACT * _SLACK * least
