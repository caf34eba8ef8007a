"""The GEMMs of single ONNX operators, from shapes. Does not import onnx."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from airchitect_jax._support import shown
from airchitect_jax.workloads.gemms import Product, convolution, matmul, transposed_convolution
from airchitect_jax.workloads.onnx.shapes import Shapes, UnknownShapeError

# GEMMs of an operator by the suffix of its name.
Products = Mapping[str, Product]


class Node:
    """An operator with the shapes of its inputs and outputs; errors name it."""

    def __init__(
        self,
        op_type: str,
        name: str,
        inputs: Sequence[str],
        outputs: Sequence[str],
        tensors: Shapes,
        attributes: Mapping[str, Any] | None = None,
    ) -> None:
        self.op_type = op_type
        self.name = name
        self.inputs = list(inputs)
        self.outputs = list(outputs)
        self._tensors = tensors
        self._attributes = attributes or {}

    def error(self, reason: str) -> ValueError:
        """An error about this operator."""
        return ValueError(f"{self.op_type} {shown(self.name)}: {reason}")

    def attribute(self, name: str, default: Any) -> Any:
        """An attribute with the type of `default`: a number, a string or a tuple."""
        return self._attributes.get(name, default)

    def constant(self, index: int) -> int | None:
        """The value of a constant integer input; None if it is not constant."""
        name = self.inputs[index] if index < len(self.inputs) else ""
        return self._tensors.constant(name)

    def has(self, index: int) -> bool:
        """Whether an optional input is given."""
        return index < len(self.inputs) and self.inputs[index] != ""

    def shape(self, index: int, *, rank: int | None = None, least: int = 0) -> tuple[int, ...]:
        """The fully known shape of an input."""
        if not self.has(index):
            raise self.error(f"input {index} is missing")
        return self._known(self.inputs[index], rank, least)

    def out_shape(self, index: int = 0, *, least: int = 0) -> tuple[int, ...]:
        """The fully known shape of an output."""
        if index >= len(self.outputs):
            raise self.error("it has no output")
        return self._known(self.outputs[index], None, least)

    def input_size(self, index: int) -> int:
        """Elements of an input."""
        return math.prod(self.shape(index))

    def output_size(self, index: int = 0) -> int:
        """Elements of an output."""
        return math.prod(self.out_shape(index))

    def _known(self, name: str, rank: int | None, least: int) -> tuple[int, ...]:
        shape = self._tensors.shape(name)
        if shape is not None and any(isinstance(side, int) and side < 0 for side in shape):
            raise self.error(f"{shown(name)} has a negative dimension")
        known = self._tensors.known_shape(name)
        if known is None:
            reason = self._tensors.reasons.get(name, "nothing says it")
            where = f"{self.op_type} {shown(self.name)}"
            raise UnknownShapeError(f"{where}: the shape of {shown(name)} is not known: {reason}")
        if (rank is not None and len(known) != rank) or len(known) < least:
            raise self.error(f"{shown(name)} has {len(known)} dimensions; expected {rank or least}")
        return known


class ProtoNode(Node):
    """An operator of an ONNX file."""

    def __init__(self, proto: Any, tensors: Shapes) -> None:
        name = proto.name or next(iter(proto.output), "") or proto.op_type
        super().__init__(str(proto.op_type), name, proto.input, proto.output, tensors)
        self._proto = proto

    def attribute(self, name: str, default: Any) -> Any:
        """An attribute with the type of `default`: a number, a string or a tuple."""
        for attribute in self._proto.attribute:
            if attribute.name == name:
                if isinstance(default, str):
                    return attribute.s.decode("utf-8", "replace")
                return tuple(attribute.ints) if isinstance(default, tuple) else attribute.i
        return default


def _conv(weights_at: int) -> Callable[[Node], Products]:
    def products(node: Node) -> Products:
        filters, channels, *sides = node.shape(weights_at, least=3)
        batch, _, *out = node.out_shape(least=3)
        return {
            "": convolution(
                batch=batch,
                out_sides=out,
                filters=filters,
                taps=math.prod(sides),
                channels=channels,
                groups=_groups(node, filters),
            )
        }

    return products


def _groups(node: Node, divided: int) -> int:
    groups = int(node.attribute("group", 1))
    if groups < 1 or divided % groups:
        raise node.error(f"group: {groups} is not allowed; expected a divisor of {divided}")
    return groups


def _conv_transpose(node: Node) -> Products:
    batch, channels, *in_sides = node.shape(0, least=3)
    _, filters, *sides = node.shape(1, least=3)
    groups = _groups(node, channels)
    return {
        "": transposed_convolution(
            batch=batch,
            in_sides=in_sides,
            filters=filters * groups,
            taps=math.prod(sides),
            channels=channels // groups,
            groups=groups,
        )
    }


def _matmul(b_at: int) -> Callable[[Node], Products]:
    def products(node: Node) -> Products:
        a, b = node.shape(0), node.shape(b_at)
        try:
            return {"": matmul(a, b)}
        except ValueError as error:
            raise node.error(str(error)) from None

    return products


def _gemm(node: Node) -> Products:
    a, b = node.shape(0, rank=2), node.shape(1, rank=2)
    m, k = a[::-1] if node.attribute("transA", 0) else a
    other_k, n = b[::-1] if node.attribute("transB", 0) else b
    if k != other_k:
        raise node.error(f"shapes {list(a)} and {list(b)} cannot be multiplied")
    return {"": Product(m, n, k, 1)}


def _einsum(node: Node) -> Products:
    """A product of two operands, with every combination of indices multiplied once.

    An index of only one operand is an index of the product, summed afterwards if the result does
    not have it. An index repeated within an operand takes its diagonal.
    """
    equation = node.attribute("equation", "").replace(" ", "")
    terms, arrow, out = equation.partition("->")
    labels = terms.split(",")
    if len(labels) == 1:
        return {}  # sums, transposes and diagonals
    if len(labels) != 2:
        raise node.error(f"equation {shown(equation)} is not known; expected two operands")
    lhs, rhs = (
        _sides(node, label, node.shape(operand), equation) for operand, label in enumerate(labels)
    )
    for index in lhs.keys() & rhs.keys():
        if lhs[index] != rhs[index] and 1 not in (lhs[index], rhs[index]):
            raise node.error(f"the sides of equation {shown(equation)} do not fit")
    shared = {index for index in lhs.keys() & rhs.keys() if lhs[index] == rhs[index]}
    kept = {index for index in shared if _is_kept(index, labels, out if arrow else None)}

    def size(sides: Mapping[str, int], indices: Collection[str]) -> int:
        return math.prod(sides[index] for index in indices)

    return {
        "": Product(
            size(lhs, lhs.keys() - shared),
            size(rhs, rhs.keys() - shared),
            size(lhs, shared - kept),
            size(lhs, kept),
        )
    }


def _sides(node: Node, label: str, shape: tuple[int, ...], equation: str) -> dict[str, int]:
    """The size of each index of an operand; an ellipsis is numbered from the last axis."""
    before, ellipsis, after = label.partition("...")
    unnamed = len(shape) - len(before) - len(after)
    if unnamed < 0 or (unnamed and not ellipsis) or "." in before + after:
        raise node.error(f"equation {shown(equation)} does not fit its operands")
    indices = [*before, *(f".{axis}" for axis in range(unnamed, 0, -1)), *after]
    sides: dict[str, int] = {}
    for index, side in zip(indices, shape, strict=True):
        if sides.setdefault(index, side) != side:
            raise node.error(f"equation {shown(equation)} takes a diagonal of unequal dimensions")
    return sides


def _is_kept(index: str, labels: Sequence[str], out: str | None) -> bool:
    """Whether the result has an index of both operands; `out` is None if implicit."""
    if out is None:  # by NumPy's rule: an ellipsis, and what occurs once in all operands
        return index.startswith(".") or sum(label.count(index) for label in labels) == 1
    return "..." in out if index.startswith(".") else index in out


def _attention(node: Node) -> Products:
    """Scores and values; query heads with shared keys (grouped-query) are stacked."""
    query, key, value = (node.shape(index, least=3) for index in range(3))
    if len(query) == 3:
        heads, kv_heads = (int(node.attribute(f"{x}_num_heads", 0)) for x in ("q", "kv"))
        if heads < 1 or kv_heads < 1 or query[2] % heads or value[2] % kv_heads:
            raise node.error("q_num_heads and kv_num_heads do not divide the widths")
        width, value_width = query[2] // heads, value[2] // kv_heads
        batch, queries, keys = query[0], query[1], key[1]
    else:
        if not len(query) == len(key) == len(value) == 4:
            raise node.error("expected inputs of 3 or of 4 dimensions")
        batch, heads, queries, width = query
        kv_heads, keys, value_width = key[1], key[2], value[3]
    if kv_heads < 1 or heads % kv_heads:
        raise node.error(f"{heads} query heads cannot share {kv_heads} key heads")
    if node.has(4):
        keys += node.shape(4, rank=4)[2]
    return attention_products(
        rows=heads // kv_heads * queries,
        keys=keys,
        width=width,
        value_width=value_width,
        times=batch * kv_heads,
    )


def attention_products(
    *, rows: int, keys: int, width: int, value_width: int, times: int
) -> Products:
    """Scores and values of one head."""
    return {
        "/scores": Product(rows, keys, width, times),
        "/values": Product(rows, value_width, keys, times),
    }


def _recurrent(node: Node) -> Products:
    """RNN, GRU, LSTM: all inputs at once, then the state step by step."""
    first, second, width = node.shape(0, rank=3)
    batch, steps = (first, second) if node.attribute("layout", 0) else (second, first)
    directions, gates, _ = node.shape(1, rank=3)
    hidden = node.shape(2, rank=3)[2]
    return {
        "/input": Product(steps * batch, gates, width, directions),
        "/recurrent": Product(batch, gates, hidden, steps * directions),
    }


def scan_length(node: Node) -> int:
    """The number of iterations of a Scan."""
    scans = int(node.attribute("num_scan_inputs", 0))
    if not 1 <= scans <= len(node.inputs):
        raise node.error("num_scan_inputs does not fit its inputs")
    shape = node.shape(len(node.inputs) - scans, least=1)
    axis = next(iter(node.attribute("scan_input_axes", ())), 0)
    if not -len(shape) <= axis < len(shape):
        raise node.error(f"scan_input_axes: {axis} is not allowed for {len(shape)} dimensions")
    return shape[axis]


def loop_length(node: Node) -> int | None:
    """The number of iterations of a Loop; None, with a warning, if it is not known.

    A `while` has no number, or the largest one.
    """
    length = node.constant(0)
    if node.has(1) and node.constant(1) == 0:
        return 0
    if length is None or length >= 2**31:
        warnings.warn(
            f"Loop {shown(node.name)}: the number of iterations is not known; its layers are"
            " counted once",
            stacklevel=2,
        )
        return None
    return max(length, 0)


PRODUCTS: Mapping[str, Callable[[Node], Products]] = {
    "Attention": _attention,
    "Conv": _conv(1),
    "ConvInteger": _conv(1),
    "ConvTranspose": _conv_transpose,
    "DeformConv": _conv(1),
    "Einsum": _einsum,
    "GRU": _recurrent,
    "Gemm": _gemm,
    "LSTM": _recurrent,
    "MatMul": _matmul(1),
    "MatMulInteger": _matmul(1),
    "QLinearConv": _conv(3),
    "QLinearMatMul": _matmul(3),
    "RNN": _recurrent,
}
