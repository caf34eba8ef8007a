"""Devices whose 64-bit arithmetic is not exact: every result of a program is rounded."""

import functools

import jax
import jax.numpy as jnp
from jax import lax

from airchitect_jax._support import device_arithmetic

_TEST = device_arithmetic._gives


def _rounded(program, *, kind, rounding):
    return lambda *args: _run(program, args, kind, rounding)


def with_floats_of(bits):
    """Rounds float64 to so many bits, with the range of float32: a TPU has about 48."""
    return functools.partial(
        _rounded,
        kind=jnp.float64,
        rounding=lambda x: lax.reduce_precision(x, exponent_bits=8, mantissa_bits=bits - 1),
    )


def with_integers_of_53_bits(program):
    """Rounds int64 to the 53 bits of float64."""
    return _rounded(
        program, kind=jnp.int64, rounding=lambda x: x.astype(jnp.float64).astype(jnp.int64)
    )


def _run(program, args, kind, rounding):
    closed, shape = jax.make_jaxpr(program, return_shape=True)(*args)
    results = _evaluate(closed.jaxpr, closed.consts, jax.tree.leaves(args), kind, rounding)
    return jax.tree.unflatten(jax.tree.structure(shape), results)


def _evaluate(jaxpr, consts, args, kind, rounding):
    values = dict(zip((*jaxpr.constvars, *jaxpr.invars), (*consts, *args), strict=True))

    def read(atom):
        return atom.val if hasattr(atom, "val") else values[atom]

    for eqn in jaxpr.eqns:
        given = [read(atom) for atom in eqn.invars]
        inner = eqn.params.get("jaxpr")
        if inner is not None:
            found = _evaluate(inner.jaxpr, inner.consts, given, kind, rounding)
        else:
            found = eqn.primitive.bind(*given, **eqn.params)
            found = found if eqn.primitive.multiple_results else [found]
        for var, value in zip(eqn.outvars, found, strict=True):
            values[var] = rounding(value) if value.dtype == kind else value
    return [read(atom) for atom in jaxpr.outvars]


def plant(monkeypatch, *, floats=None, integers=None):
    """Makes the test of the default device find such a device; a fixture undoes it."""
    planted = {
        device_arithmetic._in_float64: floats,
        device_arithmetic._in_int64: integers,
    }

    def gives(program, operands, expected):
        rounded = planted[program]
        return _TEST(rounded(program) if rounded else program, operands, expected)

    monkeypatch.setattr(device_arithmetic, "_gives", gives)
    device_arithmetic._tested.cache_clear()
