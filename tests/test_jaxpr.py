"""GEMMs of JAX functions: by hand, and against XLA's own count of operations."""

import functools

import hypothesis
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen, nnx
from hypothesis import strategies as st
from jax import lax
from jax.sharding import AbstractMesh, AxisType

from airchitect_jax import Layer, OperatorKind, from_jax


def floats(*shape):
    return jax.ShapeDtypeStruct(shape, jnp.float32)


def gemms(fn, *args):
    return [(layer.m, layer.n, layer.k, layer.count) for layer in from_jax(fn, *args).layers]


def xla_macs(fn, *args):
    """Multiply-accumulates as XLA counts them; for functions of products alone."""
    return jax.jit(fn).lower(*args).cost_analysis()["flops"] / 2


@hypothesis.given(
    st.lists(st.tuples(st.sampled_from("bcmn"), st.integers(1, 5)), max_size=6),
    st.lists(st.integers(1, 5), min_size=1, max_size=2),
)
@hypothesis.settings(max_examples=30)
def test_dot_general_equals_xla(free, contracting):
    batch = [side for kind, side in free if kind == "b"]
    lhs = [side for kind, side in free if kind == "m"]
    rhs = [side for kind, side in free if kind == "n"]
    axes, first = list(range(len(batch))), len(batch)
    inner = list(range(first, first + len(contracting)))
    product = functools.partial(lax.dot_general, dimension_numbers=((inner, inner), (axes, axes)))
    args = floats(*batch, *contracting, *lhs), floats(*batch, *contracting, *rhs)
    assert from_jax(product, *args).macs == xla_macs(product, *args)
    (found,) = gemms(product, *args)
    prod = [int(np.prod(sides)) for sides in (lhs, rhs, contracting, batch)]
    assert list(found) == prod


@pytest.mark.parametrize("groups", [1, 2, 4])
@pytest.mark.parametrize("strides", [(1, 1), (2, 3)])
@pytest.mark.parametrize("rhs_dilation", [(1, 1), (2, 1)])
def test_convolution_equals_xla(groups, strides, rhs_dilation):
    """Without padding, of which XLA leaves the zeros out."""

    def conv(x, w):
        return lax.conv_general_dilated(
            x,
            w,
            strides,
            "VALID",
            rhs_dilation=rhs_dilation,
            dimension_numbers=("NHWC", "HWIO", "NHWC"),
            feature_group_count=groups,
        )

    args = floats(2, 9, 11, 8), floats(3, 2, 8 // groups, 12)
    assert from_jax(conv, *args).macs == xla_macs(conv, *args)


def test_gemm_of_a_convolution():
    def conv(x, w):
        return lax.conv_general_dilated(x, w, (2, 2), "SAME", feature_group_count=2)

    assert gemms(conv, floats(3, 8, 10, 12), floats(6, 4, 3, 5)) == [(3 * 5 * 6, 3, 4 * 15, 2)]


def test_convolution_with_groups_of_the_batch():
    def conv(x, w):
        return lax.conv_general_dilated(x, w, (1, 1), "VALID", batch_group_count=2)

    args = floats(4, 3, 8, 8), floats(6, 3, 3, 3)
    assert gemms(conv, *args) == [(2 * 36, 3, 27, 2)]
    assert from_jax(conv, *args).macs == xla_macs(conv, *args)


def test_transposed_convolution_multiplies_no_inserted_zero():
    def conv(x, w):
        return lax.conv_transpose(x, w, (2, 2), "VALID", dimension_numbers=("NHWC", "HWIO", "NHWC"))

    args = floats(1, 5, 5, 3), floats(2, 2, 3, 7)
    assert gemms(conv, *args) == [(25, 7 * 4, 3, 1)]
    assert from_jax(conv, *args).macs == xla_macs(conv, *args)


def test_each_gradient_of_a_strided_convolution_costs_as_much_as_the_convolution():
    def conv(x, w):
        return lax.conv_general_dilated(x, w, (2, 2), "VALID").sum()

    args = floats(2, 3, 9, 9), floats(8, 3, 3, 3)
    forward = from_jax(conv, *args).macs
    assert from_jax(jax.grad(conv, argnums=(0, 1)), *args).macs == 2 * forward


def test_a_training_step_costs_three_times_its_inference():
    def loss(weights, x):
        for w in weights:
            x = jnp.tanh(x @ w)
        return x.sum()

    args = [floats(64, 32), floats(32, 16)], floats(8, 64)
    inference = from_jax(loss, *args)
    training = from_jax(jax.value_and_grad(loss, argnums=(0, 1)), *args)
    assert training.macs == 3 * inference.macs
    assert [layer.name for layer in inference.layers] == ["0", "1"]
    assert sum(layer.name.startswith("1 (backward)") for layer in training.layers) == 1


def test_remat_computes_again():
    def loss(w, x):
        return jnp.sin(jnp.sin(x @ w) @ w).sum()

    args = floats(4, 4), floats(2, 4)
    plain = from_jax(jax.value_and_grad(loss), *args).macs
    again = from_jax(jax.value_and_grad(jax.checkpoint(loss)), *args).macs
    assert plain < again <= plain + from_jax(loss, *args).macs


def test_vmap_over_inputs_shares_the_weights_and_over_both_does_not():
    def product(x, w):
        return x @ w

    assert gemms(jax.vmap(product, (0, None)), floats(7, 3, 4), floats(4, 5)) == [(21, 5, 4, 1)]
    assert gemms(jax.vmap(product), floats(7, 3, 4), floats(7, 4, 5)) == [(3, 5, 4, 7)]


def test_scan_counts_its_length_and_nests():
    def inner(x, w):
        return x @ w, None

    def outer(x, ws):
        return lax.scan(inner, x, ws)[0], None

    network = from_jax(lambda x, ws: lax.scan(outer, x, ws), floats(2, 4), floats(5, 3, 4, 4))
    assert network.layers == (Layer(name="dot_general", m=2, n=4, k=4, count=15),)


def test_a_scan_over_nothing_is_no_work():
    def step(x, w):
        return x @ w, None

    with pytest.raises(ValueError, match="no matrix work"):
        from_jax(lambda x, ws: lax.scan(step, x, ws), floats(2, 4), floats(0, 4, 4))


def test_cond_counts_the_dearest_branch():
    def fn(x, w, wide):
        return lax.cond(x[0, 0] > 0, lambda: (x @ w).sum(), lambda: (x @ wide).sum())

    assert gemms(fn, floats(2, 4), floats(4, 4), floats(4, 9)) == [(2, 9, 4, 1)]


def test_while_counts_once_and_warns():
    def fn(x):
        return lax.while_loop(lambda x: x[0, 0] > 0, lambda x: x @ x, x)

    with pytest.warns(UserWarning, match="while: the number of iterations is not known"):
        assert gemms(fn, floats(4, 4)) == [(4, 4, 4, 1)]


def test_what_no_result_depends_on_is_not_counted():
    def dead(x, w):
        x @ w
        return x @ x

    product = [(4, 4, 4, 1)]
    args = floats(4, 4), floats(4, 9)
    assert gemms(dead, *args) == product
    assert gemms(jax.jit(dead), *args) == product

    def scanned(x, w):
        def step(carry, _):
            return carry @ carry, carry @ w

        return lax.scan(step, x, length=3)[0]

    assert gemms(scanned, *args) == [(4, 4, 4, 3)]

    def branches(x, w):
        pair = lax.cond(x[0, 0] > 0, lambda: (x @ x, x @ w), lambda: (x, w))
        return pair[0]

    assert gemms(branches, *args) == product

    def loop(x, w):
        def step(carry):
            first, second, third, fourth = carry
            return first @ first, third + 1, third + 1, second + fourth @ first

        return lax.while_loop(lambda carry: carry[1] < 3, step, (x, 0, 0, x))[0]

    with pytest.warns(UserWarning, match="while"):
        assert gemms(loop, *args) == product


def test_custom_derivatives():
    @jax.custom_vjp
    def square(x):
        return x @ x

    square.defvjp(lambda x: (x @ x, x), lambda x, g: (g @ x.T + x.T @ g,))
    assert gemms(square, floats(4, 4)) == [(4, 4, 4, 1)]
    assert gemms(jax.value_and_grad(lambda x: square(x).sum()), floats(4, 4)) == [(4, 4, 4, 1)] * 3

    @jax.custom_jvp
    def cube(x):
        return x @ x @ x

    cube.defjvp(lambda primals, tangents: (cube(*primals), tangents[0] @ primals[0]))
    assert gemms(cube, floats(4, 4)) == [(4, 4, 4, 1)] * 2


def test_shard_map_counts_all_devices():
    mesh = AbstractMesh((4,), ("data",), axis_types=(AxisType.Auto,))
    spec = jax.P("data")
    fn = jax.shard_map(jnp.dot, mesh=mesh, in_specs=(spec, jax.P()), out_specs=spec)
    assert gemms(fn, floats(16, 5), floats(5, 6)) == [(4, 6, 5, 4)]


def test_ragged_dot_splits_its_rows_evenly():
    def experts(x, w):
        return lax.ragged_dot(x, w, jnp.array([1, 2, 4]))

    args = floats(7, 5), floats(3, 5, 6)
    assert gemms(experts, *args) == [(3, 6, 5, 1), (2, 6, 5, 2)]
    gradient = jax.value_and_grad(lambda x, w: experts(x, w).sum(), argnums=(0, 1))
    assert from_jax(gradient, *args).macs == 3 * 7 * 5 * 6


def test_what_cannot_be_seen_into_is_said():
    def fn(a, b):
        return jnp.linalg.cholesky(a) @ b

    with pytest.warns(UserWarning, match="cholesky: its matrix work, if any, is not counted"):
        network = from_jax(fn, floats(4, 4), floats(4, 4))
    assert network.skipped["cholesky"] == 1


class Net(nnx.Module):
    def __init__(self, rngs):
        self.conv = nnx.Conv(3, 8, (3, 3), rngs=rngs)
        self.norm = nnx.BatchNorm(8, rngs=rngs)
        self.dropout = nnx.Dropout(0.1, rngs=rngs)
        self.attention = nnx.MultiHeadAttention(2, 8, decode=False, rngs=rngs)

    def __call__(self, x):
        x = self.dropout(self.norm(self.conv(x))).reshape(x.shape[0], -1, 8)
        return self.attention(x)


def test_a_flax_nnx_module_in_one_line_without_weights():
    network = from_jax(nnx.eval_shape(lambda: Net(nnx.Rngs(0))), floats(2, 4, 4, 3))
    assert network.name == "Net"
    found = {layer.name: (layer.m, layer.n, layer.k, layer.count) for layer in network.layers}
    assert found["conv.kernel"] == (32, 8, 27, 1)
    assert found["attention.query.kernel"] == (32, 8, 8, 1)
    # Two heads of width 4 over 16 positions, for each of two images.
    assert list(found.values()).count((16, 16, 4, 4)) == 1
    assert (
        list(found.values()).count((16, 4, 16, 4)) + list(found.values()).count((4, 16, 16, 4)) == 1
    )
    kinds = {operator.kind for operator in network.operators}
    assert OperatorKind.NORMALIZATION in kinds
    assert OperatorKind.SOFTMAX in kinds
    assert not network.skipped


def test_flax_linen_names_layers_by_scope():
    class Mlp(linen.Module):
        @linen.compact
        def __call__(self, x):
            for width in (7, 5):
                x = linen.Dense(width)(x)
            return x

    model = Mlp()
    weights = jax.eval_shape(model.init, jax.random.key(0), floats(2, 4))
    network = from_jax(model.apply, weights, floats(2, 4), name="mlp")
    assert [layer.name for layer in network.layers] == ["Mlp/Dense_0", "Mlp/Dense_1"]
    assert network.name == "mlp"


def test_a_model_larger_than_memory_is_no_trouble():
    huge = floats(2**20, 2**20)  # four terabytes
    assert from_jax(lambda w, x: x @ w, huge, floats(1, 2**20)).macs == 2**40


def test_names_are_distinct():
    network = from_jax(lambda w, x: x @ w["a"] @ w["a"], {"a": floats(3, 3)}, floats(1, 3))
    assert [layer.name for layer in network.layers] == ["a", "a (2)"]


def test_bad_input_is_one_line():
    with pytest.raises(ValueError, match="no matrix work"):
        from_jax(jnp.sin, floats(3))
    with pytest.raises(ValueError, match="not callable"):
        from_jax(3)
    with pytest.raises(ValueError, match="k must be in"):
        from_jax(lambda x, y: x @ y, floats(1, 2**31), floats(2**31, 1))
