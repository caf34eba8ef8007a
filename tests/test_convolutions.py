"""GEMMs of convolutions of every kind, and of their gradients, against XLA's own count."""

import hypothesis
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import strategies as st
from jax import lax

from airchitect_jax import from_jax


def floats(*shape):
    return jax.ShapeDtypeStruct(shape, jnp.float32)


def xla_macs(fn, *args):
    return jax.jit(fn).lower(*args).cost_analysis().get("flops", 0) / 2


SIDES = st.tuples(
    st.integers(4, 8),  # inputs
    st.integers(1, 4),  # taps
    st.integers(1, 3),  # stride
    st.integers(1, 3),  # dilation of the filter
    st.integers(1, 3),  # dilation of the input
    st.integers(-2, 3),  # padding before
    st.integers(-2, 3),  # padding after
)


def fewest_pairs(inputs, taps, outputs, stride, dilation, spacing, padding):
    """One dimension of a convolution, every pair looked at."""

    def count(xs, step_x, ys, step_y, modulus):
        return sum(
            (x * step_x + y * step_y - padding) % modulus == 0 for x in range(xs) for y in range(ys)
        )

    return min(
        count(outputs, stride, taps, dilation, spacing),
        count(inputs, -spacing, taps, dilation, stride),
        count(inputs, -spacing, outputs, stride, dilation),
    )


def check_convolution(sides, groups, batch_groups, channels, filters, batch):
    inputs, taps, strides, rhs_dilation, lhs_dilation, low, high = zip(*sides, strict=True)
    if batch_groups > 1:
        groups = 1
    x = floats(batch * batch_groups, channels * groups, *inputs)
    w = floats(filters * groups * batch_groups, channels, *taps)

    def conv(x, w):
        return lax.conv_general_dilated(
            x,
            w,
            strides,
            list(zip(low, high, strict=True)),
            lhs_dilation,
            rhs_dilation,
            feature_group_count=groups,
            batch_group_count=batch_groups,
        )

    def macs(fn, *args):
        try:
            return from_jax(fn, *args).macs
        except ValueError:  # no matrix work: no window meets more than inserted zeros
            return 0

    y = jax.eval_shape(conv, x, w)
    hypothesis.assume(min(y.shape))
    outer = batch * channels * filters * groups * batch_groups
    dilated = max(lhs_dilation) > 1
    pairs = [
        fewest_pairs(i, t, o, *side[2:6]) if dilated else o * t
        for i, t, o, side in zip(inputs, taps, y.shape[2:], sides, strict=True)
    ]
    assert macs(conv, x, w) == outer * np.prod(pairs)
    unpadded = max(*low, *high) <= 0
    for fn, args, exact in (
        (conv, (x, w), unpadded),
        (lambda x, g: jax.linear_transpose(lambda w: conv(x, w), w)(g), (x, y), unpadded),
        (
            lambda w, g: jax.linear_transpose(lambda x: conv(x, w), x)(g),
            (w, y),
            unpadded and max(strides) > 1,  # else it is a padded convolution without dilation
        ),
    ):
        ours, theirs = macs(fn, *args), xla_macs(fn, *args)
        assert ours == theirs if exact else ours >= theirs


CONVOLUTIONS = st.tuples(
    st.lists(SIDES, min_size=1, max_size=2),
    st.integers(1, 3),
    st.integers(1, 2),
    st.integers(1, 3),
    st.integers(1, 3),
    st.integers(1, 2),
)


@hypothesis.given(CONVOLUTIONS)
@hypothesis.settings(max_examples=15)
def test_convolutions_and_their_gradients_count_as_xla_does(drawn):
    check_convolution(*drawn)


@pytest.mark.slow
@hypothesis.given(CONVOLUTIONS)
@hypothesis.settings(max_examples=200)
def test_many_convolutions_and_their_gradients_count_as_xla_does(drawn):
    check_convolution(*drawn)


def test_the_gradients_of_a_transposed_convolution_cost_as_much_as_it_does():
    """Its weights' gradient is a convolution of a dilated input by a filter as large as images."""

    def up(x, w):
        return lax.conv_transpose(x, w, (2, 2), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))

    args = floats(2, 16, 16, 8), floats(2, 2, 8, 3)
    (layer,) = from_jax(up, *args).layers
    assert (layer.m, layer.n, layer.k, layer.count) == (512, 12, 8, 1)
    training = jax.grad(lambda x, w: up(x, w).sum(), argnums=(0, 1))
    assert from_jax(training, *args).macs == 2 * from_jax(up, *args).macs


def test_a_dilated_input_under_a_strided_window_multiplies_no_inserted_zero():
    def conv(x, w):
        return lax.conv_general_dilated(x, w, (3,), [(0, 0)], lhs_dilation=(2,))

    args = floats(1, 5, 100), floats(7, 5, 4)
    # Half of the taps of each window fall on zeros; there are (199 - 4) // 3 + 1 windows.
    assert from_jax(conv, *args).macs == 66 * 2 * 5 * 7 == xla_macs(conv, *args)
