"""The work of single JAX primitives without matrix products, with operations as XLA counts them.

XLA (`HloCostAnalysis`) counts one operation per element of an elementwise result, transcendental
functions apart, and inputs less outputs for a reduction. Here both are added. A special function
that XLA expands into a polynomial (erfc, erf_inv, lgamma..) counts once, a cumulative sum once per
element, a sort of n elements n log2 n, and a cast of a constant, between floats or between integers
nothing: the widths are those of the platform.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax.numpy as jnp
from jax.extend import core

from airchitect_jax.types import OperatorKind
from airchitect_jax.workloads.fusion import Tape, View, log2_ceil

# What the primitive reads and writes, and its name, to the views of its results.
_Views = Sequence[View | None]
_Rule = Callable[[Tape, str, core.JaxprEqn, _Views], _Views]

_ONE_OPERATION = str.split(
    "abs acos acosh add add_any and asin asinh atan atan2 atanh bessel_i0e bessel_i1e cbrt"
    " ceil clz complex conj cos cosh digamma div eq eq_to erf_inv floor ge gt igamma"
    " igamma_grad_a igammac imag is_finite le le_to lgamma log lt lt_to mul ne neg nextafter"
    " not or polygamma population_count pow real regularized_incomplete_beta rem round"
    " select_n shift_left shift_right_arithmetic shift_right_logical sign sin sinh sqrt square"
    " sub tan xor zeta"
)
_ACTIVATIONS = {"erf": 1, "erfc": 1, "exp": 1, "exp2": 2, "expm1": 1, "log1p": 1, "logistic": 4}
_ACTIVATIONS["tanh"] = 1
# Random bits by Threefry-2x32: per word half of 20 rounds of add, rotate (3) and xor, and of 5
# injections of the key of 3 additions.
_RANDOM_BITS = 58
_NUMBERS = (jnp.floating, jnp.integer)
_ROLES = {"exp": "exp", "exp2": "exp", "reduce_sum": "sum", "sqrt": "root", "rsqrt": "root"}
_VIEWS = str.split(
    "bitcast_convert_type broadcast_in_dim copy copy_p device_put expand_dims mesh_cast name"
    " optimization_barrier pvary random_unwrap random_wrap reduce_precision reshape"
    " sharding_constraint squeeze stop_gradient"
)


def elements(variable: Any) -> int:
    """The number of elements of a variable; 0 of what is no array."""
    return math.prod(getattr(variable.aval, "shape", (0,)))


def _shape(variable: Any) -> tuple[int, ...]:
    return variable.aval.shape


def _dtype(variable: Any) -> Any:
    return variable.aval.dtype


def _outputs(eqn: core.JaxprEqn) -> list[int]:
    return [elements(variable) for variable in eqn.outvars]


def _elementwise(kind: OperatorKind, operations: int) -> _Rule:
    def rule(tape: Tape, label: str, eqn: core.JaxprEqn, inputs: _Views) -> _Views:
        outputs = _outputs(eqn)
        role = _ROLES.get(eqn.primitive.name, "")
        return tape.fused(label, kind, operations * sum(outputs), inputs, outputs, role)

    return rule


def _threshold(tape: Tape, label: str, eqn: core.JaxprEqn, inputs: _Views) -> _Views:
    """The larger or smaller of two: with a constant it is an activation, such as ReLU."""
    kind = OperatorKind.ACTIVATION if None in inputs else OperatorKind.ELEMENTWISE
    return _elementwise(kind, 1)(tape, label, eqn, inputs)


def _integer_pow(tape: Tape, label: str, eqn: core.JaxprEqn, inputs: _Views) -> _Views:
    """Squarings and products of the binary digits, and a division for a negative exponent."""
    power = abs(eqn.params["y"])
    operations = max(power.bit_length() + power.bit_count() - 2, 0) + (eqn.params["y"] < 0)
    return _elementwise(OperatorKind.ELEMENTWISE, operations)(tape, label, eqn, inputs)


def _cast(tape: Tape, label: str, eqn: core.JaxprEqn, inputs: _Views) -> _Views:
    if inputs == [None]:
        return inputs
    before, after = (_dtype(variable) for variable in (eqn.invars[0], eqn.outvars[0]))
    if any(jnp.issubdtype(before, kind) and jnp.issubdtype(after, kind) for kind in _NUMBERS):
        return inputs
    return _elementwise(OperatorKind.ELEMENTWISE, 1)(tape, label, eqn, inputs)


def _reduction(tape: Tape, label: str, eqn: core.JaxprEqn, inputs: _Views) -> _Views:
    """One operation per element beyond the first of each result."""
    outputs = _outputs(eqn)
    operations = max(elements(eqn.invars[0]) - outputs[0], 0) * _per_step(eqn)
    role = _ROLES.get(eqn.primitive.name, "")
    return tape.fused(label, OperatorKind.REDUCTION, operations, inputs, outputs, role)


def _per_step(eqn: core.JaxprEqn) -> int:
    """Operations of one step of a reduction: those of its function, if it has one."""
    return max(len(eqn.params["jaxpr"].eqns), 1) if "jaxpr" in eqn.params else 1


def _pooling(tape: Tape, label: str, eqn: core.JaxprEqn, inputs: _Views) -> _Views:
    """One operation per element of a window beyond the first."""
    window = math.prod(eqn.params["window_dimensions"])
    outputs = _outputs(eqn)
    operations = outputs[0] * (window - 1) * _per_step(eqn)
    return tape.separate(label, OperatorKind.POOLING, operations, inputs, outputs)


def _select_and_scatter(tape: Tape, label: str, eqn: core.JaxprEqn, inputs: _Views) -> _Views:
    """The gradient of a maximum pooling: the choice in each window, and one addition."""
    operations = elements(eqn.invars[0]) * math.prod(eqn.params["window_dimensions"])
    return tape.separate(label, OperatorKind.POOLING, operations, inputs, _outputs(eqn))


def _sort(tape: Tape, label: str, eqn: core.JaxprEqn, inputs: _Views) -> _Views:
    length = _shape(eqn.invars[0])[eqn.params.get("dimension", -1)]
    operations = elements(eqn.invars[0]) * log2_ceil(min(length, eqn.params.get("k", length)) or 1)
    return tape.separate(label, OperatorKind.REDUCTION, operations, inputs, _outputs(eqn))


def _gather(tape: Tape, label: str, eqn: core.JaxprEqn, inputs: _Views) -> _Views:
    outputs = _outputs(eqn)
    read = outputs[0] + elements(eqn.invars[1])
    return tape.separate(label, OperatorKind.EMBEDDING, 0, inputs, outputs, read=read)


def _scatter(tape: Tape, label: str, eqn: core.JaxprEqn, inputs: _Views) -> _Views:
    """Writes the updates in place; all but plain ones first read what they change."""
    indices, updates = (elements(variable) for variable in eqn.invars[1:3])
    combined = 0 if eqn.primitive.name == "scatter" else updates
    return tape.separate(
        label,
        OperatorKind.EMBEDDING,
        combined,
        inputs,
        _outputs(eqn),
        read=indices + updates + combined,
        written=updates,
    )


def _movement(tape: Tape, label: str, eqn: core.JaxprEqn, inputs: _Views) -> _Views:
    """Reads what it writes, or all of its inputs if these are fewer."""
    outputs = _outputs(eqn)
    read = min(sum(outputs), sum(view.elements for view in inputs if view is not None))
    return tape.separate(label, OperatorKind.DATA_MOVEMENT, 0, inputs, outputs, read=read)


def _transpose(tape: Tape, label: str, eqn: core.JaxprEqn, inputs: _Views) -> _Views:
    """A view if only sides of one change their place."""
    shape = _shape(eqn.invars[0])
    order = [axis for axis in eqn.params["permutation"] if shape[axis] != 1]
    if order == sorted(order):
        return inputs
    return _movement(tape, label, eqn, inputs)


def _update_slice(tape: Tape, label: str, eqn: core.JaxprEqn, inputs: _Views) -> _Views:
    """Writes the update in place."""
    update = elements(eqn.invars[1])
    kind = OperatorKind.DATA_MOVEMENT
    return tape.separate(label, kind, 0, inputs, _outputs(eqn), read=update, written=update)


def _view(_tape: Tape, _label: str, eqn: core.JaxprEqn, inputs: _Views) -> _Views:
    return inputs[: len(eqn.outvars)]


def _slice(tape: Tape, _label: str, eqn: core.JaxprEqn, inputs: _Views) -> _Views:
    (view,) = inputs
    return [view and tape.part(view, size) for size in _outputs(eqn)]


_REDUCTIONS = str.split(
    "argmax argmin reduce reduce_and reduce_max reduce_min reduce_or reduce_prod reduce_sum"
    " reduce_xor"
)
_CUMULATIVE = ["cumlogsumexp", "cummax", "cummin", "cumprod", "cumsum"]
_WINDOWS = ["reduce_window", "reduce_window_max", "reduce_window_min", "reduce_window_sum"]
_SCATTERS = ["scatter", "scatter-add", "scatter-max", "scatter-min", "scatter-mul", "scatter-sub"]
_RANDOM = ["random_bits", "random_fold_in", "random_seed", "random_split", "rng_bit_generator"]
RULES: Mapping[str, _Rule] = {
    **dict.fromkeys(_ONE_OPERATION, _elementwise(OperatorKind.ELEMENTWISE, 1)),
    **{name: _elementwise(OperatorKind.ACTIVATION, n) for name, n in _ACTIVATIONS.items()},
    **dict.fromkeys(_CUMULATIVE, _elementwise(OperatorKind.REDUCTION, 1)),
    **dict.fromkeys(_RANDOM, _elementwise(OperatorKind.ELEMENTWISE, _RANDOM_BITS)),
    **dict.fromkeys(_REDUCTIONS, _reduction),
    **dict.fromkeys(_WINDOWS, _pooling),
    **dict.fromkeys(_SCATTERS, _scatter),
    **dict.fromkeys(_VIEWS, _view),
    **dict.fromkeys(("approx_top_k", "sort", "top_k"), _sort),
    **dict.fromkeys(("concatenate", "dynamic_slice", "pad", "rev"), _movement),
    **dict.fromkeys(("max", "min"), _threshold),
    **dict.fromkeys(("select_and_scatter", "select_and_scatter_add"), _select_and_scatter),
    **dict.fromkeys(("slice", "split"), _slice),
    "clamp": _elementwise(OperatorKind.ACTIVATION, 1),
    "convert_element_type": _cast,
    "dynamic_update_slice": _update_slice,
    "gather": _gather,
    "integer_pow": _integer_pow,
    "iota": _elementwise(OperatorKind.DATA_MOVEMENT, 0),
    "rng_uniform": _elementwise(OperatorKind.ELEMENTWISE, _RANDOM_BITS),
    "rsqrt": _elementwise(OperatorKind.NORMALIZATION, 1),
    "threefry2x32": _elementwise(OperatorKind.ELEMENTWISE, _RANDOM_BITS),
    "transpose": _transpose,
}
