"""Whole numbers beyond 2^24 in float32 graphs: tensors ``[K, ..]`` of digits, see `runtime.digits`.

Every digit is kept below 2^24, so that sums and products are exact on any machine, in any order.
Digits are small where they are within +-2050: after `carried` of digits below 2^23, twice.
"""

from __future__ import annotations

from typing import Union

import tensorflow as tf

from mscn_tf.runtime.digits import BASE

SMALL = 2050  # what small digits are within
Number = Union[float, tf.Tensor]


def carried(digits: tf.Tensor, times: int = 2) -> tf.Tensor:
    """The same numbers, of smaller digits but for the last, which takes what is left."""
    for _ in range(times):
        carries = tf.floor(digits[:-1] * (1 / BASE) + 0.5)
        lower = digits[:-1] - BASE * carries
        digits = tf.concat([lower[:1], lower[1:] + carries[:-1], digits[-1:] + carries[-1:]], 0)
    return digits


def widened(digits: tf.Tensor) -> tf.Tensor:
    """The same numbers, with a digit more."""
    return tf.concat([digits, tf.zeros_like(digits[:1])], 0)


def scaled(digits: tf.Tensor, scale: Number) -> tf.Tensor:
    """Numbers times scale / 4096, to the nearest one, halves up: of as many digits, small ones.

    Args:
      digits: below 2^23.
      scale: a power of two, 1 to 2^9.
    """
    digits = carried(widened(digits)) * scale
    lowest = tf.floor(digits[:1] * (1 / BASE) + 0.5)
    return carried(tf.concat([digits[1:2] + lowest, digits[2:]], 0))


def divided(digits: tf.Tensor, divisor: Number) -> tf.Tensor:
    """Numbers, not below 0, over a small one, rounded down."""
    quotients, rest = [], tf.zeros_like(digits[0])
    for digit in tf.unstack(digits)[::-1]:
        part = rest * BASE + digit
        quotients.append(tf.floor((part + 0.5) / divisor))
        rest = part - divisor * quotients[-1]
    return tf.stack(quotients[::-1])


def about(digits: tf.Tensor) -> tf.Tensor:
    """Numbers of small digits, rounded to float32: their signs are right."""
    number: Number = 0.0
    for digit in tf.unstack(digits)[::-1]:
        number = number * BASE + digit
    return number


def sizes(digits: tf.Tensor) -> tf.Tensor:
    """Numbers of small digits without their signs."""
    return digits * tf.where(about(digits) < 0.0, -1.0, 1.0)


def quotient(digits: tf.Tensor, divisors: tf.Tensor, limit: int) -> tf.Tensor:
    """Numbers over others, rounded down and within a limit, as one float32 each.

    Args:
      digits: small ones.
      divisors: small ones, of numbers above 0.
      limit: below 2^10.
    """
    wanted = tf.floor(about(digits) / about(divisors))  # at most one off, where not beyond limits
    wanted = tf.clip_by_value(wanted, -limit - 1.0, float(limit))
    rest = carried(digits - wanted * divisors)
    over = tf.cast(about(carried(rest - divisors, 1)) >= 0.0, tf.float32)
    under = tf.cast(about(rest) < 0.0, tf.float32)
    return tf.clip_by_value(wanted + over - under, -float(limit), float(limit))
