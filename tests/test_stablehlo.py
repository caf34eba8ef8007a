"""StableHLO programs, beside what `from_jax` finds in the functions that they come from."""

import os
from collections import Counter

import flax.linen as nn
import hypothesis
import jax
import jax.numpy as jnp
import pytest
from hypothesis import strategies as st
from jax import lax
from jax_networks import floats, transformer, transformer_weights

from airchitect_jax import from_jax, open_network, read_stablehlo
from airchitect_jax.workloads import parse_stablehlo


def parse(text):
    data = text if isinstance(text, bytes) else text.encode()
    return parse_stablehlo(data, name="test", source="t.mlir")


def gemms(network):
    found = Counter()
    for layer in network.layers:
        found[layer.m, layer.n, layer.k] += layer.count
    return found


def perceptron(weights, x):
    for w in weights:
        x = jax.nn.relu(x @ w)
    return jax.nn.softmax(x)


def loss(weights, x):
    return jnp.mean(perceptron(weights, x) ** 2)


def convolutions(x, w, depthwise, up):
    x = jax.nn.gelu(lax.conv_general_dilated(x, w, (2, 1), "SAME", rhs_dilation=(1, 2)))
    x = lax.conv_general_dilated(x, depthwise, (1, 1), "VALID", feature_group_count=8)
    x = lax.conv_transpose(x, up, (2, 2), "SAME", dimension_numbers=("NCHW", "OIHW", "NCHW"))
    return lax.reduce_window(x, -jnp.inf, lax.max, (1, 1, 2, 2), (1, 1, 2, 2), "VALID")


def control_flow(x, w):
    x = lax.fori_loop(2, 7, lambda i, x: jnp.tanh(x @ w) * i, x)
    x, means = lax.scan(lambda x, _: (x @ w, x.mean()), x, length=4)
    x = lax.cond(means[0] > 0, lambda x: (x @ w) @ w, lambda x: x @ w, x)
    return jnp.cumsum(x, axis=1), jnp.sort(x), jnp.argmax(x), x[jnp.array([1, 2])], x.T


WEIGHTS = [floats(16, 32), floats(32, 10)]
IMAGE = floats(2, 3, 12, 16), floats(8, 3, 3, 3), floats(8, 1, 3, 2), floats(4, 8, 2, 2)
PROGRAMS = {
    "perceptron": (perceptron, WEIGHTS, floats(4, 16)),
    "gradient": (jax.grad(loss), WEIGHTS, floats(4, 16)),
    "batched": (jax.vmap(lambda a, b: a @ b), floats(3, 4, 5), floats(3, 5, 6)),
    "convolutions": (convolutions, *IMAGE),
    "control_flow": (control_flow, floats(4, 8), floats(8, 8)),
    "transformer": (
        lambda weights, x: transformer(weights, x, heads=4),
        transformer_weights(blocks=3, width=64),
        floats(10, 64),
    ),
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_has_the_work_of_its_function(name):
    fn, *args = PROGRAMS[name]
    expected = from_jax(fn, *args)
    exported = jax.export.export(jax.jit(fn))(*args)
    lowered = jax.jit(fn).lower(*args)
    for program in (
        lowered.as_text(),
        lowered.as_text(debug_info=True),
        exported.mlir_module_serialized,
        exported.mlir_module(),
    ):
        network = parse(program)
        assert gemms(network) == gemms(expected)
        assert not network.skipped
        # Loops over whole tensors look their part up, which is no operation.
        operations = sum(operator.operations * operator.count for operator in network.operators)
        assert operations == sum(one.operations * one.count for one in expected.operators)


def test_layers_are_named_after_their_locations():
    class Block(nn.Module):
        @nn.compact
        def __call__(self, x):
            return nn.Dense(5, name="up")(nn.relu(nn.Dense(3, name="down")(x)))

    module, x = Block(), floats(2, 4)
    weights = jax.eval_shape(module.init, jax.random.key(0), x)
    named = jax.jit(module.apply).lower(weights, x).as_text(debug_info=True)
    assert [layer.name for layer in parse(named).layers] == ["Block/down", "Block/up"]
    plain = jax.jit(module.apply).lower(weights, x).as_text()
    assert [layer.name for layer in parse(plain).layers] == ["dot_general", "dot_general (2)"]


def test_files_of_either_form(tmp_path):
    exported = jax.export.export(jax.jit(perceptron))(WEIGHTS, floats(4, 16))
    (tmp_path / "net.mlirbc").write_bytes(exported.mlir_module_serialized)
    (tmp_path / "net.mlir").write_text(exported.mlir_module())
    expected = 4 * 16 * 32 + 4 * 32 * 10
    assert read_stablehlo(tmp_path / "net.mlirbc").macs == expected
    assert open_network(tmp_path / "net.mlir").macs == expected
    with pytest.raises(ValueError, match="can be bound in"):
        open_network(tmp_path / "net.mlir", {"batch": 1})


LOOP = """
func.func public @net(%x: tensor<4x8xf32>, %w: tensor<8x8xf32>) -> tensor<4x8xf32> {{
  %first = stablehlo.constant dense<{first}> : tensor<i64>
  %last = stablehlo.constant dense<{last}> : tensor<i64>
  %step = stablehlo.constant dense<{step}> : tensor<i64>
  %0:4 = stablehlo.while(%i = %first, %n = %last, %s = %step, %h = %x)
    : tensor<i64>, tensor<i64>, tensor<i64>, tensor<4x8xf32>
  cond {{
    %1 = stablehlo.compare {test} : (tensor<i64>, tensor<i64>) -> tensor<i1>
    stablehlo.return %1 : tensor<i1>
  }} do {{
    %1 = stablehlo.dot_general %h, %w, contracting_dims = [1] x [0]
      : (tensor<4x8xf32>, tensor<8x8xf32>) -> tensor<4x8xf32>
    %2 = stablehlo.{change} %i, %s : tensor<i64>
    stablehlo.return %2, %n, %s, %1 : tensor<i64>, tensor<i64>, tensor<i64>, tensor<4x8xf32>
  }}
  return %0#3 : tensor<4x8xf32>
}}
"""


@pytest.mark.parametrize(
    ("test", "change", "iterations"),
    [
        ("LT, %i, %n", "add", lambda first, last, step: range(first, last, step)),
        ("GT, %n, %i", "add", lambda first, last, step: range(first, last, step)),
        ("LE, %i, %n", "add", lambda first, last, step: range(first, last + 1, step)),
        ("GT, %i, %n", "subtract", lambda first, last, step: range(first, last, -step)),
        ("GE, %i, %n", "subtract", lambda first, last, step: range(first, last - 1, -step)),
    ],
)
@hypothesis.given(first=st.integers(-9, 9), last=st.integers(-9, 9), step=st.integers(1, 4))
@hypothesis.settings(max_examples=20)
def test_loops_run_as_often_as_a_range(test, change, iterations, first, last, step):
    """As TensorFlow writes them: limit and step are states that do not change."""
    count = len(iterations(first, last, step))
    text = LOOP.format(first=first, last=last, step=step, test=test, change=change)
    if count:
        assert gemms(parse(text)) == {(4, 8, 8): count}
        assert not parse(text).operators
    else:
        with pytest.raises(ValueError, match="no matrix work"):
            parse(text)


@pytest.mark.parametrize(
    "change",
    [
        {"test": "LT, %n, %i"},  # runs for ever, or never
        {"test": "NE, %i, %n", "last": 8},
        {"change": "multiply"},
        {"step": 0},
    ],
)
def test_a_loop_of_unknown_length_counts_once_with_a_warning(change):
    known = {"first": 1, "last": 9, "step": 2, "test": "NE, %i, %n", "change": "add"}
    assert gemms(parse(LOOP.format(**known))) == {(4, 8, 8): 4}
    with pytest.warns(UserWarning, match=r"^t.mlir: while: the number of iterations is not known"):
        assert gemms(parse(LOOP.format(**known | change))) == {(4, 8, 8): 1}


def test_branches_composites_and_custom_calls():
    text = """
    func.func private @product(%a: tensor<4x8xf32>, %b: tensor<8x5xf32>) -> tensor<4x5xf32> {
      %0 = stablehlo.dot %a, %b : (tensor<4x8xf32>, tensor<8x5xf32>) -> tensor<4x5xf32>
      return %0 : tensor<4x5xf32>
    }
    func.func @main(%a: tensor<4x8xf32>, %b: tensor<8x5xf32>, %c: tensor<i1>) -> tensor<4x5xf32> {
      %0 = stablehlo.custom_call @Sharding(%a) : (tensor<4x8xf32>) -> tensor<4x8xf32>
      %1 = stablehlo.composite "some.product" %0, %b {decomposition = @product}
        : (tensor<4x8xf32>, tensor<8x5xf32>) -> tensor<4x5xf32>
      %2 = "stablehlo.if"(%c) ({
        stablehlo.return %1 : tensor<4x5xf32>
      }, {
        %3 = func.call @product(%a, %b)
          : (tensor<4x8xf32>, tensor<8x5xf32>) -> tensor<4x5xf32>
        stablehlo.return %3 : tensor<4x5xf32>
      }) : (tensor<i1>) -> tensor<4x5xf32>
      %4 = stablehlo.custom_call @mystery(%2) : (tensor<4x5xf32>) -> tensor<4x5xf32>
      return %4 : tensor<4x5xf32>
    }
    """
    with pytest.warns(UserWarning, match=r"^t.mlir: 'mystery': the matrix work of this custom"):
        network = parse(text)
    assert gemms(network) == {(4, 5, 8): 2}
    assert network.skipped == {"mystery": 1}


def function(body, kind="tensor<4x4xf32>", name="main"):
    return f"func.func @{name}(%a: {kind}) -> {kind} {{ {body} return %0 : {kind} }}"


CALL = "%0 = func.call @{0}(%a) : (tensor<4x4xf32>) -> tensor<4x4xf32>"
DOUBLING = [
    function(f"{CALL.format(f'f{i}').replace('%0', '%1')} {CALL.format(f'f{i}')}", name=f"f{i - 1}")
    for i in range(1, 41)
]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected a function main or one public function; there are 0"),
        (b"ML\xefR garbage", "not a StableHLO program"),
        (b"\xff\xfe", "not a StableHLO program"),
        ("hello", "not a StableHLO program"),
        (function("%0 = stablehlo.tanh %a : tensor<4x4xf32>"), "no matrix work found"),
        (
            function(
                "%0 = stablehlo.dot_general %a, %a, contracting_dims = [1] x [0] :"
                " (tensor<?x4xf32>, tensor<?x4xf32>) -> tensor<?x4xf32>",
                "tensor<?x4xf32>",
            ),
            r"tensor<\?x4xf32> has a dimension of unknown size",
        ),
        (function(CALL.format("main")), "function 'main' calls itself"),
        (
            "\n".join(
                [
                    *DOUBLING,
                    function("%0 = stablehlo.tanh %a : tensor<4x4xf32>", name="f40"),
                    function(CALL.format("f0")),
                ]
            ),
            "more than 1000000 operations",
        ),
        ("\n".join(function(CALL.format("g"), name=x) for x in "gh"), "there are 2"),
    ],
)
def test_bad_programs_are_one_line(text, message):
    with pytest.raises(ValueError, match=message) as caught:
        parse(text)
    assert str(caught.value).startswith("t.mlir: ")
    assert "\n" not in str(caught.value)


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(ValueError, match="cannot be read"):
        read_stablehlo(tmp_path / "none.mlir")
    os.mkfifo(tmp_path / "fifo.mlir")
    with pytest.raises(ValueError, match="not a regular file"):
        read_stablehlo(tmp_path / "fifo.mlir")


SAMPLE = LOOP.format(first=0, last=5, step=1, test="LT, %i, %n", change="add").encode()


@hypothesis.given(
    st.lists(st.tuples(st.integers(0, len(SAMPLE) - 1), st.binary(max_size=2)), max_size=4)
)
@hypothesis.settings(max_examples=150)
@pytest.mark.filterwarnings("ignore:.*iterations is not known")
def test_nothing_but_value_errors_comes_out_of_damaged_programs(changes):
    data = bytearray(SAMPLE)
    for place, new in changes:
        data[place : place + len(new)] = new
    try:
        assert parse(bytes(data)).macs > 0
    except ValueError:
        return
