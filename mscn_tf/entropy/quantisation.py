"""Rounding that training can see through."""

from __future__ import annotations

import tensorflow as tf

from mscn_tf.runtime import quantiser


def round_dead_zone(values: tf.Tensor, dead_zone: tf.Tensor | float) -> tf.Tensor:
    """Rounds to whole numbers, with a wider interval around zero; the gradient passes as is.

    ``sign(v) floor(|v| + 1/2 - dead_zone)``: a dead zone of 0 is plain rounding. Codes whose
    symbols are mostly zero train badly with uniform noise in place of rounding, and well with
    this straight-through estimate (Bengio et al. 2013).

    Args:
      values: any shape, in units of the quantiser step.
      dead_zone: in [0, 1/2), broadcastable to ``values``.
    """
    rounded = quantiser.round_dead_zone(tf, values, dead_zone)
    return values + tf.stop_gradient(rounded - values)


def add_uniform_noise(values: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Adds noise uniform in [-1/2, 1/2), the classic stand-in for rounding (Balle et al. 2017).

    Args:
      values: any shape, in units of the quantiser step.
      seed: ``[2]`` int32 of a stateless generator.
    """
    return values + tf.random.stateless_uniform(tf.shape(values), seed, -0.5, 0.5, values.dtype)
