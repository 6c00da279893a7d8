from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from mscn_tf.networks.basis import BasisNetwork
from mscn_tf.networks.products import precision, product
from mscn_tf.networks.siren import SirenLayer


def normal(*shape: int) -> np.ndarray:
    return np.random.default_rng(shape).normal(size=shape).astype(np.float32)


def rounded(x: np.ndarray) -> np.ndarray:
    """To the 8 significant bits of bfloat16, as float64; nearest, since no ties are met."""
    fraction, exponent = np.frexp(x.astype(np.float64))
    return np.ldexp(np.rint(fraction * 256) / 256, exponent)


@pytest.mark.parametrize("transpose_b", [False, True])
def test_products_of_rounded_factors(transpose_b):
    a, b = normal(3, 5, 7), normal(3, 7, 4)
    with precision("bfloat16"):
        found = product(a, b.swapaxes(1, 2) if transpose_b else b, transpose_b)
    assert found.dtype == tf.float32
    exact, terms = rounded(a) @ rounded(b), np.abs(rounded(a)) @ np.abs(rounded(b))
    # Processors without such products round the sums on the way, too: at most 7 times.
    assert np.all(np.abs(found - exact) <= 7 * 2**-9 * terms)
    assert np.abs(found - a @ b).max() > 1e-3
    np.testing.assert_allclose(product(a, b), a @ b, rtol=1e-5, atol=1e-5)  # float32 again


def test_within_it_derivatives_are_rounded_too():
    a, b = tf.constant(normal(5, 7)), tf.constant(normal(7, 4))

    def gradient() -> tf.Tensor:
        with tf.GradientTape() as tape:
            tape.watch(a)
            total = tf.reduce_sum(product(a, b))
        return tape.gradient(total, a)

    exact = np.broadcast_to(b.numpy().sum(axis=1), [5, 7])
    np.testing.assert_allclose(gradient(), exact, rtol=1e-5, atol=1e-6)
    with precision("bfloat16"):
        found = gradient()
    assert 0 < np.abs(found - exact).max() < 0.03 * np.abs(exact).max()


def test_graphs_keep_the_precision_that_they_are_made_in():
    a, b = tf.constant(normal(5, 7)), tf.constant(normal(7, 4))
    one, other = tf.function(product), tf.function(lambda a, b: product(a, b))
    with precision("bfloat16"):
        wanted = one(a, b).numpy()
    np.testing.assert_array_equal(one(a, b), wanted)
    assert np.abs(other(a, b) - wanted).max() > 1e-3


def test_other_dtypes_and_the_first_layer_stay_as_they_are():
    """A coordinate that is rounded moves, by up to a pixel of a large picture."""
    double = normal(5, 7).astype(np.float64)
    layer, x = SirenLayer(6, is_first=True, seed=0), normal(50, 2)
    exact = layer(x).numpy()
    with precision("bfloat16"):
        np.testing.assert_array_equal(product(double, double.T), tf.matmul(double, double.T))
        np.testing.assert_array_equal(layer(x), exact)


def test_hidden_layers_change_a_little():
    layer, x = SirenLayer(6, w0=3.0, seed=0), normal(50, 4)
    network = BasisNetwork(edge=8, code_size=12, features=4, feature_frequencies=4, width=8)
    network.build(None)
    network.out_kernel.assign(0.1 * normal(8, 3))
    grid = [tf.constant(axis, tf.float32) for axis in network.nominal_grid]
    for call in (
        lambda: layer(x).numpy(),
        lambda: network(normal(2, 12), *grid, tf.constant([3.0, 4.0])).numpy(),
    ):
        exact = call()
        with precision("bfloat16"):
            change = np.abs(call() - exact).max()
        assert 0 < change < 0.03
