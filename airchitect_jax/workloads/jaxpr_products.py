"""The GEMMs of single JAX primitives."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from jax.extend import core

from airchitect_jax.workloads.gemms import (
    Axis,
    Product,
    convolution,
    dilated_convolution,
    even_parts,
)


def _shape(variable: Any) -> tuple[int, ...]:
    return variable.aval.shape


def _dot_dims(
    lhs: tuple[int, ...], rhs: tuple[int, ...], numbers: Any, groups: tuple[int, ...] = ()
) -> Product:
    (lhs_contracting, rhs_contracting), (lhs_batch, rhs_batch) = numbers
    return Product(
        math.prod(
            side for axis, side in enumerate(lhs) if axis not in (*lhs_contracting, *lhs_batch)
        ),
        math.prod(
            side
            for axis, side in enumerate(rhs)
            if axis not in (*rhs_contracting, *rhs_batch, *groups)
        ),
        math.prod(lhs[axis] for axis in lhs_contracting),
        math.prod(lhs[axis] for axis in lhs_batch),
    )


def _dot(eqn: core.JaxprEqn) -> Iterator[Product]:
    lhs, rhs = (_shape(variable) for variable in eqn.invars[:2])
    yield _dot_dims(lhs, rhs, eqn.params["dimension_numbers"])


def _ragged_dot(eqn: core.JaxprEqn) -> Iterator[Product]:
    """One product per group, each with an equal share of the ragged dimension."""
    lhs, rhs, sizes = (_shape(variable) for variable in eqn.invars[:3])
    numbers = eqn.params["ragged_dot_dimension_numbers"]
    dot = numbers.dot_dimension_numbers
    whole = _dot_dims(lhs, rhs, dot, tuple(numbers.rhs_group_dimensions))
    (ragged,) = numbers.lhs_ragged_dimensions
    (lhs_contracting, _), (lhs_batch, _) = dot
    if ragged in lhs_batch:
        yield whole
        return
    field = "k" if ragged in lhs_contracting else "m"
    rest = getattr(whole, field) // max(lhs[ragged], 1)
    for size, count in even_parts(lhs[ragged], sizes[-1]):
        yield whole._replace(**{field: size * rest, "times": whole.times * count})


def _convolution(eqn: core.JaxprEqn) -> Iterator[Product]:
    params = eqn.params
    numbers = params["dimension_numbers"]
    lhs, rhs = (_shape(variable) for variable in eqn.invars)
    out = _shape(eqn.outvars[0])
    axes = [
        Axis(lhs[i], rhs[j], out[o], stride, dilation, spacing, padding)
        for i, j, o, stride, dilation, spacing, (padding, _) in zip(
            numbers.lhs_spec[2:],
            numbers.rhs_spec[2:],
            numbers.out_spec[2:],
            params["window_strides"],
            params["rhs_dilation"],
            params["lhs_dilation"],
            params["padding"],
            strict=True,
        )
    ]
    batch_groups = params["batch_group_count"]
    dims = {
        "batch": lhs[numbers.lhs_spec[0]] // batch_groups,
        "filters": rhs[numbers.rhs_spec[0]],
        "channels": rhs[numbers.rhs_spec[1]],
        "groups": params["feature_group_count"] * batch_groups,
    }
    if any(axis.spacing > 1 for axis in axes):
        yield from dilated_convolution(axes=axes, **dims)
    else:
        taps = math.prod(axis.taps for axis in axes)
        yield convolution(out_sides=[axis.outputs for axis in axes], taps=taps, **dims)


PRODUCTS: Mapping[str, Callable[[core.JaxprEqn], Iterator[Product]]] = {
    "conv_general_dilated": _convolution,
    "dot_general": _dot,
    "ragged_dot_general": _ragged_dot,
}
