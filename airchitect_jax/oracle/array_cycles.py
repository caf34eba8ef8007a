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
import operator
from collections.abc import Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Complex, Float, Int

from airchitect_jax.cost import (
    Platform,
    larger,
    last_cycle_offset,
    mapped_dims,
    row_passes,
    smaller,
)
from airchitect_jax.spaces import ArrayDataflowSpace
from airchitect_jax.types import Dataflow, Gemm, Labels

_SLACK_SCALE = 32.0  # low bits of a line hold the slack: max_side_exponent < 32
EXACT = 2.0**53
Exponent = int | Int[Array, "*batch"]
MAX_GROUPS = 5  # that `packed_groups` ranks: the codes of all but one fit into 53 bits
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

    dataflow: float | Float[Array, "*batch"]
    row_exponent: float | Float[Array, "*batch"]
    row_folds: Float[Array, "*batch"]
    values: list[Float[Array, "*batch"]]


def _columns(
    mac_exponent: Int[Array, "*batch"], s_c: Int[Array, "*batch"], space: ArrayDataflowSpace
) -> tuple[list[Array], list[Array]]:
    """Slope and intercept of each column count, scaled to leave room for the slack code."""
    slopes, intercepts = [], []
    for v in range(1, space.max_side_exponent + 1):
        j = jnp.maximum(mac_exponent - v, 0)
        slope = jnp.where(mac_exponent - v >= 1, folds(s_c, j) * _SLACK_SCALE, _NEVER)
        slopes.append(slope)
        intercepts.append(slope * power(j) + float(space.max_side_exponent - v))
    return slopes, intercepts


def folds(size: Int[Array, "*batch"], exponent: Exponent) -> Float[Array, "*batch"]:
    """How often 2**exponent rows or columns are filled."""
    return (((size - 1) >> exponent) + 1).astype(jnp.float64)


def power(exponent: Exponent) -> Any:
    """2**exponent in float64."""
    if isinstance(exponent, int):
        return float(1 << exponent)
    return (jnp.ones_like(exponent) << exponent).astype(jnp.float64)


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
    # Each dimension with its lines, which OS and WS share; k is never mapped to columns.
    with_lines = Gemm(
        n=(n, _columns(mac_exponent, n, space)),
        m=(m, _columns(mac_exponent, m, space)),
        k=(k, None),
    )
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
            yield _Lines(float(dataflow), float(i), folds(s_r, i), values[i - 1 :])


def _group_lines(
    group: Int[Array, "*batch"],
    mac_exponent: Int[Array, "*batch"],
    *dims: Int[Array, "*batch"],
    space: ArrayDataflowSpace,
    platform: Platform,
) -> _Lines:
    """The designs of a dataflow and a number of rows that differ from workload to workload.

    A group is 3 i + dataflow, as in the tie code; what is no group counts as the first one.
    """
    i, dataflow = jnp.maximum(group // len(Dataflow), 1), group % len(Dataflow)
    gemm = Gemm(**dict(zip("mnk", dims, strict=True)))
    of_each = [
        (*mapped_dims(gemm, each), jnp.full(group.shape, row_passes(each, platform.runtime_model)))
        for each in Dataflow
    ]
    is_each = [dataflow == each for each in Dataflow]
    s_r, s_c, t, passes = (jnp.select(is_each, x) for x in zip(*of_each, strict=True))
    q = t.astype(jnp.float64) + (passes.astype(jnp.float64) * power(i) - 2.0)
    columns = zip(*_columns(mac_exponent, s_c, space), strict=True)
    values = [
        jnp.where(i <= v, slope * q + start, _NEVER)
        for v, (slope, start) in enumerate(columns, start=1)
    ]
    return _Lines(dataflow.astype(jnp.float64), i.astype(jnp.float64), folds(s_r, i), values)


def _packed(
    lines: _Lines,
    mac_exponent: Int[Array, "*batch"],
    above: Float[Array, "*batch"] | None,
    space: ArrayDataflowSpace,
) -> Float[Array, "*batch"]:
    """The least (cycles + offset) * tie_scale + tie code of a group of designs, in float64.

    With `above`, a number of this kind, the least of those that are more.
    """
    stride = float(_tie_stride(space))
    i, values = lines.row_exponent, lines.values
    weight = lines.row_folds * _tie_scale(space)
    # A slack code counts down from the largest slack, so that among ties fewer columns win.
    # i + j = mac_exponent + i - v; the code of the slack adds max_side_exponent - v.
    base = mac_exponent.astype(jnp.float64) * stride + (
        stride * (i - float(space.max_side_exponent)) + len(Dataflow) * i + lines.dataflow
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
    return whole * weight + ((low - whole) * (_SLACK_SCALE * stride) + base)


def packed_minimum(
    mac_exponent: Int[Array, "*batch"],
    *dims: Int[Array, "*batch"],
    space: ArrayDataflowSpace,
    platform: Platform,
) -> Float[Array, "*batch"]:
    """Min over feasible designs of (cycles + offset) * tie_scale + tie code, in float64."""
    groups = _lines(mac_exponent, *dims, space=space, platform=platform)
    return functools.reduce(smaller, [_packed(one, mac_exponent, None, space) for one in groups])


def packed_groups(
    mac_exponent: Int[Array, "*batch"],
    *dims: Int[Array, "*batch"],
    count: int,
    space: ArrayDataflowSpace,
    platform: Platform,
    above: Float[Array, "*batch"] | None = None,
) -> Complex[Array, "*batch"]:
    """`packed_minimum` (with `above`, of what is more), and the `count` best groups of designs.

    The designs that come next are among these: the second best is in one of the best two groups,
    and so on. One complex number, since XLA's CPU backend would compute two results in two loops;
    the imaginary part holds the groups but the first, best first.
    """
    best = [jnp.full(mac_exponent.shape, jnp.inf)] * count
    for lines in _lines(mac_exponent, *dims, space=space, platform=platform):
        key = _packed(lines, mac_exponent, above, space)
        for place, other in enumerate(best):
            best[place], key = smaller(other, key), larger(other, key)
    groups = jnp.zeros(mac_exponent.shape)
    for key in reversed(best[1:]):
        groups = groups * _tie_stride(space) + _group(key, space)
    return jax.lax.complex(best[0], groups)


def _group(packed: Float[Array, "*batch"], space: ArrayDataflowSpace) -> Float[Array, "*batch"]:
    """3 i + dataflow of a packed number; 0 of one that is not exact."""
    stride, packed = float(_tie_stride(space)), smaller(packed, EXACT)
    return packed - jnp.floor(packed * (1 / stride)) * stride


def packed_next(
    groups: Complex[Array, "*batch"],
    above: Float[Array, "*batch"],
    mac_exponent: Int[Array, "*batch"],
    *dims: Int[Array, "*batch"],
    count: int,
    space: ArrayDataflowSpace,
    platform: Platform,
) -> Float[Array, "*batch"]:
    """The least packed number of more than `above` in the first `count` of `packed_groups`."""
    stride, rest = _tie_stride(space), groups.imag.astype(jnp.int64)
    chosen = [_group(groups.real, space).astype(jnp.int32)]
    for _ in range(count - 1):
        chosen.append((rest % stride).astype(jnp.int32))
        rest = rest // stride
    return functools.reduce(
        smaller,
        [
            _packed(
                _group_lines(group, mac_exponent, *dims, space=space, platform=platform),
                mac_exponent,
                above,
                space,
            )
            for group in chosen
        ],
    )


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
        # Multiples of the row folds only: otherwise no line is in between. None costs less.
        line = jnp.floor(cost / lines.row_folds)
        is_tie = line * lines.row_folds == cost
        limit = jnp.where(is_tie, (line + 1) * _SLACK_SCALE, 0.0)
        # Summed by group: one sum of all would wait for itself.
        ties = [jnp.where(value < limit, 1.0, 0.0) for value in lines.values]
        count = count + functools.reduce(operator.add, ties)
    return count.astype(jnp.int32)
