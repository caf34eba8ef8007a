"""Operators of ONNX models: one by one by hand, fused, and what is not modelled."""

import onnx
import onnx_models as models
import pytest
from onnx import helper

from airchitect_jax.workloads.onnx.graph import Graph
from airchitect_jax.workloads.onnx.inference import Tensors
from airchitect_jax.workloads.onnx.nodes import PRODUCTS
from airchitect_jax.workloads.onnx.operators import RULES, VIEWS


def node(kind, inputs, outputs=("y",), **attributes):
    return helper.make_node(kind, list(inputs), list(outputs), **attributes)


def operators(proto, **dims):
    """Kind, operations, elements read and written, and runs."""
    return [
        (one.kind.value, one.operations, one.input_elements, one.output_elements, one.count)
        for one in models.parse(proto, **dims).operators
    ]


def one(kind, *sides, stored=(), outputs=("y",), **attributes):
    """The operators of one node beside a product, which is the last."""
    names = [f"x{index}" for index in range(len(sides))]
    inputs = [models.value(name, *shape) for name, shape in zip(names, sides, strict=True)]
    nodes = [
        node(kind, [*names, *(tensor.name for tensor in stored)], outputs, **attributes),
        node("MatMul", ["p", "w"], ["q"]),
    ]
    proto = models.model(
        nodes, [*inputs, models.value("p", 2, 2)], [*stored, models.weights("w", 2, 2)]
    )
    proto.graph.output.extend([helper.make_empty_tensor_value_info(outputs[0])])
    return operators(proto)


NUMBERS, IMAGE = (6, 10), (1, 3, 8, 8)
C = [models.weights(name, 3) for name in "sbmv"]
ROWS = [models.weights(name, 10) for name in "sb"]


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (lambda: one("Softmax", NUMBERS), ("softmax", 300, 60, 60, 1)),
        (lambda: one("LogSoftmax", NUMBERS), ("softmax", 300, 60, 60, 1)),
        # Two sums, difference, square, quotient, scale and shift of each element.
        (
            lambda: one("LayerNormalization", NUMBERS, stored=ROWS),
            ("normalization", 420, 80, 60, 1),
        ),
        (
            lambda: one("LayerNormalization", NUMBERS, stored=ROWS[:1]),
            ("normalization", 360, 70, 60, 1),
        ),
        (
            lambda: one("RMSNormalization", NUMBERS, stored=ROWS[:1]),
            ("normalization", 240, 70, 60, 1),
        ),
        # The stored mean and variance become part of scale and shift.
        (
            lambda: one("BatchNormalization", IMAGE, stored=C),
            ("normalization", 384, 198, 192, 1),
        ),
        (
            lambda: one("InstanceNormalization", IMAGE, stored=C[:2]),
            ("normalization", 1344, 198, 192, 1),
        ),
        # Shape inference does not know it.
        (
            lambda: one("GroupNormalization", IMAGE, stored=C[:2], num_groups=3),
            ("normalization", 1344, 198, 192, 1),
        ),
        (lambda: one("LRN", IMAGE, size=5), ("normalization", 9 * 192, 192, 192, 1)),
        (lambda: one("Relu", NUMBERS), ("activation", 60, 60, 60, 1)),
        (lambda: one("Sigmoid", NUMBERS), ("activation", 240, 60, 60, 1)),
        (lambda: one("Gelu", NUMBERS), ("activation", 300, 60, 60, 1)),
        (lambda: one("Gelu", NUMBERS, approximate="tanh"), ("activation", 540, 60, 60, 1)),
        (lambda: one("HardSwish", NUMBERS), ("activation", 300, 60, 60, 1)),
        (lambda: one("Clip", NUMBERS), ("activation", 120, 60, 60, 1)),
        (
            lambda: one("Clip", NUMBERS, stored=[models.weights(name, 1) for name in "lh"]),
            ("activation", 120, 60, 60, 1),
        ),
        (lambda: one("PRelu", NUMBERS, stored=ROWS[:1]), ("activation", 180, 70, 60, 1)),
        (lambda: one("Add", NUMBERS, (10,)), ("elementwise", 60, 70, 60, 1)),
        (lambda: one("Mul", NUMBERS, stored=[models.weights("s", 1)]),
         ("elementwise", 60, 60, 60, 1)),
        (lambda: one("Sum", NUMBERS, NUMBERS, NUMBERS), ("elementwise", 120, 180, 60, 1)),
        (lambda: one("ReduceMean", NUMBERS, axes=[1]), ("reduction", 60, 60, 6, 1)),
        (lambda: one("ReduceMax", NUMBERS, stored=[models.whole_numbers("a", 1)]),
         ("reduction", 54, 60, 6, 1)),
        (lambda: one("ReduceL2", NUMBERS), ("reduction", 59 + 60 + 1, 60, 1, 1)),
        (lambda: one("ArgMax", NUMBERS, axis=1), ("reduction", 54, 60, 6, 1)),
        (lambda: one("CumSum", NUMBERS, stored=[models.whole_numbers("a", 1)]),
         ("reduction", 60, 60, 60, 1)),
        (lambda: one("MaxPool", IMAGE, kernel_shape=[2, 2], strides=[2, 2]),
         ("pooling", 144, 192, 48, 1)),
        (lambda: one("AveragePool", IMAGE, kernel_shape=[2, 2], strides=[2, 2]),
         ("pooling", 192, 192, 48, 1)),
        (lambda: one("GlobalAveragePool", IMAGE), ("pooling", 192, 192, 3, 1)),
        (lambda: one("Transpose", NUMBERS), ("data_movement", 0, 60, 60, 1)),
        (lambda: one("Concat", NUMBERS, (2, 10), axis=0), ("data_movement", 0, 80, 80, 1)),
        (lambda: one("Pad", NUMBERS, stored=[models.whole_numbers("p4", 1, 0, 1, 0)]),
         ("data_movement", 0, 60, 80, 1)),
        (lambda: one("Tile", NUMBERS, stored=[models.whole_numbers("r", 2, 1)]),
         ("data_movement", 0, 60, 120, 1)),
        (lambda: one("DepthToSpace", (1, 4, 2, 2), blocksize=2), ("data_movement", 0, 16, 16, 1)),
        (lambda: one("TopK", NUMBERS, stored=[models.whole_numbers("k", 4)], outputs=("y", "i")),
         ("reduction", 120, 60, 48, 1)),
        (lambda: one("Resize", IMAGE, stored=SCALES), ("data_movement", 0, 192, 768, 1)),
        (lambda: one("Resize", IMAGE, stored=SCALES, mode="linear"),
         ("elementwise", 7 * 768, 192, 768, 1)),
        (lambda: one("Einsum", NUMBERS, equation="ij->i"), ("reduction", 54, 60, 6, 1)),
        # Minimum, maximum and 4 operations of each element.
        (lambda: one("DynamicQuantizeLinear", NUMBERS, outputs=("y", "s", "z")),
         ("elementwise", 360, 60, 60, 1)),
        # 2 sequences of 5 tokens with 3 heads of width 4; sine and cosine have half of that width.
        (lambda: one("RotaryEmbedding", (2, 3, 5, 4),
                     stored=[models.weights(name, 2, 5, 2) for name in "cs"]),
         ("elementwise", 360, 160, 120, 1)),
        # Overlapping blocks are added: 4 x 9 elements into 4 x 4.
        (lambda: one("Col2Im", (1, 9, 4), stored=[models.whole_numbers("i", 4, 4),
                                                 models.whole_numbers("b", 3, 3)]),
         ("reduction", 20, 36, 16, 1)),
        # Two sums and tanh of 5 units, in each of 7 steps, for 3 sequences.
        (lambda: one("RNN", (7, 3, 4), stored=[models.weights("wx", 1, 5, 4),
                                              models.weights("wr", 1, 5, 5)], hidden_size=5),
         ("activation", 3 * 15, 3 * 15, 15, 7)),
        (lambda: one("Attention", (2, 4, 6, 8), (2, 4, 9, 8), (2, 4, 9, 8)),
         ("softmax", 6 * 2 * 4 * 6 * 9, 432, 432, 1)),
    ],
)  # fmt: skip
def test_operators_by_hand(found, expected):
    assert found() == [expected]


SCALES = [
    models.weights("roi", 0),
    helper.make_tensor("scales", onnx.TensorProto.FLOAT, [4], [1.0, 1.0, 2.0, 2.0]),
]


@pytest.mark.parametrize(
    ("kind", "stored"),
    [
        ("Identity", ()),
        ("Flatten", ()),
        ("Reshape", [models.whole_numbers("s", 10, 6)]),
        ("Expand", [models.whole_numbers("s", 3, 6, 10)]),
        ("Unsqueeze", [models.whole_numbers("a", 0)]),
    ],
)
def test_views_cost_nothing(kind, stored):
    assert kind in VIEWS
    assert one(kind, NUMBERS, stored=stored) == []


def test_lookups():
    index = models.value("i", 2, 5, kind=models.INT64)
    nodes = [node("Gather", ["table", "i"], ["rows"]), node("MatMul", ["rows", "w"])]
    proto = models.model(
        nodes, [index], [models.weights("table", 100, 8), models.weights("w", 8, 4)]
    )
    assert operators(proto) == [("embedding", 0, 90, 80, 1)]


def test_a_decomposed_layer_normalisation_is_one_operator():
    nodes = [
        node("MatMul", ["x", "w"], ["p"]),
        node("Add", ["p", "x"], ["r"]),
        node("ReduceMean", ["r"], ["mean"], axes=[-1]),
        node("Sub", ["r", "mean"], ["d"]),
        node("Pow", ["d", "two"], ["square"]),
        node("ReduceMean", ["square"], ["var"], axes=[-1]),
        node("Add", ["var", "eps"], ["v"]),
        node("Sqrt", ["v"], ["std"]),
        node("Div", ["d", "std"], ["n"], name="norm"),
        node("Mul", ["n", "scale"], ["y"]),
        node("MatMul", ["y", "w"], ["z"]),
        node("Add", ["z", "r"], ["last"]),
    ]
    stored = [models.weights("w", 8, 8), models.weights("scale", 8)]
    stored += [models.weights(name, 1) for name in ("two", "eps")]
    found = operators(models.model(nodes, [models.value("x", 4, 8)], stored))
    # The sum is written for the second addition.
    assert found == [
        ("normalization", 4 * (1 + 8 / 8 + 4) * 8 + 32 + 8, 72, 64, 1),
        ("elementwise", 32, 64, 32, 1),
    ]


def test_slices_are_read_in_place():
    nodes = [
        node("MatMul", ["x", "w"], ["p"]),
        node("Split", ["p"], ["a", "b"], axis=1, num_outputs=2),
        node("Sigmoid", ["a"], ["g"]),
        node("Mul", ["g", "b"]),
    ]
    proto = models.model(nodes, [models.value("x", 4, 8)], [models.weights("w", 8, 8)])
    assert operators(proto) == [("activation", 4 * 16 + 16, 32, 16, 1)]


def test_what_depends_on_constants_is_computed_beforehand():
    nodes = [
        node("Transpose", ["w"], ["t"]),
        node("Mul", ["t", "s"], ["u"]),
        node("MatMul", ["x", "u"]),
    ]
    stored = [models.weights("w", 8, 8), models.weights("s", 8)]
    assert operators(models.model(nodes, [models.value("x", 4, 8)], stored)) == []


def test_control_flow_repeats_operators_and_needs_what_it_reads():
    body = helper.make_graph(
        [node("Tanh", ["h"], ["t"]), node("MatMul", ["t", "w"], ["next"])],
        "body",
        [
            models.value("i", kind=models.INT64),
            models.value("c", kind=onnx.TensorProto.BOOL),
            models.value("state", 4, 8),
        ],
        [models.value("c", kind=onnx.TensorProto.BOOL), models.value("next", 4, 8)],
    )
    nodes = [
        node("Relu", ["x"], ["h"]),
        node("Loop", ["five", "", "x"], ["y"], body=body),
    ]
    stored = [models.weights("w", 8, 8), models.whole_numbers("five", 5)]
    stored[1].dims[:] = []
    proto = models.model(nodes, [models.value("x", 4, 8)], stored)
    proto.graph.output[0].CopyFrom(models.value("y", 4, 8))
    assert sorted(operators(proto)) == [
        ("activation", 32, 32, 32, 1),
        ("activation", 32, 32, 32, 5),
    ]


def test_what_is_not_modelled_is_listed():
    boxes = models.value("boxes", 1, 5, 4), models.value("scores", 1, 2, 5)
    nodes = [
        node("NonMaxSuppression", ["boxes", "scores"], ["chosen"]),
        node("Cast", ["chosen"], ["f"], to=models.FLOAT),
        node("Relu", ["f"], ["r"]),  # the number of boxes is not known
        node("MatMul", ["x", "w"]),
    ]
    proto = models.model(nodes, [*boxes, models.value("x", 4, 8)], [models.weights("w", 8, 8)])
    network = models.parse(proto)
    assert not network.operators
    assert network.skipped == {"Cast": 1, "NonMaxSuppression": 1, "Relu": 1}


@pytest.mark.parametrize("kind", sorted(RULES.keys() - PRODUCTS.keys()))
def test_nodes_without_inputs_are_listed(kind):
    """Damaged nodes beside products, which shape inference may let pass."""
    graph = helper.make_graph([node(kind, [], [])], "g", [], [])
    assert Graph(graph, Tensors({"": 23})).skipped == {kind: 1}
