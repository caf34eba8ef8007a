"""The work of single ONNX operators without matrix products, from shapes. Does not import onnx.

An operation is one arithmetic or transcendental operation on one element, as in
`airchitect_jax.workloads.jaxpr_operators`. Operators that are a function of several primitives
count these per element: Softmax 5 (maximum, difference, exp, sum, quotient), LayerNormalization 7
(two sums, difference, square, quotient, scale, shift), BatchNormalization 2, since its statistics
are constants. Biases and requantisation of products and convolutions belong to the array's drain
and are not counted.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import NamedTuple

from airchitect_jax.types import OperatorKind
from airchitect_jax.workloads.fusion import log2_ceil
from airchitect_jax.workloads.onnx.nodes import PRODUCTS, Node, Products

# As views: they cost nothing. Expand is a broadcast, and Cast an affair of the platform's widths.
VIEWS = frozenset(
    str.split(
        "Cast CastLike Dropout Expand Flatten Identity OptionalGetElement Reshape Squeeze Unsqueeze"
    )
)
# Views of a part of their first input.
SLICES = frozenset(("Slice", "Split"))
# Known before the run.
CONSTANTS = frozenset(("Constant", "Shape", "Size"))


class Work(NamedTuple):
    """What an operator does.

    Attributes:
      kind, operations: of `airchitect_jax.workloads.Operator`.
      role: as for `Tape.fused`.
      num_inputs: of its inputs, the first that it reads; the others are parameters.
      is_fused: whether it may share an operator with the work that computes its inputs.
      read, written: elements, if not those of all inputs and outputs.
      times: number of runs.
    """

    kind: OperatorKind
    operations: int
    role: str = ""
    num_inputs: int | None = None
    is_fused: bool = True
    read: int | None = None
    written: int | None = None
    times: int = 1


Rule = Callable[[Node], Work | None]


def per_element(
    kind: OperatorKind, operations: int, role: str = "", num_inputs: int | None = None
) -> Rule:
    """`operations` per element of the first output."""
    return lambda node: Work(kind, operations * node.output_size(), role, num_inputs)


def _variadic(node: Node) -> Work:
    """Max, Min, Sum and Mean of several tensors."""
    operations = len(node.inputs) - 1 + (node.op_type == "Mean")
    return Work(OperatorKind.ELEMENTWISE, operations * node.output_size())


def _clip(node: Node) -> Work:
    """A comparison with each bound; old models have them as attributes."""
    bounds = node.has(1) + node.has(2) if len(node.inputs) > 1 else 2
    return Work(OperatorKind.ACTIVATION, bounds * node.output_size(), num_inputs=1)


def _gelu(node: Node) -> Work:
    operations = 9 if node.attribute("approximate", "none") == "tanh" else 5
    return Work(OperatorKind.ACTIVATION, operations * node.output_size())


def _layer_norm(node: Node) -> Work:
    operations = 6 + node.has(2)
    return Work(OperatorKind.NORMALIZATION, operations * node.input_size(0))


def _local_response(node: Node) -> Work:
    """Squares summed over a window of channels, scale, shift, power and quotient."""
    operations = node.attribute("size", 1) + 4
    return Work(OperatorKind.NORMALIZATION, operations * node.output_size())


def _reduce(per_input: int, per_output: int, role: str = "") -> Rule:
    """A reduction that computes `per_input` beside the sum, and `per_output` afterwards."""

    def rule(node: Node) -> Work:
        inputs, outputs = node.input_size(0), node.output_size()
        operations = max(inputs - outputs, 0) + per_input * inputs + per_output * outputs
        return Work(OperatorKind.REDUCTION, operations, role, num_inputs=1)

    return rule


def _pool(node: Node) -> Work:
    """One operation per element of the window beyond the first, and a division for a mean."""
    window = math.prod(node.attribute("kernel_shape", (1,)))
    operations = window - (node.op_type == "MaxPool")
    return _separate(node, OperatorKind.POOLING, operations * node.output_size())


def _global_pool(node: Node) -> Work:
    inputs, outputs = node.input_size(0), node.output_size()
    operations = inputs - (outputs if node.op_type == "GlobalMaxPool" else 0)
    return _separate(node, OperatorKind.POOLING, operations)


def _separate(node: Node, kind: OperatorKind, operations: int, *, read: int | None = None) -> Work:
    """An operator of its own that reads its first input once."""
    read = node.input_size(0) if read is None else read
    return Work(kind, operations, is_fused=False, read=read, num_inputs=1)


def _gather(node: Node) -> Work:
    read = node.output_size() + node.input_size(1)
    return _separate(node, OperatorKind.EMBEDDING, 0, read=read)


def _scatter(node: Node) -> Work:
    """Writes the updates in place; with a reduction, it first reads what it changes."""
    indices, updates = node.input_size(1), node.input_size(2)
    combined = 0 if node.attribute("reduction", "none") == "none" else updates
    read = indices + updates + combined
    work = _separate(node, OperatorKind.EMBEDDING, combined, read=read)
    return work._replace(written=updates, num_inputs=3)


def _movement(node: Node) -> Work:
    """Reads what it writes, or its first input if this is smaller."""
    read = min(node.input_size(0), node.output_size())
    return _separate(node, OperatorKind.DATA_MOVEMENT, 0, read=read)


def _transpose(node: Node) -> Work | None:
    """A view if only sides of one change their place."""
    shape = node.shape(0)
    order = node.attribute("perm", tuple(reversed(range(len(shape)))))
    if not all(0 <= axis < len(shape) for axis in order):
        raise node.error(f"perm: {list(order)} is not allowed for {len(shape)} dimensions")
    moved = [axis for axis in order if shape[axis] != 1]
    return None if moved == sorted(moved) else _movement(node)


def _resize(node: Node) -> Work:
    """A weighted sum of 2 (linear) or 4 (cubic) neighbours in each resized dimension."""
    before, after = node.shape(0), node.out_shape()
    taps = {"linear": 2, "cubic": 4}.get(node.attribute("mode", "nearest"), 1)
    resized = sum(x != y for x, y in zip(before, after, strict=True))
    operations = 2 * taps**resized - 1 if taps > 1 and resized else 0
    kind = OperatorKind.ELEMENTWISE if operations else OperatorKind.DATA_MOVEMENT
    return _separate(node, kind, operations * node.output_size())


def _grid_sample(node: Node) -> Work:
    """A weighted sum of the neighbours of a point, and its coordinates and weights."""
    dims = len(node.out_shape(least=3)) - 2
    taps = {"nearest": 1, "cubic": 4, "bicubic": 4}.get(node.attribute("mode", "linear"), 2)
    operations = 2 * taps**dims - 1 + 2 * dims
    read = min(node.input_size(0), node.output_size() * taps**dims) + node.input_size(1)
    return _separate(node, OperatorKind.EMBEDDING, operations * node.output_size(), read=read)


def _top_k(node: Node) -> Work:
    """A comparison with each level of a heap of k, or of all if k is not known."""
    shape = node.shape(0, least=1)
    axis = node.attribute("axis", -1)
    if not -len(shape) <= axis < len(shape):
        raise node.error(f"axis: {axis} is not allowed for {len(shape)} dimensions")
    k = min(max(node.constant(1) or shape[axis], 1), max(shape[axis], 1))
    return _separate(node, OperatorKind.REDUCTION, node.input_size(0) * log2_ceil(k))


def _einsum(node: Node) -> Work:
    """Of one operand: a sum, a transpose or a diagonal. Others are products."""
    inputs, outputs = node.input_size(0), node.output_size()
    if inputs == outputs:
        return _movement(node)
    return Work(OperatorKind.REDUCTION, max(inputs - outputs, 0))


def _fourier(node: Node) -> Work:
    """Fast transforms of real numbers: 2.5 n log2 n operations for each frame of n."""
    frame = node.shape(2, rank=1)[0] if node.has(2) else node.constant(3) or 1
    batch, frames, *_ = node.out_shape(least=3)
    operations = 5 * batch * frames * frame * log2_ceil(frame) // 2
    return _separate(node, OperatorKind.ELEMENTWISE, operations)


def attention(products: Callable[[Node], Products], mask_at: int | None = None) -> Rule:
    """Scale and softmax of the scores, and the mask."""

    def rule(node: Node) -> Work:
        scores = products(node)["/scores"]
        size = scores.m * scores.n * scores.times
        mask = node.input_size(mask_at) if mask_at is not None and node.has(mask_at) else 0
        operations = (6 + bool(mask)) * size
        work = _separate(node, OperatorKind.SOFTMAX, operations, read=size + mask)
        return work._replace(written=size)

    return rule


def cell(products: Callable[[Node], Products], gates: int, operations: int, states: int) -> Rule:
    """A step of a recurrent network: sums of the products, gates and new states."""

    def rule(node: Node) -> Work:
        recurrent = products(node)["/recurrent"]
        size = recurrent.m * recurrent.k
        return Work(
            OperatorKind.ACTIVATION,
            operations * size,
            is_fused=False,
            read=(2 * gates + states) * size,
            written=states * size,
            times=recurrent.times,
        )

    return rule


_E, _A, _N = OperatorKind.ELEMENTWISE, OperatorKind.ACTIVATION, OperatorKind.NORMALIZATION
_ONE_OPERATION = str.split(
    "Abs Acos Acosh Add And Asin Asinh Atan Atanh BitShift BitwiseAnd BitwiseNot BitwiseOr"
    " BitwiseXor Ceil Cos Cosh Div Equal Floor Greater GreaterOrEqual IsInf IsNaN Less LessOrEqual"
    " Log Mod Mul Neg Not Or Pow Reciprocal Round Sign Sin Sinh Sub Tan Where Xor"
)
# Operations per element of activations; a sigmoid is exp, negation, addition and quotient.
_ACTIVATIONS = {
    "Celu": 5,
    "Elu": 4,
    "Erf": 1,
    "HardSigmoid": 4,
    "HardSwish": 5,
    "LeakyRelu": 3,
    "Mish": 5,
    "PRelu": 3,
    "Relu": 1,
    "Selu": 5,
    "Shrink": 4,
    "Sigmoid": 4,
    "Softplus": 3,
    "Softsign": 3,
    "Swish": 5,
    "Tanh": 1,
    "ThresholdedRelu": 2,
}
# A word of a counter-based generator, as for JAX.
_RANDOM = 58
RULES: Mapping[str, Rule] = {
    **dict.fromkeys(_ONE_OPERATION, per_element(_E, 1)),
    **{name: per_element(_A, operations) for name, operations in _ACTIVATIONS.items()},
    **dict.fromkeys(("Max", "Mean", "Min", "Sum"), _variadic),
    **dict.fromkeys(("ArgMax", "ArgMin", "ReduceMax", "ReduceMin", "ReduceProd"), _reduce(0, 0)),
    **dict.fromkeys(("AveragePool", "LpPool", "MaxPool"), _pool),
    **dict.fromkeys(("GlobalAveragePool", "GlobalLpPool", "GlobalMaxPool"), _global_pool),
    **dict.fromkeys(("Gather", "GatherElements", "GatherND"), _gather),
    **dict.fromkeys(("Scatter", "ScatterElements", "ScatterND"), _scatter),
    **dict.fromkeys(("Resize", "Upsample"), _resize),
    **dict.fromkeys(
        str.split(
            "CenterCropPad Compress DepthToSpace MaxUnpool Pad ReverseSequence SpaceToDepth Tile"
            " Trilu"
        ),
        _movement,
    ),
    **dict.fromkeys(
        ("Bernoulli", "RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike"),
        per_element(_E, _RANDOM, num_inputs=0),
    ),
    **dict.fromkeys(
        ("ConstantOfShape", "EyeLike", "Range"),
        per_element(OperatorKind.DATA_MOVEMENT, 0, num_inputs=0),
    ),
    "Attention": attention(PRODUCTS["Attention"], mask_at=3),
    "BatchNormalization": per_element(_N, 2, num_inputs=3),
    "Clip": _clip,
    "Concat": lambda _: Work(OperatorKind.DATA_MOVEMENT, 0, is_fused=False),
    "Col2Im": _reduce(0, 0),
    "CumSum": per_element(OperatorKind.REDUCTION, 1, num_inputs=1),
    "DequantizeLinear": per_element(_E, 2),
    "DynamicQuantizeLinear": per_element(_E, 6),
    "Einsum": _einsum,
    "Exp": per_element(_A, 1, "exp"),
    "GRU": cell(PRODUCTS["GRU"], gates=3, operations=20, states=1),
    "Gelu": _gelu,
    "GridSample": _grid_sample,
    "Hardmax": per_element(OperatorKind.REDUCTION, 2),
    "InstanceNormalization": per_element(_N, 7),
    "LRN": _local_response,
    "LSTM": cell(PRODUCTS["LSTM"], gates=4, operations=26, states=2),
    "LayerNormalization": _layer_norm,
    "LogSoftmax": per_element(OperatorKind.SOFTMAX, 5),
    "LpNormalization": per_element(_N, 3),
    "MeanVarianceNormalization": per_element(_N, 5),
    "OneHot": per_element(_E, 1, num_inputs=1),
    "QuantizeLinear": per_element(_E, 4),
    "RMSNormalization": per_element(_N, 4),
    "RNN": cell(PRODUCTS["RNN"], gates=1, operations=3, states=1),
    "ReduceL1": _reduce(1, 0, "sum"),
    "ReduceL2": _reduce(1, 1, "sum"),
    "ReduceLogSum": _reduce(0, 1, "sum"),
    "ReduceLogSumExp": _reduce(3, 2, "sum"),
    "ReduceMean": _reduce(0, 1, "sum"),
    "ReduceSum": _reduce(0, 0, "sum"),
    "ReduceSumSquare": _reduce(1, 0, "sum"),
    "RotaryEmbedding": per_element(_E, 3),
    "STFT": _fourier,
    "Softmax": per_element(OperatorKind.SOFTMAX, 5),
    "Sqrt": per_element(_E, 1, "root"),
    "TopK": _top_k,
    "Transpose": _transpose,
}
