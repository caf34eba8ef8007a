"""The work of an ONNX graph: layers, operators and what is not modelled."""

from __future__ import annotations

import contextlib
import dataclasses
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from airchitect_jax.workloads.fusion import Tape, View
from airchitect_jax.workloads.network import Layer, Operator
from airchitect_jax.workloads.onnx.contrib import CONTRIB_PRODUCTS, CONTRIB_RULES, SHAPES
from airchitect_jax.workloads.onnx.inference import Tensors, inner_graphs
from airchitect_jax.workloads.onnx.nodes import PRODUCTS, Node, loop_length, scan_length
from airchitect_jax.workloads.onnx.operators import CONSTANTS, RULES, SLICES, VIEWS, Work

_PRODUCTS = {**PRODUCTS, **CONTRIB_PRODUCTS}
_RULES = {**RULES, **CONTRIB_RULES}


class Graph:
    """The work of running a graph once.

    Attributes:
      layers, operators: in the order of the graph.
      skipped: counts of operators that are not modelled, or whose shapes are not known.
      tensors: those of the graph, which are inferred on the way.
    """

    def __init__(
        self, graph: Any, tensors: Tensors, constants: frozenset[str] = frozenset()
    ) -> None:
        self.layers: list[Layer] = []
        self.operators: list[Operator] = []
        self.skipped: Counter[str] = Counter()
        self.tensors = tensors
        self._constants = set(constants)
        self._views: dict[str, View] = {}
        self._tape = Tape()
        self._run(graph)
        self._tape.store(self._views.get(value.name) for value in graph.output)
        self.operators.extend(self._tape.operators())

    def _run(self, graph: Any) -> None:
        self._constants.update(tensor.name for tensor in graph.initializer)
        for proto in graph.node:
            # Branches of different operators may use the same names.
            self._constants.difference_update(proto.output)
            self._add(proto)

    @property
    def work(self) -> tuple[int, int]:
        """MACs, and the operations of operators."""
        operations = sum(operator.operations * operator.count for operator in self.operators)
        return sum(layer.macs for layer in self.layers), operations

    def _add(self, proto: Any) -> None:
        """Adds the work of a node."""
        node = Node(proto, self.tensors)
        kind = f"{proto.domain}.{proto.op_type}".removeprefix(".").removeprefix("ai.onnx.")
        if kind in _GRAPHS:
            _GRAPHS[kind](self, proto, node)
            return
        self._infer(proto, node, kind)
        products = _PRODUCTS[kind](node) if kind in _PRODUCTS else {}
        for suffix, product in products.items():
            if min(product):  # empty products are not layers
                m, n, k, count = product
                self.layers.append(Layer(name=node.name + suffix, m=m, n=n, k=k, count=count))
        inputs = [name for name in node.inputs if name]
        if kind in CONSTANTS or (inputs and self._constants.issuperset(inputs)):
            self._constants.update(node.outputs)
        elif kind in VIEWS or kind in SLICES:
            self._add_view(node)
        elif kind in _RULES and not (products and kind == "Einsum"):
            try:
                work = _RULES[kind](node)
                if work is None:
                    self._add_view(node)
                else:
                    self._add_work(node, work)
            except ValueError:  # a shape is not known, though no layer needs it
                self._skip(node, kind)
        elif products:
            self._end(node, node.inputs)
        else:
            self._skip(node, kind)

    def _infer(self, proto: Any, node: Node, kind: str) -> None:
        self.tensors.add(proto)
        if kind in SHAPES:
            with contextlib.suppress(ValueError):  # a shape is not known
                self.tensors.give(proto, SHAPES[kind](node))

    def _add_view(self, node: Node) -> None:
        try:
            view = self._view(node, 0)
            results = [view for _ in node.outputs]
            if node.op_type in SLICES:
                sizes = (node.output_size(index) for index in range(len(results)))
                results = [self._tape.part(view, size) for size in sizes]
            self._set(node, results)
        except ValueError:
            self._skip(node, node.op_type)

    def _add_work(self, node: Node, work: Work) -> None:
        views = [
            self._view(node, index)
            for index, name in enumerate(node.inputs)
            if name and not self._is_parameter(name, index, work)
        ]
        # An optional further output of unknown shape, such as a mask, is not used.
        outputs = [node.output_size(), *(self.tensors.size(name) for name in node.outputs[1:])]
        if not work.is_fused:
            results = self._tape.separate(
                node.name,
                work.kind,
                work.operations,
                views,
                outputs,
                read=work.read,
                written=work.written,
                times=work.times,
            )
        else:
            results = self._tape.fused(
                node.name, work.kind, work.operations, views, outputs, work.role
            )
        self._set(node, results)

    def _is_parameter(self, name: str, index: int, work: Work) -> bool:
        """Whether an input is part of the instruction: one stored number, or a later constant."""
        is_later = work.num_inputs is not None and index >= work.num_inputs
        return name in self._constants and (is_later or self.tensors.size(name) == 1)

    def _set(self, node: Node, results: Sequence[View]) -> None:
        for name, view in zip(node.outputs, results, strict=True):
            if name:
                self._views[name] = view

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
            return part.work, known

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

    def _add_part(self, part: Graph, times: int) -> None:
        if times:
            self.layers += [_repeated(layer, times) for layer in part.layers]
            self.operators += [_repeated(operator, times) for operator in part.operators]
        self.skipped.update({kind: count * times for kind, count in part.skipped.items()})

    def _end_graphs(self, proto: Any, node: Node) -> None:
        captured = [name for graph in inner_graphs(proto) for name in _names(graph)]
        self._end(node, [*node.inputs, *captured])

    def _skip(self, node: Node, name: str) -> None:
        self.skipped[name] += 1
        self._end(node, node.inputs)

    def _end(self, node: Node, inputs: Sequence[str]) -> None:
        """The results of a node that is counted elsewhere, or not at all."""
        views = [self._views.get(name) for name in inputs]
        sizes = [self.tensors.size(name) for name in node.outputs]
        self._set(node, self._tape.boundary(views, sizes))

    def _view(self, node: Node, index: int) -> View:
        name = node.inputs[index]
        size = node.input_size(index)
        if name not in self._views:
            self._views[name] = self._tape.source(size)
        return self._views[name]


def _repeated(work: Any, times: int) -> Any:
    """A layer or operator that runs `times` as often."""
    return dataclasses.replace(work, count=work.count * times)


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
