"""Runs compiled functions on any number of workloads, with few shapes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import jax
import numpy as np
from jaxtyping import Shaped

from airchitect_jax._support.forks import refuse_after_fork

_Out = TypeVar("_Out")

_SMALLEST = 1024  # compiling a smaller program costs more than it saves


def map_chunks(
    function: Callable[[list[Any]], _Out],
    columns: Sequence[Shaped[np.ndarray, "num"]],
    *,
    chunk: int = 1 << 20,
) -> _Out:
    """Applies `function` to chunks of columns of one length and joins the results in NumPy.

    The last chunk is padded with ones to a power of two, so that few shapes are compiled; the
    padding is removed from the results. Several local devices share each chunk.

    Args:
      function: takes the columns of a chunk, returns a pytree of arrays, batch first.
      columns: the whole input, of any length, zero included.
      chunk: maximum number of rows per call, a power of two.

    Raises:
      RuntimeError: the process was forked after JAX had started.
    """
    num = len(columns[0])
    results = []
    for first in range(0, max(num, 1), chunk):
        parts = [column[first : first + chunk] for column in columns]
        rows = len(parts[0])
        result = jax.device_get(function(on_devices(parts, chunk)))
        results.append(jax.tree.map(lambda field, rows=rows: field[:rows], result))
    if len(results) == 1:
        return jax.tree.map(np.array, results[0])
    return jax.tree.map(lambda *fields: np.concatenate(fields), *results)


def on_devices(columns: Sequence[Shaped[np.ndarray, "rows"]], chunk: int) -> list[Any]:
    """The columns of at most `chunk` rows, padded, and sharded over the local devices.

    A single device gets NumPy arrays unchanged, which needs no copy on a CPU.

    Raises:
      RuntimeError: the process was forked after JAX had started.
    """
    refuse_after_fork()
    size = min(chunk, max(_SMALLEST, 1 << max(len(columns[0]) - 1, 0).bit_length()))
    devices = jax.local_devices()
    size = -(-size // len(devices)) * len(devices)
    padded = [_pad_with_ones(column, size) for column in columns]
    if len(devices) == 1:
        return padded
    sharding = jax.sharding.NamedSharding(batch_mesh(devices), jax.P("batch"))
    with jax.enable_x64(True):  # otherwise int64 columns become int32
        return [jax.device_put(column, sharding) for column in padded]


def batch_mesh(devices: Sequence[jax.Device]) -> jax.sharding.Mesh:
    """A mesh with one axis, "batch"; the compiler chooses the sharding of results."""
    automatic = (jax.sharding.AxisType.Auto,)
    return jax.make_mesh((len(devices),), ("batch",), devices=devices, axis_types=automatic)


def _pad_with_ones(column: Shaped[np.ndarray, "rows"], size: int) -> Shaped[np.ndarray, "size"]:
    """The column itself if it has this size, else a longer copy."""
    if len(column) == size:
        return column
    padded = np.ones(size, column.dtype)
    padded[: len(column)] = column
    return padded
