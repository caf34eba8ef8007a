"""Common to all oracles: checks, chunks, and Python integers where the device is not exact."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Int

from airchitect_jax._support import (
    as_array,
    common_shape,
    float64_is_exact,
    int_field,
    is_traced,
    map_chunks,
)
from airchitect_jax.cost import EnergyTable
from airchitect_jax.types import Labels, Objective

CHUNK = 1 << 20  # workloads in one compiled call
WIDE_CHUNK = 1 << 12  # the same of a search that holds all costs

# Lowest and highest value of an input.
Limits = Mapping[str, tuple[int, int]]
_Found = TypeVar("_Found")
# Columns to labels, -1 where not exact, and which workloads are valid.
Search = Callable[[Sequence[Any]], tuple[Labels, Bool[Array, "rows"]]]


def exact_labels(
    name: str,
    fields: Mapping[str, Any],
    limits: Limits,
    search: Search,
    search_in_python: Callable[..., tuple[int, Any]],
    *,
    chunk: int | None = None,
    wide: Search | None = None,
) -> Labels:
    """Labels of workloads of one broadcast shape, exact or refused.

    Args:
      name: the caller, for errors.
      fields: whole numbers by name, NumPy, JAX or Python; traced ones get -1 for what is invalid
        or not exact on the device.
      limits: the allowed range of each field.
      search: the compiled search; it is elementwise.
      search_in_python: design id and cost of one workload, where `search` is not exact.
      chunk: most rows in one compiled call, where a million would take too much memory.
      wide: a slower search that is exact for larger numbers, tried before Python.

    Raises:
      ValueError: a field out of range, or an optimum that `search_in_python` refuses.
      TypeError: a traced field is not of integers, or 64-bit mode is off while tracing.
    """
    if is_traced(list(fields.values())):
        return _traced(name, fields, search, wide)
    arrays = {name: as_array(name, field) for name, field in fields.items()}
    if any(array.dtype not in (np.int32, np.int64) for array in arrays.values()):
        arrays = _checked(arrays, limits)
    shape = common_shape(arrays)
    flat = [np.broadcast_to(array, shape).reshape(-1) for array in arrays.values()]
    labels, valid = map_chunks(search, flat, chunk=chunk or CHUNK)
    if not valid.all():  # the slow checks name the invalid value
        _checked(arrays, limits)
    if wide is not None:
        retry(wide, labels, flat)
    for row in np.flatnonzero(labels.design_id < 0):
        labels.design_id[row], labels.cost[row] = search_in_python(
            *(int(column[row]) for column in flat)
        )
    return jax.tree.map(lambda field: field.reshape(shape), labels)


def in_exact_arithmetic(
    columns: Sequence[Any],
    in_float64: Callable[[Sequence[Any]], _Found],
    in_int64: Callable[[Sequence[Any]], _Found],
) -> _Found:
    """Searches in float64 if it is exact on the default device, else in int64.

    A program that is traced here may be exported for TPUs, where float64 is never exact.

    Raises:
      RuntimeError: neither is exact.
    """
    if not float64_is_exact():
        return in_int64(columns)
    if is_traced(list(columns)):
        return jax.lax.platform_dependent(list(columns), tpu=in_int64, default=in_float64)
    return in_float64(columns)


def retry(wide: Search, labels: Labels, columns: Sequence[Any]) -> None:
    """Searches again for the rows of host arrays whose labels are -1, and fills in what is found.

    Columns hold valid workloads.
    """
    for some, padded in wide_chunks(np.flatnonzero(labels.design_id < 0), columns):
        found, _ = jax.device_get(wide(padded))
        labels.design_id[some] = found.design_id[: len(some)]
        labels.cost[some] = found.cost[: len(some)]


def wide_chunks(
    rows: Int[np.ndarray, "rows"], columns: Sequence[Any]
) -> Iterator[tuple[Int[np.ndarray, "some"], list[np.ndarray]]]:
    """Some of the rows at a time, and the columns there, padded so that one shape is compiled."""
    for first in range(0, len(rows), WIDE_CHUNK):
        some = rows[first : first + WIDE_CHUNK]
        yield some, [np.asarray(column)[np.resize(some, WIDE_CHUNK)] for column in columns]


def _traced(name: str, fields: Mapping[str, Any], search: Search, wide: Search | None) -> Labels:
    # In 32 bits the trace has lost the high halves of int64 inputs, and would lose those of costs.
    if jnp.result_type(int) != np.int64:
        raise TypeError(
            f"{name}: a traced call in 32-bit mode is not allowed; expected the traced function to"
            " be called within `with jax.enable_x64(True):`"
        )
    columns = jnp.broadcast_arrays(*fields.values())
    for field, column in zip(fields, columns, strict=True):
        if not jnp.issubdtype(column.dtype, jnp.integer):
            raise TypeError(f"{field}: {column.dtype} is not allowed; expected integers")
    labels, valid = search(columns)
    if wide is not None:
        labels = _searched_again(wide, labels, valid, columns)
    return jax.tree.map(lambda field: jnp.where(valid, field, -1), labels)


def _searched_again(
    wide: Search, labels: Labels, valid: Bool[Array, "*batch"], columns: Sequence[Array]
) -> Labels:
    """`retry` in a trace: the slower search runs only if a valid row of the batch needs it."""

    # Under `vmap`, a condition per row would be computed on both sides, for all rows.
    @jax.custom_batching.custom_vmap
    def again(labels: Labels, valid: Array, *columns: Array) -> Labels:
        missing = valid & (labels.design_id < 0)
        return jax.lax.cond(
            missing.any(),
            lambda: jax.tree.map(
                lambda ours, found: jnp.where(missing, found, ours), labels, search_all(*columns)
            ),
            lambda: labels,
        )

    def search_all(*columns: Array) -> Labels:
        flat = [column.reshape(-1) for column in columns]
        found = jax.lax.map(
            lambda row: jax.tree.map(lambda field: field[0], wide([x[None] for x in row])[0]),
            flat,
            batch_size=WIDE_CHUNK,
        )
        return jax.tree.map(lambda field: field.reshape(columns[0].shape), found)

    @again.def_vmap
    def _(size: int, batched: Any, *args: Any) -> tuple[Labels, Any]:
        whole = jax.tree.map(
            lambda x, is_batched: x if is_batched else jnp.broadcast_to(x, (size, *x.shape)),
            args,
            tuple(batched),
        )
        return again(*whole), jax.tree.map(lambda _: True, labels)

    return again(labels, valid, *columns)


def no_labels(valid: Bool[Array, "*batch"], objective: Objective) -> Labels:
    """Labels that are not exact: -1 throughout."""
    cost = jnp.float64 if objective is Objective.EDP else jnp.int64
    return Labels(
        design_id=jnp.full(valid.shape, -1, jnp.int32), cost=jnp.full(valid.shape, -1, cost)
    )


def has_at_most(
    m: Int[Array, "*batch"], n: Int[Array, "*batch"], k: Int[Array, "*batch"], macs: int
) -> Bool[Array, "*batch"]:
    """Whether m n k <= macs, for int64 dimensions below 2**31 and any number of macs."""
    return m * n <= jax.lax.div(jnp.int64(macs), k)


def most_macs_of_energy(table: EnergyTable, sram_fj_per_byte: int, element_bytes: int) -> int:
    """The m n k up to which no energy exceeds 2**62 fJ, with these or lower SRAM prices.

    Each operand makes at most four accesses of SRAM and four transfers for a MAC, and all three
    together at most eight.
    """
    per_mac = table.mac_fj + 8 * element_bytes * (sram_fj_per_byte + table.dram_fj_per_byte)
    return 2**62 // max(per_mac, 1)


def valid_rows(columns: Sequence[Array], limits: Limits) -> Bool[Array, "*batch"]:
    """Where all columns are within their limits, under 64-bit mode."""
    return functools.reduce(
        jnp.logical_and,
        [
            (column.astype(jnp.int64) >= low) & (column.astype(jnp.int64) <= high)
            for column, (low, high) in zip(columns, limits.values(), strict=True)
        ],
    )


def _checked(arrays: Mapping[str, np.ndarray], limits: Limits) -> dict[str, np.ndarray]:
    return {
        name: int_field(name, array, low=limits[name][0], high=limits[name][1])
        for name, array in arrays.items()
    }
