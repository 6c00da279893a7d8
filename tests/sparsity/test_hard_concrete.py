from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from mscn_tf.sparsity import hard_concrete
from mscn_tf.sparsity.hard_concrete import HardConcrete
from tests.harness import check_layer

LOG_ALPHA = np.array([-4.0, -1.5, -0.3, 0.0, 0.8, 2.0, 5.0])


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def reference_sample(log_alpha, u):
    """Louizos et al. 2018, eqs. 10 and 11, in NumPy float64."""
    s = sigmoid((np.log(u) - np.log(1 - u) + log_alpha) / (2 / 3))
    return np.minimum(1, np.maximum(0, s * (1.1 - -0.1) + -0.1))


def test_sample_equals_numpy():
    u = np.random.default_rng(0).uniform(0.001, 0.999, [500, 7])
    z = hard_concrete.sample(tf.constant(LOG_ALPHA), tf.constant(u))
    np.testing.assert_allclose(z, reference_sample(LOG_ALPHA, u), atol=1e-12)
    assert {0.0, 1.0} <= set(z.numpy().ravel())


def test_deterministic_equals_numpy():
    expected = np.clip(sigmoid(LOG_ALPHA) * 1.2 - 0.1, 0, 1)
    np.testing.assert_allclose(hard_concrete.deterministic(LOG_ALPHA), expected, atol=1e-12)
    assert expected[0] == 0
    assert expected[-1] == 1


def test_open_probability_is_that_of_the_samples():
    """200,000 draws a gate; a right formula fails 7 tests within 5 deviations 4 in a million."""
    draws = 200_000
    u = np.random.default_rng(1).uniform(size=[draws, 7])
    is_open = np.mean(reference_sample(LOG_ALPHA, u) > 0, axis=0)
    p = hard_concrete.open_probability(tf.constant(LOG_ALPHA)).numpy()
    assert np.all(np.abs(is_open - p) < 5 * np.sqrt(p * (1 - p) / draws))


def test_sampled_gates_are_open_as_often_as_promised():
    """The same through our own noise and sampling, in float32; fails 4 in a million."""
    draws = 200_000
    log_alpha = tf.constant(LOG_ALPHA, tf.float32)
    noise = hard_concrete.uniform_noise([draws, 7], [3, 4])
    z = hard_concrete.sample(log_alpha, noise).numpy()
    p = sigmoid(LOG_ALPHA - 2 / 3 * np.log(0.1 / 1.1))
    assert np.all(np.abs(np.mean(z > 0, axis=0) - p) < 5 * np.sqrt(p * (1 - p) / draws))
    # By symmetry a gate is exactly 1 as often as that of -log_alpha is exactly 0.
    q = 1 - sigmoid(-LOG_ALPHA - 2 / 3 * np.log(0.1 / 1.1))
    assert np.all(np.abs(np.mean(z == 1, axis=0) - q) < 5 * np.sqrt(q * (1 - q) / draws))


def test_sampled_gradient_is_unbiased():
    """Mean gradient of sampled gates against the gradient of E[z] by quadrature; 5 deviations."""
    draws, h = 200_000, 1e-4
    u = (np.arange(1_000_000) + 0.5) / 1_000_000
    expected = [
        np.mean(reference_sample(a + h, u) - reference_sample(a - h, u)) / (2 * h)
        for a in LOG_ALPHA
    ]
    log_alpha = tf.tile(tf.constant(LOG_ALPHA)[None], [draws, 1])
    noise = hard_concrete.uniform_noise([draws, 7], [5, 6], tf.float64)
    with tf.GradientTape() as tape:
        tape.watch(log_alpha)
        z = hard_concrete.sample(log_alpha, noise)
    gradients = tape.gradient(z, log_alpha).numpy()
    errors = np.abs(gradients.mean(0) - expected)
    assert np.all(errors < 5 * gradients.std(0) / np.sqrt(draws) + 1e-6)


@pytest.mark.parametrize(
    "function",
    [
        lambda a: hard_concrete.sample(a, tf.constant(np.linspace(0.2, 0.8, 7))),
        lambda a: hard_concrete.deterministic(a),
        lambda a: hard_concrete.expected_l0(a, tf.range(1, 8)),
    ],
)
def test_gradients_equal_finite_differences(function):
    log_alpha, h = tf.constant(LOG_ALPHA), 1e-6
    with tf.GradientTape() as tape:
        tape.watch(log_alpha)
        total = tf.reduce_sum(function(log_alpha))
    gradient = tape.gradient(total, log_alpha)
    differences = [
        (tf.reduce_sum(function(log_alpha + d)) - tf.reduce_sum(function(log_alpha - d))) / (2 * h)
        for d in h * np.eye(7)
    ]
    np.testing.assert_allclose(gradient, differences, atol=1e-8)
    assert np.abs(gradient).max() > 0.01


def test_l0_norms_count_the_elements_of_each_group():
    sizes = np.array([1, 2, 3, 4, 5, 6, 7])
    batch = tf.constant(np.stack([LOG_ALPHA, -LOG_ALPHA, np.full(7, -20.0)]))
    p = sigmoid(batch.numpy() + 2 / 3 * np.log(11))
    np.testing.assert_allclose(hard_concrete.expected_l0(batch, sizes), (p * sizes).sum(1))
    np.testing.assert_allclose(hard_concrete.expected_l0(batch), p.sum(1))
    # The deterministic gate is closed below log(1 / 11) = -2.398.
    np.testing.assert_array_equal(hard_concrete.actual_l0(batch, sizes), [27, 21, 0])
    np.testing.assert_array_equal(hard_concrete.actual_l0(batch), [6, 6, 0])


@settings(deadline=None, max_examples=50)
@given(st.floats(0.001, 0.999))
def test_location_inverts_open_probability(probability):
    log_alpha = tf.constant(hard_concrete.location(probability), tf.float64)
    np.testing.assert_allclose(hard_concrete.open_probability(log_alpha), probability)


@pytest.mark.parametrize("extreme", [-200.0, 200.0])
def test_extremes_stay_finite(extreme):
    """Gates, norms and gradients in float32 far out, and at the ends of the noise."""
    log_alpha = tf.fill([2], extreme)
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(log_alpha)
        z = hard_concrete.sample(log_alpha, tf.constant([1e-6, 1 - 1e-6]))
        norm = hard_concrete.expected_l0(log_alpha)
    np.testing.assert_array_equal(z, [float(extreme > 0)] * 2)
    for result in (norm, tape.gradient(z, log_alpha), tape.gradient(norm, log_alpha)):
        assert np.all(np.isfinite(result))


def test_noise_is_a_function_of_its_seed():
    noise = [hard_concrete.uniform_noise([1000], seed).numpy() for seed in ([1, 2], [1, 2], [1, 3])]
    np.testing.assert_array_equal(noise[0], noise[1])
    assert np.all(noise[0] != noise[2])
    assert 0 < noise[0].min() < 0.02
    assert 0.98 < noise[0].max() < 1


def test_round_trips():
    layer = HardConcrete(5, initial_open=0.3, beta=0.5, gamma=-0.2, zeta=1.3, floor=0.1)
    log_alpha = np.random.default_rng(0).normal(size=[4, 5]).astype("f4")
    check_layer(layer, log_alpha)


def test_layer_starts_at_the_wanted_probability():
    layer = HardConcrete(5, initial_open=0.3, beta=0.5, gamma=-0.2, zeta=1.3)
    start = layer.initial(4)
    assert start.shape == (4, 5)
    np.testing.assert_allclose(layer.expected_l0(start), [0.3 * 5] * 4, rtol=1e-5)
    assert [w.shape for w in layer.trainable_weights] == [(5,)]


def test_layer_uses_its_own_constants():
    layer = HardConcrete(1, beta=0.5, gamma=-0.2, zeta=1.3, dtype="float64")
    noise, log_alpha = tf.constant([[0.3]], tf.float64), tf.constant([[0.4]], tf.float64)
    s = sigmoid((np.log(0.3 / 0.7) + 0.4) / 0.5)
    np.testing.assert_allclose(layer(log_alpha, noise), [[s * 1.5 - 0.2]])
    np.testing.assert_allclose(layer(log_alpha), [[sigmoid(0.4) * 1.5 - 0.2]])
    np.testing.assert_allclose(layer.expected_l0(log_alpha), [sigmoid(0.4 - 0.5 * np.log(2 / 13))])


@pytest.mark.parametrize("floor", [0.0, 0.05])
def test_a_start_that_training_drives_out_stays_within_bounds(floor):
    """At a floor every gate is still a little open, and can be moved."""
    layer = HardConcrete(2, floor=floor, gamma=-0.2, zeta=1.3)
    optimizer = keras.optimizers.SGD(1.0)
    optimizer.build([layer.log_alpha])
    for _ in range(2):
        optimizer.apply_gradients([(tf.constant([500.0, -500.0]), layer.log_alpha)])
    least, most = layer.log_alpha.numpy()
    assert most == hard_concrete.LIMIT
    gates = layer(layer.initial(1))[0].numpy()
    assert gates[1] == 1
    if floor:
        np.testing.assert_allclose(gates[0], floor, rtol=1e-5)
    else:
        assert least == -hard_concrete.LIMIT
        assert gates[0] == 0


@pytest.mark.parametrize("floor", [-0.1, 1.0])
def test_wrong_floors_are_refused(floor):
    with pytest.raises(ValueError, match="floor must be at least 0 and less than 1"):
        HardConcrete(3, floor=floor)


@pytest.mark.parametrize(
    "wrong",
    [{"count": 0}, {"initial_open": 1.0}, {"beta": 0.0}, {"gamma": 0.0}, {"zeta": 1.0}],
)
def test_wrong_constants_are_refused(wrong):
    with pytest.raises(ValueError, match="gates need"):
        HardConcrete(**{"count": 3, **wrong})
