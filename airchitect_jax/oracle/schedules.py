"""The exact best schedule of N workloads on N arrays (case study 3).

N! * 3**N designs, few of which need to be evaluated. An array's best dataflow for a workload is
independent of the rest (`airchitect_jax.cost.schedule.best_dataflow`), which leaves the N!
permutations, and those share their parts. Two passes over the subsets of workloads, each of
`N 2**(N - 1)` steps:

1. the least makespan, of each subset of workloads on the last arrays;
2. the least sum of cycles among the schedules of that makespan, which are those that use no pair
   of workload and array that takes longer, and among these the first permutation.

The batch lies in the vector lanes and the subsets are unrolled at trace time. The second pass has
the permutation in the low bits of the sum, so that one minimum settles both. All numbers are whole
and below 2**53, where float64 is exact; inexact optima are detected and computed in Python
integers. Where a device has no exact float64 the numbers are int64.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Bool, Int, Num

from airchitect_jax._support import (
    MAX_DIM,
    as_array,
    common_shape,
    instance,
    instance_or_default,
    is_traced,
)
from airchitect_jax.cost import (
    Platform,
    add_cycles,
    best_dataflow,
    dataflow_cycles,
    fold_cycles,
    larger,
    last_cycle_offset,
    makespan,
    mapped_dims,
    select,
    smaller,
    sum_of_cycles,
)
from airchitect_jax.oracle.batch import exact_labels, in_exact_arithmetic, valid_rows
from airchitect_jax.spaces import ScheduleSpace
from airchitect_jax.types import ArrayShape, Dataflow, Gemm, Labels, RuntimeModel

_EXACT = 2.0**53
# Cycles of a pair that would delay the makespan, in float64 and in int64; sums of these fit.
_NEVER, _NEVER_IN_INT64 = 2.0**90, 2**60


def label_schedules(
    workloads: Gemm,
    space: ScheduleSpace | None = None,
    *,
    runtime_model: RuntimeModel = RuntimeModel.SCALESIM,
) -> Labels:
    """The best schedule of each set: least makespan, then least sum of cycles, then lowest id.

    Args:
      workloads: fields of one shape [workloads, *batch] (scalars and batches broadcast): whole
        numbers in 1..2**31 - 1, as many workloads as the space has arrays. NumPy or JAX.
      space: the arrays; the four of case study 3 by default.
      runtime_model: the cycle count to use.

    Returns:
      Design ids (int32) and makespans in cycles (int64) of shape [*batch]. NumPy arrays, or,
      inside a caller's `jit` or `vmap`, traced arrays with -1 for sets that are invalid or too
      large for the device's exact arithmetic. A traced function is called within
      `with jax.enable_x64(True):`, since makespans need 64 bits.

    Raises:
      ValueError: a field is out of range, the number of workloads is not that of the arrays, or a
        makespan does not fit into int64.
      TypeError: an argument is of another type, a traced field is not of integers, or 64-bit mode
        is off while tracing.

    Example:
      >>> workloads = aj.Gemm(
      ...     m=[64, 1024, 196, 8], n=[64, 1024, 768, 4096], k=[64, 512, 768, 1000]
      ... )
      >>> labels = aj.label_schedules(workloads)
      >>> aj.ScheduleSpace().describe(int(labels.design_id)), int(labels.cost)
      ('64x64 WS: 1, 32x32 OS: 0, 16x128 OS: 2, 128x16 IS: 3', 155391)
    """
    instance("workloads", workloads, Gemm)
    space = instance_or_default("space", space, ScheduleSpace)
    return label_schedules_on(workloads, space, Platform(runtime_model=runtime_model))


def label_schedules_on(workloads: Gemm, space: ScheduleSpace, platform: Platform) -> Labels:
    """`label_schedules` on a platform."""
    dims = {name: _batch(name, getattr(workloads, name)) for name in ("m", "n", "k")}
    shapes = {name: np.shape(dim) for name, dim in dims.items() if np.ndim(dim)}
    for name, shape in (shapes or {"workloads": ()}).items():
        if shape[:1] != (space.num_arrays,):
            raise ValueError(
                f"{name}: the shape {shape} is not allowed; expected {space.num_arrays}"
                " workloads, one for each array, in the first axis"
            )
    common_shape({name: dims[name][0] for name in shapes})
    # Scalars broadcast as they are, so that Python integers of any size reach the checks.
    fields = {
        f"{name}{number}": dim[number] if np.ndim(dim) else dim
        for number in range(space.num_arrays)
        for name, dim in dims.items()
    }
    return exact_labels(
        "label_schedules",
        fields,
        schedule_limits(space),
        functools.partial(label_schedule_columns, space=space, platform=platform),
        functools.partial(label_schedule_in_python, space=space, platform=platform),
    )


def _batch(name: str, dim: Any) -> Any:
    """An array of any dtype, Python integers beyond int64 included; tracers as they are."""
    return dim if is_traced(dim) else as_array(name, dim)


def schedule_limits(space: ScheduleSpace) -> dict[str, tuple[int, int]]:
    """The inputs in order, m0, n0, k0, m1 and so on, with their allowed ranges."""
    return {f"{name}{number}": (1, MAX_DIM) for number in range(space.num_arrays) for name in "mnk"}


def label_schedule_columns(
    columns: Sequence[Int[np.ndarray | Array, "rows"]], *, space: ScheduleSpace, platform: Platform
) -> tuple[Labels, Bool[Array, "rows"]]:
    """Labels on the device, without waiting, and which sets are valid.

    Columns as in `schedule_limits`, int32 or int64. Labels of invalid sets are undefined; those of
    optima that are not exact here are -1.
    """
    in_float64, in_int64 = (
        functools.partial(_search, space=space, platform=platform, kind=kind)
        for kind in (jnp.float64, jnp.int64)
    )
    with jax.enable_x64(True):
        return in_exact_arithmetic(columns, in_float64, in_int64)


def _search(
    columns: Sequence[Int[np.ndarray | Array, "rows"]],
    *,
    space: ScheduleSpace,
    platform: Platform,
    kind: Any,
) -> tuple[Labels, Bool[Array, "rows"]]:
    """`label_schedule_columns` in float64 or int64, under 64-bit mode."""
    settings: Any = {"space": space, "platform": platform, "kind": kind}
    *dims, valid = _prepare_jit(columns, space=space)
    # Separate programs: XLA's CPU backend would compute a minimum with two users twice.
    least = _least_makespan_jit(dims, **settings)
    key = _least_sum_jit(dims, least, **settings)
    return _labels_jit(dims, least, key, **settings), valid


def _prepare(columns: Sequence[Array], space: ScheduleSpace) -> tuple[Array, ...]:
    """The dimensions as int32, and where all are valid."""
    columns = [jnp.asarray(column) for column in columns]
    valid = valid_rows(columns, schedule_limits(space))
    return (*(jnp.where(valid, column, 1).astype(jnp.int32) for column in columns), valid)


def _gemms(dims: Sequence[Array]) -> list[Gemm]:
    return [Gemm(m=m, n=n, k=k) for m, n, k in zip(*[iter(dims)] * 3, strict=True)]


def _wide_cycles(
    gemm: Gemm, array: ArrayShape, space: ScheduleSpace, platform: Platform, kind: Any
) -> list[Array]:
    """`dataflow_cycles` plus `last_cycle_offset`, with folds counted in int32.

    In int64 what exceeds `_most_cycles` is one more than these.
    """

    def folds(size: Array, side: int) -> Array:
        before_last = size - 1
        if side & (side - 1):
            return (lax.div(before_last, np.int32(side)) + 1).astype(kind)
        return ((before_last >> (side.bit_length() - 1)) + 1).astype(kind)

    wide = jax.tree.map(lambda dim: dim.astype(kind), gemm)
    counts = []
    for dataflow in Dataflow:
        s_r, s_c, t = mapped_dims(gemm, dataflow)
        fold = fold_cycles(array, t.astype(kind), dataflow, platform.runtime_model)
        num_folds = folds(s_r, int(array.rows)) * folds(s_c, int(array.cols))
        count = num_folds * fold
        if kind is jnp.int64:
            most = _most_cycles(space)
            count = jnp.where(num_folds <= lax.div(jnp.int64(most), fold), count, most + 1)
        counts.append(add_cycles(platform.terms, count, wide, array, dataflow))
    return counts


def _pairs(
    dims: Sequence[Array], space: ScheduleSpace, platform: Platform, kind: Any
) -> list[list[Array]]:
    """Fewest cycles, plus the offset, of each workload (first index) on each array."""
    return [
        [
            functools.reduce(smaller, _wide_cycles(gemm, array, space, platform, kind))
            for array in space.arrays
        ]
        for gemm in _gemms(dims)
    ]


def _over_subsets(num: int, pair: Any, join: Any) -> Any:
    """The least value of assigning all workloads to all arrays, one each.

    `pair(w, a)` is the value of workload w on array a, `join` adds it to that of the arrays after
    a, and less is better.
    """
    best: dict[tuple[int, ...], Any] = {(w,): pair(w, num - 1) for w in range(num)}
    for array in reversed(range(num - 1)):
        best = {
            subset: functools.reduce(
                smaller,
                [join(pair(w, array), best[tuple(x for x in subset if x != w)]) for w in subset],
            )
            for subset in itertools.combinations(range(num), num - array)
        }
    return best[tuple(range(num))]


def _least_makespan(
    dims: Sequence[Array], *, space: ScheduleSpace, platform: Platform, kind: Any
) -> Num[Array, "*batch"]:
    """The least makespan plus the offset."""
    cycles = _pairs(dims, space, platform, kind)
    return _over_subsets(space.num_arrays, lambda w, a: cycles[w][a], larger)


def _scale(space: ScheduleSpace) -> int:
    """A factor that leaves room for a permutation below a sum: one base-N digit per array."""
    return 1 << (space.num_arrays**space.num_arrays - 1).bit_length()


def _most_cycles(space: ScheduleSpace) -> int:
    """The cycles, plus the offset, of which the keys of all arrays add up to less than never."""
    return _NEVER_IN_INT64 // (8 * _scale(space)) - 2  # there are at most six


def _least_sum(
    dims: Sequence[Array],
    least: Num[Array, "*batch"],
    *,
    space: ScheduleSpace,
    platform: Platform,
    kind: Any,
) -> Num[Array, "*batch"]:
    """Least sum over the schedules of least makespan, times `_scale`, plus the permutation."""
    num, cycles = space.num_arrays, _pairs(dims, space, platform, kind)
    never = _NEVER if kind is jnp.float64 else _NEVER_IN_INT64

    def pair(w: int, a: int) -> Array:
        key = cycles[w][a] * _scale(space) + w * num ** (num - 1 - a)
        return jnp.where(cycles[w][a] > least, never, key)

    return _over_subsets(num, pair, lambda a, b: a + b)


def _labels(
    dims: Sequence[Array],
    least: Num[Array, "*batch"],
    key: Num[Array, "*batch"],
    *,
    space: ScheduleSpace,
    platform: Platform,
    kind: Any,
) -> Labels:
    if kind is jnp.float64:
        exact = key < _EXACT
    else:  # cost terms could exceed int64 unnoticed
        exact = least <= (-1 if platform.terms else _most_cycles(space))
    design_id = _design_id(dims, key, space=space, platform=platform, kind=kind)
    cycles = least.astype(jnp.int64) - last_cycle_offset(platform.runtime_model)
    return Labels(
        design_id=jnp.where(exact, design_id, -1).astype(jnp.int32),
        cost=jnp.where(exact, cycles, -1),
    )


def _design_id(
    dims: Sequence[Array],
    key: Num[Array, "*batch"],
    *,
    space: ScheduleSpace,
    platform: Platform,
    kind: Any,
) -> Int[Array, "*batch"]:
    """The id of the permutation in a key, each array with its best dataflow."""
    num, gemms, scale = space.num_arrays, _gemms(dims), _scale(space)
    code = key - jnp.floor(key / scale) * scale if kind is jnp.float64 else key & (scale - 1)
    code = code.astype(jnp.int32)
    on_array = [lax.div(code, np.int32(num**power)) % num for power in reversed(range(num))]
    # A permutation's index counts, at each array, the later workloads that are smaller.
    index: Any = 0
    for first, workload in enumerate(on_array):
        later = on_array[first + 1 :]
        index = index * (num - first) + sum((other < workload).astype(jnp.int32) for other in later)
    dataflows = []
    for workload, array in zip(on_array, space.arrays, strict=True):
        gemm = gemms[0]
        for number in range(1, num):
            gemm = jax.tree.map(functools.partial(select, workload == number), gemms[number], gemm)
        dataflows.append(best_dataflow(_wide_cycles(gemm, array, space, platform, kind))[1])
    return space.design_id(index, dataflows)


_MODEL = ("space", "platform", "kind")
_prepare_jit = jax.jit(_prepare, static_argnames="space")
_least_makespan_jit = jax.jit(_least_makespan, static_argnames=_MODEL)
_least_sum_jit = jax.jit(_least_sum, static_argnames=_MODEL)
_labels_jit = jax.jit(_labels, static_argnames=_MODEL)


def label_schedule_in_python(
    *dims: int, space: ScheduleSpace, platform: Platform
) -> tuple[int, int]:
    """(design_id, makespan) by search over the permutations in integers of any size, in Python.

    Raises:
      ValueError: the makespan does not fit into int64.
    """
    gemms = [Gemm(m=m, n=n, k=k) for m, n, k in zip(*[iter(dims)] * 3, strict=True)]
    table = [
        [best_dataflow(dataflow_cycles(gemm, array, platform)) for array in space.arrays]
        for gemm in gemms
    ]
    ranked = []
    for index, permutation in enumerate(space.permutations.tolist()):
        cycles, dataflows = zip(
            *(table[workload][array] for array, workload in enumerate(permutation)), strict=True
        )
        ranked.append((makespan(cycles), sum_of_cycles(cycles), index, dataflows))
    least, _, index, dataflows = min(ranked)  # indices are distinct, and ids ascend with them
    if least >= 2**63:
        raise ValueError(
            f"the workloads {', '.join(f'{g.m}x{g.n}x{g.k}' for g in gemms)} take {least} cycles;"
            " labels are limited to int64 (2**63 - 1)"
        )
    return space.design_id(index, dataflows), least
