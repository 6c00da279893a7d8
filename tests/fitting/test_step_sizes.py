from __future__ import annotations

import math

import keras
import numpy as np
import pytest
import tensorflow as tf

from mscn_tf.fitting.meta_sgd import inner_loop
from mscn_tf.fitting.step_sizes import StepSizes
from tests.harness import check_layer

B, M = 3, 6


def half_closed(**options):
    """Gates of the first three elements closed for sure, of the others open."""
    sizes = StepSizes(M, 0.2, gated=True, dtype="float64", **options)
    sizes.gates.log_alpha.assign([-20.0] * 3 + [20.0] * 3)
    return sizes


@pytest.mark.parametrize("gated", [False, True])
@pytest.mark.parametrize("per_element", [False, True])
def test_round_trips(gated, per_element):
    layer = StepSizes(
        M, 0.2, steps=2, per_element=per_element, gated=gated, initial_open=0.7, factor=5.0
    )
    check_layer(layer, layer.noise([1, 2]) if gated else tf.zeros([1, M]))


@pytest.mark.parametrize("per_element", [False, True])
def test_they_start_where_told_and_stay_positive(per_element):
    sizes = StepSizes(M, 0.2, steps=3, per_element=per_element)
    np.testing.assert_allclose(sizes(None), np.full([4, M if per_element else 1], 0.2), rtol=1e-6)
    assert [w.shape for w in sizes.trainable_weights] == [(3, M if per_element else 1)]
    sizes.log_size.assign_sub(tf.fill(sizes.log_size.shape, 20.0))
    assert np.all(sizes(None) > 0)


def test_steps_past_the_end_take_the_mean_of_the_rows():
    sizes = StepSizes(M, 0.2, steps=2, dtype="float64")
    rows = np.random.default_rng(0).uniform(0.05, 0.3, [2, M])
    sizes.log_size.assign(np.log(rows))
    code, target = np.zeros([B, M]), np.ones([B, M])
    found = inner_loop(
        lambda adapted: tf.reduce_sum((adapted["code"] - target) ** 2, 1),
        {"code": tf.constant(code)},
        {"code": sizes(None)},
        steps=4,
    )["code"]
    for row in (rows[0], rows[1], rows.mean(0), rows.mean(0)):
        code = code - row * 2 * (code - target)
    np.testing.assert_allclose(found, code, rtol=1e-12)


@pytest.mark.parametrize("factor", [None, 10.0])
def test_training_leaves_sizes_within_a_factor_of_their_start(factor):
    sizes = StepSizes(2, 0.2, factor=factor)
    optimizer = keras.optimizers.SGD(1.0)
    optimizer.build([sizes.log_size])
    optimizer.apply_gradients([(tf.constant([[5.0, -5.0]]), sizes.log_size)])
    scale = np.exp([-5.0, 5.0]) if factor is None else [0.1, 10.0]
    np.testing.assert_allclose(sizes(None)[0], 0.2 * np.array(scale), rtol=1e-5)


def test_without_gates_everything_moves():
    sizes = StepSizes(M, 0.2)
    assert sizes.noise([0, 1]) is None
    assert np.all(sizes.moving())
    assert sizes.expected_l0() == M


@pytest.mark.parametrize("noisy", [False, True])
@pytest.mark.parametrize("per_element", [False, True])
def test_what_gates_close_never_moves(noisy, per_element):
    sizes = half_closed(per_element=per_element)
    np.testing.assert_array_equal(sizes.moving(), [False] * 3 + [True] * 3)
    np.testing.assert_allclose(sizes.expected_l0(), 3, atol=1e-6)
    target, start = tf.ones([B, M], tf.float64), tf.fill([B, M], tf.constant(0.5, tf.float64))
    code = inner_loop(
        lambda adapted: tf.reduce_sum((adapted["code"] - target) ** 2, 1),
        {"code": start},
        {"code": sizes(sizes.noise([3, 4]) if noisy else None)},
        steps=2,
    )["code"].numpy()
    np.testing.assert_array_equal(code[:, :3], start[:, :3])
    np.testing.assert_allclose(code[:, 3:], 1 - 0.5 * (1 - 2 * 0.2) ** 2)


def test_gates_are_sampled_with_noise_and_shared_by_all_signals():
    sizes = StepSizes(200, 0.2, gated=True, initial_open=0.5)
    noise = [sizes.noise(seed) for seed in ([1, 2], [1, 2], [1, 3])]
    assert noise[0].shape == (1, 200)
    np.testing.assert_array_equal(noise[0], noise[1])
    sampled = [sizes(one).numpy() for one in noise]
    np.testing.assert_array_equal(sampled[0], sampled[1])
    assert np.any(sampled[0] != sampled[2])
    assert 60 < np.count_nonzero(sampled[0][0]) < 140  # of 200, half: six deviations are 42
    np.testing.assert_allclose(sizes.expected_l0(), 100, rtol=1e-5)


@pytest.mark.parametrize("gated", [False, True])
def test_the_outer_gradient_equals_finite_differences(gated):
    """In the logarithms, and in the gates: of a loss after two steps."""
    sizes = StepSizes(M, 0.1, steps=2, gated=gated, dtype="float64")
    random = np.random.default_rng(0)
    target, noise = random.normal(size=[B, M]), sizes.noise([5, 6])

    def outer():
        loss = lambda adapted: tf.reduce_sum((adapted["code"] - target) ** 4, 1)  # noqa: E731
        start = {"code": tf.zeros([B, M], tf.float64)}
        return tf.reduce_sum(loss(inner_loop(loss, start, {"code": sizes(noise)}, 2)))

    assert len(sizes.trainable_weights) == 1 + gated
    for variable in sizes.trainable_weights:
        with tf.GradientTape() as tape:
            total = outer()
        gradient = tape.gradient(total, variable)
        value, direction, h = variable.numpy(), random.normal(size=variable.shape), 1e-5
        ends = []
        for sign in (1, -1):
            variable.assign(value + sign * h * direction)
            ends.append(outer())
        variable.assign(value)
        difference = float(ends[0] - ends[1]) / (2 * h)
        assert abs(difference) > 1e-3
        np.testing.assert_allclose(np.sum(gradient * direction), difference, rtol=1e-5)


def test_a_factor_of_nothing_is_refused():
    with pytest.raises(ValueError, match="factor must be above 1, not 1"):
        StepSizes(M, 0.1, factor=1)


@pytest.mark.parametrize(
    "wrong", [{"count": 0}, {"steps": 0}, {"initial": 0.0}, {"initial": math.nan}]
)
def test_wrong_sizes_are_refused(wrong):
    with pytest.raises(ValueError, match="step sizes need count >= 1"):
        StepSizes(**{"count": M, "initial": 0.1, **wrong})
