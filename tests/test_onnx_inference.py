"""Shapes that ONNX models compute, and the control flow that depends on them."""

import hypothesis
import onnx_models as models
import pytest
from hypothesis import strategies as st
from onnx import TensorProto, helper

from airchitect_jax.workloads.onnx.inference import Tensors

BOOL, INT64 = TensorProto.BOOL, TensorProto.INT64
X = models.value("x", "batch", "width")


def node(kind, inputs, outputs, **attributes):
    return helper.make_node(kind, inputs, outputs, name=outputs[0], **attributes)


def number(name, value):
    return helper.make_tensor(name, INT64, [], [value])


def body(nodes, inputs=(), outputs=(), stored=()):
    results = [helper.make_empty_tensor_value_info(name) for name in outputs]
    return helper.make_graph(nodes, "body", list(inputs), results, list(stored))


@hypothesis.given(
    x=st.tuples(st.integers(1, 9), st.integers(1, 9)),
    factors=st.tuples(st.integers(1, 9), st.integers(1, 9)),
    added=st.integers(0, 5),
    divisor=st.integers(1, 4),
)
@hypothesis.settings(max_examples=40)
def test_sizes_are_computed_as_the_model_does(x, factors, added, divisor):
    nodes = [
        node("Shape", ["x"], ["s"]),
        node("Mul", ["s", "factors"], ["scaled"]),
        node("Add", ["scaled", "added"], ["sum"]),
        node("Cast", ["sum"], ["real"], to=models.FLOAT),
        node("Div", ["real", "divisor"], ["quotient"]),
        node("Floor", ["quotient"], ["floor"]),
        node("Cast", ["floor"], ["whole"], to=INT64),
        node("Max", ["whole", "one"], ["sides"]),
        node("ConstantOfShape", ["sides"], ["a"]),
        node("Transpose", ["a"], ["b"]),
        node("MatMul", ["a", "b"], ["y"]),
    ]
    stored = [
        models.whole_numbers("factors", *factors),
        models.whole_numbers("added", added),
        models.whole_numbers("one", 1),
        helper.make_tensor("divisor", models.FLOAT, [], [divisor]),
    ]
    m, k = (
        max((side * factor + added) // divisor, 1) for side, factor in zip(x, factors, strict=True)
    )
    proto = models.model(nodes, [X], stored)
    assert models.gemms(proto, batch=x[0], width=x[1]) == [(m, m, k, 1)]


def test_the_number_of_known_elements_is_counted():
    """`NonZero` of ones counts from zero, as older exporters write a range."""
    nodes = [
        node("Shape", ["x"], ["s"]),
        node("ConstantOfShape", ["s"], ["ones"], value=number("", 1)),
        node("NonZero", ["ones"], ["where"]),
        node("Cast", ["where"], ["real"], to=models.FLOAT),
        node("MatMul", ["real", "w"], ["y"]),
    ]
    nodes[1].attribute[0].t.dims[:] = [1]
    proto = models.model(nodes, [X], [models.weights("w", 12, 5)])
    assert models.gemms(proto, batch=3, width=4) == [(2, 5, 12, 1)]
    with pytest.raises(ValueError, match=r"\[2, 9\] and \[12, 5\] cannot be multiplied"):
        models.parse(proto, batch=3, width=3)


def branches(**widths):
    """A choice of two products of the widths."""
    return {
        f"{name}_branch": body(
            [node("MatMul", ["x", f"w{width}"], [f"y{width}"])], outputs=[f"y{width}"]
        )
        for name, width in widths.items()
    }


WEIGHTS = [models.weights("w5", 4, 5), models.weights("w9", 4, 9)]


@pytest.mark.parametrize(("batch", "width"), [(1, 9), (2, 5)])
def test_the_branch_of_a_known_condition_is_taken(batch, width):
    nodes = [
        node("Shape", ["x"], ["s"], end=1),
        node("Equal", ["s", "two"], ["c"]),
        node("If", ["c"], ["y"], **branches(then=5, **{"else": 9})),
        node("Relu", ["y"], ["r"]),
    ]
    proto = models.model(nodes, [X], [*WEIGHTS, models.whole_numbers("two", 2)])
    network = models.parse(proto, batch=batch, width=4)
    assert [(layer.m, layer.n, layer.k) for layer in network.layers] == [(batch, width, 4)]
    assert [operator.operations for operator in network.operators] == [batch * width]


def test_a_whole_number_input_can_be_bound():
    nodes = [
        node("Equal", ["rate", "two"], ["c"]),
        node("If", ["c"], ["y"], **branches(then=5, **{"else": 9})),
    ]
    inputs = [models.value("x", 3, 4), models.value("rate", kind=INT64)]
    proto = models.model(nodes, inputs, [*WEIGHTS, number("two", 2)])
    assert models.gemms(proto) == [(3, 9, 4, 1)]  # the more expensive one
    assert models.gemms(proto, rate=2) == [(3, 5, 4, 1)]
    with pytest.raises(ValueError, match="'x' is not one of the model's; there are rate"):
        models.parse(proto, x=2)


def test_a_branch_that_cannot_be_taken_is_left_out():
    inputs = [models.value("x", 3, 4), models.value("c", kind=BOOL)]
    choice = node("If", ["c"], ["y"], **branches(then=5, **{"else": 9}))
    proto = models.model([choice], inputs, [WEIGHTS[0], models.weights("w9", 3, 9)])
    with pytest.warns(UserWarning, match=r"y: else_branch is left out: MatMul 'y9': shapes"):
        assert models.gemms(proto) == [(3, 5, 4, 1)]
    proto = models.model([choice], inputs, [models.weights(name, 3, 9) for name in ("w5", "w9")])
    with pytest.raises(ValueError, match="MatMul 'y5': shapes"):
        models.parse(proto)


def loop(nodes, outputs, *, state=("batch", 4), trips="trips", condition=""):
    inner = body(
        [*nodes, node("Identity", ["go"], ["on"])],
        [models.value("i", kind=INT64), models.value("go", kind=BOOL), models.value("h", *state)],
        ["on", *outputs],
    )
    return node("Loop", [trips, condition, "x"], ["last", "all"][: len(outputs)], body=inner)


def test_a_loop_runs_as_often_as_the_model_computes_and_stacks_its_results():
    nodes = [
        node("Shape", ["x"], ["s"], end=1),
        node("Squeeze", ["s"], ["trips"]),
        loop([node("MatMul", ["h", "w"], ["step"])], ["h", "step"]),
        node("MatMul", ["all", "v"], ["y"]),
    ]
    proto = models.model(nodes, [X], [models.weights("w", 4, 6), models.weights("v", 6, 2)])
    assert models.gemms(proto, batch=3, width=4) == [(3, 6, 4, 3), (9, 2, 6, 1)]


def test_a_loop_that_does_not_run_or_has_no_number():
    step = loop([node("MatMul", ["h", "w"], ["step"])], ["step"])
    after = node("MatMul", ["last", "w"], ["y"])
    stored = [models.weights("w", 4, 4)]

    def macs(trips, **more):
        proto = models.model([step, after], [X], [*stored, number("trips", trips), *more.values()])
        return models.gemms(proto, batch=2, width=4)

    assert macs(0) == [(2, 4, 4, 1)]
    with pytest.warns(UserWarning, match="the number of iterations is not known"):
        assert macs(2**63 - 1) == 2 * [(2, 4, 4, 1)]  # a `while`
    step.input[1] = "never"
    assert macs(5, never=helper.make_tensor("never", BOOL, [], [False])) == [(2, 4, 4, 1)]


def test_a_state_that_grows_has_no_size():
    grows = loop([node("Concat", ["h", "h"], ["g"], axis=0)], ["g"], state=("any", 4))
    stored = [models.weights("w", 4, 5), number("trips", 3)]
    proto = models.model([grows, node("MatMul", ["last", "w"], ["y"])], [X], stored)
    with pytest.raises(ValueError, match="MatMul 'y': the shape of 'last' is not known"):
        models.parse(proto, batch=2, width=4)


def test_the_number_of_inferences_is_limited():
    tensors = Tensors({"": 23}, limit=2)
    inner = tensors.within(body([]))
    for each in (tensors, inner):
        each.add(node("Relu", ["x"], ["y"]))
    with pytest.raises(ValueError, match="its nested loops make more than 2 operators"):
        inner.add(node("Relu", ["x"], ["y"]))


def test_a_scan_stacks_its_results_along_an_axis():
    step = body(
        [node("MatMul", ["row", "w"], ["out"]), node("Identity", ["h"], ["next"])],
        [models.value("h", 1), models.value("row", 1, 4)],
        ["next", "out"],
    )
    nodes = [
        node("Scan", ["h0", "x"], ["h", "y"], body=step, num_scan_inputs=1, scan_output_axes=[-1]),
        node("MatMul", ["y", "v"], ["z"]),
    ]
    stored = [models.weights("w", 4, 6), models.weights("v", 5, 2), models.weights("h0", 1)]
    proto = models.model(nodes, [models.value("x", 5, "one", "width")], stored)
    assert models.gemms(proto, one=1, width=4) == [(1, 6, 4, 5), (6, 2, 5, 1)]


def test_dimensions_that_exporters_write_without_a_name():
    x = models.value("x", -1, "?", "?", 4)
    proto = models.model([node("MatMul", ["x", "w"], ["y"])], [x], [models.weights("w", 4, 5)])
    assert models.gemms(proto, **{"x[0]": 2, "x[1]": 3, "x[2]": 7}) == [(42, 5, 4, 1)]


def test_stored_shapes_of_unknown_operators_are_used():
    nodes = [
        helper.make_node("Mystery", ["x"], ["h"], domain="some.where"),
        node("MatMul", ["h", "w"], ["y"]),
    ]
    proto = models.model(nodes, [X], [models.weights("w", 6, 5)], domains=["some.where"])
    with pytest.raises(ValueError, match="the shape of 'h' is not known: Mystery 'h': its shape"):
        models.parse(proto, batch=2, width=4)
    proto.graph.value_info.append(models.value("h", "batch", 6))
    with pytest.warns(UserWarning, match="some.where.Mystery"):
        assert models.gemms(proto, batch=2, width=4) == [(2, 5, 6, 1)]


def test_the_first_operator_without_a_shape_is_named():
    nodes = [
        node("Concat", ["x", "w"], ["wrong"], axis=1),
        node("Relu", ["wrong"], ["r"]),
        node("MatMul", ["r", "w"], ["y"]),
    ]
    proto = models.model(nodes, [X], [models.weights("w", 4, 5)])
    with pytest.raises(ValueError, match=r"'r' is not known: Concat 'wrong': .*[Dd]imension"):
        models.parse(proto, batch=3, width=4)


def test_a_proposed_command_line_works():
    """The first proposal does not suit the weights of this model."""
    nodes = [node("Transpose", ["x"], ["t"]), node("MatMul", ["t", "w"], ["y"])]
    nodes[0].attribute.append(helper.make_attribute("perm", [0, 1, 3, 2]))
    x = models.value("x", "batch", 3, "height", "width")
    proto = models.model(nodes, [x], [models.weights("w", 48, 5)])
    with pytest.raises(ValueError, match=r"--dim=batch=1 --dim=height=48 --dim=width=48"):
        models.parse(proto)
    assert models.gemms(proto, batch=1, height=48, width=48) == [(144, 5, 48, 1)]


def test_the_batch_of_a_state_is_proposed_like_that_of_an_input():
    inputs = [models.value("x", "n", 3, 8), models.value("h", 1, "state_batch", 16)]
    stored = [models.weights("w", 1, 64, 8), models.weights("r", 1, 64, 16)]
    lstm = node("LSTM", ["x", "w", "r", "", "", "h"], ["y"], hidden_size=16)
    with pytest.raises(ValueError, match=r"example --dim=n=1 --dim=state_batch=1 \("):
        models.parse(models.model([lstm], inputs, stored))


def test_spectra_of_real_signals_have_half_of_the_frequencies():
    nodes = [
        node("STFT", ["x", "step", "window"], ["s"]),
        node("Split", ["s"], ["real", "imaginary"], axis=3, num_outputs=2),
        node("Squeeze", ["real", "axis"], ["r"]),
        node("MatMul", ["r", "w"], ["y"]),
    ]
    stored = [number("step", 160), models.weights("window", 400), models.weights("w", 201, 80)]
    proto = models.model(nodes, [X], [*stored, models.whole_numbers("axis", 3)])
    network = models.parse(proto, batch=2, width=16_000)
    (layer,) = network.layers
    frames = (16_000 - 400) // 160 + 1
    assert (layer.m, layer.n, layer.k) == (2 * frames, 80, 201)
    log2_400 = 9  # rounded up
    assert network.operators[0].operations == 2 * frames * 400 * log2_400 * 5 // 2
