"""ONNX operators, in models built here, as GEMMs."""

import hypothesis
import numpy as np
import onnx
import onnx_models as models
import pytest
from hypothesis import strategies as st
from onnx import TensorProto, helper

from airchitect_jax import read_onnx


def one(op_type, inputs, stored=(), **attributes):
    """The GEMMs of a single operator."""
    names = [item.name for item in (*inputs, *stored)]
    node = helper.make_node(op_type, names, ["y"], name="node", **attributes)
    return models.gemms(models.model([node], list(inputs), stored))


def test_convolutions():
    image = models.value("x", 2, 8, 9, 12)
    assert one("Conv", [image], [models.weights("w", 6, 8, 3, 5)], pads=[1, 2, 1, 2]) == [
        (2 * 9 * 12, 6, 120, 1)
    ]
    assert one("Conv", [image], [models.weights("w", 6, 4, 3, 3)], group=2, strides=[2, 3]) == [
        (2 * 4 * 4, 3, 36, 2)
    ]
    assert one("Conv", [image], [models.weights("w", 8, 1, 3, 3)], group=8, dilations=[2, 2]) == [
        (2 * 5 * 8, 1, 9, 8)
    ]
    assert one(
        "Conv", [models.value("x", 1, 4, 50)], [models.weights("w", 6, 4, 5)], auto_pad="SAME_UPPER"
    ) == [(50, 6, 20, 1)]


def test_transposed_convolution():
    image = models.value("x", 2, 8, 5, 5)
    assert one(
        "ConvTranspose", [image], [models.weights("w", 8, 3, 2, 2)], group=2, strides=[2, 2]
    ) == [(50, 3 * 4, 4, 2)]


def test_quantised_operators():
    def quantised(name, *shape):
        return helper.make_tensor(name, TensorProto.UINT8, shape, bytes(int(np.prod(shape))), raw=1)

    scale, zero = models.weights("s", 1), quantised("z", 1)
    inputs = [models.value("x", 1, 3, 8, 8, kind=TensorProto.UINT8)]
    stored = [scale, zero, quantised("w", 4, 3, 3, 3)]
    node = helper.make_node("QLinearConv", ["x", "s", "z", "w", "s", "z", "s", "z"], ["y"])
    assert models.gemms(models.model([node], inputs, stored)) == [(36, 4, 27, 1)]
    node = helper.make_node("ConvInteger", ["x", "w"], ["y"])
    assert models.gemms(models.model([node], inputs, stored)) == [(36, 4, 27, 1)]
    inputs = [models.value("x", 5, 6, kind=TensorProto.UINT8)]
    node = helper.make_node("MatMulInteger", ["x", "b"], ["y"])
    assert models.gemms(models.model([node], inputs, [quantised("b", 6, 7)])) == [(5, 7, 6, 1)]
    node = helper.make_node("QLinearMatMul", ["x", "s", "z", "b", "s", "z", "s", "z"], ["y"])
    assert models.gemms(models.model([node], inputs, [scale, zero, quantised("b", 6, 7)])) == [
        (5, 7, 6, 1)
    ]


@pytest.mark.parametrize("trans_a", [0, 1])
@pytest.mark.parametrize("trans_b", [0, 1])
def test_gemm(trans_a, trans_b):
    a = models.value("a", *((3, 5) if trans_a else (5, 3)))
    b = models.weights("b", *((7, 3) if trans_b else (3, 7)))
    assert one("Gemm", [a], [b], transA=trans_a, transB=trans_b) == [(5, 7, 3, 1)]


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        ((5, 3), (3, 7), (5, 7, 3, 1)),
        ((2, 4, 5, 3), (3, 7), (40, 7, 3, 1)),  # shared weights: one product
        ((5, 3), (2, 3, 7), (5, 14, 3, 1)),
        ((2, 4, 5, 3), (2, 4, 3, 7), (5, 7, 3, 8)),
        ((4, 1, 5, 3), (6, 3, 7), (5, 7, 3, 24)),
        ((3,), (3, 7), (1, 7, 3, 1)),
        ((2, 5, 3), (3,), (10, 1, 3, 1)),
    ],
)
def test_matmul_follows_numpy(a, b, expected):
    assert one("MatMul", [models.value("a", *a), models.value("b", *b)]) == [expected]
    macs = np.prod(expected)
    assert macs == np.matmul(np.zeros(a), np.zeros(b)).size * a[-1]


def test_einsum():
    a, b = models.value("a", 2, 5, 4, 3), models.value("b", 2, 6, 4, 3)
    assert one("Einsum", [a, b], equation="bqhd, bkhd -> bhqk") == [(5, 6, 3, 8)]
    assert one("Einsum", [models.value("a", 5, 3), models.value("b", 3, 7)], equation="ij,jk") == [
        (5, 7, 3, 1)
    ]
    with pytest.raises(ValueError, match=r"equation 'ij>-,kjik' is malformed"):
        one("Einsum", [a, b], equation="ij>-,kjik")  # on which onnx's inference may never end
    # Every combination of b, i, j and k is multiplied; i is summed after the product.
    assert one(
        "Einsum", [models.value("a", 2, 5, 3), models.value("b", 3, 7)], equation="bij,jk->bk"
    ) == [(10, 7, 3, 1)]
    assert one(
        "Einsum",
        [models.value("a", 4, 1, 5, 3), models.value("b", 6, 3, 7)],
        equation="...ij,...jk",
    ) == [(20, 42, 3, 1)]
    with pytest.raises(ValueError, match=r"equation 'i,i,i->' is not known; expected two operands"):
        one(
            "Einsum",
            [models.value("a", 5), models.value("b", 5), models.value("c", 5)],
            equation="i,i,i->",
        )


@hypothesis.given(st.data())
@hypothesis.settings(max_examples=60)
def test_einsum_multiplies_every_combination_of_indices(data):
    """Against loops over all indices, with diagonals, ellipses and sides of one."""
    sides = data.draw(st.fixed_dictionaries({x: st.integers(1, 4) for x in "ijkl"}))
    outer = data.draw(st.lists(st.integers(2, 3), max_size=2))
    terms, shapes = [], []
    for _ in range(2):
        letters = data.draw(st.text("ijkl", max_size=3))
        shape = [sides[letter] for letter in letters]
        if data.draw(st.booleans()):
            place = data.draw(st.integers(0, len(letters)))
            own = outer[data.draw(st.integers(0, len(outer))) :]
            own = [side if data.draw(st.booleans()) else 1 for side in own]
            letters = f"{letters[:place]}...{letters[place:]}"
            shape[place:place] = own
        terms.append(letters)
        shapes.append(shape)
    present = sorted(set("".join(terms)) - {"."})
    equation = ",".join(terms)
    if data.draw(st.booleans()):
        dots = "..." if "..." in equation else ""
        kept = data.draw(st.lists(st.sampled_from(present), unique=True)) if present else []
        equation += f"->{dots}{''.join(kept)}"
    loops = [sides[index] for index in present]
    unnamed = [len(s) - len(t.replace("...", "")) for s, t in zip(shapes, terms, strict=True)]
    for back in range(1, max(unnamed) + 1):
        found = [
            shape[term.index("...") + own - back]
            for shape, term, own in zip(shapes, terms, unnamed, strict=True)
            if own >= back
        ]
        loops.append(max(found))
    node = helper.make_node("Einsum", ["a", "b"], ["y"], equation=equation)
    proto = models.model([node], [models.value(x, *s) for x, s in zip("ab", shapes, strict=True)])
    assert models.parse(proto).macs == np.prod(loops)
    assert np.einsum(equation, *(np.ones(shape) for shape in shapes)).sum() == np.prod(loops)


def test_attention_with_grouped_queries_and_a_cache():
    query, key, cache = (
        models.value("q", 2, 8, 1, 64),
        models.value("k", 2, 4, 1, 64),
        models.value("c", 2, 4, 99, 64),
    )
    names = ["q", "k", "k", "", "c", "c"]
    node = helper.make_node("Attention", names, ["y", "pk", "pv"], name="attention")
    network = models.parse(models.model([node], [query, key, cache]))
    assert [layer.name for layer in network.layers] == ["attention/scores", "attention/values"]
    assert models.gemms(models.model([node], [query, key, cache])) == [
        (2, 100, 64, 8),
        (2, 64, 100, 8),
    ]
    flat = [models.value("q", 2, 10, 512), models.value("k", 2, 10, 256)]
    node = helper.make_node("Attention", ["q", "k", "k"], ["y"], q_num_heads=8, kv_num_heads=4)
    assert models.gemms(models.model([node], flat)) == [(20, 10, 64, 8), (20, 64, 10, 8)]


def test_recurrent_layers():
    stored = [models.weights("w", 2, 4 * 16, 8), models.weights("r", 2, 4 * 16, 16)]
    assert one(
        "LSTM", [models.value("x", 10, 3, 8)], stored, hidden_size=16, direction="bidirectional"
    ) == [(30, 64, 8, 2), (3, 64, 16, 20)]


def test_symbolic_dimensions_are_bound_by_name():
    nodes = [
        helper.make_node("Relu", ["x"], ["r"]),
        helper.make_node("MatMul", ["r", "w"], ["y"], name="dense"),
    ]
    proto = models.model(nodes, [models.value("x", "batch", None, 4)], [models.weights("w", 4, 5)])
    proto.graph.output[0].CopyFrom(models.value("y", "batch", "other", 5))
    assert models.gemms(proto, batch=3, **{"x[1]": 7}) == [(21, 5, 4, 1)]
    (relu,) = models.parse(proto, batch=3, **{"x[1]": 7}).operators
    assert (relu.operations, relu.input_elements, relu.output_elements) == (84, 84, 84)
    # By input and axis as well, whether the dimension has a name or not.
    assert models.gemms(proto, **{"x[0]": 3, "x[1]": 7}) == [(21, 5, 4, 1)]
    needed = (
        r"MatMul 'dense' and others need the sizes of dimensions of inputs, for example"
        r" --dim=batch=1 '--dim=x\[1\]=128' \(dims=\{'batch': 1, 'x\[1\]': 128\}\)$"
    )
    with pytest.raises(ValueError, match=needed):
        models.parse(proto)
    with pytest.raises(ValueError, match=r"dimensions of inputs, for example '--dim=x\[1\]=128'"):
        models.parse(proto, batch=3)
    with pytest.raises(ValueError, match="dimension x\\[0\\]: 4 is not allowed; 'batch' is 3"):
        models.parse(proto, batch=3, **{"x[0]": 4})
    with pytest.raises(ValueError, match="dimension 'bacth' is not one of the model's; there are"):
        models.parse(proto, bacth=3)
    with pytest.raises(ValueError, match="dimension batch: 0 is not allowed"):
        models.parse(proto, batch=0)


def test_shapes_that_the_model_computes():
    nodes = [
        helper.make_node("Shape", ["x"], ["s"]),
        helper.make_node("Gather", ["s", "first"], ["b"]),
        helper.make_node("Concat", ["b", "rest"], ["t"], axis=0),
        helper.make_node("Reshape", ["x", "t"], ["flat"]),
        helper.make_node("MatMul", ["flat", "w"], ["y"]),
    ]
    stored = [
        models.whole_numbers("first", 0),
        models.whole_numbers("rest", 12),
        models.weights("w", 12, 5),
    ]
    proto = models.model(nodes, [models.value("x", "batch", 3, 4)], stored)
    assert models.gemms(proto, batch=7) == [(7, 5, 12, 1)]
    network = models.parse(proto, batch=7)
    assert not network.operators
    assert not network.skipped


def test_control_flow():
    def body(name, width):
        nodes = [helper.make_node("MatMul", ["x", f"w{width}"], [f"y{name}"], name=name)]
        return helper.make_graph(nodes, name, [], [helper.make_empty_tensor_value_info(f"y{name}")])

    x = models.value("x", 2, 4)
    stored = [models.weights("w5", 4, 5), models.weights("w9", 4, 9)]
    flag = models.value("c", 1, kind=TensorProto.BOOL)
    node = helper.make_node(
        "If", ["c"], ["y"], then_branch=body("then", 5), else_branch=body("else", 9)
    )
    assert models.gemms(models.model([node], [x, flag], stored)) == [(2, 9, 4, 1)]

    step = helper.make_graph(
        [
            helper.make_node("MatMul", ["state", "w"], ["next"], name="step"),
            helper.make_node("Identity", ["go"], ["on"]),
        ],
        "body",
        [
            models.value("i", kind=models.INT64),
            models.value("go", kind=TensorProto.BOOL),
            models.value("state", 2, 4),
        ],
        [models.value("on", kind=TensorProto.BOOL), models.value("next", 2, 4)],
    )
    stored = [models.weights("w", 4, 4), helper.make_tensor("trips", models.INT64, [], [6])]
    node = helper.make_node("Loop", ["trips", "", "x"], ["y"], body=step)
    assert models.gemms(models.model([node], [x], stored)) == [(2, 4, 4, 6)]
    for trips in ({"value_int": 6}, {"value_ints": [6]}, {"value": stored[1]}):
        nodes = [helper.make_node("Constant", [], ["n"], **trips)]
        nodes += [helper.make_node("Loop", ["n", "", "x"], ["y"], body=step)]
        assert models.gemms(models.model(nodes, [x], stored[:1])) == [(2, 4, 4, 6)]
    node = helper.make_node("Loop", ["", "", "x"], ["y"], body=step)
    with pytest.warns(UserWarning, match="the number of iterations is not known"):
        assert models.gemms(models.model([node], [x], stored)) == [(2, 4, 4, 1)]


@pytest.mark.parametrize(("axes", "steps"), [({}, 5), ({"scan_input_axes": [1]}, 9), ([-1], 4)])
def test_a_scan_runs_along_its_axis(axes, steps):
    axes = axes if isinstance(axes, dict) else {"scan_input_axes": axes}
    shape = [5, 9, 4]
    del shape[axes.get("scan_input_axes", [0])[0]]
    body = helper.make_graph(
        [helper.make_node("MatMul", ["slice", "w"], ["out"], name="step")],
        "body",
        [models.value("slice", *shape)],
        [models.value("out", shape[0], 2)],
    )
    node = helper.make_node("Scan", ["x"], ["y"], body=body, num_scan_inputs=1, **axes)
    proto = models.model([node], [models.value("x", 5, 9, 4)], [models.weights("w", shape[1], 2)])
    assert models.gemms(proto) == [(shape[0], 2, shape[1], steps)]


def test_functions_are_looked_into():
    dense = helper.make_function(
        "mine",
        "Dense",
        ["x", "w"],
        ["y"],
        [helper.make_node("MatMul", ["x", "w"], ["y"], name="product")],
        [helper.make_opsetid("", 23)],
    )
    node = helper.make_node("Dense", ["x", "w"], ["y"], domain="mine")
    proto = models.model(
        [node],
        [models.value("x", 2, 4)],
        [models.weights("w", 4, 5)],
        functions=[dense],
        domains=["mine"],
    )
    assert models.gemms(proto) == [(2, 5, 4, 1)]


def test_unknown_operators_are_named():
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["z"]),
        helper.make_node("FusedMatMul", ["z", "z"], ["y"], domain="com.example"),
    ]
    proto = models.model(
        nodes, [models.value("x", 2, 4)], [models.weights("w", 4, 5)], domains=["com.example"]
    )
    with pytest.warns(UserWarning, match=r"not counted: com.example.FusedMatMul \(1\)"):
        assert models.parse(proto).skipped == {"com.example.FusedMatMul": 1}
    proto = models.model(
        [nodes[1], helper.make_node("MatMul", ["y", "w"], ["u"], name="next")],
        [models.value("z", 2, 4)],
        [models.weights("w", 4, 5)],
        domains=["com.example"],
    )
    with pytest.raises(ValueError, match="MatMul 'next': the shape of 'y' is not known"):
        models.parse(proto)


def test_layers_without_names_have_those_of_their_outputs(tmp_path):
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["first"]),
        helper.make_node("MatMul", ["first", "w"], ["second"], name="first"),
    ]
    path = tmp_path / "net.onnx"
    onnx.save(models.model(nodes, [models.value("x", 2, 4)], [models.weights("w", 4, 4)]), path)
    network = read_onnx(path)
    assert network.name == "net"
    assert [layer.name for layer in network.layers] == ["first", "first (2)"]
