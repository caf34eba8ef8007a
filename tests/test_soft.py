"""Soft numbers: the operators against hand-worked cases, quadrature and finite differences."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads

from airchitect_jax.cost import Soft, arithmetic, soft

# The logistic distribution by its quantiles, at the middles of as many equal probabilities.
PROBABILITIES = (np.arange(200_000) + 0.5) / 200_000
LOGISTIC = np.log(PROBABILITIES) - np.log1p(-PROBABILITIES)


def of(mean, spread):
    return Soft(jnp.asarray(mean), jnp.asarray(spread))


def test_sums_products_and_quotients_propagate_to_first_order():
    a, b = of(6.0, 0.5), of(-2.0, 0.25)
    for result, mean, spread in [
        (a + b, 4, 0.75),
        (a - b, 8, 0.75),
        (3 - a, -3, 0.5),
        (a * b, -12, 6 * 0.25 + 2 * 0.5),
        (-2 * a, -12, 1),
        (a / b, -3, (0.5 + 3 * 0.25) / 2),
        (12 / a, 2, 2 * 0.5 / 6),
        (a / -2, -3, 0.25),
        (a**2, 36, 6),
        (np.array([1.0, 2.0], np.float32) * a, [6, 12], [0.5, 1]),
    ]:
        np.testing.assert_allclose(result.mean, mean, rtol=1e-6)
        np.testing.assert_allclose(result.spread, spread, rtol=1e-6)


@pytest.mark.parametrize("a", [0.3, 5.0, 7.2, 40.0])
def test_larger_is_the_mean_of_a_maximum(a):
    sampled = np.maximum(7 + a - 7 + 1.5 * LOGISTIC, 7).mean()
    np.testing.assert_allclose(soft.larger(of(a, 1.0), of(7.0, 0.5)).mean, sampled, rtol=1e-4)


@pytest.mark.parametrize("a", [0.0, 0.3, 5.0, 7.2, 40.0])
def test_smaller_is_the_mean_of_a_difference_of_sizes(a):
    sampled = (abs(a + 7 + 1.5 * LOGISTIC) - abs(a - 7 + 1.5 * LOGISTIC)).mean() / 2
    result = soft.smaller(of(a, 1.0), of(7.0, 0.5)).mean
    np.testing.assert_allclose(result, sampled, rtol=1e-4, atol=1e-5)
    assert 0 <= result <= min(a, 7)


@pytest.mark.parametrize("x", [5.0, 5.25, 6.5, 9.99])
@pytest.mark.parametrize("spread", [0.01, 0.1, 0.35])
def test_floor_is_the_mean_of_a_floor(x, spread):
    sampled = np.floor(x + spread * LOGISTIC).mean()
    np.testing.assert_allclose(soft.floor(of(x, spread)).mean, sampled, atol=1e-3)


def test_floor_without_steps():
    x = np.linspace(6, 8, 50, dtype=np.float32)
    np.testing.assert_allclose(soft.floor(of(x, np.full_like(x, 50))).mean, x - 0.5, atol=3e-3)


def test_a_floor_never_changes_sign():
    x = np.array([0.01, 0.3, 0.9], np.float32)
    assert (soft.floor(of(x, x)).mean >= 0).all()
    folds = arithmetic.ceil_div(5.0, of(5 / x, 5 / x))
    assert (folds.mean >= 1).all()
    np.testing.assert_allclose(folds.mean[0], 1, atol=1e-6)


def test_comparisons_are_probabilities_of_a_half_more():
    share = of(3.5, 0.5) > 3
    np.testing.assert_allclose(share.mean, 0.5, atol=1e-6)
    np.testing.assert_allclose((of(1.5, 0.5) < 3).mean, jax.nn.sigmoid(2.0), rtol=1e-5)
    np.testing.assert_allclose((of(3.0, 1e-4) > 3).mean, 0, atol=1e-6)


def test_select_mixes_by_probability():
    result = soft.select(Soft(0.25, 0.0), of(4.0, 1.0), of(8.0, 3.0))
    np.testing.assert_allclose([result.mean, result.spread], [7, 2.5])
    flags = np.array([True, False])
    result = soft.select(flags, of([1.0, 2.0], [0.1, 0.2]), 0)
    np.testing.assert_allclose(result.mean, [1, 0])
    np.testing.assert_allclose(result.spread, np.array([0.1, 0], np.float32))


def test_last_tile_is_uncertain_by_a_tile_at_most():
    # 10 = 4 + 4 + 2
    tiles = arithmetic.ceil_div(10.0, of(4.0, 1e-5))
    last = arithmetic.last_tile(10.0, of(4.0, 1e-5), tiles)
    np.testing.assert_allclose([tiles.mean, last.mean], [3, 2], atol=1e-4)
    wide = of(4.0, 4.0)
    assert arithmetic.last_tile(1e6, wide, arithmetic.ceil_div(1e6, wide)).spread < 4


@pytest.mark.parametrize("spread", [1e-9, 1e-3])
def test_sharp_numbers_are_exact(spread):
    pairs = np.array([(a, b) for a in (1, 5, 12, 255, 256) for b in (1, 3, 4, 256)], float)
    with jax.enable_x64(True):
        a, b = of(pairs[:, 0], spread * 0.01), of(pairs[:, 1], spread * 0.001)
        exact = pairs.T
        for function in (arithmetic.larger, arithmetic.smaller):
            np.testing.assert_allclose(function(a, b).mean, function(*exact), atol=2e-3)
        for function in (arithmetic.floor_div, arithmetic.ceil_div):
            np.testing.assert_allclose(function(a, b).mean, function(*exact), atol=1e-2)


def test_weighted_sum_of_soft_numbers_is_that_of_each():
    def rows(a, b):
        return [(2, [(1, a, b), (b, b, 0.5)]), (a, [(3, 1, a)])]

    numbers = of([3.0, 1.0], [0.2, 0.1]), of([2.0, 5.0], [0.3, 0.0])
    result = arithmetic.weighted_sum(arithmetic.larger, rows(*numbers))
    a, b = numbers
    one_by_one = (soft.larger(a, b) + b * soft.larger(b, 0.5)) * 2 + a * (soft.larger(1, a) * 3)
    np.testing.assert_allclose(result.mean, one_by_one.mean, rtol=1e-6)
    np.testing.assert_allclose(result.spread, one_by_one.spread, rtol=1e-6)
    # Whole numbers: 2 (max(3, 2) + 2 max(2, 0)) + 3 * 3 max(1, 3)
    assert arithmetic.weighted_sum(max, [(2, [(1, 3, 2), (2, 2, 0)]), (3, [(3, 1, 3)])]) == 41


@jax.jit
def values(a, of_a, b, of_b):
    x, y = Soft(a, of_a), Soft(b, of_b)
    results = [soft.larger(x, y), soft.smaller(x, y), soft.floor(x / y + 0.3), x**1.5]
    return [(result.mean, result.spread) for result in results], (x > y).mean


@pytest.mark.parametrize("b", [2.0, 3.0, 3.4, 30.0])
def test_slopes_are_those_of_finite_differences(b):
    with jax.enable_x64(True):
        check_grads(values, (3.0, 0.7, b, 0.4), order=1, rtol=1e-6, atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("spread", [0.0, 1e-6, 1.0, 1e9])
def test_slopes_are_finite_everywhere(dtype, spread):
    numbers = [0.0, 1.0, 1.5, 256.0, 1e9]

    def total(a, b):
        x, y = Soft(a, a * spread), Soft(b, b * spread)
        results = [soft.larger(x, y), soft.smaller(x, y), soft.floor(x), x > y]
        results += [soft.floor_div(x, y + 1), soft.larger(x, 0), soft.smaller(y, 1)]
        return sum(result.mean + result.spread for result in results)

    with jax.enable_x64(dtype == "float64"):
        a, b = (jnp.asarray(x.ravel(), dtype) for x in np.meshgrid(numbers, numbers))
        value, slopes = jax.vmap(jax.value_and_grad(total, argnums=(0, 1)))(a, b)
        assert np.isfinite(value).all()
        assert np.isfinite(slopes).all()
