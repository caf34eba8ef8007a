"""Shapes and small values of the tensors of an ONNX graph, one operator after the other.

ONNX infers shapes from shapes and stored constants, and does not compute values. Here its reference
implementation computes small ones, such as the sizes that a model reads off its input, and each
operator is inferred with them. So a shape is known however the model computes it.
"""

from __future__ import annotations

import itertools
import math
from collections import ChainMap
from collections.abc import Mapping
from typing import Any

import numpy as np

from airchitect_jax._support import one_line, shown
from airchitect_jax.workloads.onnx.shapes import Shapes

STANDARD = ("", "ai.onnx")  # the domains of standard operators
SMALL = 1024  # elements of a tensor whose value is computed
# Operators whose values are computed where those of their inputs are known.
_COMPUTED = frozenset(
    str.split(
        "Abs Add And ArgMax ArgMin Cast CastLike Ceil Clip Compress Concat Constant ConstantOfShape"
        " CumSum Div Equal Exp Expand Flatten Floor Gather GatherElements GatherND Greater"
        " GreaterOrEqual Identity IsInf IsNaN Less LessOrEqual Log Max Min Mod Mul Neg NonZero Not"
        " OneHot Or Pad Pow Range Reciprocal ReduceMax ReduceMean ReduceMin ReduceProd ReduceSum"
        " Reshape Round ScatterElements ScatterND Sign Slice Split Sqrt Squeeze Sub Sum Tile TopK"
        " Transpose Trilu Unique Unsqueeze Where Xor"
    )
)
# Their results have as many elements as their inputs at most, times the rank.
_SHRINKING = frozenset(("Compress", "NonZero", "Unique"))


def inner_graphs(node: Any) -> list[Any]:
    """The subgraphs of an operator."""
    graphs = [attribute.g for attribute in node.attribute if attribute.HasField("g")]
    return graphs + [graph for attribute in node.attribute for graph in attribute.graphs]


class Tensors(Shapes):
    """Types and small values of the tensors of a graph, and of those around it.

    Attributes:
      opsets: versions of operators by domain.
      types: `onnx.TypeProto`s by name.
      values: of small tensors that are known before the run, by name.
      reasons: why the shapes of tensors cannot be inferred, by name.
    """

    def __init__(
        self, opsets: Mapping[str, int], outer: Tensors | None = None, *, limit: int = 10_000
    ) -> None:
        super().__init__()
        self.opsets = opsets
        self._limit: int = outer._limit if outer else limit
        self._added: itertools.count[int] = outer._added if outer else itertools.count()
        self.types: ChainMap[str, Any] = outer.types.new_child() if outer else ChainMap()
        self.values: ChainMap[str, np.ndarray] = outer.values.new_child() if outer else ChainMap()
        self.reasons = outer.reasons if outer else {}

    def within(self, graph: Any) -> Tensors:
        """The tensors of an inner graph, with what it declares."""
        inner = Tensors(self.opsets, self)
        for value in (*graph.value_info, *graph.output, *graph.input):
            inner.types[value.name] = value.type
        for tensor in graph.initializer:
            inner._store(tensor.name, tensor)
        return inner

    def shape(self, name: str) -> tuple[int | str, ...] | None:
        """The sides of a tensor, with names or nothing for unknown ones; None if it has none."""
        kind = self.types.get(name)
        if kind is None or not kind.tensor_type.HasField("shape"):
            return None
        return tuple(
            dim.dim_value if dim.HasField("dim_value") else dim.dim_param
            for dim in kind.tensor_type.shape.dim
        )

    def constant(self, name: str) -> int | None:
        """The value of a tensor of one whole number; None if it is not known."""
        value = self.values.get(name)
        whole = value is not None and value.size == 1 and value.dtype.kind in "biu"
        return int(value.flat[0]) if value is not None and whole else None

    def give(self, node: Any, shape: tuple[int, ...]) -> None:
        """Gives the results of an operator a shape, and the element type of its first input."""
        for name in filter(None, node.output):
            self.resize(name, shape, self.types[node.input[0]])

    def resize(self, name: str, shape: tuple[int | str, ...], like: Any) -> None:
        """Gives a tensor a shape and the element type of another type."""
        kind = type(like)()
        kind.tensor_type.elem_type = like.tensor_type.elem_type
        kind.tensor_type.shape.SetInParent()
        for side in shape:
            dim = kind.tensor_type.shape.dim.add()
            if isinstance(side, int):
                dim.dim_value = side
        self.types[name] = kind

    def take(self, name: str, other: Tensors, source: str, *, with_value: bool = True) -> None:
        """Gives a tensor the type, and the value, of one of another graph."""
        if source in other.types:
            self.types[name] = other.types[source]
        if with_value and source in other.values:
            self.values[name] = other.values[source]

    def copy(self) -> Tensors:
        """The same tensors, to infer others from them."""
        return Tensors(self.opsets, self)

    def stack(self, name: str, other: Tensors, source: str, axis: int, times: int | None) -> None:
        """Gives a tensor the type of `times` tensors of another graph, stacked."""
        shape = other.shape(source)
        if shape is not None:
            at = axis % (len(shape) + 1)
            sides = (*shape[:at], "" if times is None else times, *shape[at:])
            self.resize(name, sides, other.types[source])

    def unstack(self, name: str, source: str, axis: int) -> None:
        """Gives a tensor the type of a slice of another."""
        shape = self.shape(source)
        if shape:
            at = axis % len(shape)
            self.resize(name, (*shape[:at], *shape[at + 1 :]), self.types[source])

    def common(self, name: str, other: str) -> tuple[int | str, ...] | None:
        """The sides of a tensor, without those that differ in another of the same rank."""
        shape, others = self.shape(name), self.shape(other)
        if shape is None or others is None or len(shape) != len(others):
            return shape
        return tuple(
            side if side == after else "" for side, after in zip(shape, others, strict=True)
        )

    def add(self, node: Any) -> None:
        """Infers the results of an operator without inner graphs.

        Raises:
          ValueError: there were more than `limit`: bodies of nested loops are looked at repeatedly.
        """
        if next(self._added) >= self._limit:
            raise ValueError(f"its nested loops make more than {self._limit} operators")
        names = [name for name in node.output if name]
        self._infer(node, names)
        if node.domain not in STANDARD:
            return
        if node.op_type in ("Shape", "Size") and node.input and names:
            self._measure(node)
        elif node.op_type in _COMPUTED and self._is_computable(node, names):
            self._compute(node)

    def _is_computable(self, node: Any, names: list[str]) -> bool:
        """Whether all inputs are known and all results small."""
        known = all(name in self.values for name in node.input if name)
        return known and (node.op_type in _SHRINKING or all(map(self._is_small, names)))

    def _is_small(self, name: str) -> bool:
        shape = self.known_shape(name)
        return shape is not None and math.prod(shape) <= SMALL

    def _infer(self, node: Any, names: list[str]) -> None:
        """Infers shapes by ONNX, of a model of this operator alone."""
        import onnx

        model = onnx.ModelProto(ir_version=8)
        for domain, version in self.opsets.items():
            model.opset_import.add(domain=domain, version=version)
        graph = model.graph
        graph.node.add().CopyFrom(node)
        for name in dict.fromkeys(node.input):
            if name in self.values:
                graph.initializer.add().CopyFrom(
                    onnx.numpy_helper.from_array(self.values[name], name)
                )
            elif name in self.types:
                graph.input.add(name=name).type.CopyFrom(self.types[name])
        for name in names:
            graph.output.add(name=name)
        reason = "its shape cannot be inferred"
        try:
            inferred = onnx.shape_inference.infer_shapes(model, strict_mode=True)
        except Exception as error:
            reason = one_line(str(error).rpartition("]")[2].strip(" :"), 200)
        else:
            for value in inferred.graph.output:
                if value.type.WhichOneof("value"):
                    self.types[value.name] = _merged(value.type, self.types.get(value.name))
        where = f"{node.op_type} {shown(node.name or next(iter(names), ''))}"
        causes = (self.reasons[name] for name in node.input if name in self.reasons)
        reason = next(causes, f"{where}: {reason}")
        for name in names:
            if self.known_shape(name) is None:
                self.reasons[name] = reason

    def _measure(self, node: Any) -> None:
        """The value of Shape or Size."""
        (source, *_), (result, *_) = node.input, node.output
        shape = self.shape(source)
        if shape is not None and node.op_type == "Shape":
            ends = {attribute.name: attribute.i for attribute in node.attribute}
            shape = shape[ends.get("start", 0) : ends.get("end")]
        if shape is None or not all(isinstance(side, int) for side in shape):
            return
        value = shape if node.op_type == "Shape" else math.prod(map(int, shape))
        self._set(result, np.array(value, np.int64))

    def _compute(self, node: Any) -> None:
        """The values of an operator, by ONNX's reference implementation."""
        import onnx
        from onnx.reference import ReferenceEvaluator

        inputs = [name for name in dict.fromkeys(node.input) if name]
        graph = onnx.GraphProto(node=[node], name="one")
        for names, values in ((inputs, graph.input), (filter(None, node.output), graph.output)):
            for name in names:
                values.add(name=name)
        try:
            with np.errstate(all="ignore"):
                results = ReferenceEvaluator(graph, opsets=dict(self.opsets)).run(
                    None, {name: self.values[name] for name in inputs}
                )
        except Exception:  # not implemented, or not allowed: the value is not known
            return
        for name, value in zip(filter(None, node.output), results, strict=True):
            if isinstance(value, (np.ndarray, np.generic)):
                self._set(name, np.asarray(value))

    def _store(self, name: str, tensor: Any) -> None:
        import onnx

        self.types[name] = onnx.helper.make_tensor_type_proto(tensor.data_type, list(tensor.dims))
        if math.prod(tensor.dims) <= SMALL and not tensor.external_data:
            try:
                self.values[name] = onnx.numpy_helper.to_array(tensor)
            except Exception:  # its data is damaged: the value is not known
                return

    def _set(self, name: str, value: np.ndarray) -> None:
        import onnx

        if value.size > SMALL or value.dtype.kind not in "biuf":
            return
        kind = onnx.helper.np_dtype_to_tensor_dtype(value.dtype)
        self.types[name] = onnx.helper.make_tensor_type_proto(kind, value.shape)
        self.values[name] = value


def _merged(kind: Any, known: Any) -> Any:
    """A type whose unknown sides are those of another."""
    if known is None or not known.tensor_type.HasField("shape"):
        return kind
    if not kind.tensor_type.HasField("shape"):
        return known
    mine, others = kind.tensor_type.shape.dim, known.tensor_type.shape.dim
    if len(mine) == len(others):
        for dim, other in zip(mine, others, strict=True):
            if not dim.HasField("dim_value"):
                dim.CopyFrom(other)
    return kind
