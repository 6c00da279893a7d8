from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from mscn_tf.entropy.quantisation import add_uniform_noise, round_dead_zone

VALUES = hnp.arrays(np.float64, hnp.array_shapes(max_dims=2), elements=st.floats(-1e4, 1e4))
DEAD_ZONES = st.floats(0, 0.45)


@given(VALUES, DEAD_ZONES)
def test_whole_numbers_near_the_value(values, dead_zone):
    rounded = round_dead_zone(tf.constant(values), dead_zone).numpy()
    np.testing.assert_array_equal(rounded, np.rint(rounded))
    assert np.all(rounded * values >= 0)  # never across zero
    distance = np.abs(values) - np.abs(rounded)  # positive: towards zero
    assert np.all(distance >= -0.5 + dead_zone - 1e-9)
    assert np.all(distance <= 0.5 + dead_zone + 1e-9)


@given(VALUES, DEAD_ZONES)
def test_odd_and_monotone(values, dead_zone):
    rounded = round_dead_zone(tf.constant(values), dead_zone).numpy()
    np.testing.assert_array_equal(round_dead_zone(tf.constant(-values), dead_zone), -rounded)
    order = np.argsort(values, axis=None)
    assert np.all(np.diff(rounded.ravel()[order]) >= 0)


@given(VALUES, DEAD_ZONES, DEAD_ZONES)
def test_a_wider_dead_zone_never_makes_a_symbol_larger(values, one, other):
    narrow, wide = sorted((one, other))
    more = np.abs(round_dead_zone(tf.constant(values), narrow))
    less = np.abs(round_dead_zone(tf.constant(values), wide))
    assert np.all((more - less == 0) | (more - less == 1))


@given(st.integers(-50, 50), DEAD_ZONES)
def test_whole_numbers_stay(number, dead_zone):
    assert float(round_dead_zone(tf.constant(float(number)), dead_zone)) == number


def test_no_dead_zone_is_plain_rounding():
    values = np.random.default_rng(0).uniform(-9, 9, 1000)
    np.testing.assert_array_equal(round_dead_zone(tf.constant(values), 0.0), np.rint(values))


def test_the_dead_zone_may_differ_by_value():
    values = tf.constant([[0.6, 0.6, 1.6], [-0.6, -0.6, -1.6]])
    rounded = round_dead_zone(values, tf.constant([0.0, 0.2, 0.2]))
    np.testing.assert_array_equal(rounded, [[1, 0, 1], [-1, 0, -1]])


@given(VALUES, DEAD_ZONES)
def test_the_gradient_passes_as_it_is(values, dead_zone):
    values = tf.constant(values)
    upstream = np.random.default_rng(0).normal(size=values.shape)
    with tf.GradientTape() as tape:
        tape.watch(values)
        total = tf.reduce_sum(round_dead_zone(values, dead_zone) * upstream)
    np.testing.assert_array_equal(tape.gradient(total, values), upstream)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_noise(dtype):
    values = tf.cast(tf.linspace(-3.0, 3.0, 20000), dtype)
    noisy = add_uniform_noise(values, [1, 2])
    noise = (noisy - values).numpy()
    assert noise.dtype == dtype
    assert -0.5 - 1e-6 <= noise.min() < -0.49
    assert 0.49 < noise.max() <= 0.5 + 1e-6
    assert abs(noise.mean()) < 0.01
    assert abs(noise.var() - 1 / 12) < 0.002
    np.testing.assert_array_equal(noisy, add_uniform_noise(values, [1, 2]))
    assert np.any(noisy != add_uniform_noise(values, [1, 3]))
    with tf.GradientTape() as tape:
        tape.watch(values)
        total = tf.reduce_sum(add_uniform_noise(values, [1, 2]))
    np.testing.assert_array_equal(tape.gradient(total, values), np.ones(20000))
