"""Reads StableHLO programs, as JAX, PyTorch/XLA and TensorFlow write them, as GEMMs and operators.

Text and bytecode, portable artifacts among it (`jax.export.Exported.mlir_module_serialized`), are
parsed by the MLIR that comes with JAX. Nothing is run; but damaged bytecode can crash MLIR, so open
bytecode only if you trust its source.
"""

from __future__ import annotations

import dataclasses
import pathlib
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

from jax.interpreters import mlir

from airchitect_jax._support import file_path, one_line, read_bytes, shown
from airchitect_jax.workloads.found import Found
from airchitect_jax.workloads.fusion import Tape, View
from airchitect_jax.workloads.jaxpr_operators import RULES
from airchitect_jax.workloads.jaxpr_products import PRODUCTS
from airchitect_jax.workloads.network import Layer, Network
from airchitect_jax.workloads.stablehlo_operations import (
    constant,
    count_iterations,
    elements,
    equation,
    scope,
)

_BYTECODE = b"ML\xefR"
_MAX_OPERATIONS = 1_000_000  # once calls are followed
_CALLS = {"func.call": "callee", "stablehlo.composite": "decomposition"}
_BRANCHES = ("stablehlo.case", "stablehlo.if")
# Custom calls that say where a tensor lies.
_ANNOTATIONS = ("Sharding", "SPMDFullToShardShape", "SPMDShardToFullShape")


def read_stablehlo(path: str | pathlib.Path) -> Network:
    """Reads a StableHLO program, text or bytecode; the network is named after the file.

    Counts are those of `from_jax`: products and operators of the function `main`, or of the only
    public one; a `while` counts its iterations where they are constant (else once, with a warning),
    `case` and `if` their most expensive branch. A layer is named after its location, if the program
    has one, else after its operation.

    Raises:
      ValueError: the file cannot be read, is no StableHLO program, has no matrix work, or has a
        dimension of unknown size.

    Example:
      >>> lowered = jax.jit(lambda x, w: x @ w).lower(np.ones((8, 64)), np.ones((64, 32)))
      >>> with open("net.mlir", "w") as file:
      ...     _ = file.write(lowered.as_text())
      >>> layer = aj.read_stablehlo("net.mlir").layers[0]
      >>> layer.m, layer.n, layer.k
      (8, 32, 64)
    """
    path = file_path("path", path)
    return parse_stablehlo(read_bytes(path), name=path.stem, source=str(path))


def parse_stablehlo(data: bytes, *, name: str, source: str) -> Network:
    """Parses the text or the bytecode of a program; `source` stands for the file in errors."""
    context = mlir.make_ir_context()
    with context, mlir.ir.Location.unknown():
        try:
            program = _Program(_module(data))
            found = program.found()
            if not found.layers:
                raise ValueError("no matrix work found: no dot_general and no convolution")
            network = found.network(name)
        except ValueError as error:
            raise ValueError(f"{source}: {one_line(str(error), 500)}") from None
    for note in found.notes:
        warnings.warn(f"{source}: {note}", stacklevel=3)
    return network


def _module(data: bytes) -> Any:
    from jax.extend.mlir import deserialize_portable_artifact

    try:
        if not data.startswith(_BYTECODE):
            return mlir.ir.Module.parse(data.decode("utf-8"))
        try:
            return deserialize_portable_artifact(data)
        except Exception:  # bytecode, but not portable
            return mlir.ir.Module.parse(data)
    except Exception as error:
        raise ValueError(f"not a StableHLO program: {error}") from None


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Frame:
    """What is known where an operation stands.

    Attributes:
      scope: names of the calls and operations around it.
      function: the function that it is the body of.
      views: of the tensors that values hold; constants have none.
      constants: values of whole numbers.
      counters: the next values of loop counters, which are no work.
      tape: of the straight-line program around it.
    """

    scope: str = ""
    function: str = ""
    views: dict[Any, View | None] = dataclasses.field(default_factory=dict)
    constants: dict[Any, int] = dataclasses.field(default_factory=dict)
    counters: tuple[Any, ...] = ()
    tape: Tape = dataclasses.field(default_factory=Tape)

    def view(self, value: Any) -> View | None:
        if value not in self.views:
            self.views[value] = self.tape.source(elements(value))
        return self.views[value]


class _Program:
    """A module and the functions in it."""

    def __init__(self, module: Any) -> None:
        self._module = module  # owns the functions
        self._functions: dict[str, Any] = {}
        public = []
        for operation in module.body.operations:
            if operation.operation.name == "func.func" and operation.regions[0].blocks:
                name = mlir.ir.StringAttr(operation.attributes["sym_name"]).value
                self._functions[name] = operation.regions[0].blocks[0]
                if "sym_visibility" not in operation.attributes or "public" in str(
                    operation.attributes["sym_visibility"]
                ):
                    public.append(name)
        names = ["main"] if "main" in self._functions else public
        if len(names) != 1:
            raise ValueError(
                f"expected a function main or one public function; there are {len(names)}"
            )
        self._main = self._functions[names[0]]
        self._check()

    def _check(self) -> None:
        """Refuses functions that are not there, call themselves, or are too large when inlined."""
        sizes: dict[Any, int | None] = {}

        def size(block: Any) -> int:
            total = len(block.operations)
            for operation in block.operations:
                for region in operation.operation.regions:
                    total += sum(map(size, region.blocks))
                if operation.operation.name in _CALLS:
                    name = _callee(operation.operation)
                    called = self._functions.get(name)
                    if called is None or len(called.arguments) != len(operation.operands):
                        raise ValueError(
                            f"function {shown(name)} is not there, or takes other arguments"
                        )
                    if name not in sizes:
                        sizes[name] = None  # marks it as being counted
                        sizes[name] = size(called)
                    inlined = sizes[name]
                    if inlined is None:
                        raise ValueError(f"function {shown(name)} calls itself")
                    total += inlined
                if total > _MAX_OPERATIONS:
                    raise ValueError(f"its calls make more than {_MAX_OPERATIONS} operations")
            return total

        try:
            size(self._main)
        except RecursionError:
            raise ValueError("its functions call each other too deeply") from None

    def found(self) -> Found:
        """The work of the main function."""
        return self._apart(self._main, 1, _Frame())

    def _apart(self, block: Any, times: int, frame: _Frame) -> Found:
        """The work of running a block `times` times, with a tape of its own."""
        frame = dataclasses.replace(frame, tape=Tape(), views={}, constants=dict(frame.constants))
        found = Found()
        frame.tape.store(map(frame.view, self._walk(block, times, frame, found)))
        if times:
            found.operators.extend(
                dataclasses.replace(operator, count=operator.count * times)
                for operator in frame.tape.operators()
            )
        return found

    def _walk(self, block: Any, times: int, frame: _Frame, found: Found) -> Sequence[Any]:
        """Adds the work of a block, its operators left on the tape; gives what it returns."""
        results: Sequence[Any] = ()
        for operation in block.operations:
            operation = operation.operation
            if operation.name in ("func.return", "stablehlo.return"):
                results = list(operation.operands)
            else:
                self._add(operation, times, frame, found)
        return results

    def _add(self, operation: Any, times: int, frame: _Frame, found: Found) -> None:
        name = "/".join(filter(None, (frame.scope, scope(operation))))
        inputs = [frame.view(value) for value in operation.operands]
        outputs: Sequence[View | None] | None = None
        known = constant(operation, frame.constants)
        if known is not None:
            frame.constants[operation.results[0]] = known
        is_counter = any(value in frame.counters for value in operation.results)
        if known is not None or is_counter or operation.name == "stablehlo.constant":
            outputs = [None]
        elif operation.name in _CALLS:
            outputs = self._call(operation, times, dataclasses.replace(frame, scope=name), found)
        elif operation.name == "stablehlo.while":
            self._while(operation, times, frame, found)
        elif operation.name in _BRANCHES:
            parts = [self._apart(region.blocks[0], times, frame) for region in operation.regions]
            found.add(max(parts, key=lambda part: part.work))
        elif operation.name == "stablehlo.custom_call":
            target = mlir.ir.StringAttr(operation.attributes["call_target_name"]).value
            if target in _ANNOTATIONS:
                outputs = inputs[:1]
            else:
                found.notes.append(
                    f"{shown(target)}: the matrix work of this custom call, if any, is not counted"
                )
                found.skipped[target] += times
        else:
            outputs = self._primitive(
                equation(operation), times, dataclasses.replace(frame, scope=name), found, inputs
            )
        if outputs is None:
            sizes = [elements(value) for value in operation.results]
            outputs = frame.tape.boundary(inputs, sizes)
        frame.views.update(zip(operation.results, outputs, strict=True))

    def _primitive(
        self, one: Any, times: int, here: _Frame, found: Found, inputs: Sequence[View | None]
    ) -> Sequence[View | None] | None:
        kind = one.primitive.name
        if kind in PRODUCTS:
            for product in PRODUCTS[kind](one):
                if times and min(product):  # empty products are not layers
                    m, n, k, count = product
                    name = here.scope or kind
                    found.layers.append(Layer(name=name, m=m, n=n, k=k, count=count * times))
            return None
        if kind in RULES:
            return RULES[kind](here.tape, here.scope or here.function, one, inputs)
        found.skipped[kind] += times
        return None

    def _call(
        self, operation: Any, times: int, here: _Frame, found: Found
    ) -> Sequence[View | None]:
        """A function: its work may be fused with that of its caller."""
        name = _callee(operation)
        block = self._functions[name]
        pairs = list(zip(block.arguments, operation.operands, strict=True))
        called = dataclasses.replace(
            here,
            function=name.rstrip("_0123456789"),
            views={inner: here.view(outer) for inner, outer in pairs},
            constants=_passed(pairs, here.constants),
        )
        results = self._walk(block, times, called, found)
        for outer, inner in zip(operation.results, results, strict=True):
            if inner in called.constants:
                here.constants[outer] = called.constants[inner]
        return [called.view(value) for value in results]

    def _while(self, operation: Any, times: int, here: _Frame, found: Found) -> None:
        condition, body = (region.blocks[0] for region in operation.regions)
        passed = {**here.constants, **_unchanged(operation, here.constants)}
        counted = count_iterations(operation, passed)
        inside = dataclasses.replace(here, constants=passed)
        if counted is not None:  # the condition only tests the counter
            inside = dataclasses.replace(inside, counters=(counted.next_value,))
            found.add(self._apart(body, times * counted.times, inside))
            return
        parts = [self._apart(block, times, inside) for block in (condition, body)]
        for part in parts:
            found.add(part)
        if any(part.layers or part.operators for part in parts):
            found.notes.append(
                "while: the number of iterations is not known; its work is counted once"
            )


def _callee(operation: Any) -> str:
    return mlir.ir.FlatSymbolRefAttr(operation.attributes[_CALLS[operation.name]]).value


def _passed(pairs: Sequence[tuple[Any, Any]], constants: Mapping[Any, int]) -> dict[Any, int]:
    return {inner: constants[outer] for inner, outer in pairs if outer in constants}


def _unchanged(operation: Any, constants: Mapping[Any, int]) -> dict[Any, int]:
    """Whole numbers that a loop passes on as they are."""
    pairs: list[tuple[Any, Any]] = []
    results = list(operation.regions[1].blocks[0].operations[-1].operands)
    for index, outer in enumerate(operation.operands):
        inner = [region.blocks[0].arguments[index] for region in operation.regions]
        if results[index] == inner[1]:
            pairs += [(argument, outer) for argument in inner]
    return _passed(pairs, constants)
