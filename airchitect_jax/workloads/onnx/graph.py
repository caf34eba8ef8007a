"""The work of an ONNX graph: layers, operators and what is not modelled."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from airchitect_jax.workloads.fusion import Tape, View
from airchitect_jax.workloads.network import Layer, Operator
from airchitect_jax.workloads.onnx.nodes import GRAPHS, PRODUCTS, Node, Shapes
from airchitect_jax.workloads.onnx.operators import CONSTANTS, RULES, SLICES, VIEWS, Work

STANDARD = ("", "ai.onnx")  # the domains of standard operators


def inner_graphs(node: Any) -> list[Any]:
    """The subgraphs of an operator."""
    graphs = [attribute.g for attribute in node.attribute if attribute.HasField("g")]
    return graphs + [graph for attribute in node.attribute for graph in attribute.graphs]


class Graph:
    """The work of running a graph once.

    Attributes:
      layers, operators: in the order of the graph.
      skipped: counts of operators that are not modelled, or whose shapes are not known.
    """

    def __init__(self, graph: Any, outer: Shapes, constants: frozenset[str] = frozenset()) -> None:
        self.layers: list[Layer] = []
        self.operators: list[Operator] = []
        self.skipped: Counter[str] = Counter()
        self._shapes = outer.within(graph)
        self._constants = {*constants, *(tensor.name for tensor in graph.initializer)}
        self._views: dict[str, View] = {}
        self._tape = Tape()
        for proto in graph.node:
            self._add(proto)
        self._tape.store(self._views.get(value.name) for value in graph.output)
        self.operators.extend(self._tape.operators())

    @property
    def work(self) -> tuple[int, int]:
        """MACs, and the operations of operators."""
        operations = sum(operator.operations * operator.count for operator in self.operators)
        return sum(layer.macs for layer in self.layers), operations

    def _add(self, proto: Any) -> None:
        """Adds the work of a node."""
        node = Node(proto, self._shapes)
        kind, standard = proto.op_type, proto.domain in STANDARD
        if standard and kind in GRAPHS:
            self._add_graphs(proto, node)
            return
        products = PRODUCTS[kind](node) if standard and kind in PRODUCTS else {}
        for suffix, product in products.items():
            if min(product):  # empty products are not layers
                m, n, k, count = product
                self.layers.append(Layer(name=node.name + suffix, m=m, n=n, k=k, count=count))
        inputs = [name for name in node.inputs if name]
        if kind in CONSTANTS or (inputs and self._constants.issuperset(inputs)):
            self._constants.update(node.outputs)
        elif standard and (kind in VIEWS or kind in SLICES):
            self._add_view(node)
        elif standard and kind in RULES and not (products and kind == "Einsum"):
            try:
                work = RULES[kind](node)
                if work is None:
                    self._add_view(node)
                else:
                    self._add_work(node, work)
            except ValueError:  # a shape is not known, though no layer needs it
                self._skip(node, kind)
        elif products:
            self._end(node, node.inputs)
        else:
            self._skip(node, kind if standard else f"{proto.domain}.{kind}")

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
        outputs = [node.output_size(), *(self._shapes.size(name) for name in node.outputs[1:])]
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
        return name in self._constants and (is_later or self._shapes.size(name) == 1)

    def _set(self, node: Node, results: Sequence[View]) -> None:
        for name, view in zip(node.outputs, results, strict=True):
            if name:
                self._views[name] = view

    def _add_graphs(self, proto: Any, node: Node) -> None:
        times = GRAPHS[proto.op_type](node)
        graphs = inner_graphs(proto)
        parts = [Graph(graph, self._shapes, frozenset(self._constants)) for graph in graphs]
        if proto.op_type == "If" and parts:
            parts = [max(parts, key=lambda part: part.work)]
        for part in parts:
            if times:
                self.layers += [_repeated(layer, times) for layer in part.layers]
                self.operators += [_repeated(operator, times) for operator in part.operators]
            self.skipped.update({kind: count * times for kind, count in part.skipped.items()})
        captured = [name for graph in graphs for name in _names(graph)]
        self._end(node, [*node.inputs, *captured])

    def _skip(self, node: Node, name: str) -> None:
        self.skipped[name] += 1
        self._end(node, node.inputs)

    def _end(self, node: Node, inputs: Sequence[str]) -> None:
        """The results of a node that is counted elsewhere, or not at all."""
        views = [self._views.get(name) for name in inputs]
        sizes = [self._shapes.size(name) for name in node.outputs]
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
