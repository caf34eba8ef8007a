"""Reads programs that `torch.export.save` wrote (`.pt2`) as GEMMs and operators. Extra `torch`.

PyTorch itself loads the file, and its loader may run what the file says: open only files whose
source you trust. Nothing is run afterwards, and weights are not used.
"""

from __future__ import annotations

import operator
import pathlib
import warnings
from collections.abc import Iterable, Mapping
from typing import Any

from airchitect_jax._support import MissingExtraError, check_regular, file_path, one_line, shown
from airchitect_jax.workloads.binding import Names, with_sizes
from airchitect_jax.workloads.network import Network
from airchitect_jax.workloads.onnx.nodes import Node
from airchitect_jax.workloads.onnx.recorder import Recorder
from airchitect_jax.workloads.onnx.shapes import Shapes
from airchitect_jax.workloads.torch_operators import (
    TORCH_PRODUCTS,
    TORCH_RULES,
    Call,
    Tensor,
    meaning,
)

_Shape = tuple[int | str, ...]
_UNKNOWN_LENGTH = ("while_loop", "associative_scan")
# The argument with the tensors along whose first axis a loop runs.
_SLICED = {"map_impl": 1, "scan": 2}


def read_torch(path: str | pathlib.Path, dims: Mapping[str, int] | None = None) -> Network:
    """Reads a `torch.export.ExportedProgram`; the network is named after the file.

    Matrix work is that of linear layers, products, convolutions, einsum of two operands, attention
    and recurrent layers; all other operators are in the network's operators. `torch.cond` counts
    its most expensive branch, `scan` and `map` their length, and `while_loop` one iteration (a
    warning says so). Layers are named after their modules.

    Args:
      path: the `.pt2` file, which is trusted.
      dims: sizes of dynamic dimensions, by the program's symbol or by input and axis ("x[0]").

    Raises:
      ValueError: the file cannot be read, is no exported program, has no matrix work, or a required
        size is not known.
      ImportError: torch is not installed.

    Example:
      >>> import torch
      >>> exported = torch.export.export(torch.nn.Linear(64, 32), (torch.ones(8, 64),))
      >>> torch.export.save(exported, "net.pt2")
      >>> layer = aj.read_torch("net.pt2").layers[0]
      >>> layer.m, layer.n, layer.k
      (8, 32, 64)
    """
    path = file_path("path", path)
    check_regular(path)
    if not path.exists():
        raise ValueError(f"{path}: cannot be read: No such file or directory")
    try:
        import torch
    except ImportError as error:
        raise MissingExtraError(".pt2 files need torch", "torch") from error
    try:
        try:
            program = torch.export.load(path)
        except Exception as error:
            raise ValueError(f"not an exported PyTorch program: {error}") from None
        return _network(program, path.stem, dims or {}, str(path))
    except ValueError as error:
        raise ValueError(f"{path}: {one_line(str(error), 800)}") from None


def _network(program: Any, name: str, dims: Mapping[str, int], source: str) -> Network:
    recorded = with_sizes(
        _names(program), dims, lambda sizes: _Graph(program.graph_module, sizes, _stored(program))
    )
    if not recorded.layers:
        raise ValueError("no matrix work found")
    for note in dict.fromkeys(recorded.notes):
        warnings.warn(f"{source}: {note}", stacklevel=4)
    return recorded.found.network(name)


def _stored(program: Any) -> set[str]:
    """The inputs of a program that are weights and the like."""
    return {node.name for node in program.graph.nodes if node.op == "placeholder"} - set(
        program.graph_signature.user_inputs
    )


def _names(program: Any) -> Names:
    names = Names()
    for node in program.graph.nodes:
        if node.op == "placeholder" and node.name in program.graph_signature.user_inputs:
            sides = getattr(node.meta.get("val"), "shape", ())
            for axis, side in enumerate(sides):
                expression = _expression(side)
                if getattr(expression, "is_Symbol", False):
                    names.add(node.name, axis, len(sides), str(expression))
    for symbol, limits in program.range_constraints.items():
        if str(symbol) in names.dims:
            high = int(limits.upper) if limits.upper.is_Integer else 2**31 - 1
            names.limits[str(symbol)] = int(limits.lower) or 1, min(high, 2**31 - 1)
    return names


def _expression(side: Any) -> Any:
    """The expression of a dynamic size; the number of a fixed one."""
    return side if isinstance(side, int) else side.node.expr


class _Graph(Recorder):
    """The work of running a graph once; `notes` say what could not be counted exactly."""

    def __init__(
        self,
        module: Any,
        sizes: Mapping[str, int],
        constants: Iterable[str] = (),
        scope: str = "",
    ) -> None:
        self._of: dict[str, _Shape] = {}
        self._numbers: dict[str, int] = {}
        super().__init__(Shapes(self._of, self._numbers), constants)
        self.notes: list[str] = []
        self._module = module
        self._sizes = sizes
        self._scope = scope
        self._aliases: dict[str, Tensor] = {}
        results: list[str] = []
        for node in module.graph.nodes:
            if node.op == "output":
                results = Call("output", {"results": self._value(node.args)}, self._of).tensors
            else:
                self._add(node)
        self._finish(results)

    def _add(self, node: Any) -> None:
        outputs = self._declare(node.name, node.meta.get("val"))
        if node.op == "get_attr" and outputs:
            self._constants.update(outputs)
        if node.op != "call_function" or not outputs:
            return
        if node.target is operator.getitem:
            source, index = node.args
            self._aliases[node.name] = self._aliases.get(
                f"{source.name}.{index}", Tensor(f"{source.name}.{index}")
            )
            return
        name, arguments = self._arguments(node)
        call = Call(name, arguments, self._of)
        if graphs := [value for value in node.all_input_nodes if self._inner(value) is not None]:
            self._add_graphs(node, name, graphs, call, outputs)
            return
        kind, inputs, attributes = meaning(call)
        if name == "topk" and len(inputs) == 1:
            self._numbers[f"{node.name}.k"] = arguments["k"]
            inputs = [*inputs, f"{node.name}.k"]
        # Unused further results, such as statistics, may have no shape.
        record = Node(kind, self._label(node), inputs, outputs, self.tensors, attributes)
        self._record(record, kind, TORCH_PRODUCTS, TORCH_RULES)

    def _declare(self, name: str, value: Any) -> list[Tensor]:
        """Notes the shapes of the tensors that a node computes; gives their names."""
        if hasattr(value, "shape"):
            self._of[name] = tuple(self._side(side) for side in value.shape)
            return [Tensor(name)]
        if not isinstance(value, (list, tuple)):
            return []
        each = (self._declare(f"{name}.{index}", part) for index, part in enumerate(value))
        return [result for results in each for result in results]

    def _side(self, side: Any) -> int | str:
        expression = _expression(side)
        if not isinstance(expression, int):
            known = {symbol: self._sizes.get(str(symbol)) for symbol in expression.free_symbols}
            expression = expression.subs({s: size for s, size in known.items() if size is not None})
        return int(expression) if getattr(expression, "is_Integer", True) else str(expression)

    def _arguments(self, node: Any) -> tuple[str, dict[str, Any]]:
        """The name of a node's operator without its overload, and its arguments by name."""
        schema = getattr(node.target, "_schema", None)
        if schema is None:
            name = str(getattr(node.target, "__name__", node.target))
            arguments = {str(index): self._value(value) for index, value in enumerate(node.args)}
            return name, arguments
        namespace, _, name = schema.name.partition("::")
        names = [argument.name for argument in schema.arguments]
        given = {**dict(zip(names, node.args, strict=False)), **node.kwargs}
        arguments = {
            ("input" if key == "self" else key): self._value(v) for key, v in given.items()
        }
        return name if namespace == "aten" else f"{namespace}.{name}", arguments

    def _value(self, value: Any) -> Any:
        """An argument, with tensors as names."""
        if isinstance(value, (list, tuple)):
            return [self._value(part) for part in value]
        if not hasattr(value, "op"):
            return value
        held = value.meta.get("val")
        if hasattr(held, "shape"):
            return self._aliases.get(value.name, Tensor(value.name))
        if isinstance(held, (list, tuple)):
            return [Tensor(name) for name in self._declare(value.name, held)]
        side = self._side(held) if hasattr(held, "node") else held
        return side if isinstance(side, int) else None

    def _inner(self, node: Any) -> Any:
        """The graph that a node holds, if any."""
        if node.op != "get_attr":
            return None
        held = getattr(self._module, node.target, None)
        return held if hasattr(held, "graph") else None

    def _add_graphs(
        self, node: Any, name: str, graphs: list[Any], call: Call, outputs: list[Tensor]
    ) -> None:
        label = self._label(node)
        parts = [_Graph(self._inner(graph), self._sizes, scope=label) for graph in graphs]
        times = 1
        if name == "cond":
            parts = [max(parts, key=lambda part: part.found.work)]
        elif name in _SLICED:
            first = call.arguments[str(_SLICED[name])][0]
            times = Node(name, label, [first], outputs, self.tensors).shape(0, least=1)[0]
        elif name in _UNKNOWN_LENGTH and any(part.layers or part.operators for part in parts):
            self.notes.append(
                f"{name} {shown(label)}: the number of iterations is not known; its work is counted"
                " once"
            )
        for part in parts:
            self._add_part(part, times)
            self.notes += part.notes
        self._end(Node(name, label, call.tensors, outputs, self.tensors), call.tensors)

    def _label(self, node: Any) -> str:
        """The path of the module that a node belongs to, else the node's name."""
        stack = node.meta.get("nn_module_stack") or {}
        paths = [path for path, _ in stack.values()]
        return (paths[-1] if paths else "") or self._scope or node.name
