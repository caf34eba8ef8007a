"""Records the work of operators, one after the other."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from airchitect_jax.workloads.found import Found
from airchitect_jax.workloads.fusion import Tape, View
from airchitect_jax.workloads.network import Layer, Operator
from airchitect_jax.workloads.onnx.nodes import Node, Products
from airchitect_jax.workloads.onnx.operators import CONSTANTS, SLICES, VIEWS, Rule, Work
from airchitect_jax.workloads.onnx.shapes import Shapes


class Recorder:
    """The work of a graph.

    Attributes:
      layers, operators: in the order of the graph; the operators once it is finished.
      skipped: counts of operators that are not modelled, or whose shapes are not known.
      tensors: those of the graph.
    """

    def __init__(self, tensors: Shapes, constants: Iterable[str] = ()) -> None:
        self.layers: list[Layer] = []
        self.operators: list[Operator] = []
        self.skipped: Counter[str] = Counter()
        self.tensors = tensors
        self._constants = set(constants)
        self._views: dict[str, View] = {}
        self._tape = Tape()

    @property
    def found(self) -> Found:
        """The work, once the graph is finished."""
        return Found(self.layers, self.operators, self.skipped)

    def _finish(self, results: Iterable[str]) -> None:
        self._tape.store(self._views.get(name) for name in results)
        self.operators.extend(self._tape.operators())

    def _record(
        self,
        node: Node,
        kind: str,
        products_of: Mapping[str, Callable[[Node], Products]],
        rules: Mapping[str, Rule],
    ) -> None:
        """Adds the work of an operator."""
        products = products_of[kind](node) if kind in products_of else {}
        for suffix, product in products.items():
            if min(product):  # empty products are not layers
                m, n, k, count = product
                self.layers.append(Layer(name=node.name + suffix, m=m, n=n, k=k, count=count))
        inputs = [name for name in node.inputs if name]
        if kind in CONSTANTS or (inputs and self._constants.issuperset(inputs)):
            self._constants.update(node.outputs)
        elif kind in VIEWS or kind in SLICES:
            self._add_view(node)
        elif kind in rules and not (products and kind == "Einsum"):
            try:
                work = rules[kind](node)
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

    def _add_part(self, part: Recorder, times: int) -> None:
        """Adds the work of another graph that runs `times` times."""
        if times:
            self.layers += [_repeated(layer, times) for layer in part.layers]
            self.operators += [_repeated(operator, times) for operator in part.operators]
        self.skipped.update({kind: count * times for kind, count in part.skipped.items()})

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
