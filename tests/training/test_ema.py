from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from mscn_tf.training.ema import ExponentialMovingAverage


@given(st.floats(0.01, 0.99), st.lists(st.floats(-10, 10), min_size=1, max_size=10))
def test_formula(decay, values):
    weights = [tf.Variable(tf.zeros([2], tf.float64)), tf.Variable(1.0, dtype=tf.float64)]
    average = ExponentialMovingAverage(weights, decay)
    expected = np.array([0.0, 1.0])
    for value in values:
        weights[0].assign([value, -value])
        weights[1].assign(value)
        average.update()
        expected = decay * expected + (1 - decay) * value
    np.testing.assert_allclose(average.shadows[0], [expected[0], -expected[0]], atol=1e-12)
    np.testing.assert_allclose(average.shadows[1], expected[1], atol=1e-12)
    average.reset()
    np.testing.assert_array_equal(average.shadows[1], values[-1])


def test_swapped_in_for_a_while():
    weight = tf.Variable(1.0)
    average = ExponentialMovingAverage([weight], 0.5)
    weight.assign(3.0)
    average.update()
    with average.swapped_in():
        assert float(weight) == 2.0
    assert float(weight) == 3.0
    with pytest.raises(ZeroDivisionError), average.swapped_in():
        1 / (float(weight) - 2.0)
    assert float(weight) == 3.0
    assert float(average.shadows[0]) == 2.0


def test_no_average():
    weight = tf.Variable(1.0)
    average = ExponentialMovingAverage([weight], 0.0)
    average.update()
    average.reset()
    with average.swapped_in():
        assert float(weight) == 1.0
    assert average.shadows == []
