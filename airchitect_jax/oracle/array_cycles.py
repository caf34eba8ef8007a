"""The array shape and dataflow with the fewest cycles under a MAC budget (case study 1).

Exhaustive, but factored. With rows 2**i, cols 2**j and F = row_folds(i) * col_folds(j), the
cycles of `airchitect_jax.cost.compute` are

    row_folds(i) * [ col_folds(j) * q(i) + col_folds(j) * 2**j ],    q(i) = p 2**i + t - 2,

so for each i and dataflow the best j is the lowest of a few straight lines in q: one multiply-add
and one comparison per design. Four techniques keep this cost on a vector unit:

* The batch lies in the vector lanes and all designs are unrolled at trace time.
* Columns are indexed by the slack v = mac_exponent - j. A design fits the budget if i <= v, which
  is known at trace time though the budget differs from lane to lane: no masks.
* From one i to the next a line moves by a multiple of its slope, so it is updated in place.
* Ties are broken by a code in the low bits of the cost, so that one minimum finds cost and
  design together. All numbers are whole and below 2**53, where float64 is exact; an inexact optimum
  is detected (rounding is monotone, so it cannot look smaller) and computed in Python integers.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from airchitect_jax.cost import Platform, last_cycle_offset, mapped_dims, row_passes, smaller
from airchitect_jax.spaces import ArrayDataflowSpace
from airchitect_jax.types import Dataflow, Gemm, Labels

_SLACK_SCALE = 32.0  # low bits of a line hold the slack: max_side_exponent < 32
EXACT = 2.0**53
_NEVER = 1e200  # slope of a column count that a budget rules out; no sum of these overflows


def _tie_stride(space: ArrayDataflowSpace) -> int:
    """Tie code: mac_exponent * stride + 3 i + dataflow, with the stride a power of two."""
    return 1 << (len(Dataflow) * (space.max_side_exponent + 1)).bit_length()


def _tie_scale(space: ArrayDataflowSpace) -> float:
    return float(1 << (_tie_stride(space) * (space.max_mac_exponent + 1)).bit_length())


class _Lines(NamedTuple):
    """The designs of one dataflow with 2**row_exponent rows, one line for each slack from there on.

    A line is the cycles of a row fold, plus those that are left out at the end, times the slack
    scale, plus a code that falls with the slack. A design of a slack that the budget rules out is
    far beyond all others.
    """

    dataflow: Dataflow
    row_exponent: int
    row_folds: Float[Array, "*batch"]
    values: list[Float[Array, "*batch"]]


def _lines(
    mac_exponent: Int[Array, "*batch"],
    m: Int[Array, "*batch"],
    n: Int[Array, "*batch"],
    k: Int[Array, "*batch"],
    *,
    space: ArrayDataflowSpace,
    platform: Platform,
) -> Iterator[_Lines]:
    """All designs."""
    sides = range(1, space.max_side_exponent + 1)

    def lines(s_c: Int[Array, "*batch"]) -> tuple[list[Array], list[Array]]:
        """Slope and intercept of each column count, scaled to leave room for the slack code."""
        slopes, intercepts = [], []
        for v in sides:
            j = jnp.maximum(mac_exponent - v, 0)
            col_folds = (((s_c - 1) >> j) + 1).astype(jnp.float64) * _SLACK_SCALE
            slope = jnp.where(mac_exponent - v >= 1, col_folds, _NEVER)
            cols = (jnp.ones_like(j) << j).astype(jnp.float64)
            slopes.append(slope)
            intercepts.append(slope * cols + float(space.max_side_exponent - v))
        return slopes, intercepts

    # Each dimension with its lines, which OS and WS share; k is never mapped to columns.
    with_lines = Gemm(n=(n, lines(n)), m=(m, lines(m)), k=(k, None))
    for dataflow in Dataflow:
        (s_r, _), (_, (slopes, intercepts)), (t, _) = mapped_dims(with_lines, dataflow)
        passes = row_passes(dataflow, platform.runtime_model)
        q = t.astype(jnp.float64) + float(passes * 2 - 2)
        values = [slope * q + start for slope, start in zip(slopes, intercepts, strict=True)]
        for i in sides:
            if i > 1:
                rise = float(passes * (2**i - 2 ** (i - 1)))
                for v in range(i, space.max_side_exponent + 1):
                    values[v - 1] = values[v - 1] + slopes[v - 1] * rise
            row_folds = (((s_r - 1) >> i) + 1).astype(jnp.float64)
            yield _Lines(dataflow, i, row_folds, values[i - 1 :])


def packed_minimum(
    mac_exponent: Int[Array, "*batch"],
    *dims: Int[Array, "*batch"],
    space: ArrayDataflowSpace,
    platform: Platform,
    above: Float[Array, "*batch"] | None = None,
) -> Float[Array, "*batch"]:
    """Min over feasible designs of (cycles + offset) * tie_scale + tie code, in float64.

    With `above`, a minimum of this kind, only of those that are more: the next design in order.
    """
    stride, scale = float(_tie_stride(space)), _tie_scale(space)
    # A slack code counts down from the largest slack, so that among ties fewer columns win.
    budget_ties = mac_exponent.astype(jnp.float64) * stride
    keys = []
    for lines in _lines(mac_exponent, *dims, space=space, platform=platform):
        i, values = lines.row_exponent, lines.values
        weight = lines.row_folds * scale
        # i + j = mac_exponent + i - v; the code of the slack adds max_side_exponent - v.
        base = budget_ties + (
            float(stride * (i - space.max_side_exponent) + len(Dataflow) * i + lines.dataflow)
        )
        if above is not None:
            # The line of which the key is `above`, or the next lower one.
            whole = jnp.floor(above / weight)
            rest = above - whole * weight
            whole = jnp.where(rest < 0, whole - 1, whole)  # the quotient was rounded up
            rest = jnp.where(rest < 0, rest + weight, rest)
            code = jnp.clip(jnp.floor((rest - base) * (1 / stride)), -1.0, _SLACK_SCALE - 1)
            limit = whole * _SLACK_SCALE + code
            values = [jnp.where(value > limit, value, _NEVER) for value in values]
        low = functools.reduce(smaller, values) * (1 / _SLACK_SCALE)
        whole = jnp.floor(low)
        keys.append(whole * weight + ((low - whole) * (_SLACK_SCALE * stride) + base))
    return functools.reduce(smaller, keys)


def unpack(best: Float[Array, "*batch"], space: ArrayDataflowSpace, platform: Platform) -> Labels:
    """Ids and cycles of a `packed_minimum`; -1 where it is not exact."""
    cost = jnp.floor(best / _tie_scale(space))
    tie = (best - cost * _tie_scale(space)).astype(jnp.int32)
    total, rest = tie // _tie_stride(space), tie % _tie_stride(space)
    i, dataflow = rest // len(Dataflow), rest % len(Dataflow)
    exact = best < EXACT
    cycles = cost.astype(jnp.int64) - last_cycle_offset(platform.runtime_model)
    return Labels(
        design_id=jnp.where(exact, space.design_id(i, total - i, dataflow), -1),
        cost=jnp.where(exact, cycles, -1),
    )


def num_ties(
    packed: Float[Array, "*batch"],
    mac_exponent: Int[Array, "*batch"],
    *dims: Int[Array, "*batch"],
    space: ArrayDataflowSpace,
    platform: Platform,
) -> Int[Array, "*batch"]:
    """How many feasible designs share the cycles of a `packed_minimum`."""
    cost = jnp.floor(packed / _tie_scale(space))
    count = jnp.zeros(cost.shape)
    for lines in _lines(mac_exponent, *dims, space=space, platform=platform):
        # Multiples of the row folds only: otherwise no line is in between.
        low = cost / lines.row_folds * _SLACK_SCALE
        low = jnp.where(jnp.floor(low) * lines.row_folds == cost * _SLACK_SCALE, low, _NEVER)
        for value in lines.values:
            count = count + jnp.where((value >= low) & (value < low + _SLACK_SCALE), 1.0, 0.0)
    return count.astype(jnp.int32)
