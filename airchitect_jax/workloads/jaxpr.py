"""The GEMMs and operators of any JAX function, from its jaxpr, without running it."""

from __future__ import annotations

import dataclasses
import math
import re
import warnings
from collections.abc import Callable, Collection, Sequence
from typing import Any

import jax
from jax.extend import core
from jax.interpreters import partial_eval

from airchitect_jax.workloads.found import Found
from airchitect_jax.workloads.fusion import Tape, View
from airchitect_jax.workloads.jaxpr_operators import RULES, elements
from airchitect_jax.workloads.jaxpr_products import PRODUCTS
from airchitect_jax.workloads.network import Layer, Network

# Layout operations, which keep the name of a weight.
_LAYOUT = {
    "broadcast_in_dim",
    "convert_element_type",
    "copy",
    "reshape",
    "squeeze",
    "stop_gradient",
    "transpose",
}
# Primitives that may contain matrix work that is not visible in the jaxpr.
_OPAQUE = {
    "cholesky",
    "custom_call",
    "eig",
    "eigh",
    "ffi_call",
    "householder_product",
    "io_callback",
    "lu",
    "pallas_call",
    "pure_callback",
    "qr",
    "scaled_matmul",
    "schur",
    "svd",
    "triangular_solve",
}
_WRAPPERS = re.compile(r"\b(?:transpose|jvp|vmap)\(|\)|\b(?:rematted_computation|checkpoint)\b")

# Bodies that run once for each run of their equation.
_LOOPS = {"cond", "scan", "shard_map", "while"}


def from_jax(fn: Callable[..., Any], *args: Any, name: str | None = None) -> Network:
    """The GEMMs of `fn(*args)` and the operators between them, in the order of the trace.

    Finds every `dot_general`, `ragged_dot` and `conv_general_dilated`, also inside `jit`,
    `vmap`, `grad`, `remat`, custom derivatives, `shard_map` (all devices together), `scan` (times
    its length), `cond` (the branch with the most MACs) and `while` (one iteration, with a warning).
    Batch dimensions are counts; the groups of a `ragged_dot` are assumed equal. Dead code is left
    out, as by the compiler.

    A convolution is the GEMM of its im2col: every output position multiplies every tap, zeros of
    the padding included. XLA's count leaves these out, so the two agree where nothing is padded.
    Neither counts zeros that dilation inserts into an input. Such a convolution (transposed, or the
    gradient of a strided one) takes, in each dimension, the form of the GEMM with the fewest MACs;
    see `airchitect_jax.workloads.gemms.Axis`.

    All other primitives are operators: `airchitect_jax.workloads.jaxpr_operators` says what each
    counts, and `airchitect_jax.workloads.fusion` which of them are one.

    A layer is named after its `jax.named_scope`s (Flax Linen sets them), else after the argument
    that holds its weights, else after the primitive; an operator likewise, else after the function
    (`relu`) or its kind. Those of a backward pass end in "(backward)".

    Args:
      fn: a function, or a Flax NNX module. Modules may be abstract: `nnx.eval_shape`.
      args: arrays or `jax.ShapeDtypeStruct`s, in pytrees; only shapes and dtypes are used.
      name: the network's name; by default that of the function or of its class.

    Returns:
      The network; its `skipped` counts the primitives that are not modelled.

    Raises:
      ValueError: there is no matrix work, or a dimension exceeds 2**31 - 1.

    Example:
      >>> network = aj.from_jax(lambda x, w: x @ w, np.ones((64, 512)), np.ones((512, 256)))
      >>> [(layer.m, layer.n, layer.k) for layer in network.layers]
      [(64, 256, 512)]
    """
    if not callable(fn):
        raise ValueError(f"fn: {type(fn).__name__} is not callable")
    if not jax.tree_util.all_leaves([fn]):  # a module: its weights become an argument
        name = name or type(fn).__name__
        return from_jax(lambda module, *args: module(*args), fn, *args, name=name)
    closed = jax.make_jaxpr(fn)(*args)
    leaves, _ = jax.tree_util.tree_flatten_with_path(args)
    paths = {
        variable: jax.tree_util.keystr(path[1:], simple=True, separator=".").removesuffix(".value")
        for variable, (path, _) in zip(closed.jaxpr.invars, leaves, strict=True)
    }
    live, _ = partial_eval.dce_jaxpr(closed.jaxpr, True, instantiate=True)
    found = _traced(live, 1, _Frame(paths=paths))
    for note in found.notes:
        warnings.warn(note, stacklevel=2)
    if not found.layers:
        raise ValueError("fn: no matrix work found: no dot_general and no conv_general_dilated")
    return found.network(name or str(getattr(fn, "__name__", type(fn).__name__)))


@dataclasses.dataclass(frozen=True)
class _Frame:
    """What is known within a jaxpr.

    Attributes:
      scope: named scopes around it.
      function: the function that it is the body of.
      paths: of the arguments that variables hold.
      views: of the tensors that variables hold; constants have none.
      tape: of the straight-line program that the jaxpr is a part of.
    """

    scope: str = ""
    function: str = ""
    paths: dict[Any, str] = dataclasses.field(default_factory=dict)
    views: dict[Any, View | None] = dataclasses.field(default_factory=dict)
    tape: Tape = dataclasses.field(default_factory=Tape)

    def path(self, variable: Any) -> str:
        return "" if isinstance(variable, core.Literal) else self.paths.get(variable, "")

    def view(self, variable: Any) -> View | None:
        if isinstance(variable, core.Literal):
            return None
        if variable not in self.views:
            self.views[variable] = self.tape.source(elements(variable))
        return self.views[variable]

    def label(self, variables: Sequence[Any]) -> str:
        """A name by scopes, else by the argument among the variables, else empty."""
        scopes = [part for part in _WRAPPERS.sub("", self.scope).split("/") if part]
        return "/".join(scopes) or next(filter(None, map(self.path, variables)), "")

    def directed(self, label: str) -> str:
        return f"{label} (backward)" if label and "transpose(" in self.scope else label


def _traced(jaxpr: core.Jaxpr, times: int, frame: _Frame) -> Found:
    """The work of running `jaxpr` `times` times with a tape of its own."""
    found = _walk(jaxpr, times, frame)
    frame.tape.store(map(frame.view, jaxpr.outvars))
    if times:
        found.operators.extend(
            dataclasses.replace(operator, count=operator.count * times)
            for operator in frame.tape.operators()
        )
    return found


def _walk(jaxpr: core.Jaxpr, times: int, frame: _Frame) -> Found:
    """The work of running `jaxpr` `times` times, its operators left on the tape."""
    found = Found()
    read = [var for eqn in jaxpr.eqns for var in eqn.invars] + list(jaxpr.outvars)
    used = {var for var in read if isinstance(var, core.Var)}
    for eqn in jaxpr.eqns:
        scope = "/".join(filter(None, (frame.scope, str(eqn.source_info.name_stack))))
        here = dataclasses.replace(frame, scope=scope)
        kind = eqn.primitive.name
        inputs = [here.view(variable) for variable in eqn.invars]
        outputs: Sequence[View | None] | None = None
        if kind in PRODUCTS:
            rhs_first = here.label((*eqn.invars[1:2], *eqn.invars[:1]))
            layer_name = here.directed(rhs_first or kind)
            for product in PRODUCTS[kind](eqn):
                if times and min(product):  # empty products are not layers
                    m, n, k, count = product
                    found.layers.append(Layer(name=layer_name, m=m, n=n, k=k, count=count * times))
        elif kind in _OPAQUE:
            found.notes.append(f"{kind}: its matrix work, if any, is not counted")
            found.skipped[kind] += times
        elif kind in RULES:
            label = here.directed(here.label(eqn.invars) or here.function)
            outputs = RULES[kind](here.tape, label, eqn, inputs)
        elif bodies := _bodies(eqn, used):
            inner, outputs = _inside(eqn, bodies, times, here)
            found.add(inner)
        else:
            found.skipped[kind] += times
        if outputs is None:
            outputs = here.tape.boundary(inputs, [elements(variable) for variable in eqn.outvars])
        frame.views.update(zip(eqn.outvars, outputs, strict=True))
        if kind in _LAYOUT and (path := frame.path(eqn.invars[0])):
            frame.paths[eqn.outvars[0]] = path
    return found


def _bodies(eqn: core.JaxprEqn, used: Collection[Any]) -> list[core.Jaxpr]:
    if eqn.primitive.name == "while":
        return _live_loop(eqn, used)
    return list(core.jaxprs_in_params(eqn.params))


def _inside(
    eqn: core.JaxprEqn, bodies: Sequence[core.Jaxpr], times: int, frame: _Frame
) -> tuple[Found, Sequence[View | None] | None]:
    """The work of the jaxprs within an equation, and its results unless these are in memory."""
    kind = eqn.primitive.name
    if kind == "scan":
        times *= eqn.params["length"]
    elif kind == "shard_map":
        axes = eqn.params.get("newly_manual_axes", eqn.params["mesh"].axis_names)
        times *= math.prod(eqn.params["mesh"].shape[axis] for axis in axes)
    parts = []
    for body in bodies:
        outer = eqn.invars[len(eqn.invars) - len(body.invars) :]  # after conditions and the like
        pairs = list(zip(body.invars, outer, strict=True))
        paths = {inner: path for inner, var in pairs if (path := frame.path(var))}
        if kind not in _LOOPS and len(bodies) == 1 and len(body.outvars) == len(eqn.outvars):
            # A function: its work may be fused with that of its caller.
            function = str(eqn.params.get("name", ""))
            called = dataclasses.replace(
                frame,
                function=frame.function if function.startswith("_") or not function else function,
                paths=paths,
                views={inner: frame.view(var) for inner, var in pairs},
            )
            return _walk(body, times, called), [called.view(var) for var in body.outvars]
        inside = _Frame(scope=frame.scope, function=frame.function, paths=paths)
        parts.append(_traced(body, times, inside))
    if kind == "cond":
        parts = [max(parts, key=lambda part: part.work)]
    found = Found()
    for part in parts:
        found.add(part)
    if kind == "while" and (found.layers or found.operators):
        found.notes.append("while: the number of iterations is not known; its work is counted once")
    return found, None


def _live_loop(eqn: core.JaxprEqn, read: Collection[Any]) -> list[core.Jaxpr]:
    """Condition and body of a `while`, the body without dead code.

    JAX does not remove dead code from the bodies of these loops.
    """
    condition, body = (eqn.params[name].jaxpr for name in ("cond_jaxpr", "body_jaxpr"))
    _, tested = partial_eval.dce_jaxpr(condition, True)
    tested = tested[eqn.params["cond_nconsts"] :]
    used = [test or result in read for test, result in zip(tested, eqn.outvars, strict=True)]
    while True:
        _, needed = partial_eval.dce_jaxpr(body, used)
        needed = needed[eqn.params["body_nconsts"] :]
        wider = [before or now for before, now in zip(used, needed, strict=True)]
        if wider == used:
            live, _ = partial_eval.dce_jaxpr(body, used, instantiate=True)
            return [condition, live]
        used = wider
