"""Places of grids in graphs: where neighbours lie, and what is known put where it belongs."""

from __future__ import annotations

from collections.abc import Sequence

import tensorflow as tf


def wrapped(places: tf.Tensor, side: tf.Tensor) -> tf.Tensor:
    """int32: places, from -4 on, along an axis of so many whose end is followed by its start."""
    return (places + 4 * side) % side  # tf2onnx's remainders of negative numbers are negative


def mirrored(places: tf.Tensor, side: tf.Tensor) -> tf.Tensor:
    """int32: places, from -4 on, along an axis of so many, those beyond its ends reflected."""
    period = tf.maximum(2 * side - 2, 1)
    return tf.abs(wrapped(places + side - 1, period) - (side - 1))


def flat(array: tf.Tensor) -> tf.Tensor:
    """``[K, n]`` of ``[K, ..]``."""
    return tf.reshape(array, [array.shape[0], -1])


def spread_out(
    values: tf.Tensor,
    sides: Sequence[tf.Tensor],
    starts: Sequence[tf.Tensor],
    strides: Sequence[tf.Tensor],
) -> tf.Tensor:
    """``[K, ..]`` of those sides, 0 but where there are values.

    Args:
      values: ``[K, ..]``, at least one for each stride of a side, or a part of one.
      sides: along each axis.
      starts: where the first value lies, along each axis.
      strides: from one value to the next.
    """
    for axis, (side, start, stride) in enumerate(zip(sides, starts, strides), 1):
        at = tf.range(side)
        there = tf.cast(tf.equal(at % stride, start), values.dtype)
        shape = [-1] + [1] * (len(values.shape) - 1 - axis)
        values = tf.gather(values, at // stride, axis=axis) * tf.reshape(there, shape)
    return values
