"""The work of an ONNX graph: layers, operators and what is not modelled."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from airchitect_jax.workloads.onnx.contrib import CONTRIB_PRODUCTS, CONTRIB_RULES, SHAPES
from airchitect_jax.workloads.onnx.inference import Tensors, inner_graphs
from airchitect_jax.workloads.onnx.nodes import PRODUCTS, Node, ProtoNode, loop_length, scan_length
from airchitect_jax.workloads.onnx.operators import RULES
from airchitect_jax.workloads.onnx.recorder import Recorder

_PRODUCTS = {**PRODUCTS, **CONTRIB_PRODUCTS}
_RULES = {**RULES, **CONTRIB_RULES}


class Graph(Recorder):
    """The work of running an ONNX graph once; its tensors are inferred on the way."""

    tensors: Tensors

    def __init__(
        self, graph: Any, tensors: Tensors, constants: frozenset[str] = frozenset()
    ) -> None:
        super().__init__(tensors, constants)
        self._run(graph)
        self._finish(value.name for value in graph.output)

    def _run(self, graph: Any) -> None:
        self._constants.update(tensor.name for tensor in graph.initializer)
        for proto in graph.node:
            # Branches of different operators may use the same names.
            self._constants.difference_update(proto.output)
            self._add(proto)

    def _add(self, proto: Any) -> None:
        node = ProtoNode(proto, self.tensors)
        kind = f"{proto.domain}.{proto.op_type}".removeprefix(".").removeprefix("ai.onnx.")
        if kind in _GRAPHS:
            _GRAPHS[kind](self, proto, node)
            return
        self.tensors.add(proto)
        if kind in SHAPES:
            with contextlib.suppress(ValueError):  # a shape is not known
                self.tensors.give(proto, SHAPES[kind](node))
        self._record(node, kind, _PRODUCTS, _RULES)

    def _if(self, proto: Any, node: Node) -> None:
        """The branch that is taken if this is known, else the most expensive one."""
        branches = {attribute.name: attribute.g for attribute in proto.attribute}
        condition = node.constant(0)
        if condition is not None and len(branches) == 2:
            taken = branches["then_branch" if condition else "else_branch"]
            outer, self.tensors = self.tensors, self.tensors.within(taken)
            self._run(taken)
            inner, self.tensors = self.tensors, outer
            for name, value in zip(node.outputs, taken.output, strict=False):
                self.tensors.take(name, inner, value.name)
                if value.name in self._constants:
                    self._constants.add(name)
                else:
                    source = self._tape.source(inner.size(value.name))
                    self._views[name] = self._views.get(value.name, source)
            return
        parts, failure = [], None
        for name, graph in branches.items():
            try:
                parts.append((graph, self._part(graph, self.tensors.within(graph))))
            except ValueError as error:
                failure = error
                reason = f"{node.name}: {name} is left out: {error}"
        if failure is not None:
            if not parts:
                raise failure
            warnings.warn(reason, stacklevel=2)

        def rank(choice: tuple[Any, Graph]) -> tuple[tuple[int, int], int]:
            graph, part = choice
            known = sum(part.tensors.known_shape(value.name) is not None for value in graph.output)
            return part.found.work, known

        if parts:
            graph, part = max(parts, key=rank)
            for name, value in zip(node.outputs, graph.output, strict=False):
                self.tensors.take(name, part.tensors, value.name, with_value=False)
            self._add_part(part, 1)
        self._end_graphs(proto, node)

    def _loop(self, proto: Any, node: Node) -> None:
        times = loop_length(node)
        for body in inner_graphs(proto)[:1]:
            carried = dict(
                zip((value.name for value in body.input[2:]), node.inputs[2:], strict=False)
            )
            part = self._body(body, carried, [value.name for value in body.output[1:]])
            self._add_part(part, 1 if times is None else times)
            for index, (name, value) in enumerate(zip(node.outputs, body.output[1:], strict=False)):
                if index >= len(carried):
                    self.tensors.stack(name, part.tensors, value.name, 0, times)
                elif times == 0:
                    self.tensors.take(name, self.tensors, node.inputs[2 + index])
                else:
                    self.tensors.take(name, part.tensors, value.name, with_value=False)
        self._end_graphs(proto, node)

    def _scan(self, proto: Any, node: Node) -> None:
        times = scan_length(node)
        scans = int(node.attribute("num_scan_inputs", 0))
        num_states = len(node.inputs) - scans
        for body in inner_graphs(proto)[:1]:
            names = [value.name for value in body.input]
            sliced = self.tensors.within(body)
            axes = node.attribute("scan_input_axes", ()) or (0,) * scans
            for name, source, axis in zip(
                names[num_states:], node.inputs[num_states:], axes, strict=False
            ):
                sliced.unstack(name, source, axis)
            carried = dict(zip(names[:num_states], node.inputs[:num_states], strict=False))
            part = self._body(body, carried, [value.name for value in body.output], sliced)
            self._add_part(part, times)
            out_axes = node.attribute("scan_output_axes", ())
            for index, (name, value) in enumerate(zip(node.outputs, body.output, strict=False)):
                if index < num_states:
                    self.tensors.take(name, part.tensors, value.name, with_value=False)
                else:
                    place = index - num_states
                    axis = out_axes[place] if place < len(out_axes) else 0
                    self.tensors.stack(name, part.tensors, value.name, axis, times)
        self._end_graphs(proto, node)

    def _body(
        self,
        body: Any,
        carried: Mapping[str, str],
        results: Sequence[str],
        tensors: Tensors | None = None,
    ) -> Graph:
        """An iteration of a loop whose state is `carried`: inner names to outer ones."""
        start = tensors or self.tensors.within(body)
        for name, source in carried.items():
            if self.tensors.shape(source) is not None:
                start.take(name, self.tensors, source, with_value=False)
        part = self._part(body, start.copy())
        changed = False
        for name, result in zip(carried, results, strict=False):
            sides = part.tensors.common(name, result)
            if sides is not None and sides != part.tensors.shape(name):
                start.resize(name, sides, start.types[name])  # sizes depend on the iteration
                changed = True
        return self._part(body, start) if changed else part

    def _part(self, graph: Any, tensors: Tensors) -> Graph:
        return Graph(graph, tensors, frozenset(self._constants))

    def _end_graphs(self, proto: Any, node: Node) -> None:
        captured = [name for graph in inner_graphs(proto) for name in _names(graph)]
        self._end(node, [*node.inputs, *captured])


def _names(graph: Any) -> Iterator[str]:
    """All tensors that the nodes of a graph read, those of outer graphs among them."""
    for node in graph.node:
        yield from node.input
        for inner in inner_graphs(node):
            yield from _names(inner)


_GRAPHS: Mapping[str, Callable[[Graph, Any, Node], None]] = {
    "If": Graph._if,
    "Loop": Graph._loop,
    "Scan": Graph._scan,
}
