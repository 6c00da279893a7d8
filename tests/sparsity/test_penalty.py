from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from mscn_tf.sparsity import hard_concrete
from mscn_tf.sparsity.penalty import L0Penalty, SparsityConstraint
from tests.harness import check_layer

EXPECTED = np.array([10.0, 40.0, 0.0], "f4")


@pytest.mark.parametrize(
    "penalty", [L0Penalty(0.3), SparsityConstraint(0.2, 100, 0.5, restart=True)], ids=type
)
def test_round_trips(penalty):
    check_layer(penalty, EXPECTED)


def test_fixed_price():
    penalty = L0Penalty(0.3)
    penalty.ascend(EXPECTED)
    np.testing.assert_allclose(penalty(EXPECTED), [3.0, 12.0, 0.0], rtol=1e-6)


def test_the_gradient_is_unbiased_over_samples():
    """The penalty's gradient is that of what sampled gates cost on average.

    The price of the elements that are open in a sample has no gradient to follow, but an unbiased
    estimate of its mean's: itself times d log p(sample) / d log_alpha, which is 2 u - 1 for the
    logistic distribution. 400,000 samples of 7 gates; right formulas fail, by normal tails of 5
    standard errors, less than 5 times in a million.
    """
    draws, price = 400_000, 0.3
    log_alpha = tf.constant([-4.0, -1.5, -0.3, 0.0, 0.8, 2.0, 5.0], tf.float64)
    sizes = np.array([1, 2, 3, 4, 5, 6, 7])
    u = hard_concrete.uniform_noise([draws, 7], [8, 9], tf.float64)
    cost = price * sizes * (hard_concrete.sample(log_alpha, u).numpy() > 0)
    estimates = cost * (2 * u.numpy() - 1)
    with tf.GradientTape() as tape:
        tape.watch(log_alpha)
        penalty = L0Penalty(price)(hard_concrete.expected_l0(log_alpha, sizes))
    gradient = tape.gradient(penalty, log_alpha)
    error = estimates.std(axis=0) / np.sqrt(draws)
    assert np.all(np.abs(estimates.mean(axis=0) - gradient) < 5 * error)
    assert np.median(error / gradient) < 0.01  # so that a wrong one would be seen


@pytest.mark.parametrize("restart", [False, True])
def test_multiplier_by_hand(restart):
    penalty = SparsityConstraint(0.2, size=100, step_size=0.5, restart=restart)
    np.testing.assert_array_equal(penalty(EXPECTED), [0.0] * 3)
    penalty.ascend(np.full(4, 60.0, "f4"))  # 0.4 too dense
    np.testing.assert_allclose(penalty.multiplier, 0.2, rtol=1e-6)
    np.testing.assert_allclose(penalty(EXPECTED), [-0.02, 0.04, -0.04], rtol=1e-5)
    penalty.ascend(np.array([30.0, 50.0], "f4"))  # their mean is 0.2 too dense
    np.testing.assert_allclose(penalty.multiplier, 0.3, rtol=1e-6)
    penalty.ascend(np.full(4, 10.0, "f4"))  # 0.1 sparser than wanted
    np.testing.assert_allclose(penalty.multiplier, 0.0 if restart else 0.25, rtol=1e-6)
    penalty.ascend(np.zeros(4, "f4"))
    penalty.ascend(np.zeros(4, "f4"))
    penalty.ascend(np.zeros(4, "f4"))
    assert penalty.multiplier == 0  # never negative


def test_multiplier_is_kept_but_not_descended_on():
    penalty = SparsityConstraint(0.2, 100, 0.5)
    assert len(penalty.weights) == 1
    assert not penalty.trainable_weights


def densities_while_training(density: float, restart: bool) -> tuple[np.ndarray, np.ndarray]:
    """Gates on falling values, open at first, under a constraint; also the final probabilities."""
    count, batch = 40, 8
    values = tf.constant(0.9 ** np.arange(count), tf.float32)
    penalty = SparsityConstraint(density, count, step_size=2.0, restart=restart)
    log_alpha = tf.Variable(tf.fill([count], 1.0))
    optimizer = tf.keras.optimizers.Adam(0.05)

    @tf.function
    def step(i):
        noise = hard_concrete.uniform_noise([batch, count], tf.stack([i, 1]))
        with tf.GradientTape() as tape:
            z = hard_concrete.sample(log_alpha, noise)
            norm = hard_concrete.expected_l0(log_alpha)[None]
            error = tf.reduce_mean(tf.reduce_sum(((z - 1) * values) ** 2, 1))
            loss = error + tf.reduce_sum(penalty(norm))
        optimizer.apply_gradients([(tape.gradient(loss, log_alpha), log_alpha)])
        penalty.ascend(norm)
        return norm[0] / count

    densities = np.array([step(i) for i in tf.range(1200)])
    return densities, hard_concrete.open_probability(log_alpha).numpy()


@pytest.mark.parametrize("density", [0.1, 0.3])
def test_wanted_sparsity_is_reached(density):
    """And what stays open are the largest values."""
    densities, probability = densities_while_training(density, restart=True)
    assert densities[0] > 0.9
    assert abs(np.mean(densities[-200:]) - density) < 0.02
    wanted = round(density * len(probability))
    assert probability[: wanted - 1].min() > 0.9
    assert probability[wanted + 2 :].max() < 0.3


def test_without_restart_it_is_sparser_than_wanted():
    densities, _ = densities_while_training(0.1, restart=False)
    assert np.mean(densities[-200:]) < 0.08


@pytest.mark.parametrize(
    "make",
    [
        lambda: L0Penalty(-1.0),
        lambda: SparsityConstraint(0.0, 10, 0.1),
        lambda: SparsityConstraint(1.1, 10, 0.1),
        lambda: SparsityConstraint(0.5, 0, 0.1),
        lambda: SparsityConstraint(0.5, 10, 0.0),
    ],
)
def test_wrong_arguments_are_refused(make):
    with pytest.raises(ValueError, match=r"at least 0|needs"):
        make()
