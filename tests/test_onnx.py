"""ONNX models, built here, as lists of GEMMs; and files that mean harm."""

import os
import pathlib

import hypothesis
import numpy as np
import onnx
import pytest
from hypothesis import strategies as st
from onnx import TensorProto, helper

from airchitect_jax import read_onnx
from airchitect_jax.workloads.onnx import parse_onnx

FLOAT, INT64 = TensorProto.FLOAT, TensorProto.INT64


def value(name, *shape, kind=FLOAT):
    return helper.make_tensor_value_info(name, kind, shape)


def weights(name, *shape):
    return helper.make_tensor(name, FLOAT, shape, np.zeros(shape, np.float32).tobytes(), raw=True)


def whole_numbers(name, *numbers):
    return helper.make_tensor(name, INT64, [len(numbers)], numbers)


def model(nodes, inputs, stored=(), *, functions=(), domains=()):
    outputs = [helper.make_empty_tensor_value_info(nodes[-1].output[0])]
    graph = helper.make_graph(nodes, "test", inputs, outputs, list(stored))
    opsets = [helper.make_opsetid("", 23), *(helper.make_opsetid(name, 1) for name in domains)]
    return helper.make_model(graph, opset_imports=opsets, functions=functions)


def parse(proto, **dims):
    data = proto if isinstance(proto, bytes) else proto.SerializeToString()
    return parse_onnx(data, name="test", source="t.onnx", dims=dims, folder=pathlib.Path("/none"))


def gemms(proto, **dims):
    return [(layer.m, layer.n, layer.k, layer.count) for layer in parse(proto, **dims).layers]


def one(op_type, inputs, stored=(), **attributes):
    """The GEMMs of a single operator."""
    names = [item.name for item in (*inputs, *stored)]
    node = helper.make_node(op_type, names, ["y"], name="node", **attributes)
    return gemms(model([node], list(inputs), stored))


def test_convolutions():
    image = value("x", 2, 8, 9, 12)
    assert one("Conv", [image], [weights("w", 6, 8, 3, 5)], pads=[1, 2, 1, 2]) == [
        (2 * 9 * 12, 6, 120, 1)
    ]
    assert one("Conv", [image], [weights("w", 6, 4, 3, 3)], group=2, strides=[2, 3]) == [
        (2 * 4 * 4, 3, 36, 2)
    ]
    assert one("Conv", [image], [weights("w", 8, 1, 3, 3)], group=8, dilations=[2, 2]) == [
        (2 * 5 * 8, 1, 9, 8)
    ]
    assert one("Conv", [value("x", 1, 4, 50)], [weights("w", 6, 4, 5)], auto_pad="SAME_UPPER") == [
        (50, 6, 20, 1)
    ]


def test_transposed_convolution():
    image = value("x", 2, 8, 5, 5)
    assert one("ConvTranspose", [image], [weights("w", 8, 3, 2, 2)], group=2, strides=[2, 2]) == [
        (50, 3 * 4, 4, 2)
    ]


def test_quantised_operators():
    def quantised(name, *shape):
        return helper.make_tensor(name, TensorProto.UINT8, shape, bytes(int(np.prod(shape))), raw=1)

    scale, zero = weights("s", 1), quantised("z", 1)
    inputs = [value("x", 1, 3, 8, 8, kind=TensorProto.UINT8)]
    stored = [scale, zero, quantised("w", 4, 3, 3, 3)]
    node = helper.make_node("QLinearConv", ["x", "s", "z", "w", "s", "z", "s", "z"], ["y"])
    assert gemms(model([node], inputs, stored)) == [(36, 4, 27, 1)]
    node = helper.make_node("ConvInteger", ["x", "w"], ["y"])
    assert gemms(model([node], inputs, stored)) == [(36, 4, 27, 1)]
    inputs = [value("x", 5, 6, kind=TensorProto.UINT8)]
    node = helper.make_node("MatMulInteger", ["x", "b"], ["y"])
    assert gemms(model([node], inputs, [quantised("b", 6, 7)])) == [(5, 7, 6, 1)]
    node = helper.make_node("QLinearMatMul", ["x", "s", "z", "b", "s", "z", "s", "z"], ["y"])
    assert gemms(model([node], inputs, [scale, zero, quantised("b", 6, 7)])) == [(5, 7, 6, 1)]


@pytest.mark.parametrize("trans_a", [0, 1])
@pytest.mark.parametrize("trans_b", [0, 1])
def test_gemm(trans_a, trans_b):
    a = value("a", *((3, 5) if trans_a else (5, 3)))
    b = weights("b", *((7, 3) if trans_b else (3, 7)))
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
    assert one("MatMul", [value("a", *a), value("b", *b)]) == [expected]
    macs = np.prod(expected)
    assert macs == np.matmul(np.zeros(a), np.zeros(b)).size * a[-1]


def test_einsum():
    a, b = value("a", 2, 5, 4, 3), value("b", 2, 6, 4, 3)
    assert one("Einsum", [a, b], equation="bqhd, bkhd -> bhqk") == [(5, 6, 3, 8)]
    assert one("Einsum", [value("a", 5, 3), value("b", 3, 7)], equation="ij,jk") == [(5, 7, 3, 1)]
    with pytest.raises(ValueError, match=r"equation 'ij>-,kjik' is malformed"):
        one("Einsum", [a, b], equation="ij>-,kjik")  # on which onnx's inference may never end
    # Every combination of b, i, j and k is multiplied; i is summed after the product.
    assert one("Einsum", [value("a", 2, 5, 3), value("b", 3, 7)], equation="bij,jk->bk") == [
        (10, 7, 3, 1)
    ]
    assert one("Einsum", [value("a", 4, 1, 5, 3), value("b", 6, 3, 7)], equation="...ij,...jk") == [
        (20, 42, 3, 1)
    ]
    with pytest.raises(ValueError, match=r"equation 'i,i,i->' is not known; expected two operands"):
        one("Einsum", [value("a", 5), value("b", 5), value("c", 5)], equation="i,i,i->")


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
    proto = model([node], [value(x, *s) for x, s in zip("ab", shapes, strict=True)])
    assert parse(proto).macs == np.prod(loops)
    assert np.einsum(equation, *(np.ones(shape) for shape in shapes)).sum() == np.prod(loops)


def test_attention_with_grouped_queries_and_a_cache():
    query, key, cache = value("q", 2, 8, 1, 64), value("k", 2, 4, 1, 64), value("c", 2, 4, 99, 64)
    names = ["q", "k", "k", "", "c", "c"]
    node = helper.make_node("Attention", names, ["y", "pk", "pv"], name="attention")
    network = parse(model([node], [query, key, cache]))
    assert [layer.name for layer in network.layers] == ["attention/scores", "attention/values"]
    assert gemms(model([node], [query, key, cache])) == [(2, 100, 64, 8), (2, 64, 100, 8)]
    flat = [value("q", 2, 10, 512), value("k", 2, 10, 256)]
    node = helper.make_node("Attention", ["q", "k", "k"], ["y"], q_num_heads=8, kv_num_heads=4)
    assert gemms(model([node], flat)) == [(20, 10, 64, 8), (20, 64, 10, 8)]


def test_recurrent_layers():
    stored = [weights("w", 2, 4 * 16, 8), weights("r", 2, 4 * 16, 16)]
    assert one(
        "LSTM", [value("x", 10, 3, 8)], stored, hidden_size=16, direction="bidirectional"
    ) == [(30, 64, 8, 2), (3, 64, 16, 20)]


def test_symbolic_dimensions_are_bound_by_name():
    nodes = [
        helper.make_node("Relu", ["x"], ["r"]),
        helper.make_node("MatMul", ["r", "w"], ["y"], name="dense"),
    ]
    proto = model(nodes, [value("x", "batch", None, 4)], [weights("w", 4, 5)])
    proto.graph.output[0].CopyFrom(value("y", "batch", "x.1", 5))
    assert gemms(proto, batch=3, **{"x.1": 7}) == [(21, 5, 4, 1)]
    assert parse(proto, batch=3, **{"x.1": 7}).skipped == {"Relu": 1}
    with pytest.raises(ValueError, match=r"MatMul 'dense': dimension 'batch' of 'r' is dynamic"):
        parse(proto)
    with pytest.raises(ValueError, match="dimension 'bacth' is not one of the model's; there are"):
        parse(proto, bacth=3)
    with pytest.raises(ValueError, match="dimension batch: 0 is not allowed"):
        parse(proto, batch=0)


def test_shapes_that_the_model_computes():
    nodes = [
        helper.make_node("Shape", ["x"], ["s"]),
        helper.make_node("Gather", ["s", "first"], ["b"]),
        helper.make_node("Concat", ["b", "rest"], ["t"], axis=0),
        helper.make_node("Reshape", ["x", "t"], ["flat"]),
        helper.make_node("MatMul", ["flat", "w"], ["y"]),
    ]
    stored = [whole_numbers("first", 0), whole_numbers("rest", 12), weights("w", 12, 5)]
    proto = model(nodes, [value("x", "batch", 3, 4)], stored)
    assert gemms(proto, batch=7) == [(7, 5, 12, 1)]
    assert parse(proto, batch=7).skipped == {"Concat": 1, "Gather": 1, "Reshape": 1, "Shape": 1}


def test_control_flow():
    def body(name, width):
        nodes = [helper.make_node("MatMul", ["x", f"w{width}"], [f"y{name}"], name=name)]
        return helper.make_graph(nodes, name, [], [helper.make_empty_tensor_value_info(f"y{name}")])

    x = value("x", 2, 4)
    stored = [weights("w5", 4, 5), weights("w9", 4, 9)]
    flag = value("c", 1, kind=TensorProto.BOOL)
    node = helper.make_node(
        "If", ["c"], ["y"], then_branch=body("then", 5), else_branch=body("else", 9)
    )
    assert gemms(model([node], [x, flag], stored)) == [(2, 9, 4, 1)]

    step = helper.make_graph(
        [
            helper.make_node("MatMul", ["state", "w"], ["next"], name="step"),
            helper.make_node("Identity", ["go"], ["on"]),
        ],
        "body",
        [value("i", kind=INT64), value("go", kind=TensorProto.BOOL), value("state", 2, 4)],
        [value("on", kind=TensorProto.BOOL), value("next", 2, 4)],
    )
    stored = [weights("w", 4, 4), helper.make_tensor("trips", INT64, [], [6])]
    node = helper.make_node("Loop", ["trips", "", "x"], ["y"], body=step)
    assert gemms(model([node], [x], stored)) == [(2, 4, 4, 6)]
    for trips in ({"value_int": 6}, {"value_ints": [6]}, {"value": stored[1]}):
        nodes = [helper.make_node("Constant", [], ["n"], **trips)]
        nodes += [helper.make_node("Loop", ["n", "", "x"], ["y"], body=step)]
        assert gemms(model(nodes, [x], stored[:1])) == [(2, 4, 4, 6)]
    node = helper.make_node("Loop", ["", "", "x"], ["y"], body=step)
    with pytest.warns(UserWarning, match="the number of iterations is not known"):
        assert gemms(model([node], [x], stored)) == [(2, 4, 4, 1)]


@pytest.mark.parametrize(("axes", "steps"), [({}, 5), ({"scan_input_axes": [1]}, 9), ([-1], 4)])
def test_a_scan_runs_along_its_axis(axes, steps):
    axes = axes if isinstance(axes, dict) else {"scan_input_axes": axes}
    shape = [5, 9, 4]
    del shape[axes.get("scan_input_axes", [0])[0]]
    body = helper.make_graph(
        [helper.make_node("MatMul", ["slice", "w"], ["out"], name="step")],
        "body",
        [value("slice", *shape)],
        [value("out", shape[0], 2)],
    )
    node = helper.make_node("Scan", ["x"], ["y"], body=body, num_scan_inputs=1, **axes)
    proto = model([node], [value("x", 5, 9, 4)], [weights("w", shape[1], 2)])
    assert gemms(proto) == [(shape[0], 2, shape[1], steps)]


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
    proto = model(
        [node], [value("x", 2, 4)], [weights("w", 4, 5)], functions=[dense], domains=["mine"]
    )
    assert gemms(proto) == [(2, 5, 4, 1)]


def test_unknown_operators_are_named():
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["z"]),
        helper.make_node("FusedMatMul", ["z", "z"], ["y"], domain="com.example"),
    ]
    proto = model(nodes, [value("x", 2, 4)], [weights("w", 4, 5)], domains=["com.example"])
    with pytest.warns(UserWarning, match=r"not counted: com.example.FusedMatMul \(1\)"):
        assert parse(proto).skipped == {"com.example.FusedMatMul": 1}
    proto = model(
        [nodes[1], helper.make_node("MatMul", ["y", "w"], ["u"], name="next")],
        [value("z", 2, 4)],
        [weights("w", 4, 5)],
        domains=["com.example"],
    )
    with pytest.raises(ValueError, match="MatMul 'next': the shape of 'y' is not known"):
        parse(proto)


def test_layers_without_names_have_those_of_their_outputs(tmp_path):
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["first"]),
        helper.make_node("MatMul", ["first", "w"], ["second"], name="first"),
    ]
    path = tmp_path / "net.onnx"
    onnx.save(model(nodes, [value("x", 2, 4)], [weights("w", 4, 4)]), path)
    network = read_onnx(path)
    assert network.name == "net"
    assert [layer.name for layer in network.layers] == ["first", "first (2)"]


def external(tensor, location, **info):
    tensor = onnx.TensorProto.FromString(tensor.SerializeToString())
    for field in ("raw_data", "int64_data"):
        tensor.ClearField(field)
    tensor.data_location = TensorProto.EXTERNAL
    for key, text in {"location": location, **info}.items():
        tensor.external_data.add(key=key, value=text)
    return tensor


def test_weights_stored_outside_need_not_be_there(tmp_path):
    node = helper.make_node("MatMul", ["x", "w"], ["y"])
    proto = model([node], [value("x", 2, 4)], [external(weights("w", 4, 50), "weights.bin")])
    path = tmp_path / "net.onnx"
    path.write_bytes(proto.SerializeToString())
    assert read_onnx(path).macs == 2 * 4 * 50


def test_a_shape_stored_outside_is_read(tmp_path):
    nodes = [
        helper.make_node("Reshape", ["x", "t"], ["flat"]),
        helper.make_node("MatMul", ["flat", "w"], ["y"]),
    ]
    shape = external(whole_numbers("t", 3, 8), "shapes.bin", offset="4")
    proto = model(nodes, [value("x", 6, 4)], [shape, weights("w", 8, 5)])
    path = tmp_path / "net.onnx"
    path.write_bytes(proto.SerializeToString())
    with pytest.raises(ValueError, match="tensor 't' cannot be read"):
        read_onnx(path)
    (tmp_path / "shapes.bin").write_bytes(b"....\3" + bytes(7) + b"\10" + bytes(7))
    assert read_onnx(path).macs == 3 * 8 * 5


@pytest.mark.parametrize("location", ["../secret.bin", "/etc/passwd", "", "link", "a\0b"])
def test_files_outside_of_the_folder_are_not_followed(tmp_path, location):
    folder = tmp_path / "models"
    folder.mkdir()
    (tmp_path / "secret.bin").write_bytes(bytes(64))
    (folder / "link").symlink_to(tmp_path / "secret.bin")
    node = helper.make_node("MatMul", ["x", "w"], ["y"])
    for tensor in (external(weights("w", 4, 50), location), external(whole_numbers("w"), location)):
        (folder / "net.onnx").write_bytes(
            model([node], [value("x", 2, 4)], [tensor]).SerializeToString()
        )
        with pytest.raises(ValueError, match="outside of the model's folder"):
            read_onnx(folder / "net.onnx")


@pytest.mark.parametrize("linked", [False, True])
def test_a_fifo_is_not_waited_for(tmp_path, linked):
    os.mkfifo(tmp_path / "fifo")
    name = "fifo"
    if linked:
        (tmp_path / "link").symlink_to("fifo")
        name = "link"
    nodes = [
        helper.make_node("Reshape", ["x", "t"], ["flat"]),
        helper.make_node("MatMul", ["flat", "w"], ["y"]),
    ]
    shape = external(whole_numbers("t", 3, 8), name)
    proto = model(nodes, [value("x", 6, 4)], [shape, weights("w", 8, 5)])
    (tmp_path / "net.onnx").write_bytes(proto.SerializeToString())
    with pytest.raises(ValueError, match=r"net.onnx: tensor 't': .*fifo: .* not a regular file"):
        read_onnx(tmp_path / "net.onnx")
    with pytest.raises(ValueError, match="fifo: cannot be read: not a regular file"):
        read_onnx(tmp_path / "fifo")


def test_long_and_unprintable_names_are_cut_and_escaped():
    long = "\x1b[31m" + "z" * 100_000
    node = helper.make_node("MatMul", ["x", "w"], ["y"], name=long)
    proto = model([node], [value("x", 2, long)], [weights("w", 4, 5)])
    with pytest.raises(ValueError, match=r"t.onnx: MatMul '\\x1b") as error:
        parse(proto)
    assert len(str(error.value)) < 600
    assert str(error.value).isprintable()


def test_functions_that_never_end_are_refused():
    def calls(name, *callees):
        nodes = [helper.make_node(c, ["x"], [f"y{i}"], domain="f") for i, c in enumerate(callees)]
        opsets = [helper.make_opsetid("", 23), helper.make_opsetid("f", 1)]
        return helper.make_function("f", name, ["x"], ["y0"], nodes, opsets)

    node = helper.make_node("f0", ["x"], ["y"], domain="f")
    loop = [calls("f0", "f1"), calls("f1", "f0")]
    with pytest.raises(ValueError, match="function f0 calls itself"):
        parse(model([node], [value("x", 1)], functions=loop, domains=["f"]))
    doubling = [calls(f"f{i}", f"f{i + 1}", f"f{i + 1}") for i in range(40)] + [calls("f40", "g")]
    with pytest.raises(ValueError, match="more than 1000000 operators"):
        parse(model([node], [value("x", 1)], functions=doubling, domains=["f"]))


@pytest.mark.parametrize(
    ("proto", "message"),
    [
        (b"", "not an ONNX model"),
        (b"\xff\xfe garbage", "not an ONNX model"),
        (b"Layer,M,N,K\na,1,2,3\n", "not an ONNX model"),
        (model([helper.make_node("Relu", ["x"], ["y"])], [value("x", 2)]), "only Relu"),
        (
            model([helper.make_node("MatMul", ["x", "x"], ["y"])], [value("x", 2**33, 2**33)]),
            "m must be in",
        ),
        (
            model([helper.make_node("MatMul", ["x", "x"], ["y"])], [value("x", -2, 3)]),
            "negative dimension",
        ),
        (model([helper.make_node("MatMul", ["x"], ["y"])], [value("x", 2, 3)]), "1 inputs"),
        (model([helper.make_node("Loop", [], ["y"])], [value("x", 2, 3)]), "0 inputs; expected 2"),
        (model([helper.make_node("MatMul", ["x", "?"], ["y"])], [value("x", 2)]), "not known"),
        (
            model([helper.make_node("Gemm", ["a", "a"], ["y"])], [value("a", 2, 3)]),
            "t.onnx: ",
        ),
    ],
)
def test_bad_models_are_one_line(proto, message):
    with pytest.raises(ValueError, match=message) as caught:
        parse(proto)
    assert str(caught.value).startswith("t.onnx: ")
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_one_line(tmp_path):
    with pytest.raises(ValueError, match="cannot be read"):
        read_onnx(tmp_path / "none.onnx")


def sample():
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["c"], name="conv", pads=[1, 1, 1, 1]),
        helper.make_node("Flatten", ["c"], ["f"]),
        helper.make_node("Gemm", ["f", "g"], ["y"], transB=1),
    ]
    stored = [weights("w", 4, 3, 3, 3), weights("g", 5, 4 * 8 * 8)]
    return model(nodes, [value("x", "batch", 3, 8, 8)], stored).SerializeToString()


SAMPLE = sample()
PLACES = st.integers(0, len(SAMPLE) - 1).map(
    # Weights are most of the file and the least interesting part of it.
    lambda place: place % 400 if place % 2 else len(SAMPLE) - 1 - place % 200
)


@hypothesis.given(st.lists(st.tuples(PLACES, st.binary(min_size=1, max_size=3)), max_size=6))
@hypothesis.settings(max_examples=300)
def test_nothing_but_value_errors_comes_out_of_damaged_models(changes):
    data = bytearray(SAMPLE)
    for place, new in changes:
        data[place : place + len(new)] = new
    try:
        network = parse_onnx(
            bytes(data), name="x", source="x", dims={"batch": 2}, folder=pathlib.Path("/none")
        )
    except ValueError:
        return
    assert network.macs > 0
