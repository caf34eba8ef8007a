"""Operators of ONNX Runtime (domain `com.microsoft`), and shapes that ONNX does not infer.

Exporters and optimisers write these operators; ONNX itself knows neither their shapes nor their
work. Source: the ContribOperators page of ONNX Runtime's documentation.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from airchitect_jax.types import OperatorKind
from airchitect_jax.workloads.gemms import Product, matmul
from airchitect_jax.workloads.onnx.nodes import PRODUCTS, Node, Products, attention_products
from airchitect_jax.workloads.onnx.operators import Rule, attention, cell, per_element

_Shape = tuple[int, ...]


def _matmul(b_at: int) -> Callable[[Node], Products]:
    """A product with optional transposes of its operands."""

    def products(node: Node) -> Products:
        a, b = (_transposed(node, index, flag) for index, flag in ((0, "transA"), (b_at, "transB")))
        try:
            return {"": matmul(a, b)}
        except ValueError as error:
            raise node.error(str(error)) from None

    return products


def _transposed(node: Node, index: int, flag: str) -> _Shape:
    shape = node.shape(index, least=2)
    if any(node.attribute(name, 0) for name in ("transBatchA", "transBatchB")):
        raise node.error("transBatchA and transBatchB are not modelled")
    return (*shape[:-2], shape[-1], shape[-2]) if node.attribute(flag, 0) else shape


def _matmul_shape(b_at: int) -> Callable[[Node], _Shape]:
    def shape(node: Node) -> _Shape:
        a, b = (_transposed(node, index, flag) for index, flag in ((0, "transA"), (b_at, "transB")))
        try:
            return (*np.broadcast_shapes(a[:-2], b[:-2]), a[-2], b[-1])
        except ValueError as error:
            raise node.error(str(error)) from None

    return shape


def _packed_shape(node: Node) -> _Shape:
    return *node.shape(0, least=1)[:-1], node.attribute("N", 0)


def _packed_matmul(node: Node) -> Products:
    """A product with a packed matrix, which attributes describe."""
    return {"": matmul(node.shape(0, least=1), (node.attribute("K", 0), node.attribute("N", 0)))}


def _quantized_lstm(node: Node) -> Products:
    """An LSTM whose weights are stored transposed."""
    steps, batch, width = node.shape(0, rank=3)
    directions, hidden, gates = node.shape(2, rank=3)
    return {
        "/input": Product(steps * batch, gates, width, directions),
        "/recurrent": Product(batch, gates, hidden, steps * directions),
    }


def _lstm_shape(node: Node) -> _Shape:
    steps, batch, _ = node.shape(0, rank=3)
    directions, hidden, _ = node.shape(2, rank=3)
    return steps, directions, batch, hidden


def _attention(node: Node) -> Products:
    """Query, key and value of one input and one matrix; then scores and values."""
    batch, steps, width = node.shape(0, rank=3)
    total = node.shape(1, rank=2)[1]
    sizes = node.attribute("qkv_hidden_sizes", ()) or (total // 3,) * 3
    heads = node.attribute("num_heads", 0)
    if heads < 1 or sum(sizes) != total or any(size % heads for size in sizes):
        raise node.error("num_heads and the widths do not fit")
    keys = steps + (node.shape(4, rank=5)[3] if node.has(4) else 0)
    return {
        "/projections": Product(batch * steps, total, width, 1),
        **attention_products(
            rows=steps, keys=keys, width=sizes[0] // heads, value_width=sizes[2] // heads,
            times=batch * heads,
        ),
    }  # fmt: skip


def _attention_shape(node: Node) -> _Shape:
    batch, steps, _ = node.shape(0, rank=3)
    sizes = node.attribute("qkv_hidden_sizes", ())
    return batch, steps, sizes[2] if sizes else node.shape(1, rank=2)[1] // 3


def _multi_head(node: Node) -> Products:
    batch, steps, width = node.shape(0, rank=3)
    heads = node.attribute("num_heads", 0)
    if heads < 1 or width % heads or not node.has(1) or not node.has(2):
        raise node.error("num_heads does not divide the width, or key and value are packed")
    key, value = node.shape(1, least=3), node.shape(2, least=3)
    per_head = value[3] if len(value) == 4 else value[2] // heads
    keys = key[2] if len(key) == 4 else key[1]
    keys += node.shape(6, rank=4)[2] if node.has(6) else 0
    return attention_products(
        rows=steps, keys=keys, width=width // heads, value_width=per_head, times=batch * heads
    )


def _multi_head_shape(node: Node) -> _Shape:
    batch, steps, _ = node.shape(0, rank=3)
    value = node.shape(2, least=3)
    return batch, steps, value[1] * value[3] if len(value) == 4 else value[2]


def _grouped(node: Node) -> Products:
    """Query heads that share keys are stacked; the keys are those of the cache and the new ones."""
    batch, steps, _ = node.shape(0, rank=3)
    heads, kv_heads = (node.attribute(name, 0) for name in ("num_heads", "kv_num_heads"))
    width = _head_width(node)
    if kv_heads < 1 or heads % kv_heads:
        raise node.error(f"{heads} query heads cannot share {kv_heads} key heads")
    keys = steps + (node.shape(3, rank=4)[2] if node.has(3) else 0)
    return attention_products(
        rows=heads // kv_heads * steps, keys=keys, width=width, value_width=width,
        times=batch * kv_heads,
    )  # fmt: skip


def _head_width(node: Node) -> int:
    heads, kv_heads = (node.attribute(name, 0) for name in ("num_heads", "kv_num_heads"))
    heads += 0 if node.has(1) else 2 * kv_heads  # query, key and value are packed
    width = node.shape(0, rank=3)[2]
    if heads < 1 or width % heads:
        raise node.error("num_heads and kv_num_heads do not divide the width")
    return width // heads


def _grouped_shape(node: Node) -> _Shape:
    batch, steps, _ = node.shape(0, rank=3)
    return batch, steps, node.attribute("num_heads", 0) * _head_width(node)


def _stft_shape(node: Node) -> _Shape:
    """ONNX's inference takes all frequencies where only half of them are asked for."""
    batch, length, *_ = node.shape(0, least=2)
    step = node.constant(1)
    frame = node.shape(2, rank=1)[0] if node.has(2) else node.constant(3)
    if not step or not frame or step < 0 or frame > length:
        raise node.error("its frames are not known")
    frequencies = frame // 2 + 1 if node.attribute("onesided", 1) else frame
    return batch, (length - frame) // step + 1, frequencies, 2


def _conv_shape(node: Node) -> _Shape:
    """A convolution that is fused with an activation."""
    batch, _, *sides = node.shape(0, least=3)
    filters, _, *taps = node.shape(1, least=3)
    ones = (1,) * len(sides)
    pads = node.attribute("pads", ()) or (0,) * 2 * len(sides)
    if node.attribute("auto_pad", "NOTSET") != "NOTSET" or len(pads) != 2 * len(sides):
        raise node.error("auto_pad is not modelled")
    strides, dilations = (node.attribute(name, ()) or ones for name in ("strides", "dilations"))
    padded = [side + pads[axis] + pads[axis + len(sides)] for axis, side in enumerate(sides)]
    windows = [dilation * (tap - 1) + 1 for tap, dilation in zip(taps, dilations, strict=True)]
    fits = zip(padded, windows, strides, strict=True)
    return batch, filters, *((side - window) // stride + 1 for side, window, stride in fits)


_OF = "com.microsoft."
_MATMULS = ("DynamicQuantizeMatMul", "FusedMatMul", "MatMulIntegerToFloat", "TransposeMatMul")
CONTRIB_PRODUCTS: Mapping[str, Callable[[Node], Products]] = {
    **{_OF + name: _matmul(1) for name in _MATMULS},
    _OF + "Attention": _attention,
    _OF + "DynamicQuantizeLSTM": _quantized_lstm,
    _OF + "FusedConv": PRODUCTS["Conv"],
    _OF + "GroupQueryAttention": _grouped,
    _OF + "MatMulNBits": _packed_matmul,
    _OF + "MultiHeadAttention": _multi_head,
}
_NORMALIZATION = OperatorKind.NORMALIZATION
_ELEMENTWISE: Mapping[str, Rule] = {
    _OF + "BiasGelu": per_element(OperatorKind.ACTIVATION, 6),
    _OF + "FastGelu": per_element(OperatorKind.ACTIVATION, 9),
    _OF + "Gelu": per_element(OperatorKind.ACTIVATION, 5),
    _OF + "QuickGelu": per_element(OperatorKind.ACTIVATION, 5),
    _OF + "RotaryEmbedding": per_element(OperatorKind.ELEMENTWISE, 3, num_inputs=1),
    _OF + "SkipLayerNormalization": per_element(_NORMALIZATION, 8),
    _OF + "SkipSimplifiedLayerNormalization": per_element(_NORMALIZATION, 5),
    "SimplifiedLayerNormalization": per_element(_NORMALIZATION, 4),
}
CONTRIB_RULES: Mapping[str, Rule] = {
    **_ELEMENTWISE,
    _OF + "Attention": attention(_attention, mask_at=5),
    _OF + "DynamicQuantizeLSTM": cell(_quantized_lstm, gates=4, operations=26, states=2),
    _OF + "GroupQueryAttention": attention(_grouped),
    _OF + "MultiHeadAttention": attention(_multi_head, mask_at=5),
}
# Of the results; several have the same.
SHAPES: Mapping[str, Callable[[Node], _Shape]] = {
    **dict.fromkeys(_ELEMENTWISE, lambda node: node.shape(0)),
    **{_OF + name: _matmul_shape(1) for name in _MATMULS},
    _OF + "Attention": _attention_shape,
    _OF + "DynamicQuantizeLSTM": _lstm_shape,
    _OF + "FusedConv": _conv_shape,
    _OF + "GroupQueryAttention": _grouped_shape,
    _OF + "MatMulNBits": _packed_shape,
    _OF + "MultiHeadAttention": _multi_head_shape,
    "STFT": _stft_shape,
}
