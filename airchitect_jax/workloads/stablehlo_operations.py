"""Single StableHLO operations as equations of JAX primitives, whose work is known.

Specification: https://openxla.org/stablehlo/spec.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jax.interpreters import mlir

from airchitect_jax.workloads.jaxpr_operators import RULES
from airchitect_jax.workloads.jaxpr_products import PRODUCTS

_PRIMITIVES: Mapping[str, str] = {
    "bitcast_convert": "bitcast_convert_type",
    "broadcast": "broadcast_in_dim",
    "compare": "eq",
    "convert": "convert_element_type",
    "convolution": "conv_general_dilated",
    "cosine": "cos",
    "count_leading_zeros": "clz",
    "divide": "div",
    "dot": "dot_general",
    "exponential": "exp",
    "exponential_minus_one": "expm1",
    "log_plus_one": "log1p",
    "maximum": "max",
    "minimum": "min",
    "multiply": "mul",
    "negate": "neg",
    "next_after": "nextafter",
    "popcnt": "population_count",
    "power": "pow",
    "remainder": "rem",
    "reverse": "rev",
    "rng": "rng_uniform",
    "round_nearest_afz": "round",
    "round_nearest_even": "round",
    "select": "select_n",
    "select_and_scatter": "select_and_scatter_add",
    "sine": "sin",
    "subtract": "sub",
}
_FLIPPED = {"LT": "GT", "LE": "GE", "GT": "LT", "GE": "LE", "NE": "NE"}


# A name with or without what it stands for; a file has a line after it.
_NAME = re.compile(r'loc\("(?P<name>(?:[^"\\]|\\.)*)"[()]')
# Parts of JAX's locations that are no names of the user.
_NO_NAMES = re.compile(
    r"(jit|pjit|while|body|cond|scan|checkpoint|closed_call|core_call|custom_[jv]\w+_call"
    r"|branch_\d+_fun)(\(.*\))?"
)


def elements(value: Any) -> int:
    """The number of elements of a value; 0 of what is no tensor.

    Raises:
      ValueError: it is not known.
    """
    return math.prod(_shape(value))


def _shape(value: Any) -> tuple[int, ...]:
    kind = value.type
    if not isinstance(kind, mlir.ir.RankedTensorType):
        return (0,)
    if not kind.has_static_shape:
        raise ValueError(f"{kind} has a dimension of unknown size; export the program with sizes")
    return tuple(kind.shape)


def _variable(value: Any) -> Any:
    kind = str(getattr(value.type, "element_type", ""))
    dtype: Any = jnp.bool_ if kind == "i1" else jnp.int32
    if kind.startswith(("f", "bf")):
        dtype = jnp.float32
    elif kind.startswith("complex"):
        dtype = jnp.complex64
    return SimpleNamespace(aval=SimpleNamespace(shape=_shape(value), dtype=jnp.dtype(dtype)))


def primitive(operation: Any) -> str:
    """The name of JAX's primitive for an operation; its own name if there is none."""
    name = operation.name.rpartition(".")[2]
    return _PRIMITIVES.get(name, name)


def equation(operation: Any) -> Any:
    """An equation as `jaxpr_operators` and `jaxpr_products` read them."""
    kind = operation.name.rpartition(".")[2]
    name = primitive(operation)
    params: dict[str, Any] = {}
    if kind in _PARAMS:
        name, params = _PARAMS[kind](operation, name)
    invars = [_variable(value) for value in operation.operands]
    if kind == "scatter":  # one of several tensors, with its updates
        tensors = len(invars) // 2
        invars = [invars[0], invars[tensors], invars[tensors + 1]]
    return SimpleNamespace(
        primitive=SimpleNamespace(name=name),
        invars=invars,
        outvars=[_variable(value) for value in operation.results],
        params=params,
    )


def scope(operation: Any) -> str:
    """The name in the location of an operation, without what JAX adds to it."""
    found = _NAME.match(str(operation.location))
    name = found["name"] if found else ""
    parts = [part for part in name.split("/") if part and not _NO_NAMES.fullmatch(part)]
    if parts and (parts[-1] in RULES or parts[-1] in PRODUCTS):
        parts.pop()  # a primitive
    return "/".join(parts)


def constant(operation: Any, known: Mapping[Any, int]) -> int | None:
    """The value of an operation whose result is one whole number, from those that are known."""
    name = operation.name.rpartition(".")[2]
    if len(operation.results) != 1 or _shape(operation.results[0]) not in ((), (1,)):
        return None
    if name == "constant":
        values = operation.attributes["value"]
        if isinstance(values, mlir.ir.DenseIntElementsAttr):
            return int(np.array(values).reshape(-1)[0])
        return None
    if name not in _FOLDED or not all(value in known for value in operation.operands):
        return None
    return _FOLDED[name](*(known[value] for value in operation.operands))


_FOLDED: Mapping[str, Callable[..., int]] = {
    "add": lambda x, y: x + y,
    "broadcast_in_dim": lambda x: x,
    "convert": lambda x: x,
    "maximum": max,
    "minimum": min,
    "multiply": lambda x, y: x * y,
    "reshape": lambda x: x,
    "subtract": lambda x, y: x - y,
}


class Iterations(NamedTuple):
    """How often a loop runs.

    Attributes:
      times: the number of iterations.
      next_value: of the counter, as an iteration computes it.
    """

    times: int
    next_value: Any


def count_iterations(loop: Any, known: Mapping[Any, int]) -> Iterations | None:
    """The iterations of a `while` that counts up or down to a constant; None for others.

    `known` holds whole numbers around the loop, and those that it passes on as they are.
    """
    condition, body = (region.blocks[0] for region in loop.regions)
    inner = _block_constants(condition, dict(known))
    test = _owner(condition.operations[-1].operands[0])
    if test is None or test.name != "stablehlo.compare":
        return None
    direction = str(test.attributes["comparison_direction"]).split()[-1].rstrip(">")
    counter, limit = test.operands
    if counter in inner or _index(counter, condition) is None:
        counter, limit, direction = limit, counter, _FLIPPED.get(direction, "")
    index = _index(counter, condition)
    if index is None:
        return None
    last = inner.get(limit)
    first = known.get(loop.operands[index])
    step = _step(body, index, known)
    if last is None or first is None or not step:
        return None
    distance = (last - first) * (1 if step > 0 else -1)
    if direction not in (("LT", "LE", "NE") if step > 0 else ("GT", "GE", "NE")):
        return None
    if direction == "NE" and (distance < 0 or distance % step):
        return None
    times = max(-(-(distance + (direction in ("LE", "GE"))) // abs(step)), 0)
    return Iterations(times, body.operations[-1].operands[index])


def _owner(value: Any) -> Any:
    """The operation that computes a value; None of an argument."""
    return None if isinstance(value, mlir.ir.BlockArgument) else value.owner


def _index(value: Any, block: Any) -> int | None:
    """The number of the argument of a block that a value is."""
    return next((i for i, argument in enumerate(block.arguments) if argument == value), None)


def _block_constants(block: Any, known: dict[Any, int]) -> dict[Any, int]:
    for operation in block.operations:
        value = constant(operation.operation, known)
        if value is not None:
            known[operation.operation.results[0]] = value
    return known


def _step(body: Any, index: int, known: Mapping[Any, int]) -> int | None:
    """What an iteration adds to a counter."""
    change = _owner(body.operations[-1].operands[index])
    if change is None or change.name not in ("stablehlo.add", "stablehlo.subtract"):
        return None
    inner = _block_constants(body, dict(known))
    counter, step = change.operands
    if change.name == "stablehlo.add" and step == body.arguments[index]:
        counter, step = step, counter
    if counter != body.arguments[index] or step not in inner:
        return None
    return inner[step] if change.name == "stablehlo.add" else -inner[step]


def _list(operation: Any, name: str, default: int) -> list[int]:
    """Whole numbers of an attribute; as many as the first tensor has sides if it is left out."""
    if name not in operation.attributes:
        return [default] * len(_shape(operation.operands[0]))
    return np.array(operation.attributes[name]).reshape(-1).tolist()


def _whole(operation: Any, name: str) -> int:
    return mlir.ir.IntegerAttr(operation.attributes[name]).value


def _dot_general(operation: Any, name: str) -> tuple[str, dict[str, Any]]:
    """Dimensions as `lhs_contracting_dimensions = [1]`; those without any are left out."""
    text = str(operation.attributes["dot_dimension_numbers"])
    fields = {key: _numbers(value) for key, value in re.findall(r"(\w+) = \[([^]]*)\]", text)}
    contracting, batch = (
        tuple(fields.get(f"{side}_{kind}_dimensions", []) for side in ("lhs", "rhs"))
        for kind in ("contracting", "batching")
    )
    return name, {"dimension_numbers": (contracting, batch)}


def _numbers(text: str) -> list[int]:
    return [int(number) for number in text.split(",") if number.strip()]


def _dot(operation: Any, name: str) -> tuple[str, dict[str, Any]]:
    last = len(_shape(operation.operands[0])) - 1
    return name, {"dimension_numbers": (([last], [0]), ([], []))}


def _convolution(operation: Any, name: str) -> tuple[str, dict[str, Any]]:
    """Dimensions as `[b, f, 0, 1]x[o, i, 0, 1]->[b, f, 0, 1]`."""
    text = str(operation.attributes["dimension_numbers"])
    specs = [found.replace(" ", "").split(",") for found in re.findall(r"\[([^]]*)\]", text)]
    lhs, rhs, out = (
        [spec.index(label) for label in (*first, *sorted(set(spec) - set(first), key=int))]
        for spec, first in zip(specs, ("bf", "oi", "bf"), strict=True)
    )
    sides = len(lhs) - 2
    strides, lhs_dilation, rhs_dilation = (
        _list(operation, field, 1)[:sides]
        for field in ("window_strides", "lhs_dilation", "rhs_dilation")
    )
    pairs = _list(operation, "padding", 0) if "padding" in operation.attributes else [0] * 2 * sides
    return name, {
        "dimension_numbers": SimpleNamespace(lhs_spec=lhs, rhs_spec=rhs, out_spec=out),
        "window_strides": strides,
        "lhs_dilation": lhs_dilation,
        "rhs_dilation": rhs_dilation,
        "padding": list(zip(pairs[::2], pairs[1::2], strict=True)),
        "feature_group_count": _whole(operation, "feature_group_count"),
        "batch_group_count": _whole(operation, "batch_group_count"),
    }


def _function(operation: Any) -> tuple[list[str], dict[str, Any]]:
    """The operations of the function of a reduction, and how many there are."""
    names = [one.operation.name for one in operation.regions[0].blocks[0].operations][:-1]
    return names, {"jaxpr": SimpleNamespace(eqns=names)}


def _reduce(operation: Any, name: str) -> tuple[str, dict[str, Any]]:
    names, params = _function(operation)
    if names == ["stablehlo.add"]:
        return "reduce_sum", {}
    if len(operation.results) > 1 and "stablehlo.compare" in names:
        return "argmax", {}
    return name, params


def _reduce_window(operation: Any, name: str) -> tuple[str, dict[str, Any]]:
    _, params = _function(operation)
    window = _list(operation, "window_dimensions", 1)
    shape = _shape(operation.operands[0])
    before = _list(operation, "padding", 0)[::2] if "padding" in operation.attributes else []
    long = [axis for axis, side in enumerate(window) if side > 1]
    if len(long) == 1 and before and before[long[0]] == window[long[0]] - 1 == shape[long[0]] - 1:
        return "cumsum", {}  # each window ends at its own element
    return name, {**params, "window_dimensions": window}


def _scatter(operation: Any, name: str) -> tuple[str, dict[str, Any]]:
    names, _ = _function(operation)
    return ("scatter-add" if names else name), {}


_PARAMS: Mapping[str, Callable[[Any, str], tuple[str, dict[str, Any]]]] = {
    "convolution": _convolution,
    "dot": _dot,
    "dot_general": _dot_general,
    "reduce": _reduce,
    "reduce_window": _reduce_window,
    "scatter": _scatter,
    "select_and_scatter": lambda one, name: (
        name, {"window_dimensions": _list(one, "window_dimensions", 1)}
    ),
    "sort": lambda one, name: (name, {"dimension": _whole(one, "dimension")}),
    "top_k": lambda one, name: (name, {"k": _whole(one, "k")}),
    "transpose": lambda one, name: (name, {"permutation": _list(one, "permutation", 0)}),
}  # fmt: skip
