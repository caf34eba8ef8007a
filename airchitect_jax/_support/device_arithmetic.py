"""Whether the default device computes in 64 bits as exact searches assume, by a short test on it.

The searches pack costs and tie codes into float64, exact for whole numbers below 2**53. TPUs have
no float64: XLA computes it in pairs of float32, with about 48 bits and the range of float32. Nor
have they int64, which XLA computes in two halves, but exactly.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int

from airchitect_jax._support.forks import refuse_after_fork
from airchitect_jax._support.printable import one_line

_DEFAULT_DEVICE = "jax_default_device"
_ROWS = 512
_SHIFT = 11  # bits of a tie code below a cost
_SCALE = 2**_SHIFT
_LINE = 32  # of a code below a line
_NEVER = 1e200  # beyond float32

_Program = Callable[..., list[Any]]


def float64_is_exact() -> bool:
    """Whether float64 on the default device is exact for whole numbers below 2**53.

    Tested once for each platform; allowed while tracing.

    Raises:
      RuntimeError: int64 is not exact there or cannot be tested, or the process was forked after
        JAX had started.
    """
    platform = _platform()
    floats, integers = _tested(platform)
    if not integers:
        raise RuntimeError(
            f"int64 arithmetic on {platform} is not exact; expected another default device, for"
            " example by JAX_PLATFORMS=cpu"
        )
    return floats


def on_exact_float64() -> contextlib.AbstractContextManager[Any]:
    """A context whose default device has exact float64: that outside of it, or else the CPU.

    Raises:
      RuntimeError: JAX loads no CPU backend, or as `float64_is_exact`.
    """
    if float64_is_exact():
        return contextlib.nullcontext()
    try:
        return jax.default_device(jax.local_devices(backend="cpu")[0])
    except RuntimeError as error:
        raise RuntimeError(
            f"float64 arithmetic on {_platform()} is not exact; expected JAX to load the CPU as"
            f" well, for example by JAX_PLATFORMS={_platform()},cpu"
        ) from error


def _platform() -> str:
    device = getattr(jax.config, _DEFAULT_DEVICE)
    if device is None:
        return jax.default_backend()
    return device if isinstance(device, str) else device.platform


@functools.cache
def _tested(platform: str) -> tuple[bool, bool]:
    """Whether float64 and int64 are exact on the default device, which is of this platform."""
    refuse_after_fork()
    operands = _operands()
    expected = _in_int64(*operands)  # by NumPy
    try:
        integers = _gives(_in_int64, operands, expected)
    except jax.errors.JaxRuntimeError as error:
        raise RuntimeError(
            f"int64 arithmetic on {platform} cannot be tested: {one_line(str(error), 200)}"
        ) from error
    in_common = [*expected[:_NUM_COMMON], np.ones(_ROWS, np.int64)]
    try:
        floats = _gives(_in_float64, operands, in_common)
    except jax.errors.JaxRuntimeError:  # the device has no such type
        floats = False
    return floats, integers


def _gives(
    program: _Program, operands: Sequence[np.ndarray], expected: Sequence[np.ndarray]
) -> bool:
    with jax.ensure_compile_time_eval(), jax.enable_x64(True):
        found = jax.device_get(jax.jit(lambda *args: _digest(program(*args)))(*operands))
    return np.array_equal(found, _digest(expected))


def _digest(results: Sequence[Any]) -> Any:
    """One number for all results, modulo 2**64: a program of one result compiles fastest."""
    return functools.reduce(lambda digest, result: digest * 31 + result, results)


def _operands() -> list[Int[np.ndarray, "rows"]]:
    """Whole numbers as long as the results in float64 allow: factors, a term, keys and lines."""
    rng = np.random.default_rng(0)
    lengths = [(25, 26), (25, 26), (51, 52), (52, 53), (30, 31)]
    operands = [rng.integers(2**low, 2**high, _ROWS) for low, high in lengths]
    for operand, (low, high) in zip(operands, lengths, strict=True):
        operand[:4] = [2**high - 1, 2**high - 2, 2**low, 2**low + 1]
    return operands


def _in_int64(x: Any, y: Any, z: Any, key: Any, line: Any) -> list[Any]:
    """Steps of the searches: `_NUM_COMMON` that float64 can do as well, then longer ones."""
    return [
        x * y + z,
        key >> _SHIFT,
        key & (_SCALE - 1),
        key // y,
        (line >> 5) * x + ((line & (_LINE - 1)) * _LINE + x),
        _bits(key + 1 > key, key - 1 > key, key >> 1 << 1 == key),
        key,
        (x * y << 10) + z,
        -key // x,
        -key >> 3,
        _bits(key * 1023 + 1 > key * 1023, key * 1023 - 1 > key * 1023),
    ]


_NUM_COMMON = 7


def _bits(*conditions: Any) -> Any:
    return sum(condition.astype(np.int64) << place for place, condition in enumerate(conditions))


def _in_float64(*operands: Int[Array, "rows"]) -> list[Int[Array, "rows"]]:
    """The same in float64, as the searches write it, and whether its range is large."""
    x, y, z, key, line = (operand.astype(jnp.float64) for operand in operands)
    whole = jnp.floor(key / _SCALE)
    reciprocal = jnp.floor(key * (1.0 / y))
    rest = key - reciprocal * y
    low = line * (1 / _LINE)
    weight = jnp.floor(low) * x
    results = [
        x * y + z,
        whole,
        key - whole * _SCALE,
        reciprocal + jnp.where(rest < y, 0.0, 1.0) - jnp.where(rest < 0, 1.0, 0.0),
        weight + ((low - jnp.floor(low)) * (_LINE * _LINE) + x),
        _bits(key + 1 > key, key - 1 > key, jnp.floor(key * 0.5) * 2 == key),
        key,
        _bits((x * _NEVER > z) & (x * _NEVER < jnp.inf)),
    ]
    return [result.astype(jnp.int64) for result in results]
