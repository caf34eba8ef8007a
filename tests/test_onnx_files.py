"""ONNX files that mean harm, and tensors that are stored outside of them."""

import os
import pathlib

import hypothesis
import onnx
import onnx_models as models
import pytest
from hypothesis import strategies as st
from onnx import TensorProto, helper

from airchitect_jax import read_onnx
from airchitect_jax.workloads import parse_onnx


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
    proto = models.model(
        [node], [models.value("x", 2, 4)], [external(models.weights("w", 4, 50), "weights.bin")]
    )
    path = tmp_path / "net.onnx"
    path.write_bytes(proto.SerializeToString())
    assert read_onnx(path).macs == 2 * 4 * 50


def test_a_shape_stored_outside_is_read(tmp_path):
    nodes = [
        helper.make_node("Reshape", ["x", "t"], ["flat"]),
        helper.make_node("MatMul", ["flat", "w"], ["y"]),
    ]
    shape = external(models.whole_numbers("t", 3, 8), "shapes.bin", offset="4")
    proto = models.model(nodes, [models.value("x", 6, 4)], [shape, models.weights("w", 8, 5)])
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
    for tensor in (
        external(models.weights("w", 4, 50), location),
        external(models.whole_numbers("w"), location),
    ):
        (folder / "net.onnx").write_bytes(
            models.model([node], [models.value("x", 2, 4)], [tensor]).SerializeToString()
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
    shape = external(models.whole_numbers("t", 3, 8), name)
    proto = models.model(nodes, [models.value("x", 6, 4)], [shape, models.weights("w", 8, 5)])
    (tmp_path / "net.onnx").write_bytes(proto.SerializeToString())
    with pytest.raises(ValueError, match=r"net.onnx: tensor 't': .*fifo: .* not a regular file"):
        read_onnx(tmp_path / "net.onnx")
    with pytest.raises(ValueError, match="fifo: cannot be read: not a regular file"):
        read_onnx(tmp_path / "fifo")


def test_long_and_unprintable_names_are_cut_and_escaped():
    long = "\x1b[31m" + "z" * 100_000
    node = helper.make_node("MatMul", ["x", "w"], ["y"], name=long)
    proto = models.model([node], [models.value("x", 2, long)], [models.weights("w", 4, 5)])
    with pytest.raises(ValueError, match=r"t.onnx: MatMul '\\x1b") as error:
        models.parse(proto)
    assert len(str(error.value)) < 900
    assert str(error.value).isprintable()


def test_functions_that_never_end_are_refused():
    def calls(name, *callees):
        nodes = [helper.make_node(c, ["x"], [f"y{i}"], domain="f") for i, c in enumerate(callees)]
        opsets = [helper.make_opsetid("", 23), helper.make_opsetid("f", 1)]
        return helper.make_function("f", name, ["x"], ["y0"], nodes, opsets)

    node = helper.make_node("f0", ["x"], ["y"], domain="f")
    loop = [calls("f0", "f1"), calls("f1", "f0")]
    with pytest.raises(ValueError, match="function f0 calls itself"):
        models.parse(models.model([node], [models.value("x", 1)], functions=loop, domains=["f"]))
    doubling = [calls(f"f{i}", f"f{i + 1}", f"f{i + 1}") for i in range(40)] + [calls("f40", "g")]
    with pytest.raises(ValueError, match="more than 1000000 operators"):
        models.parse(
            models.model([node], [models.value("x", 1)], functions=doubling, domains=["f"])
        )


@pytest.mark.parametrize(
    ("proto", "message"),
    [
        (b"", "not an ONNX model"),
        (b"\xff\xfe garbage", "not an ONNX model"),
        (b"Layer,M,N,K\na,1,2,3\n", "not an ONNX model"),
        (
            models.model([helper.make_node("Relu", ["x"], ["y"])], [models.value("x", 2)]),
            "only Relu",
        ),
        (
            models.model(
                [helper.make_node("MatMul", ["x", "x"], ["y"])], [models.value("x", 2**33, 2**33)]
            ),
            "m must be in",
        ),
        (
            models.model(
                [helper.make_node("MatMul", ["x", "x"], ["y"])], [models.value("x", -2, 3)]
            ),
            "negative dimension",
        ),
        (
            models.model([helper.make_node("MatMul", ["x"], ["y"])], [models.value("x", 2, 3)]),
            "1 inputs",
        ),
        (
            models.model([helper.make_node("Loop", [], ["y"])], [models.value("x", 2, 3)]),
            "0 inputs; expected 2",
        ),
        (
            models.model([helper.make_node("MatMul", ["x", "?"], ["y"])], [models.value("x", 2)]),
            "not known",
        ),
        (
            models.model([helper.make_node("Gemm", ["a", "a"], ["y"])], [models.value("a", 2, 3)]),
            "t.onnx: ",
        ),
    ],
)
def test_bad_models_are_one_line(proto, message):
    with pytest.raises(ValueError, match=message) as caught:
        models.parse(proto)
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
    stored = [models.weights("w", 4, 3, 3, 3), models.weights("g", 5, 4 * 8 * 8)]
    return models.model(nodes, [models.value("x", "batch", 3, 8, 8)], stored).SerializeToString()


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
