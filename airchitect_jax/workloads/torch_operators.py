"""Single ATen operators of PyTorch as operators whose work is known. Does not import torch.

Most have the work of an ONNX operator, whose rule counts them; the others have rules here.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from airchitect_jax.types import OperatorKind
from airchitect_jax.workloads.gemms import Product, matmul
from airchitect_jax.workloads.onnx.nodes import PRODUCTS, Node, Products, attention_products
from airchitect_jax.workloads.onnx.operators import RULES, Rule, attention, cell, per_element

_GATES = {"gru": 3, "lstm": 4, "rnn_relu": 1, "rnn_tanh": 1}
# Operations per unit of a step of a recurrent network, and its states; as in ONNX's rules.
_CELLS = {"gru": (20, 1), "lstm": (26, 2), "rnn_relu": (3, 1), "rnn_tanh": (3, 1)}


@dataclasses.dataclass(frozen=True)
class Call:
    """A call of an operator.

    Attributes:
      name: without the overload, such as "conv2d".
      arguments: by name; tensors are names, in lists as well, and sizes numbers.
      shapes: of tensors by name.
    """

    name: str
    arguments: Mapping[str, Any]
    shapes: Mapping[str, tuple[int | str, ...]]

    def get(self, name: str, default: Any = None) -> Any:
        """An argument; `default` if it is not given."""
        value = self.arguments.get(name)
        return default if value is None else value

    @property
    def tensors(self) -> list[str]:
        """All tensors among the arguments, in order."""
        return list(self._tensors(self.arguments.values()))

    def rank(self, name: str) -> int:
        """The number of sides of a tensor."""
        return len(self.shapes.get(name, ()))

    def _tensors(self, values: Any) -> Iterator[str]:
        for value in values:
            if isinstance(value, (list, tuple)):
                yield from self._tensors(value)
            elif isinstance(value, Tensor):
                yield value


class Tensor(str):
    """The name of a tensor."""


# The kind of a call, its inputs in the order of the kind's rule, and its attributes.
Meaning = tuple[str, Sequence[str], Mapping[str, Any]]


def meaning(call: Call) -> Meaning:
    """The operator that has the work of a call."""
    name = call.name.rstrip("_") if not call.name.startswith("__") else call.name
    if name in _SPECIAL:
        return _SPECIAL[name](call)
    return _KINDS.get(name, f"aten.{name}"), call.tensors, {}


def _given(call: Call, *names: str) -> list[str]:
    """Tensors by argument, those that are missing as empty names at the end."""
    inputs = [call.get(name, "") for name in names]
    while inputs and not inputs[-1]:
        inputs.pop()
    return inputs


def _convolution(call: Call) -> Meaning:
    kind = "ConvTranspose" if "transpose" in call.name or call.get("transposed") else "Conv"
    return kind, _given(call, "input", "weight"), {"group": call.get("groups", 1)}


def _affine(*names: str) -> Callable[[Call], Meaning]:
    """A product whose added term belongs to the array's drain."""
    return lambda call: ("MatMul", _given(call, *names), {})


def _linear(call: Call) -> Meaning:
    return "aten.linear", _given(call, "input", "weight"), {}


def _einsum(call: Call) -> Meaning:
    equation = call.get("equation", "")
    return "Einsum", call.tensors, {"equation": equation}


def _attention(call: Call) -> Meaning:
    return "aten.attention", _given(call, "query", "key", "value", "attn_mask"), {}


def _recurrent(call: Call) -> Meaning:
    """Weights of all layers and directions are in one list."""
    weights = [name for name in call.get("params", ()) if call.rank(name) == 2]
    steps = 2 if call.get("batch_first") else 1
    attributes = {"layers": len(weights) // 2, "steps": steps, "kind": call.name}
    return f"aten.{call.name}", [call.get("input", ""), *weights], attributes


def _normalization(kind: str) -> Callable[[Call], Meaning]:
    return lambda call: (kind, _given(call, "input", "weight", "bias"), {})


def _pool(kind: str) -> Callable[[Call], Meaning]:
    def of(call: Call) -> Meaning:
        window = call.get("kernel_size", (1,))
        sides = call.rank(call.tensors[0]) - 2
        window = tuple(window) * (sides if len(window) == 1 else 1)
        return kind, call.tensors[:1], {"kernel_shape": window}

    return of


def _permute(call: Call) -> Meaning:
    source = call.tensors[0]
    rank = call.rank(source)
    order = list(range(rank))
    if call.name == "permute":
        order = [axis % rank for axis in call.get("dims", ())]
    elif rank > 1:
        first, second = (call.get("dim0", 0), call.get("dim1", 1)) if call.name != "t" else (0, 1)
        order[first], order[second] = order[second], order[first]
    return "Transpose", [source], {"perm": tuple(order)}


def _resize(mode: str) -> Callable[[Call], Meaning]:
    return lambda call: ("Resize", call.tensors[:1], {"mode": mode})


def _lookup(call: Call) -> Meaning:
    return "Gather", _given(call, "weight", "indices"), {}


def _gelu(call: Call) -> Meaning:
    return "Gelu", call.tensors, {"approximate": call.get("approximate", "none")}


def _one(kind: str) -> Callable[[Call], Meaning]:
    """Only the first tensor is read."""
    return lambda call: (kind, call.tensors[:1], {})


_ELEMENTWISE = {
    **{name: name.capitalize() for name in str.split(
        "abs acos acosh add asin asinh atan atanh ceil cos cosh div erf exp floor log max mean min"
        " mish mul neg pow reciprocal relu round selu sigmoid sign sin sinh softmax sqrt sub tan"
        " tanh where celu elu"
    )},
    **dict.fromkeys(("eq", "ne", "isnan", "isinf"), "Equal"),
    **dict.fromkeys(("ge", "gt", "le", "lt"), "Greater"),
    **dict.fromkeys(str.split(
        "bitwise_and bitwise_not bitwise_or bitwise_xor logical_and logical_not logical_or"
        " logical_xor masked_fill __and__ __or__"
    ), "And"),
    **dict.fromkeys(("maximum", "minimum"), "Max"),
    **dict.fromkeys(("remainder", "fmod", "floor_divide"), "Mod"),
    **dict.fromkeys(("_softmax", "_safe_softmax"), "Softmax"),
    **dict.fromkeys(("log_softmax", "_log_softmax"), "LogSoftmax"),
    "exp2": "Exp",
    "expm1": "Exp",
    "glu": "Swish",
    "hardsigmoid": "HardSigmoid",
    "hardswish": "HardSwish",
    "leaky_relu": "LeakyRelu",
    "log1p": "Log",
    "log2": "Log",
    "prelu": "PRelu",
    "rsqrt": "Sqrt",
    "rsub": "Sub",
    "silu": "Swish",
    "softplus": "Softplus",
    "square": "Mul",
}  # fmt: skip
_VIEWS = str.split(
    "_to_copy _unsafe_view alias alpha_dropout clone contiguous copy detach dropout expand"
    " expand_as feature_dropout flatten lift_fresh_copy reshape squeeze to type_as unflatten"
    " unsqueeze view view_as"
)
_CONSTANTS = str.split(
    "arange empty empty_like eye full full_like linspace new_empty new_full new_ones new_zeros ones"
    " ones_like scalar_tensor zeros zeros_like"
)
_KINDS: Mapping[str, str] = {
    **_ELEMENTWISE,
    **dict.fromkeys(_VIEWS, "Identity"),
    **dict.fromkeys(_CONSTANTS, "Constant"),
    **dict.fromkeys(("bmm", "dot", "matmul", "mm", "mv"), "MatMul"),
    **dict.fromkeys(("cat", "concat", "stack"), "Concat"),
    **dict.fromkeys(("chunk", "split", "split_with_sizes", "unbind"), "Split"),
    **dict.fromkeys(("narrow", "select", "slice"), "Slice"),
    **dict.fromkeys(("flip", "repeat", "roll", "tile"), "Tile"),
    **dict.fromkeys(("triu", "tril"), "Trilu"),
    **dict.fromkeys(("index_put", "scatter", "scatter_add"), "ScatterElements"),
    **dict.fromkeys(("gather", "index", "index_select"), "Gather"),
    "cumsum": "CumSum",
    "topk": "TopK",
    "sort": "TopK",
}
_SPECIAL: Mapping[str, Callable[[Call], Meaning]] = {
    **dict.fromkeys(
        str.split(
            "conv1d conv2d conv3d conv_transpose1d conv_transpose2d conv_transpose3d convolution"
        ),
        _convolution,
    ),
    **dict.fromkeys(("transpose", "permute", "t"), _permute),
    **dict.fromkeys(_GATES, _recurrent),
    **dict.fromkeys(
        str.split(
            "scaled_dot_product_attention _scaled_dot_product_flash_attention"
            " _scaled_dot_product_flash_attention_for_cpu _scaled_dot_product_efficient_attention"
        ),
        _attention,
    ),
    **dict.fromkeys(("amax", "amin", "argmax", "argmin", "any", "all"), _one("ReduceMax")),
    **dict.fromkeys(("avg_pool1d", "avg_pool2d", "avg_pool3d"), _pool("AveragePool")),
    **dict.fromkeys(
        str.split("max_pool1d max_pool2d max_pool2d_with_indices max_pool3d"), _pool("MaxPool")
    ),
    **dict.fromkeys(
        str.split("adaptive_avg_pool1d adaptive_avg_pool2d _adaptive_avg_pool2d"),
        _one("GlobalAveragePool"),
    ),
    **dict.fromkeys(("clamp", "clamp_max", "clamp_min", "hardtanh", "relu6"), _one("Clip")),
    **dict.fromkeys(("layer_norm", "native_layer_norm"), _normalization("LayerNormalization")),
    **dict.fromkeys(
        str.split("group_norm native_group_norm instance_norm"),
        _normalization("InstanceNormalization"),
    ),
    **dict.fromkeys(
        str.split(
            "batch_norm native_batch_norm _native_batch_norm_legit_no_training cudnn_batch_norm"
        ),
        _normalization("BatchNormalization"),
    ),
    **dict.fromkeys(("constant_pad_nd", "pad", "reflection_pad2d"), _one("Pad")),
    "addmm": _affine("mat1", "mat2"),
    "addmv": _affine("mat", "vec"),
    "baddbmm": _affine("batch1", "batch2"),
    "einsum": _einsum,
    "embedding": _lookup,
    "gelu": _gelu,
    "linear": _linear,
    "mean": _one("ReduceMean"),
    "pixel_shuffle": _one("DepthToSpace"),
    "prod": _one("ReduceProd"),
    "rms_norm": _normalization("RMSNormalization"),
    "sum": _one("ReduceSum"),
    "upsample_bicubic2d": _resize("cubic"),
    "upsample_bilinear2d": _resize("linear"),
    "upsample_nearest2d": _resize("nearest"),
    "var": _one("ReduceSumSquare"),
    "var_mean": _one("ReduceSumSquare"),
}


def _linear_products(node: Node) -> Products:
    outputs, inputs = node.shape(1, rank=2)
    return {"": matmul(node.shape(0, least=1), (inputs, outputs))}


def _attention_products(node: Node) -> Products:
    """Query heads that share keys are stacked."""
    *batch, queries, width = node.shape(0, least=3)
    *kv_batch, keys, _ = node.shape(1, least=3)
    value_width = node.shape(2, least=3)[-1]
    times = 1
    for side in kv_batch:
        times *= side
    heads = 1
    for side in batch:
        heads *= side
    if not times or heads % times:
        raise node.error(f"{heads} query heads cannot share {times} key heads")
    return attention_products(
        rows=heads // times * queries, keys=keys, width=width, value_width=value_width, times=times
    )


def _recurrent_products(node: Node) -> Products:
    """Of each layer and direction: all inputs at once, then the state step by step."""
    first, second, _ = node.shape(0, rank=3)
    steps, batch = (second, first) if node.attribute("steps", 1) == 2 else (first, second)
    products = {}
    for layer in range(node.attribute("layers", 0)):
        gates, inputs = node.shape(1 + 2 * layer, rank=2)
        _, state = node.shape(2 + 2 * layer, rank=2)
        products[f"/{layer}/input"] = Product(steps * batch, gates, inputs, 1)
        products[f"/{layer}/recurrent"] = Product(batch, gates, state, steps)
    return products


def _steps(node: Node) -> Products:
    """The recurrent products of all layers together, which have one size."""
    each = [p for name, p in _recurrent_products(node).items() if name.endswith("/recurrent")]
    return {"/recurrent": each[0]._replace(times=sum(product.times for product in each))}


TORCH_PRODUCTS: Mapping[str, Callable[[Node], Products]] = {
    **PRODUCTS,
    **{f"aten.{name}": _recurrent_products for name in _GATES},
    "aten.attention": _attention_products,
    "aten.linear": _linear_products,
}
TORCH_RULES: Mapping[str, Rule] = {
    **RULES,
    **{
        f"aten.{name}": cell(
            _steps, gates=gates, operations=_CELLS[name][0], states=_CELLS[name][1]
        )
        for name, gates in _GATES.items()
    },
    "aten.attention": attention(_attention_products, mask_at=3),
    "BatchNormalization": per_element(OperatorKind.NORMALIZATION, 2, num_inputs=1),
}
