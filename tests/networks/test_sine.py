from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from mscn_tf.networks.sine import sine

LARGE, SMALL = 2**16, 7  # from which on a graph compiles its own, and below


def numbers(size: int, reach: float) -> np.ndarray:
    return np.random.default_rng(0).uniform(-reach, reach, size).astype(np.float32)


def derivatives(x: tf.Tensor, training: bool | None = None) -> list[tf.Tensor]:
    """sin(x + 1) and its first three derivatives, by nested tapes."""
    with tf.GradientTape() as outer:
        outer.watch(x)
        with tf.GradientTape() as middle:
            middle.watch(x)
            with tf.GradientTape() as inner:
                inner.watch(x)
                value = sine(x, tf.ones([]), training)
            first = inner.gradient(value, x)
        second = middle.gradient(first, x)
    return [value, first, second, outer.gradient(second, x)]


@pytest.mark.parametrize("size", [SMALL, LARGE])
@pytest.mark.parametrize("graph", [False, True])
@pytest.mark.parametrize("reach", [1.0, 3000.0])
@pytest.mark.parametrize("training", [None, False])
def test_values_and_derivatives(size, graph, reach, training):
    x = numbers(size, reach)
    found = (tf.function(derivatives) if graph else derivatives)(tf.constant(x), training)
    exact = (x + np.float32(1)).astype(np.float64)
    for value, wanted in zip(found, (np.sin(exact), np.cos(exact), -np.sin(exact), -np.cos(exact))):
        np.testing.assert_allclose(value, wanted, atol=1.5e-7, rtol=0)


def functions_called(shape: list[int | None], dtype: tf.DType = tf.float32) -> int:
    specs = tf.TensorSpec(shape, dtype), tf.TensorSpec([], dtype)
    graph = tf.function(sine).get_concrete_function(*specs).graph
    return sum("Call" in operation.type for operation in graph.get_operations())


def test_what_is_compiled():
    assert functions_called([4, LARGE // 4])
    assert not functions_called([4, None])  # each shape would be compiled anew; nor has ONNX it
    assert not functions_called([LARGE - 1])
    assert not functions_called([LARGE], tf.float64)


def test_special_numbers():
    x = np.zeros(LARGE, np.float32)
    x[1:5] = np.nan, np.inf, -np.inf, np.pi
    found = tf.function(sine)(tf.constant(x), tf.zeros([])).numpy()
    assert np.isnan(found[1:4]).all()
    assert not found[5:].any()
    assert abs(found[4]) < 2e-7


@pytest.mark.parametrize("shapes", [((8, 128, 64), (64,)), ((128, 64), (8, 1, 64))])
def test_gradients_of_what_is_broadcast(shapes):
    """Of both sums, through the first derivatives, as an outer step needs them."""
    x, shift = (tf.constant(numbers(int(np.prod(shape)), 2.0).reshape(shape)) for shape in shapes)

    def gradients(x: tf.Tensor, shift: tf.Tensor) -> list[tf.Tensor]:
        with tf.GradientTape() as outer:
            outer.watch([x, shift])
            with tf.GradientTape() as inner:
                inner.watch([x, shift])
                value = tf.reduce_sum(tf.square(sine(x, shift)))
            first = inner.gradient(value, [x, shift])
            total = sum(tf.reduce_sum(tf.square(gradient)) for gradient in first)
        return [*first, *outer.gradient(total, [x, shift])]

    for found, wanted in zip(tf.function(gradients)(x, shift), gradients(x, shift)):
        assert found.shape == wanted.shape
        np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-5 * np.abs(wanted).max())
