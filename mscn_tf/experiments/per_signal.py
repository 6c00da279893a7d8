"""Adam on what signals have of their own: no inner loop that was learned."""

from __future__ import annotations

from collections.abc import Callable
from typing import Union

import numpy as np
import tensorflow as tf

from mscn_tf.fitting.meta_learner import MetaLearner

Rate = Union[float, tf.keras.optimizers.schedules.LearningRateSchedule]


def adam(
    loss: Callable[[tf.Tensor, tf.Tensor], tf.Tensor], start: tf.Tensor, steps: int, rate: Rate
) -> tf.Tensor:
    """Minimises the loss of each signal on its own (Adam divides by each element's own gradients).

    Args:
      loss: maps values ``[B, M]``, and the share of the steps that is done, to ``[B]``.
      start: float ``[B, M]``.
      steps: how many.
      rate: Adam's.

    Returns:
      float32 ``[B, M]``.
    """
    values = tf.Variable(start, dtype=tf.float32)
    optimizer = tf.keras.optimizers.Adam(rate)
    optimizer.build([values])

    @tf.function
    def step(done: tf.Tensor) -> None:
        with tf.GradientTape() as tape:
            total = tf.reduce_sum(loss(values, done))
        optimizer.apply_gradients([(tape.gradient(total, values), values)])

    for number in range(steps):
        step(tf.constant(number / steps, tf.float32))
    return values.read_value()


def fit_updates(
    fit: MetaLearner,
    signals: np.ndarray,
    coordinates: np.ndarray,
    steps: int,
    rate: float,
    penalty: float = 0.0,
) -> np.ndarray:
    """Updates of all weights, from theta0, by Adam whose rate falls to nothing.

    Args:
      fit: of ``modulation="weights"`` without gates.
      signals: ``[B, N, C]``.
      coordinates: ``[N, d]``.
      steps: of Adam.
      rate: of Adam's first step.
      penalty: price of the updates' L1 norm, in units of the mean squared error.

    Returns:
      float32 ``[B, M]``.
    """
    wanted, points = tf.constant(signals), tf.constant(coordinates)

    def loss(code: tf.Tensor, done: tf.Tensor) -> tf.Tensor:
        del done
        norm = tf.reduce_sum(tf.abs(code), axis=1)
        return fit.errors({"code": code}, wanted, points) + penalty * norm

    falling = tf.keras.optimizers.schedules.CosineDecay(rate, steps)
    return adam(loss, tf.zeros([len(signals), fit.modulation.code_size]), steps, falling).numpy()
